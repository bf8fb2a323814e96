"""A source as a file of Python's, for libraries that want one."""

from __future__ import annotations

import io
from typing import Any

from migrator.places.source import ByteSource


class SourceFile(io.RawIOBase):
    """Reads a source; its position is its own."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, position: int, whence: int = 0) -> int:
        at = position + (0, self._at, self._source.size)[whence]
        if at < 0:
            raise OSError("a position before the start")
        self._at = at
        return at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        count = max(0, min(len(buffer), self._source.size - self._at))
        buffer[:count] = self._source.read(self._at, count)
        self._at += count
        return count
