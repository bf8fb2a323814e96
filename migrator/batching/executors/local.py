"""Slots of this machine as an executor: one thread each, that owns its slot."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from queue import SimpleQueue

from migrator.batching.executors.memory import available, cores
from migrator.batching.executors.slots import GROWTH, RECYCLE_AFTER, Slot, SlotKilled
from migrator.batching.task import Json
from migrator.errors import UsageError

_PER_SLOT = 1_500_000_000
"""Bytes that a slot at a model of ordinary size takes, with TensorFlow."""
_SHARE = 0.9
"""Of the memory that is free may go to models."""

_Item = tuple["Future[Json]", str, Json] | None


def default_jobs() -> int:
    """Slots that this machine has the cores and the memory for, one at least."""
    free = available()
    by_memory = 1 << 10 if free is None else int(free // _PER_SLOT)
    return max(1, min(round(cores()), by_memory))


def memory_share(jobs: int) -> int | None:
    """Bytes for one of ``jobs`` models at a time; None where nothing is known."""
    free = available()
    return None if free is None else max(int(free * _SHARE / jobs), 1)


class LocalExecutor(Executor):
    """Runs tasks in ``jobs`` slots. ``submit(function, task)``: a function at the top of a module,
    a task as JSON.

    A task without ``memory_limit`` gets an equal share of what is free. The future of a task whose
    process died has an outcome that says so; it raises only when the executor is killed.
    """

    def __init__(
        self,
        jobs: int | None = None,
        *,
        warm: bool = True,
        recycle_after: int = RECYCLE_AFTER,
        growth: int = GROWTH,
        temporary: Path | None = None,
    ) -> None:
        if jobs is not None and jobs < 1:
            raise UsageError(f"{jobs} jobs", hint="give one or more")
        self.jobs = jobs or default_jobs()
        self.whole = memory_share(1)
        self.share = memory_share(self.jobs)
        self._queue: SimpleQueue[_Item] = SimpleQueue()
        self._lock = threading.Lock()
        self._is_shut = False
        self._is_killed = False
        self._slots = [
            Slot(warm=warm, recycle_after=recycle_after, growth=growth, temporary=temporary)
            for _ in range(self.jobs)
        ]
        self._threads: list[threading.Thread] = []

    def submit(  # type: ignore[override]
        self, fn: Callable[[Json], Json], task: Json, /
    ) -> Future[Json]:
        """Hand over one task."""
        future: Future[Json] = Future()
        with self._lock:
            if self._is_shut:
                raise RuntimeError("the executor is shut down")
            if len(self._threads) < self.jobs:
                slot = self._slots[len(self._threads)]
                thread = threading.Thread(target=self._work, args=(slot,), daemon=True)
                self._threads.append(thread)
                thread.start()
            self._queue.put((future, f"{fn.__module__}:{fn.__qualname__}", task))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more tasks; end the slots when what was handed over is done."""
        with self._lock:
            self._is_shut = True
            if cancel_futures:
                while not self._queue.empty():
                    if (item := self._queue.get()) is not None:
                        item[0].cancel()
            for _ in self._threads:
                self._queue.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def kill(self) -> None:
        """End all slots at once; what was handed over has no outcome."""
        self._is_killed = True
        for slot in self._slots:
            slot.kill()
        self.shutdown(wait=True, cancel_futures=True)

    def _work(self, slot: Slot) -> None:
        try:
            while (item := self._queue.get()) is not None:
                future, work, task = item
                if not future.set_running_or_notify_cancel():
                    continue
                try:
                    if self._is_killed:
                        raise SlotKilled
                    if task.get("memory_limit") is None:
                        task = {**task, "memory_limit": self.share}
                    future.set_result(slot.run(work, task))
                except BaseException as error:
                    future.set_exception(error)
        finally:
            slot.close()
