"""The one value of a scalar constant, without numpy, whose import takes longer than most files."""

from __future__ import annotations

import struct
from typing import Any

from migrator.formats.messages import message_class
from migrator.model.tensors import LazyTensor

_CODES = {
    "float32": "f", "float64": "d", "float16": "e", "bool": "?",
    "int8": "b", "int16": "h", "int32": "i", "int64": "q",
    "uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q",
}  # fmt: skip
"""How ``struct`` calls the types. bfloat16 is the upper half of a float32."""
_MOST_BYTES = 1 << 10


def scalar_value(tensor: LazyTensor) -> Any:
    """What ``tensor.numpy().item()`` gives for a tensor of rank 0, and raises what that raises."""
    found = None
    if tensor.shape.rank == 0 and tensor.stored_bytes <= _MOST_BYTES:
        found = _bytes(tensor)
    if found is None:
        return tensor.numpy().item()
    if tensor.dtype.kind == "s":
        return found
    kind = tensor.dtype.base.name
    if kind == "bfloat16":
        return struct.unpack("<f", b"\0\0" + found)[0]
    return struct.unpack(f"<{_CODES[kind]}", found)[0]


def _bytes(tensor: LazyTensor) -> bytes | None:
    """The element as an array holds it, None for what is left to numpy: damage, rare types."""
    from google.protobuf.message import DecodeError

    dtype = tensor.dtype
    kind = dtype.base.name
    if kind not in _CODES and kind not in ("bfloat16", "string"):
        return None
    try:
        message = message_class("TensorProto").FromString(tensor.read())
    except DecodeError:
        return None
    shape = message.tensor_shape
    if message.dtype != dtype or shape.dim or shape.unknown_rank:
        return None
    content: bytes = message.tensor_content
    if content and kind != "string":
        return content if len(content) == dtype.itemsize else None
    name = dtype.values_field
    values = getattr(message, name) if name is not None else ()
    if len(values) > 1:
        return None
    if kind == "string":
        return bytes(values[0]) if values else b""
    value = values[0] if values else 0
    if name in ("int_val", "half_val"):  # narrower types keep the low bits
        size = dtype.itemsize
        return int(value & (1 << 8 * size) - 1).to_bytes(size, "little")
    return struct.pack(f"<{_CODES[kind]}", value)
