"""What a written manifest is made of, before it is YAML, TOML, CSV or JSON lines."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from migrator.batching.manifest.entry import Entry
from migrator.batching.manifest.fields import KEYS, TFLITE_KEYS
from migrator.places.addresses import is_remote

_PATHS = ("source", "data", "checkpoint")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A value that a key may get, and what speaks for it."""

    value: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One model. ``off``: it is there as a comment only."""

    entry: Entry
    notes: Sequence[str] = ()
    suggestions: Mapping[str, Sequence[Suggestion]] = field(default_factory=dict)
    """Key -> candidates, as comments to take in."""
    off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    title: str = ""
    blocks: Sequence[Block]


def row_of(entry: Entry, folder: str) -> dict[str, Any]:
    """Keys and values that say what ``entry`` does, for a manifest that lies in ``folder``.

    Values are texts, numbers, true, lists of texts, and a table for ``tflite``.
    """
    found: dict[str, Any] = {}
    for key in KEYS:
        value = entry.options.get(key) if key in entry.options else getattr(entry, key, None)
        if key == "tflite":
            value = _tflite(entry)
        elif key in _PATHS and value:
            value = _relative(value, folder)
        elif key == "op_libraries" and value:
            value = [_relative(path, folder) for path in value]
        if value is None or (value in ("", ()) and key != "tag_set"):
            continue
        found[key] = list(value) if isinstance(value, tuple) else value
    return found


def _tflite(entry: Entry) -> Any:
    if entry.tflite is None:
        return None
    return {TFLITE_KEYS[key]: value for key, value in entry.tflite.items()} or True


def _relative(path: str, folder: str) -> str:
    """``path``, which counts from here, for who reads it in ``folder``."""
    if is_remote(path) or os.path.isabs(path) or os.path.abspath(folder) == os.getcwd():
        return path
    below = os.path.relpath(path, folder)
    return os.path.abspath(path) if below.startswith(os.pardir) else below


def is_text(value: Any) -> bool:
    """False for what holds a name that is no Unicode, as files may be called."""
    if isinstance(value, str):
        return not any("\ud800" <= char <= "\udfff" for char in value)
    if isinstance(value, (list, tuple)):
        return all(map(is_text, value))
    return all(map(is_text, value.values())) if isinstance(value, dict) else True
