"""Ctrl-C and its like: raised once, and never while something is half made or half removed.

``unwind_on_signals`` turns SIGINT, SIGTERM and SIGHUP into exceptions of the main thread;
``held_back`` puts that off for the few lines in which a process or a folder would get lost.
``Alarm`` raises in the same way when a time is over.
"""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
_DEAF = 5.0
"""Seconds in which a second signal is not raised: what the first one unwinds shall end whole."""
_SOON = 0.02
_EDGES = frozenset(("__enter__", "__exit__", "__del__"))
_LONGEST = 1e6
"""Seconds that a timer is set to."""

_held = 0
_pending: int | None = None
_raised: int | None = None
_raised_at = 0.0
_alarms: list[Alarm] | None = None
"""Those that run, the outermost first; None where the process is not ours, and none may."""
_before: tuple[Any, float, float] = (None, 0.0, 0.0)
"""Handler, moment and repetition of another's alarm, to be put back behind the last of ours."""


def unwind_on_signals() -> None:
    """From now on raise KeyboardInterrupt for SIGINT, SystemExit (128 + signal) for the others.

    Signals that the parent process had us ignore (``nohup``) stay ignored. Does nothing outside
    of the main thread, where no handler may be set.
    """
    global _pending, _raised
    if threading.current_thread() is not threading.main_thread():
        return
    _pending = _raised = None
    allow_alarms()
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_signal)


def raised() -> int | None:
    """The signal that was raised since ``unwind_on_signals``, None for none."""
    return _raised


class OutOfTime(BaseException):
    """The time of ``alarm`` is over. No ``except Exception`` on the way takes it for its own."""

    def __init__(self, alarm: Alarm) -> None:
        super().__init__()
        self.alarm = alarm


def allow_alarms() -> None:
    """This process is a program of ours, whose SIGALRM nobody else waits for."""
    global _alarms
    if hasattr(signal, "setitimer") and _alarms is None:
        _alarms = []


class Alarm:
    """``OutOfTime`` in the main thread ``seconds`` after ``start``, until ``stop``.

    Alarms nest. Elsewhere than in the main thread of a program of ours one never rings. What is
    raised within a finalizer is lost, so it rings again where nobody stops it.
    """

    __slots__ = ("moment", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.moment = float("inf")

    def start(self) -> None:
        if _alarms is None or threading.current_thread() is not threading.main_thread():
            return
        if not _alarms:
            _take_over()
        self.moment = time.monotonic() + self.seconds
        _alarms.append(self)
        _set_timer()

    def stop(self) -> None:
        self.moment = float("inf")
        if _alarms is None or self not in _alarms:
            return
        _alarms.remove(self)
        if _alarms:
            _set_timer()
        else:
            _give_back()


def _take_over() -> None:
    global _before
    left, every = signal.setitimer(signal.ITIMER_REAL, 0)
    moment = time.monotonic() + left if left else float("inf")
    _before = (signal.signal(signal.SIGALRM, _on_alarm), moment, every)


def _give_back() -> None:
    handler, moment, every = _before
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)
    if moment < float("inf"):
        signal.setitimer(signal.ITIMER_REAL, max(moment - time.monotonic(), 1e-3), every)


def _set_timer() -> None:
    left = min(alarm.moment for alarm in _alarms or ()) - time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, max(min(left, _LONGEST), 1e-3), _DEAF)


def _on_alarm(number: int, frame: FrameType | None) -> None:
    global _pending
    if _raised is not None:
        return
    if _held:
        _pending = number
    elif _is_at_an_edge(frame) or _imports(frame):
        signal.setitimer(signal.ITIMER_REAL, _SOON, _DEAF)
    else:
        _ring()


def _is_at_an_edge(frame: FrameType | None) -> bool:
    """Whether a context is being entered or left, or an object finalized. What is raised there
    leaves it open: an alarm that its own context does not stop would ring for good."""
    return frame is not None and (
        frame.f_code.co_name in _EDGES or frame.f_code.co_filename == __file__
    )


def _imports(frame: FrameType | None) -> bool:
    """Whether a module is being imported. Half of one would stay for the next model's work, and
    some cannot be imported twice."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _ring() -> None:
    now = time.monotonic()
    for alarm in _alarms or ():
        if alarm.moment <= now:
            raise OutOfTime(alarm)
    if _alarms:  # one that is farther away than a timer can be set
        _set_timer()


def ignore_signals() -> None:
    """Hear no more of them: the work is done, and the interpreter is on its way out."""
    if threading.current_thread() is not threading.main_thread():
        return
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_IGN)


class held_back:
    """A context in which no signal is raised in the main thread; one that comes is at its end.

    Only for ``unwind_on_signals``: Python's own handler of Ctrl-C knows nothing of it.
    """

    def __enter__(self) -> None:
        global _held
        self._counts = threading.current_thread() is threading.main_thread()
        if self._counts:
            _held += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        global _held, _pending
        if not self._counts:
            return
        _held -= 1
        if _held == 0 and _pending is not None:
            number, _pending = _pending, None
            if number == getattr(signal, "SIGALRM", None):
                _ring()
            else:
                _raise(number)


def _on_signal(number: int, frame: FrameType | None) -> None:
    global _pending
    if _raised is not None and time.monotonic() - _raised_at <= _DEAF:
        return  # also where it is held back: at the end of that, it would disturb as much
    if _held:
        _pending = number
    else:
        _raise(number)


def _raise(number: int) -> None:
    global _raised, _raised_at
    _raised, _raised_at = number, time.monotonic()
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
