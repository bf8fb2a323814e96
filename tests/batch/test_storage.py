"""Models from an S3 server and to it, over HTTP, in fair weather and foul."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from migrator.batching.storage import putting, stores
from migrator.batching.storage.fetching import fetch
from migrator.batching.storage.putting import UNFINISHED, put
from migrator.errors import DestinationError, FormatError, LimitError, StorageError
from tests.batch.s3 import Bucket, Proxy
from tests.batch.stores import HASTY

BIG = bytes(range(256)) * (9 << 12)  # 9 MiB, three pieces


def saved_model(bucket: Bucket, key: str = "zoo/net") -> dict[str, bytes]:
    """A SavedModel with things beside it; gives its own files."""
    own = {
        "saved_model.pb": b"graph",
        "variables/variables.index": b"index",
        "variables/variables.data-00000-of-00001": b"weights" * 100,
        "assets/words.txt": b"words",
        "assets.extra/deep/note": b"note",
        "fingerprint.pb": b"finger",
    }
    for name, data in own.items():
        bucket.put(f"{key}/{name}", data)
    for name in ("events.out.tfevents.1", "train/model.ckpt-1.index", "eval.csv"):
        bucket.put(f"{key}/{name}", b"x" * 1000)
    return own


def files(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def result(folder: Path, **more: bytes) -> Path:
    """A model's folder as a task leaves it."""
    made = {"outcome.json": b'{"name": "net"}', "log.txt": b"log", **more}
    for name, data in made.items():
        file = folder / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return folder


def test_of_a_saved_model_comes_what_belongs_to_it_and_nothing_else(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    own = saved_model(bucket)
    found = fetch(f"{bucket.address}/zoo/net", tmp_path / "in")
    assert found.path == tmp_path / "in"
    assert files(tmp_path / "in") == own
    assert found.model.bytes == sum(map(len, own.values()))
    assert proxy.sent < 10_000  # listings included: what lies beside did not come
    named = fetch(f"{bucket.address}/zoo/net/saved_model.pb", tmp_path / "named")
    assert named.path == tmp_path / "named" / "saved_model.pb"
    assert files(tmp_path / "named") == own


def test_of_a_frozen_graph_comes_that_file_alone(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    bucket.put("zoo/a.pb", b"graph")
    bucket.put("zoo/b.pb", BIG)
    found = fetch(f"{bucket.address}/zoo/a.pb", tmp_path / "in")
    assert found.path.read_bytes() == b"graph"
    assert files(tmp_path / "in") == {"a.pb": b"graph"}
    assert not proxy.asked("GET", "list-type")


@pytest.mark.parametrize("name", ["model.ckpt-7.meta", "model.ckpt-7", "model.ckpt-7.index", ""])
def test_a_checkpoint_comes_with_its_shards_and_without_the_others(
    bucket: Bucket, proxy: Proxy, tmp_path: Path, name: str
) -> None:
    shards = [f"model.ckpt-7.data-0000{number}-of-00002" for number in range(2)]
    own = ["model.ckpt-7.meta", "model.ckpt-7.index", *shards]
    for key in (*own, "model.ckpt-70.meta", "model.ckpt-70.index", "model.ckpt-6.meta"):
        bucket.put(f"run/{key}", key.encode())
    bucket.put("run/checkpoint", b'model_checkpoint_path: "/old/place/model.ckpt-7"\n')
    found = fetch(f"{bucket.address}/run/{name}".rstrip("/"), tmp_path / "in")
    assert sorted(files(tmp_path / "in")) == sorted(own)
    assert found.path.name == (
        name if name.endswith(("meta", "index")) else own[0 if not name else 1]
    )


def test_a_large_file_comes_in_pieces_and_a_fault_costs_no_more_than_its_piece(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    bucket.put("big.pb", BIG)
    cut = proxy.trouble("cut", method="GET", path="big.pb")
    drop = proxy.trouble("drop", method="GET", path="big.pb")
    slow = proxy.trouble("503", method="GET", path="big.pb", times=2)
    assert fetch(f"{bucket.address}/big.pb", tmp_path).path.read_bytes() == BIG
    assert (cut.seen, drop.seen, slow.seen) == (1, 1, 2)
    assert proxy.sent < len(BIG) * 1.5


def test_a_store_that_answers_with_a_byte_now_and_then_is_given_up(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    bucket.put("a.pb", b"x" * 1000)
    trickle = proxy.trouble("trickle", method="GET", path="a.pb", times=9)
    hasty = replace(HASTY, each=0.3, tries=3)
    begun = time.monotonic()
    with pytest.raises(StorageError, match=r"no answer within 0.3 s \(in 3 tries\)") as caught:
        fetch(f"{bucket.address}/a.pb", tmp_path, patience=hasty)
    assert caught.value.kind == "lost"
    assert trickle.seen == 3
    assert time.monotonic() - begun < 5


def test_the_time_of_the_model_bounds_its_transfer(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    bucket.put("a.pb", b"x" * 1000)
    proxy.trouble("late", method="GET", path="a.pb", times=99, seconds=3.0)
    begun = time.monotonic()
    with pytest.raises(StorageError):
        fetch(f"{bucket.address}/a.pb", tmp_path, seconds=0.5)
    assert time.monotonic() - begun < 2.5


def test_a_source_that_changes_while_it_is_fetched_is_fetched_anew(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    old, new = BIG, BIG[::-1]
    bucket.put("big.pb", old)
    late = proxy.trouble("late", method="GET", path="big.pb", seconds=0.5)

    def change() -> None:
        while not late.seen:
            time.sleep(0.01)
        bucket.put("big.pb", new)

    other = threading.Thread(target=change)
    other.start()
    found = fetch(f"{bucket.address}/big.pb", tmp_path)
    other.join()
    assert found.path.read_bytes() == new


def test_a_source_that_never_stops_changing_is_told(
    bucket: Bucket, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from migrator.batching.storage import fetching

    bucket.put("a.pb", b"0")
    copied = fetching._copied

    def and_change(*args: object) -> object:
        found = copied(*args)  # type: ignore[arg-type]
        bucket.put("a.pb", str(time.monotonic_ns()).encode())
        return found

    monkeypatch.setattr(fetching, "_copied", and_change)
    with pytest.raises(StorageError, match="changes all the time"):
        fetch(f"{bucket.address}/a.pb", tmp_path)


@pytest.mark.parametrize("key", ["zoo/none.pb", "zoo/none", "zoo/none.meta", "none/saved_model.pb"])
def test_nothing_at_an_address_is_told_at_once(
    bucket: Bucket, proxy: Proxy, tmp_path: Path, key: str
) -> None:
    with pytest.raises(StorageError, match="nothing at this address") as caught:
        fetch(f"{bucket.address}/{key}", tmp_path)
    assert caught.value.kind == "missing"
    assert f"{bucket.address}/{key}" in str(caught.value)


def test_a_bucket_that_is_not_there_is_told_as_that(proxy: Proxy, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="bucket does not exist"):
        fetch("s3://no-such-bucket/zoo", tmp_path)


def test_a_refusal_is_told_at_once_with_what_to_look_at(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    bucket.put("a.pb", b"x")
    refusal = proxy.trouble("403", times=9)
    with pytest.raises(StorageError, match=r"refuses.*check the credentials") as caught:
        fetch(f"{bucket.address}/a.pb", tmp_path)
    assert caught.value.kind == "denied"
    assert refusal.seen == 1
    assert "secret-of-nobody" not in str(caught.value)


def test_a_store_that_is_down_is_tried_again_and_then_given_up(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    bucket.put("a.pb", b"x")
    proxy.is_down = True
    with pytest.raises(StorageError, match=r"in 5 tries") as caught:
        fetch(f"{bucket.address}/a.pb", tmp_path)
    assert caught.value.kind == "lost"
    assert 5 <= len(proxy.requests) <= 10  # aiohttp has another go where a connection was open


def test_objects_whose_names_lead_out_of_their_folder_are_refused(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    bucket.put("zoo/net/saved_model.pb", b"x")
    bucket.put("zoo/net/assets/../../../evil", b"x")
    with pytest.raises(FormatError, match="leads out"):
        fetch(f"{bucket.address}/zoo/net", tmp_path / "in")
    assert not files(tmp_path)


def test_more_than_is_allowed_does_not_begin_to_come(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    bucket.put("a.pb", b"x" * 1001)
    with pytest.raises(LimitError, match="1,001 bytes, the limit is 1,000"):
        fetch(f"{bucket.address}/a.pb", tmp_path, most_bytes=1000)
    assert not proxy.asked("GET", "a.pb")


def test_a_result_replaces_the_one_before_it_whole(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    put(
        result(tmp_path / "1", old__a=b"1", both=b"1"),
        f"{bucket.address}/out/net",
        last="outcome.json",
    )
    put(
        result(tmp_path / "2", new__b=b"2", both=b"2"),
        f"{bucket.address}/out/net",
        last="outcome.json",
    )
    there = {key.removeprefix("out/net/"): bucket.get(key) for key in bucket.names()}
    assert there == files(tmp_path / "2")


def test_the_outcome_is_the_last_that_comes_and_the_first_that_goes(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    address = f"{bucket.address}/out/net"
    put(result(tmp_path / "1", a=b"1"), address, last="outcome.json")
    proxy.calm()
    put(result(tmp_path / "2", a=b"2", b=b"2"), address, last="outcome.json")
    writes = [
        (kind, path.rpartition("/")[2])
        for kind, path, _ in proxy.requests
        if kind in ("PUT", "DELETE")
    ]
    names = [(kind, name.partition("?")[0]) for kind, name in writes]
    assert names[:2] == [("PUT", UNFINISHED), ("DELETE", "outcome.json")]
    assert names[-2:] == [("PUT", "outcome.json"), ("DELETE", UNFINISHED)]


@pytest.mark.parametrize("seen", [0, 1, 2, 4, 6, 7, 8])
def test_whatever_request_is_the_last_a_torn_folder_has_no_outcome_and_is_replaced_later(
    bucket: Bucket, proxy: Proxy, tmp_path: Path, seen: int
) -> None:
    address = f"{bucket.address}/out/net"
    put(result(tmp_path / "1", a=b"1", c=b"1"), address, last="outcome.json")
    proxy.calm()
    second = result(tmp_path / "2", a=b"2", b=b"2")

    class Cut(list):  # type: ignore[type-arg]
        def append(self, item: object) -> None:
            super().append(item)
            proxy.is_down = len(self) > seen + 1

    proxy.requests = Cut()
    with pytest.raises(StorageError):
        put(second, address, last="outcome.json", patience=replace(HASTY, tries=1))
    proxy.requests = []
    proxy.is_down = False
    there = {key.removeprefix("out/net/"): bucket.get(key) for key in bucket.names()}
    if "outcome.json" in there:
        there.pop(UNFINISHED, None)
        assert there in (files(tmp_path / "1"), files(tmp_path / "2"))
    put(second, address, last="outcome.json")
    assert {key.removeprefix("out/net/"): bucket.get(key) for key in bucket.names()} == files(
        tmp_path / "2"
    )


def test_what_is_no_result_of_a_batch_is_not_touched(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    bucket.put("out/net/mine.txt", b"mine")
    with pytest.raises(DestinationError, match="not the result of a batch"):
        put(result(tmp_path), f"{bucket.address}/out/net", last="outcome.json")
    assert bucket.names() == ["out/net/mine.txt"]


def test_a_large_result_goes_in_parts_and_a_fault_costs_one_of_them(
    bucket: Bucket, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from migrator.batching.storage import parts

    monkeypatch.setattr(parts, "_PART", 5 << 20)  # the least that S3 takes
    data = BIG + BIG[:1000]
    fault = proxy.trouble("500", method="PUT", path="partNumber=2")
    drop = proxy.trouble("drop", method="PUT", path="partNumber=1")
    put(result(tmp_path, big=data), f"{bucket.address}/out", last="outcome.json")
    assert bucket.get("out/big") == data
    assert (fault.seen, drop.seen) == (1, 1)
    assert len(proxy.asked("PUT", "partNumber=")) == 4


def test_parts_of_a_result_that_did_not_come_over_do_not_stay(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    proxy.trouble("500", method="PUT", path="partNumber=1", times=99)
    with pytest.raises(StorageError, match="made up 500"):
        put(result(tmp_path, big=BIG), f"{bucket.address}/out", last="outcome.json")
    assert bucket.uploads() == 0
    assert "out/outcome.json" not in bucket.names()


def test_a_write_whose_answer_is_lost_is_written_again(
    bucket: Bucket, proxy: Proxy, tmp_path: Path
) -> None:
    lost = proxy.trouble("lost", method="PUT", path="log.txt")
    put(result(tmp_path), f"{bucket.address}/out", last="outcome.json")
    assert lost.seen == 1
    assert bucket.get("out/log.txt") == b"log"


def test_a_store_that_takes_less_than_it_was_given_is_noticed(
    bucket: Bucket, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = stores.Store.write

    def short(self: stores.Store, path: str, data: bytes) -> None:
        write(self, path, data[:2] if path.endswith("log.txt") else data)

    monkeypatch.setattr(putting.Store, "write", short)
    with pytest.raises(StorageError, match="is of 3 bytes, and of 2 in the store"):
        put(result(tmp_path), f"{bucket.address}/out", last="outcome.json")
    assert "out/outcome.json" not in bucket.names()


def test_json_of_the_outcome_is_what_it_was(bucket: Bucket, proxy: Proxy, tmp_path: Path) -> None:
    put(result(tmp_path), f"{bucket.address}/out", last="outcome.json")
    assert json.loads(bucket.get("out/outcome.json")) == {"name": "net"}


class _Plain(SimpleHTTPRequestHandler):
    """A web server that knows no ranges."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    pytest.importorskip("aiohttp")
    folder = tmp_path / "web"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Plain, directory=str(folder)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_models_come_from_a_plain_web_server_too(web: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = web
    (folder / "big.pb").write_bytes(BIG)
    (folder / "net" / "variables").mkdir(parents=True)
    (folder / "net" / "index.html").write_text("no listing here")
    (folder / "net" / "saved_model.pb").write_bytes(b"graph")
    (folder / "net" / "variables" / "variables.index").write_bytes(b"index")
    (folder / "net" / "variables" / "variables.data-00000-of-00001").write_bytes(b"weights")
    assert fetch(f"{address}/big.pb", tmp_path / "1").path.read_bytes() == BIG
    fetch(f"{address}/net/saved_model.pb", tmp_path / "2")
    assert files(tmp_path / "2") == {
        "saved_model.pb": b"graph",
        "variables/variables.index": b"index",
        "variables/variables.data-00000-of-00001": b"weights",
    }
    with pytest.raises(StorageError) as caught:
        fetch(f"{address}/none.pb", tmp_path / "3")
    assert caught.value.kind == "missing"
