"""Data sets as lazy tensors: values read when they are asked for, where they lie in the file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from migrator.errors import FormatError, LimitError
from migrator.formats.hdf5.heap import REFERENCE, Heap
from migrator.formats.hdf5.tree import Dataset
from migrator.formats.hdf5.walk import MOST_TEXT, trimmed
from migrator.formats.wire import bytes_field, number_field
from migrator.limits import Limits
from migrator.model.dtypes import DType, dtype_named
from migrator.model.tensors import FileSpan, LazyTensor, Shape
from migrator.places.source import ByteSource

Fetch = Callable[[str, Dataset], bytes]
"""(path, data set) -> its elements in a row, in the file's byte order; texts as ``pack`` has them.
Raises MigratorError."""
_TEXT_BYTES = 48
"""What a text takes in memory, about, itself apart."""
_MARKED = ("bfloat16",)
"""What Keras writes as opaque bytes, with the type's name in the attribute ``dtype``."""


def tensor_dtype(item: Dataset) -> DType | None:
    """What the data set is as a tensor; None for what is none."""
    marked = item.attrs.get("dtype")
    if isinstance(marked, str) and marked in _MARKED and not item.type.text:
        dtype = dtype_named(marked)
        if item.type.size == dtype.itemsize:
            return dtype
    return item.type.dtype if item.type.dtype else None


def lazy_tensor(
    item: Dataset,
    path: str,
    source: ByteSource,
    heap: Heap | None,
    fetch: Fetch,
    limits: Limits,
) -> LazyTensor | None:
    """The data set at ``path`` of ``source``, None where it holds no tensor.

    ``fetch`` reads what does not lie in one piece.
    """
    dtype = tensor_dtype(item)
    if dtype is None or item.dims is None:
        return None
    return _Stored(item, dtype, path, source, heap, fetch, limits).tensor()


class _Stored:
    __slots__ = ("_dtype", "_fetch", "_heap", "_item", "_limits", "_path", "_source")

    def __init__(
        self,
        item: Dataset,
        dtype: DType,
        path: str,
        source: ByteSource,
        heap: Heap | None,
        fetch: Fetch,
        limits: Limits,
    ) -> None:
        self._item = item
        self._dtype = dtype
        self._path = path
        self._source = source
        self._heap = heap
        self._fetch = fetch
        self._limits = limits

    def tensor(self) -> LazyTensor:
        return LazyTensor(
            dtype=self._dtype,
            shape=Shape(self._item.dims),
            stored_bytes=self._item.stored,
            read=self._message,
            decode=lambda _: self._array(),
            place=self._place,
        )

    @property
    def _where(self) -> str:
        return f"{self._source.name}: {ascii(self._path)[1:-1][:300]}"

    def _count(self) -> int:
        item = self._item
        count = Shape(item.dims).elements
        least = _TEXT_BYTES if item.type.text else 1
        width = max(item.type.size, self._dtype.itemsize, least)
        if count is None or count * width > self._limits.tensor_bytes:
            raise LimitError(
                f"an array of shape {Shape(item.dims)} takes more than the limit of "
                f"{self._limits.tensor_bytes:,} bytes",
                where=self._where,
            )
        return count

    def _is_in_order(self) -> bool:
        """Whether the file holds the array's bytes in a row, as they are in memory."""
        item = self._item
        return (
            item.storage == "contiguous"
            and item.offset is not None
            and not item.type.text
            and not item.type.is_big_endian
            and item.stored == self._count() * item.type.size
            and item.offset + item.stored <= self._source.size
        )

    def _place(self) -> FileSpan | None:
        if not self._is_in_order() or self._item.offset is None:
            return None
        found = self._source.on_disk(self._item.offset)
        if found is None:
            return None
        return FileSpan(
            path=found.path, offset=found.offset, length=self._item.stored, source=found.source
        )

    def _raw(self) -> bytes:
        """The elements in a row, as the file has them. Raises FormatError, LimitError."""
        item, count = self._item, self._count()
        size = count * item.type.size
        if not size:
            return b""
        if item.storage == "contiguous" and item.offset is not None:
            if item.stored < size:
                raise FormatError(
                    f"holds {item.stored:,} bytes, shape {Shape(item.dims)} takes {size:,}",
                    where=self._where,
                )
            try:
                return self._source.read(item.offset, size)
            except FormatError as error:
                raise FormatError(error.what, where=self._where) from None
        if item.storage == "inline":
            if len(item.fill) < size:
                raise FormatError(
                    f"holds {len(item.fill):,} bytes, shape {Shape(item.dims)} takes {size:,}",
                    where=self._where,
                )
            return item.fill[:size]
        if item.storage == "contiguous":
            return (item.fill * count)[:size] if len(item.fill) == item.type.size else bytes(size)
        if item.storage == "elsewhere":
            raise FormatError(
                "keeps its data in another file, which is not read", where=self._where
            )
        return self._fetched(count)

    def _fetched(self, count: int) -> bytes:
        data = self._fetch(self._path, self._item)
        if self._item.type.text != "variable" and len(data) != count * self._item.type.size:
            raise FormatError(
                f"gives {len(data):,} bytes, shape {Shape(self._item.dims)} takes "
                f"{count * self._item.type.size:,}",
                where=self._where,
            )
        return data

    def _texts(self) -> list[bytes]:
        item, count = self._item, self._count()
        if item.type.text == "fixed":
            width = item.type.size
            if count and not width:
                raise FormatError("its texts have no length", where=self._where)
            raw = self._raw()
            return [
                trimmed(raw[at : at + width], item.type.padding)
                for at in range(0, len(raw), width or 1)
            ]
        if item.storage == "chunked" or self._heap is None or item.type.size != REFERENCE:
            return unpack(self._fetched(count), count, self._where)
        raw = self._raw()
        self._heap.begin()
        found: list[bytes] = []
        total = 0
        for at in range(0, len(raw), REFERENCE):
            found.append(self._heap.get(raw[at : at + REFERENCE], most=MOST_TEXT))
            total += len(found[-1])
            if total > self._limits.tensor_bytes:
                raise LimitError(
                    f"its texts take more than {self._limits.tensor_bytes:,} bytes",
                    where=self._where,
                )
        return found

    def _array(self) -> Any:
        import numpy as np

        shape = self._item.dims
        try:
            if self._dtype.kind == "s":
                texts = self._texts()
                words = np.empty(len(texts), dtype=object)
                words[:] = texts
                return words.reshape(shape)
            stored = native = self._dtype.numpy()
            if self._item.type.is_big_endian:
                stored = native.newbyteorder(">")
            elif native.byteorder != "|":
                stored = native.newbyteorder("<")
            array = np.frombuffer(self._raw(), dtype=stored).reshape(shape)
            return array.astype(native)
        except TypeError as error:  # a type that the installed ml_dtypes does not have
            raise FormatError(str(error), where=self._where) from None
        except ValueError as error:
            raise FormatError(
                f"its shape is none that an array can have: {error}", where=self._where
            ) from None

    def _message(self) -> bytes:
        """A serialised TensorProto of the values."""
        shape = b"".join(bytes_field(2, number_field(1, size)) for size in self._item.dims or ())
        head = number_field(1, int(self._dtype)) + bytes_field(2, shape)
        if self._dtype.kind == "s":
            return head + b"".join(bytes_field(8, item) for item in self._texts())
        if self._item.type.is_big_endian:
            array = self._array()
            return head + bytes_field(4, array.astype(array.dtype.newbyteorder("<")).tobytes())
        return head + bytes_field(4, self._raw())


def unpack(data: bytes, count: int, where: str) -> list[bytes]:
    """Texts of which each stands behind its length in four bytes. Raises FormatError."""
    found: list[bytes] = []
    at = 0
    while at < len(data) and len(found) < count:
        size = int.from_bytes(data[at : at + 4], "little")
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    if len(found) != count or at != len(data):
        raise FormatError(f"gives {len(found):,} texts instead of {count:,}", where=where)
    return found
