"""Snappy's raw format, decompressed: the blocks of an index are small.

Source: snappy's public format description.
"""

from __future__ import annotations

from migrator.errors import FormatError

_EXPANSION = 22
"""A three-byte element makes 64 bytes at most, so no honest length is more than this many times
the compressed one."""


def decompress(data: bytes) -> bytes:
    """The bytes that ``data`` stands for. Time and memory are linear in ``len(data)``.

    Raises FormatError (without a place) for anything else than one well-formed string.
    """
    expected, index = _length(data)
    if expected > _EXPANSION * len(data):
        raise FormatError(f"claims {expected:,} bytes in {len(data):,} of snappy")
    out = bytearray()
    end = len(data)
    while index < end:
        tag = data[index]
        index += 1
        kind = tag & 3
        if kind == 0:
            length = (tag >> 2) + 1
            if length > 60:
                extra = length - 60
                if index + extra > end:
                    raise _cut()
                length = int.from_bytes(data[index : index + extra], "little") + 1
                index += extra
            if index + length > end:
                raise _cut()
            out += data[index : index + length]
            index += length
        else:
            width = 1 if kind == 1 else 2 if kind == 2 else 4
            if index + width > end:
                raise _cut()
            offset = int.from_bytes(data[index : index + width], "little")
            index += width
            if kind == 1:
                length = (tag >> 2 & 7) + 4
                offset |= tag >> 5 << 8
            else:
                length = (tag >> 2) + 1
            start = len(out) - offset
            if offset == 0 or start < 0:
                raise FormatError("a snappy copy points before the start of its block")
            if offset >= length:
                out += out[start : start + length]
            else:  # it repeats what it makes
                pattern = bytes(out[start:])
                out += (pattern * (length // offset + 1))[:length]
        if len(out) > expected:
            break
    if len(out) != expected:
        raise FormatError(f"snappy makes {len(out):,} bytes or more, {expected:,} are stated")
    return bytes(out)


def _length(data: bytes) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(data[:5]):
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, index + 1
    raise FormatError("a snappy block without its length")


def _cut() -> FormatError:
    return FormatError("a snappy element passes the end of its block")
