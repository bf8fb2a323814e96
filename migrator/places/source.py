"""Positioned reads of bytes. Pages that are mapped count as resident memory; these do not."""

from __future__ import annotations

import io
import os
import threading
from typing import NamedTuple, Protocol

from migrator.errors import FormatError
from migrator.limits import Deadline
from migrator.places.disk import DiskFile


class Readable(Protocol):
    """What a source reads from, a file of Python's for one. Nobody else moves its position."""

    def seek(self, position: int, /) -> object: ...
    def read(self, count: int, /) -> bytes: ...
    def readinto(self, buffer: memoryview, /) -> int: ...
    def close(self) -> None: ...


class OnDisk(NamedTuple):
    """Where a byte lies: at ``offset`` of the file ``path``, which ``source`` holds open."""

    path: str
    offset: int
    source: ByteSource


class _Part:
    """A run of another source's bytes."""

    __slots__ = ("_position", "source", "start")

    def __init__(self, source: ByteSource, start: int) -> None:
        self.source = source
        self.start = start
        self._position = 0

    def seek(self, position: int) -> None:
        self._position = position

    def read(self, count: int) -> bytes:
        found = self.source.read(self.start + self._position, count)
        self._position += count
        return found

    def readinto(self, buffer: memoryview) -> int:
        self.source.read_into(self.start + self._position, buffer)
        self._position += len(buffer)
        return len(buffer)

    def close(self) -> None:
        pass  # the whole goes when its last part does


class ByteSource:
    """Bytes at positions of one file, held open until the last tensor lets go of it."""

    __slots__ = ("_file", "_lock", "deadline", "name", "size")

    def __init__(self, file: Readable, *, name: str, size: int) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.name = name
        """As it is shown: a path, an address, a member's path behind its archive's."""
        self.size = size
        self.deadline: Deadline | None = None
        """Set while a model is parsed: a read past it raises LimitError."""

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> ByteSource:
        """Open ``path``. Raises MigratorError for what is missing, unreadable or not a file."""
        file = DiskFile(os.fspath(path))
        if not file.size and (held := file.without_size()):
            return cls.of_bytes(held, name=file.name)
        return cls(file, name=file.name, size=file.size)

    @classmethod
    def of_bytes(cls, data: bytes, *, name: str = "<bytes>") -> ByteSource:
        return cls(io.BytesIO(data), name=name, size=len(data))

    def part(self, offset: int, length: int, *, name: str) -> ByteSource:
        """``length`` bytes from ``offset`` on as a source of their own.

        Raises FormatError where they pass the end.
        """
        if offset < 0 or length < 0 or offset + length > self.size:
            raise FormatError(
                f"{length:,} bytes at byte {offset:,} pass the end of {self.name} "
                f"({self.size:,} bytes)",
                where=name,
            )
        return ByteSource(_Part(self, offset), name=name, size=length)

    def on_disk(self, offset: int) -> OnDisk | None:
        """The file on disk that holds the byte at ``offset``, and where in it; None where none
        does: bytes in memory, decompressed, or at an address."""
        if isinstance(self._file, DiskFile):
            return OnDisk(self.name, offset, self)
        if isinstance(self._file, _Part):
            return self._file.source.on_disk(self._file.start + offset)
        return None

    def descriptor(self) -> int | None:
        """Of a file on disk, this one itself: for who reads by positions, and while this lives."""
        return self._file.descriptor if isinstance(self._file, DiskFile) else None

    def identity(self) -> tuple[int, ...] | None:
        """What only the file on disk has that holds the bytes, as it was when it was opened; None
        where none does."""
        if isinstance(self._file, DiskFile):
            return self._file.identity
        return self._file.source.identity() if isinstance(self._file, _Part) else None

    def check_same(self) -> None:
        """Raise FormatError where the file on disk that holds the bytes was changed meanwhile."""
        if isinstance(self._file, DiskFile):
            self._file.check_same()
        elif isinstance(self._file, _Part):
            self._file.source.check_same()

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes from ``offset``. Raises FormatError when they are not there."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise FormatError(
                f"{length:,} bytes at byte {offset:,} pass the end of the file "
                f"({self.size:,} bytes)",
                where=self.name,
            )
        if self.deadline is not None:
            self.deadline.check(self.name)
        parts: list[bytes] = []
        with self._lock:
            self._file.seek(offset)
            left = length
            while left:
                part = self._file.read(left)
                if not part:
                    raise FormatError(
                        f"shrank while it was read (byte {offset + length - left:,} is gone)",
                        where=self.name,
                    )
                parts.append(part)
                left -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from ``offset`` on, without a copy in between. Raises FormatError."""
        if offset < 0 or offset + len(buffer) > self.size:
            self.read(offset, len(buffer))  # which says what is wrong
        left = buffer
        with self._lock:
            self._file.seek(offset)
            while left:
                count = self._file.readinto(left)
                if not count:
                    raise FormatError(
                        "shrank while it was read "
                        f"(byte {offset + len(buffer) - len(left):,} is gone)",
                        where=self.name,
                    )
                left = left[count:]

    def __copy__(self) -> ByteSource:
        return self

    def __deepcopy__(self, memo: object) -> ByteSource:
        """The same: a copy of a model reads the same open file. A second one of its descriptor
        would close it for both, and by then it may be another file's."""
        return self

    def __del__(self) -> None:
        file = getattr(self, "_file", None)
        if file is not None:
            file.close()
