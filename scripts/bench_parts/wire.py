"""GraphDef messages written by field number, as bytes: no protobuf, and never whole in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

FLOAT = 1
_PRODUCER = 27


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _head(field: int, size: int) -> bytes:
    """What stands before ``size`` bytes of a message, string or bytes field."""
    return _varint(field << 3 | 2) + _varint(size)


def field_bytes(field: int, content: bytes) -> bytes:
    return _head(field, len(content)) + content


def type_attr(dtype: int) -> bytes:
    return _number(6, dtype)


def _shape(*dims: int) -> bytes:
    return b"".join(field_bytes(2, _number(1, dim)) for dim in dims)


def shape_attr(*dims: int) -> bytes:
    return field_bytes(7, _shape(*dims))


def _attr(key: str, value: bytes) -> bytes:
    return field_bytes(5, field_bytes(1, key.encode()) + field_bytes(2, value))


def node(name: str, op: str, *inputs: str, **attrs: bytes) -> bytes:
    out = field_bytes(1, name.encode()) + field_bytes(2, op.encode())
    out += b"".join(field_bytes(3, source.encode()) for source in inputs)
    return out + b"".join(_attr(key, attrs[key]) for key in sorted(attrs))


def put_node(out: BinaryIO, content: bytes) -> None:
    out.write(field_bytes(1, content))


def tensor_head(*dims: int, size: int) -> bytes:
    """A float tensor up to its content of ``size`` bytes, which is to follow."""
    return _number(1, FLOAT) + field_bytes(2, _shape(*dims)) + _head(4, size)


def put_large_const(out: BinaryIO, name: str, width: int, fill: Callable[[int], None]) -> None:
    """A Const of [width, width] floats. Its content comes last in every message around it."""
    size = width * width * 4
    tail = tensor_head(width, width, size=size)
    left = len(tail) + size
    for prefix, field in ((b"", 8), (field_bytes(1, b"value"), 2), (b"", 5)):
        # From the inside out: tensor in AttrValue, AttrValue in its map entry, entry in NodeDef.
        wrapped = prefix + _head(field, left)
        tail = wrapped + tail
        left += len(wrapped)
    start = (
        field_bytes(1, name.encode()) + field_bytes(2, b"Const") + _attr("dtype", type_attr(FLOAT))
    )
    out.write(_head(1, len(start) + left) + start + tail)
    fill(size)


def versions() -> bytes:
    return field_bytes(4, _number(1, _PRODUCER))
