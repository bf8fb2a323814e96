"""A file on disk, held open: it is the one that was opened, and as it was then, or it says so."""

from __future__ import annotations

import os
import stat

from migrator.errors import FormatError, MigratorError

_WITHOUT_SIZE = 16 << 20
"""So much is read of a file that says that it is empty, and is not: those of ``/proc``."""
_PIECE = 1 << 20


class DiskFile:
    """An open file that warns nobody when the garbage collector is what closes it.

    Python's own does, where it is collected before its owner in a cycle with an exception.
    """

    __slots__ = ("_position", "_stamp", "descriptor", "identity", "name", "size")

    def __init__(self, name: str) -> None:
        """Raises MigratorError for what is missing, unreadable or not a file."""
        self.descriptor = -1
        self.name = name
        self._position = 0
        try:
            if not stat.S_ISREG(os.stat(name).st_mode):  # to open a device may do something
                raise self._irregular()
            # It may be another thing by now, and to open a pipe would wait for ever.
            self.descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            found = os.fstat(self.descriptor)
        except OSError as error:
            raise MigratorError(
                f"cannot be read: {error.strerror or error}", where=name, hint="check the path"
            ) from None
        except ValueError as error:  # a NUL in the path
            raise MigratorError(f"is not a path: {error}", where=ascii(name)) from None
        if not stat.S_ISREG(found.st_mode):
            raise self._irregular()
        self.size = found.st_size
        self._stamp = _stamp(found)
        self.identity = (found.st_dev, found.st_ino, *self._stamp)
        """Of no two files, nor of one before and after it was written to."""

    def seek(self, position: int) -> None:
        self._position = position

    def read(self, count: int) -> bytes:
        try:
            found = os.pread(self.descriptor, count, self._position)
        except OSError as error:
            raise self._failed(error) from None
        self.check_same()
        self._position += len(found)
        return found

    def readinto(self, buffer: memoryview) -> int:
        try:
            count = os.preadv(self.descriptor, [buffer], self._position)
        except OSError as error:
            raise self._failed(error) from None
        self.check_same()
        self._position += count
        return count

    def check_same(self) -> None:
        """Raise FormatError where the file was written to since it was opened: what was read of
        it and what is read now may be of two files. One in its place by now is none of ours."""
        try:
            found = os.fstat(self.descriptor)
        except OSError as error:
            raise self._failed(error) from None
        if _stamp(found) == self._stamp:
            return
        if found.st_size < self.size:
            what = f"shrank while it was read, from {self.size:,} to {found.st_size:,} bytes"
        else:
            what = "was changed while it was read"
        raise FormatError(what, where=self.name, hint="read it again")

    def without_size(self) -> bytes:
        """What a file holds that has no size, as those of ``/proc``; nothing of an empty one.

        Raises MigratorError for one of more than 16 MB.
        """
        parts: list[bytes] = []
        total = 0
        try:
            while part := os.pread(self.descriptor, _PIECE, total):
                parts.append(part)
                total += len(part)
                if total > _WITHOUT_SIZE:
                    raise MigratorError(
                        f"is a file that does not tell its size, of more than {_WITHOUT_SIZE:,} "
                        "bytes",
                        where=self.name,
                        hint="copy what it holds to a file",
                    )
        except OSError as error:
            raise self._failed(error) from None
        return b"".join(parts)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    __del__ = close

    def _irregular(self) -> MigratorError:
        return MigratorError("is not a regular file", where=self.name)

    def _failed(self, error: OSError) -> MigratorError:
        return MigratorError(f"cannot be read: {error.strerror or error}", where=self.name)


def _stamp(found: os.stat_result) -> tuple[int, int]:
    return found.st_size, found.st_mtime_ns
