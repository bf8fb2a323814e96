"""Entries as a manifest: YAML, TOML, CSV or JSON lines, with comments to take in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from migrator.batching.manifest.blocks import Block, Section, Suggestion, is_text, row_of
from migrator.batching.manifest.entry import Entry
from migrator.batching.manifest.fields import KEYS
from migrator.batching.manifest.rows import csv_text, jsonl_text
from migrator.errors import UsageError
from migrator.report.escape import shown

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")
_WORDS = frozenset("true false yes no on off null y n".split())
_OFF = "# "
_NOTE = "## "
"""Comments inside of a model that is one itself: taking one ``# `` away leaves them such."""


def write_entries(entries: Iterable[Entry], format: str = "yaml", *, folder: str = "") -> str:
    """A manifest that reads back to the same entries, where it lies in ``folder``.

    Raises UsageError for a format that is none, and a path that is no text.
    """
    blocks = [Block(entry=entry) for entry in entries]
    for block in blocks:
        if not is_text(row_of(block.entry, folder)):
            raise UsageError("its path is no text", where=shown(block.entry.source))
    return manifest_text([Section(blocks=blocks)], format, folder=folder)


def manifest_text(
    sections: Sequence[Section],
    format: str,
    *,
    folder: str = "",
    head: Sequence[str] = (),
    tail: Sequence[str] = (),
) -> str:
    """Sections as a manifest, ``head`` and ``tail`` as comments around it.

    Raises UsageError for a format that is none.
    """
    if format in ("csv", "jsonl"):
        draw = csv_text if format == "csv" else jsonl_text
        return draw(sections, folder, head, tail)
    if format not in ("yaml", "toml"):
        raise UsageError(f"there is no format {format!r}", hint="yaml, toml, csv or jsonl")
    is_yaml = format == "yaml"
    lines = [_comment(line) for line in head]
    lines.append("manifest: 1" if is_yaml else "manifest = 1")
    if is_yaml:
        lines.append("models:")
    for section in sections:
        if section.title and section.blocks:
            lines += ["", _comment(f"---- {section.title} ----")]
        for block in section.blocks:
            if not is_yaml:
                lines.append("")
            lines += _block(block, folder, is_yaml)
    lines += ["", *map(_comment, tail)] if tail else []
    return "\n".join(lines) + "\n"


def _comment(text: str, mark: str = _OFF) -> str:
    return (mark + shown(text, 1000)).rstrip()


def _block(block: Block, folder: str, is_yaml: bool) -> Iterator[str]:
    row = row_of(block.entry, folder)
    if not is_text(row):
        yield _comment(f"{block.entry.source}: no manifest can name it", _NOTE)
        yield from (_comment(note, _NOTE) for note in block.notes)
        return
    if not block.off:
        yield from ("  " * is_yaml + _comment(note) for note in block.notes)
        yield from _model(row, block, is_yaml)
        return
    yield from (_comment(note, _NOTE) for note in block.notes)
    yield from (_OFF + line for line in _model(row, block, is_yaml))


def _model(row: dict[str, Any], block: Block, is_yaml: bool) -> Iterator[str]:
    """The lines of one model."""
    if not is_yaml:
        yield "[[models]]"
    first = True
    for key in KEYS:
        found = block.suggestions.get(key, ())
        if key not in row and not found:
            continue
        lead = ("  - " if first else "    ") if is_yaml else ""
        first = False
        if not found:
            yield f"{lead}{key}{': ' if is_yaml else ' = '}{_value(row[key], is_yaml)}"
        elif KEYS[key].cell == "list":
            yield from _list(key, row.get(key, []), found, lead, is_yaml)
        else:
            if key in row:
                yield f"{lead}{key}{': ' if is_yaml else ' = '}{_value(row[key], is_yaml)}"
            for item in found:
                text = f"{key}{': ' if is_yaml else ' = '}{_text(item.value, is_yaml)}"
                yield " " * len(lead) + _OFF + text + _after(item)


def _list(
    key: str, given: Sequence[str], found: Sequence[Suggestion], lead: str, is_yaml: bool
) -> Iterator[str]:
    """A list with candidates: each can be taken in alone."""
    inner = " " * (len(lead) + 2)
    item = "- {}" if is_yaml else "{},"
    yield f"{lead}{key}" + (":" if is_yaml else " = [")
    for text in given:
        yield inner + item.format(quoted(text))
    for candidate in found:
        yield inner + _OFF + item.format(quoted(candidate.value)) + _after(candidate)
    if not is_yaml:
        yield "]"


def _after(item: Suggestion) -> str:
    return f"  # {shown(item.note, 200)}" if item.note else ""


def _value(value: Any, is_yaml: bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        pairs = (
            f"{key}{': ' if is_yaml else ' = '}{_value(item, is_yaml)}"
            for key, item in value.items()
        )
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(quoted, value)) + "]"
    if isinstance(value, float):
        text = repr(value)
        # YAML 1.1 takes a number for a text that has an exponent and no point.
        return re.sub(r"\A(-?\d+)e", r"\1.0e", text)
    return str(value) if isinstance(value, int) else _text(value, is_yaml)


def _text(text: str, is_yaml: bool) -> str:
    is_plain = is_yaml and _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if is_plain else quoted(text)


def quoted(text: str) -> str:
    """``text`` in double quotes, as both YAML and TOML take it."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char.isprintable():
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
