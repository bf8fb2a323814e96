"""Baselines: the findings that are known, kept in a file, so that only new ones are told.

A file holds for each model, by its path from the file's own folder, what was found in it. Sorted
and without numbers that change by themselves, it is good to keep under version control.
"""

from __future__ import annotations

import json
import os
import posixpath
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from migrator.auditing.finding import Audit, Finding
from migrator.errors import UsageError

SCHEMA = "migrator.baseline/1"
_MOST_BYTES = 512 << 20
_KEYS = ("fingerprint", "code", "message")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One finding that a baseline holds."""

    fingerprint: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """Something in a baseline that is no longer found; ``known`` is None for a model gone."""

    model: str
    known: Known | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Path of a model, from ``folder``, -> what is known of it."""

    folder: str
    models: Mapping[str, tuple[Known, ...]]

    def keep_back(self, audit: Audit, codes: Collection[str]) -> tuple[Audit, tuple[Stale, ...]]:
        """``audit`` without what is known, counted as accepted, and what is known in vain.

        A finding that was recorded once keeps back one. ``codes`` are the rules that ran; of
        others, and of models that were not looked at, nothing is stale.
        """
        models = []
        accepted = audit.accepted
        stale: list[Stale] = []
        for model in audit.models:
            key = model_key(model.source, self.folder)
            known = self.models.get(key, ())
            left = Counter((item.code, item.fingerprint) for item in known)
            new: list[Finding] = []
            for finding in model.findings:
                if left[finding.code, finding.fingerprint] > 0:
                    left[finding.code, finding.fingerprint] -= 1
                else:
                    new.append(finding)
            failed = {item.rule for item in model.skipped}
            for item in known:
                is_left = left[item.code, item.fingerprint] > 0
                if is_left and item.code in codes and item.code not in failed:
                    left[item.code, item.fingerprint] -= 1
                    stale.append(Stale(model=key, known=item))
            accepted += len(model.findings) - len(new)
            models.append(replace(model, findings=tuple(new)))
        gone = (key for key in sorted(self.models) if not os.path.lexists(self._path(key)))
        stale += (Stale(model=key, known=None) for key in gone)
        return replace(audit, models=tuple(models), accepted=accepted), tuple(stale)

    def _path(self, key: str) -> str:
        return os.path.join(self.folder, *key.split("/")) if not key.startswith("/") else key


def model_key(source: str, folder: str) -> str:
    """Path of a model from ``folder``, with ``/``; links in the way there are resolved."""
    above, name = os.path.split(os.path.abspath(source))
    found = os.path.relpath(os.path.join(os.path.realpath(above), name), os.path.realpath(folder))
    return found.replace(os.sep, posixpath.sep)


def baseline_text(audit: Audit, file: str | os.PathLike[str]) -> str:
    """All findings of ``audit`` as the text of a baseline that is to lie at ``file``."""
    folder = os.path.dirname(os.path.abspath(file))
    found: dict[str, list[dict[str, str]]] = {}
    for model in audit.models:
        if model.findings:
            rows = found.setdefault(model_key(model.source, folder), [])
            rows += map(_row, model.findings)
    for rows in found.values():
        rows.sort(key=lambda row: (row["code"], row["fingerprint"], row["message"]))
    result = {"schema": SCHEMA, "models": dict(sorted(found.items()))}
    return json.dumps(result, indent=1, allow_nan=False) + "\n"


def _row(finding: Finding) -> dict[str, str]:
    return {
        "fingerprint": finding.fingerprint,
        "code": finding.code,
        "message": finding.message,
    }


def read_baseline(path: str | os.PathLike[str]) -> Baseline:
    """Read a baseline. Raises UsageError that says where it is not one."""
    where = os.fspath(path)
    try:
        if os.path.exists(where) and not os.path.isfile(where):
            raise UsageError("is not a file", where=where)
        with open(where, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        hint = "--write-baseline makes one" if isinstance(error, FileNotFoundError) else ""
        raise UsageError(
            f"cannot be read: {error.strerror or error}", where=where, hint=hint
        ) from None
    except ValueError as error:  # a NUL in the path
        raise UsageError(f"is not a path: {error}", where=ascii(where)) from None
    if len(data) > _MOST_BYTES:
        raise UsageError(f"holds more than {_MOST_BYTES:,} bytes", where=where)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"is not JSON: {error}", where=where) from None
    try:
        return Baseline(folder=os.path.dirname(os.path.abspath(where)), models=_models(found))
    except UsageError as error:
        raise error.at(where) from None


def _models(found: Any) -> dict[str, tuple[Known, ...]]:
    name = found.get("schema") if isinstance(found, dict) else None
    if name != SCHEMA:
        other = f", its schema is {name!r}" if isinstance(name, str) else ""
        raise UsageError(f"is not a baseline{other}", hint="--write-baseline makes one")
    models = found.get("models")
    if not isinstance(models, dict):
        raise UsageError("expected an object", where="models")
    return {key: tuple(_known(rows, f"models[{key!r}]")) for key, rows in models.items()}


def _known(rows: Any, where: str) -> Iterable[Known]:
    if not isinstance(rows, list):
        raise UsageError("expected a list of findings", where=where)
    for index, row in enumerate(rows):
        if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in _KEYS):
            raise UsageError(
                f"expected an object with texts for {', '.join(_KEYS)}", where=f"{where}[{index}]"
            )
        yield Known(fingerprint=row["fingerprint"], code=row["code"], message=row["message"])
