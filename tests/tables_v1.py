"""A writer of version 1 checkpoints, beside ``tables``: it writes whatever it is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tests import tables, wire
from tests.tables import Extent

Array = np.ndarray[Any, Any]
VARINTS = {"int32": 7, "uint8": 7, "int8": 7, "int16": 7, "uint16": 7, "int64": 10, "bool": 11}
PACKED = {"float32": 5, "float64": 6, "complex64": 9, "complex128": 12}


def slice_proto(extents: Sequence[Extent]) -> bytes:
    parts = (b"" if e is None else wire.number(1, e[0]) + wire.number(2, e[1]) for e in extents)
    return b"".join(wire.block(1, part) for part in parts)


def listed(array: Array) -> bytes:
    """The values of an array as a TensorProto lists them, without type and shape."""
    name = array.dtype.name
    if array.dtype == object:
        return b"".join(wire.block(8, bytes(item)) for item in array.ravel())
    if name in PACKED:
        return wire.block(PACKED[name], array.tobytes()) if array.size else b""
    if name == "float16":
        numbers = array.ravel().view(np.uint16).tolist()
        return wire.block(13, b"".join(wire.varint(item) for item in numbers))
    values = b"".join(wire.varint(int(item)) for item in array.ravel())
    return wire.block(VARINTS[name], values) if array.size else b""


def record(
    name: bytes, extents: Sequence[Extent], array: Array, *, proto: bytes | None = None
) -> tuple[bytes, bytes]:
    """Key and value of one slice."""
    tensor = listed(array) if proto is None else proto
    data = wire.block(1, name) + wire.block(2, slice_proto(extents)) + wire.block(3, tensor)
    return tables.slice_key(name, extents), wire.block(2, data)


def meta(
    tensors: Iterable[tuple[bytes, int, Sequence[int], Sequence[Sequence[Extent]]]],
    *,
    version: bytes = b"\x08\x01",
) -> bytes:
    """The list of tensors: name, type, shape, slices of each."""
    found = b""
    for name, dtype, shape, slices in tensors:
        item = wire.block(1, name) + wire.block(2, wire.shape(shape)) + wire.number(3, dtype)
        found += wire.block(
            1, item + b"".join(wire.block(4, slice_proto(extents)) for extents in slices)
        )
    return wire.block(1, found + wire.block(2, version))


def checkpoint(tensors: dict[str, Array], **how: Any) -> bytes:
    """A file that holds whole tensors; ``how`` goes to ``tables.table``."""
    listing, records = [], []
    for key, array in tensors.items():
        name, full = key.encode(), [None] * array.ndim
        number = 7 if array.dtype == object else tables.NUMBERS[array.dtype.name]
        listing.append((name, number, array.shape, [full]))
        records.append(record(name, full, array))
    return tables.table([(b"", meta(listing)), *records], **how)
