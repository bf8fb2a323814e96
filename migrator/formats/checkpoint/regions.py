"""Regions of a tensor: the parts that a partitioned variable is saved in, and what is asked for.

The order-preserving encoding of the keys that slices lie under is TensorFlow's OrderedCode, as
far as slice names use it.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.errors import FormatError, UsageError

Region = tuple[tuple[int, int], ...]
"""(start, length) in each dimension."""
Extents = tuple[tuple[int, int | None], ...]
"""The same with None as the length for a whole dimension, as slices are stored."""

_MAX = (1 << 63) - 1


def whole(shape: Sequence[int]) -> Region:
    return tuple((0, size) for size in shape)


def elements(region: Region) -> int:
    count = 1
    for _, length in region:
        count *= length
    return count


def resolved(extents: Extents, shape: Sequence[int]) -> Region:
    """The region that ``extents`` mean in ``shape``. Raises FormatError where they pass it."""
    if len(extents) != len(shape):
        raise FormatError(f"a slice of {len(extents)} dimensions of a tensor of {len(shape)}")
    found = []
    for (start, length), size in zip(extents, shape, strict=True):
        length = size - start if length is None else length
        if start < 0 or length < 0 or start + length > size:
            raise FormatError(f"a slice [{start}, {start + length}) of a dimension of {size}")
        found.append((start, length))
    return tuple(found)


def parse_spec(text: str) -> tuple[tuple[int, ...], Extents]:
    """``"100 20 0,50:-"`` as the full shape and the slice; ``-`` is a whole dimension.

    Raises UsageError where ``text`` is none.
    """
    *sizes, spec = text.split(" ")
    try:
        shape = tuple(_number(size) for size in sizes)
        extents: list[tuple[int, int | None]] = []
        for part in spec.split(":") if spec else []:
            start, _, length = part.partition(",")
            extents.append((0, None) if part == "-" else (_number(start), _number(length)))
        if len(extents) != len(shape):
            raise ValueError
        return shape, tuple(extents)
    except ValueError:
        raise UsageError(
            f"{text[:200]!r} is no shape and slice", hint='such as "100 20 0,50:0,20"'
        ) from None


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) > _MAX:
        raise ValueError
    return int(text)


def intersection(left: Region, right: Region) -> Region | None:
    """What both have in common, None where that is nothing."""
    found = []
    for (start, length), (other, other_length) in zip(left, right, strict=True):
        begin = max(start, other)
        end = min(start + length, other + other_length)
        if end <= begin:
            return None
        found.append((begin, end - begin))
    return tuple(found)


def run(part: Region, box: Region) -> int | None:
    """The element of ``box`` (row by row) from which on all of ``part`` lies without a gap.

    None where there are gaps.
    """
    position, stride = 0, 1
    partial = False  # a dimension further in was not whole: those further out must be single
    for (start, length), (origin, size) in zip(reversed(part), reversed(box), strict=True):
        if partial and length != 1:
            return None
        partial = partial or length != size
        position += (start - origin) * stride
        stride *= size
    return position


def slice_key(name: bytes, extents: Extents) -> bytes:
    """The key of a slice's own entry in the index."""
    out = bytearray(_increasing(0))
    for byte in name:
        out.append(byte)
        if byte in (0, 255):
            out.append(255 - byte)
    out += b"\0\x01"
    out += _increasing(len(extents))
    for start, length in extents:
        out += _signed(start)
        out += _signed(-1 if length is None else length)
    return bytes(out)


def _increasing(value: int) -> bytes:
    size = (value.bit_length() + 7) // 8
    return bytes([size]) + value.to_bytes(size, "big")


def _signed(value: int) -> bytes:
    """As many leading ones as bytes, then the sign, then the number; negated for negative ones."""
    bits = (~value if value < 0 else value).bit_length()
    size = bits // 7 + 1
    raw = value & (1 << 8 * size) - 1
    ones = (1 << size) - 1 << 7 * size
    return (raw ^ ones).to_bytes(size, "big")
