"""TFLite's operators and the options of each, by number.

The data comes from TensorFlow's own schema by ``scripts/make_tflite_schema.py``.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

CUSTOM = 32
"""The operator whose name stands beside it."""


@cache
def _table() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(__file__).with_name("tflite.json").read_bytes())
    return found


def operator_name(number: int) -> str | None:
    """The built-in operator's name, such as ``CONV_2D``; None for a number that is none's."""
    names = _table()["operators"]
    return names[number] or None if 0 <= number < len(names) else None


def is_operator(name: str) -> bool:
    """Whether ``name`` is a built-in operator's, or stands for one that the schema lacks."""
    return name in _operators() or name.startswith("OPERATOR_")


@cache
def _operators() -> frozenset[str]:
    return frozenset(_table()["operators"]) - {"", "CUSTOM"}


def options_table(number: int, *, second: bool = False) -> str | None:
    """The table of options that a union's type names (the second union's on request)."""
    names = _table()["options_2" if second else "options"]
    return names[number] or None if 0 < number < len(names) else None


def option_fields(table: str) -> str:
    """The fields of a table of options, in the notation of ``formats.tflite.schema``."""
    return str(_table()["fields"].get(table, ""))


def enum_names(name: str) -> list[str]:
    """An enum's names by value; empty where a value has none."""
    found: list[str] = _table()["enums"][name]
    return found
