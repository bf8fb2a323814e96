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
from dataclasses import fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, overload

from migrator.batching.job.failures import GOES_ON
from migrator.batching.job.places import OUTCOME, unwritable
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
from migrator.errors import DestinationError, UsageError
from migrator.files import open_regular
from migrator.interrupts import held_back
from migrator.places.addresses import is_remote, shown

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
_WORKED = "while this run worked"


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
    bytes: int
    """Of the source; 0 where that is not known."""


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
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            handle = os.open(self.path, flags | os.O_NONBLOCK, 0o666)
            self._file = os.fdopen(handle, "rb")  # to be read; written by its number, at once
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
        """Append one line and see it to the disk. Raises DestinationError, as ``check`` does."""
        self.check()
        try:
            with held_back():  # between a line and our knowing of it, it would look like others'
                self._add(outcome)
        except OSError as error:
            raise unwritable(error, self.path) from None

    def check(self) -> None:
        """Raise DestinationError where the ledger in DEST is no longer the one that we write."""
        own = os.fstat(self._file.fileno())
        try:
            there = os.stat(self.path, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            raise lost(self.path) from None
        except OSError as error:
            raise unwritable(error, self.path) from None
        if not os.path.samestat(own, there):
            raise lost(self.path, "was replaced")
        if own.st_size != self._end:
            raise lost(self.path, "was written by others")

    def _add(self, outcome: Outcome, *, sync: bool = True) -> None:
        data = json.dumps(outcome.to_json(), allow_nan=False).encode() + b"\n"
        self._lines[outcome.name] = _line(outcome, self._append(data, sync=sync), len(data))

    def _append(self, data: bytes, *, sync: bool = True) -> int:
        offset = self._end
        handle = self._file.fileno()
        try:
            rest = data
            while rest:
                rest = rest[os.write(handle, rest) :]
            if sync:
                os.fsync(handle)
        except OSError:
            with contextlib.suppress(OSError):  # half a line would be in the way of the next
                os.ftruncate(handle, offset)
            raise
        self._end += len(data)
        return offset

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

        ``stamp`` is that of its source now, where it is known. A new one of the same bytes is
        noted. Raises StorageError.
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

    def _is_changed(self, task: Task, line: Line, stamp: Stamp | None) -> bool:
        stamp = stamp or stamp_of(task)
        if stamp.value == line.stamp:
            return False
        # Copied or touched, a file is still the same.
        if not (stamp.only and has_bytes(line, stamp.only, stamp.bytes)):
            return True
        self._note(task.name, stamp)
        return False

    def _note(self, name: str, stamp: Stamp) -> None:
        """The next run need not read the source; it can, so nothing here is worth an error."""
        outcome = self.outcome(name)
        if outcome is not None:
            with contextlib.suppress(OSError):
                self._add(replace(outcome, source_stamp=stamp.value), sync=False)


def has_bytes(line: Line, path: str, size: int) -> bool:
    """Whether a file at ``path``, of ``size`` bytes, is the source that ``line`` tells of."""
    return bool(line.sha256) and line.bytes in (0, size) and sha256_of(path) == line.sha256


def lost(path: Path, how: str = "was removed") -> DestinationError:
    """The error for a file of the run's own that others took away, or DEST with it."""
    if not path.parent.is_dir():
        path = path.parent
    return DestinationError(f"{how} {_WORKED}", where=str(path), hint=GOES_ON)


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
    if not all(_is_like(getattr(found, name), like) for name, like in _LIKE.items()):
        return None
    is_one = found.schema.startswith("migrator.batch-model/") and found.outcome in OUTCOMES
    return found if is_one else None


_EXAMPLE = Outcome(name="", source="", dest="")
_LIKE = {item.name: getattr(_EXAMPLE, item.name) for item in fields(Outcome)}


def _is_like(value: object, like: object) -> bool:
    """Whether a field is of the kind of that of an outcome of which nothing is known."""
    if like is None:
        return value is None or isinstance(value, Mapping)
    if isinstance(like, tuple):
        return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    if isinstance(like, Mapping):
        return isinstance(value, Mapping)
    return type(value) is type(like)


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
        bytes=item.source_bytes,
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
        with self._opened() as file:
            return self._read_at(file, offset, length)

    def __iter__(self) -> Iterator[Json]:
        with self._opened() as file:
            for offset, length in self._places:
                yield self._read_at(file, offset, length)

    def _opened(self) -> BinaryIO:
        try:
            return open_regular(self._path)
        except OSError as error:
            raise self._unreadable(error.strerror or str(error)) from None

    def _read_at(self, file: BinaryIO, offset: int, length: int) -> Json:
        try:
            file.seek(offset)
            found = json.loads(file.read(length))
        except OSError as error:
            raise self._unreadable(error.strerror or str(error)) from None
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self._unreadable("others have written to it")
        return found

    def _unreadable(self, why: str) -> DestinationError:
        return DestinationError(f"cannot be read any more: {why}", where=str(self._path))


def parse_retry(words: str) -> tuple[str, ...]:
    """``failed,needs_decision`` as words of ``RETRIES``. Raises UsageError for others."""
    found = tuple(word.strip() for word in words.split(",") if word.strip())
    for word in found:
        if word not in RETRIES:
            raise UsageError(f"--retry {word!r}", hint=f"one of {', '.join(RETRIES)}")
    return found
