"""Aligned tables for the terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

_LAST_COLUMN = 48
"""Characters in a table's last column, where reasons stand."""
_NO_WIDTH = frozenset(("Mn", "Me", "Cf"))


def table(rows: Iterable[Sequence[str]], headers: Sequence[str], right: Iterable[int] = ()) -> str:
    """Rows as an aligned table, indented by two; the last column is wrapped.

    ``right`` are the columns of numbers. A row's cells are one line each, made harmless before.
    """
    lines = [line for row in rows for line in _wrapped(row)]
    widths = [
        max([len(header) + 2, *[width(line[column]) for line in lines]])
        for column, header in enumerate(headers)
    ]
    numbers = frozenset(right)
    body = [headers, ["-" * wide for wide in widths], *lines]
    return "\n".join(f"  {_line(cells, widths, numbers)}".rstrip() for cells in body)


def width(text: str) -> int:
    """Columns that ``text`` takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(map(_width_of, text))


def _width_of(char: str) -> int:
    if unicodedata.category(char) in _NO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _line(cells: Sequence[str], widths: Sequence[int], right: frozenset[int]) -> str:
    found = []
    for column, (cell, wide) in enumerate(zip(cells, widths, strict=True)):
        space = " " * (wide - width(cell))
        found.append(space + cell if column in right else cell + space)
    return "  ".join(found)


def _wrapped(row: Sequence[str]) -> list[Sequence[str]]:
    """One row as the lines that it takes."""
    if width(row[-1]) <= _LAST_COLUMN:
        return [row]
    import textwrap

    first, *more = textwrap.wrap(row[-1], _LAST_COLUMN)
    empty = [""] * (len(row) - 1)
    return [[*row[:-1], first], *([*empty, line] for line in more)]
