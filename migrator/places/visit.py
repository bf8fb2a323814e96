"""What one reading may spend: time, and room for what is decompressed or copied."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
import weakref
from bisect import bisect_right
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from migrator.errors import FormatError, LimitError, MigratorError
from migrator.files import new_temporary_folder, remove_folder
from migrator.limits import DEFAULT_LIMITS, Deadline, Limits, trust_hint
from migrator.places.source import ByteSource

PIECE = 1 << 20
"""Bytes that are decompressed or copied at a time."""
_SMALL = 1 << 20
"""Up to so many bytes stay in memory."""
_RATIO_FROM = 256 << 20
_LEAVE = 256 << 20
"""So much room is left on the disk of the temporary files."""
_LOOK_EVERY = 64 << 20


class Watched(Protocol):
    """Something that was opened, and may be another thing by now."""

    def check_same(self) -> None: ...


class Visit:
    """One reading: its limits, its deadline, and what it copied. For any thread."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self.deadline = Deadline(limits)
        self.watched: list[Watched] = []
        self.folders: dict[str, Path] = {}
        """Temporary folders by what was copied to them."""
        self._store = _Store()
        self._lock = threading.RLock()  # what is unpacked may lie in something packed
        self._kept = 0
        self._spent = 0
        self._copied = 0

    def keep(
        self, pieces: Iterable[bytes], *, name: str, taken: Callable[[], int] | None = None
    ) -> ByteSource:
        """All of ``pieces``, in memory or in a temporary file without a name.

        ``taken`` says how many bytes they were made of so far. Raises LimitError past
        ``decompressed_bytes``, ``ratio`` or ``seconds``, and where the disk is nearly full.
        """
        with self._lock:
            whole: list[bytes] = []
            size = 0
            stretch: _Stretch | None = None
            for piece in pieces:
                self.deadline.check(name)
                self._kept += len(piece)
                self.limits.check("decompressed_bytes", self._kept, where=name)
                before, size = size, size + len(piece)
                if taken is not None and size > _RATIO_FROM:
                    self._check_ratio(size, taken(), name)
                if size <= _SMALL:
                    whole.append(piece)
                    continue
                if stretch is None:
                    stretch = _Stretch(self._store)
                    stretch.add(b"".join(whole), name)
                    whole.clear()
                stretch.add(piece, name)
                if before // _LOOK_EVERY != size // _LOOK_EVERY:
                    self._store.check_room(name)
            if stretch is None:
                return ByteSource.of_bytes(b"".join(whole), name=name)
            return ByteSource(stretch, name=name, size=size)

    def spend(self, count: int, name: str) -> None:
        """Bytes that are copied to files with names, within the same bound. Raises LimitError."""
        with self._lock:
            self._spent += count
            self.limits.check("decompressed_bytes", self._spent, where=name)

    def count_copied(self, count: int, name: str) -> None:
        """Files and folders that are copied. Raises LimitError."""
        self.deadline.check(name)
        self._copied += count
        self.limits.check("members", self._copied, where=name)

    def new_folder(self) -> Path:
        """A temporary folder that goes when nothing refers to the visit any more."""
        folder = new_temporary_folder()
        weakref.finalize(self, remove_folder, folder)
        return folder

    def settle(self) -> None:
        """The reading is done. Raises MigratorError where what was read changed meanwhile."""
        self.deadline.lift()
        for item in self.watched:
            item.check_same()
        self.watched.clear()

    def _check_ratio(self, size: int, taken: int, name: str) -> None:
        if size > taken * self.limits.ratio:
            raise LimitError(
                f"grows to more than {self.limits.ratio:,} times its size when it is decompressed "
                f"({taken:,} bytes gave {size:,} so far)",
                where=name,
                hint=trust_hint("ratio"),
            )


class _Store:
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


class _Stretch:
    """What one source kept: runs of the file, as others may have added to it in between."""

    __slots__ = ("_position", "_runs", "_starts", "_store", "size")

    def __init__(self, store: _Store) -> None:
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


def damaged(what: str, name: str) -> FormatError:
    """The error for something compressed that does not decompress."""
    return FormatError(what, where=name, hint="is it truncated or damaged?")
