"""A manifest in TOML. Its parser knows no lines, so the text is gone over once more for them."""

from __future__ import annotations

import re
from typing import Any

from migrator.batching.manifest.faults import FileFaults
from migrator.batching.manifest.tables import MOST_DEPTH, Items, Table, TooMuch
from migrator.errors import UsageError
from migrator.migration.spec import load_toml

_Path = tuple[str | int, ...]
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"[ \t]*")
_BLANKS = re.compile(r"[ \t\r\n]*")
_TOKEN = re.compile(r"""[\[\]{}"'#\n]""")
_IN_STRING = {'"': re.compile(r'\\.|"', re.DOTALL), '"""': re.compile(r'\\.|"""', re.DOTALL)}
_MOST_BYTES = 16 << 20
_MOST_DOTS = 1000
"""In one line. The parser takes quadratic time for the parts of one key."""
_LINE = re.compile(r"at line (\d+)")


def read_toml(text: str, faults: FileFaults) -> Any:
    """The document as tables; None where it is no TOML, which goes to ``faults``.

    Raises TooMuch, and UsageError without a parser.
    """
    if len(text) > _MOST_BYTES:
        raise TooMuch(f"holds more than {_MOST_BYTES:,} bytes; CSV and JSON lines may")
    for line, row in enumerate(text.split("\n"), 1):
        if row.count(".") > _MOST_DOTS:
            raise TooMuch(f"holds more than {_MOST_DOTS:,} dots in one line; break it", line)
    try:
        found = load_toml(text)
    except UsageError as error:
        if not error.what.startswith("is not TOML"):
            raise
        told = _LINE.search(error.what)
        faults.add(error.what, int(told[1]) if told else text.count("\n") + 1)
        return None
    return _located(found, (), toml_lines(text), 1, MOST_DEPTH)


def _located(value: Any, path: _Path, lines: dict[_Path, int], line: int, depth: int) -> Any:
    """``value`` with lines; what has none of its own has that of what holds it."""
    if not isinstance(value, (dict, list)):
        return value
    if depth == 0:
        raise TooMuch(f"is nested more than {MOST_DEPTH} deep", line)
    if isinstance(value, dict):
        table = Table(line=line)
        for key, item in value.items():
            at = lines.get((*path, key), line)
            table.put(key, _located(item, (*path, key), lines, at, depth - 1), at)
        return table
    items = Items(line=line)
    for number, item in enumerate(value):
        at = lines.get((*path, number), line)
        items.put(_located(item, (*path, number), lines, at, depth - 1), at)
    return items


def toml_lines(text: str) -> dict[_Path, int]:
    """Line of each table and each key of ``text``, which is valid TOML. Linear.

    A key inside of an inline table, and a value inside of a list, has none.
    """
    lines: dict[_Path, int] = {}
    counts: dict[_Path, int] = {}
    inside: _Path = ()
    line, at = 1, 0
    while True:
        start, at = at, _after_space(text, at)
        line += text.count("\n", start, at)
        if at >= len(text):
            return lines
        if text.startswith("[", at):
            is_item = text.startswith("[[", at)
            keys, at = _keys(text, at + (2 if is_item else 1))
            inside = _table(keys, counts, is_item)
            lines[inside] = line
            if is_item:
                lines.setdefault(inside[:-1], line)
            at = _end(text, at)
            continue
        keys, at = _keys(text, at)
        for end in range(1, len(keys) + 1):
            lines.setdefault((*inside, *keys[:end]), line)
        start, at = at, _end(text, at)
        line += text.count("\n", start, at)


def _after_space(text: str, at: int) -> int:
    """Where the next statement begins: behind blanks, empty lines and comments."""
    while True:
        at = _matched(_BLANKS, text, at)
        if not text.startswith("#", at):
            return at
        end = text.find("\n", at)
        at = len(text) if end < 0 else end


def _matched(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _keys(text: str, at: int) -> tuple[list[str], int]:
    """The parts of a dotted key that begins at ``at``, and where it ends."""
    keys = []
    while True:
        start = _matched(_BLANK, text, at)
        is_quoted = text[start] in "\"'"
        end = _string_end(text, start) if is_quoted else _matched(_BARE, text, start)
        keys.append(_key(text[start:end]))
        at = _matched(_BLANK, text, end)
        if not text.startswith(".", at):
            return keys, at
        at += 1


def _string_end(text: str, at: int) -> int:
    """Behind the string that begins at ``at``."""
    quote = text[at]
    if text.startswith(quote * 3, at):
        quote *= 3
    at += len(quote)
    if "'" in quote:
        at = text.index(quote, at) + len(quote)
    else:
        inside = _IN_STRING[quote]
        while (found := inside.search(text, at)) is not None:
            at = found.end()
            if found[0] == quote:
                break
    # Up to two quotes more belong to the text.
    for _ in range(2 if len(quote) == 3 else 0):
        at += text.startswith(quote[0], at)
    return at


def _key(text: str) -> str:
    if text[0] not in "\"'":
        return text
    if text[0] == "'" or "\\" not in text:
        return text[1:-1]
    return str(load_toml(f"x = {text}")["x"])


def _table(keys: list[str], counts: dict[_Path, int], is_item: bool) -> _Path:
    """The path of the table that a header opens, through the last of each list of tables."""
    path: _Path = ()
    for number, key in enumerate(keys):
        path = (*path, key)
        if is_item and number == len(keys) - 1:
            counts[path] = counts.get(path, 0) + 1
        if path in counts:
            path = (*path, counts[path] - 1)
    return path


def _end(text: str, at: int) -> int:
    """Where the statement ends whose key, or whose header's name, ends at ``at``."""
    depth = 0
    while (token := _TOKEN.search(text, at)) is not None:
        mark, at = token[0], token.end()
        if mark == "\n" and depth <= 0:
            return token.start()
        if mark in "\"'":
            at = _string_end(text, token.start())
        elif mark == "#":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        elif mark != "\n":
            depth += 1 if mark in "[{" else -1
    return len(text)
