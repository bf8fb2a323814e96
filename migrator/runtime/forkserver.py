"""The fork server's own process: imports TensorFlow, then forks a worker for each request.

A request is one packet of JSON with open files: ``{"arguments": [...]}`` (a folder for temporary
files, op libraries) with the worker's tasks, outcomes and log, or ``{"wait": PID}``. Its last file
is where the answer goes: the worker's process id, or its exit code. It ends when the parent is
gone.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import socket
import sys
import traceback
from typing import Any

from migrator.runtime.worker import die_with_parent, serve

_MOST_BYTES = 1 << 16
_MOST_FILES = 4


def main() -> None:
    """Serve requests on the socket that the command line names."""
    # Its threads would not live on in a forked process, and nothing here computes with numpy.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    requests = socket.socket(fileno=int(sys.argv[1]))
    die_with_parent()
    try:
        import tensorflow  # noqa: F401
    except Exception:
        traceback.print_exc()  # the tasks tell of it
    gc.collect()
    gc.freeze()  # a collection in a worker would touch, and so copy, all of it
    while True:
        data, fds, _, _ = socket.recv_fds(requests, _MOST_BYTES, _MOST_FILES)
        if not data:
            return
        request = json.loads(data)
        if "wait" in request:
            answer = _exit_code(request["wait"])
        else:
            answer = os.fork()
            if answer == 0:
                requests.close()
                _become_worker(fds, request)
        with contextlib.suppress(BrokenPipeError):  # nobody waits for it any more
            os.write(fds[-1], str(answer).encode())
        for fd in fds:
            os.close(fd)


def _exit_code(pid: int) -> int:
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return 0


def _become_worker(fds: list[int], request: dict[str, Any]) -> None:
    code = 1
    try:
        tasks, outcomes, log, answer = fds
        os.close(answer)
        os.setsid()
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        temporary, *libraries = request["arguments"]
        serve(tasks, outcomes, temporary, libraries)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
