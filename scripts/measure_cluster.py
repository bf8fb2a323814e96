#!/usr/bin/env python3
"""How many models in a second a Dask cluster takes, whatever they are; see docs/scaling.md.

    python scripts/measure_cluster.py                         20,000 models, no work but a folder
    python scripts/measure_cluster.py --models 2000 --steps inspect,audit,plan
    python scripts/measure_cluster.py --workers 4 --threads 2

Starts a scheduler and workers on this machine, in processes of their own, and sends tiny frozen
graphs through the same path as ``migrator batch --scheduler``: client, scheduler, worker, slot,
ledger. Then runs once more over what is done. Needs migrator[cluster]; 20,000 models take 250 MB
in the folder for temporary files meanwhile.
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from migrator.batching.executors.cluster.executor import ClusterExecutor
from migrator.batching.executors.memory import process_tree
from migrator.batching.job.notes import empty_outcome, utc_now
from migrator.batching.job.places import OUTCOME
from migrator.batching.job.task_function import run_task
from migrator.batching.run.batch import BatchResult, run_tasks
from migrator.batching.storage.stamps import stamp_of
from migrator.batching.task import DONE, Json, Task, task_from_json

_MODEL = (
    b"\n\x1d\n\x01x\x12\x0bPlaceholder*\x0b\n\x05dtype\x12\x020\x01"
    b"\n\x18\n\x01y\x12\x07Softmax\x1a\x01x*\x07\n\x01T\x12\x020\x01"
)
"""A GraphDef of two nodes."""
_FOLDERS = 100


def next_to_nothing(told: Json) -> Json:
    """The least that a task can do: a folder with its outcome."""
    task = task_from_json(told)
    os.makedirs(task.dest, exist_ok=True)
    outcome = replace(
        empty_outcome(task, utc_now()), outcome=DONE, source_stamp=stamp_of(task).value
    )
    found = outcome.to_json()
    (Path(task.dest) / OUTCOME).write_text("{}", encoding="utf-8")
    return found


def _tasks(folder: Path, count: int, steps: tuple[str, ...]) -> list[Task]:
    found = []
    for number in range(count):
        name = f"{number % _FOLDERS:02}/{number:07}"
        source = folder / "zoo" / f"{name}.pb"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_bytes(_MODEL)
        found.append(
            Task(name=name, source=str(source), dest=str(folder / "out" / name), steps=steps)
        )
    return found


def _dask(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    here = str(Path(__file__).resolve().parent)
    paths = [here, os.path.dirname(here), *filter(None, [os.environ.get("PYTHONPATH")])]
    with open(folder / "dask.log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *words, "--host", "127.0.0.1", "--no-dashboard"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            cwd=folder,
            stdout=log,
            stderr=log,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _cpu(*pids: int) -> float:
    """Seconds of processor that processes have used, and those that they started and awaited."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _trees(processes: list[subprocess.Popen[bytes]]) -> list[int]:
    """Workers and their slots."""
    return [pid for process in processes for pid in process_tree(process.pid)]


def _resident(pid: int) -> float:
    """Megabytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _told(what: str, found: BatchResult, count: int) -> None:
    seconds = found.run["seconds"]
    print(
        f"{what}: {found.counts['done']:,} of {count:,} done, {seconds:.1f} s, "
        f"{count / seconds:,.0f} models in a second",
        flush=True,
    )


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=20_000, metavar="N")
    parser.add_argument("--workers", type=int, default=2, metavar="N")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of each worker")
    parser.add_argument("--steps", metavar="STEPS", help="real ones; without: as good as none")
    args = parser.parse_args(arguments)
    steps = tuple(args.steps.split(",")) if args.steps else ("inspect",)
    work = run_task if args.steps else sys.modules["measure_cluster"].next_to_nothing
    with tempfile.TemporaryDirectory(prefix="measure-cluster-") as name:
        folder = Path(name)
        tasks = _tasks(folder, args.models, steps)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        address = f"tcp://127.0.0.1:{port}"
        processes = [_dask(folder, "scheduler", "--port", port)]
        try:
            for _ in range(args.workers):
                words = ["--no-nanny", "--nthreads", str(args.threads)]
                processes.append(_dask(folder, "worker", address, *words))
            time.sleep(2.0)
            with ClusterExecutor(address, tell=print) as executor:
                executor.scheduler.client.wait_for_workers(args.workers, timeout=60)
                before = time.process_time(), _cpu(processes[0].pid), _cpu(*_trees(processes[1:]))
                found = run_tasks(tasks, folder / "out", executor=executor, work=work)
                _told("first run", found, args.models)
                ours, theirs = time.process_time() - before[0], _cpu(processes[0].pid) - before[1]
                workers = _cpu(*_trees(processes[1:])) - before[2]
                each = 1000 / args.models
                print(
                    f"processor, ms a model: client {ours * each:.2f}, "
                    f"scheduler {theirs * each:.2f}, workers and slots {workers * each:.2f}"
                )
                most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
                print(f"memory, MB: client {most:.0f}, scheduler {_resident(processes[0].pid):.0f}")
            found = run_tasks(tasks, folder / "out", work=work)
            _told("once more, nothing to do", found, args.models)
        finally:
            for process in reversed(processes):  # the scheduler last: workers take their leave
                _end(process)
    return found.exit_code


if __name__ == "__main__":
    import measure_cluster  # by the name that workers know it by

    sys.exit(measure_cluster.main())
