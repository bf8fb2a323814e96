"""What a reading keeps of what it decompressed: stretches of one temporary file."""

from __future__ import annotations

import errno
import os
import tempfile
from bisect import bisect_right

from migrator.errors import MigratorError

_LEAVE = 256 << 20
"""So much room is left on the disk of the temporary files."""


class Store:
    """One temporary file for all that a reading keeps; it has no name, so nothing stays."""

    __slots__ = ("_descriptor", "_end")

    def __init__(self) -> None:
        self._descriptor = -1
        self._end = 0

    def open(self, name: str) -> None:
        if self._descriptor >= 0:
            return
        try:
            with tempfile.TemporaryFile(prefix="migrator-") as file:
                self._descriptor = os.dup(file.fileno())
        except OSError as error:
            raise no_room(error, name) from None

    def add(self, data: bytes, name: str) -> int:
        """Where ``data`` begins."""
        start = self._end
        left = memoryview(data)
        try:
            while left:
                count = os.pwrite(self._descriptor, left, self._end)
                self._end += count
                left = left[count:]
        except OSError as error:
            raise no_room(error, name) from None
        return start

    def check_room(self, name: str) -> None:
        try:
            found = os.fstatvfs(self._descriptor)
        except OSError:
            return
        if found.f_bavail * found.f_frsize < _LEAVE:
            raise no_room(OSError(errno.ENOSPC, "little room is left"), name)

    def read(self, position: int, count: int) -> bytes:
        return os.pread(self._descriptor, count, position)

    def read_into(self, position: int, buffer: memoryview) -> int:
        return os.preadv(self._descriptor, [buffer], position)

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Stretch:
    """What one source kept: runs of the file, as others may have added to it in between."""

    __slots__ = ("_position", "_runs", "_starts", "_store", "size")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._starts: list[int] = []
        self._runs: list[tuple[int, int]] = []
        self._position = 0
        self.size = 0

    def add(self, data: bytes, name: str) -> None:
        self._store.open(name)
        start = self._store.add(data, name)
        if self._runs and sum(self._runs[-1]) == start:
            self._runs[-1] = (self._runs[-1][0], self._runs[-1][1] + len(data))
        else:
            self._starts.append(self.size)
            self._runs.append((start, len(data)))
        self.size += len(data)

    def check_room(self, name: str) -> None:
        self._store.check_room(name)

    def seek(self, position: int) -> None:
        self._position = position

    def read(self, count: int) -> bytes:
        start, most = self._here()
        found = self._store.read(start, min(count, most))
        self._position += len(found)
        return found

    def readinto(self, buffer: memoryview) -> int:
        start, most = self._here()
        count = self._store.read_into(start, buffer[:most])
        self._position += count
        return count

    def _here(self) -> tuple[int, int]:
        """Where in the file the position is, and how many bytes go straight on from there."""
        index = bisect_right(self._starts, self._position) - 1
        start, length = self._runs[index]
        inner = self._position - self._starts[index]
        return start + inner, max(length - inner, 0)

    def close(self) -> None:
        pass  # the file goes with its store


def no_room(error: OSError | ValueError, name: str, folder: str = "") -> MigratorError:
    why = getattr(error, "strerror", None) or str(error)
    return MigratorError(
        f"cannot be decompressed or copied to {folder or tempfile.gettempdir()}: {why}",
        where=name,
        hint="set TMPDIR to a folder with more room",
    )
