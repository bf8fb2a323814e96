"""Running whole processes and measuring them: wall time and peak memory."""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, NamedTuple


class Run(NamedTuple):
    """One process that ran to its end.

    ``seconds`` is wall time from start to end, ``cpu`` what it and its children computed;
    ``peak_rss`` the bytes resident at the peak of the largest process, itself or a child that it
    waited for; ``said`` the text on standard output, ``complained`` on standard error.
    """

    seconds: float
    cpu: float
    peak_rss: int
    exit_code: int
    said: str
    complained: str


class Contender(NamedTuple):
    """One side of a comparison. ``command`` gets a fresh scratch folder for each run."""

    title: str
    command: Callable[[Path], Sequence[str]]
    expect: tuple[int, ...] = (0,)


class Unexpected(Exception):
    """A contender ended with an exit code that it should not have; nothing to measure."""


def run(command: Sequence[str], *, timeout: float) -> Run:
    """Run ``command`` by itself, without input, and measure it."""
    # Else what pip compiled starts at once, and what is installed editable compiles every time.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            env=environment,
        )
        timer = threading.Timer(timeout, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            timer.cancel()
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        unit = 1 if sys.platform == "darwin" else 1024
        return Run(
            seconds=seconds,
            cpu=usage.ru_utime + usage.ru_stime,
            peak_rss=usage.ru_maxrss * unit,
            exit_code=process.returncode,
            said=_text(out),
            complained=_text(err),
        )


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")


def side_by_side(
    contenders: Sequence[Contender],
    *,
    runs: int,
    timeout: float,
    scratch: Path,
    keep: bool,
    progress: Callable[[str], None],
) -> list[list[Run]]:
    """Run the contenders by turns (A B A B ...), after one round that is not counted.

    That round fills the page cache and Python's bytecode caches for all of them alike. What a
    turn wrote is gone after it unless ``keep``: five results of 3 GB fill a disk.
    """
    results: list[list[Run]] = [[] for _ in contenders]
    for turn in range(runs + 1):
        folders: list[Path] = []
        for index, contender in enumerate(contenders):
            label = f"{turn}/{runs}" if turn else "warm-up"
            progress(f"{contender.title}, {label}")
            folder = Path(tempfile.mkdtemp(prefix=f"run{turn}-{index}-", dir=scratch))
            folders.append(folder)
            done = run([*contender.command(folder)], timeout=timeout)
            if done.exit_code not in contender.expect:
                tail = (done.complained or done.said).strip()[-1500:]
                raise Unexpected(f"{contender.title}: exit code {done.exit_code}\n{tail}")
            if turn:
                results[index].append(done)
        for folder in () if keep else folders:
            shutil.rmtree(folder, ignore_errors=True)
    return results


class Spread(NamedTuple):
    """Median, least and most of one measured quantity."""

    median: float
    least: float
    most: float

    def text(self, digits: int = 2) -> str:
        """As a cell of the table."""
        return f"{self.median:.{digits}f} [{self.least:.{digits}f}-{self.most:.{digits}f}]"


def spread(values: Sequence[float]) -> Spread:
    """The spread of ``values``, of which there is at least one."""
    return Spread(statistics.median(values), min(values), max(values))
