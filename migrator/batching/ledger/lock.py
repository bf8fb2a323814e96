"""DEST for one run at a time, and what a run that was killed left behind."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from migrator.batching.job.notes import utc_now
from migrator.batching.job.places import unwritable
from migrator.batching.task import LEDGER, LOCK, WORKING
from migrator.errors import DestinationError
from migrator.files import remove_folder

_PREFIX = "migrator-batch-"


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
            self._file = open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+")
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
        self.temporary = Path(tempfile.mkdtemp(prefix=_PREFIX))
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
        remove_folder(self._folder / WORKING)
        remove_folder(self.temporary)
        if error is None:
            with contextlib.suppress(OSError):
                os.truncate(self._file.fileno(), 0)
        self._file.close()

    def _told(self) -> Mapping[str, Any]:
        """What the last run that had the lock says of itself; nothing if that makes no sense."""
        try:
            self._file.seek(0)
            found = json.loads(self._file.read(10_000))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

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
        """Nothing of a user's shall lie where models' folders are put."""
        folder = self._folder
        if folder.exists() and not folder.is_dir():
            raise DestinationError("is a file, and the results are a folder", where=str(folder))
        if not folder.is_dir() or (folder / LEDGER).is_file():
            return
        if any(item.name not in (LOCK, WORKING) for item in folder.iterdir()):
            raise DestinationError(
                "holds other things, and no ledger of a batch",
                where=str(folder),
                hint="name a new or an empty folder",
            )


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
