"""The record that a migration keeps inside of its result, as far as it explains a comparison.

It is text that anyone can write: it is quoted, and counts for more only where it names the other
side by its content.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migrator.errors import MigratorError
from migrator.migration.record import RECORD_PATH
from migrator.model.model import Model
from migrator.places.place import LocalPlace

_MOST = 4 << 20
_HASHED = 1 << 30
"""Bytes of a file that is hashed, to see whether it is the one that a record names."""
_STEPS = 1000
_PIECE = 1 << 20
_PROVEN = ("bitwise", "within_tolerance")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A step as the record tells it."""

    code: str
    text: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """``fits``: whether the other side is the very file that was migrated."""

    codes: frozenset[str]
    steps: tuple[Told, ...]
    feeds: frozenset[str]
    verdict: str
    sha256: str
    on_right: bool
    fits: bool
    version: str = ""
    """Of the migrator that wrote it."""
    data: Any = field(repr=False, compare=False, default=None)
    """What was read."""

    @property
    def is_proof(self) -> bool:
        return self.fits and self.verdict in _PROVEN


def find_record(left: Model, right: Model) -> Record | None:
    """The record of the side that was made of the other; None where no side, or both, have one."""
    found = _read(left), _read(right)
    if (found[0] is None) == (found[1] is None):
        return None
    on_right = found[1] is not None
    data, other = (found[1], left) if on_right else (found[0], right)
    try:
        return _record(data, other, on_right)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _read(model: Model) -> Any:
    if model.source.kind != "saved_model":
        return None
    place = model.place or LocalPlace(model.source.path)
    try:
        record = place.parent.child(*Path(RECORD_PATH).parts)
        if not record.is_file() or record.size() > _MOST:
            return None
        source = record.open()
        data = json.loads(source.read(0, source.size))
    except (MigratorError, ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) and data.get("schema") == "migrator.migrate/1" else None


def _record(data: Any, other: Model, on_right: bool) -> Record:
    steps = data["steps"][:_STEPS]
    sha256 = str(data["source"]["sha256"])
    return Record(
        codes=frozenset(str(step["code"]) for step in steps),
        steps=tuple(
            Told(code=str(step["code"]), text=str(step["text"]), count=int(step["count"]))
            for step in steps
        ),
        feeds=frozenset(str(feed["tensor"]).partition(":")[0] for feed in data["feeds"]),
        verdict=str(data["verification"]["verdict"]),
        sha256=sha256,
        on_right=on_right,
        fits=_is_file(other, data["source"].get("bytes"), sha256),
        version=str(data.get("migrator", "")),
        data=data,
    )


def _is_file(model: Model, size: object, sha256: str) -> bool:
    """Whether the model's file has this content."""
    if size != model.source.bytes or model.source.bytes > _HASHED:
        return False
    digest = hashlib.sha256()
    try:
        source = (model.place or LocalPlace(model.source.path)).open()
        for at in range(0, source.size, _PIECE):
            digest.update(source.read(at, min(_PIECE, source.size - at)))
    except MigratorError:
        return False
    return digest.hexdigest() == sha256
