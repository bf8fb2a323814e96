"""The inside of a slot: one process that takes task after task, with TensorFlow imported beside it.

Each message is JSON of bounded length. First comes what to get ready, then tasks.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from migrator.actions.partner import pipes
from migrator.batching.executors.memory import adopt_orphans, offer_first
from migrator.runtime.forks import lost_its_server, warm_tensorflow
from migrator.runtime.worker import die_with_parent

MOST_BYTES = 64 << 20
"""Of one message."""
READY = b'{"ready": true}'

Work = Callable[[dict[str, Any]], dict[str, Any]]


def serve() -> None:
    """Take tasks until the pipe is closed."""
    die_with_parent()
    adopt_orphans()
    offer_first()
    faulthandler.enable()  # the last words of a crash go into our log
    orders, answers = pipes()
    with contextlib.suppress(EOFError, BrokenPipeError):
        setup = json.loads(orders.recv_bytes(MOST_BYTES))
        tempfile.tempdir = os.environ["TMPDIR"] = setup["temporary"]
        sys.path.extend(item for item in setup["path"] if item not in sys.path)
        with warm_tensorflow() if setup["warm"] else contextlib.nullcontext():
            if setup["warm"]:
                _wait_for_import()
            gc.freeze()  # what is imported is no garbage, so it need not be looked at again
            answers.send_bytes(READY)
            _take(orders, answers)
    # Nothing is left to tidy up, and the interpreter's own end takes long after large models.
    os._exit(0)


def _wait_for_import() -> None:
    """A child is born when TensorFlow is imported: no model's time is spent on that."""
    from migrator.errors import MigratorError
    from migrator.runtime.client import Child

    with contextlib.suppress(MigratorError, OSError), Child() as child:
        _ = child.pid


def _take(orders: Connection, answers: Connection) -> None:
    while True:
        order = json.loads(orders.recv_bytes(MOST_BYTES))
        found = function_named(order["work"])(order["task"])
        answer = {"outcome": found, "worn": lost_its_server()}
        answers.send_bytes(json.dumps(answer).encode())


def function_named(name: str) -> Work:
    """The function ``module:name``."""
    module, _, function = name.partition(":")
    found: Work = getattr(importlib.import_module(module), function)
    return found
