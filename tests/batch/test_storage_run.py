"""Runs whose sources or whose DEST lie in a store."""

from __future__ import annotations

import errno
import gzip
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrator.batching.ledger import desk
from migrator.batching.ledger.desk import Pace, RemoteDesk
from migrator.batching.ledger.ledger import Ledger
from migrator.batching.run import ground
from migrator.batching.run.batch import BatchResult, batch, run_tasks
from migrator.batching.storage import fetching, stores
from migrator.batching.storage.holding import StoreLock
from migrator.batching.storage.stores import Store
from migrator.batching.task import Json, Task
from migrator.errors import DestinationError, StorageError, UsageError
from tests.batch.s3 import Bucket, Proxy
from tests.batch.stores import HASTY, environment
from tests.batch.stubs import lean, tasks, work
from tests.corpus import sample
from tests.places.packs import zipped

ROOT = Path(__file__).resolve().parent.parent.parent
LOOK = ("inspect", "audit", "plan")


@contextmanager
def threads(count: int = 2) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def go(tmp_path: Path, dest: str, *names: str, **options: Any) -> BatchResult:
    made = tasks(tmp_path / "zoo", dest, *names)
    with threads() as pool:
        return run_tasks(made, dest, executor=pool, work=work, **options)


def lines(bucket: Bucket, dest: str = "out") -> list[Json]:
    """All lines of the ledger's parts."""
    parts = bucket.names(f"{dest}/ledger.jsonl/")
    return [json.loads(line) for key in parts for line in bucket.get(key).splitlines()]


def test_each_model_gets_its_folder_and_its_line_in_the_store(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    found = go(tmp_path, f"{bucket.address}/out", "ok-1", "bad-2", "sub/ok-3")
    assert found.exit_code == 1
    assert {item["name"]: item["outcome"] for item in found.models} == {
        "ok-1": "done",
        "bad-2": "failed",
        "sub/ok-3": "done",
    }
    keys = bucket.names("out/")
    assert bucket.get("out/sub/ok-3/saved_model/saved_model.pb") == b"sub/ok-3"
    assert {"out/batch.json", "out/batch.csv", "out/index.html"} <= set(keys)
    assert "out/.lock" not in keys and not [key for key in keys if key.endswith(".unfinished")]
    assert sorted(item["name"] for item in lines(bucket)) == ["bad-2", "ok-1", "sub/ok-3"]
    assert json.loads(bucket.get("out/batch.json"))["run"]["dest"] == f"{bucket.address}/out"


def test_a_second_run_does_what_is_new_changed_or_asked_for(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    dest = f"{bucket.address}/out"
    go(tmp_path, dest, "ok-1", "bad-2")
    assert go(tmp_path, dest, "ok-1", "bad-2").run["ran"] == 0
    assert go(tmp_path, dest, "ok-1", "bad-2", "ok-3").run["ran"] == 1
    assert go(tmp_path, dest, "ok-1", "bad-2", "ok-3", retry=["failed"]).run["ran"] == 1
    (tmp_path / "zoo" / "ok-1").write_text("another content")
    assert go(tmp_path, dest, "ok-1", "bad-2", "ok-3").run["ran"] == 1
    assert len(lines(bucket)) == 5


def test_models_of_a_store_go_through_the_real_steps_into_a_store(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    folder = sample("tf1.15.5/sm_partitioned").path
    bucket.put_tree(folder, "zoo/sm")
    bucket.put("zoo/frozen.pb", sample("tf1.15.5/mlp").path.read_bytes())
    bucket.put("zoo/broken.pb", b"\x0a\xff\xff\xff\x0f")
    source, dest = f"{bucket.address}/zoo", f"{bucket.address}/out"
    with threads() as pool:
        found = batch(source, dest, steps=LOOK, executor=pool)
    told = {item["name"]: item for item in found.models}
    assert {name: item["outcome"] for name, item in told.items()} == {
        "sm": "done",
        "frozen": "done",
        "broken": "failed",
    }
    assert told["sm"]["source"] == f"{source}/sm"
    assert told["sm"]["source_bytes"] > 0 and told["sm"]["seconds"]["fetch"] >= 0
    plan = json.loads(bucket.get("out/sm/plan.json"))
    assert plan["source"]["path"] == f"{source}/sm"
    proxy.calm()
    with threads() as pool:
        again = batch(source, dest, steps=LOOK, executor=pool)
    assert (again.run["ran"], again.run["kept"]) == (0, 3)
    assert proxy.asked("HEAD", "zoo") == []  # a listing told the stamps of all
    bucket.put("zoo/broken.pb", b"still broken")
    with threads() as pool:
        assert batch(source, dest, steps=LOOK, executor=pool).run["ran"] == 1


def test_sources_and_files_of_options_in_a_store_with_a_local_dest(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    bucket.put("zoo/a.pb", sample("tf1.15.5/mlp").path.read_bytes())
    bucket.put("data/x.npz", b"inputs")
    made = [
        Task(
            name=name,
            source=f"{bucket.address}/zoo/{name}.pb",
            dest=f"{tmp_path}/out/{name}",
            steps=LOOK,
            data=data and f"{bucket.address}/data/{data}",
        )
        for name, data in (("a", "x.npz"), ("none", ""))
    ]
    made.append(
        replace(made[0], name="b", dest=f"{tmp_path}/out/b", data="s3://no-bucket-at-all/x")
    )
    with threads() as pool:
        found = run_tasks(made, tmp_path / "out", executor=pool)
    told = {item["name"]: (item["outcome"], item["cause"]) for item in found.models}
    assert told == {
        "a": ("done", ""),
        "none": ("failed", "missing_source"),
        "b": ("failed", "storage"),
    }
    names = {item.name for item in (tmp_path / "out" / "a").iterdir()}
    assert names >= {"inspect.json", "audit.json", "plan.json", "outcome.json"}
    assert not [name for name in names if "source" in name]


def test_a_model_whose_source_cannot_be_read_is_a_storage_failure_and_tried_again_later(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        bucket.put(f"zoo/{name}.pb", sample("tf1.15.5/mlp").path.read_bytes())
    proxy.trouble("403", method="GET", path="zoo/a.pb", times=1)
    made = [
        Task(
            name=name,
            source=f"{bucket.address}/zoo/{name}.pb",
            dest=f"{tmp_path}/out/{name}",
            steps=LOOK,
        )
        for name in ("a", "b")
    ]
    with threads() as pool:
        found = run_tasks(made, tmp_path / "out", executor=pool)
        told = {item["name"]: (item["cause"], item["reason"]) for item in found.models}
        assert told["a"][0] == "storage" and "refuses" in told["a"][1]
        assert told["b"] == ("", "")
        again = run_tasks(made, tmp_path / "out", executor=pool)
    assert (again.run["ran"], again.exit_code) == (1, 0)


def test_a_store_that_is_lost_in_mid_run_stops_it_and_the_next_goes_on(
    bucket: Bucket, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "PATIENCE", replace(HASTY, tries=2))
    dest = f"{bucket.address}/out"
    names = [f"slow-{number}" for number in range(12)]
    seen = []

    def lose(told: Json) -> Json:
        found = work(told)
        seen.append(told["name"])
        if len(seen) == 4:
            proxy.is_down = True
        return found

    made = tasks(tmp_path / "zoo", dest, *names)
    with threads(1) as pool, pytest.raises((DestinationError, StorageError)) as caught:
        run_tasks(made, dest, executor=pool, work=safely(lose))
    assert "run the same command again" in str(caught.value)
    assert dest in str(caught.value)
    proxy.is_down = False
    found = go(tmp_path, dest, *names)
    assert found.exit_code == 0
    assert found.run["ran"] == 8
    assert sorted(item["name"] for item in found.models) == sorted(names)


def safely(inner: Any) -> Any:
    """As the real task function: a store that fails is an outcome."""
    from migrator.batching.job.failures import failure_of
    from migrator.batching.job.notes import empty_outcome, utc_now
    from migrator.batching.task import task_from_json

    def outer(told: Json) -> Json:
        try:
            found: Json = inner(told)
            return found
        except StorageError as error:
            task = task_from_json(told)
            failure = failure_of(error, task.source)
            lost = replace(
                empty_outcome(task, utc_now()), cause=failure.cause, reason=failure.reason
            )
            return lost.to_json()

    return outer


def test_a_run_whose_models_all_fail_at_their_store_does_not_go_through_all_of_them(
    bucket: Bucket, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ground, "_MOST_IN_A_ROW", 4)
    out = tmp_path / "out"
    made = [
        Task(name=f"m{n}", source=f"{bucket.address}/{n}.pb", dest=f"{out}/m{n}", steps=LOOK)
        for n in range(20)
    ]
    proxy.trouble("403", method="HEAD", times=999)
    with threads(1) as pool, pytest.raises(StorageError, match="4 models in a row") as caught:
        run_tasks(made, out, executor=pool)
    assert "run the same command again" in str(caught.value)
    with Ledger(tmp_path / "out") as ledger:
        assert {ledger.outcome(name).cause for name in ledger} == {"storage"}  # type: ignore[union-attr]
        assert len(ledger) == 3


def test_a_full_disk_for_copies_of_sources_is_a_storage_failure_and_leaves_nothing_behind(
    bucket: Bucket, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("a.pb", b"x" * 1000)

    def full(*args: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(fetching.os, "pwrite", full)
    out = tmp_path / "out"
    made = Task(name="a", source=f"{bucket.address}/a.pb", dest=f"{out}/a", steps=LOOK)
    with threads() as pool:
        found = run_tasks([made], out, executor=pool)
    assert [(item["cause"], item["outcome"]) for item in found.models] == [("storage", "failed")]
    assert "No space left" in found.models[0]["reason"]
    assert not list(out.rglob("*.source"))


def test_a_run_that_is_stopped_leaves_dest_to_the_next_at_once(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    def stop(told: Json) -> Json:
        if told["name"] == "ok-3":
            os.kill(os.getpid(), signal.SIGINT)
        return work(told)

    dest = f"{bucket.address}/out"
    names = [f"ok-{number}" for number in range(6)]
    made = tasks(tmp_path / "zoo", dest, *names)
    with threads(1) as pool, pytest.raises(KeyboardInterrupt):
        run_tasks(made, dest, executor=pool, work=stop)
    assert json.loads(bucket.get("out/batch.json"))["run"]["interrupted"] is True
    left = json.loads(bucket.get("out/.lock"))
    assert left["ended"] is True
    bucket.put("out/.lock", json.dumps({**left, "machine": "another", "every": 60}).encode())
    found = go(tmp_path, dest, *names)
    assert (found.exit_code, len(found.models)) == (0, 6)
    assert "out/.lock" not in bucket.names()


def test_a_ledger_that_cannot_be_read_any_more_stops_the_run(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    found = RemoteDesk(f"{bucket.address}/out", tmp_path, pace=Pace(beat=0.1, every=0.1))
    match = r"ledger\.jsonl: cannot be written: No such file"
    with pytest.raises(DestinationError, match=match), found:
        (tmp_path / "ledger.jsonl").unlink()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            time.sleep(0.05)
            found.check()


def test_a_dest_that_holds_other_things_is_refused(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    bucket.put("out/thesis.tex", b"mine")
    with pytest.raises(DestinationError, match="holds other things"):
        go(tmp_path, f"{bucket.address}/out", "ok-1")
    assert bucket.names() == ["out/thesis.tex"]


def test_a_dest_that_another_run_works_on_is_refused(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    store = Store(f"{bucket.address}/out")
    lock = StoreLock(store)
    assert lock.take() is False
    with pytest.raises(
        DestinationError, match=f"another run works on it .process {os.getpid()} on "
    ):
        go(tmp_path, f"{bucket.address}/out", "ok-1")
    lock.release()
    assert go(tmp_path, f"{bucket.address}/out", "ok-1").exit_code == 0


def test_of_many_that_take_a_lock_at_once_one_has_it(bucket: Bucket, proxy: Proxy) -> None:
    held: list[StoreLock] = []
    refused = []
    barrier = threading.Barrier(6)

    def take() -> None:
        lock = StoreLock(Store(f"{bucket.address}/out"))
        barrier.wait()
        try:
            lock.take()
            held.append(lock)
        except DestinationError as error:
            refused.append(error)

    others = [threading.Thread(target=take) for _ in range(6)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert len(held) == 1 and len(refused) == 5


def test_a_lock_of_elsewhere_is_waited_for_and_taken_when_it_gives_no_sign_of_life(
    bucket: Bucket, proxy: Proxy
) -> None:
    told: list[str] = []
    other = {"token": "x", "pid": 7, "host": "elsewhere", "since": "then", "every": 0.2, "beats": 3}
    bucket.put("out/.lock", json.dumps(other).encode())
    lock = StoreLock(Store(f"{bucket.address}/out"), beat=0.2, tell=told.append)
    assert lock.take() is True
    assert told and "process 7 on elsewhere" in told[0]
    assert lock.is_ours()


def test_a_lock_of_elsewhere_that_gives_signs_of_life_is_respected(
    bucket: Bucket, proxy: Proxy
) -> None:
    other = {"token": "x", "pid": 7, "host": "elsewhere", "since": "then", "every": 1.0, "beats": 3}
    bucket.put("out/.lock", json.dumps(other).encode())
    beat = threading.Timer(
        0.3, bucket.put, ("out/.lock", json.dumps({**other, "beats": 4}).encode())
    )
    beat.start()
    with pytest.raises(DestinationError, match="process 7 on elsewhere"):
        StoreLock(Store(f"{bucket.address}/out")).take()
    beat.join()


def test_a_run_whose_lock_is_taken_over_stops(
    bucket: Bucket, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init = desk.RemoteDesk.__init__

    def hasty(self: desk.RemoteDesk, dest: str, folder: Path, **options: Any) -> None:
        init(self, dest, folder, **{**options, "pace": Pace(beat=0.1, every=0.1)})

    monkeypatch.setattr(desk.RemoteDesk, "__init__", hasty)
    names = [f"slow-{number}" for number in range(400)]

    def steal() -> None:
        while len(bucket.names("out/ledger.jsonl/")) < 1:
            time.sleep(0.05)
        bucket.put("out/.lock", json.dumps({"token": "y", "pid": 7, "host": "elsewhere"}).encode())

    thief = threading.Thread(target=steal)
    thief.start()
    with pytest.raises(DestinationError, match="process 7 on elsewhere"):
        go(tmp_path, f"{bucket.address}/out", *names)
    thief.join()
    assert "out/.lock" in bucket.names()


def test_a_ledger_of_many_lines_goes_in_parts_and_comes_back_in_order(
    bucket: Bucket, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "_PART", 3000)
    names = [f"ok-{number}" for number in range(12)]
    dest = f"{bucket.address}/out"
    found = go(tmp_path, dest, *names)
    assert len(bucket.names("out/ledger.jsonl/")) > 2
    again = go(tmp_path, dest, *names, state=tmp_path / "copy")
    assert again.run["ran"] == 0
    assert [item["name"] for item in again.models] == [item["name"] for item in found.models]
    with Ledger(tmp_path / "copy") as ledger:
        assert sorted(ledger) == sorted(names)
        assert ledger.torn == 0


def test_a_run_killed_at_any_moment_loses_nothing_and_resumes_to_the_same(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    names = [f"slow-{number:02}" for number in range(24)]
    dest = f"{bucket.address}/out"
    command = [
        sys.executable,
        "-m",
        "tests.batch.one_run",
        str(tmp_path / "zoo"),
        dest,
        "1",
        *names,
    ]
    tasks(tmp_path / "zoo", dest, *names)
    env = {**os.environ, **environment(proxy.port), "PYTHONPATH": str(ROOT)}
    chance = random.Random(5)
    finished: set[str] = set()
    for _ in range(2):
        with subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            ended = []
            for line in process.stdout:
                ended.append(line.strip())
                if len(ended) > chance.randint(2, 8):
                    break
            time.sleep(chance.random() * 0.05)
            process.send_signal(signal.SIGKILL)
            process.wait()
            done = set(ended) & set(names)
            assert not done & finished  # what was done is not done again
            finished |= done
    found = go(tmp_path, dest, *names)
    assert found.exit_code == 0
    assert found.run["ran"] <= len(names) - len(finished)
    assert [lean(item)["outcome"] for item in found.models] == ["done"] * len(names)
    assert "out/.lock" not in bucket.names()
    for name in names:
        assert bucket.get(f"out/{name}/saved_model/saved_model.pb") == name.encode()
        assert f"out/{name}/.unfinished" not in bucket.names(f"out/{name}/")


def test_a_folder_that_was_being_replaced_when_the_run_was_killed_is_made_anew(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    dest = f"{bucket.address}/out"
    go(tmp_path, dest, "ok-1", "ok-2")
    bucket.drop("out/ok-1/outcome.json")
    bucket.put("out/ok-1/.unfinished", b"")
    dead = {"token": "x", "pid": 7, "host": "elsewhere", "every": 0.1}
    bucket.put("out/.lock", json.dumps(dead).encode())
    found = go(tmp_path, dest, "ok-1", "ok-2")
    assert (found.run["ran"], found.exit_code) == (1, 0)
    assert json.loads(bucket.get("out/ok-1/outcome.json"))["outcome"] == "done"


def test_secrets_in_addresses_are_in_nothing_that_is_written(
    bucket: Bucket, proxy: Proxy, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = Task(
        name="a",
        source="https://me:hunter2@127.0.0.1:1/a.pb?sig=hunter3",
        dest=f"{tmp_path}/out/a",
        steps=LOOK,
    )
    (tmp_path / "out").mkdir()
    with threads() as pool, pytest.raises(StorageError) as caught:
        run_tasks([made], tmp_path / "out", executor=pool)
    texts = [str(caught.value), *capfd.readouterr()]
    texts += [file.read_text() for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert not [text for text in texts if "hunter" in text]


def test_without_its_package_the_way_to_get_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(StorageError, match=r"pip install 'migrator\[remote\]'"):
        go(tmp_path, "s3://bucket/out", "ok-1")


def test_the_memory_of_this_process_is_no_store_for_others(tmp_path: Path) -> None:
    made = tasks(tmp_path / "zoo", "memory://out", "ok-1")
    with pytest.raises(UsageError, match="memory of this process"):
        run_tasks(made, "memory://out", work=work)


def test_a_file_address_is_a_path(tmp_path: Path) -> None:
    found = go(tmp_path, f"file://{tmp_path}/out", "ok-1")
    assert found.exit_code == 0
    assert (tmp_path / "out" / "ledger.jsonl").is_file()
    assert (tmp_path / "out" / "ok-1" / "saved_model" / "saved_model.pb").is_file()
    assert not Path("file:").exists()


def test_any_other_store_that_fsspec_knows(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").store.clear()
    found = go(tmp_path, "memory://out/deep", "ok-1", "sub/ok-2")
    assert found.exit_code == 0
    assert go(tmp_path, "memory://out/deep", "ok-1", "sub/ok-2").run["ran"] == 0
    store = fsspec.filesystem("memory")
    assert store.cat("/out/deep/sub/ok-2/saved_model/saved_model.pb") == b"sub/ok-2"
    assert not store.exists("/out/deep/.lock")


@pytest.mark.tensorflow
def test_models_of_a_store_are_migrated_and_verified_into_a_store_by_slots(
    bucket: Bucket, proxy: Proxy
) -> None:
    bucket.put_tree(sample("tf1.15.5/sm_partitioned").path, "zoo/sm")
    bucket.put("zoo/mlp.pb", sample("tf1.15.5/mlp").path.read_bytes())
    proxy.trouble("503", method="GET", path="zoo/mlp.pb", times=1)
    proxy.trouble("drop", method="PUT", path="saved_model.pb", times=1)
    found = batch(f"{bucket.address}/zoo", f"{bucket.address}/out", jobs=1)
    assert {item["name"]: item["verdict"] for item in found.models} == {
        "sm": "bitwise",
        "mlp": "bitwise",
    }
    record = json.loads(bucket.get("out/sm/saved_model/assets.extra/migrator.json"))
    assert record["source"]["path"] == f"{bucket.address}/zoo/sm"
    assert record["dest"] == f"{bucket.address}/out/sm/saved_model"
    assert "out/sm/saved_model/variables/variables.index" in bucket.names("out/sm/")


def test_an_archive_at_an_address_may_hold_the_one_model(bucket: Bucket, tmp_path: Path) -> None:
    data = sample("tf1.15.5/mlp").path.read_bytes()
    bucket.put("zoo/m.pb.gz", gzip.compress(data))
    bucket.put("zoo/two.zip", zipped({"a.pb": data, "b.pb": data}))
    sources = [f"{bucket.address}/zoo/m.pb.gz", f"{bucket.address}/zoo/two.zip"]
    with threads() as pool:
        found = batch(sources, tmp_path / "out", steps=LOOK, executor=pool)
    one, two = found.models
    assert (one["name"], one["outcome"], one["source"]) == ("m.pb.gz", "done", sources[0])
    assert (two["name"], two["cause"]) == ("two.zip", "bad_input")
    assert "holds 2 models" in two["reason"] and str(tmp_path) not in two["reason"]
