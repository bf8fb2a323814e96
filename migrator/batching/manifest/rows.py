"""A manifest as rows: CSV and JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from migrator.batching.manifest.blocks import Block, Section, is_text, row_of
from migrator.batching.manifest.fields import KEYS
from migrator.report.escape import shown

_OFF, _NOTE = "# ", "## "
_SPECIAL = frozenset(',;\t"\n\r')

_Draw = Callable[[Mapping[str, Any]], str]


def jsonl_text(
    sections: Sequence[Section], folder: str, head: Sequence[str], tail: Sequence[str]
) -> str:
    """One object a line, the first with the version."""
    return _whole(head, '{"manifest": 1}', _lines(sections, folder, _json), tail)


def csv_text(
    sections: Sequence[Section], folder: str, head: Sequence[str], tail: Sequence[str]
) -> str:
    """One model a row, columns for what any of them says."""
    used = {"name", "source"}
    for section in sections:
        for block in section.blocks:
            used.update(row_of(block.entry, folder), block.suggestions)
    keys = [key for key in KEYS if key in used]

    def draw(row: Mapping[str, Any]) -> str:
        return ",".join(_cell(row[key], KEYS[key].cell) if key in row else "" for key in keys)

    return _whole(head, ",".join(keys), _lines(sections, folder, draw), tail)


def _whole(head: Sequence[str], first: str, rows: Iterator[str], tail: Sequence[str]) -> str:
    lines = [*map(_comment, head), first, *rows, *map(_comment, tail)]
    return "\n".join(lines) + "\n"


def _lines(sections: Sequence[Section], folder: str, draw: _Draw) -> Iterator[str]:
    for section in sections:
        if section.title and section.blocks:
            yield _comment(f"---- {section.title} ----")
        for block in section.blocks:
            yield from _block(block, folder, draw)


def _block(block: Block, folder: str, draw: _Draw) -> Iterator[str]:
    row = row_of(block.entry, folder)
    yield from (_comment(note, _NOTE) for note in block.notes)
    if not is_text(row):
        yield _comment(f"{block.entry.source}: no manifest can name it", _NOTE)
        return
    for key, found in block.suggestions.items():
        for item in found:
            note = f"  ({item.note})" if item.note else ""
            yield _comment(f"  {key}: {item.value}{note}", _NOTE)
    if block.suggestions:
        yield _comment("with all of these, to take the place of the line below it:", _NOTE)
        yield from _hidden(draw(_taken_in(row, block)))
    drawn = draw(row)
    yield from _hidden(drawn) if block.off else [drawn]


def _hidden(row: str) -> Iterator[str]:
    """A row as a comment; none where it holds a line break, whose rest would be none."""
    if "\n" not in row and "\r" not in row:
        yield _OFF + row


def _taken_in(row: Mapping[str, Any], block: Block) -> dict[str, Any]:
    """The row with all candidates of lists, and the first of what takes one."""
    found = dict(row)
    for key, items in block.suggestions.items():
        values = [item.value for item in items]
        found[key] = [*row.get(key, ()), *values] if KEYS[key].cell == "list" else values[0]
    return {key: found[key] for key in KEYS if key in found}


def _comment(text: str, mark: str = _OFF) -> str:
    return (mark + shown(text, 1000)).rstrip()


def _json(row: Mapping[str, Any]) -> str:
    text = json.dumps(row, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(row)


def _cell(value: Any, kind: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict) or (isinstance(value, list) and not all(map(_is_simple, value))):
        return _quoted(json.dumps(value))
    if isinstance(value, list):
        return _quoted(";".join(value))
    if kind == "tags" and (not value or value[0] in "[{"):
        return _quoted(json.dumps([value] if value else []))
    return _quoted(value) if isinstance(value, str) else repr(value)


def _is_simple(text: str) -> bool:
    """Whether it can stand between ``;`` in a cell."""
    return ";" not in text and text.strip() == text and bool(text) and text[0] not in "[{"


def _quoted(cell: str) -> str:
    is_odd = not _SPECIAL.isdisjoint(cell) or cell[:1] in " #" or cell != cell.strip()
    return '"' + cell.replace('"', '""') + '"' if is_odd else cell
