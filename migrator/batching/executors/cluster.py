"""Slots of a Dask cluster as an executor: the same tasks, done by its workers.

Few tasks lie with the scheduler at a time, however many wait. What is lost with a worker or with
the scheduler is handed over again; a model's folder is put in place whole, so twice does no harm.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from migrator._version import __version__
from migrator.batching.executors.cluster_worker import OUTCOME, UNFIT, run_there, unfitness
from migrator.batching.job.places import is_remote, unwritable, working_folder
from migrator.batching.storage.addresses import shown
from migrator.batching.task import WITH_TENSORFLOW, Json, task_from_json
from migrator.errors import ExecutorLost, MigratorError, UsageError

_CONNECT = 20.0
"""Seconds for the scheduler to answer."""
PATIENCE = 600.0
"""Seconds that a scheduler may be gone."""
_AHEAD = 4
"""Tasks for each thread of the workers that lie with the scheduler."""
_LEAST = 32
"""The same where there are few workers, or none yet: who scales by the load wants to see one."""
_BATCH = 500
"""Tasks in one message."""
_FETCH = 10.0
"""Seconds for one answer, where not all could be had at once."""
_TICK = 0.5
_LOOK = 2.0
"""Seconds between looks at the number of workers."""
_SHOWN = 5

_Tell = Callable[[str], None]


@dataclass(slots=True, eq=False)
class _Item:
    """One task on its way. ``wanted`` are the workers to prefer, after one that was unfit."""

    future: Future[Json]
    work: str
    task: Json
    source: str
    dest: str
    wanted: Sequence[str] = ()
    begun: bool = False


def cluster_executor(address: str, *, tell: _Tell | None = None) -> ClusterExecutor:
    """The executor for ``--scheduler ADDRESS``. ``tell`` is given a line when something happens.

    Raises UsageError where Dask is missing, MigratorError where nothing answers.
    """
    return ClusterExecutor(address, tell=tell)


class ClusterExecutor(Executor):
    """Runs tasks on the workers of a Dask cluster. ``submit(function, task)``: a function at the
    top of a module, a task as JSON.

    Before the first task, workers that have another migrator, no TensorFlow or other files are an
    error; those that join later with such a fault get nothing to do. A scheduler that goes away is
    awaited for ``patience`` seconds; then all futures raise ExecutorLost.
    """

    whole = None
    """The share of one that is alone is the worker's to know."""

    def __init__(
        self, address: str, *, patience: float = PATIENCE, tell: _Tell | None = None
    ) -> None:
        self._address = address
        self._patience = patience
        self._tell = tell or (lambda line: None)
        self._client = _connect(address, _CONNECT)
        self.link: str = self._client.dashboard_link
        """The address of the cluster's dashboard."""
        self._threads: Mapping[str, int] = self._client.nthreads()
        self._looked = time.monotonic()
        self._queue: SimpleQueue[_Item | tuple[Any, ...] | None] = SimpleQueue()
        self._waiting: deque[_Item] = deque()
        self._flying: dict[tuple[Any, ...], tuple[_Item, Any]] = {}
        self._unfit: set[str] = set()
        self._needs: Json | None = None
        self._probe: Path | None = None
        self._name = f"migrator-{uuid.uuid4().hex}"
        self._sent = 0
        self._lock = threading.Lock()
        self._is_shut = False
        self._is_killed = False
        self._lost: ExecutorLost | None = None
        self._thread: threading.Thread | None = None

    @property
    def jobs(self) -> int:
        """Threads of all workers, as of a moment ago; one at least."""
        return max(1, sum(self._threads.values()))

    @property
    def lone(self) -> int:
        """How many tasks can be tried alone at a time: one on each worker."""
        return max(1, len(self._threads))

    def submit(  # type: ignore[override]
        self, fn: Callable[[Json], Json], task: Json, /
    ) -> Future[Json]:
        """Hand over one task. Raises MigratorError where workers are not fit for it."""
        if self._needs is None:
            self._check(task)
        source, dest = task["source"], task["dest"]
        future: Future[Json] = Future()
        work = f"{fn.__module__}:{fn.__qualname__}"
        with self._lock:
            if self._is_shut or self._lost is not None:
                raise RuntimeError("the executor is shut down")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()
            self._queue.put(_Item(future, work, _anywhere(task), source, dest))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more tasks; leave the cluster when what was handed over is done."""
        with self._lock:
            self._is_shut = True
            self._is_killed = self._is_killed or cancel_futures
            self._queue.put(None)
        if self._thread is None:
            self._leave()
        elif wait:
            self._thread.join()

    def kill(self) -> None:
        """Have the workers stop at once; what was handed over has no outcome."""
        self.shutdown(cancel_futures=True)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.shutdown(cancel_futures=error is not None)

    # Before anything runs

    def _check(self, task: Json) -> None:
        """See that all workers that there are can do ``task``, and so its like."""
        needs = {
            "version": __version__,
            "tensorflow": not WITH_TENSORFLOW.isdisjoint(task["steps"]),
            "probe": self._make_probe(task),
            "source": "",
        }
        source = _absolute(task["source"])
        here = not is_remote(source) and os.path.exists(source)
        faults = dict(self._faults({**needs, "source": source if here else ""}))
        if faults:
            shown = "; ".join(f"{who} {why}" for who, why in sorted(faults.items())[:_SHOWN])
            more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
            raise MigratorError(
                f"it is not fit for these tasks: {shown}{more}",
                where=f"the cluster at {self._address}",
                hint="give scheduler and workers the same migrator as here, TensorFlow, and the "
                "same files",
            )
        self._look()
        if not self._threads:
            self._tell(f"the cluster at {self._address} has no workers yet: waiting for some")
        self._needs = needs

    def _faults(self, needs: Json) -> Iterator[tuple[str, str]]:
        """Who is not fit, and why."""
        told = {
            **self._client.run(unfitness, needs, on_error="return"),
            "the scheduler": self._on_scheduler(needs),
        }
        for who, found in told.items():
            if isinstance(found, ImportError):
                yield who, f"cannot import it: {found}"
            elif isinstance(found, BaseException):
                yield who, f"cannot tell: {type(found).__name__}: {found}"
            elif found:
                yield who, str(found)

    def _on_scheduler(self, needs: Json) -> Any:
        """It reads tasks, so it needs the same version; but neither TensorFlow nor files."""
        alone = {**needs, "tensorflow": False, "probe": "", "source": ""}
        try:
            return self._client.run_on_scheduler(unfitness, alone)
        except Exception as error:
            return error

    def _make_probe(self, task: Json) -> str:
        """A new file in DEST, that all workers must see."""
        if is_remote(task["dest"]):
            return ""
        folder = Path(_absolute(str(working_folder(task_from_json(task)).parent)))
        self._probe = folder / f"probe-{uuid.uuid4().hex}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._probe.write_bytes(b"")
        except OSError as error:
            raise unwritable(error, folder) from None
        return str(self._probe)

    # In a thread of its own

    def _work(self) -> None:
        try:
            while self._step():
                pass
        except ExecutorLost as error:
            self._give_up(error)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            self._give_up(ExecutorLost(why, where=f"the cluster at {self._address}"))
        finally:
            self._leave()

    def _step(self) -> bool:
        """Take what came, send what there is room for; False at the end."""
        ended = []
        for item in self._arrived():
            if isinstance(item, _Item):
                self._waiting.append(item)
            elif item is not None:
                ended.append(item)
        if self._is_killed:
            return False
        if self._client.status == "running":
            self._collect(ended)
        if self._client.status != "running":
            self._renew()
        elif time.monotonic() - self._looked > _LOOK:
            self._look()
        self._send()
        return bool(not self._is_shut or self._waiting or self._flying)

    def _arrived(self) -> Iterator[_Item | tuple[Any, ...] | None]:
        with contextlib.suppress(Empty):
            yield self._queue.get(timeout=_TICK)
            while True:
                yield self._queue.get_nowait()

    def _collect(self, keys: Sequence[tuple[Any, ...]]) -> None:
        """Answers of what is finished; what is gone without an answer waits again."""
        finished = []
        for key in keys:
            if key not in self._flying:
                continue
            item, there = self._flying[key]
            if there.status == "finished":
                finished.append(key)
                continue
            del self._flying[key]
            if there.status == "error":
                item.future.set_exception(there.exception())
            else:  # the scheduler forgot it
                self._waiting.appendleft(item)
        for key, answer in zip(finished, self._answers(finished), strict=True):
            item, _ = self._flying.pop(key)
            self._take(item, answer)

    def _answers(self, keys: Sequence[tuple[Any, ...]]) -> Sequence[Json]:
        from distributed import CancelledError

        there = [self._flying[key][1] for key in keys]
        gone = (OSError, TimeoutError, CancelledError, RuntimeError)
        try:
            found: Sequence[Json] = self._client.gather(there)
            return found
        except gone:  # some were lost after they were made, with the worker that kept them
            return [self._answer(item, gone) for item in there]

    def _answer(self, there: Any, gone: tuple[type[Exception], ...]) -> Json:
        if self._client.status != "running":
            return {}
        try:
            found: Json = there.result(timeout=_FETCH)
            return found
        except gone:
            return {}

    def _take(self, item: _Item, answer: Json) -> None:
        if OUTCOME in answer:
            item.future.set_result(
                {**answer[OUTCOME], "source": shown(item.source), "dest": shown(item.dest)}
            )
            return
        if UNFIT in answer:
            who = answer["worker"]
            if who not in self._unfit:
                self._unfit.add(who)
                self._tell(f"the worker at {who} {answer[UNFIT]}: it gets nothing to do")
            item.wanted = [name for name in self._threads if name not in self._unfit]
        self._waiting.appendleft(item)

    def _look(self) -> None:
        self._looked = time.monotonic()
        with contextlib.suppress(OSError, RuntimeError):
            self._threads = self._client.nthreads()

    def _send(self) -> None:
        room = self._most() - len(self._flying)
        items: list[_Item] = []
        while self._waiting and len(items) < min(room, _BATCH):
            item = self._waiting.popleft()
            if item.begun or item.future.set_running_or_notify_cancel():
                item.begun = True
                items.append(item)
        if not items:
            return
        try:
            if plain := [item for item in items if not item.wanted]:
                self._hand_over(plain)
            for item in items:
                if item.wanted:
                    self._hand_over([item], workers=item.wanted, allow_other_workers=True)
        except (OSError, RuntimeError):  # the connection went; seen to in the next step
            flying = {id(item) for item, _ in self._flying.values()}
            self._waiting.extendleft(item for item in items if id(item) not in flying)
            time.sleep(0.1)

    def _most(self) -> int:
        """How many tasks may lie with the scheduler.

        Few of a kind it gives to workers at once, and one may wait behind a long one although
        another worker idles; of more than two for each thread it keeps what nobody is free for.
        """
        if self._threads and self._sent + len(self._waiting) <= 2 * self.jobs:
            return self.jobs
        return max(_AHEAD * self.jobs, _LEAST)

    def _hand_over(self, items: Sequence[_Item], **options: Any) -> None:
        keys = []
        orders = []
        for item in items:
            self._sent += 1
            keys.append((self._name, self._sent))
            attempt = f"{self._name}-{self._sent}"  # two of one model do not meet in one folder
            task = {**item.task, "attempt": attempt}
            orders.append({"work": item.work, "task": task, "needs": self._needs})
        found = self._client.map(run_there, orders, key=keys, pure=False, **options)
        for key, item, there in zip(keys, items, found, strict=True):
            self._flying[key] = (item, there)
            there.add_done_callback(lambda done, key=key: self._queue.put(key))

    def _renew(self) -> None:
        """Wait for a scheduler, and hand over again what the last one had."""
        self._tell(f"the scheduler at {self._address} is gone: waiting for it")
        lost = [item for item, _ in self._flying.values()]
        self._flying.clear()
        self._waiting.extendleft(reversed(lost))
        deadline = time.monotonic() + self._patience
        while not self._is_back():
            if self._is_killed:
                return
            if time.monotonic() > deadline:
                raise ExecutorLost(
                    f"its scheduler did not come back within {self._patience:g} s",
                    where=f"the cluster at {self._address}",
                    hint="start it, then run the same command again: it goes on where this run "
                    "stopped",
                )
            time.sleep(0.2)
        self._look()
        self._tell(f"the scheduler is back: {len(lost):,} tasks are handed over again")

    def _is_back(self) -> bool:
        """True with a client that is connected: the same for a while, then another."""
        if self._client.status == "connecting":
            return False
        if self._client.status == "running":
            return True
        try:
            self._client = _connect(self._address, 2.0)
        except MigratorError:
            return False
        return True

    def _give_up(self, error: ExecutorLost) -> None:
        with self._lock:
            self._lost = error
            while not self._queue.empty():
                if isinstance(item := self._queue.get(), _Item):
                    self._waiting.append(item)
        for item in (*self._waiting, *(item for item, _ in self._flying.values())):
            if item.begun or item.future.set_running_or_notify_cancel():
                item.future.set_exception(error)
        self._waiting.clear()
        self._flying.clear()

    def _leave(self) -> None:
        """Take back what is not done, and say good-bye."""
        with contextlib.suppress(Exception):
            if self._flying and self._client.status == "running":
                self._client.cancel([there for _, there in self._flying.values()])
        for item in (*self._waiting, *(item for item, _ in self._flying.values())):
            if not item.future.cancel() and not item.future.done():
                item.future.set_exception(RuntimeError("the executor was killed"))
        self._waiting.clear()
        self._flying.clear()
        self._close()
        if self._probe is not None:
            with contextlib.suppress(OSError):
                self._probe.unlink()

    def _close(self) -> None:
        with contextlib.suppress(Exception):
            self._client.close(timeout=5.0)


def _connect(address: str, timeout: float) -> Any:
    """A client of the scheduler at ``address``."""
    try:
        from distributed import Client
    except ImportError:
        raise UsageError(
            "the package distributed is missing",
            where="--scheduler",
            hint="pip install 'migrator[cluster]'",
        ) from None
    try:
        return Client(address, timeout=timeout, set_as_default=False, name="migrator")
    except (OSError, ValueError, TypeError, ImportError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise MigratorError(
            f"nothing that is a Dask scheduler answers: {why}",
            where=address,
            hint="an address looks like tcp://host:8786",
        ) from None


def _absolute(path: str) -> str:
    return path if is_remote(path) else os.path.abspath(path)


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
