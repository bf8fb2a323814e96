"""A manifest in CSV: a header of keys, a model a row. An empty cell says nothing.

A cell for a list holds its texts with ``;`` between them, or a list or an object in JSON; one for
``tflite`` a flag or an object in JSON. Lines that begin with ``#`` count for nothing.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from migrator.batching.manifest.faults import FileFaults
from migrator.batching.manifest.tables import Items, Table, with_line

_DELIMITERS = ",;\t"
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def read_csv(
    text: str, kinds: Mapping[str, str], hint: Callable[[str], str], faults: FileFaults
) -> Table | None:
    """The document as a table; None without a header.

    ``kinds`` says of each key what its cells hold: ``text``, ``list``, ``tags``, ``flag``,
    ``number`` or ``table``; ``hint`` what may be meant by one that is none. Raises TooMuch.
    """
    rows = _rows(text, faults)
    head, line = next(rows, ([], 0))
    keys = [cell.strip() for cell in head]
    if not keys:
        faults.add("is empty: CSV begins with a line of keys", 1)
        return None
    for key, count in Counter(filter(None, keys)).items():
        if count > 1:
            faults.add(f"the column {key!r} is there twice", line)
        elif key not in kinds:
            near = f"; {hint(key)}" if faults.hints else ""
            faults.add(f"there is no key {key!r}{near}", line)
    models = Items(line=line)
    for cells, at in rows:
        if len(cells) > len(keys):
            faults.add(f"has {len(cells)} cells under a header of {len(keys)}", at)
        if any(cell for key, cell in zip(keys, cells, strict=False) if not key):
            faults.add("has a cell under no key", at)
        models.put(_model(cells, keys, kinds, at, faults), at)
    document = Table(line=line)
    document.put("models", models, line)
    return document


def _model(
    cells: list[str], keys: list[str], kinds: Mapping[str, str], line: int, faults: FileFaults
) -> Table:
    table = Table(line=line)
    for key, cell in zip(keys, cells, strict=False):
        kind = kinds.get(key)
        if cell and kind is not None and key not in table.values:
            try:
                table.put(key, _value(cell, kind, line), line)
            except ValueError:
                faults.add(f"{key}: {cell[:50]!r} begins as JSON does, and is none", line)
    return table


def _value(cell: str, kind: str, line: int) -> Any:
    """What a cell stands for; its text where that is not of its kind, which is told later.

    Raises ValueError for what is no JSON and begins so.
    """
    if kind in ("list", "tags") and cell[:1] in "[{":
        return _json(cell, line)
    if kind == "list":
        parts = [part.strip() for part in cell.split(";")]
        return with_line([part for part in parts if part], line)
    if kind == "table":
        flag = _FLAGS.get(cell.strip().lower())
        return flag if flag is not None else _json(cell, line) if cell[0] in "[{" else cell
    if kind == "flag":
        return _FLAGS.get(cell.strip().lower(), cell)
    if kind == "number":
        return _number(cell)
    return cell


def _json(cell: str, line: int) -> Any:
    try:
        return with_line(json.loads(cell), line)
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def _number(cell: str) -> Any:
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell


def _rows(text: str, faults: FileFaults) -> Iterator[tuple[list[str], int]]:
    """Each row with the line that it begins in; comments and empty lines left out."""
    source = _Lines(text)
    reader = csv.reader(source, delimiter=source.delimiter, strict=True, skipinitialspace=True)
    while True:
        source.begins = True
        try:
            cells = next(reader, None)
        except csv.Error as error:
            faults.add(f"is not CSV: {error}", source.started)
            return
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield cells, source.started


class _Lines:
    """Lines for the reader. A comment is one only where a row may begin."""

    def __init__(self, text: str) -> None:
        self._lines = iter(text.split("\n"))
        self._number = 0
        self.begins = True
        self.started = 0
        head = next((line for line in text.split("\n") if line and line[0] != "#"), "")
        self.delimiter = max(_DELIMITERS, key=head.count)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        for line in self._lines:
            self._number += 1
            if self.begins and line.startswith("#"):
                continue
            if self.begins:
                self.begins, self.started = False, self._number
            return line + "\n"
        raise StopIteration
