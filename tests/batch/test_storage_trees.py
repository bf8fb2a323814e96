"""Which models lie below an address, and what a listing tells of each."""

from __future__ import annotations

import json

import pytest

from migrator.batching.manifest.faults import ManifestError
from migrator.batching.manifest.planning import plan_manifest
from migrator.batching.manifest.sources import list_sources
from migrator.batching.storage.stamps import stamp_of
from migrator.batching.storage.trees import RemoteTrees
from migrator.batching.task import Task
from migrator.places.addresses import (
    is_remote,
    last_part,
    local_path,
    pattern_base,
    shown,
)
from tests import wire
from tests.batch.s3 import Bucket, Proxy

GRAPH = wire.graph([wire.node("x", "Placeholder", [], {"dtype": wire.F})])
META = wire.meta_graph(GRAPH)
SAVED_MODEL = wire.saved_model(META)


@pytest.fixture
def zoo(bucket: Bucket) -> Bucket:
    for key, data in {
        "a.pb": GRAPH,
        "sub/model.ckpt-10.meta": META,
        "sub/model.ckpt-10.index": b"index",
        "sub/model.ckpt-10.data-00000-of-00001": b"data",
        "sub/served/1/saved_model.pb": SAVED_MODEL,
        "sub/served/1/variables/variables.index": b"index",
        "sub/served/1/variables/variables.data-00000-of-00001": b"data",
        "sub/served/1/assets/inner.pb": GRAPH,
        "sub/served/1/beside.pb": GRAPH,
        "keras.h5": b"\x89HDF\r\n\x1a\n" + bytes(100),
        "spoilt.pb": b"",
        "lite.tflite": b"\x1c\0\0\0TFL3" + bytes(100),
        "label_map.pb": b"plain words, no model at all\n",
        "lone.index": b"index",
        "README.md": b"# models\n",
        "out/a/saved_model/saved_model.pb": SAVED_MODEL,
    }.items():
        bucket.put(f"zoo/{key}", data)
    return bucket


def test_models_below_an_address_are_named_by_their_place(zoo: Bucket, proxy: Proxy) -> None:
    trees = RemoteTrees(leave_out=f"{zoo.address}/zoo/out")
    found = list_sources([f"{zoo.address}/zoo"], expand=trees)
    top = f"{zoo.address}/zoo"
    assert {item.name: item.source for item in found.entries} == {
        "a": f"{top}/a.pb",
        "keras": f"{top}/keras.h5",
        "spoilt": f"{top}/spoilt.pb",
        "label_map": f"{top}/label_map.pb",
        "sub/model.ckpt-10": f"{top}/sub/model.ckpt-10.meta",
        "sub/served/1-2": f"{top}/sub/served/1",
        "sub/served/1/beside": f"{top}/sub/served/1/beside.pb",
    }
    assert {item.source: item.reason for item in trees.skipped} == {
        f"{top}/lite.tflite": "is a TFLite model already",
        f"{top}/lone.index": "is weights without a graph",
    }


def test_results_of_a_batch_below_an_address_are_no_sources(zoo: Bucket, proxy: Proxy) -> None:
    zoo.put("zoo/out/ledger.jsonl", b"{}")
    zoo.put("zoo/out/batch.json", b"{}")
    zoo.put("zoo/sub/ledger.jsonl", b"the accounts of March")
    trees = RemoteTrees()
    found = list_sources([f"{zoo.address}/zoo"], expand=trees)
    assert not [item.name for item in found.entries if item.name.startswith("out")]
    assert any(item.name.startswith("sub/") for item in found.entries)
    told = {item.source: item.reason for item in trees.skipped}
    assert told[f"{zoo.address}/zoo/out"] == "holds the results of a batch"


def test_a_listing_tells_the_stamp_that_the_model_alone_would_have(
    zoo: Bucket, proxy: Proxy
) -> None:
    trees = RemoteTrees()
    trees(f"{zoo.address}/zoo")
    assert len(trees.stamps) == 8
    for address, stamp in trees.stamps.items():
        task = Task(name="x", source=address, dest="out/x")
        assert stamp_of(task) == stamp, address


def test_only_the_first_bytes_of_what_might_be_a_model_are_read(
    bucket: Bucket, proxy: Proxy
) -> None:
    bucket.put("zoo/large.pb", GRAPH + wire.graph([wire.node("n", "NoOp", [], {})]) * 100_000)
    bucket.put("zoo/readme", b"x" * 1_000_000)
    proxy.calm()
    assert RemoteTrees()(f"{bucket.address}/zoo") == [f"{bucket.address}/zoo/large.pb"]
    assert proxy.sent < 60_000


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("zoo/*.pb", ["a.pb", "label_map.pb", "spoilt.pb"]),
        ("zoo/**/*.meta", ["sub/model.ckpt-10.meta"]),
        ("zoo/su?/serv*/[0-9]", ["sub/served/1", "sub/served/1/beside.pb"]),
    ],
)
def test_patterns_fit_models_and_folders(
    zoo: Bucket, proxy: Proxy, pattern: str, names: list[str]
) -> None:
    found = RemoteTrees()(f"{zoo.address}/{pattern}")
    assert sorted(found) == [f"{zoo.address}/zoo/{name}" for name in names]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("zoo/none", "there is nothing at this address"),
        ("zoo/*.nothing", "fits no model"),
        ("zoo/sub/served/1/variables", "no model is found below it"),
    ],
)
def test_an_address_without_models_is_a_fault_before_anything_runs(
    zoo: Bucket, proxy: Proxy, source: str, told: str
) -> None:
    with pytest.raises(ManifestError, match=told):
        list_sources([f"{zoo.address}/{source}"], expand=RemoteTrees())


def test_a_store_that_fails_while_it_is_listed_is_told_and_is_no_empty_tree(
    zoo: Bucket, proxy: Proxy
) -> None:
    proxy.is_down = True
    with pytest.raises(ManifestError, match="in 5 tries"):
        list_sources([f"{zoo.address}/zoo"], expand=RemoteTrees())


def test_addresses_are_shown_without_secrets() -> None:
    assert shown("ftp://me:pa@ss@host/x.pb") == "ftp://host/x.pb"
    assert shown("https://h/x.pb?X-Amz-Signature=abc&b=1") == "https://h/x.pb?..."
    assert (
        shown("cannot read 'https://u:p@h/x?sig=1', sorry")
        == "cannot read 'https://h/x?...', sorry"
    )
    assert shown("s3://bucket/a@b/what?.pb") == "s3://bucket/a@b/what?.pb"


def test_addresses_and_paths_are_told_apart() -> None:
    assert is_remote("s3://bucket/x") and is_remote("zip://a.pb::s3://bucket/z.zip")
    assert not is_remote("a/b://c") and not is_remote("/a.pb") and not is_remote("file:///a.pb")
    assert local_path("file:///a%20b/c.pb") == "/a b/c.pb"
    assert local_path("s3://bucket/x") == "s3://bucket/x"
    assert last_part("https://host/dir/x.pb?sig=1/2") == "x.pb"
    assert pattern_base("s3://b/zoo/*.pb") == "s3://b/zoo"
    assert pattern_base("https://h/x?a=*") is None


def test_a_plan_names_each_model_below_an_address(zoo: Bucket, proxy: Proxy) -> None:
    text = plan_manifest([f"{zoo.address}/zoo/sub"], format="jsonl")
    told = [json.loads(line) for line in text.splitlines() if line.startswith('{"')]
    sources = {item["source"] for item in told if "source" in item}
    assert sources == {
        f"{zoo.address}/zoo/sub/{name}"
        for name in ("model.ckpt-10.meta", "served/1", "served/1/beside.pb")
    }
