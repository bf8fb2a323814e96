"""Task functions that stand in for the real one: quick, and as bad as their source says."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from migrator.batching.job.notes import empty_outcome, finish, utc_now
from migrator.batching.job.places import begin, put, working_folder
from migrator.batching.storage.stamps import stamp_of
from migrator.batching.task import DONE, FAILED, Json, Outcome, Task, task_from_json


def work(told: Json) -> Json:
    """Do what the source says: ``ok``, ``slow``, ``bad``, or something that ends the process."""
    task = task_from_json(told)
    what = task.source.rpartition("/")[2].partition("-")[0]
    folder = working_folder(task)
    begin(folder)
    (folder / "saved_model").mkdir()
    (folder / "saved_model" / "saved_model.pb").write_bytes(task.name.encode())
    _ACTS.get(what, _ok)(task)
    outcome = replace(
        empty_outcome(task, utc_now()),
        outcome=FAILED if what == "bad" else DONE,
        cause="error" if what == "bad" else "",
        reason="it is bad" if what == "bad" else "",
        source_stamp=stamp_of(task).value,
        versions={"process": str(os.getpid())},
    )
    finish(folder, outcome)
    put(folder, task)
    return outcome.to_json()


def serve_not() -> None:
    """In the place of a slot's process: one that does not even start."""
    raise ImportError("no module named tensorflow, for one")


def _ok(task: Task) -> None:
    return None


def _slow(task: Task) -> None:
    time.sleep(0.02)


def _crash(task: Task) -> None:
    print("my last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)


def _once(task: Task) -> None:
    """Crash the first time."""
    mark = Path(f"{task.dest}.tried")
    if not mark.exists():
        mark.touch()
        _crash(task)


def _leave(task: Task) -> None:
    os._exit(7)


def _assassin(task: Task) -> None:
    """End who started our process, and so us."""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)


def _hang(task: Task) -> None:
    time.sleep(600)


def _deaf(task: Task) -> None:
    """Hang with a grandchild in a session of its own, that hangs too and notes its id."""
    child = os.fork()
    if child == 0:
        os.setsid()
        time.sleep(600)
    Path(f"{task.dest}.child").write_text(str(child))
    time.sleep(600)


def _grow(task: Task) -> None:
    kept = []
    while True:
        kept.append(b"1" * (16 << 20))
        time.sleep(0.01)


_ACTS = {
    "slow": _slow,
    "crash": _crash,
    "once": _once,
    "leave": _leave,
    "assassin": _assassin,
    "hang": _hang,
    "deaf": _deaf,
    "grow": _grow,
}


def tasks(folder: Path, dest: Path | str, *sources: str, **options: object) -> list[Task]:
    """A task for each of ``sources``, files that are made in ``folder``."""
    found = []
    for source in sources:
        file = folder / source
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_text(source)
        # Of steps that need no TensorFlow: workers are asked for what a task needs.
        told = {"timeout": 60.0, "steps": ("inspect",), **options}
        found.append(
            Task(name=source, source=str(file), dest=f"{dest}/{source}", **told)  # type: ignore[arg-type]
        )
    return found


def lean(outcome: Outcome | Json) -> Json:
    """An outcome without what differs from run to run."""
    told = outcome.to_json() if isinstance(outcome, Outcome) else dict(outcome)
    for key in ("started", "finished", "seconds", "versions", "peak_rss_bytes", "attempts"):
        told.pop(key, None)
    return told
