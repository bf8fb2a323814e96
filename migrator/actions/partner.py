"""A process of our own at the other end of two pipes: started, spoken with, ended.

It starts without the current folder on its path and without the caller's main module, in a session
of its own. Messages are of any bytes, each with its length before it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

from migrator.runtime.launch import kill_group

_ROOT = str(Path(__file__).resolve().parent.parent.parent)
_BOOT = "import sys; sys.path[0] = sys.argv.pop(1); from {} import {} as serve; serve()"
_PARTING = 0.5
"""Seconds between the moment in which a process closes its pipe and its end."""


class Partner:
    """One process that calls ``serve``, a function (``module:name``) that takes ``pipes()``.

    ``answers`` is what it says, ``orders`` what it is told. ``log`` takes what it prints.
    """

    def __init__(
        self,
        serve: str,
        *,
        environment: Mapping[str, str] | None = None,
        log: IO[bytes] | None = None,
    ) -> None:
        module, _, function = serve.partition(":")
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        output = subprocess.DEVNULL if log is None else log
        try:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _BOOT.format(module, function),
                    _ROOT,
                    str(theirs_in),
                    str(theirs_out),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(theirs_in, theirs_out),
                start_new_session=True,
                env=environment,
            )
        except BaseException:
            os.close(ours_in)
            os.close(ours_out)
            raise
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        self.answers = Connection(ours_in, writable=False)
        self.orders = Connection(ours_out, readable=False)

    @property
    def pid(self) -> int:
        """Its process id, also that of its group and its session."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, below zero for a signal; None while it runs."""
        return self._process.poll()

    def kill(self) -> int:
        """End it with all in its group; its own ending, if it came before, is kept.

        Gives its exit code.
        """
        try:
            self._process.wait(_PARTING if self._is_over() else 0)
        except subprocess.TimeoutExpired:
            kill_group(self._process.pid)
            self._process.wait()
        with contextlib.suppress(OSError):
            self.answers.close()
            self.orders.close()
        return self._process.returncode

    def _is_over(self) -> bool:
        """True where the other end is closed: the process is gone, or about to be."""
        try:
            return self.answers.poll(0)
        except OSError:
            return True


def ending(code: int) -> str:
    """An exit code in words: ``with exit code 1``, ``by SIGSEGV``."""
    if code >= 0:
        return f"with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    return f"by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


def pipes() -> tuple[Connection, Connection]:
    """In the partner: its orders, and where its answers go."""
    return Connection(int(sys.argv[1]), writable=False), Connection(
        int(sys.argv[2]), readable=False
    )
