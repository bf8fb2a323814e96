"""Work for processes of a crew, of every bad kind. It needs a module that they can import."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any


def act(task: str, order: Any) -> str:
    """Do what ``task`` says, ``WHAT`` or ``WHAT:ARGUMENT``."""
    what, _, argument = task.partition(":")
    if what == "once" and not Path(argument).exists():
        Path(argument).touch()
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "exit":
        os._exit(7)
    if what == "hang":
        time.sleep(600)
    if what == "slow":
        time.sleep(float(argument))
    if what == "raise":
        raise RuntimeError("it")
    if what == "eat":
        return str(len(bytes(int(argument))))
    if what == "large":
        return "x" * int(argument)
    if what == "pid":
        return str(os.getpid())
    return f"{order}{task}"


def fail(task: str, reason: str) -> str:
    return f"{task.partition(':')[0]} failed: {reason}"
