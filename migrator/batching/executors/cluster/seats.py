"""The slots of one Dask worker: each of its threads owns one, and the slot does the model."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

from migrator.batching.executors.cluster.fitness import with_tensorflow
from migrator.batching.executors.local import memory_share
from migrator.batching.executors.slots import Slot, SlotKilled
from migrator.batching.task import Json

_IDLE = 60.0
"""Seconds after which a slot gives its memory back: the cluster may have other work."""


class Seats:
    """The slots of a worker with ``threads``, one for each of them that ever did a task.

    ``memory``: bytes that the worker was given, which its models share; None: all that is free.
    ``temporary``: the folder of its temporary files.
    """

    def __init__(
        self, threads: int, *, memory: int | None = None, temporary: Path | None = None
    ) -> None:
        self._threads = threads
        self._memory = memory
        self._temporary = temporary
        self._here = threading.local()
        self._lock = threading.Lock()
        self._alone = threading.Lock()
        self._running: dict[Any, Slot] = {}
        self._seats: list[_Seat] = []
        self._is_closed = False

    def run(self, key: Any, work: str, task: Json) -> Json:
        """The outcome of a task. Raises SlotKilled after ``stop(key)`` and ``close``."""
        alone = bool(task.get("alone"))
        # What is tried once more has this worker to itself.
        with self._alone if alone else contextlib.nullcontext():
            limit = task.get("memory_limit") or self._share(1 if alone else self._threads)
            task = {**task, "memory_limit": limit}
            warm = with_tensorflow(task) and work.startswith("migrator.")
            seat = self._seat()
            with seat.lock:
                slot = self._begin(key, seat, warm)
                try:
                    return slot.run(work, task)
                finally:
                    with self._lock:
                        self._running.pop(key, None)
                    seat.used = time.monotonic()

    def _share(self, models: int) -> int | None:
        """Bytes for one of ``models`` at a time."""
        found = [memory_share(models), self._memory and self._memory // models]
        return min(filter(None, found), default=None)

    def _seat(self) -> _Seat:
        seat: _Seat | None = getattr(self._here, "seat", None)
        if seat is None:
            seat = self._here.seat = _Seat()
            with self._lock:
                self._seats.append(seat)
        return seat

    def _begin(self, key: Any, seat: _Seat, warm: bool) -> Slot:
        with self._lock:
            if self._is_closed:
                raise SlotKilled
            slot = seat.slot
            if slot is None or slot in seat.killed or (warm and not seat.warm):
                if slot is not None:
                    slot.close()
                slot, seat.warm = Slot(warm=warm, temporary=self._temporary), warm
                seat.slot, seat.killed = slot, []
            self._running[key] = slot
            return slot

    def stop(self, key: Any) -> None:
        """Nobody waits for task ``key`` any more: end it, if it runs here."""
        with self._lock:
            slot = self._running.pop(key, None)
            if slot is None:
                return
            for seat in self._seats:
                if seat.slot is slot:
                    seat.killed.append(slot)
            slot.kill()

    def close_idle(self, seconds: float = _IDLE) -> None:
        """End the slots that did nothing for so long; the next task starts another."""
        for seat in list(self._seats):
            if time.monotonic() - seat.used >= seconds and seat.lock.acquire(blocking=False):
                try:
                    if seat.slot is not None:
                        seat.slot.close()
                finally:
                    seat.lock.release()

    def close(self) -> None:
        """End all slots, whatever they do."""
        with self._lock:
            self._is_closed = True
            for seat in self._seats:
                if seat.slot is not None:
                    seat.slot.kill()
        # Idle ones have nobody to tidy up after them.
        self.close_idle(0.0)


class _Seat:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.slot: Slot | None = None
        self.warm = False
        self.killed: list[Slot] = []
        self.used = time.monotonic()
