"""The workers of a cluster that may get something to do, and how much at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from migrator.batching.executors.cluster.scheduler import Scheduler

_AHEAD = 4
"""Tasks for each thread of the workers that lie with the scheduler."""
_LEAST = 32
"""The same where there are few workers, or none yet: who scales by the load wants to see one."""
_AGAIN = 60.0
"""Seconds after which one that was not fit is asked again: its files may have come."""


class Workers:
    """``tell`` is given a line for each worker that is not fit."""

    def __init__(self, scheduler: Scheduler, tell: Callable[[str], None]) -> None:
        self._scheduler = scheduler
        self._tell = tell
        self._unfit: dict[str, float] = {}
        """When it was seen last, by a worker's address."""
        self._none_since: float | None = None
        self.why = ""
        """What the one lacked that was seen last."""

    def is_unfit(self, who: str, why: str) -> None:
        """Worker ``who`` gave a task back."""
        self.why = f"the worker at {who} {why}"
        if who not in self._unfit:
            self._tell(f"{self.why}: it gets nothing to do")
        self._unfit[who] = time.monotonic()
        if not self.fit() and self._none_since is None:
            self._none_since = time.monotonic()

    def is_fit(self) -> None:
        """One of them did a task."""
        self._none_since = None

    def fit(self) -> list[str]:
        """Their addresses. None at all: they are not fit, or there are none yet."""
        late = time.monotonic() - _AGAIN
        return [who for who in self._scheduler.threads if self._unfit.get(who, late) <= late]

    def preferred(self) -> Sequence[str]:
        """Where it matters who gets a task: those that it is for."""
        return self.fit() if self._unfit else ()

    def none_for(self) -> float:
        """Seconds for which there were workers, and none of them fit."""
        return 0.0 if self._none_since is None else time.monotonic() - self._none_since

    def room(self, flying: int, total: int) -> int:
        """How many tasks more may lie with the scheduler, where ``total`` were sent or wait.

        Few of a kind it gives to workers at once, as it does all that some are preferred for, and
        one may wait behind a long one although another worker idles; of more than two for each
        thread it keeps what nobody is free for.
        """
        threads = self._scheduler.threads
        fit = self.fit()
        jobs = sum(threads.get(who, 0) for who in fit)
        if threads and not fit:
            return 0
        if threads and (self._unfit or total <= 2 * jobs):
            return max(jobs, 1) - flying
        return max(_AHEAD * jobs, _LEAST) - flying
