"""What runs on a Dask worker: each of its threads owns a slot, and the slot does the model.

A model that crashes or hangs costs its slot, never the worker. Only plain data come and go.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import threading
import time
from typing import Any

from migrator._version import __version__
from migrator.batching.executors.local import memory_share
from migrator.batching.executors.slots import Slot, SlotKilled
from migrator.batching.task import WITH_TENSORFLOW, Json

OUTCOME, UNFIT, STOPPED = "outcome", "unfit", "stopped"
"""Keys of an answer: a model's outcome; why this worker can do none; it was stopped in it."""
_IDLE = 60.0
"""Seconds after which a slot gives its memory back: the cluster may have other work."""
_SEEN_LATE = 3.0
"""Seconds that a new file may take to be seen over a network."""
_PLUGIN = "migrator-slots"


def run_there(order: Json) -> Json:
    """Do ``order["task"]`` with function ``order["work"]`` (``module:name``), if we are fit to."""
    from distributed import get_worker

    worker = get_worker()
    if why := _unfitness(json.dumps(order["needs"], sort_keys=True)):
        return {UNFIT: why, "worker": worker.address}
    seats = _seats(worker)
    try:
        return {OUTCOME: seats.run(worker.get_current_task(), order["work"], order["task"])}
    except SlotKilled:
        return {STOPPED: True}


def unfitness(needs: Json) -> str:
    """Why nothing can be done here, empty where it can.

    ``needs``: ``version`` of migrator, ``tensorflow``: that there is one, ``probe`` and
    ``source``: files that must be seen from here; empty for none.
    """
    return _unfitness(json.dumps(needs, sort_keys=True))


@functools.lru_cache(maxsize=16)
def _unfitness(told: str) -> str:
    import importlib.util

    needs = json.loads(told)
    if needs["version"] != __version__:
        return f"has migrator {__version__}, and {needs['version']} is asked for"
    if needs["tensorflow"] and importlib.util.find_spec("tensorflow") is None:
        return "has no TensorFlow"
    if needs["probe"] and not _is_seen(needs["probe"]):
        folder = os.path.dirname(os.path.dirname(needs["probe"]))
        return f"does not see the files of {folder}, which must be on a file system that all share"
    if needs["source"] and not _is_seen(needs["source"]):
        return f"does not see the source {needs['source']}"
    return ""


def _is_seen(path: str) -> bool:
    deadline = time.monotonic() + _SEEN_LATE
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


class Seats:
    """The slots of a worker, one for each thread that ever did a task."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
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
            limit = task.get("memory_limit") or memory_share(1 if alone else self._threads)
            task = {**task, "memory_limit": limit}
            needs_tensorflow = not WITH_TENSORFLOW.isdisjoint(task["steps"])
            warm = needs_tensorflow and work.startswith("migrator.")
            seat = self._seat()
            with seat.lock:
                slot = self._begin(key, seat, warm)
                try:
                    return slot.run(work, task)
                finally:
                    with self._lock:
                        self._running.pop(key, None)
                    seat.used = time.monotonic()

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
                slot, seat.warm = Slot(warm=warm), warm
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


_made: dict[str, Seats] = {}
_making = threading.Lock()


def _seats(worker: Any) -> Seats:
    """Those of this worker; its process may hold several workers, as in tests of others."""
    with _making:
        seats = _made.get(worker.id)
        if seats is None:
            seats = _made[worker.id] = Seats(worker.state.nthreads)
            atexit.register(seats.close)
            plugin = _plugin(seats)
            worker.loop.add_callback(worker.plugin_add, plugin=plugin, name=_PLUGIN)
        return seats


def _plugin(seats: Seats) -> Any:
    from distributed import WorkerPlugin

    class Watch(WorkerPlugin):  # type: ignore[misc]
        """Ends slots with the worker, with the task that is taken back, and when they idle."""

        def setup(self, worker: Any) -> None:
            from tornado.ioloop import PeriodicCallback

            self._tidy = PeriodicCallback(seats.close_idle, _IDLE / 4 * 1000)
            self._tidy.start()

        def transition(self, key: Any, start: str, finish: str, **more: Any) -> None:
            if start == "executing" and finish in ("cancelled", "released", "forgotten"):
                seats.stop(key)

        def teardown(self, worker: Any) -> None:
            self._tidy.stop()
            seats.close()
            atexit.unregister(seats.close)
            _made.pop(worker.id, None)

    return Watch()
