"""From what a batch is given to its models: trees, globs, files, addresses, manifests."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from migrator.batching.manifest.faults import ManifestError
from migrator.batching.manifest.sources import list_sources, read_entries
from migrator.batching.names import name_fault
from migrator.errors import MigratorError
from tests import wire
from tests.batch.manifests import written
from tests.corpus import sample

GRAPH = wire.graph([wire.node("x", "Placeholder", [], {"dtype": wire.F})])
META = wire.meta_graph(GRAPH)
SAVED_MODEL = wire.saved_model(META)
INDEX = sample("tf1.15.5/mg_train").path.with_suffix(".index")


def put(path: Path, data: bytes = GRAPH) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def found(*sources: Path | str, base: Path) -> dict[str, str]:
    """Name -> source, relative to ``base``."""
    entries = read_entries(sources)
    assert not [fault for entry in entries if (fault := name_fault(entry.name))]
    return {entry.name: os.path.relpath(entry.source, base) for entry in entries}


def test_models_of_a_tree_are_named_by_their_place_in_it(tmp_path: Path) -> None:
    put(tmp_path / "zoo/a.pb")
    put(tmp_path / "zoo/sub/model.ckpt-10.meta", META)
    put(tmp_path / "zoo/sub/served/1/saved_model.pb", SAVED_MODEL)
    put(tmp_path / "zoo/no_suffix_v1.5")
    put(tmp_path / "zoo/README.md", b"# models\n")
    assert found(tmp_path / "zoo", base=tmp_path) == {
        "a": "zoo/a.pb",
        "no_suffix_v1.5": "zoo/no_suffix_v1.5",
        "sub/model.ckpt-10": "zoo/sub/model.ckpt-10.meta",
        "sub/served/1": "zoo/sub/served/1",
    }


def test_files_of_weights_alone_are_left_out_and_told(tmp_path: Path) -> None:
    import h5py

    (tmp_path / "zoo").mkdir()
    for name, config in (("whole", '{"class_name": "Sequential"}'), ("weights", "")):
        with h5py.File(tmp_path / "zoo" / f"{name}.h5", "w") as file:
            file.create_group("model_weights")
            if config:
                file.attrs["model_config"] = config
    listing = list_sources([tmp_path / "zoo"])
    assert [item.name for item in listing.entries] == ["whole"]
    (left,) = listing.skipped
    assert (Path(left.source).name, left.reason) == ("weights.h5", "is weights without a model")


def test_results_of_a_batch_in_a_tree_are_no_sources_but_can_be_named(tmp_path: Path) -> None:
    put(tmp_path / "zoo/a.pb")
    put(tmp_path / "zoo/deep/out/b/saved_model/saved_model.pb", SAVED_MODEL)
    put(tmp_path / "zoo/deep/out/c/saved_model/saved_model.pb", SAVED_MODEL)
    put(tmp_path / "zoo/deep/out/ledger.jsonl", b'{"schema": "migrator.batch-model/1"}\n')
    put(tmp_path / "zoo/own/ledger.jsonl", b"the accounts of March")
    put(tmp_path / "zoo/own/d.pb")
    listing = list_sources([tmp_path / "zoo"])
    assert [item.name for item in listing.entries] == ["a", "own/d"]
    assert ("deep/out", "holds the results of a batch") in [
        (os.path.relpath(item.source, tmp_path / "zoo"), item.reason) for item in listing.skipped
    ]
    named = tmp_path / "zoo/deep/out/b"
    assert found(named, base=tmp_path) == {"saved_model": "zoo/deep/out/b/saved_model"}


def test_one_model_named_by_its_folder_its_file_or_from_within_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "served/saved_model.pb", SAVED_MODEL)
    for source in (tmp_path / "served", tmp_path / "served/saved_model.pb"):
        assert found(source, base=tmp_path) == {"served": "served"}
    monkeypatch.chdir(tmp_path / "served")
    assert [(item.name, item.source) for item in read_entries(["."])] == [("served", ".")]


def test_checkpoints_belong_to_their_graph_and_are_left_out_alone(tmp_path: Path) -> None:
    weights = INDEX.read_bytes()
    put(tmp_path / "trained/m.meta", META)
    put(tmp_path / "trained/m.index", weights)
    put(tmp_path / "served/saved_model.pb", SAVED_MODEL)
    put(tmp_path / "served/variables/variables.index", weights)
    put(tmp_path / "alone/w.index", weights)
    listing = list_sources([tmp_path])
    assert [item.name for item in listing.entries] == ["served", "trained/m"]
    assert [(os.path.relpath(item.source, tmp_path), item.reason) for item in listing.skipped] == [
        ("alone/w.index", "is weights without a graph")
    ]
    assert found(tmp_path / "trained/m", base=tmp_path) == {"m": "trained/m.meta"}


def test_what_was_to_be_a_model_is_one_and_fails_later(tmp_path: Path) -> None:
    put(tmp_path / "cut.pb", GRAPH[:-3])
    put(tmp_path / "empty.pb", b"")
    put(tmp_path / "zeros.pb", bytes(100))
    put(tmp_path / "page.pb", b"<!DOCTYPE html>\n<html>")
    put(tmp_path / "pointer.h5", b"version https://git-lfs.github.com/spec/v1\n")
    os.symlink(tmp_path / "gone", tmp_path / "gone.pb")
    names = "cut empty gone page pointer zeros".split()
    assert list(found(tmp_path, base=tmp_path)) == names


def test_what_is_something_else_is_left_out_and_told(tmp_path: Path) -> None:
    put(tmp_path / "a.pb")
    put(tmp_path / "stats.pb", wire.block(7, b"xyz") + wire.number(9, 5))
    put(tmp_path / "labels.pbtxt", b"item {\n  id: 1\n}\n")
    put(tmp_path / "train" / "graph.pbtxt", b'node {\n  name: "x"\n  op: "NoOp"\n}\n')
    put(tmp_path / "train" / "x.meta", b"guid: 5\n")
    put(tmp_path / "text.pbtxt", b'node {\n  name: "x"\n  op: "NoOp"\n}\n')
    put(tmp_path / "asset.meta", b"guid: 5\n")
    put(tmp_path / "lite.tflite", (16).to_bytes(4, "little") + b"TFL3" + bytes(40))
    listing = list_sources([tmp_path])
    assert [item.name for item in listing.entries] == ["a", "text"]
    told = {os.path.basename(item.source): item.reason for item in listing.skipped}
    assert sorted(told) == "asset.meta graph.pbtxt labels.pbtxt lite.tflite stats.pb x.meta".split()
    assert told["lite.tflite"] == "is a TFLite model already"
    assert told["graph.pbtxt"] == "is the graph of the checkpoints beside it, as text"


def test_archives_and_tables_that_are_no_keras_models_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path / "a.pb")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("x.txt", "x")
    put(tmp_path / "noise.bin", b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert list(found(tmp_path, base=tmp_path)) == ["a"]


def test_names_that_are_alike_get_numbers(tmp_path: Path) -> None:
    for name in ("m.h5.pb", "m.pb", "M.pb", "m.meta", "m/x.pb", "m-2.pb"):
        put(tmp_path / "one" / name, META if name.endswith(".meta") else GRAPH)
    put(tmp_path / "two/m.pb")
    assert found(tmp_path / "one", tmp_path / "two", base=tmp_path) == {
        "M-3": "one/M.pb",
        "m-2": "one/m-2.pb",
        "m.h5": "one/m.h5.pb",
        "m-4": "one/m.meta",
        "m-5": "one/m.pb",
        "m/x": "one/m/x.pb",
        "m-6": "two/m.pb",
    }


def test_odd_file_names_become_names_that_every_file_system_takes(tmp_path: Path) -> None:
    for name in ("CON.pb", "a:b?.pb", "sp ace .pb", ".hidden/x.pb", "new\nline.pb", "ü.pb", "%.pb"):
        put(tmp_path / name)
    put(tmp_path / os.fsdecode(b"latin\xe9.pb"))
    put(tmp_path / ("n" * 240 + ".pb"))
    put(tmp_path / "index.html.pb")
    entries = read_entries([tmp_path])
    names = {item.name for item in entries}
    assert all(not name_fault(name) and name.isprintable() for name in names)
    assert {"%43ON", "a%3Ab%3F", "sp ace%20", "%2Ehidden/x", "new%0Aline", "ü", "%25"} <= names
    assert {"latin%E9", "%69ndex.html"} <= names
    assert len(names) == len(entries) == 10


def test_the_same_tree_gives_the_same_names_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.pb", "a.meta", "b/a.pb"):
        put(tmp_path / "zoo" / name, META if name.endswith(".meta") else GRAPH)
    names = [item.name for item in read_entries([tmp_path / "zoo"])]
    monkeypatch.chdir(tmp_path)
    assert [item.name for item in read_entries(["zoo"])] == names
    assert [item.name for item in read_entries(["./zoo/"])] == names
    monkeypatch.chdir(tmp_path / "zoo")
    assert [item.name for item in read_entries(["."])] == names


def test_a_model_that_is_reached_twice_counts_once(tmp_path: Path) -> None:
    put(tmp_path / "zoo/a.pb")
    os.symlink(tmp_path / "zoo/a.pb", tmp_path / "zoo/b.pb")
    assert list(found(tmp_path / "zoo", tmp_path / "zoo/a.pb", base=tmp_path)) == ["a"]


def test_patterns_are_named_from_their_fixed_part(tmp_path: Path) -> None:
    put(tmp_path / "zoo/x/m.pb")
    put(tmp_path / "zoo/y/m.pb")
    put(tmp_path / "zoo/y/deep/er/n.meta", META)
    put(tmp_path / "zoo/served/saved_model.pb", SAVED_MODEL)
    assert found(tmp_path / "zoo/*/m.pb", base=tmp_path) == {
        "x/m": "zoo/x/m.pb",
        "y/m": "zoo/y/m.pb",
    }
    assert list(found(tmp_path / "zoo/**/*.meta", base=tmp_path)) == ["y/deep/er/n"]
    assert list(found(tmp_path / "zoo/[sy]*", base=tmp_path)) == ["served", "y/deep/er/n", "y/m"]
    put(tmp_path / "zoo/odd[1].pb")
    assert list(found(tmp_path / "zoo/odd[1].pb", base=tmp_path)) == ["odd%5B1%5D"[:3] + "[1]"]


def test_missing_sources_and_patterns_that_fit_nothing_are_told_together(tmp_path: Path) -> None:
    put(tmp_path / "zoo/model.pb")
    with pytest.raises(ManifestError) as caught:
        read_entries([tmp_path / "zoo/modle.pb", tmp_path / "zoo/*.h5", "", "a\0b"])
    told = "\n".join(caught.value.faults)
    assert caught.value.count == 4 and caught.value.exit_code == 2
    assert "did you mean model.pb?" in told and "*.h5: fits no model" in told


def test_a_tree_without_models_and_no_source_at_all_are_told(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no model is found in"):
        read_entries([tmp_path])
    with pytest.raises(ManifestError, match="no source is given"):
        read_entries([])


def test_what_is_excluded_is_not_entered(tmp_path: Path) -> None:
    put(tmp_path / "a.pb")
    put(tmp_path / "out/b/saved_model.pb", SAVED_MODEL)
    listing = list_sources([tmp_path], exclude=[f"{tmp_path}/out"])
    assert [item.name for item in listing.entries] == ["a"]


def test_what_a_manifest_says_of_a_model_goes_before_its_tree(tmp_path: Path) -> None:
    put(tmp_path / "zoo/a.pb")
    put(tmp_path / "zoo/b.pb")
    put(tmp_path / "zoo/s/saved_model.pb", SAVED_MODEL)
    text = "name,source,inputs\nmine,zoo/a.pb,x\nb,zoo/s,x\n"
    manifest = written(tmp_path, "decided.csv", text)
    for sources in ([manifest, tmp_path / "zoo"], [tmp_path / "zoo", manifest]):
        names = {item.name: item.inputs for item in read_entries(sources)}
        assert names == {"mine": ("x",), "b": ("x",), "b-2": ()}


def test_an_address_is_one_model_or_what_is_below_it(tmp_path: Path) -> None:
    one, two = read_entries(["s3://bucket/zoo/a.pb", "gs://b/served"])
    assert (one.name, one.source) == ("a", "s3://bucket/zoo/a.pb")
    assert (two.name, two.source) == ("served", "gs://b/served")
    below = ["s3://b/zoo/x/m.pb", "s3://b/zoo/y/saved_model.pb", "s3://b/zoo/y%2F"]
    listing = list_sources(["s3://b/zoo/"], expand=lambda address: below)
    assert [item.name for item in listing.entries] == ["x/m", "y", "y%252F"]

    def refuse(address: str) -> list[str]:
        raise MigratorError("is not reached", where=address)

    with pytest.raises(ManifestError, match="s3://b/zoo: is not reached"):
        list_sources(["s3://b/zoo"], expand=refuse)
    with pytest.raises(ManifestError, match="copy it first"):
        list_sources(["s3://b/models.yaml"])


def test_a_model_whose_suffix_is_that_of_a_manifest_is_told_by_content(tmp_path: Path) -> None:
    put(tmp_path / "model.json", GRAPH)
    put(tmp_path / "model.x", b"just a text\n")
    assert list(found(tmp_path / "model.json", tmp_path / "model.x", base=tmp_path)) == [
        "model.json",
        "model.x",
    ]
