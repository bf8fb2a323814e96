"""What a run tells while it goes on: each event to whoever looks on."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from migrator.batching.job.notes import utc_now
from migrator.batching.run.prometheus import Counts, RunState, write_metrics
from migrator.batching.task import Json, Outcome
from migrator.errors import DestinationError, MigratorError, UsageError
from migrator.files import check_writable

_EVERY = 5.0
"""Seconds between two writings of the metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How far a run has come. ``counts`` are outcomes of this run, ``kept`` were done before."""

    total: int
    kept: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    """To be tried once more, alone."""
    jobs: int = 0
    running: int = 0
    seconds: float = 0.0

    @property
    def ended(self) -> int:
        return sum(self.counts.values())

    @property
    def left(self) -> int:
        return self.total - self.kept - self.ended

    @property
    def rate(self) -> float:
        """Models in a second; 0 where that is not known yet."""
        return self.ended / self.seconds if self.seconds > 0 else 0.0

    @property
    def remaining(self) -> float | None:
        """Seconds to go, None where that is not known yet."""
        return self.left / self.rate if self.rate else None


class Watcher(Protocol):
    """Someone who looks on. Called from the thread of the run, and expected to be quick."""

    def began(self, tally: Tally) -> None:
        """What is to be done is known."""

    def ended(self, outcome: Outcome, tally: Tally) -> None:
        """One model has its outcome."""

    def again(self, outcome: Outcome, tally: Tally) -> None:
        """One is to be tried once more, for this outcome of its first try."""

    def tick(self, tally: Tally) -> None:
        """Time has passed."""

    def over(self, tally: Tally, how: str) -> None:
        """The run is at its end: ``finished``, ``interrupted`` or ``stopped``."""


class _Trouble:
    """Told once, as the run goes on: looking on costs the batch nothing."""

    def __init__(self, tell: Callable[[str], None] | None) -> None:
        self._tell = tell or _warn
        self._is_told = False

    def tell(self, error: MigratorError) -> None:
        if not self._is_told:
            self._is_told = True
            self._tell(f"{error}; the run goes on without it")


def _warn(line: str) -> None:
    # A line of progress may stand there, and has no end.
    start = "\n" if sys.stderr.isatty() else ""
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{start}{line}\n")
        sys.stderr.flush()


class EventLog:
    """Events as JSON lines, appended to a file. Raises DestinationError where there can be none.

    ``tell`` is given a line, for standard error else, where the file takes no more; the events end
    there.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, tell: Callable[[str], None] | None = None
    ) -> None:
        self._path = os.fspath(path)
        self._trouble = _Trouble(tell)
        try:
            self._file = open(self._path, "a", encoding="utf-8")  # noqa: SIM115 - see over()
        except (OSError, ValueError) as error:
            raise self._failure(error) from None

    def _failure(self, error: OSError | ValueError) -> DestinationError:
        why = getattr(error, "strerror", None) or error
        return DestinationError(f"cannot be written: {why}", where=self._path)

    def _write(self, event: str, tally: Tally, **more: Any) -> None:
        line = {
            "event": event,
            "time": utc_now(),
            **more,
            "total": tally.total,
            "kept": tally.kept,
            "counts": dict(tally.counts),
            "left": tally.left,
        }
        if self._file.closed:
            return
        try:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.close()
            self._trouble.tell(self._failure(error))

    def began(self, tally: Tally) -> None:
        self._write("run_started", tally, jobs=tally.jobs)

    def ended(self, outcome: Outcome, tally: Tally) -> None:
        self._write("model_finished", tally, model=_short(outcome))

    def again(self, outcome: Outcome, tally: Tally) -> None:
        self._write("model_retried", tally, model=_short(outcome))

    def tick(self, tally: Tally) -> None:
        return None

    def over(self, tally: Tally, how: str) -> None:
        self._write(f"run_{how}", tally, seconds=round(tally.seconds, 3))
        with contextlib.suppress(OSError):  # all has been written, or told of
            self._file.close()


def _short(outcome: Outcome) -> Json:
    whole = outcome.to_json()
    return {key: value for key, value in whole.items() if key not in ("decision", "schema")}


class MetricsFile:
    """The counts of a run as a file for Prometheus, written anew every few seconds.

    ``tell`` is given a line, for standard error else, the first time that it cannot be written.
    Raises UsageError for a name that no collector reads, DestinationError for what is no file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        dest: str,
        *,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._path = _metrics_path(path)
        self._trouble = _Trouble(tell)
        self._dest = dest
        self._counts = Counts()
        self._started = time.time()
        self._written = 0.0

    def began(self, tally: Tally) -> None:
        self._write(tally)

    def ended(self, outcome: Outcome, tally: Tally) -> None:
        self._counts.add(outcome.to_json(), now=time.time())
        self.tick(tally)

    def again(self, outcome: Outcome, tally: Tally) -> None:
        return None

    def tick(self, tally: Tally) -> None:
        if time.monotonic() - self._written > _EVERY:
            self._write(tally)

    def over(self, tally: Tally, how: str) -> None:
        self._write(tally, finished=time.time())

    def _write(self, tally: Tally, *, finished: float | None = None) -> None:
        self._written = time.monotonic()
        state = RunState(
            dest=self._dest,
            started=self._started,
            expected=tally.total - tally.kept,
            finished=finished,
            jobs=tally.jobs,
            running=tally.running,
        )
        try:
            write_metrics(self._path, self._counts, state)
        except DestinationError as error:
            self._trouble.tell(error)


def _metrics_path(path: str | os.PathLike[str]) -> Path:
    found = Path(path)
    try:
        mode = found.stat().st_mode
    except (OSError, ValueError):
        mode = 0
    if stat.S_ISFIFO(mode):  # who has no reader would wait for one
        raise DestinationError("is a pipe", where=str(found), hint="name a file")
    if found.suffix != ".prom" and not stat.S_ISCHR(mode):
        raise UsageError(
            f"{str(found)!r}: metrics are read from files that end in .prom",
            hint="name it so",
        )
    check_writable(found)
    return found
