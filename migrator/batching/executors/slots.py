"""A slot: one process that does task after task, watched from outside, and replaced when it dies.

Whatever a model does to it, the outcome is that model's alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from migrator.actions.partner import Partner, ending
from migrator.batching.executors.memory import kill_all, killings, process_tree, used_by
from migrator.batching.executors.serving import MOST_BYTES
from migrator.batching.job.notes import empty_outcome, finish, say, utc_now
from migrator.batching.job.places import (
    LOG,
    TO_STORE,
    begin,
    put,
    source_folder,
    working_folder,
)
from migrator.batching.task import ERROR, MEMORY, SIGNAL, TIMEOUT, Json, Outcome, task_from_json
from migrator.files import remove_folder
from migrator.places.addresses import is_remote

RECYCLE_AFTER = 200
"""Tasks after which a slot is replaced."""
GROWTH = 1 << 30
"""Bytes that its own process may have grown by."""
_START = 120.0
"""Seconds that a process may take to start, with TensorFlow."""
_GRACE = 5.0
"""Seconds beyond a task's own bound: within them it ends by itself, and tells more."""
_LOOK = 0.1
"""Seconds between looks at the clock and the memory."""
_LAST_WORDS = 16 << 10
_SPARE = 64 << 20


class SlotKilled(Exception):
    """``kill`` was called: the task has no outcome."""


class Slot:
    """One long-lived process. ``run`` for one thread; ``kill`` may come from any.

    ``warm``: with TensorFlow imported, for tasks that need it. A slot lives no longer than the
    thread that first runs something in it (Linux ends what a thread started with it).
    """

    def __init__(
        self,
        *,
        warm: bool = True,
        recycle_after: int = RECYCLE_AFTER,
        growth: int = GROWTH,
        temporary: Path | None = None,
    ) -> None:
        self._warm = warm
        self._recycle_after = recycle_after
        self._growth = growth
        self._parent = temporary
        self._process: _Process | None = None
        self._killed = False
        self._lock = threading.Lock()

    def run(self, work: str, task: Json) -> Json:
        """The outcome of function ``work`` (``module:name``) on ``task``, as JSON.

        A task that takes longer than its ``timeout`` or that holds more memory than its
        ``memory_limit`` is stopped; that and a process that dies are outcomes. Raises SlotKilled.
        """
        started = utc_now()
        try:
            process = self._ready()
        except _Died as death:
            return self._dead(task, started, death)
        before = killings()
        try:
            found = process.run(work, task)
        except _Died as death:
            if death.cause == SIGNAL and "SIGKILL" in death.reason and killings() > before:
                death = _Died("was ended by the system, which had no memory left", MEMORY)
            return self._dead(task, started, death)
        if process.is_worn(self._recycle_after, self._growth):
            self._end()
        return found

    def close(self) -> None:
        """End the process; the next ``run`` starts another."""
        self._end()

    def kill(self) -> None:
        """End the process at once and for good, whatever it does."""
        with self._lock:
            self._killed = True
            process = self._process
        if process is not None:
            process.kill()

    def _ready(self) -> _Process:
        if self._process is None:
            process = _Process(self._warm, self._parent)
            with self._lock:
                self._process = process
                killed = self._killed
            if killed:
                self._end()
                raise SlotKilled
            process.wait_for_start()
        return self._process

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.close()

    def _dead(self, task: Json, started: str, death: _Died) -> Json:
        """The outcome of a task whose process is gone; what it had made by then is kept."""
        process = self._process
        words = process.last_words() if process is not None else ""
        temporary = process.temporary if process is not None else None
        if self._killed:
            self._end()
            raise SlotKilled
        outcome = _post_mortem(task, started, death, words, temporary)
        self._end()
        return outcome


class _Died(Exception):
    def __init__(self, reason: str, cause: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.cause = cause


def _post_mortem(
    told: Json, started: str, death: _Died, words: str, temporary: Path | None
) -> Json:
    """The outcome, and the model's folder with what there is to tell. Raises nothing."""
    task = task_from_json(told)
    outcome = replace(
        empty_outcome(task, started),
        reason=death.reason,
        cause=death.cause,
        again=death.cause == SIGNAL,
        finished=utc_now(),
    )
    with contextlib.suppress(Exception):  # of all that may be wrong, the reason counts
        folder = working_folder(task, temporary)
        if not folder.is_dir():
            begin(folder)
        for item in folder.iterdir():
            if item.suffix not in (".json", ".txt"):
                _remove(item)
            elif item.suffix == ".json" and not _is_whole(item):
                item.unlink()
        outcome = _with_findings(outcome, folder)
        say(folder, f"{outcome.outcome}: {outcome.reason}")
        if words:
            with open(folder / LOG, "a", encoding="utf-8") as file:
                file.write(f"--- what the process printed\n{words.rstrip()}\n")
        finish(folder, outcome)
        remove_folder(source_folder(folder))
        put(folder, task, seconds=0)
    return outcome.to_json()


def _remove(item: Path) -> None:
    if item.is_dir() and not item.is_symlink():
        remove_folder(item)
    else:
        item.unlink()


def _is_whole(item: Path) -> bool:
    try:
        json.loads(item.read_bytes())
    except ValueError:
        return False
    return True


def _with_findings(outcome: Outcome, folder: Path) -> Outcome:
    """What the steps before the end had found out."""
    with contextlib.suppress(OSError, KeyError, ValueError, TypeError):
        found = json.loads((folder / "audit.json").read_bytes())
        model = found["models"][0]
        outcome = replace(
            outcome, findings=found["summary"], format=model["format"], source_bytes=model["bytes"]
        )
    return outcome


class _Process:
    """One process of a slot, from its start to its end."""

    def __init__(self, warm: bool, parent: Path | None) -> None:
        self.temporary = Path(tempfile.mkdtemp(prefix="migrator-slot-", dir=parent))
        self._log = tempfile.TemporaryFile(dir=self.temporary)  # noqa: SIM115 - see close()
        self._done = 0
        self._first = 0
        self._idle = 0
        self._is_worn = False
        self._partner = Partner("migrator.batching.executors.serving:serve", log=self._log)
        setup = {"warm": warm, "temporary": str(self.temporary), "path": sys.path}
        self._tell(setup)

    def _tell(self, message: Any) -> None:
        # A process that is gone is noticed where its answer is awaited.
        with contextlib.suppress(OSError):
            self._partner.orders.send_bytes(json.dumps(message).encode())

    def wait_for_start(self) -> None:
        """Raises _Died where it does not start."""
        deadline = time.monotonic() + _START
        self._answer(lambda: _too_long(deadline, "the process that should do it does not start"))
        self._first = used_by([self._partner.pid])
        tree = process_tree(self._partner.pid)
        self._idle = used_by(tree, beyond=-1)

    def run(self, work: str, task: Json) -> Json:
        """Raises _Died where it ended, or had to be."""
        timeout, memory = task.get("timeout"), task.get("memory_limit")
        grace = 2 * TO_STORE if is_remote(task.get("dest", "")) else _GRACE
        deadline = None if timeout is None else time.monotonic() + timeout + grace
        bound = None if memory is None else memory + self._idle + _SPARE

        def check() -> None:
            if deadline is not None and time.monotonic() > deadline:
                raise _Died(f"did not finish within {timeout:g} s and was stopped", TIMEOUT)
            if bound is not None:
                used = used_by(process_tree(self._partner.pid), beyond=bound)
                if used > bound:
                    raise _Died(f"grew past the limit of {memory:,} bytes and was stopped", MEMORY)

        self._tell({"work": work, "task": task})
        answer = json.loads(self._answer(check))
        self._done += 1
        self._is_worn = bool(answer["worn"])
        found: Json = answer["outcome"]
        return found

    def _answer(self, check: Callable[[], None]) -> bytes:
        """The next message; ``check`` is called while there is none, and may raise _Died."""
        pipe = self._partner.answers
        try:
            while not wait([pipe], _LOOK):
                check()
            return pipe.recv_bytes(MOST_BYTES)
        except _Died:
            self.kill()
            raise
        except (EOFError, OSError):  # gone, or it writes what makes no sense
            left = process_tree(self._partner.pid)
            code = self._partner.kill()
            kill_all(left[1:])
            cause = SIGNAL if code < 0 else ERROR
            raise _Died(f"the process that worked on it ended {ending(code)}", cause) from None

    def is_worn(self, most: int, growth: int) -> bool:
        """True where the process has done its share, has grown, or has lost TensorFlow."""
        own = used_by([self._partner.pid])
        return self._is_worn or self._done >= most or own - self._first > growth

    def last_words(self) -> str:
        """The end of what it printed."""
        try:
            size = self._log.seek(0, os.SEEK_END)
            self._log.seek(max(0, size - _LAST_WORDS))
            return self._log.read().decode("utf-8", "replace")
        except (OSError, ValueError):
            return ""

    def kill(self) -> None:
        """End it and all that it started. From any thread."""
        if self._partner.code is None:
            kill_all(process_tree(self._partner.pid))

    def close(self) -> None:
        self.kill()
        self._partner.kill()
        self._log.close()
        remove_folder(self.temporary)


def _too_long(deadline: float, reason: str) -> None:
    if time.monotonic() > deadline:
        raise _Died(reason, ERROR)
