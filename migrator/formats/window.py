"""A moving view on a file, for who walks through it."""

from __future__ import annotations

from migrator.places.source import ByteSource

_LEAST = 4 << 10
_MOST = 1 << 20
_SKIPPED = 4096
"""Going on so far behind the view still counts as straight on."""


class Window:
    """A moving view on a source: grows while reading goes straight on, small after a jump."""

    __slots__ = ("_source", "data", "end", "size", "start")

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self.start = 0
        self.end = 0
        self.data = b""
        self.size = _LEAST

    def at(self, position: int, need: int) -> int:
        """Make ``need`` bytes (or all that the file still has) visible; index of ``position``."""
        if self.start <= position and position + need <= self.end:
            return position - self.start
        straight_on = self.start <= position <= self.end + _SKIPPED
        self.size = min(self.size * 2, _MOST) if straight_on else _LEAST
        length = min(max(self.size, need), self._source.size - position)
        self.data = self._source.read(position, length)
        self.start, self.end = position, position + length
        return 0
