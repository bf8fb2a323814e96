"""The parent's side of a TensorFlow child: start it, give it tasks, outlive it.

A child may crash, hang, grow or print what it likes; the parent turns each into a WorkerError.
Tasks and outcomes are JSON lines over pipes of their own, apart from what TensorFlow prints.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import os
import select
import signal
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from migrator.errors import TensorFlowMissing, UsageError, WorkerError
from migrator.files import new_temporary_folder, remove_folder
from migrator.interrupts import held_back
from migrator.runtime.forks import forked
from migrator.runtime.launch import ChildProcess, Spawned
from migrator.runtime.messages import refused_memory

_POLL = 0.2
"""Seconds between looks at a child's memory."""
_LOG_BYTES = 64 << 10
_LOG_DISK = 64 << 20
"""So much of what a child printed may lie on the disk: a model can print without end."""

_alive: set[Child] = set()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildLimits:
    """Bounds on one task in a child: seconds, and bytes of resident memory; None for none.

    ``op_libraries`` are loaded into it: shared libraries with custom ops.
    """

    timeout: float | None = 600.0
    memory: int | None = None
    op_libraries: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.timeout is not None and not 0 < self.timeout < float("inf"):
            raise UsageError(f"a timeout of {self.timeout} s", hint="give seconds above zero")
        if self.memory is not None and self.memory <= 0:
            raise UsageError(f"a memory limit of {self.memory} bytes", hint="give more than zero")
        for library in self.op_libraries:
            if not Path(library).is_file():
                raise UsageError("there is no such op library", where=library)


def require_tensorflow() -> None:
    """Raise TensorFlowMissing where there is none to import. Imports nothing."""
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or spec.origin is None:  # a plain folder of that name has no origin
        raise TensorFlowMissing(
            "TensorFlow is not installed, and this needs it",
            hint="pip install 'migrator[tensorflow]' (inspect and plan work without)",
        )


class Child:
    """One child process. A context manager: at its end the process is gone, however it did."""

    def __init__(self, limits: ChildLimits | None = None) -> None:
        require_tensorflow()
        self._limits = limits or ChildLimits()
        self._buffer = b""
        self._open = False
        self._deadline: float | None = None
        self._pending = 0
        self._broken: WorkerError | None = None
        self._closing = threading.Event()
        self._watch = threading.Thread(target=self._watch_limits, daemon=True)
        try:
            with held_back():
                self._start_process()
        except BaseException:
            self.close()
            raise

    def _start_process(self) -> None:
        # Killed, it could not tidy up itself: TensorFlow leaves files where it is to leave them.
        self._temporary = new_temporary_folder()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        libraries = [os.path.abspath(item) for item in self._limits.op_libraries]
        fds = (theirs_in, theirs_out)
        arguments = [str(self._temporary), *libraries]
        try:
            self._process: ChildProcess = forked([*fds, self._log.fileno()], arguments) or Spawned(
                "worker", [*map(str, fds), *arguments], pass_fds=fds, log=self._log
            )
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        self._in = ours_in
        self._out = ours_out
        self._open = True
        _alive.add(self)
        self._watch.start()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Process id, also the id of the process group that all its children are in."""
        return self._process.pid

    def start(self, task: str, **arguments: Any) -> None:
        """Hand over a task without waiting; ``finish`` waits for its outcome.

        From here on the limits hold, whatever the parent does meanwhile. Several may be handed
        over: each is begun when the one before it is done.
        """
        self._pending += 1
        if self._pending == 1:
            self._begin()
        line = json.dumps({"task": task, "arguments": arguments}) + "\n"
        with contextlib.suppress(BrokenPipeError):  # dead already: finish() says of what
            os.write(self._out, line.encode())

    def _begin(self) -> None:
        if self._limits.timeout is not None:
            self._deadline = time.monotonic() + self._limits.timeout

    def finish(self) -> dict[str, Any]:
        """The outcome of the task under way, the first of those that were handed over.

        Raises WorkerError where the child died, hung, grew past its limit, or failed.
        """
        line = self._wait_for_line()
        outcome: dict[str, Any] = json.loads(line)
        if "error" in outcome:
            kind = TensorFlowMissing if outcome.get("kind") == "version" else WorkerError
            if kind is TensorFlowMissing:
                raise TensorFlowMissing(outcome["error"])
            hint, log = outcome.get("hint", ""), outcome.get("trace", "")
            raise WorkerError(outcome["error"], hint=hint, log=log, cause=outcome.get("cause", ""))
        return outcome

    def run(self, task: str, **arguments: Any) -> dict[str, Any]:
        """``start`` and ``finish`` in one."""
        self.start(task, **arguments)
        return self.finish()

    def close(self) -> None:
        """End the process and everything that it started."""
        if not self._open:
            return
        with held_back():
            self._open = False
            _alive.discard(self)
            self._closing.set()
            os.close(self._out)
            os.close(self._in)
            self._process.abandon()
            self._process.wait()
            self._watch.join()
            self._log.close()
            remove_folder(self._temporary)

    def _watch_limits(self) -> None:
        """End the child when it takes too long or grows too large; ``finish`` tells of it."""
        while not self._closing.wait(_POLL):
            memory, deadline = self._limits.memory, self._deadline
            self._shorten_log()
            if deadline is not None and time.monotonic() > deadline:
                if self._has_answered():  # in time: it waits for us, not we for it
                    self._begin()
                    continue
                self._broken = self._too_slow()
            elif memory is not None and (used := self._resident()) > memory:
                self._broken = WorkerError(
                    f"grew to {used:,} bytes, past the limit of {memory:,}, and was stopped",
                    hint="raise --memory-limit if the machine has more",
                    stopped=True,
                    cause="memory",
                )
            if self._broken is not None:
                self._process.kill()
                return

    def _too_slow(self) -> WorkerError:
        return WorkerError(
            f"did not finish within {self._limits.timeout:g} s and was stopped",
            hint="raise --timeout if the model is that large",
            stopped=True,
            cause="timeout",
        )

    def _has_answered(self) -> bool:
        return bool(select.select([self._in], [], [], 0)[0])

    def _shorten_log(self) -> None:
        """Give the disk back what a child printed; it writes on behind the hole."""
        if os.fstat(self._log.fileno()).st_blocks * 512 > _LOG_DISK:
            os.ftruncate(self._log.fileno(), 0)

    def _wait_for_line(self) -> bytes:
        while b"\n" not in self._buffer:
            data = os.read(self._in, 1 << 20)
            if not data:
                raise self._death()
            self._buffer += data
        self._deadline = None
        self._pending -= 1
        if self._pending:
            self._begin()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _resident(self) -> int:
        """Resident bytes of the child, 0 where the system does not tell."""
        if not self._process.is_born:
            return 0
        try:
            text = Path(f"/proc/{self._process.pid}/statm").read_text()
        except OSError:
            return 0
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def _death(self) -> WorkerError:
        code = self._process.wait()
        if self._broken is not None:
            self._broken.log = log = self.log()
            wanted = refused_memory(log) if self._broken.cause == "timeout" else ""
            if wanted:  # it waits ten seconds each time before it takes no for an answer
                self._broken.what = (
                    f"asked for {wanted} of memory, was refused, and {self._broken.what}"
                )
                self._broken.cause, self._broken.hint = "memory", ""
            return self._broken
        if self._process.fell_with_another and self._limits.timeout is not None:
            return self._too_slow()  # as the one that was not even born in time
        if code < 0:
            name = signal.Signals(-code).name
            what = f"was killed by {name}"
            if name == "SIGKILL":
                what += " (out of memory?)"
        else:
            what = f"ended with exit code {code}"
        cause = "signal" if code < 0 else ""
        return WorkerError(f"the TensorFlow process {what}", log=self.log(), cause=cause)

    def log(self) -> str:
        """The end of what the child printed."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _LOG_BYTES))
        return self._log.read().lstrip(b"\0").decode("utf-8", "replace")


@atexit.register
def _close_all() -> None:
    """Children whose owner was interrupted before it had them."""
    for child in list(_alive):
        child.close()
