"""The buffers of a TFLite file: where they lie, and their values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from migrator.errors import FormatError, LimitError
from migrator.formats.tensors import constant_tensor
from migrator.formats.tflite.flat import Broken, Flat
from migrator.formats.tflite.schema import BUFFER, PACKED
from migrator.formats.tflite.sparse import Sparsity
from migrator.model.dtypes import DType
from migrator.model.tensors import FileSpan, LazyTensor, Shape

_STRINGS_START = 4


class Buffers:
    """The file's buffers by index. Finding one reads its table, none of its bytes."""

    __slots__ = ("_count", "_found", "_start", "flat")

    def __init__(self, flat: Flat, at: int) -> None:
        """``at``: the vector of buffers. Raises Broken."""
        self.flat = flat
        self._start, self._count = flat.vector(at, 4, "buffers") if at else (0, 0)
        self._found: dict[int, tuple[int, int]] = {}

    def locate(self, number: int) -> tuple[int, int]:
        """(offset in the file, bytes) of a buffer; no bytes for an empty one. Raises Broken."""
        found = self._found.get(number)
        if found is None:
            found = self._found[number] = self._locate(number)
        return found

    def _locate(self, number: int) -> tuple[int, int]:
        if number >= self._count:
            raise Broken(
                f"names buffer {number:,} of {self._count:,}",
                where="buffer",
                hint="is the file damaged?",
            )
        part = f"buffers[{number}]"
        at = self.flat.follow(self._start + 4 * number, part)
        data, offset, size = self.flat.table(BUFFER, at, part)
        found = self.flat.vector(data, 1, f"{part}.data") if data else (0, 0)
        if found[1] or offset <= 1:  # 1 stands there before a file past 2 GB is put together
            return found
        return self.outside(offset, size, part)

    def outside(self, offset: int, size: int, part: str) -> tuple[int, int]:
        """A span behind the FlatBuffer itself. Raises Broken."""
        if offset + size > self.flat.size:
            raise Broken(
                f"{size:,} bytes at byte {offset:,} lie outside of the file "
                f"({self.flat.size:,} bytes)",
                where=part,
                hint="is the file truncated?",
            )
        return offset, size


def stored_size(dtype: DType, shape: Shape) -> int | None:
    """Bytes that a buffer of ``dtype`` and ``shape`` has; None for what has no fixed size."""
    count = shape.elements
    if count is None or not dtype.itemsize:
        return None
    bits = PACKED.get(dtype)
    return -(-count * bits // 8) if bits else count * dtype.itemsize


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Where the values of a constant lie: ``length`` bytes at ``offset`` of the file."""

    flat: Flat
    offset: int
    length: int
    sparsity: int
    """Position of how they lie in the dense shape, 0 where all of them are there."""
    where: str
    unread: str
    """Why the values cannot be had, empty where they can."""


def lazy_constant(stored: Stored, dtype: DType, shape: Shape) -> LazyTensor:
    """The constant of ``dtype`` and (dense) ``shape`` whose values are ``stored``."""
    flat, offset, length = stored.flat, stored.offset, stored.length

    def place() -> FileSpan | None:
        found = flat.source.on_disk(offset)
        if found is None or stored.unread or stored.sparsity or dtype in PACKED:
            return None
        if length != stored_size(dtype, shape):
            return None
        if not length:
            return None
        return FileSpan(path=found.path, offset=found.offset, length=length, source=found.source)

    decode = partial(_decode, stored)

    def read() -> bytes:
        return constant_tensor(decode(tensor), dtype).read()

    tensor = LazyTensor(
        dtype=dtype, shape=shape, stored_bytes=length, read=read, decode=decode, place=place
    )
    return tensor


def _decode(stored: Stored, tensor: LazyTensor) -> Any:
    """Values equal to those of TFLite's interpreter; integers as stored, not scaled back."""
    flat, offset, length = stored.flat, stored.offset, stored.length
    where = f"{flat.source.name}: {stored.where}"
    if stored.unread:
        raise FormatError(stored.unread, where=where)
    dtype, dims, count = tensor.dtype, tensor.shape.dims, tensor.shape.elements
    if dims is None or count is None:
        raise FormatError(f"a constant of shape {tensor.shape} has no values", where=where)
    if max(length, count * max(dtype.itemsize, 1)) > flat.limits.tensor_bytes:
        raise LimitError(
            f"takes {max(length, count * dtype.itemsize):,} bytes, "
            f"the limit is {flat.limits.tensor_bytes:,}",
            where=where,
        )
    if stored.sparsity:
        values = _sparse(stored, dtype, tuple([dim or 0 for dim in dims]), count, where)
    elif dtype.kind == "s":
        values = _strings(flat, offset, length, count, where)
    else:
        _check_size(length, dtype, count, where, f"{dtype} of shape {tensor.shape} takes")
        values = _numbers(stored, dtype, count, where)
    try:
        return values.reshape(dims)
    except ValueError as error:  # more dimensions, or larger ones, than numpy has
        raise FormatError(
            f"its shape is none that an array can have: {error}", where=where
        ) from None


def _check_size(length: int, dtype: DType, count: int, where: str, what: str) -> None:
    expected = stored_size(dtype, Shape((count,)))
    if expected != length:
        raise FormatError(
            f"its buffer holds {length:,} bytes, {what} "
            f"{'none' if expected is None else format(expected, ',')}",
            where=where,
        )


def _sparse(stored: Stored, dtype: DType, dims: tuple[int, ...], count: int, where: str) -> Any:
    """The dense values, flat. Past these it takes the stored ones and their indices in memory."""
    import numpy as np

    if dtype.kind == "s":
        raise FormatError("is stored sparse, and strings are not", where=where)
    try:
        sparsity = Sparsity(stored.flat, stored.sparsity, dims)
    except Broken as error:
        raise FormatError(error.what, where=f"{where}.{error.where}", hint=error.hint) from None
    held = sparsity.count
    _check_size(stored.length, dtype, held, where, f"{held:,} values of {dtype}, as indexed, take")
    values = _numbers(stored, dtype, held, where)
    dense = np.zeros(count, values.dtype)
    sparsity.spread(values, dense)
    return dense


def _numbers(stored: Stored, dtype: DType, count: int, where: str) -> Any:
    import numpy as np

    raw: Any = np.empty(stored.length, np.uint8)
    if stored.length:
        stored.flat.source.read_into(stored.offset, raw.data)
    try:
        kind = dtype.numpy()
    except TypeError as error:
        raise FormatError(str(error), where=where) from None
    bits = PACKED.get(dtype)
    if not bits:
        stored = kind.newbyteorder("<") if kind.byteorder != "|" else kind
        return raw.view(stored).astype(kind, copy=False)
    # The first element is in the lowest bits of a byte.
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    parts = ((raw[:, None] >> shifts) & ((1 << bits) - 1)).reshape(-1)[:count]
    if dtype.kind == "i":
        sign = 1 << (bits - 1)
        parts = (parts ^ sign).astype(np.int8) - np.int8(sign)
    return parts.astype(kind)


def _strings(flat: Flat, offset: int, length: int, count: int, where: str) -> Any:
    """A buffer of strings: their number, where each starts and the last one ends, their bytes."""
    import numpy as np

    if not length and not count:
        return np.empty(0, dtype=object)
    header = _STRINGS_START * (count + 2)
    if length < header:
        raise FormatError(f"{length:,} bytes hold no {count:,} strings", where=where)
    raw = flat.source.read(offset, length)
    places = np.frombuffer(raw, "<i4", count + 2)
    stated, starts = int(places[0]), places[1:].astype(np.int64)
    if stated != count:
        raise FormatError(f"its buffer holds {stated:,} strings, not {count:,}", where=where)
    if starts[0] < header or starts[-1] > length or (np.diff(starts) < 0).any():
        raise FormatError("the places of its strings are not in order or pass its end", where=where)
    values = np.empty(count, dtype=object)
    for index in range(count):
        values[index] = raw[starts[index] : starts[index + 1]]
    return values
