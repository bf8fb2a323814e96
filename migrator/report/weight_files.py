"""Weights in one file, one at a time: ``.npz`` as numpy reads it, or ``.safetensors``.

Formats: numpy's NEP 1 inside of a ZIP; https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import json
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from migrator.errors import MigratorError, UsageError
from migrator.files import check_writable, folder_beside, is_taken, put_in_place
from migrator.files import exists as exists_error
from migrator.model.dtypes import DType
from migrator.model.tensors import LazyTensor
from migrator.places.source import ByteSource

SUFFIXES = (".npz", ".safetensors")
_PART = 1 << 22
"""Bytes that are copied at once."""
_MOST_RANK = 32
"""Dimensions that every numpy reads back."""
_MOST_NAME = 60_000
"""A ZIP's name has 65,535 bytes at most."""
_MOST_HEADER = 100_000_000
"""Bytes of a header that the safetensors library reads."""
_MOST_PADDING = 1 << 26
"""Bytes to which strings of unlike length may grow when they get one width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedWeights:
    """What became of weights that were to be saved. ``bytes`` is the size of the file."""

    path: str
    bytes: int
    names: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    """Name and reason of each that such a file cannot hold."""
    unreadable: tuple[tuple[str, str], ...]
    """Name and reason of each whose value could not be read."""
    widened: tuple[tuple[str, str], ...]
    """A type that such a file lacks, and the one that holds all of its values."""


class LeftOut(Exception):
    """A weight that a file of this kind cannot hold; says why."""


class _Stored(NamedTuple):
    """How one weight is written: the bytes of an array of ``dtype``, a numpy one."""

    name: str
    dtype: Any
    shape: tuple[int, ...]
    parts: Iterator[Any]
    bytes: int


def save_weights(
    weights: Iterable[tuple[str, LazyTensor]], target: Path, *, overwrite: bool = False
) -> SavedWeights:
    """Write ``weights`` to ``target``, whose suffix says how. It appears whole or not at all.

    One weight is in memory at a time, none where its bytes lie in a file in one run. Values are
    kept bit for bit; a type that the file lacks is stored as one that holds all of its values.
    Raises UsageError for another suffix and where nothing can be saved, DestinationError.
    """
    if target.suffix not in SUFFIXES:
        raise UsageError(
            f"weights are saved as {' or '.join(SUFFIXES)}, not as {target.suffix or 'a file'!r}",
            where=str(target),
        )
    if is_taken(target) and not overwrite:
        raise exists_error(target)
    check_writable(target)
    names: list[str] = []
    left_out: list[tuple[str, str]] = []
    unreadable: list[tuple[str, str]] = []
    with folder_beside(target) as folder:
        made = folder / "weights"
        with made.open("wb") as file:
            writer = _Npz(file) if target.suffix == ".npz" else _Safetensors(file)
            try:
                kept = list(_fitting(writer, weights, left_out))
                writer.begin(kept)
                for name, tensor in writer.ordered(kept):
                    try:
                        stored = writer.stored(name, tensor)
                    except LeftOut as reason:
                        left_out.append((name, str(reason)))
                    except MigratorError as error:
                        unreadable.append((name, str(error)))
                    else:
                        writer.write(stored)
                        names.append(name)
            finally:
                writer.end()
        if not names:
            raise _nothing(target, [*unreadable, *left_out])
        size = made.stat().st_size
        put_in_place(made, target, overwrite=overwrite)
    return SavedWeights(
        path=str(target),
        bytes=size,
        names=tuple(names),
        left_out=tuple(left_out),
        unreadable=tuple(unreadable),
        widened=tuple(sorted(writer.widened.items())),
    )


def _fitting(
    writer: _Writer, weights: Iterable[tuple[str, LazyTensor]], left_out: list[tuple[str, str]]
) -> Iterator[tuple[str, LazyTensor]]:
    """Those that may be written, as far as is known without reading them."""
    for name, tensor in weights:
        try:
            writer.check(name, tensor)
        except LeftOut as reason:
            left_out.append((name, str(reason)))
        else:
            yield name, tensor


def _nothing(target: Path, reasons: list[tuple[str, str]]) -> MigratorError:
    if not reasons:
        return UsageError("there are no weights to save", where=str(target))
    name, reason = reasons[0]
    more = f" and {len(reasons) - 1:,} more" if len(reasons) > 1 else ""
    return UsageError(
        f"none of the weights can be saved: {ascii(name)[:200]} ({reason}){more}",
        where=str(target),
    )


class _Writer(ABC):
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.widened: dict[str, str] = {}

    @abstractmethod
    def check(self, name: str, tensor: LazyTensor) -> None:
        """Raise LeftOut for what is known not to fit before anything is read."""

    def begin(self, kept: list[tuple[str, LazyTensor]]) -> None:
        """Before the first weight: what there will be at most."""
        del kept

    def ordered(self, kept: list[tuple[str, LazyTensor]]) -> list[tuple[str, LazyTensor]]:
        return kept

    @abstractmethod
    def target_type(self, dtype: DType) -> Any:
        """The numpy type that ``dtype`` is written as. Raises LeftOut."""

    @abstractmethod
    def write(self, stored: _Stored) -> None: ...

    @abstractmethod
    def end(self) -> None:
        """After the last weight, or after what went wrong."""

    def stored(self, name: str, tensor: LazyTensor) -> _Stored:
        """How a weight is written; its values are read now, or in parts as they are taken.

        Raises LeftOut, and MigratorError for what cannot be read.
        """
        if tensor.dtype.kind == "s":
            return self.stored_strings(name, tensor)
        ours, target = _plain(tensor.dtype), self.target_type(tensor.dtype)
        if target != ours or tensor.dtype.kind == "q":
            self.widened[tensor.dtype.name] = str(target)
        shape = _shape(tensor)
        parts = _parts(tensor, ours)
        if target != ours:
            parts = (_bytes(part.astype(target)) for part in _arrays(parts, ours))
        return _Stored(name, target, shape, parts, tensor.elements * target.itemsize)

    def stored_strings(self, name: str, tensor: LazyTensor) -> _Stored:
        raise LeftOut("strings have no place in such a file")


def _shape(tensor: LazyTensor) -> tuple[int, ...]:
    return tuple(size or 0 for size in tensor.shape.dims or ())


def _plain(dtype: DType) -> Any:
    """The numpy type of stored elements, quantised ones as the integers that they are.

    Raises LeftOut for a type without one.
    """
    try:
        found = dtype.base.numpy()
    except TypeError as error:
        raise LeftOut(str(error)) from None
    return found[found.names[0]] if found.names else found


def _parts(tensor: LazyTensor, dtype: Any) -> Iterator[Any]:
    """The bytes of a tensor in runs of whole elements. Raises MigratorError before the first."""
    span = tensor.place()
    size = tensor.elements * dtype.itemsize
    if span is not None and span.length == size:
        source = ByteSource.open(span.path)
        source.read(span.offset, min(size, 1))
        if span.offset + size > source.size:
            source.read(span.offset, size)  # says what is wrong
        return _copied(source, span.offset, size)
    array = tensor.numpy()
    return _of_array(array)


def _copied(source: ByteSource, offset: int, size: int) -> Iterator[Any]:
    for start in range(0, size, _PART):
        yield source.read(offset + start, min(_PART, size - start))


def _of_array(array: Any) -> Iterator[Any]:
    data = memoryview(_bytes(array))
    for start in range(0, len(data), _PART):
        yield data[start : start + _PART]


def _bytes(array: Any) -> Any:
    """An array's bytes in C order, little-endian, without a copy where they are so."""
    import numpy as np

    array = np.ascontiguousarray(array)
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    return array.reshape(-1).view(np.uint8).data


def _arrays(parts: Iterator[Any], dtype: Any) -> Iterator[Any]:
    import numpy as np

    for part in parts:
        yield np.frombuffer(part, dtype=dtype)


def _check_shape(tensor: LazyTensor) -> None:
    dims = tensor.shape.dims
    if dims is None or tensor.shape.elements is None:
        raise LeftOut("its shape is not known")
    if len(dims) > _MOST_RANK:
        raise LeftOut(f"it has {len(dims):,} dimensions, numpy takes {_MOST_RANK}")
    if tensor.dtype.kind in "h?":
        raise LeftOut(f"a {tensor.dtype.name} has no values")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Npz(_Writer):
    """``numpy.load`` gives the arrays back under their names, without pickle."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True)

    def check(self, name: str, tensor: LazyTensor) -> None:
        _check_shape(tensor)
        if not _is_text(name) or "\0" in name:
            raise LeftOut("its name is none that a ZIP can hold")
        if len(name.encode()) > _MOST_NAME:
            raise LeftOut("its name is too long for a ZIP")
        if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/"):
            raise LeftOut("its name leads out of a folder")

    def target_type(self, dtype: DType) -> Any:
        return _known_to_numpy(_plain(dtype))

    def stored_strings(self, name: str, tensor: LazyTensor) -> _Stored:
        import numpy as np

        items = [_as_bytes(item) for item in tensor.numpy().ravel()]
        if any(item.endswith(b"\0") for item in items):
            raise LeftOut("a string ends in a zero byte, which numpy drops")
        width = max(map(len, items), default=0) or 1
        if width * len(items) > max(_MOST_PADDING, 4 * sum(map(len, items))):
            raise LeftOut(f"its strings are of too unlike length: the longest has {width:,} bytes")
        array = np.array(items, dtype=f"S{width}")
        parts = iter([array.view(np.uint8).data] if items else [])
        return _Stored(name, array.dtype, _shape(tensor), parts, width * len(items))

    def write(self, stored: _Stored) -> None:
        import numpy as np

        entry = zipfile.ZipInfo(f"{stored.name}.npy", (1980, 1, 1, 0, 0, 0))
        entry.filename = f"{stored.name}.npy"  # as it is: ZipInfo would put / for a backslash
        with self._zip.open(entry, "w", force_zip64=True) as member:
            header = {
                "descr": np.lib.format.dtype_to_descr(stored.dtype),
                "fortran_order": False,
                "shape": stored.shape,
            }
            np.lib.format.write_array_header_1_0(member, header)
            for part in stored.parts:
                member.write(part)

    def end(self) -> None:
        self._zip.close()


def _as_bytes(item: Any) -> bytes:
    return item if isinstance(item, bytes) else str(item).encode()


_SAFE = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "int16": "I16",
    "uint16": "U16",
    "float16": "F16",
    "bfloat16": "BF16",
    "int32": "I32",
    "uint32": "U32",
    "float32": "F32",
    "complex64": "C64",
    "float64": "F64",
    "int64": "I64",
    "uint64": "U64",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
}
"""numpy's name of a type -> what a safetensors file calls it."""


class _Safetensors(_Writer):
    """The header is written last, into space that is kept free for it."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._entries: dict[str, Any] = {}
        self._space = 0
        self._end = 0

    def check(self, name: str, tensor: LazyTensor) -> None:
        _check_shape(tensor)
        if tensor.dtype.kind == "s":
            raise LeftOut("strings have no place in such a file")
        self.target_type(tensor.dtype)
        if not _is_text(name):
            raise LeftOut("its name is no text")
        if name == "__metadata__":
            raise LeftOut("its name means something else there")

    def target_type(self, dtype: DType) -> Any:
        plain = _plain(dtype)
        target = plain if plain.name in _SAFE else _known_to_numpy(plain)
        if target.name not in _SAFE:
            raise LeftOut(f"the format has no {dtype.name}")
        return target

    def ordered(self, kept: list[tuple[str, LazyTensor]]) -> list[tuple[str, LazyTensor]]:
        """Wide elements first, so that each lies where its type may lie."""
        return sorted(kept, key=lambda item: -self.target_type(item[1].dtype).itemsize)

    def begin(self, kept: list[tuple[str, LazyTensor]]) -> None:
        largest = {
            name: self._entry(tensor.dtype, _shape(tensor), 1 << 62, 1 << 62)
            for name, tensor in kept
        }
        self._space = -(-len(_json(largest)) // 8) * 8
        if self._space > _MOST_HEADER:
            raise UsageError(
                f"{len(kept):,} names take {self._space:,} bytes, a .safetensors file has room "
                f"for {_MOST_HEADER:,}",
                hint="save them as .npz",
            )
        self._file.seek(8 + self._space)

    def _entry(self, dtype: DType, shape: tuple[int, ...], start: int, end: int) -> Any:
        kind = _SAFE[self.target_type(dtype).name]
        return {"dtype": kind, "shape": list(shape), "data_offsets": [start, end]}

    def write(self, stored: _Stored) -> None:
        for part in stored.parts:
            self._file.write(part)
        start, self._end = self._end, self._end + stored.bytes
        self._entries[stored.name] = {
            "dtype": _SAFE[stored.dtype.name],
            "shape": list(stored.shape),
            "data_offsets": [start, self._end],
        }

    def end(self) -> None:
        self._file.seek(0)
        self._file.write(self._space.to_bytes(8, "little"))
        self._file.write(_json(self._entries).ljust(self._space))


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _known_to_numpy(dtype: Any) -> Any:
    """The smallest type of numpy's own that holds all values of ``dtype``."""
    import numpy as np

    if dtype.isbuiltin == 1:
        return dtype
    name = dtype.name
    if "int" in name:
        return np.dtype(np.uint8 if name.startswith("uint") else np.int8)
    return np.dtype(np.float32)
