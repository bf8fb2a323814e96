"""A cluster whose sources, or whose DEST, lie in a store: its workers fetch and put."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from migrator.batching.run.batch import BatchResult, batch
from migrator.errors import MigratorError
from tests.batch.clusters import Cluster, needs_distributed, wait_for
from tests.batch.poison import sound, truncated
from tests.batch.s3 import Bucket, Proxy
from tests.batch.stores import environment
from tests.batch.test_cluster import After
from tests.batch.test_storage_run import lines

pytestmark = needs_distributed
LOOK = ("inspect", "audit", "plan")


def fill(bucket: Bucket, count: int) -> list[str]:
    """So many models; their names."""
    names = [f"team-{number % 3}/net-{number:02}" for number in range(count)]
    for name in names:
        bucket.put(f"zoo/{name}.pb", sound())
    return names


def go(cluster: Cluster, bucket: Bucket, **options: Any) -> BatchResult:
    from migrator.batching.executors.cluster.executor import ClusterExecutor

    with ClusterExecutor(cluster.address, patience=30.0) as executor:
        wait_for(lambda: executor.scheduler.client.nthreads())
        settings = {"steps": LOOK, "timeout": 60.0, "dest": f"{bucket.address}/out", **options}
        return batch([f"{bucket.address}/zoo"], executor=executor, **settings)


def whole(bucket: Bucket, found: BatchResult, names: list[str]) -> None:
    """Each is in the ledger once, its folder is whole, and nothing half done lies about."""
    assert found.counts["done"] == len(names)
    assert Counter(line["name"] for line in lines(bucket)) == Counter(names)
    there = bucket.names("out/")
    for name in names:
        here = {key.removeprefix(f"out/{name}/") for key in there if key.startswith(f"out/{name}/")}
        assert {"outcome.json", "index.html", "inspect.json", "audit.json"} <= here
    assert not [key for key in there if key.endswith((".unfinished", ".lock", ".probe"))]
    assert bucket.uploads() == 0


def kill_at(cluster: Cluster, number: int) -> Callable[[], object]:
    return cluster.workers[number].kill


def test_workers_that_are_killed_cost_no_model_of_a_store(
    tmp_path: Path, bucket: Bucket, proxy: Proxy
) -> None:
    names = fill(bucket, 15)
    with Cluster(tmp_path / "dask") as cluster:
        for _ in range(3):
            cluster.start_worker()
        cluster.wait_for_workers()
        seen = After(at_3=kill_at(cluster, 0), at_8=kill_at(cluster, 1))
        found = go(cluster, bucket, watchers=[seen])
        whole(bucket, found, names)
        assert found.models[0]["source"].startswith(f"{bucket.address}/zoo/team-")
        bucket.put(f"zoo/{names[3]}.pb", truncated())
        bucket.drop(f"zoo/{names[4]}.pb")
        again = go(cluster, bucket)
    assert (again.run["ran"], again.run["kept"], again.exit_code) == (1, 13, 1)


def test_a_client_that_is_killed_goes_on_where_it_stopped(
    tmp_path: Path, bucket: Bucket, proxy: Proxy
) -> None:
    names = fill(bucket, 12)
    proxy.trouble("late", method="PUT", path="out/team-1/net-07", seconds=20.0)  # the seventh
    dest, state = f"{bucket.address}/out", tmp_path / "state"
    with Cluster(tmp_path / "dask") as cluster:
        cluster.start_worker()
        cluster.wait_for_workers()
        words = ["batch", f"{bucket.address}/zoo", "--dest", dest, "--steps", ",".join(LOOK)]
        words += ["--scheduler", cluster.address, "--state", str(state)]
        client = subprocess.Popen(
            [sys.executable, "-m", "migrator", *words], stderr=subprocess.DEVNULL
        )
        ledger = state / "ledger.jsonl"
        wait_for(lambda: bucket.names("out/ledger.jsonl/"))
        client.send_signal(signal.SIGKILL)
        client.wait()
        proxy.calm()
        bucket.drop("out/.lock")  # how long another's is waited for, other tests look at
        had = len(ledger.read_bytes().splitlines())
        found = go(cluster, bucket, state=state)
    whole(bucket, found, names)
    assert 0 < found.run["kept"] == had < 12


def test_sources_in_a_store_come_to_a_local_destination(
    tmp_path: Path, bucket: Bucket, proxy: Proxy
) -> None:
    names = fill(bucket, 4)
    with Cluster(tmp_path / "dask") as cluster:
        cluster.start_worker(threads=2)
        found = go(cluster, bucket, dest=tmp_path / "out")
        slots = [*(tmp_path / "dask").rglob("*.source")]
    assert found.counts["done"] == 4
    for name in names:
        told = json.loads((tmp_path / "out" / name / "outcome.json").read_text())
        assert told["outcome"] == "done"
    assert slots == []


def test_workers_that_do_not_reach_the_store_are_told_before_anything_runs(
    tmp_path: Path, bucket: Bucket, proxy: Proxy
) -> None:
    """Here it is as with a package that is missing there, or with no credentials."""
    fill(bucket, 2)
    without = tmp_path / "without"
    (without / "s3fs").mkdir(parents=True)
    (without / "s3fs" / "__init__.py").write_text("raise ImportError('no s3fs here')\n")
    root = str(Path(__file__).resolve().parent.parent.parent)
    with Cluster(tmp_path / "dask") as cluster:
        cluster.start_worker(PYTHONPATH=f"{without}{os.pathsep}{root}")
        told = r"tcp://127\S+ does not reach what we reach: s3://.*package is not installed"
        with pytest.raises(MigratorError, match=told):
            go(cluster, bucket)
    assert lines(bucket) == []


def test_workers_without_credentials_are_told_before_anything_runs(
    tmp_path: Path, bucket: Bucket, proxy: Proxy
) -> None:
    fill(bucket, 2)
    nobody = {**environment(proxy.port), "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    with Cluster(tmp_path / "dask") as cluster:
        cluster.start_worker(**nobody)
        with pytest.raises(MigratorError, match=r"does not reach what we reach: s3://.*credential"):
            go(cluster, bucket, dest=tmp_path / "out")
