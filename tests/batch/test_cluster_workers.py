"""Workers as they are in the wild: with a nanny, several on a machine, late, and not fit."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from migrator.errors import ExecutorLost, MigratorError
from tests.batch.clusters import Cluster, needs_distributed, wait_for
from tests.batch.stubs import tasks, work
from tests.batch.test_cluster import After, all_once, go, is_alive, names

pytestmark = needs_distributed


def test_workers_with_nannies_come_back_when_they_are_killed(tmp_path: Path) -> None:
    wanted = names("slow", 60)
    with Cluster(tmp_path / "dask") as cluster:
        nanny = cluster.start_worker(nanny=True)
        cluster.wait_for_workers()

        def kill() -> None:
            """Its worker, which is the one that started our slot."""
            slot = int(seen.processes[-1])
            parent = Path(f"/proc/{slot}/stat").read_text().rpartition(")")[2].split()[1]
            os.kill(int(parent), signal.SIGKILL)

        seen = After(at_10=kill)
        found = go(tmp_path, cluster.address, *wanted, watchers=[seen])
        assert nanny.poll() is None
        all_once(tmp_path, found, wanted)
        slots = {int(process) for process in seen.processes}
        assert len(slots) == 2
        # What a killed one leaves is cleared away by the next, and the slots end with theirs.
        left = {path.parent.name for path in (tmp_path / "dask").rglob("migrator-slot-*")}
        assert len(left) <= 1
    wait_for(lambda: not any(map(is_alive, slots)))


def test_several_workers_of_a_machine_with_several_threads_each(tmp_path: Path) -> None:
    wanted = names("slow", 80)
    with Cluster(tmp_path / "dask") as cluster:
        cluster.start_worker(4, "--nworkers", "2", nanny=True)
        seen = After()
        found = go(tmp_path, cluster.address, *wanted, watchers=[seen], threads=8)
        all_once(tmp_path, found, wanted)
        assert found.run["jobs"] == 8
        assert 4 < len(set(seen.processes)) <= 8


def test_the_models_of_a_worker_share_what_it_was_given(tmp_path: Path) -> None:
    from migrator.batching.executors.cluster.seats import Seats

    for threads, given, most in ((1, 100, 100), (4, 100, 25), (4, None, None)):
        seats = Seats(threads, memory=given)
        assert most is None or seats._share(threads) == most
        assert (seats._share(1) or 0) >= (seats._share(threads) or 0)


def test_a_worker_without_tensorflow_does_what_needs_none(tmp_path: Path) -> None:
    without = tmp_path / "without" / "sitecustomize.py"
    without.parent.mkdir()
    without.write_text("import sys\nsys.modules['tensorflow'] = None\n")
    with Cluster(tmp_path / "dask") as cluster:
        root = cluster._environment["PYTHONPATH"]
        cluster.start_worker(PYTHONPATH=f"{without.parent}{os.pathsep}{root}")
        with pytest.raises(MigratorError, match=r"tcp://127\S+ has no TensorFlow; give"):
            go(tmp_path, cluster.address, "ok-0", told={"steps": ("inspect", "migrate")})
        assert go(tmp_path, cluster.address, "ok-0").exit_code == 0


def test_a_cluster_whose_late_workers_are_all_unfit_is_given_up(tmp_path: Path) -> None:
    """It has none at the start, so that nothing tells before; no model is blamed."""
    from migrator.batching.executors.cluster.executor import ClusterExecutor

    other = tmp_path / "other" / "sitecustomize.py"
    other.parent.mkdir()
    other.write_text("import migrator._version\nmigrator._version.__version__ = '0.0.1'\n")
    told: list[str] = []
    made = [task.to_json() for task in tasks(tmp_path / "zoo", tmp_path / "out", *names("ok", 5))]
    with Cluster(tmp_path / "dask") as cluster:
        with ClusterExecutor(cluster.address, patience=1.0, tell=told.append) as executor:
            futures = [executor.submit(work, task) for task in made]
            assert told == [
                f"the cluster at {cluster.address} has no workers yet: waiting for some"
            ]
            root = cluster._environment["PYTHONPATH"]
            cluster.start_worker(PYTHONPATH=f"{other.parent}{os.pathsep}{root}")
            with pytest.raises(ExecutorLost, match=r"none of its workers is fit.*migrator 0\.0\.1"):
                futures[0].result(timeout=30.0)
            wait_for(lambda: all(future.done() for future in futures))
            with pytest.raises(RuntimeError):
                executor.submit(work, made[0])
        log = (tmp_path / "dask" / "worker-0.log").read_text()
    assert "Traceback" not in log
    assert len([line for line in told if "gets nothing to do" in line]) == 1
    assert not (tmp_path / "out" / "ok-0").exists()
