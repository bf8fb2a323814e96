"""Work shared among processes of our own, where a task may crash, hang or grow.

Each process has one task at a time, so what befell it is known, and the others go on.
"""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import wait
from typing import Any, Generic, TypeVar

from migrator.actions.partner import Partner, ending, pipes
from migrator.interrupts import allow_alarms, held_back

_START = 60.0
"""Seconds that a process may take to start, which count for no task."""
_AHEAD = 64
"""So many finished tasks of each process may wait for a slow one before them."""

Task = TypeVar("Task")
Result = TypeVar("Result")


class Crew(Generic[Task, Result]):
    """Up to ``size`` processes that call ``work(task, order)``. A context manager.

    ``work`` is a function at the top of a module. ``timeout`` (seconds) and ``memory`` (bytes on
    top of what an idle process has) bound one task. ``failed(task, reason)`` makes the result of
    one that passed a bound or that ended its process twice.
    """

    def __init__(
        self,
        work: Callable[[Task, Any], Result],
        order: Any,
        failed: Callable[[Task, str], Result],
        *,
        size: int,
        timeout: float | None = None,
        memory: int | None = None,
    ) -> None:
        self._setup = (work, order, memory)
        self._failed = failed
        self._size = size
        self._timeout = timeout
        self._hands: list[_Hand[Task]] = []

    def __enter__(self) -> Crew[Task, Result]:
        return self

    def __exit__(self, *_: object) -> None:
        with held_back():
            for hand in self._hands:
                hand.kill()
            self._hands.clear()

    def results(self, tasks: Iterable[Task]) -> Iterator[Result]:
        """The results in the order of the tasks, of which few are taken ahead.

        A task that ended its process is tried once more, in a new process that runs alone.
        """
        waiting = enumerate(tasks)
        done: dict[int, Result] = {}
        again: deque[tuple[int, Task]] = deque()
        told = 0
        is_over = False
        while True:
            while not is_over and not again and self._has_room(len(done)):
                item = next(waiting, None)
                if item is None:
                    is_over = True
                else:
                    self._idle_hand().give(*item, timeout=self._timeout)
            if again and not self._busy():
                self._idle_hand().give(*again[0], timeout=self._timeout)
            if not self._busy():
                break
            for hand, result, reason in self._finished():
                index, task = hand.index, hand.task
                if reason == _DIED and not (again and again[0][0] == index):
                    again.append((index, task))
                    continue
                if again and again[0][0] == index:
                    again.popleft()
                if reason:
                    result = self._failed(task, hand.cause if reason == _DIED else reason)
                done[index] = result
            while told in done:
                yield done.pop(told)
                told += 1

    def _has_room(self, finished: int) -> bool:
        return len(self._busy()) < self._size and finished < _AHEAD * self._size

    def _busy(self) -> list[_Hand[Task]]:
        return [hand for hand in self._hands if hand.is_busy]

    def _idle_hand(self) -> _Hand[Task]:
        for hand in self._hands:
            if not hand.is_busy:
                return hand
        with held_back():
            hand = _Hand[Task](self._setup)
            self._hands.append(hand)
        return hand

    def _finished(self) -> list[tuple[_Hand[Task], Any, str]]:
        """Hands that are done, with their result or the reason why there is none. Waits."""
        busy = self._busy()
        deadline = min((hand.deadline for hand in busy), default=float("inf"))
        left = None if deadline == float("inf") else max(0.0, deadline - time.monotonic())
        ready = wait([hand.pipe for hand in busy], left)
        found: list[tuple[_Hand[Task], Any, str]] = []
        for hand in busy:
            if hand.pipe in ready:
                result, is_alive = hand.take()
                if not is_alive:
                    self._hands.remove(hand)
                elif not hand.is_ready:
                    hand.start(self._timeout)
                    continue
                found.append((hand, result, "" if is_alive else _DIED))
            elif hand.deadline <= time.monotonic():
                hand.kill()
                self._hands.remove(hand)
                slow = f"took more than {self._timeout:g} s" if hand.is_ready else _DIED
                found.append((hand, None, slow))
        return found


_DIED = "died"


class _Hand(Generic[Task]):
    """One process, idle or at one task."""

    task: Task

    def __init__(self, setup: Any) -> None:
        self._partner = Partner("migrator.actions.crew:serve")
        self.pipe = self._partner.answers
        self.is_busy = False
        self.is_ready = False
        self.index = -1
        self.deadline = float("inf")
        self.cause = "the process that should read it does not start"
        self._tell(setup)

    def give(self, index: int, task: Task, *, timeout: float | None) -> None:
        self.index, self.task, self.is_busy = index, task, True
        self._set_clock(timeout if self.is_ready else _START)
        self._tell(task)

    def start(self, timeout: float | None) -> None:
        """It has started, and begins with its first task now."""
        self.is_ready = self.is_busy = True
        self._set_clock(timeout)

    def _set_clock(self, timeout: float | None) -> None:
        self.deadline = float("inf") if timeout is None else time.monotonic() + timeout

    def _tell(self, message: Any) -> None:
        # A process that is gone is noticed where its result is awaited.
        with contextlib.suppress(BrokenPipeError):
            self._partner.orders.send(message)

    def take(self) -> tuple[Any, bool]:
        """The result, and whether the process is alive."""
        self.is_busy = False
        try:
            return self.pipe.recv(), True
        except Exception:  # gone, or what it wrote makes no sense
            self.kill()
            if self.is_ready:
                self.cause = f"ended the process that read it, {self._ending}"
            return None, False

    def kill(self) -> None:
        self.is_busy = False
        self._ending = ending(self._partner.kill())


def serve() -> None:
    """The other side: take the work, then task after task, until the pipe is closed."""
    from migrator.runtime.worker import die_with_parent

    die_with_parent()
    allow_alarms()
    tasks, results = pipes()
    with contextlib.suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        work, order, memory = tasks.recv()
        if memory is not None:
            _bound_memory(memory)
        gc.freeze()  # what is imported is no garbage, so it need not be looked at again
        results.send(None)
        while True:
            results.send(work(tasks.recv(), order))
    # Nothing is left to tidy up, and the interpreter's own end takes long after large models.
    os._exit(0)


def _bound_memory(size: int) -> None:
    """Let this process take ``size`` bytes more than it has, where the system can do that."""
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            taken = int(file.read().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        bound = taken + size if hard == resource.RLIM_INFINITY else min(taken + size, hard)
        resource.setrlimit(resource.RLIMIT_AS, (bound, hard))
    except (ImportError, OSError, ValueError):
        return
