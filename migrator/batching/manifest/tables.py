"""What every format of a manifest is read into: tables and lists that know their lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_BYTES = 64 << 20
MOST_MODELS = 1_000_000
MOST_VALUES = 8_000_000
"""Values of one manifest, what aliases repeat included."""
MOST_DEPTH = 32


@dataclass(slots=True, kw_only=True)
class Table:
    """Keys and values: texts, numbers, flags, None, ``Items`` and tables. ``line`` begins it."""

    line: int
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, key: str) -> int:
        return self.lines.get(key, self.line)

    def put(self, key: str, value: Any, line: int) -> None:
        self.values[key] = value
        self.lines[key] = line


@dataclass(slots=True, kw_only=True)
class Items:
    """A list; ``lines`` has one for each of its values."""

    line: int
    values: list[Any] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def put(self, value: Any, line: int) -> None:
        self.values.append(value)
        self.lines.append(line)

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        return zip(self.values, self.lines, strict=True)


class TooMuch(Exception):
    """A manifest is past one of the bounds. The text says which; ``line`` where."""

    def __init__(self, text: str, line: int = 0) -> None:
        super().__init__(text)
        self.line = line


def with_line(value: Any, line: int) -> Any:
    """JSON values as tables and lists that all have one line. Raises TooMuch."""
    return _with_line(value, line, MOST_DEPTH)


def _with_line(value: Any, line: int, depth: int) -> Any:
    if depth == 0:
        raise TooMuch(f"is nested more than {MOST_DEPTH} deep", line)
    if isinstance(value, Mapping):
        table = Table(line=line)
        for key, item in value.items():
            table.put(key, _with_line(item, line, depth - 1), line)
        return table
    if isinstance(value, list):
        items = Items(line=line)
        for item in value:
            items.put(_with_line(item, line, depth - 1), line)
        return items
    return value


def plain(value: Any) -> Any:
    """Tables and lists as the JSON values that they stand for."""
    if isinstance(value, Table):
        return {key: plain(item) for key, item in value.values.items()}
    if isinstance(value, Items):
        return [plain(item) for item in value.values]
    return value
