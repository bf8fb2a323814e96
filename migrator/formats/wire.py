"""Writing protobuf's wire format: the few primitives that our encoders need.

Source: protobuf's public encoding guide.
"""

from __future__ import annotations

VARINT, FIXED64, LENGTH, START_GROUP, END_GROUP, FIXED32 = 0, 1, 2, 3, 4, 5
"""Wire types. TensorFlow's messages have no groups, but a parser skips those that it meets."""

_U64 = (1 << 64) - 1


def varint(value: int) -> bytes:
    """``value`` in base 128, least significant group first; negative ones as 64-bit."""
    value &= _U64
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(number: int, wire_type: int = LENGTH) -> bytes:
    return varint(number << 3 | wire_type)


def number_field(number: int, value: int) -> bytes:
    return tag(number, VARINT) + varint(value)


def bytes_field(number: int, payload: bytes) -> bytes:
    return tag(number) + varint(len(payload)) + payload


def text_field(number: int, text: str) -> bytes:
    return bytes_field(number, text.encode())


def read_varint(data: bytes | memoryview, index: int) -> tuple[int, int]:
    """The number at ``index`` and the index after it. Raises ValueError where none is whole."""
    value = 0
    for shift, after in enumerate(range(index, min(index + 10, len(data)))):
        value |= (data[after] & 127) << 7 * shift
        if data[after] < 128:
            return value, after + 1
    raise ValueError("no number where one should be")
