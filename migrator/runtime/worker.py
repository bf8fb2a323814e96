"""The child's main loop: one JSON line in, one JSON line out, until the parent is gone."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

from migrator.runtime.messages import short_message

OLDEST = (2, 16)
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve tasks from the pipe whose ends the command line names."""
    tasks_fd, outcomes_fd = int(sys.argv[1]), int(sys.argv[2])
    _die_with_parent()
    _warm_up()
    with os.fdopen(tasks_fd, "rb") as tasks:
        for line in tasks:
            outcome = _perform(json.loads(line))
            os.write(outcomes_fd, json.dumps(outcome).encode() + b"\n")


def _die_with_parent() -> None:
    """Ask the kernel to end this process when its parent dies, even by SIGKILL (Linux)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _warm_up() -> None:
    """Import TensorFlow while the parent is still getting the task ready."""
    with contextlib.suppress(Exception):  # the task tells of it
        import tensorflow  # noqa: F401


def _perform(request: dict[str, Any]) -> dict[str, Any]:
    try:
        error = _version_error()
        if error:
            return {"error": error, "kind": "version"}
        outcome = _task(request["task"])(**request["arguments"])
    except MemoryError:
        return {"error": "ran out of memory", "trace": traceback.format_exc()}
    except Exception as error:
        return {"error": short_message(error), "trace": traceback.format_exc()}
    usage = resource.getrusage(resource.RUSAGE_SELF)
    # Linux counts kilobytes, macOS bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return {**outcome, "peak_rss_bytes": usage.ru_maxrss * unit, "versions": _versions()}


def _task(name: str) -> Callable[..., dict[str, Any]]:
    if name == "rewrite":
        from migrator.runtime.rewrite import rewrite

        return rewrite
    if name == "run_graph":
        from migrator.runtime.run import run_graph

        return run_graph
    if name == "run_saved_model":
        from migrator.runtime.run import run_saved_model

        return run_saved_model
    raise ValueError(f"no task is called {name!r}")


def _version_error() -> str:
    import tensorflow as tf

    version = tuple(int(part) for part in tf.__version__.split(".")[:2])
    if version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return f"TensorFlow {tf.__version__} is installed; this needs {oldest} or later"
    return ""


def _versions() -> dict[str, str]:
    import numpy as np
    import tensorflow as tf
    from google import protobuf

    python = ".".join(map(str, sys.version_info[:3]))
    return {
        "python": python,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "protobuf": protobuf.__version__,
    }
