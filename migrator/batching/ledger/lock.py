"""DEST for one run at a time, and what a run that was killed left behind."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from migrator.batching.job.notes import utc_now
from migrator.batching.job.places import check_folder, is_ours, is_torn, unwritable
from migrator.batching.ledger.ledger import lost
from migrator.batching.task import LEDGER, LOCK, WORKING
from migrator.errors import DestinationError
from migrator.files import new_temporary_folder, open_regular, remove_folder
from migrator.interrupts import held_back

_PREFIX = "migrator-batch-"
_TOLD = ("pid", "host", "since", "temporary")
_MOST_BYTES = 10_000
_MOST_LINES = 100
"""Of a ledger that are looked at; the first of them that is ours does."""
_MOST_LINE = 16 << 20
_ELSEWHERE = "name a new or an empty folder"


class DestinationLock:
    """A context manager; the system gives the lock back however we end.

    Inside of it ``temporary`` is a folder among the system's temporary ones. What a run that was
    killed had begun, there and in DEST, is gone; ``was_stopped`` tells of a run before that was, or
    that ended by an error. Raises DestinationError where another run has the lock, or ``folder``
    holds something else.
    """

    temporary: Path
    was_stopped: bool

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> DestinationLock:
        path = self._folder / LOCK
        try:
            self._check()
            self._folder.mkdir(parents=True, exist_ok=True)
            # To be read and written anywhere, made where there is none, and never emptied by that.
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            self._file = open(os.open(path, flags, 0o666), "r+")
        except OSError as error:
            raise unwritable(error, self._folder) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            other = self._told()
            self._file.close()
            raise self._refused(error, other) from None
        try:
            self._take()
        except OSError as error:
            self._file.close()
            raise unwritable(error, Path(error.filename or self._folder)) from None
        return self

    def _take(self) -> None:
        # Who ends as he should leaves nothing in it.
        self.was_stopped = os.fstat(self._file.fileno()).st_size > 0
        _remove_left(self._told())
        remove_folder(self._folder / WORKING)
        self.temporary = new_temporary_folder(_PREFIX)
        try:
            self._tell()
        except OSError:
            remove_folder(self.temporary)
            raise

    def _tell(self) -> None:
        told = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": utc_now(),
            "temporary": str(self.temporary),
        }
        self._file.seek(0)
        self._file.write(json.dumps(told))
        self._file.flush()
        self._file.truncate()  # only now: it is never empty while there is something to tell

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with held_back():  # a signal between the two would leave the second
            if self._has_it():
                remove_folder(self._folder / WORKING)
            remove_folder(self.temporary)
            if error is None:
                with contextlib.suppress(OSError):
                    os.truncate(self._file.fileno(), 0)
            self._file.close()

    def check(self) -> None:
        """Raise DestinationError where DEST is gone, or the lock in it is no longer ours."""
        if not self._has_it():
            path = self._folder / LOCK
            raise lost(path, "was replaced" if os.path.lexists(path) else "was removed")

    def _has_it(self) -> bool:
        try:
            there = os.stat(self._folder / LOCK, follow_symlinks=False)
            return os.path.samestat(os.fstat(self._file.fileno()), there)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:  # a file system in trouble; what is written there will tell
            return True

    def _told(self) -> Mapping[str, Any]:
        """What the last run that had the lock says of itself; nothing if that makes no sense."""
        try:
            self._file.seek(0)
            return _parsed(self._file.read(_MOST_BYTES))
        except (OSError, ValueError):
            return {}

    def _refused(self, error: OSError, other: Mapping[str, Any]) -> DestinationError:
        if not isinstance(error, BlockingIOError):
            return DestinationError(
                f"cannot be locked: {error.strerror or error}",
                where=str(self._folder),
                hint="name a DEST on a file system that has locks",
            )
        who = ""
        if other:
            pid, host, since = (other.get(key) for key in ("pid", "host", "since"))
            who = f" (process {pid} on {host}, since {since})"
        return DestinationError(
            f"another run works on it{who}",
            where=str(self._folder),
            hint="wait for its end, or name another DEST",
        )

    def _check(self) -> None:
        """Nothing of a user's shall lie where models' folders are put, nor where ours lie."""
        folder = self._folder
        if folder.exists() and not folder.is_dir():
            raise DestinationError("is a file, and the results are a folder", where=str(folder))
        if not folder.is_dir():
            return
        check_folder(folder / WORKING)
        has_lock, has_ledger = (_is_there(folder / name) for name in (LOCK, LEDGER))
        if has_ledger:
            if not _is_ledger(folder / LEDGER):
                raise DestinationError(
                    "is not the ledger of a batch", where=str(folder / LEDGER), hint=_ELSEWHERE
                )
            return
        words = _words(folder / LOCK) if has_lock else ""
        told = _parsed(words)
        # Where a run was stopped, DEST was its own, whatever became of the ledger.
        if all(key in told for key in _TOLD):
            return
        is_torn_lock = not words.strip("\0") or words.startswith('{"pid": ') or "host" in told
        if not is_torn_lock or any(item.name != LOCK for item in folder.iterdir()):
            raise DestinationError(
                "holds other things, and no ledger of a batch",
                where=str(folder),
                hint=_ELSEWHERE,
            )


def _is_there(path: Path) -> bool:
    """Raises DestinationError for what is no file: by a link we would write elsewhere."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(mode):
        raise DestinationError(
            f"is {'a link' if stat.S_ISLNK(mode) else 'no file'}, and a batch needs a file there",
            where=str(path),
            hint="move it away, or name another DEST",
        )
    return True


def _is_ledger(path: Path) -> bool:
    """Whether there is a line of ours, or nothing yet. Raises OSError."""
    with open_regular(path, follow=False) as file:
        if os.fstat(file.fileno()).st_size <= _MOST_BYTES and is_torn(file.read(_MOST_BYTES)):
            return True
        file.seek(0)
        return any(is_ours(file.readline(_MOST_LINE)) for _ in range(_MOST_LINES))


def _words(path: Path) -> str:
    with open_regular(path, follow=False) as file:
        return file.read(_MOST_BYTES).decode("utf-8", "replace")


def _parsed(words: str) -> Mapping[str, Any]:
    try:
        found = json.loads(words)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _remove_left(told: Mapping[str, Any]) -> None:
    """The temporary folder of a run of this machine that is dead, as we have its lock now."""
    path = told.get("temporary")
    if told.get("host") != socket.gethostname() or not isinstance(path, str):
        return
    folder = Path(path)
    with contextlib.suppress(OSError, ValueError):
        is_ours = folder.name.startswith(_PREFIX) and folder.parent == Path(tempfile.gettempdir())
        if is_ours and not folder.is_symlink() and folder.stat().st_uid == os.getuid():
            remove_folder(folder)
