"""What plans take from outside of the graph: variables, tables and assets."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from migrator.errors import MigratorError
from migrator.formats.checkpoint import open_checkpoint
from migrator.migration.options import Choice
from migrator.migration.plan import Plan
from migrator.migration.planning import plan
from migrator.model.tensors import LazyTensor
from tests import wire
from tests.corpus import sample
from tests.handmade import (
    const,
    op,
    placeholder,
    text_const,
)
from tests.migration.planned import codes, copied, of, planned, steps, values


def test_values_come_from_the_entry_that_the_saver_maps_to_the_variable() -> None:
    """Its own saver puts the moving averages into the place of the weights."""
    found = values(of("tf1.15.5/sm_averages"))
    prefix = sample("tf1.15.5/sm_averages").path / "variables/variables"
    stored = open_checkpoint(prefix).tensors
    for name in ("dense/kernel", "dense/bias"):
        average = stored[f"{name}/ExponentialMovingAverage"].numpy()
        assert found[name].tobytes() == average.tobytes()


def test_plain_weights_are_taken_where_the_saver_restores_them() -> None:
    item = sample("tf1.15.5/mg_averages")
    stored = open_checkpoint(item.path.with_suffix("")).tensors
    found = values(planned(item))
    assert found["dense/kernel"].tobytes() == stored["dense/kernel"].numpy().tobytes()
    average = stored["dense/kernel/ExponentialMovingAverage"].numpy()
    assert found["dense/kernel"].tobytes() != average.tobytes()


@pytest.mark.parametrize(
    ("name", "whole", "axis"),
    [
        ("tf1.15.5/sm_partitioned", "net/table", 0),
        ("tf1.4.1/sm_partitioned", "net/table", 0),
        ("tf1.15.5/mg_sharded", "cut/table", 0),
        ("tf1.4.1/mg_sharded", "cut/table", 0),
    ],
)
def test_each_part_of_a_partitioned_variable_gets_its_slice(
    name: str, whole: str, axis: int
) -> None:
    item = sample(name)
    prefix = item.path / "variables/variables" if item.path.is_dir() else item.path.with_suffix("")
    stored = open_checkpoint(prefix).tensors[whole].numpy()
    parts = [v for n, v in sorted(values(planned(item)).items()) if n.startswith(f"{whole}/part_")]
    assert len(parts) > 1
    assert np.array_equal(np.concatenate(parts, axis), stored)


def test_what_loading_assigns_stands_over_the_checkpoint_and_what_it_computes_is_computed() -> None:
    found = of("tf1.15.5/sm_init_variables")
    by_name = {item.name: item for item in found.held}
    assert "scale" not in sample("tf1.15.5/sm_init_variables").record["checkpoint"]
    assert by_name["scale"].value is not None
    assert by_name["norm"].computed
    assert by_name["kernel"].value is not None
    assert found.initial is not None and "compute_initial" in steps(found)


@pytest.mark.parametrize("name", ["sm_counter", "sm_counter_resource"])
def test_a_variable_that_two_signatures_use_is_one_though_one_of_them_gives_it_out(
    name: str,
) -> None:
    """An output that is a reference variable itself: its handle needs a name of its own."""
    found = of(f"tf1.15.5/{name}")
    assert sorted(item.name for item in found.held) == [
        "state/calls",
        "state/kernel",
        "state/total",
    ]
    for signature in found.signatures:
        assert "state/calls" in signature.subgraph.handles.values()


def test_training_residue_is_not_held() -> None:
    item = sample("tf1.15.5/mg_train")
    found = {weight.name for weight in planned(item).held}
    assert found < set(item.record["checkpoint"])
    assert not any("Adam" in name or name == "global_step" for name in found)


def test_variables_of_one_name_train_each_as_its_object_says() -> None:
    found = {item.name: item.trainable for item in of("tf2.21.0/sm2_names").held}
    assert found == {"kernel": True, "kernel_1": True, "kernel_2": True, "calls": False}
    exported = {item.name: item.trainable for item in of("tf2.21.0/keras_export").held}
    assert {name for name, trains in exported.items() if not trains} == {
        "bn/moving_mean_1",
        "bn/moving_variance_1",
    }


def test_a_checkpoint_may_lie_elsewhere(tmp_path: Path) -> None:
    item = sample("tf1.15.5/sm_untagged")
    copy = copied(item, tmp_path)
    (copy / "variables").rename(tmp_path / "weights")
    assert codes(plan(copy)) == ["variable_missing", "variable_missing"]
    found = plan(copy, choice=Choice(checkpoint=str(tmp_path / "weights/variables")))
    assert found.blockers == ()
    assert {k: v.tobytes() for k, v in values(found).items()} == {
        k: v.tobytes() for k, v in values(planned(item)).items()
    }


def test_a_checkpoint_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(MigratorError, match=r"missing.*|no such checkpoint"):
        of("tf1.15.5/sm_untagged", checkpoint=str(tmp_path / "nothing"))


def test_a_graph_without_its_checkpoint_names_the_variables(tmp_path: Path) -> None:
    copy = copied(sample("tf1.15.5/mg_averages"), tmp_path)
    for file in copy.parent.glob("*.index"):
        file.unlink()
    found = plan(copy, inputs=["x"], outputs=["y"])
    assert {item.node for item in found.blockers} == {"dense/kernel", "dense/bias"}
    assert set(codes(found)) == {"variable_missing"}
    assert "no checkpoint lies beside the graph" in found.blockers[0].text


def test_a_variable_that_the_checkpoint_lacks_blocks_and_is_named() -> None:
    """The checkpoint of another graph: some names are in it, others are not."""
    other = sample("tf1.15.5/mg_averages").path.with_suffix("")
    found = of("tf1.15.5/sm_variables", checkpoint=str(other))
    assert set(codes(found)) == {"variable_missing"}
    assert any("net/hidden/kernel" in item.text for item in found.blockers)
    assert all("does not hold" in item.text for item in found.blockers)


def test_the_checkpoint_of_another_graph_is_told_by_its_shapes() -> None:
    """Both hold a dense/kernel, of different shapes."""
    other = sample("tf1.15.5/sm_tags").path / "variables/variables"
    found = of("tf1.15.5/sm_untagged", checkpoint=str(other))
    assert "variable_differs" in codes(found)
    text = next(item.text for item in found.blockers if item.code == "variable_differs")
    assert "'dense/kernel'" in text and "shape" in text


@pytest.mark.parametrize("name", ["tf1.15.5/mg_sharded", "tf1.15.5/sm_partitioned"])
def test_a_missing_shard_blocks_before_anything_runs(name: str, tmp_path: Path) -> None:
    item = sample(name)
    copy = copied(item, tmp_path)
    spans = [w.value.place() for w in planned(item).held if w.value is not None]
    used = {Path(span.path).name for span in spans if span is not None}
    assert used
    for shard in sorted((copy if copy.is_dir() else copy.parent).rglob("*.data-*")):
        aside = shard.rename(tmp_path / "aside")
        named = {}
        if item.kind == "meta_graph":
            named = {"inputs": [*item.inputs.values()], "outputs": [*item.outputs.values()]}
        found = plan(copy, **named)
        assert bool(found.blockers) == (shard.name in used)
        assert set(codes(found)) <= {"checkpoint_damaged"}
        assert all(shard.name in blocker.text for blocker in found.blockers)
        aside.rename(shard)


def test_a_shard_that_is_cut_off_blocks(tmp_path: Path) -> None:
    copy = copied(sample("tf1.15.5/sm_variables"), tmp_path)
    (shard,) = copy.rglob("*.data-*")
    os.truncate(shard, 10)
    found = plan(copy)
    assert set(codes(found)) == {"checkpoint_damaged"}
    assert any(shard.name in blocker.text for blocker in found.blockers)


# --- tables and assets


def test_tables_are_filled_from_the_files_of_the_model() -> None:
    found = of("tf1.15.5/sm_table")
    assert {Path(table.file).name for table in found.tables} == {"words.txt", "labels.txt"}
    assert all(Path(table.file).is_file() for table in found.tables)
    assert {table.kind for table in found.tables} == {"static"}
    assert "rebuild_tables" in steps(found)


def test_columns_of_a_file_keep_their_places() -> None:
    tables = of("tf1.15.5/sm_table_columns").tables
    assert len(tables) == 3
    assert {Path(table.file).name for table in tables} == {"towns.tsv"}
    places = {(t.settings["key_index"], t.settings["value_index"]) for t in tables}
    assert len(places) == 3
    assert {table.settings["delimiter"] for table in tables} == {b"\t"}


def test_mutable_tables_come_from_the_checkpoint() -> None:
    tables = {table.name: table for table in of("tf1.15.5/sm_table_mutable").tables}
    assert {name: table.kind for name, table in tables.items()} == {
        "counts": "mutable",
        "vectors": "dense",
    }
    for table in tables.values():
        assert isinstance(table.keys, LazyTensor) and isinstance(table.values, LazyTensor)
        assert len(table.keys.numpy()) == len(table.values.numpy()) > 0
    assert set(tables["vectors"].settings) == {"empty_key", "deleted_key"}


@pytest.mark.parametrize("release", ["tf1.4.1", "tf1.15.5"])
def test_a_hash_of_strangers_needs_nothing_but_its_table(release: str) -> None:
    tables = of(f"{release}/sm_table_vocabulary").tables
    assert {(str(table.key_dtype), str(table.value_dtype)) for table in tables} == {
        ("string", "int64"),
        ("int64", "string"),
    }


def test_a_path_that_tensorflow_2_keeps_in_a_variable_is_found() -> None:
    found = {table.name: table for table in of("tf2.21.0/sm2_tables").tables}
    assert Path(found["hash_table_1"].file).name == "words.txt"
    assert isinstance(found["hash_table"].keys, LazyTensor)


def test_a_vocabulary_that_is_missing_blocks_and_is_named(tmp_path: Path) -> None:
    copy = copied(sample("tf1.15.5/sm_table"), tmp_path)
    (copy / "assets/words.txt").unlink()
    found = plan(copy)
    assert codes(found) == ["table"]
    assert "'words.txt' is not in" in found.blockers[0].text
    assert found.blockers[0].fix


def test_a_file_that_the_graph_reads_itself_is_missed_as_well(tmp_path: Path) -> None:
    copy = copied(sample("tf1.15.5/sm_asset_tensor"), tmp_path)
    (copy / "assets/scales.csv").unlink()
    found = plan(copy)
    assert "asset_missing" in codes(found)
    assert any("scales.csv" in item.text for item in found.blockers)


def test_an_asset_that_nothing_reads_is_not_missed(tmp_path: Path) -> None:
    copy = copied(sample("tf1.15.5/sm_asset_tensor"), tmp_path)
    others = [file for file in (copy / "assets").iterdir() if file.name != "scales.csv"]
    assert others
    for file in others:
        file.unlink()
    assert plan(copy).blockers == ()


SECRET = b"root:x:0:0\n"


def hostile(folder: Path, path: bytes) -> Path:
    """A SavedModel whose table is filled from the text file ``path``."""
    model = folder / "place" / "model"
    (model / "assets").mkdir(parents=True)
    nodes = [
        placeholder("words", wire.S, (-1,)),
        text_const("path", path),
        const("none", -1, "int64"),
        op("table", "HashTableV2", key_dtype=wire.S, value_dtype=wire.I64),
        op("fill", "InitializeTableFromTextFileV2", "table", "path", key_index=0, value_index=1),
        op("ids", "LookupTableFindV2", "table", "words", "none", Tin=wire.S, Tout=wire.I64),
    ]
    (model / "saved_model.pb").write_bytes(wire.saved_model(wire.meta_graph(wire.graph(nodes))))
    (folder / "place" / "secret.txt").write_bytes(SECRET)
    (folder / "secret.txt").write_bytes(SECRET)
    return model


def ends(path: Path) -> Plan:
    return plan(path, inputs=["words"], outputs=["ids"])


@pytest.mark.parametrize(
    "path",
    [
        b"../secret.txt",
        b"../../secret.txt",
        b"assets/../../secret.txt",
        b"..\\..\\secret.txt",
        b"/etc/passwd",
        b"",
        b"..",
        b"assets/",
        b"\xff\xfe",
    ],
)
def test_no_path_leads_out_of_the_model(path: bytes, tmp_path: Path) -> None:
    found = ends(hostile(tmp_path, path))
    assert codes(found) == ["table"]
    assert found.tables == ()


def test_an_absolute_path_of_the_trainers_machine_means_the_file_in_the_model(
    tmp_path: Path,
) -> None:
    source = hostile(tmp_path, os.fsencode(tmp_path / "secret.txt"))
    (source / "assets/secret.txt").write_bytes(b"harmless\n")
    found = ends(source)
    assert found.blockers == ()
    (table,) = found.tables
    assert Path(table.file).read_bytes() == b"harmless\n"


def test_a_link_in_the_model_leads_nowhere(tmp_path: Path) -> None:
    source = hostile(tmp_path, b"secret.txt")
    (source / "assets/secret.txt").symlink_to(tmp_path / "secret.txt")
    assert codes(ends(source)) == ["table"]
