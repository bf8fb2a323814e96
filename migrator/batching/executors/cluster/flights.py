"""Tasks that lie with the scheduler or with a worker, from the handing over to the answer."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from migrator.batching.executors.cluster.scheduler import Scheduler
from migrator.batching.executors.cluster.worker import run_there
from migrator.batching.task import Json

_FETCH = 10.0
"""Seconds for one answer, where not all could be had at once."""

Key = tuple[str, int]
"""Dask's name of a task that was handed over; another one each time."""


@dataclass(slots=True, eq=False, kw_only=True)
class Item:
    """One task on its way. ``source`` and ``dest`` are as the caller named them."""

    future: Future[Json]
    work: str
    """The function, as ``module:name``."""
    task: Json
    needs: Json
    source: str
    dest: str
    is_begun: bool = False

    def begin(self) -> bool:
        """False where it was taken back before."""
        self.is_begun = self.is_begun or self.future.set_running_or_notify_cancel()
        return self.is_begun


class Flights:
    """``landed`` is called with the key of a task that ended, or was lost; from any thread."""

    def __init__(self, scheduler: Scheduler, landed: Callable[[Key], None]) -> None:
        self._scheduler = scheduler
        self._landed = landed
        self._name = f"migrator-{uuid.uuid4().hex}"
        self._flying: dict[Key, tuple[Item, Any]] = {}
        self.sent = 0
        """Tasks that were ever handed over."""

    def __len__(self) -> int:
        return len(self._flying)

    def send(self, items: Sequence[Item], workers: Sequence[str] = ()) -> None:
        """Hand over, rather to ``workers`` than to others if there are any named.

        Raises OSError or RuntimeError where there is no connection; then none is handed over.
        """
        keys: list[Key] = []
        orders = []
        for item in items:
            self.sent += 1
            keys.append((self._name, self.sent))
            attempt = f"{self._name}-{self.sent}"  # two of one model do not meet in one folder
            task = {**item.task, "attempt": attempt}
            orders.append({"work": item.work, "task": task, "needs": item.needs})
        some = {"workers": list(workers), "allow_other_workers": True} if workers else {}
        found = self._scheduler.client.map(run_there, orders, key=keys, pure=False, **some)
        for key, item, there in zip(keys, items, found, strict=True):
            self._flying[key] = (item, there)
            there.add_done_callback(lambda done, key=key: self._landed(key))

    def answers(self, keys: Sequence[Key]) -> Iterator[tuple[Item, Json | BaseException | None]]:
        """What became of each of ``keys``: an answer, an error, or None where it is lost."""
        finished = []
        for key in keys:
            if key not in self._flying:
                continue
            item, there = self._flying[key]
            if there.status == "finished":
                finished.append(key)
                continue
            del self._flying[key]
            # What is neither is forgotten by the scheduler.
            yield item, there.exception() if there.status == "error" else None
        for key, answer in zip(finished, self._fetched(finished), strict=True):
            item, _ = self._flying.pop(key)
            yield item, answer

    def take_back(self) -> list[Item]:
        """All of them, in their order; nobody does them any more."""
        found = [item for item, _ in self._flying.values()]
        try:
            if found and self._scheduler.is_there:
                self._scheduler.client.cancel([there for _, there in self._flying.values()])
        finally:
            self._flying.clear()
        return found

    def _fetched(self, keys: Sequence[Key]) -> Sequence[Json | None]:
        from distributed import CancelledError

        there = [self._flying[key][1] for key in keys]
        gone = (OSError, TimeoutError, CancelledError, RuntimeError)
        try:
            found: Sequence[Json] = self._scheduler.client.gather(there)
            return found
        except gone:  # some were lost after they were made, with the worker that kept them
            return [self._fetch(item, gone) for item in there]

    def _fetch(self, there: Any, gone: tuple[type[Exception], ...]) -> Json | None:
        if not self._scheduler.is_there:
            return None
        try:
            found: Json = there.result(timeout=_FETCH)
            return found
        except gone:
            return None
