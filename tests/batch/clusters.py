"""A real Dask cluster on the loopback: a scheduler and workers, each a process of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

needs_distributed = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None,
    reason="a cluster needs Dask: pip install 'migrator[cluster]'",
)
_ROOT = str(Path(__file__).resolve().parent.parent.parent)
_DASK = [sys.executable, "-m", "dask"]
_LONGEST = 30.0


def wait_for(what: Callable[[], object], seconds: float = _LONGEST) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.05)


class Cluster:
    """A context manager. ``workers`` are numbered in the order of their start."""

    def __init__(self, folder: Path, *, protocol: str = "tcp", **config: str) -> None:
        folder.mkdir()
        self._folder = folder
        self._environment = {
            **os.environ,
            "PYTHONPATH": _ROOT,
            "DASK_DISTRIBUTED__SCHEDULER__WORKER_SATURATION": "1.0",
            **config,
        }
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = str(free.getsockname()[1])
        self.address = f"{protocol}://127.0.0.1:{self._port}"
        self.workers: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start_scheduler()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *error: object) -> None:
        for process in (*self.workers, self.scheduler):
            with contextlib.suppress(OSError):  # a nanny's workers are of its group
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        with open(self._folder / f"{name}.log", "ab") as log:
            return subprocess.Popen(
                [*_DASK, *words],
                env=self._environment,
                cwd=self._folder,  # not where the caller is
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _start_scheduler(self) -> subprocess.Popen[bytes]:
        words = ["--host", self.address, "--no-dashboard"]
        process = self._start("scheduler", "scheduler", *words)
        wait_for(self._answers)
        return process

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(self._port))) == 0

    def start_worker(
        self, threads: int = 1, *more: str, nanny: bool = False, **environment: str
    ) -> subprocess.Popen[bytes]:
        number = len(self.workers)
        self._environment.update(environment)
        host = self.address.rpartition(":")[0]
        words = ["--nthreads", str(threads), "--host", host, "--no-dashboard"]
        words += ["--name", f"worker-{number}", "--local-directory", str(self._folder)]
        words += [*([] if nanny else ["--no-nanny"]), *more]
        process = self._start(f"worker-{number}", "worker", self.address, *words)
        self.workers.append(process)
        return process

    def wait_for_workers(self) -> None:
        """Until all that were started have found the scheduler."""
        for number in range(len(self.workers)):
            log = self._folder / f"worker-{number}.log"
            wait_for(lambda log=log: b"Registered to" in log.read_bytes())

    def restart_scheduler(self) -> None:
        """As after a power cut."""
        self.scheduler.send_signal(signal.SIGKILL)
        self.scheduler.wait()
        self.scheduler = self._start_scheduler()
