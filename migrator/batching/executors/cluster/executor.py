"""The executor: tasks in, futures of their outcomes out; few lie with the scheduler at a time."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from migrator.batching.executors.cluster.dispatcher import Dispatcher
from migrator.batching.executors.cluster.fitness import Fitness
from migrator.batching.executors.cluster.flights import Item
from migrator.batching.executors.cluster.scheduler import Scheduler
from migrator.batching.task import Json
from migrator.places.addresses import is_remote

PATIENCE = 600.0
"""Seconds that a scheduler may be gone, or that none of the workers may be fit."""

Tell = Callable[[str], None]


def cluster_executor(address: str, *, tell: Tell | None = None) -> ClusterExecutor:
    """The executor for ``--scheduler ADDRESS``. ``tell`` is given a line when something happens.

    Raises UsageError where Dask is missing, MigratorError where no scheduler answers.
    """
    return ClusterExecutor(address, tell=tell)


class ClusterExecutor(Executor):
    """Runs tasks on the workers of a Dask cluster. ``submit(function, task)``: a function at the
    top of a module, a task as JSON.

    Before the first task, workers that have another migrator, no TensorFlow, other files or no way
    to a store are an error; those that join later with such a fault get nothing to do. Where the
    scheduler goes away, or no worker is fit, for ``patience`` seconds, all futures raise
    ExecutorLost.
    """

    whole = None
    """The share of one that is alone is the worker's to know."""

    def __init__(
        self, address: str, *, patience: float = PATIENCE, tell: Tell | None = None
    ) -> None:
        self._tell = tell or (lambda line: None)
        self.scheduler = Scheduler(address)
        self._fitness = Fitness(self.scheduler)
        self._dispatcher = Dispatcher(self.scheduler, self._fitness, patience, self._tell)
        self._has_begun = False

    @property
    def link(self) -> str:
        """The address of the cluster's dashboard; empty where there is none."""
        return self.scheduler.link

    @property
    def jobs(self) -> int:
        """Threads of all workers, as of a moment ago; one at least."""
        return max(1, sum(self.scheduler.threads.values()))

    @property
    def lone(self) -> int:
        """How many tasks can be tried alone at a time: one on each worker."""
        return max(1, len(self.scheduler.threads))

    @property
    def flying(self) -> int:
        """Tasks that lie with the scheduler or with a worker."""
        return len(self._dispatcher.flights)

    def submit(  # type: ignore[override]
        self, fn: Callable[[Json], Json], task: Json, /
    ) -> Future[Json]:
        """Hand over one task. Raises MigratorError where workers are not fit for it, RuntimeError
        where nothing is taken any more.
        """
        anywhere = _anywhere(task)
        if not self._has_begun:
            self._begin(anywhere)
        future: Future[Json] = Future()
        item = Item(
            future=future,
            work=f"{fn.__module__}:{fn.__qualname__}",
            task=anywhere,
            needs=self._fitness.of(anywhere),
            source=task["source"],
            dest=task["dest"],
        )
        self._dispatcher.put(item)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more tasks; leave the cluster when what was handed over is done."""
        self._dispatcher.end(kill=cancel_futures, wait=wait)

    def kill(self) -> None:
        """Have the workers stop at once; what was handed over has no outcome."""
        self.shutdown(cancel_futures=True)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.shutdown(cancel_futures=error is not None)

    def _begin(self, task: Json) -> None:
        self._fitness.begin(task)
        self.scheduler.look()
        if not self.scheduler.threads:
            self._tell(f"{self.scheduler.cluster} has no workers yet: waiting for some")
        self._has_begun = True


def _anywhere(task: Json) -> Json:
    """The task for a worker, whose current folder is another."""
    choice = dict(task.get("choice") or {})
    if choice.get("checkpoint"):
        choice["checkpoint"] = _absolute(str(choice["checkpoint"]))
    if choice.get("op_libraries"):
        choice["op_libraries"] = [_absolute(str(item)) for item in choice["op_libraries"]]
    return {
        **task,
        "source": _absolute(task["source"]),
        "dest": _absolute(task["dest"]),
        "data": _absolute(task["data"]) if task.get("data") else "",
        "choice": choice,
    }


def _absolute(path: str) -> str:
    return path if is_remote(path) else os.path.abspath(path)
