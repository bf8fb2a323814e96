"""What older TensorFlow releases know: their ops, and each op's attributes.

The data comes from their own registries by ``scripts/make_op_attributes.py``.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path


@cache
def _table() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(
        Path(__file__).with_name("older.json").read_bytes()
    )
    return found


def older_releases() -> tuple[str, ...]:
    """The releases that are covered, newest first."""
    return tuple(_table())


def release_named(text: str) -> str | None:
    """The covered release that ``text`` names (``1.15``, ``1.15.5``), None where none is."""
    for release in _table():
        if text == release or release.startswith(f"{text}."):
            return release
    return None


def attributes_in(release: str, op: str) -> frozenset[str] | None:
    """The attributes that ``release`` gives op ``op``; None where it does not have the op."""
    text = _table()[release].get(op)
    return None if text is None else frozenset(text.split())
