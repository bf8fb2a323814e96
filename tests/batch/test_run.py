from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from migrator.batching.executors.local import LocalExecutor
from migrator.batching.ledger.ledger import Ledger
from migrator.batching.run import running
from migrator.batching.run.batch import BatchResult, run_tasks
from migrator.batching.run.events import EventLog, MetricsFile, Tally
from migrator.batching.task import Json, Outcome, Task
from migrator.errors import DestinationError, MigratorError, UsageError
from tests.batch.stubs import lean, tasks, work
from tests.schemas import validate


class Seen:
    """A watcher that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.tallies: list[Tally] = []

    def began(self, tally: Tally) -> None:
        self.events.append("began")

    def ended(self, outcome: Outcome, tally: Tally) -> None:
        self.events.append(outcome.name)
        self.tallies.append(tally)

    def again(self, outcome: Outcome, tally: Tally) -> None:
        self.events.append(f"again {outcome.name}")

    def tick(self, tally: Tally) -> None:
        return None

    def over(self, tally: Tally, how: str) -> None:
        self.events.append(how)


def go(tmp_path: Path, *sources: str, jobs: int = 2, **options: Any) -> BatchResult:
    made = tasks(tmp_path / "zoo", tmp_path / "out", *sources, **options.pop("told", {}))
    return run_tasks(made, tmp_path / "out", jobs=jobs, work=work, **options)


def latest(dest: Path) -> dict[str, Json]:
    """Name -> its last outcome, without what differs from run to run."""
    with Ledger(dest) as ledger:
        return {item["name"]: lean(item) for item in ledger.models(list(ledger))}


def test_each_model_gets_its_folder_and_its_line(tmp_path: Path) -> None:
    found = go(tmp_path, "ok-1", "ok-2", "sub/ok-3")
    assert found.exit_code == 0
    assert found.counts["done"] == len(found.models) == 3
    out = tmp_path / "out"
    assert (out / "sub" / "ok-3" / "saved_model" / "saved_model.pb").read_bytes() == b"sub/ok-3"
    assert sorted(item.name for item in out.iterdir()) == [
        ".lock",
        "batch.csv",
        "batch.json",
        "index.html",
        "ledger.jsonl",
        "ok-1",
        "ok-2",
        "sub",
    ]
    written = json.loads((out / "batch.json").read_text())
    assert [item["name"] for item in written["models"]] == ["ok-1", "ok-2", "sub/ok-3"]
    validate(written)
    assert written["run"]["ran"] == 3


def test_one_bad_model_costs_no_other(tmp_path: Path) -> None:
    sources = ["crash", "leave", *(f"ok-{number}" for number in range(6)), "bad"]
    found = go(tmp_path, *sources)
    assert found.exit_code == 1
    assert found.counts == {"done": 6, "failed": 3, "blocked": 0, "needs_decision": 0}
    causes = {item["name"]: item["cause"] for item in found.models if item["outcome"] == "failed"}
    assert causes == {"crash": "signal", "leave": "error", "bad": "error"}


def test_what_died_is_tried_once_more_when_all_others_are_over(tmp_path: Path) -> None:
    seen = Seen()
    found = go(tmp_path, "once", "crash", "slow-1", "slow-2", "slow-3", watchers=[seen])
    assert found.counts["done"] == 4
    first_again = min(seen.events.index("again once"), seen.events.index("again crash"))
    assert first_again < seen.events.index("once")
    assert set(seen.events[-3:-1]) == {"once", "crash"}
    attempts = {item["name"]: item["attempts"] for item in found.models}
    assert attempts == {"once": 2, "crash": 2, "slow-1": 1, "slow-2": 1, "slow-3": 1}
    assert not any(item["again"] for item in found.models)


def test_a_share_of_memory_that_did_not_suffice_is_no_verdict(tmp_path: Path) -> None:
    """Nobody gave a limit: alone, it may take what is there."""
    limits: list[Any] = []

    class Counting(LocalExecutor):
        def submit(self, fn: Callable[[Json], Json], task: Json, /) -> Future[Json]:  # type: ignore[override]
            limits.append(task.get("memory_limit"))
            return super().submit(fn, task)

    with Counting(2, warm=False) as executor:
        executor.share, executor.whole = 100 << 20, 300 << 20
        found = go(tmp_path, "grow", "ok", executor=executor)
    assert limits == [None, None, 300 << 20]
    grown = next(item for item in found.models if item["name"] == "grow")
    assert (grown["cause"], grown["attempts"]) == ("memory", 2)


def test_a_second_run_does_only_what_is_new_or_changed_or_asked_for(tmp_path: Path) -> None:
    go(tmp_path, "ok-1", "ok-2", "bad")
    seen = Seen()
    (tmp_path / "zoo" / "ok-2").write_text("changed")
    assert go(tmp_path, "ok-1", "ok-2", "ok-3", "bad", watchers=[seen], jobs=1).counts["done"] == 3
    assert seen.events == ["began", "ok-2", "ok-3", "finished"]
    seen = Seen()
    found = go(tmp_path, "ok-1", "ok-2", "ok-3", "bad", watchers=[seen], retry=["failed"])
    assert seen.events == ["began", "bad", "finished"]
    assert (found.run["kept"], found.run["ran"]) == (3, 1)


def test_a_run_with_nothing_to_do_starts_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(tmp_path, "ok")
    monkeypatch.setattr("migrator.batching.executors.slots.Partner", None)
    assert go(tmp_path, "ok").exit_code == 0


def test_results_of_other_runs_stay_in_the_report_until_their_folder_goes(tmp_path: Path) -> None:
    go(tmp_path, "ok-1", "bad")
    found = go(tmp_path, "ok-2")
    assert found.exit_code == 0
    assert {item["name"] for item in found.models} == {"ok-1", "ok-2", "bad"}
    assert (found.run["others"], found.counts["done"]) == (2, 1)
    shutil.rmtree(tmp_path / "out" / "bad")
    assert {item["name"] for item in go(tmp_path, "ok-2").models} == {"ok-1", "ok-2"}


def test_names_that_clash_are_refused_before_anything_runs(tmp_path: Path) -> None:
    names = ("a", "a/b", "c", "C", "d", "d")
    made = [Task(name=name, source="s", dest=f"/d/{name}") for name in names]
    with pytest.raises(UsageError) as caught:
        run_tasks(made, tmp_path / "out", work=work)
    for words in ("'a' and 'a/b'", "'c' and 'C'", "'d' twice"):
        assert words in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_ours_is_not_replaced(tmp_path: Path) -> None:
    go(tmp_path, "ok-1")
    mine = tmp_path / "out" / "ok-2" / "thesis.txt"
    mine.parent.mkdir()
    mine.touch()
    found = go(tmp_path, "ok-1", "ok-2")
    assert mine.exists()
    bad = next(item for item in found.models if item["name"] == "ok-2")
    assert (bad["outcome"], bad["cause"]) == ("failed", "error")


def test_any_executor_will_do(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as executor:
        found = go(tmp_path, "ok-1", "ok-2", "bad", executor=executor)
    assert found.counts["done"] == 2


class Losing(Executor):
    """Loses a task the first time that it gets it, as a cluster does with a dead worker."""

    def __init__(self) -> None:
        self._lost: set[str] = set()

    def submit(self, fn: Callable[[Json], Json], task: Json, /) -> Future[Json]:  # type: ignore[override]
        future: Future[Json] = Future()
        if task["name"] not in self._lost:
            self._lost.add(task["name"])
            future.set_exception(RuntimeError("worker gone"))
        else:
            future.set_result(fn(task))
        return future


def test_a_task_that_the_executor_lost_is_given_to_it_again(tmp_path: Path) -> None:
    found = go(tmp_path, "ok-1", "ok-2", executor=Losing())
    assert [item["attempts"] for item in found.models] == [2, 2]
    assert found.exit_code == 0


def test_what_an_executor_of_others_has_not_begun_when_the_run_is_stopped_is_never_done(
    tmp_path: Path,
) -> None:
    def stop(told: Json) -> Json:
        if told["name"] == "ok-2":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)
        return work(told)

    names = [f"ok-{number}" for number in range(20)]
    made = tasks(tmp_path / "zoo", tmp_path / "out", *names)
    with ThreadPoolExecutor(1) as executor, pytest.raises(KeyboardInterrupt):
        run_tasks(made, tmp_path / "out", executor=executor, work=stop)
    # Later ones would be put into a DEST that is no longer this run's.
    assert sum(item.is_dir() for item in (tmp_path / "out").iterdir()) <= 4


class Full(Executor):
    """Every result that it should write meets a full disk."""

    def submit(self, fn: Callable[[Json], Json], task: Json, /) -> Future[Json]:  # type: ignore[override]
        future: Future[Json] = Future()
        told = fn(task)
        future.set_result({**told, "outcome": "failed", "cause": "storage", "reason": "full"})
        return future


def test_a_store_that_takes_no_more_stops_the_run_which_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(fd: int) -> None:
        raise OSError(28, "No space left on device")

    go(tmp_path, "ok-1")
    seen = Seen()
    with monkeypatch.context() as patched, pytest.raises(DestinationError) as caught:
        patched.setattr("migrator.batching.run.batch.os.fsync", no_room)
        go(tmp_path, "ok-1", "ok-2", "ok-3", executor=Full(), watchers=[seen])
    assert "No space left" in str(caught.value)
    assert "run the same command again" in caught.value.hint
    assert seen.events == ["began", "stopped"]
    assert set(latest(tmp_path / "out")) == {"ok-1"}
    assert go(tmp_path, "ok-1", "ok-2", "ok-3").counts["done"] == 3


@pytest.mark.parametrize("is_stopped", [False, True])
def test_who_looks_on_is_told_of_the_end_also_where_the_results_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_stopped: bool
) -> None:
    def no_room(*args: object) -> None:
        raise DestinationError("takes no more", where="DEST")

    class Stopping(Seen):
        def ended(self, outcome: Outcome, tally: Tally) -> None:
            if is_stopped:
                raise MigratorError("stopped by who looks on")

    monkeypatch.setattr(running, "write_results", no_room)
    seen = Stopping()
    match = "stopped by who looks on" if is_stopped else "takes no more"
    with pytest.raises(MigratorError, match=match):
        go(tmp_path, "ok-1", watchers=[seen])
    assert seen.events == ["began", "stopped"]


def test_one_result_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    found = go(tmp_path, "ok-1", "ok-2", executor=Full())
    assert Counter(item["cause"] for item in found.models) == {"storage": 2}


def test_counts_come_with_each_model(tmp_path: Path) -> None:
    seen = Seen()
    go(tmp_path, "ok-1", "ok-2", "bad", watchers=[seen])
    assert [item.ended for item in seen.tallies] == [1, 2, 3]
    last = seen.tallies[-1]
    assert (last.total, last.left, last.counts["failed"]) == (3, 0, 1)
    assert last.rate > 0


def test_events_and_metrics_are_written(tmp_path: Path) -> None:
    watchers = [EventLog(tmp_path / "events"), MetricsFile(tmp_path / "m.prom", "out")]
    go(tmp_path, "ok", "once", watchers=watchers)
    events = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    assert [item["event"] for item in events] == [
        "run_started",
        *sorted(["model_finished", "model_retried"], key=lambda name: _place(events, name)),
        "model_finished",
        "run_finished",
    ]
    assert events[-1]["counts"]["done"] == 2
    assert 'models_total{dest="out",outcome="done"} 2' in (tmp_path / "m.prom").read_text()


def _place(events: list[Json], name: str) -> int:
    return next(number for number, item in enumerate(events) if item["event"] == name)


def test_a_file_of_events_that_cannot_be_written_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(DestinationError, match="cannot be written"):
        EventLog(tmp_path / "no" / "events")


# --- ends of a run that nobody planned


NAMES = [*(f"slow-{number}" for number in range(40)), "bad-1", "bad-2", "once-1"]


def start(
    tmp_path: Path, dest: str, jobs: int = 2, names: Sequence[str] = NAMES
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.batch.one_run"]
    arguments = [str(tmp_path / "zoo"), str(tmp_path / dest), str(jobs), *names]
    temporary = tmp_path / "temporary"  # of a run that is killed, some of it stays
    temporary.mkdir(exist_ok=True)
    return subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
        # Started in the background, a shell hands down that SIGINT be ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for(process: subprocess.Popen[str], count: int) -> None:
    """Until the run has begun and ``count`` models have ended."""
    assert process.stdout is not None
    for _ in range(count + 1):
        assert process.stdout.readline()


def slots_of(folder: Path) -> list[int]:
    """Slots of runs that ``start`` began in ``folder``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "cmdline").read_bytes()
                is_here = os.fsencode(folder) in (entry / "environ").read_bytes()
            except OSError:
                continue
            if is_here and b"migrator.batching.executors.serving" in text:
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_keeps_what_is_finished_and_nothing_else(
    tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    # So many that a machine with other work does not end them before it hears of the signal.
    names = [f"slow-{number}" for number in range(300)]
    process = start(tmp_path, "out", names=names)
    wait_for(process, 4)
    process.send_signal(sent)
    process.communicate(timeout=15)
    assert process.returncode == code
    out = tmp_path / "out"
    ended = latest(out)
    assert 4 <= len(ended) < len(names)
    folders = {item.name for item in out.iterdir() if item.is_dir()}
    # One may have been put in place in the very moment: it is done again.
    assert set(ended) <= folders
    assert len(folders - set(ended)) <= 2
    assert json.loads((out / "batch.json").read_text())["run"]["interrupted"] is True
    finished = start(tmp_path, "out", names=names)
    assert finished.communicate(timeout=60)[0].splitlines()[-1] == "finished"
    assert len(latest(out)) == len(names)


class Ready(Executor):
    """Everything has ended before the run hears of the first."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **words: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **words))
        return done


def test_an_interruption_keeps_what_ended_and_was_not_looked_at(tmp_path: Path) -> None:
    class Interrupts(Seen):
        def ended(self, outcome: Outcome, tally: Tally) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, "ok-1", "ok-2", "ok-3", executor=Ready(), watchers=[Interrupts()])
    assert set(latest(tmp_path / "out")) == {"ok-1", "ok-2", "ok-3"}
    assert len(json.loads((tmp_path / "out" / "batch.json").read_text())["models"]) == 3


def test_a_run_that_is_killed_at_any_moment_resumes_to_the_same_end(tmp_path: Path) -> None:
    whole = start(tmp_path, "whole")
    whole.communicate(timeout=60)
    expected = latest(tmp_path / "whole")
    assert len(expected) == len(NAMES)
    chance = random.Random(6)
    for _ in range(10):
        process = start(tmp_path, "killed")
        wait_for(process, chance.randrange(3))
        time.sleep(chance.uniform(0.0, 0.04))  # in the midst of a model
        assert process.poll() is None
        process.kill()
        process.communicate()
    last = start(tmp_path, "killed")
    last.communicate(timeout=60)
    found = latest(tmp_path / "killed")
    moved = str(tmp_path / "killed")
    for name, item in expected.items():
        item["dest"] = item["dest"].replace(str(tmp_path / "whole"), moved)
        assert found[name] == item
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")


def tree(folder: Path) -> dict[str, bytes]:
    """Results by path; pages and logs tell times, and are left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name == "saved_model.pb"
    } | {
        str(path.relative_to(folder)): b""
        for path in folder.rglob("*")
        if path.suffix != ".tried" and path.name != "saved_model.pb"
    }


def test_a_result_that_was_put_in_place_when_the_run_was_killed_counts(tmp_path: Path) -> None:
    go(tmp_path, "ok-1", "bad")
    out = tmp_path / "out"
    told = json.loads((out / "bad" / "outcome.json").read_text())
    told |= {"outcome": "done", "cause": "", "reason": "", "finished": "9999"}
    (out / "bad" / "outcome.json").write_text(json.dumps(told))  # by --retry failed
    assert go(tmp_path, "ok-1", "bad").counts["failed"] == 1
    (out / ".lock").write_text("{}")  # of one that was killed
    found = go(tmp_path, "ok-1", "bad")
    assert (found.run["ran"], found.counts["done"]) == (0, 2)
    assert [item["outcome"] for item in found.models] == ["done", "done"]


def test_no_process_outlives_a_run_that_is_killed(tmp_path: Path) -> None:
    process = start(tmp_path, "out")
    wait_for(process, 2)
    assert slots_of(tmp_path)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 5
    while slots_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not slots_of(tmp_path)


def test_a_second_run_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    process = start(tmp_path, "out")
    wait_for(process, 1)
    try:
        with pytest.raises(DestinationError, match="another run works on it"):
            go(tmp_path, "ok")
    finally:
        process.kill()
        process.communicate()
