"""A manifest in JSON lines: an object a line, the first may hold the version and defaults.

Empty lines and lines that begin with ``#`` count for nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from migrator.batching.manifest.faults import FileFaults
from migrator.batching.manifest.tables import Items, Table, with_line

_HEAD = frozenset(("manifest", "defaults", "models", "model", "$schema"))


def read_jsonl(text: str, faults: FileFaults) -> Table:
    """The document as a table. Raises TooMuch; lines that are no object go to ``faults``."""
    document = Table(line=1)
    models = Items(line=1)
    is_first = True
    for line, row in enumerate(text.split("\n"), 1):
        if not row.strip() or row.lstrip().startswith("#"):
            continue
        value = _parsed(row, line, faults)
        if value is not None and not isinstance(value, dict):
            faults.add("is no object: a line is {...}", line)
        elif is_first and value and _HEAD.issuperset(value):
            document = with_line(value, line)
            models = _models(document, faults, models)
        elif value is not None:
            models.put(with_line(value, line), line)
        is_first = False
    document.put("models", models, models.line)
    return document


def _models(document: Table, faults: FileFaults, models: Items) -> Items:
    """The list that the first line may hold already: then all of it is one object."""
    for key in ("models", "model"):
        found = document.values.pop(key, None)
        if isinstance(found, Items):
            models = found
        elif found is not None:
            faults.add(f"{key}: expected a list", document.line)
    return models


def _parsed(row: str, line: int, faults: FileFaults) -> Any:
    """The line's value, None for one that is no JSON."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
            faults.add(f"the key {twice!r} stands here twice", line)
        return found

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no number of JSON")

    try:
        return json.loads(row, object_pairs_hook=unique, parse_constant=refuse)
    except RecursionError:
        faults.add("is nested too deeply", line)
    except ValueError as error:
        faults.add(f"is not JSON, an object a line: {_told(error)}", line)
    return None


def _told(error: ValueError) -> str:
    """Where in the line, not in which: each line is parsed on its own."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (column {error.colno})"
    return str(error)
