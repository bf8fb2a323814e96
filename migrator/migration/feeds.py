"""``--feed TENSOR=VALUE``: values for placeholders, read by the placeholder's type."""

from __future__ import annotations

import json
from typing import Any

from migrator.errors import UsageError
from migrator.model.dtypes import DType

_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
_SCALAR_FIELD = {"f": float, "i": int, "u": int}


def parse_value(text: str, dtype: DType, *, tensor: str) -> Any:
    """``text`` as a value of ``dtype``: a scalar, or a JSON list for an array.

    Raises UsageError.
    """
    if text.lstrip().startswith("["):
        try:
            items = json.loads(text)
        except (ValueError, RecursionError):
            raise UsageError(f"{text!r} is not a JSON list", where=f"--feed {tensor}") from None
        return _each(items, dtype, tensor)
    return _scalar(text, dtype, tensor)


def _each(items: Any, dtype: DType, tensor: str) -> Any:
    if isinstance(items, list):
        return [_each(item, dtype, tensor) for item in items]
    text = str(items).lower() if isinstance(items, bool) else str(items)
    return _scalar(text, dtype, tensor)


def _scalar(text: str, dtype: DType, tensor: str) -> Any:
    kind = dtype.kind
    word = text.strip().lower()
    try:
        if kind == "b" and word in _TRUE + _FALSE:
            return word in _TRUE
        if kind == "s":
            return text
        if kind in _SCALAR_FIELD:
            number = _SCALAR_FIELD[kind](word)
            if kind == "f" or _in_range(number, dtype):
                return number
    except ValueError:
        pass
    bits = dtype.itemsize * 8
    expected = {"b": "true or false", "f": "a number"}
    expected |= {"i": f"an integer of {bits} bits", "u": f"an integer of {bits} bits, not negative"}
    raise UsageError(
        f"{text!r} is not a value of {dtype}; expected {expected.get(kind, 'a value')}",
        where=f"--feed {tensor}",
    )


def _in_range(number: int | float, dtype: DType) -> bool:
    bits = dtype.itemsize * 8
    if dtype.kind == "u":
        return 0 <= number < 1 << bits
    return -(1 << bits - 1) <= number < 1 << bits - 1
