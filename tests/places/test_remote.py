"""Models at addresses: equal to those on disk, read by ranges, and one clear error else."""

from __future__ import annotations

import gzip
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.actions.diff import diff
from migrator.errors import (
    FormatError,
    LimitError,
    MigratorError,
    NeedsDecision,
    StorageError,
    UsageError,
)
from migrator.formats.checkpoint import open_checkpoint
from migrator.formats.checkpoint.locate import checkpoint_place
from migrator.formats.load import load
from migrator.graph.build import to_networkx
from migrator.inspection.summary import summarize
from migrator.limits import Limits
from tests import wire
from tests.batch.s3 import Bucket, Proxy
from tests.commands import run
from tests.corpus import HUB, META, SAVED, sample
from tests.handmade import const, op, placeholder
from tests.places.packs import tarred, tree, zipped
from tests.places.web import Web, web_server

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")

MLP = sample("tf1.15.5/mlp").path.read_bytes()


def heavy(weights: int = 6, each: int = 4 << 20) -> bytes:
    """A frozen graph of a few nodes and much weight."""
    nodes = [placeholder("x")]
    at = "x"
    for number in range(weights):
        values = np.full((each // 16, 4), number, np.float32)
        nodes += [
            const(f"w{number}", values),
            op(f"m{number}", "MatMul", at, f"w{number}", T=wire.F),
        ]
        at = f"m{number}"
    return wire.graph(nodes)


def put_tree(store: Any, folder: Path, top: str) -> None:
    for name, data in tree(folder).items():
        store.pipe_file(f"/{top}/{name}", data)


# --- every store


@pytest.mark.parametrize("item", [SAVED[0], HUB[0], META[0], sample("tf1.15.5/mlp")], ids=str)
def test_a_model_in_memory_is_the_one_on_disk(item: Any, memory: Any) -> None:
    folder = item.path if item.path.is_dir() else item.path.parent
    put_tree(memory, folder, "drawer/m")
    name = "" if item.path.is_dir() else f"/{item.path.name}"
    model, plain = load(f"memory://drawer/m{name}"), load(item.path)
    assert (model.source.format, model.source.bytes) == (plain.source.format, plain.source.bytes)
    assert model.source.path.startswith("memory://drawer/m")
    assert model.warnings == plain.warnings
    assert summarize(model).meta_graphs == summarize(plain).meta_graphs
    assert sorted(to_networkx(model).nodes) == sorted(to_networkx(plain).nodes)


def test_a_file_address_is_a_path() -> None:
    path = sample("tf1.15.5/mlp").path
    assert load(f"file://{path}").source == load(path).source


def test_a_model_in_s3_with_its_weights(bucket: Bucket, proxy: Proxy) -> None:
    folder = sample("tf1.15.5/sm_variables").path
    bucket.put_tree(folder, "a b/export")
    address = f"{bucket.address}/a b/export"
    model = load(address)
    assert model.source.path == f"{address}/saved_model.pb"
    place = checkpoint_place(model)
    assert str(place) == f"{address}/variables/variables"
    ours, theirs = open_checkpoint(place), open_checkpoint(folder / "variables" / "variables")
    for name, tensor in ours.tensors.items():
        assert np.array_equal(tensor.numpy(), theirs.tensors[name].numpy())
    assert diff(address, folder).identical


def test_checkpoints_in_s3_have_their_names(bucket: Bucket) -> None:
    folder = sample("tf1.15.5/mg_sharded").path.parent
    bucket.put_tree(folder, "run")
    (index,) = folder.glob("*.index")
    prefix = index.name.removesuffix(".index")
    top = f"{bucket.address}/run"
    assert load(top).source.format == "meta_graph"
    assert load(f"{top}/{prefix}").source.path == f"{top}/{prefix}.index"
    assert load(f"{top}/{prefix}.data-00000-of-00002").source.format == "checkpoint"


def test_archives_at_addresses(bucket: Bucket, memory: Any) -> None:
    members = tree(sample("tf1.15.5/hub_text").path, "hub")
    data = {"m.zip": zipped(members), "m.tar.gz": gzip.compress(tarred(members))}
    for name, packed in data.items():
        bucket.put(f"drawer/{name}", packed)
        memory.pipe_file(f"/drawer/{name}", packed)
        for top in (f"{bucket.address}/drawer/{name}", f"memory://drawer/{name}"):
            model = load(top)
            assert (model.source.format, model.warnings) == ("hub_module", ())
            assert model.source.path == f"{top}/hub/module/saved_model.pb" or (
                model.source.path == f"{top}/hub/saved_model.pb"
            )
            assert load(f"{top}/hub").source == model.source
            assert diff(top, sample("tf1.15.5/hub_text").path).identical


def test_several_models_in_an_archive_at_an_address(memory: Any) -> None:
    memory.pipe_file("/two.zip", zipped({"a": MLP, "b": MLP}))
    with pytest.raises(NeedsDecision) as caught:
        load("memory://two.zip")
    assert list(caught.value.options) == ["memory://two.zip/a", "memory://two.zip/b"]
    assert load("memory://two.zip/a").source.bytes == len(MLP)


# --- ranges


def test_only_some_of_a_large_graph_is_fetched() -> None:
    data = heavy()
    with web_server() as web:
        web.files["m.pb"] = data
        model = load(web.address("m.pb"))
        assert len(model.graph.nodes) == 13
        summarize(model)
        assert web.sent < len(data) // 6
        assert web.gets < 25
        before = web.sent
        weights = model.graph.by_name["w3"].attrs["value"].numpy()
        assert np.all(weights == 3)
        assert web.sent - before < 9 << 20


def test_only_some_of_a_stored_zip_is_fetched() -> None:
    import zipfile

    data = zipped({"x/m.pb": heavy(), "y/other": b"text\n" * 99}, method=zipfile.ZIP_STORED)
    with web_server() as web:
        web.files["m.zip"] = data
        assert len(load(web.address("m.zip")).graph.nodes) == 13
        assert web.sent < len(data) // 4


@pytest.mark.parametrize("kind", ["whole", "none", "unsized"])
def test_a_server_without_ranges_is_asked_for_the_whole_once(kind: str) -> None:
    data = heavy()
    with web_server(kind) as web:
        web.files["m.pb"] = data
        model = load(web.address("m.pb"))
        assert len(model.graph.nodes) == 13
        assert np.all(model.graph.by_name["w5"].attrs["value"].numpy() == 5)
        whole = [one for one in web.asked if one[0] == "GET" and not one[2]]
        assert len(whole) == 1 or kind == "unsized"
        assert web.gets <= 4


@pytest.mark.parametrize("kind", ["whole", "none", "unsized"])
def test_such_a_download_is_bounded(kind: str) -> None:
    with web_server(kind) as web:
        web.files["m.pb"] = heavy()
        with pytest.raises(LimitError, match="decompressed bytes"):
            load(web.address("m.pb"), limits=Limits(decompressed_bytes=2 << 20))
        assert web.sent < 16 << 20


def test_a_download_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with web_server("none") as web:
        web.files["m.pb"] = heavy()
        load(web.address("m.pb"))
    assert list(tmp_path.iterdir()) == []


def test_a_saved_model_on_a_web_server() -> None:
    with web_server() as web:
        for name, data in tree(sample("tf1.15.5/sm_variables").path, "export").items():
            web.files[name] = data
        model = load(web.address("export/"))
        assert model.source.path == web.address("export/saved_model.pb")
        assert checkpoint_place(model) is not None
        assert load(web.address("export/saved_model.pb")).source == model.source


def put_listed(web: Web, folder: Path, top: str) -> None:
    """With the page that lists each folder, under both of its addresses."""
    members = tree(folder, top)
    web.files.update(members)
    above = {name.rpartition("/")[0] for name in members}
    for path in above | {top}:
        inner = {name[len(path) + 1 :].split("/")[0] for name in members if name.startswith(path)}
        links = "".join(f'<li><a href="{name}">{name}</a></li>' for name in sorted(inner))
        for name in (path, f"{path}/"):
            web.files[name] = f"<!doctype html><html><ul>{links}</ul></html>".encode()
            web.pages.add(name)


@pytest.mark.parametrize("end", ["", "/"])
def test_a_folder_on_a_web_server_is_told_by_what_is_below(end: str, tmp_path: Path) -> None:
    twin = sample("tf1.15.5/mlp").path.parents[2] / "text_twins" / "tf1.4.1" / "text"
    train = sample("tf1.15.5/mg_train").path
    run = tmp_path / "run"
    shutil.copytree(train.parent, run)
    (run / "checkpoint").write_text(f'model_checkpoint_path: "/gone/{train.stem}"\n')
    with web_server() as web:
        put_listed(web, twin, "twin")
        put_listed(web, run, "run")
        assert load(web.address(f"twin{end}")).source.path == web.address("twin/saved_model.pbtxt")
        assert load(web.address(f"run{end}")).source.path == web.address(f"run/{train.name}")
        for name in ("run", "run/"):
            del web.files[name]
        assert load(web.address("run/")).source.path == web.address(f"run/{train.name}")


def test_a_server_that_gives_a_page_for_everything_has_no_folder() -> None:
    page = b"<!doctype html><html><body>Sign in</body></html>"
    with web_server() as web:
        for name in ("m", "m/saved_model.pb", "m/saved_model.pbtxt", "m/checkpoint"):
            web.files[name] = page
            web.pages.add(name)
        with pytest.raises(FormatError, match="web page"):
            load(web.address("m"))


# --- errors


def test_nothing_there_is_one_clear_error(bucket: Bucket, memory: Any) -> None:
    with web_server() as web:
        for address in (f"{bucket.address}/no.pb", "memory://no/no.pb", web.address("no.pb")):
            with pytest.raises(StorageError, match="nothing at this address") as caught:
                load(address)
            assert caught.value.where == address
            assert caught.value.kind == "missing"


def test_a_bucket_that_is_not_there(bucket: Bucket) -> None:
    with pytest.raises(StorageError, match="bucket"):
        load("s3://no-such-bucket-anywhere/m.pb")


def test_no_right_to_it(bucket: Bucket, proxy: Proxy) -> None:
    bucket.put("m.pb", MLP)
    proxy.trouble("403", times=99)
    with pytest.raises(StorageError) as caught:
        load(f"{bucket.address}/m.pb")
    assert caught.value.kind == "denied"
    assert "credentials" in caught.value.hint


def test_trouble_that_passes_is_not_told(bucket: Bucket, proxy: Proxy) -> None:
    bucket.put("m.pb", MLP)
    proxy.trouble("503", times=2)
    proxy.trouble("cut", method="GET")
    assert load(f"{bucket.address}/m.pb").source.bytes == len(MLP)


def test_a_store_that_is_down(bucket: Bucket, proxy: Proxy) -> None:
    proxy.is_down = True
    with pytest.raises(StorageError) as caught:
        load(f"{bucket.address}/m.pb")
    assert caught.value.kind == "lost"


def test_a_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    from migrator.places import remote
    from migrator.places.asking import Patience

    monkeypatch.setattr(remote, "PATIENCE", Patience(tries=2, each=0.5, whole=1.5, wait=0.02))
    with web_server("silent") as web, pytest.raises(StorageError, match="no answer within"):
        load(web.address("m.pb"))


def test_a_server_that_drips_is_given_up_at_the_deadline() -> None:
    with web_server("drip") as web:
        web.files["m.pb"] = MLP
        start = time.monotonic()
        with pytest.raises(LimitError, match="limit of 1 seconds"):
            load(web.address("m.pb"), limits=Limits(seconds=1))
        assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("target", "told"),
    [("m.pb", "redirects again and again"), ("file:///etc/hostname", "no web address")],
)
def test_a_redirect_that_leads_nowhere_is_told_and_not_tried_again(target: str, told: str) -> None:
    with web_server() as web:
        web.redirects["m.pb"] = web.address(target) if target == "m.pb" else target
        with pytest.raises(StorageError, match=told) as caught:
            load(web.address("m.pb"))
        assert "tries" not in str(caught.value)


def test_half_an_answer_is_no_model() -> None:
    with web_server("broken") as web:
        web.files["m.pb"] = MLP
        with pytest.raises(MigratorError):
            load(web.address("m.pb"))


def test_what_changes_while_it_is_read_is_told() -> None:
    def change(web: Web, method: str, path: str) -> None:
        if web.gets == 3:
            web.files["m.pb"] = heavy(7)

    with web_server() as web:
        web.files["m.pb"] = heavy()
        web.before = change
        with pytest.raises(StorageError, match="was changed while it was read"):
            load(web.address("m.pb"))


def test_what_shrinks_while_it_is_read_is_told() -> None:
    def change(web: Web, method: str, path: str) -> None:
        if web.gets == 3:
            web.files["m.pb"] = heavy(1)

    with web_server() as web:
        web.files["m.pb"] = heavy()
        web.before = change
        with pytest.raises(MigratorError, match=r"changed|shrank|nothing"):
            load(web.address("m.pb"))


def test_without_fsspec_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "fsspec"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(StorageError, match="fsspec") as caught:
        load("s3://bucket/m.pb")
    assert "migrator[remote]" in caught.value.hint


def test_a_missing_package_of_one_store_is_named() -> None:
    with pytest.raises(StorageError, match="not installed") as caught:
        load("abfs://container/m.pb")
    assert "adlfs" in str(caught.value)


def test_an_address_of_no_kind() -> None:
    with pytest.raises((UsageError, StorageError)):
        load("nonsense://a/b.pb")


def test_secrets_in_addresses_are_not_shown() -> None:
    with web_server() as web:
        web.files["m.pb"] = MLP
        model = load(f"{web.address('m.pb')}?signature=SECRET")
        assert "SECRET" not in repr(model.source) + str(model.place)
        with pytest.raises(StorageError) as caught:
            load(f"{web.address('no.pb')}?signature=SECRET")
        assert "SECRET" not in str(caught.value)


def test_members_of_a_folder_are_bounded(memory: Any) -> None:
    for number in range(30):
        memory.pipe_file(f"/many/{number}", b"x")
    with pytest.raises(LimitError, match="members"):
        load("memory://many", limits=Limits(members=20))


def test_inspect_takes_addresses(
    memory: Any, capsys: pytest.CaptureFixture[str], bucket: Bucket
) -> None:
    bucket.put("m.pb.gz", gzip.compress(MLP))
    done = run(capsys, "inspect", f"{bucket.address}/m.pb.gz")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{bucket.address}/m.pb.gz: frozen GraphDef")
