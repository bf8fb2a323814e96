"""Values of small constants, without numpy."""

from __future__ import annotations

import struct

from migrator.formats.messages import message_class
from migrator.model.dtypes import BOOL, DType
from migrator.model.tensors import LazyTensor
from migrator.shapes.facts import MOST_VALUES, Fact, sane

_MOST_BYTES = 1 << 13
_MOST_REALS = 16
"""Sizes are seldom computed from floats; weights would only cost time."""
_CODES = {3: "i", 9: "q", 4: "B", 5: "h", 6: "b", 10: "?", 17: "H", 22: "I", 23: "Q"}
"""How ``struct`` calls the integer types, by their numbers."""
_REALS = {1: "f", 2: "d"}


def constant(tensor: LazyTensor) -> Fact:
    """Shape of a constant, and its values where it is small and of integers, bools or floats."""
    dims = sane(tensor.shape.dims)
    if dims is None or None in dims or tensor.stored_bytes > _MOST_BYTES:
        return Fact(dims)
    count = tensor.shape.elements
    kind = tensor.dtype
    most = _MOST_REALS if kind in _REALS else MOST_VALUES if kind in _CODES else -1
    if count is None or count > most:
        return Fact(dims)
    found = _read(tensor, kind, count)
    if found is None:
        return Fact(dims)
    if kind in _REALS:
        return Fact(dims, None, tuple([float(value) for value in found]))
    return Fact(dims, tuple([int(value) for value in found]))


def _read(tensor: LazyTensor, kind: DType, count: int) -> list[float] | None:
    """The values in row order, None where they are not as the type and the shape say."""
    message = message_class("TensorProto").FromString(tensor.read())
    if message.dtype != kind:
        return None
    code = _CODES.get(kind) or _REALS[kind]
    if message.tensor_content:
        if len(message.tensor_content) != count * struct.calcsize(f"<{code}"):
            return None
        return list(struct.unpack(f"<{count}{code}", message.tensor_content))
    name = kind.values_field
    values = list(getattr(message, name)) if name is not None else []
    if len(values) > count:
        return None
    if kind not in _REALS and not all(within(value, kind) for value in values):
        return None
    return values + [values[-1] if values else 0] * (count - len(values))


def within(value: int, kind: DType) -> bool:
    """Whether an integer type can hold ``value``."""
    if kind == BOOL:
        return value in (0, 1)
    bits = 8 * (kind.itemsize or 4)
    if kind.kind == "u":
        return 0 <= value < 1 << bits
    return -(1 << (bits - 1)) <= value < 1 << (bits - 1)
