"""From the queue to the cluster and back: a thread that hands tasks over and takes answers.

What is lost with a worker or with the scheduler is handed over again; a model's folder is put in
place whole, so twice does no harm.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue

from migrator.batching.executors.cluster.fitness import Fitness
from migrator.batching.executors.cluster.flights import Flights, Item, Key
from migrator.batching.executors.cluster.scheduler import Scheduler
from migrator.batching.executors.cluster.worker import OUTCOME, UNFIT
from migrator.batching.executors.cluster.workers import Workers
from migrator.batching.job.failures import GOES_ON
from migrator.batching.task import Json
from migrator.errors import ExecutorLost
from migrator.places.addresses import shown

_BATCH = 500
"""Tasks in one message."""
_TICK = 0.5


class Dispatcher:
    """``put`` from any thread; ``end`` when there is no more. All else is done in a thread of its
    own, which closes ``scheduler`` and ``fitness`` when it ends.

    ``patience``: seconds that the scheduler may be gone, or that no worker may be fit.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        fitness: Fitness,
        patience: float,
        tell: Callable[[str], None],
    ) -> None:
        self._scheduler = scheduler
        self._fitness = fitness
        self._patience = patience
        self._tell = tell
        self._queue: SimpleQueue[Item | Key | None] = SimpleQueue()
        self._waiting: deque[Item] = deque()
        self.flights = Flights(scheduler, self._queue.put)
        self._workers = Workers(scheduler, tell)
        self._lock = threading.Lock()
        self._is_ending = False
        self._is_killed = False
        self._is_over = False
        self._thread: threading.Thread | None = None

    def put(self, item: Item) -> None:
        """Raises RuntimeError after ``end``, and where the cluster is lost."""
        with self._lock:
            if self._is_ending or self._is_over:
                raise RuntimeError("the executor is shut down")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()
            self._queue.put(item)

    def end(self, *, kill: bool, wait: bool) -> None:
        """Leave the cluster when all is done; at once, and take all back, with ``kill``."""
        with self._lock:
            self._is_ending = True
            self._is_killed = self._is_killed or kill
            self._queue.put(None)
            thread = self._thread
        if thread is None:
            self._close()
        elif wait:
            thread.join()

    def _work(self) -> None:
        error: Exception = RuntimeError("the executor was killed")
        try:
            while self._step():
                pass
        except ExecutorLost as lost:
            error = lost
        except Exception as other:
            why = f"{type(other).__name__}: {other}"
            error = ExecutorLost(why, where=self._scheduler.cluster)
        finally:
            self._leave(error)

    def _step(self) -> bool:
        """Take what came, send what there is room for; False at the end."""
        ended = []
        for item in self._arrived():
            if isinstance(item, Item):
                self._waiting.append(item)
            elif item is not None:
                ended.append(item)
        if self._is_killed:
            return False
        if self._scheduler.is_there:
            self._collect(ended)
        if self._scheduler.is_there:
            self._scheduler.look_now_and_then()
        else:
            self._renew()
        self._send()
        return bool(not self._is_ending or self._waiting or self.flights)

    def _arrived(self) -> Iterator[Item | Key | None]:
        with contextlib.suppress(Empty):
            yield self._queue.get(timeout=_TICK)
            while True:
                yield self._queue.get_nowait()

    def _collect(self, keys: Sequence[Key]) -> None:
        """Answers of what ended; what is gone without an answer waits again."""
        for item, answer in self.flights.answers(keys):
            if isinstance(answer, BaseException):
                item.future.set_exception(answer)
            elif answer is not None and OUTCOME in answer:
                self._workers.is_fit()
                item.future.set_result(_as_named(item, answer[OUTCOME]))
            else:
                if answer is not None and UNFIT in answer:
                    self._workers.is_unfit(answer["worker"], answer[UNFIT])
                self._waiting.appendleft(item)

    def _send(self) -> None:
        """Raises ExecutorLost where nobody is fit, and nobody becomes so."""
        if self._workers.none_for() > self._patience:
            raise ExecutorLost(
                f"none of its workers is fit for these tasks: {self._workers.why}",
                where=self._scheduler.cluster,
                hint=f"give workers what they lack, then {GOES_ON}",
            )
        flying = len(self.flights)
        room = self._workers.room(flying, self.flights.sent + len(self._waiting))
        items: list[Item] = []
        while self._waiting and len(items) < min(room, _BATCH):
            item = self._waiting.popleft()
            if item.begin():
                items.append(item)
        if not items:
            return
        try:
            self.flights.send(items, self._workers.preferred())
        except (OSError, RuntimeError):  # the connection went; seen to in the next step
            self._waiting.extendleft(reversed(items))
            time.sleep(0.1)

    def _renew(self) -> None:
        """Wait for a scheduler, and hand over again what the last one had."""
        self._tell(f"the scheduler at {self._scheduler.address} is gone: waiting for it")
        lost = self.flights.take_back()
        self._waiting.extendleft(reversed(lost))
        deadline = time.monotonic() + self._patience
        while not self._scheduler.is_back():
            if self._is_killed:
                return
            if time.monotonic() > deadline:
                raise ExecutorLost(
                    f"its scheduler did not come back within {self._patience:g} s",
                    where=self._scheduler.cluster,
                    hint=f"start it, then {GOES_ON}",
                )
            time.sleep(0.2)
        self._scheduler.look()
        self._tell(f"the scheduler is back: {len(lost):,} tasks are handed over again")

    def _leave(self, error: Exception) -> None:
        """Take back what is not done, say ``error`` to who waits for it, and say good-bye."""
        with self._lock:
            self._is_over = True
            while not self._queue.empty():
                if isinstance(item := self._queue.get(), Item):
                    self._waiting.append(item)
        left = list(self._waiting)
        with contextlib.suppress(Exception):
            left += self.flights.take_back()
        for item in left:
            is_lost = isinstance(error, ExecutorLost)
            if not (is_lost or item.is_begun):
                item.future.cancel()
            elif item.begin():
                item.future.set_exception(error)
        self._close()

    def _close(self) -> None:
        self._scheduler.close()
        self._fitness.close()


def _as_named(item: Item, outcome: Json) -> Json:
    """Workers know the paths of source and DEST in full; the caller may have said less."""
    return {**outcome, "source": shown(item.source), "dest": shown(item.dest)}
