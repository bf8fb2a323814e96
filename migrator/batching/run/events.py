"""What a run tells while it goes on: each event to whoever looks on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from migrator.batching.job.notes import utc_now
from migrator.batching.run.prometheus import Counts, RunState, write_metrics
from migrator.batching.task import Json, Outcome
from migrator.errors import DestinationError

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


class EventLog:
    """Events as JSON lines, appended to a file. Raises DestinationError where it takes none."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
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
        try:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        except OSError as error:
            raise self._failure(error) from None

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
        self._file.close()


def _short(outcome: Outcome) -> Json:
    whole = outcome.to_json()
    return {key: value for key, value in whole.items() if key not in ("decision", "schema")}


class MetricsFile:
    """The counts of a run as a file for Prometheus, written anew every few seconds."""

    def __init__(self, path: str | os.PathLike[str], dest: str) -> None:
        self._path = Path(path)
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
        write_metrics(self._path, self._counts, state)
