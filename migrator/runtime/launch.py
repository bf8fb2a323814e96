"""Starting a process of ours that runs TensorFlow, and ending it with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol

_ROOT = str(Path(__file__).resolve().parent.parent.parent)
# "-m" would put the current folder, where a hostile model's neighbours lie, first on the path.
_BOOT = "import sys; sys.path[0] = sys.argv.pop(1); from migrator.runtime.{} import main; main()"


class ChildProcess(Protocol):
    """A process in a group of its own, whose id is the group's."""

    @property
    def pid(self) -> int:
        """Its id. Raises ProcessLookupError where it was never started."""

    @property
    def is_born(self) -> bool:
        """False where it is yet to start, and asking for its id would wait for that."""

    @property
    def fell_with_another(self) -> bool:
        """True where it was ended because a process beside it had to be."""

    def kill(self) -> None:
        """End its whole group at once, or see that it never starts."""

    def abandon(self) -> None:
        """``kill`` it, unless it is yet to start: it then ends by itself, without its pipes."""

    def wait(self) -> int:
        """Its exit code, below zero for a signal; waits for it."""


class Spawned:
    """A process that runs ``main`` of a module of this package, with these arguments."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        pass_fds: Sequence[int],
        log: IO[bytes] | None = None,
    ) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
        environment.setdefault("CUDA_VISIBLE_DEVICES", "-1")
        output = subprocess.DEVNULL if log is None else log
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BOOT.format(module), _ROOT, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=pass_fds,
            env=environment,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_born(self) -> bool:
        return True

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def fell_with_another(self) -> bool:
        return False

    def kill(self) -> None:
        kill_group(self._process.pid)

    def abandon(self) -> None:
        self.kill()

    def wait(self) -> int:
        return self._process.wait()


def kill_group(pid: int) -> None:
    """End a process and everything that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
