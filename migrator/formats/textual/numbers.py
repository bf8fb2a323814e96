"""Numbers and names of a text to the wire's encoding of them, one by one and in long runs."""

from __future__ import annotations

import re
import struct
import sys
from array import array
from collections.abc import Callable

from migrator.formats.wire import FIXED32, FIXED64, VARINT, varint
from migrator.model.dtypes import data_type_number

_DECIMAL = re.compile(rb"[-+]?(?:0|[1-9]\d{0,20})\Z")
_HEX = re.compile(rb"[-+]?0[xX][0-9a-fA-F]{1,40}\Z")
_OCTAL = re.compile(rb"([-+]?)0([0-7]{1,40})\Z")
_FLOAT = re.compile(rb"[-+]?(?:(?!0\d)\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,20})?[fF]?\Z")
_NAMED = re.compile(rb"([-+]?)(?:(inf|infinity)|nan)[fF]?\Z", re.IGNORECASE)
_NOT_PLAIN = re.compile(rb"(?<![\w.+-])[-+]?0\d|_")
"""An octal number, or what Python takes for a digit's neighbour and nobody else does."""
_BOOLS = {b"true": 1, b"True": 1, b"t": 1, b"false": 0, b"False": 0, b"f": 0}
_BOUNDS = {
    "int32": (-(1 << 31), (1 << 31) - 1),
    "int64": (-(1 << 63), (1 << 63) - 1),
    "uint32": (0, (1 << 32) - 1),
    "uint64": (0, (1 << 64) - 1),
    "fixed32": (0, (1 << 32) - 1),
    "DataType": (-(1 << 31), (1 << 31) - 1),
    "bool": (0, 1),
}

WIRE_TYPES = {"float": FIXED32, "double": FIXED64, "fixed32": FIXED32}
"""Of the kinds of numbers; the others are ``VARINT``."""
PACKED = ("float", "double", "int32", "int64", "uint32", "uint64", "bool")
"""Kinds of which ``packed`` encodes a run."""


def encoder(kind: str) -> Callable[[bytes], bytes]:
    """The function that encodes a word as a number of ``kind``, without a tag.

    It raises ValueError, which says what was expected.
    """
    if kind == "float":
        return lambda word: struct.pack("<f", _narrow(_float(word)))
    if kind == "double":
        return lambda word: struct.pack("<d", _float(word))
    if kind == "fixed32":
        return lambda word: struct.pack("<I", _integer(word, "fixed32"))
    if kind == "bool":
        return _bool
    if kind == "DataType":
        return _data_type
    return lambda word: varint(_integer(word, kind))


def packed(kind: str, words: list[bytes], text: bytes) -> bytes:
    """The words, all there are in ``text``, as a packed field's payload. Raises ValueError."""
    if _NOT_PLAIN.search(text) is not None:
        return _one_by_one(kind, words)
    try:
        if kind in WIRE_TYPES:
            values = array("f" if kind == "float" else "d", map(float, words))
            if sys.byteorder == "big":
                values.byteswap()
            return values.tobytes()
        numbers = list(map(int, words))
    except ValueError:  # hexadecimal, 1.0f, or an error that is told of the one word
        return _one_by_one(kind, words)
    low, high = min(numbers), max(numbers)
    if low >= 0 and high < 128:
        return bytes(numbers)
    bounds = _BOUNDS[kind]
    if low < bounds[0] or high > bounds[1]:
        return _one_by_one(kind, words)
    return b"".join(map(varint, numbers))


def _one_by_one(kind: str, words: list[bytes]) -> bytes:
    return b"".join(map(encoder(kind), words))


def _integer(word: bytes, kind: str) -> int:
    if _DECIMAL.match(word):
        value = int(word)
    elif _HEX.match(word):
        value = int(word, 16)
    elif octal := _OCTAL.match(word):
        value = int(octal[1] + octal[2], 8)
    else:
        raise ValueError("an integer")
    low, high = _BOUNDS[kind]
    if not low <= value <= high:
        raise ValueError(f"an integer from {low} to {high}")
    return value


def _float(word: bytes) -> float:
    if _FLOAT.match(word):
        return float(word.rstrip(b"fF"))
    named = _NAMED.match(word)
    if named is None:
        raise ValueError("a number")
    value = float("inf" if named[2] else "nan")
    return -value if named[1] == b"-" else value


def _narrow(value: float) -> float:
    """A double as a float takes it: past the largest it is infinite."""
    try:
        struct.pack("<f", value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    return value


def _bool(word: bytes) -> bytes:
    value = _BOOLS.get(word)
    if value is None:
        try:
            value = _integer(word, "bool")
        except ValueError:
            raise ValueError("true or false") from None
    return bytes((value,))


def _data_type(word: bytes) -> bytes:
    if word[:1].isalpha():
        number = data_type_number(word.decode("latin-1"))
        if number is None:
            raise ValueError("a data type such as DT_FLOAT")
        return varint(number)
    return varint(_integer(word, "DataType"))


def wire_type(kind: str) -> int:
    return WIRE_TYPES.get(kind, VARINT)
