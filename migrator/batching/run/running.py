"""The inside of a run: each task to the executor, each outcome into the ledger."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from migrator.batching.executors.local import LocalExecutor, default_jobs
from migrator.batching.job.failures import one_line
from migrator.batching.job.notes import empty_outcome, utc_now
from migrator.batching.job.places import OUTCOME
from migrator.batching.job.task_function import run_task
from migrator.batching.ledger.ledger import Ledger
from migrator.batching.ledger.lock import DestinationLock
from migrator.batching.run.events import Tally, Watcher
from migrator.batching.run.ground import Ground
from migrator.batching.run.results import write_results
from migrator.batching.storage.stamps import Stamp
from migrator.batching.task import (
    DONE,
    ERROR,
    MEMORY,
    NEEDS_DECISION,
    OUTCOMES,
    SIGNAL,
    Json,
    Outcome,
    Task,
    outcome_from_json,
)
from migrator.errors import (
    EXIT_INTERRUPTED,
    EXIT_NEEDS_DECISION,
    EXIT_NO,
    EXIT_YES,
    ExecutorLost,
    MigratorError,
)
from migrator.model.brief import brief
from migrator.places.addresses import is_remote, shown

if TYPE_CHECKING:
    from migrator.batching.ledger.desk import RemoteDesk

Work = Callable[[Json], Json]
_TICK = 0.5
_AHEAD = 4
"""Tasks for each slot that are handed over before one ends."""
_AHEAD_ELSEWHERE = 2000
"""The same for an executor of which we do not know how many it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """What there is after a run. ``models`` are the latest outcomes of all that lies in DEST, as
    JSON; each is read from the ledger when it is asked for.
    """

    dest: str
    models: Sequence[Json]
    counts: Mapping[str, int]
    """Outcome -> number of models that this run was asked for, done by it or before."""
    run: Json
    """When, how long, with how many slots, what was kept and what was left out."""

    __repr__ = brief

    @property
    def exit_code(self) -> int:
        """0: all done; 3: what is not needs a decision; 1: something is blocked or failed."""
        if self.run["interrupted"]:
            return EXIT_INTERRUPTED
        undone = {key for key, count in self.counts.items() if count and key != DONE}
        if not undone:
            return EXIT_YES
        return EXIT_NEEDS_DECISION if undone == {NEEDS_DECISION} else EXIT_NO


class Run:
    """One run over ``tasks``, into a DEST that nobody else works on.

    ``place`` is the local folder of the ledger and the results: ``dest``, where that is none at an
    address. ``stamps`` are those of sources as they are now, by name, as far as they are known.
    """

    def __init__(
        self,
        tasks: list[Task],
        *,
        dest: str,
        place: Path,
        ledger: Ledger,
        watchers: Sequence[Watcher],
        work: Work,
        about: Json,
        lock: DestinationLock | None = None,
        desk: RemoteDesk | None = None,
        stamps: Mapping[str, Stamp] | None = None,
    ) -> None:
        self._tasks = tasks
        self._dest = dest
        self._place = place
        self._ledger = ledger
        self._watchers = watchers
        self._work = work
        self._about = about
        self._ground = Ground(place, ledger, lock, desk)
        self._desk = desk
        self._stamps = stamps or {}
        self._counts: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
        self._kept = 0
        self._running = 0
        self._jobs = 0
        self._again: deque[Task] = deque()
        self._handed: set[Future[Json]] = set()
        self._ended: SimpleQueue[tuple[Task, Future[Json], int]] = SimpleQueue()
        self._started = utc_now()
        self._start = time.monotonic()

    def result(
        self,
        executor: Executor | None,
        jobs: int | None,
        retry: Collection[str],
        temporary: Path,
    ) -> BatchResult:
        to_do = [task for task in self._tasks if self._why(task, retry)]
        self._kept = len(self._tasks) - len(to_do)
        how = "stopped"
        own = None
        try:
            if executor is None and to_do:
                executor = own = self._own_executor(to_do, jobs, temporary)
            self._jobs = getattr(executor, "jobs", jobs or 0)
            self._tell("began")
            if executor is not None:
                self._do(to_do, executor)
            how = "finished"
        except (KeyboardInterrupt, SystemExit):
            how = "interrupted"
            raise
        finally:
            if how != "finished":
                self._stop(executor)
                if how == "interrupted":
                    self._keep_ended()
            elif own is not None:
                own.shutdown()
            found = self._wind_up(how)
        return found

    def _stop(self, executor: Executor | None) -> None:
        kill = getattr(executor, "kill", None)
        if kill is not None:
            kill()
        for future in self._handed:  # what others' executors have not begun yet, they never do
            future.cancel()

    def _keep_ended(self) -> None:
        """Write down what had ended before the interruption and was not looked at yet."""
        with _quietly(), contextlib.suppress(Empty):
            self._ground.check()
            while True:
                task, future, attempt = self._ended.get_nowait()
                if future.cancelled() or future.exception() is not None:
                    continue
                outcome = outcome_from_json(future.result())
                if not self._is_worth_more(task, outcome):  # not what the interruption killed
                    self._ledger.add(replace(outcome, attempts=attempt, again=False))
                    self._counts[outcome.outcome] += 1

    def _wind_up(self, how: str) -> BatchResult:
        """Write what there is, and tell that it is over; the run's own error counts more."""
        found = self._result(how)
        quietly = contextlib.nullcontext if how == "finished" else _quietly
        try:
            with quietly():
                self._ground.check()
                write_results(self._place, found.models, found.run)
                if self._desk is not None:
                    self._desk.publish()
        except BaseException:
            how, quietly = "stopped", _quietly
            raise
        finally:
            for watcher in self._watchers:
                with quietly(), contextlib.suppress(OSError):
                    watcher.over(self._tally(), how)
        return found

    def _why(self, task: Task, retry: Collection[str]) -> str:
        return self._ledger.needs_work(task, retry=retry, stamp=self._stamps.get(task.name))

    def _own_executor(
        self, to_do: Sequence[Task], jobs: int | None, temporary: Path
    ) -> LocalExecutor:
        warm = self._work is run_task and any(task.needs_tensorflow for task in to_do)
        if warm:
            from migrator.runtime.client import require_tensorflow

            require_tensorflow()
        size = min(jobs or default_jobs(), len(to_do))
        return LocalExecutor(size, warm=warm, temporary=temporary)

    def _do(self, to_do: Sequence[Task], executor: Executor) -> None:
        waiting = iter(to_do)
        while True:
            for task in _first(waiting, self._room(executor)):
                self._hand_over(executor, task, {})
            if not self._running:
                break
            self._finish_one()
        while self._again or self._running:
            # Alone: what a neighbour may have done to it, none does now.
            while self._again and self._running < getattr(executor, "lone", 1):
                task = self._again.popleft()
                limit = task.memory_limit or getattr(executor, "whole", None)
                self._hand_over(executor, task, {"memory_limit": limit, "alone": True})
            self._finish_one()

    def _room(self, executor: Executor) -> int:
        """How many more to hand over; a cluster's size changes while it works."""
        self._jobs = getattr(executor, "jobs", self._jobs)
        return (_AHEAD * self._jobs or _AHEAD_ELSEWHERE) - self._running

    def _hand_over(self, executor: Executor, task: Task, more: Json) -> None:
        try:
            future = executor.submit(self._work, {**task.to_json(), **more})
        except RuntimeError as error:  # a broken pool among others
            raise MigratorError(f"takes no more tasks: {error}", where="the executor") from None
        self._running += 1
        self._handed.add(future)
        attempt = 2 if more.get("alone") else 1
        future.add_done_callback(lambda done: self._ended.put((task, done, attempt)))

    def _finish_one(self) -> None:
        """Wait for one to end, and write down what became of it."""
        while True:
            try:
                task, future, attempt = self._ended.get(timeout=_TICK)
                break
            except Empty:
                self._tell("tick")
                self._ground.check()
        self._ground.check()
        self._running -= 1
        self._handed.discard(future)
        outcome = self._outcome(task, future)
        if attempt == 1 and self._is_worth_more(task, outcome):
            self._again.append(task)
            self._tell("again", outcome)
            return
        self._ground.check_stores(task, outcome)
        outcome = replace(outcome, attempts=attempt, again=False)
        self._ledger.add(outcome)
        self._counts[outcome.outcome] += 1
        self._tell("ended", outcome)

    @staticmethod
    def _is_worth_more(task: Task, outcome: Outcome) -> bool:
        """True where a process died, and where it was a share of memory that did not suffice."""
        return outcome.again or (outcome.cause == MEMORY and task.memory_limit is None)

    @staticmethod
    def _outcome(task: Task, future: Future[Json]) -> Outcome:
        """What the future holds; an executor that lost the task is an outcome too."""
        try:
            return outcome_from_json(future.result())
        except ExecutorLost:
            raise
        except Exception as error:  # whatever executor it is, and whatever it raises
            kind = type(error).__name__
            died = "Killed" in kind or "Broken" in kind
            what = "the process that worked on it is gone" if died else "it has no outcome"
            return replace(
                empty_outcome(task, utc_now()),
                reason=one_line(f"{what}: {kind}: {error}"),
                cause=SIGNAL if died else ERROR,
                again=True,
            )

    def _tally(self) -> Tally:
        return Tally(
            total=len(self._tasks),
            kept=self._kept,
            counts=dict(self._counts),
            waiting=len(self._again),
            jobs=self._jobs,
            running=min(self._running, self._jobs or self._running),
            seconds=time.monotonic() - self._start,
        )

    def _tell(self, what: str, *details: Any) -> None:
        tally = self._tally()
        for watcher in self._watchers:
            # A terminal that is gone, or a log that takes no more, costs the run nothing.
            with contextlib.suppress(OSError):
                getattr(watcher, what)(*details, tally)

    def _has_folder(self, name: str) -> bool:
        return is_remote(self._dest) or os.path.isfile(os.path.join(self._dest, name, OUTCOME))

    def _result(self, how: str) -> BatchResult:
        asked = {task.name for task in self._tasks}
        # Who removes a model's folder has done with it.
        here = sorted(
            name for name in self._ledger if name in asked or self._has_folder(name)
        )  # not as they ended: every report tells of them in one order
        models = self._ledger.models(here)
        counts = Counter(dict.fromkeys(OUTCOMES, 0))
        counts.update(filter(None, map(self._ledger.outcome_of, asked)))
        ran = sum(self._counts.values())
        return BatchResult(
            dest=shown(self._dest),
            models=models,
            counts=dict(counts),
            run={
                **self._about,
                "dest": shown(self._dest),
                "started": self._started,
                "finished": utc_now(),
                "seconds": round(time.monotonic() - self._start, 3),
                "jobs": self._jobs,
                "ran": ran,
                "kept": self._kept,
                "unfinished": len(self._tasks) - self._kept - ran,
                "others": sum(name not in asked for name in here),
                "interrupted": how == "interrupted",
            },
        )


def _first(items: Iterator[Task], count: int) -> Iterator[Task]:
    for _ in range(count):
        item = next(items, None)
        if item is None:
            return
        yield item


def _quietly() -> contextlib.AbstractContextManager[None]:
    """For what is tried on the way out of an error that is worse."""
    return contextlib.suppress(MigratorError, OSError)
