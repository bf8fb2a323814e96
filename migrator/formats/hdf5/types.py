"""HDF5's element types, and which of TensorFlow's each one is.

Source: the HDF5 file format specification, version 3.0, "Datatype Message".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from struct import unpack_from

from migrator.errors import FormatError
from migrator.model.dtypes import BOOL, INVALID, STRING, DType, dtype_named

_FIXED, _FLOAT, _TEXT, _OPAQUE, _COMPOUND, _ENUM, _VARIABLE, _COMPLEX = 0, 1, 3, 5, 6, 8, 9, 11
_FLOATS = {
    # size in bytes: (exponent bits, mantissa bits, bias)
    (2, 5, 10, 15): "float16",
    (2, 8, 7, 127): "bfloat16",
    (4, 8, 23, 127): "float32",
    (8, 11, 52, 1023): "float64",
    (1, 5, 2, 15): "float8_e5m2",
    (1, 4, 3, 7): "float8_e4m3fn",
}
_DEPTH = 8
_MOST_MEMBERS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementType:
    """``dtype`` is INVALID where TensorFlow has no such type; ``what`` then names it.

    ``size`` is in bytes. ``text``: ``fixed`` (of ``size`` bytes), ``variable`` (a reference to
    a heap), or empty for what is no text; ``padding`` is what fills a fixed text: 0 a NUL ends it,
    1 NULs, 2 spaces.
    """

    dtype: DType
    size: int
    what: str
    is_big_endian: bool = False
    text: str = ""
    padding: int = 0


@lru_cache(maxsize=256)
def element_type(data: bytes) -> ElementType:
    """The type that a datatype message describes. Raises FormatError for a cut one."""
    try:
        return _read(data, 0, _DEPTH)[0]
    except (IndexError, ValueError, struct.error) as error:
        raise FormatError(f"its element type is not well-formed: {str(error)!a}") from None


def _read(data: bytes, at: int, depth: int) -> tuple[ElementType, int]:
    """The type at ``at``, and where it ends."""
    if not depth:
        raise ValueError("types inside of types without end")
    kind, version = data[at] & 15, data[at] >> 4
    flags = int.from_bytes(data[at + 1 : at + 4], "little")
    (size,) = unpack_from("<I", data, at + 4)
    after = at + 8
    if kind == _FIXED:
        _, precision = unpack_from("<HH", data, after)
        name = f"{'int' if flags & 8 else 'uint'}{size * 8}"
        whole = precision == size * 8 and size in (1, 2, 4, 8)
        return _number(name if whole else "", size, bool(flags & 1), name), after + 4
    if kind == _FLOAT:
        _, precision, _, exponent, _, mantissa, bias = unpack_from("<HHBBBBI", data, after)
        whole = precision == size * 8 and not flags & 64
        name = _FLOATS.get((size, exponent, mantissa, bias), "") if whole else ""
        return _number(name, size, bool(flags & 1), f"float of {size} bytes"), after + 12
    if kind == _TEXT:
        return ElementType(
            dtype=STRING, size=size, what="text", text="fixed", padding=flags & 15
        ), after
    if kind == _OPAQUE:
        return _number("", size, False, f"opaque, {size:,} bytes each"), after + (flags & 255)
    if kind == _COMPOUND:
        return _compound(data, after, flags & 0xFFFF, size, version, depth)
    if kind == _ENUM:
        return _enum(data, after, flags & 0xFFFF, version, depth)
    if kind == _VARIABLE:
        if flags & 15 == 1:
            return ElementType(dtype=STRING, size=size, what="text", text="variable"), after
        return _number("", size, False, "lists of any length"), after
    if kind == _COMPLEX:
        part, end = _read(data, after, depth - 1)
        name = {4: "complex64", 8: "complex128"}.get(part.size, "")
        return _number(name if part.dtype.is_floating else "", size, part.is_big_endian, ""), end
    names = {2: "time", 4: "bits", 7: "references", 10: "arrays"}
    return _number("", size, False, names.get(kind, f"type class {kind}")), after


def _number(name: str, size: int, is_big: bool, what: str) -> ElementType:
    dtype = dtype_named(name) if name else INVALID
    return ElementType(dtype=dtype, size=size, what=name or what, is_big_endian=is_big and size > 1)


def _name(data: bytes, at: int, version: int) -> tuple[bytes, int]:
    """A member's name and where it ends; before version 3 it fills eight bytes, or sixteen ..."""
    end = data.index(b"\0", at)
    name = data[at:end]
    return name, end + 1 if version >= 3 else at + (len(name) // 8 + 1) * 8


def _compound(
    data: bytes, at: int, count: int, size: int, version: int, depth: int
) -> tuple[ElementType, int]:
    """Complex numbers, as h5py writes them: two floats called r and i. Others have no dtype."""
    if count > _MOST_MEMBERS:
        raise ValueError(f"{count:,} members")
    width = (size.bit_length() + 7) // 8 or 1
    found: list[tuple[bytes, int, ElementType]] = []
    for _ in range(count):
        name, at = _name(data, at, version)
        if version >= 3:
            offset = int.from_bytes(data[at : at + width], "little")
            at += width
        else:
            (offset,) = unpack_from("<I", data, at)
            at += 4 if version == 2 else 32
        member, at = _read(data, at, depth - 1)
        found.append((name, offset, member))
    if len(found) == 2:
        (first, start, real), (second, middle, imaginary) = found
        name_of = {4: "complex64", 8: "complex128"}.get(real.size, "")
        if (
            (first, second) == (b"r", b"i")
            and real == imaginary
            and real.dtype.is_floating
            and (start, middle, size) == (0, real.size, 2 * real.size)
        ):
            return _number(name_of, size, real.is_big_endian, "complex"), at
    return _number("", size, False, f"records of {count:,} fields"), at


def _enum(data: bytes, at: int, count: int, version: int, depth: int) -> tuple[ElementType, int]:
    """Truth values, as h5py writes them: FALSE and TRUE in a byte. Others are their integers."""
    base, at = _read(data, at, depth - 1)
    names = []
    for _ in range(count):
        name, at = _name(data, at, version)
        names.append(name)
    values = data[at : at + count * base.size]
    if base.size == 1 and names == [b"FALSE", b"TRUE"] and values == b"\0\1":
        return ElementType(dtype=BOOL, size=1, what="bool"), at + 2
    return base, at + count * base.size
