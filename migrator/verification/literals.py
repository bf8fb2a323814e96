"""Arrays from what JSON can say: nested lists of numbers, booleans, texts and base64 bytes."""

from __future__ import annotations

import base64
import binascii
import json
import reprlib
from collections.abc import Callable
from typing import Any

from migrator.errors import UsageError
from migrator.model.dtypes import DType

_MOST_RANK = 32


def parse_json(text: str | bytes, *, where: str) -> Any:
    """JSON text, deep nesting refused as what it is. Raises UsageError."""
    try:
        return json.loads(text)
    except RecursionError:
        raise UsageError("is nested too deeply", where=where) from None
    except ValueError as error:
        raise UsageError(f"is not JSON: {error}", where=where) from None


def array_of(value: Any, dtype: DType, *, where: str) -> Any:
    """A scalar or nested lists of equal lengths as an array of ``dtype``; strings as bytes.

    A string is a text, bytes, or ``{"b64": ...}`` as in TensorFlow Serving's JSON; a float may be
    ``"NaN"`` or ``"Infinity"``, a complex number a text such as ``"1+2j"``.

    Raises UsageError for lists of unequal lengths and for an element that is none of ``dtype``.
    """
    import numpy as np

    items, shape = _flat(value, where)
    read = _reader(dtype, where)
    if dtype.kind == "s":
        array = np.empty(len(items), dtype=object)
        array[:] = [read(item) for item in items]
        return array.reshape(shape)
    wanted = _array_type(dtype, where)
    if dtype.kind == "q":
        wanted = wanted[0]
    return np.array([read(item) for item in items], dtype=wanted).reshape(shape)


def _array_type(dtype: DType, where: str) -> Any:
    try:
        return dtype.numpy()
    except TypeError as error:
        raise UsageError(f"no value can be given: {error}", where=where) from None


def _flat(value: Any, where: str) -> tuple[list[Any], tuple[int, ...]]:
    """The leaves in order, and the shape that the lists have. One level at a time."""
    level = [value]
    shape: list[int] = []
    while level and any(isinstance(item, (list, tuple)) for item in level):
        sizes = {len(item) if isinstance(item, (list, tuple)) else -1 for item in level}
        if len(sizes) > 1:
            raise UsageError(
                f"the lists at depth {len(shape) + 1} differ in length, so it is no array",
                where=where,
            )
        shape.append(sizes.pop())
        if len(shape) > _MOST_RANK:
            raise UsageError(f"has more than {_MOST_RANK} dimensions", where=where)
        level = [leaf for item in level for leaf in item]
    return level, tuple(shape)


def _reader(dtype: DType, where: str) -> Callable[[Any], Any]:
    """What turns one leaf into an element of ``dtype``."""
    kind = "i" if dtype.kind == "q" else dtype.kind
    convert = _CONVERTERS.get(kind)
    if convert is None:
        raise UsageError(f"no value of type {dtype} can be given", where=where)
    low, high = _range(dtype)

    def read(item: Any) -> Any:
        try:
            found = convert(item)
        except (TypeError, ValueError, OverflowError):
            found = None
        if found is None:
            raise UsageError(f"{reprlib.repr(item)} is no {dtype}{_hint(kind, item)}", where=where)
        if kind in "iu" and not low <= found <= high:
            raise UsageError(
                f"{found} does not fit into {dtype} ({low:,} to {high:,})", where=where
            )
        return found

    return read


def _range(dtype: DType) -> tuple[int, int]:
    """Smallest and largest integer of an integer type, which int4 and its like have as well."""
    name = dtype.name
    digits = "".join(char for char in name if char.isdigit())
    if dtype.kind not in "iuq" or not digits:
        return 0, 0
    bits = int(digits)
    if "uint" in name:
        return 0, (1 << bits) - 1
    return -(1 << bits - 1), (1 << bits - 1) - 1


def _float(item: Any) -> float | None:
    return None if isinstance(item, bool) else float(item)


def _integer(item: Any) -> int | None:
    return item if isinstance(item, int) and not isinstance(item, bool) else None


def _boolean(item: Any) -> bool | None:
    return item if isinstance(item, bool) else None


def _complex(item: Any) -> complex | None:
    return None if isinstance(item, bool) else complex(item)


def _string(item: Any) -> bytes | None:
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, bytes):
        return item
    if isinstance(item, dict) and set(item) == {"b64"} and isinstance(item["b64"], str):
        try:
            return base64.b64decode(item["b64"], validate=True)
        except binascii.Error:
            return None
    return None


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "f": _float,
    "i": _integer,
    "u": _integer,
    "b": _boolean,
    "c": _complex,
    "s": _string,
}


def _hint(kind: str, item: Any) -> str:
    if kind == "b" and item in (0, 1):
        return "; write true or false"
    if kind == "s" and isinstance(item, dict):
        return '; bytes are written {"b64": "..."}, in standard base64'
    if kind == "s" and isinstance(item, (int, float)):
        return "; strings stand in quotes"
    return ""
