"""The parent's side of a TensorFlow child: start it, give it tasks, outlive it.

A child may crash, hang, grow or print what it likes; the parent turns each into a WorkerError.
Tasks and outcomes are JSON lines over pipes of their own, apart from what TensorFlow prints.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from migrator.errors import TensorFlowMissing, UsageError, WorkerError

_ROOT = str(Path(__file__).resolve().parent.parent.parent)
# "-m" would put the current folder, where a hostile model's neighbours lie, first on the path.
_BOOT = (
    "import sys; sys.path[0] = sys.argv.pop(1); from migrator.runtime.worker import main; main()"
)
_POLL = 0.2
"""Seconds between looks at a child's memory."""
_LOG_BYTES = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildLimits:
    """Bounds on one task in a child: seconds, and bytes of resident memory; None for none."""

    timeout: float | None = 600.0
    memory: int | None = None

    def __post_init__(self) -> None:
        if self.timeout is not None and not 0 < self.timeout < float("inf"):
            raise UsageError(f"a timeout of {self.timeout} s", hint="give seconds above zero")
        if self.memory is not None and self.memory <= 0:
            raise UsageError(f"a memory limit of {self.memory} bytes", hint="give more than zero")


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
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
        environment.setdefault("CUDA_VISIBLE_DEVICES", "-1")
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, _ROOT, str(theirs_in), str(theirs_out)],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=(theirs_in, theirs_out),
                env=environment,
                start_new_session=True,
            )
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        self._in = ours_in
        self._out = ours_out
        self._buffer = b""
        self._open = True
        self._deadline: float | None = None
        self._broken: WorkerError | None = None
        self._closing = threading.Event()
        self._watch = threading.Thread(target=self._watch_limits, daemon=True)
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

        From here on the limits hold, whatever the parent does meanwhile.
        """
        if self._limits.timeout is not None:
            self._deadline = time.monotonic() + self._limits.timeout
        line = json.dumps({"task": task, "arguments": arguments}) + "\n"
        with contextlib.suppress(BrokenPipeError):  # dead already: finish() says of what
            os.write(self._out, line.encode())

    def finish(self) -> dict[str, Any]:
        """The outcome of the task under way.

        Raises WorkerError where the child died, hung, grew past its limit, or failed.
        """
        line = self._wait_for_line()
        outcome: dict[str, Any] = json.loads(line)
        if "error" in outcome:
            kind = TensorFlowMissing if outcome.get("kind") == "version" else WorkerError
            if kind is TensorFlowMissing:
                raise TensorFlowMissing(outcome["error"])
            raise WorkerError(outcome["error"], log=outcome.get("trace", ""))
        return outcome

    def run(self, task: str, **arguments: Any) -> dict[str, Any]:
        """``start`` and ``finish`` in one."""
        self.start(task, **arguments)
        return self.finish()

    def close(self) -> None:
        """End the process and everything that it started."""
        if not self._open:
            return
        self._open = False
        self._closing.set()
        os.close(self._out)
        os.close(self._in)
        self._kill()
        self._process.wait()
        self._watch.join()
        self._log.close()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _watch_limits(self) -> None:
        """End the child when it takes too long or grows too large; ``finish`` tells of it."""
        while not self._closing.wait(_POLL):
            memory, deadline = self._limits.memory, self._deadline
            if deadline is not None and time.monotonic() > deadline:
                self._broken = WorkerError(
                    f"did not finish within {self._limits.timeout:g} s and was stopped",
                    hint="raise --timeout if the model is that large",
                )
            elif memory is not None and (used := self._resident()) > memory:
                self._broken = WorkerError(
                    f"grew to {used:,} bytes, past the limit of {memory:,}, and was stopped",
                    hint="raise --memory-limit if the machine has more",
                )
            if self._broken is not None:
                self._kill()
                return

    def _wait_for_line(self) -> bytes:
        while b"\n" not in self._buffer:
            data = os.read(self._in, 1 << 20)
            if not data:
                raise self._death()
            self._buffer += data
        self._deadline = None
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _resident(self) -> int:
        """Resident bytes of the child, 0 where the system does not tell."""
        try:
            text = Path(f"/proc/{self._process.pid}/statm").read_text()
        except OSError:
            return 0
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def _death(self) -> WorkerError:
        code = self._process.wait()
        if self._broken is not None:
            self._broken.log = self.log()
            return self._broken
        if code < 0:
            name = signal.Signals(-code).name
            what = f"was killed by {name}"
            if name == "SIGKILL":
                what += " (out of memory?)"
        else:
            what = f"ended with exit code {code}"
        return WorkerError(f"the TensorFlow process {what}", log=self.log())

    def log(self) -> str:
        """The end of what the child printed."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _LOG_BYTES))
        return self._log.read().decode("utf-8", "replace")
