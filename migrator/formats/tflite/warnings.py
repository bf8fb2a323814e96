"""What could not be read of a file, a bounded number of lines."""

from __future__ import annotations

from migrator.errors import MigratorError

_MOST = 20


class Warnings:
    """Collects lines; past the first few of one kind it only counts."""

    __slots__ = ("_counts", "_lines")

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._counts: dict[str, int] = {}

    def add(self, kind: str, line: str) -> None:
        """``kind`` says what several of them are: ``operators that cannot be read``."""
        count = self._counts[kind] = self._counts.get(kind, 0) + 1
        if count <= _MOST:
            self._lines.append(line)

    def error(self, kind: str, error: MigratorError) -> None:
        """A part that is left out, with the reason."""
        self.add(kind, str(error))

    def lines(self) -> tuple[str, ...]:
        more = [
            f"and {count - _MOST:,} more {kind}"
            for kind, count in self._counts.items()
            if count > _MOST
        ]
        return (*self._lines, *more)
