from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from migrator.batching.run.batch import BatchResult, run_tasks
from migrator.batching.run.events import Tally
from migrator.batching.task import Json, Outcome
from migrator.errors import ExecutorLost, MigratorError
from tests.batch.clusters import Cluster, needs_distributed, wait_for
from tests.batch.stubs import tasks, work

pytestmark = needs_distributed


class After:
    """A watcher that does things after so many models ended, and keeps who did them."""

    def __init__(self, **acts: Callable[[], object]) -> None:
        self._acts = {int(key.removeprefix("at_")): act for key, act in acts.items()}
        self.ended_names: list[str] = []
        self.processes: list[str] = []

    def began(self, tally: Tally) -> None:
        return None

    def ended(self, outcome: Outcome, tally: Tally) -> None:
        self.ended_names.append(outcome.name)
        self.processes.append(outcome.versions.get("process", ""))
        if act := self._acts.pop(len(self.ended_names), None):
            act()

    def again(self, outcome: Outcome, tally: Tally) -> None:
        return None

    def tick(self, tally: Tally) -> None:
        return None

    def over(self, tally: Tally, how: str) -> None:
        return None


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One for the tests that leave it whole: two workers, one of them with two threads."""
    with Cluster(tmp_path_factory.mktemp("cluster") / "dask") as made:
        made.start_worker()
        made.start_worker(threads=2)
        yield made


def go(tmp_path: Path, address: str, *sources: str, **options: Any) -> BatchResult:
    from migrator.batching.executors.cluster.executor import ClusterExecutor

    patience = options.pop("patience", 30.0)
    tell = options.pop("tell", None)
    threads = options.pop("threads", 1)
    made = tasks(tmp_path / "zoo", tmp_path / "out", *sources, **options.pop("told", {}))
    with ClusterExecutor(address, patience=patience, tell=tell) as executor:
        wait_for(lambda: sum(executor.scheduler.client.nthreads().values()) >= threads)
        return run_tasks(made, tmp_path / "out", executor=executor, work=work, **options)


def names(kind: str, count: int) -> list[str]:
    return [f"{kind}-{number}" for number in range(count)]


def all_once(tmp_path: Path, found: BatchResult, wanted: list[str]) -> None:
    """Each is in the ledger once and in its place whole, and nothing else is there."""
    lines = (tmp_path / "out" / "ledger.jsonl").read_text().splitlines()
    assert Counter(json.loads(line)["name"] for line in lines) == Counter(wanted)
    assert found.counts["done"] == len(wanted)
    for name in wanted:
        made = tmp_path / "out" / name / "saved_model" / "saved_model.pb"
        assert made.read_bytes() == name.encode()
    assert not (tmp_path / "out" / ".work").exists()


def test_a_cluster_gives_what_one_machine_gives(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # workers are elsewhere, and paths may be relative
    found = go(Path(), cluster.address, *names("ok", 40))
    all_once(tmp_path, found, names("ok", 40))
    item = found.models[0]
    assert (item["source"], item["dest"]) == (f"zoo/{item['name']}", f"out/{item['name']}")
    again = go(Path(), cluster.address, *names("ok", 41))
    assert (again.run["kept"], again.run["ran"]) == (40, 1)


def test_a_poisoned_model_costs_its_slot_and_not_the_worker(
    tmp_path: Path, cluster: Cluster
) -> None:
    sources = ["crash", "leave", "bad", *names("ok", 12)]
    found = go(tmp_path, cluster.address, *sources, "hang", told={"timeout": 1.0})
    assert found.counts["done"] == 12
    causes = {item["name"]: item["cause"] for item in found.models if item["outcome"] == "failed"}
    assert causes == {"crash": "signal", "leave": "error", "bad": "error", "hang": "timeout"}
    attempts = {item["name"]: item["attempts"] for item in found.models}
    assert (attempts["crash"], attempts["bad"]) == (2, 1)
    assert [process.poll() for process in cluster.workers] == [None, None]


def test_few_tasks_lie_with_the_scheduler_at_a_time(tmp_path: Path, cluster: Cluster) -> None:
    from migrator.batching.executors.cluster.executor import ClusterExecutor

    most = 0
    (tmp_path / "out").mkdir()  # as a run does
    with ClusterExecutor(cluster.address) as executor:
        futures = [
            executor.submit(work, task.to_json())
            for task in tasks(tmp_path / "zoo", tmp_path / "out", *names("ok", 150))
        ]
        while not all(future.done() for future in futures):
            most = max(most, executor.flying)
            time.sleep(0.005)
    assert {future.result()["outcome"] for future in futures} == {"done"}
    assert 0 < most <= 32


def test_a_run_that_ends_early_stops_what_the_workers_do(tmp_path: Path, cluster: Cluster) -> None:
    """And the workers are as good as before."""
    marks = [tmp_path / "out" / f"{name}.child" for name in names("deaf", 3)]

    def stop() -> None:
        wait_for(lambda: all(mark.is_file() and mark.read_text() for mark in marks))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(
            tmp_path,
            cluster.address,
            "ok",
            *names("deaf", 3),
            told={"timeout": 600.0},
            watchers=[After(at_1=stop)],
        )
    children = [int(mark.read_text()) for mark in marks]
    wait_for(lambda: not any(map(is_alive, children)), 10.0)
    written = json.loads((tmp_path / "out" / "batch.json").read_text())
    assert [item["name"] for item in written["models"]] == ["ok"]
    assert written["run"]["interrupted"]
    assert go(tmp_path, cluster.address, "ok", "ok-2").counts["done"] == 2


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_killed_client_frees_the_workers_and_the_next_run_goes_on(
    tmp_path: Path, cluster: Cluster
) -> None:
    listed = ["slow-1", *names("deaf", 1)]
    script = (
        "import sys; from pathlib import Path; from tests.batch.test_cluster import go;"
        "go(Path(sys.argv[1]), *sys.argv[2:])"
    )
    client = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), cluster.address, *listed]
    )
    mark = tmp_path / "out" / "deaf-0.child"
    ledger = tmp_path / "out" / "ledger.jsonl"
    wait_for(lambda: mark.is_file() and mark.read_text() and b"slow-1" in ledger.read_bytes())
    client.send_signal(signal.SIGKILL)
    client.wait()
    wait_for(lambda: not is_alive(int(mark.read_text())))
    found = go(tmp_path, cluster.address, "slow-1", *names("ok", 5))
    assert (found.run["kept"], found.run["ran"]) == (1, 5)


def test_a_killed_worker_costs_no_model(tmp_path: Path) -> None:
    wanted = names("slow", 90)
    with Cluster(tmp_path / "dask") as cluster:
        for _ in range(3):
            cluster.start_worker()
        cluster.wait_for_workers()
        seen = After(at_20=cluster.workers[0].kill, at_50=cluster.workers[1].kill)
        found = go(tmp_path, cluster.address, *wanted, watchers=[seen])
        assert cluster.workers[0].wait() == cluster.workers[1].wait() == -signal.SIGKILL
    all_once(tmp_path, found, wanted)


def test_a_restarted_scheduler_costs_no_model_and_a_late_worker_gets_its_share(
    tmp_path: Path,
) -> None:
    wanted = names("slow", 70)
    told: list[str] = []
    with Cluster(tmp_path / "dask") as cluster:
        cluster.start_worker()

        def restart() -> None:
            cluster.restart_scheduler()
            cluster.start_worker()  # the first one ends with its scheduler

        def join() -> None:
            cluster.start_worker()
            cluster.wait_for_workers()

        seen = After(at_10=restart, at_20=join)
        slots = cluster.workers
        found = go(tmp_path, cluster.address, *wanted, watchers=[seen], tell=told.append)
        assert len(slots) == 3
    all_once(tmp_path, found, wanted)
    assert "is gone" in told[0] and "is back" in told[1]
    # A slot is a process, and each of the three workers had one.
    assert len(set(seen.processes)) == 3


def test_a_model_that_takes_its_worker_along_is_tried_alone_and_then_failed(
    tmp_path: Path,
) -> None:
    """The scheduler gives such a task up after some workers; here after the first."""
    with Cluster(tmp_path / "dask", DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as cluster:
        for _ in range(3):
            cluster.start_worker()
        found = go(tmp_path, cluster.address, "assassin", *names("ok", 20))
    by_name = {item["name"]: item for item in found.models}
    killer = by_name.pop("assassin")
    assert (killer["outcome"], killer["cause"], killer["attempts"]) == ("failed", "signal", 2)
    assert {item["outcome"] for item in by_name.values()} == {"done"}


def test_a_scheduler_that_stays_away_ends_the_run_and_blames_no_model(tmp_path: Path) -> None:
    with Cluster(tmp_path / "dask") as cluster:
        cluster.start_worker()
        seen = After(at_5=cluster.scheduler.kill)
        with pytest.raises(ExecutorLost, match="did not come back within 1 s"):
            go(tmp_path, cluster.address, *names("slow", 60), watchers=[seen], patience=1.0)
    lines = (tmp_path / "out" / "ledger.jsonl").read_text().splitlines()
    assert 5 <= len(lines) < 60
    assert {json.loads(line)["outcome"] for line in lines} == {"done"}
    assert json.loads((tmp_path / "out" / "batch.json").read_text())["run"]["unfinished"]


def test_workers_that_are_not_fit_are_told_before_anything_runs(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("migrator.batching.executors.cluster.fitness.__version__", "9.9")
    with pytest.raises(MigratorError, match=r"tcp://127.* has migrator .*, and 9\.9 is asked for"):
        go(tmp_path, cluster.address, "ok")
    assert not (tmp_path / "out" / "ok").exists()
    assert (tmp_path / "out" / "ledger.jsonl").read_text() == ""


def test_a_destination_that_workers_do_not_see_is_told(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    from migrator.batching.executors.cluster.fitness import Fitness

    elsewhere = str(tmp_path / "elsewhere" / ".work" / "probe")
    monkeypatch.setattr(Fitness, "_make_probe", lambda self, task: elsewhere)
    with pytest.raises(MigratorError, match=r"does not see the files of .*/elsewhere, which must"):
        go(tmp_path, cluster.address, "ok")


def test_a_late_worker_that_is_not_fit_gets_nothing_to_do(tmp_path: Path) -> None:
    wanted = names("slow", 100)
    told: list[str] = []
    with Cluster(tmp_path / "dask") as cluster:
        cluster.start_worker()
        other = tmp_path / "other" / "sitecustomize.py"
        other.parent.mkdir()
        other.write_text("import migrator._version\nmigrator._version.__version__ = '0.0.1'\n")

        def start() -> None:
            root = cluster._environment["PYTHONPATH"]
            cluster.start_worker(PYTHONPATH=f"{other.parent}{os.pathsep}{root}")

        seen = After(at_10=start, at_60=lambda: wait_for(lambda: told, 10.0))
        found = go(tmp_path, cluster.address, *wanted, watchers=[seen], tell=told.append)
    all_once(tmp_path, found, wanted)
    assert len(set(seen.processes)) == 1
    assert len(told) == 1 and "has migrator 0.0.1" in told[0]


def test_a_slot_that_nobody_uses_gives_its_memory_back(tmp_path: Path) -> None:
    from migrator.batching.executors.cluster.seats import Seats

    seats = Seats(1)
    (tmp_path / "out").mkdir()
    made = [task.to_json() for task in tasks(tmp_path / "zoo", tmp_path / "out", "ok-1", "ok-2")]
    found: list[Json] = [seats.run("a", "tests.batch.stubs:work", made[0])]
    process = int(found[0]["versions"]["process"])
    idle = threading.Thread(target=seats.close_idle, args=(0.0,))
    idle.start()
    idle.join()
    assert not is_alive(process)
    found.append(seats.run("b", "tests.batch.stubs:work", made[1]))
    seats.close()
    assert [item["outcome"] for item in found] == ["done", "done"]
