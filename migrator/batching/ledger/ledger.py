"""The ledger of a DEST: one line for each model that ended, appended and on the disk at once.

Whatever kills a run, what stands in the ledger is done, and what does not is done again, or told by
its folder (``recovery``). The last line of a name counts.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, overload

from migrator.batching.job.places import OUTCOME, unwritable
from migrator.batching.storage.addresses import is_remote, shown
from migrator.batching.storage.stamps import Stamp, sha256_of, stamp_of
from migrator.batching.task import (
    LEDGER,
    OUTCOMES,
    STORAGE,
    Json,
    Outcome,
    Task,
    outcome_from_json,
)
from migrator.errors import UsageError

ALL = "all"
RETRIES = (*OUTCOMES, ALL)
NEW, CHANGED_OPTIONS, CHANGED_SOURCE, RETRIED, GONE = (
    "new",
    "other options",
    "changed source",
    "tried again",
    "its folder is gone",
)
"""Why a task is done (again)."""
_MOST_LINE = 16 << 20
_STEPS: dict[tuple[str, ...], frozenset[str]] = {}


class Line(NamedTuple):
    """Where the latest line of a name stands, and what deciding about it takes."""

    offset: int
    length: int
    outcome: str
    cause: str
    source: str
    steps: frozenset[str]
    decided: Mapping[str, Any] | None
    fingerprint: str
    stamp: str
    sha256: str


class Ledger:
    """The ledger in ``folder``, made where there is none. A context manager.

    Holds a few words for each model; whole outcomes are read when they are asked for. Raises
    DestinationError where it cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LEDGER
        self.torn = 0
        """Lines that make no sense: cut off by what killed a run."""
        try:
            is_new = not self.path.exists()
            self._file = open(self.path, "a+b")  # noqa: SIM115 - closed in close()
            if is_new:
                _sync_folder(folder)
            self._lines = self._read()
            self._end = self._file.seek(0, os.SEEK_END)
            if self._end and not self._ends_whole():
                self._append(b"\n")
        except OSError as error:
            raise unwritable(error, self.path) from None

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[str]:
        """Names, in the order in which they first ended."""
        return iter(self._lines)

    def _read(self) -> dict[str, Line]:
        self._file.seek(0)
        found: dict[str, Line] = {}
        offset = 0
        while data := self._file.readline(_MOST_LINE):
            item = parsed_outcome(data)
            if item is None:
                self.torn += bool(data.strip())
            else:
                found[item.name] = _line(item, offset, len(data))
            offset += len(data)
        return found

    def _ends_whole(self) -> bool:
        self._file.seek(-1, os.SEEK_END)
        return self._file.read(1) == b"\n"

    def add(self, outcome: Outcome) -> None:
        """Append one line and see it to the disk. Raises DestinationError."""
        data = json.dumps(outcome.to_json(), allow_nan=False).encode() + b"\n"
        try:
            offset = self._append(data)
        except OSError as error:
            raise unwritable(error, self.path) from None
        self._lines[outcome.name] = _line(outcome, offset, len(data))

    def _append(self, data: bytes) -> int:
        offset = self._end
        try:
            self._file.write(data)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError:
            self._cut_back(offset)
            raise
        self._end += len(data)
        return offset

    def _cut_back(self, end: int) -> None:
        """Half a line, of a full disk, would be in the way of the next."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            os.truncate(self.path, end)
        with contextlib.suppress(OSError):
            self._file = open(self.path, "a+b")  # noqa: SIM115

    def outcome(self, name: str) -> Outcome | None:
        """The latest of ``name``; None for one that never ended."""
        line = self._lines.get(name)
        if line is None:
            return None
        self._file.seek(line.offset)
        return parsed_outcome(self._file.read(line.length))

    def models(self, names: Iterable[str]) -> Models:
        """The latest outcomes of those of ``names`` that ended, in that order."""
        lines = (self._lines.get(name) for name in names)
        return Models(self.path, [line[:2] for line in lines if line is not None])

    def outcome_of(self, name: str) -> str:
        """The latest ``Outcome.outcome`` of ``name``; "" for one that never ended."""
        line = self._lines.get(name)
        return "" if line is None else line.outcome

    def line(self, name: str) -> Line | None:
        """What is known of the latest line of ``name``."""
        return self._lines.get(name)

    def forget(self, name: str) -> None:
        """Take ``name`` for one that never ended; its lines stay."""
        self._lines.pop(name, None)

    def needs_work(
        self, task: Task, *, retry: Collection[str] = (), stamp: Stamp | None = None
    ) -> str:
        """Why ``task`` is to be done, empty where it need not be. ``retry`` holds ``RETRIES``.

        ``stamp`` is that of its source now, where it is known. Raises StorageError.
        """
        line = self._lines.get(task.name)
        if line is None:
            return NEW
        # Who asks for less than there is loses nothing of it.
        if line.fingerprint != task.fingerprint or not line.steps.issuperset(task.steps):
            return CHANGED_OPTIONS
        if not is_source(line.source, task):
            return CHANGED_SOURCE
        if ALL in retry or line.outcome in retry or line.cause == STORAGE:
            return RETRIED
        if not is_remote(task.dest) and not os.path.isfile(os.path.join(task.dest, OUTCOME)):
            return GONE
        # Last, as it may read the whole source.
        return CHANGED_SOURCE if self._is_changed(task, line, stamp) else ""

    @staticmethod
    def _is_changed(task: Task, line: Line, stamp: Stamp | None) -> bool:
        stamp = stamp or stamp_of(task)
        if stamp.value == line.stamp:
            return False
        # Copied or touched, a file is still the same.
        return not (stamp.only and line.sha256 and sha256_of(stamp.only) == line.sha256)


def is_source(source: str, task: Task) -> bool:
    """Whether a line's ``source`` is that of ``task``."""
    if source == shown(task.source):
        return True
    is_here = not (is_remote(source) or is_remote(task.source))
    return is_here and os.path.abspath(source) == os.path.abspath(task.source)


def _sync_folder(folder: Path) -> None:
    """See a new name in it to the disk: models without a ledger would be taken for others' things.

    Not all file systems know that.
    """
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def parsed_outcome(data: bytes) -> Outcome | None:
    """The outcome in a line or a file; None where that makes no sense."""
    try:
        found = outcome_from_json(json.loads(data))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    is_one = found.schema.startswith("migrator.batch-model/") and found.outcome in OUTCOMES
    if not (is_one and isinstance(found.steps, tuple) and isinstance(found.decided, Mapping)):
        return None
    texts = [found.name, found.source, found.cause, found.fingerprint, found.finished]
    texts += [found.source_stamp, found.source_sha256, *found.steps]
    return found if all(isinstance(text, str) for text in texts) else None


def _line(item: Outcome, offset: int, length: int) -> Line:
    # Many have the same options, and one text of each does.
    return Line(
        offset=offset,
        length=length,
        outcome=sys.intern(item.outcome),
        cause=sys.intern(item.cause),
        source=item.source,
        steps=_STEPS.setdefault(item.steps, frozenset(item.steps)),
        decided=item.decided or None,
        fingerprint=sys.intern(item.fingerprint),
        stamp=item.source_stamp,
        sha256=item.source_sha256,
    )


class Models(Sequence[Json]):
    """Lines of a ledger as JSON, each read when it is asked for. ``places``: offset, length."""

    def __init__(self, path: Path, places: Sequence[tuple[int, int]]) -> None:
        self._path = path
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Json: ...
    @overload
    def __getitem__(self, index: slice) -> list[Json]: ...
    def __getitem__(self, index: int | slice) -> Json | list[Json]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        offset, length = self._places[index]
        with open(self._path, "rb") as file:
            return _read_at(file, offset, length)

    def __iter__(self) -> Iterator[Json]:
        with open(self._path, "rb") as file:
            for offset, length in self._places:
                yield _read_at(file, offset, length)


def _read_at(file: Any, offset: int, length: int) -> Json:
    file.seek(offset)
    found: Json = json.loads(file.read(length))
    return found


def parse_retry(words: str) -> tuple[str, ...]:
    """``failed,needs_decision`` as words of ``RETRIES``. Raises UsageError for others."""
    found = tuple(word.strip() for word in words.split(",") if word.strip())
    for word in found:
        if word not in RETRIES:
            raise UsageError(f"--retry {word!r}", hint=f"one of {', '.join(RETRIES)}")
    return found
