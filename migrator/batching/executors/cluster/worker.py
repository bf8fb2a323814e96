"""What runs on a Dask worker: each of its threads owns a slot, and the slot does the model.

A model that crashes or hangs costs its slot, never the worker. Only plain data come and go.
"""

from __future__ import annotations

import atexit
import threading
from pathlib import Path
from typing import Any

from migrator.batching.executors.cluster.fitness import unfitness
from migrator.batching.executors.cluster.seats import Seats
from migrator.batching.executors.slots import SlotKilled
from migrator.batching.task import Json

OUTCOME, UNFIT, STOPPED = "outcome", "unfit", "stopped"
"""Keys of an answer: a model's outcome; why this worker can do none; it was stopped in it."""
_TIDY = 15.0
"""Seconds between looks at slots that idle."""
_PLUGIN = "migrator-slots"


def run_there(order: Json) -> Json:
    """Do ``order["task"]`` with function ``order["work"]`` (``module:name``), if we are fit to."""
    from distributed import get_worker

    worker = get_worker()
    if why := unfitness(order["needs"]):
        return {UNFIT: why, "worker": worker.address}
    seats = _seats(worker)
    try:
        return {OUTCOME: seats.run(worker.get_current_task(), order["work"], order["task"])}
    except SlotKilled:
        return {STOPPED: True}


_made: dict[str, Seats] = {}
_making = threading.Lock()


def _seats(worker: Any) -> Seats:
    """Those of this worker; its process may hold several workers, as in tests of others."""
    with _making:
        seats = _made.get(worker.id)
        if seats is None:
            # In Dask's own folder: what a worker leaves that is killed, the next one clears away.
            seats = _made[worker.id] = Seats(
                worker.state.nthreads,
                memory=worker.memory_manager.memory_limit,
                temporary=Path(worker.local_directory),
            )
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

            self._tidy = PeriodicCallback(seats.close_idle, _TIDY * 1000)
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
