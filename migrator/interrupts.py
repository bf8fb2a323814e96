"""Ctrl-C and its like: raised once, and never while something is half made or half removed.

``unwind_on_signals`` turns SIGINT, SIGTERM and SIGHUP into exceptions of the main thread;
``held_back`` puts that off for the few lines in which a process or a folder would get lost.
"""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
_DEAF = 5.0
"""Seconds in which a second signal is not raised: what the first one unwinds shall end whole."""

_held = 0
_pending: int | None = None
_raised: int | None = None
_raised_at = 0.0


def unwind_on_signals() -> None:
    """From now on raise KeyboardInterrupt for SIGINT, SystemExit (128 + signal) for the others.

    Signals that the parent process had us ignore (``nohup``) stay ignored. Does nothing outside
    of the main thread, where no handler may be set.
    """
    global _pending, _raised
    if threading.current_thread() is not threading.main_thread():
        return
    _pending = _raised = None
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_signal)


def raised() -> int | None:
    """The signal that was raised since ``unwind_on_signals``, None for none."""
    return _raised


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
