"""The child's main loop: one JSON line in, one JSON line out, until the parent is gone."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from typing import Any

from migrator.runtime.messages import is_out_of_memory, short_message

OLDEST = (2, 16)
_PR_SET_PDEATHSIG = 1
_DISK_FULL = ("No space left on device", "Disk quota exceeded", "File too large")


def main() -> None:
    """Serve tasks from the pipe whose ends the command line names."""
    serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])


def serve(tasks_fd: int, outcomes_fd: int, temporary: str, libraries: list[str]) -> None:
    """Serve tasks from one pipe, outcomes into the other, until the first is closed.

    Temporary files go into folder ``temporary``, which the parent removes.
    """
    die_with_parent()
    tempfile.tempdir = os.environ["TMPDIR"] = temporary
    failure = _warm_up(libraries)
    with os.fdopen(tasks_fd, "rb") as tasks:
        for line in tasks:
            outcome = failure or _perform(json.loads(line))
            os.write(outcomes_fd, json.dumps(outcome).encode() + b"\n")


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent dies, even by SIGKILL (Linux)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _warm_up(libraries: list[str]) -> dict[str, Any] | None:
    """Import TensorFlow while the parent is still getting the task ready, and the custom ops.

    Gives the outcome of all tasks where an op library does not load.
    """
    try:
        import tensorflow as tf
    except Exception:
        return None  # the task tells of it
    for library in libraries:
        try:
            tf.load_op_library(library)
        except Exception as error:
            what = f"the op library {library} does not load: {short_message(error)}"
            hint = f"it must be a shared library built for TensorFlow {tf.__version__}"
            return {"error": what, "hint": hint, "trace": traceback.format_exc()}
    return None


def _perform(request: dict[str, Any]) -> dict[str, Any]:
    try:
        error = _version_error()
        if error:
            return {"error": error, "kind": "version"}
        outcome = _task(request["task"])(**request["arguments"])
    except MemoryError:
        return {"error": "ran out of memory", "cause": "memory", "trace": traceback.format_exc()}
    except Exception as error:
        what = short_message(error)
        full = any(text in what for text in _DISK_FULL)
        hint = "make room there, or write to another disk" if full else ""
        cause = "storage" if full else "memory" if is_out_of_memory(what) else ""
        return {"error": what, "hint": hint, "cause": cause, "trace": traceback.format_exc()}
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
    if name == "run_planned":
        from migrator.runtime.run import run_planned

        return run_planned
    if name == "run_saved_model":
        from migrator.runtime.run import run_saved_model

        return run_saved_model
    if name == "freeze":
        from migrator.runtime.freeze import freeze

        return freeze
    if name == "export_keras":
        from migrator.runtime.keras import export_keras

        return export_keras
    if name == "run_keras":
        from migrator.runtime.keras import run_keras

        return run_keras
    if name == "read_pictures":
        from migrator.runtime.pictures import read_pictures

        return read_pictures
    if name == "convert_tflite":
        from migrator.runtime.tflite import convert_tflite

        return convert_tflite
    if name == "probe_tflite":
        from migrator.runtime.tflite import probe_tflite

        return probe_tflite
    if name == "run_tflite":
        from migrator.runtime.tflite_run import run_tflite

        return run_tflite
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
