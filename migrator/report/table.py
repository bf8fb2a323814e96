"""Aligned tables for the terminal, and lines that fit on it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

_LAST_COLUMN = 48
"""Characters in a table's last column, where reasons stand."""
_NARROWEST = 16
"""No column is made narrower than that to fit on a terminal."""
_ODD = 24
"""So much longer than most of its column a cell may be before it is let stick out of it."""
_LEAST_ODD = 60
_NO_WIDTH = frozenset(("Mn", "Me", "Cf"))
_room: ContextVar[int] = ContextVar("room", default=0)


@contextmanager
def fitted_to(columns: int) -> Iterator[None]:
    """Within, tables and folded lines are at most so wide, where they can be; 0 for no bound."""
    token = _room.set(columns)
    try:
        yield
    finally:
        _room.reset(token)


def folded(text: str, start: str = "  ") -> str:
    """``start`` and ``text`` as one line, or where that is too wide as several, indented alike."""
    room = _room.get()
    if not room or width(text) + len(start) <= room:
        return start + text
    import textwrap

    lines = textwrap.wrap(
        text, max(room - len(start), _NARROWEST), break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(
        (start if at == 0 else " " * len(start)) + item for at, item in enumerate(lines)
    )


def table(rows: Iterable[Sequence[str]], headers: Sequence[str], right: Iterable[int] = ()) -> str:
    """Rows as an aligned table, indented by two; the last column is wrapped.

    ``right`` are the columns of numbers. A row's cells are one line each, made harmless before.
    A cell that is far longer than the others of its column sticks out of it; on a terminal that
    it does not fit on, the rest of its row goes on below.
    """
    lines = [line for row in rows for line in _wrapped(row)]
    widths = [
        max(len(header) + 2, _common([width(line[column]) for line in lines]))
        for column, header in enumerate(headers)
    ]
    room = _room.get()
    if room:
        _narrow(widths, room, [len(header) + 2 for header in headers])
    numbers = frozenset(right)
    body = [headers, ["-" * wide for wide in widths], *lines]
    return "\n".join(
        f"  {part}".rstrip() for cells in body for part in _lines(cells, widths, numbers, room)
    )


def width(text: str) -> int:
    """Columns that ``text`` takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(map(_width_of, text))


def _width_of(char: str) -> int:
    if unicodedata.category(char) in _NO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _common(widths: Sequence[int]) -> int:
    """The widest that is not far wider than most."""
    if not widths or max(widths) <= _LEAST_ODD:
        return max(widths, default=0)
    ranked = sorted(widths)
    most = max(ranked[2 * (len(ranked) - 1) // 3] + _ODD, _LEAST_ODD)
    return max((wide for wide in ranked if wide <= most), default=_LEAST_ODD)


def _narrow(widths: list[int], room: int, least: Sequence[int]) -> None:
    """Make the widest columns narrower until all fit in ``room``, or none can be."""
    floor = [max(_NARROWEST, wide) for wide in least]
    while (excess := sum(widths) + 2 * len(widths) - room) > 0:
        able = [at for at, wide in enumerate(widths) if wide > floor[at]]
        if not able:
            return
        at = max(able, key=widths.__getitem__)
        # Down to the next one at most, so that the widest share what is lacking.
        next_wide = max((widths[it] for it in able if widths[it] < widths[at]), default=0)
        widths[at] = max(floor[at], next_wide, widths[at] - excess)


def _lines(
    cells: Sequence[str], widths: Sequence[int], right: frozenset[int], room: int
) -> Iterator[str]:
    """A row as one line, or where that is too wide as several: each begins at its column."""
    padded = []
    for column, (cell, wide) in enumerate(zip(cells, widths, strict=True)):
        space = " " * (wide - width(cell))
        padded.append(space + cell if column in right else cell + space)
    whole = "  ".join(padded)
    if not room or width(whole.rstrip()) + 2 <= room:
        yield whole
        return
    line, start = "", 0
    for cell, wide in zip(padded, widths, strict=True):
        if cell.strip() and width(line) > start:  # what came before sticks out
            yield line.rstrip()
            line = ""
        line = line + " " * (start - width(line)) + cell + "  "
        if not cell.strip():
            line = line.rstrip()
        start += wide + 2
    yield line.rstrip()


def _wrapped(row: Sequence[str]) -> list[Sequence[str]]:
    """One row as the lines that it takes."""
    if width(row[-1]) <= _LAST_COLUMN:
        return [row]
    import textwrap

    first, *more = textwrap.wrap(row[-1], _LAST_COLUMN)
    empty = [""] * (len(row) - 1)
    return [[*row[:-1], first], *([*empty, line] for line in more)]
