"""What a run keeps in a DEST at an address: its lock, the ledger in parts, the results.

The ledger is written here, on a local disk, and follows to the store in parts. What is in a model's
folder there counts, so a run that is killed loses nothing that was done: the next reads the
outcomes of the folders that the parts do not tell of yet.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from migrator.batching.job.failures import GOES_ON
from migrator.batching.job.places import OUTCOME, unwritable
from migrator.batching.ledger.ledger import Ledger
from migrator.batching.ledger.recovery import MOST_BYTES, catch_up
from migrator.batching.storage.holding import BEAT, StoreLock
from migrator.batching.storage.putting import check_writable
from migrator.batching.storage.stores import Patience, Store, each
from migrator.batching.task import LEDGER, LOCK, Task
from migrator.errors import DestinationError, MigratorError, StorageError
from migrator.places.addresses import shown

_PART = 1 << 20
"""Bytes of a part of the ledger; the last is written again and again until it has so many."""
_EVERY = 3.0
"""Seconds between two looks whether there are lines to send."""
_GIVE_UP = 180.0
"""Seconds that the store may take no lines before the run ends."""
_AT_A_TIME = 16
_MOST_PART = 64 << 20
_RESULTS = ("batch.json", "batch.csv", "index.html")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Times in seconds; tests are in a hurry."""

    beat: float = BEAT
    every: float = _EVERY
    give_up: float = _GIVE_UP


class RemoteDesk:
    """A context manager around a run into ``dest``; ``folder`` is where its ledger is written.

    Raises DestinationError where another run has ``dest`` or it holds something else, StorageError.
    """

    def __init__(
        self,
        dest: str,
        folder: Path,
        *,
        patience: Patience | None = None,
        pace: Pace | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._dest = dest
        self._folder = folder
        self._patience = patience
        self._pace = pace or Pace()
        self._store = Store(dest, patience)
        self._lock = StoreLock(self._store, beat=self._pace.beat, tell=tell)
        self._was_killed = False
        self._trouble: MigratorError | None = None
        self._since = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True, name="migrator-desk")

    def __enter__(self) -> RemoteDesk:
        self._check()
        self._was_killed = self._lock.take()
        try:
            self._journal = _Journal(self._store, self._folder / LEDGER)
            self._journal.pull()
        except BaseException:
            with contextlib.suppress(MigratorError):
                self._give_back(not self._was_killed)
            raise
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        try:
            with self._leaving():
                self._journal.send()
            # Who was stopped may have torn folders; the next run looks for them.
            self._give_back(error is None)
        except MigratorError as trouble:
            if error is None:
                raise _lost(self._dest, trouble) from None

    def _give_back(self, is_whole: bool) -> None:
        if is_whole:
            self._lock.release()
        else:
            self._lock.leave()

    @contextlib.contextmanager
    def _leaving(self) -> Iterator[None]:
        """Whatever goes wrong in it, the lock is no longer that of a run that lives."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(MigratorError):
                self._lock.leave()
            raise

    def begin(self, ledger: Ledger, tasks: Sequence[Task]) -> None:
        """Bring the ledger up to what lies in DEST, where the run before was killed."""
        if not self._was_killed:
            return
        with contextlib.closing(each(self._outcome_there, tasks, jobs=_AT_A_TIME)) as there:
            catch_up(ledger, there)

    def _outcome_there(self, task: Task) -> bytes | None:
        return self._store.read(f"{self._store.at(task.name)}/{OUTCOME}", most=MOST_BYTES)

    def check(self) -> None:
        """Raise DestinationError where the run must not go on: the lock or the store is lost."""
        trouble = self._trouble
        if isinstance(trouble, DestinationError):
            raise trouble
        if trouble is not None and time.monotonic() - self._since > self._pace.give_up:
            raise _lost(self._dest, trouble)

    def probe(self) -> None:
        """Raise DestinationError where DEST takes nothing any more."""
        try:
            check_writable(self._dest, patience=self._patience)
        except StorageError as error:
            raise _lost(self._dest, error) from None

    def publish(self) -> None:
        """The results of the run, after the lines that they tell of.

        Raises StorageError, DestinationError.
        """
        self._journal.send()
        for name in _RESULTS:
            file = self._folder / name
            if file.is_file():
                self._store.send(self._store.at(name), file)

    def _check(self) -> None:
        """Nothing of a user's shall lie where models' folders are put."""
        if self._store.info(self._store.at(LOCK)) or self._store.files_in(self._store.at(LEDGER)):
            return
        top = f"{self._store.path.rstrip('/')}/"
        names = {path.removeprefix(top).partition("/")[0] for path in self._store.names_in()}
        if names:
            raise DestinationError(
                "holds other things, and no ledger of a batch",
                where=shown(self._dest),
                hint="name a new or an empty folder",
            )

    def _keep(self) -> None:
        """Send what is new, and signs of life."""
        beaten = time.monotonic()
        while not self._stop.wait(min(self._pace.every, self._pace.beat)):
            try:
                if time.monotonic() - beaten >= self._pace.beat:
                    self._lock.beat()
                    beaten = time.monotonic()
                self._journal.send()
                self._trouble = None
            except MigratorError as error:
                if self._trouble is None:
                    self._since = time.monotonic()
                self._trouble = error
                if isinstance(error, DestinationError):
                    return


class _Journal:
    """A ledger's file and its parts in the store, ``ledger.jsonl/00000001-...jsonl``."""

    def __init__(self, store: Store, file: Path) -> None:
        self._store = store
        self._file = file
        self._run = uuid.uuid4().hex[:8]
        self._lock = threading.Lock()
        self._number = 1
        self._start = 0
        self._sent = 0

    def pull(self) -> None:
        """Make the file of the parts that there are. Raises StorageError, DestinationError."""
        top = self._store.at(LEDGER)
        parts = sorted(self._store.files_in(top))
        try:
            with open(self._file, "wb") as file:
                for path in parts:
                    data = self._store.read(path, most=_MOST_PART) or b""
                    file.write(data if data.endswith(b"\n") else data + b"\n")
                self._start = file.tell()
        except OSError as error:
            raise unwritable(error, self._file) from None
        numbers = [path.rpartition("/")[2].partition("-")[0] for path in parts]
        self._number = 1 + max((int(word) for word in numbers if word.isdigit()), default=0)

    def send(self) -> None:
        """See all whole lines of the file to the store. Raises StorageError, DestinationError."""
        with self._lock:
            while self._send_part():
                pass

    def _send_part(self) -> bool:
        """True where there may be more."""
        try:
            with open(self._file, "rb") as file:
                file.seek(self._start)
                data = file.read(_PART)
                if len(data) == _PART:
                    data += file.readline()
        except OSError as error:
            raise unwritable(error, self._file) from None
        data = data[: data.rfind(b"\n") + 1]
        if len(data) > self._sent:
            name = f"{LEDGER}/{self._number:08d}-{self._run}.jsonl"
            self._store.write(self._store.at(name), data)
            self._sent = len(data)
        if len(data) < _PART:
            return False
        self._start += len(data)
        self._number += 1
        self._sent = 0
        return True


def _lost(dest: str, trouble: MigratorError) -> DestinationError:
    return DestinationError(f"takes no more: {trouble.what}", where=shown(dest), hint=GOES_ON)
