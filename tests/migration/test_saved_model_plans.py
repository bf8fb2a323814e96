"""Plans of SavedModels, MetaGraphs and hub modules: what is kept, found, rebuilt and refused."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.errors import MigratorError, NeedsDecision, UsageError
from migrator.formats.checkpoint import open_checkpoint
from migrator.inspection.summary import VARIABLE_OPS
from migrator.migration.naming import is_usable
from migrator.migration.options import Choice, with_spec
from migrator.migration.plan import PREDICT, Plan
from migrator.migration.planning import plan
from migrator.migration.signatures import parse_shapes
from migrator.migration.spec import Spec, parse_spec
from migrator.migration.storage.tables import KINDS
from migrator.model.tensors import LazyTensor, Shape
from tests import wire
from tests.corpus import HUB, META, SAVED, Sample, sample
from tests.handmade import (
    const,
    dense,
    model,
    op,
    placeholder,
    read_saved_model,
    text_const,
    unary,
)

SERVED = SAVED + HUB


def planned(item: Sample, **choice: Any) -> Plan:
    """The plan of a fixture, with its endpoints and feeds where it has no signatures."""
    named: dict[str, list[str]] = {}
    if item.kind == "meta_graph":
        named = {
            "inputs": [f"{name}={tensor}" for name, tensor in item.inputs.items()],
            "outputs": [f"{name}={tensor}" for name, tensor in item.outputs.items()],
            "feeds": [f"{tensor}={json.dumps(value)}" for tensor, value in item.feeds.items()],
        }
    return plan(item.path, choice=Choice(**choice), **named)


def of(name: str, **choice: Any) -> Plan:
    return planned(sample(name), **choice)


def codes(found: Plan) -> list[str]:
    return [blocker.code for blocker in found.blockers]


def steps(found: Plan) -> set[str]:
    return {step.code for step in found.steps}


def values(found: Plan) -> dict[str, Any]:
    """The variables whose values are known already, by name."""
    return {item.name: item.value.numpy() for item in found.held if item.value is not None}


def copied(item: Sample, folder: Path) -> Path:
    """A copy of a fixture's model that may be damaged; gives what a user would name."""
    source = item.path if item.path.is_dir() else item.path.parent
    shutil.copytree(source, folder / "copy")
    return folder / "copy" if item.path.is_dir() else folder / "copy" / item.path.name


# --- every fixture


@pytest.mark.parametrize("item", SERVED, ids=str)
def test_all_signatures_are_planned(item: Sample) -> None:
    found = planned(item)
    meta = next(m for m in item.model().meta_graphs if sorted(m.tags) == sorted(found.tags))
    wanted = [key for key in meta.signatures if not key.startswith("__saved_model")]
    assert [signature.key for signature in found.signatures] == wanted
    assert [signature.source_key for signature in found.signatures] == wanted
    for signature in found.signatures:
        assert signature.method_name == (meta.signatures[signature.key].method_name or PREDICT)
        names = [entry.name for entry in signature.inputs]
        assert all(map(is_usable, names))
        assert len({name.lower() for name in names}) == len(names)


@pytest.mark.parametrize("item", SERVED + META, ids=str)
def test_nothing_is_left_in_the_graph_that_must_come_from_outside(item: Sample) -> None:
    found = planned(item)
    assert found.blockers == ()
    parts = [signature.subgraph for signature in found.signatures]
    for part in [*parts, *([found.initial] if found.initial else [])]:
        for node in part.nodes:
            assert node.op not in VARIABLE_OPS and node.op not in KINDS, node.name
        held, tables = {w.name for w in found.held}, {t.name for t in found.tables}
        assert {*part.handles.values(), *part.weights.values()} <= held
        assert set(part.tables.values()) <= tables
        assert set(part.assets.values()) <= set(found.files)
    assert found.weights == "variables"
    assert found.weights_reason == "the source holds variables"


@pytest.mark.parametrize(
    "item", [item for item in SERVED + META if "checkpoint" in item.record], ids=str
)
def test_variables_have_the_types_of_the_checkpoint_and_train_as_the_source_says(
    item: Sample,
) -> None:
    found = planned(item)
    assert found.held
    stored = item.record["checkpoint"]
    for weight in found.held:
        if weight.name in stored and weight.value is not None:
            dtype, shape = stored[weight.name]
            assert [weight.value.dtype.name, weight.value.shape.as_list()] == [dtype, shape]
            assert weight.value.numpy().shape == tuple(shape)
    if "trainable" in item.record:
        trainable = {weight.name for weight in found.held if weight.trainable}
        assert trainable == set(item.record["trainable"]) & {w.name for w in found.held}


# --- signatures


def test_names_that_tensorflow_does_not_take_are_bent_and_the_record_says_how() -> None:
    found = of("tf1.15.5/sm_scattered")
    (signature,) = found.signatures
    by_tensor = {tensor: name for name, tensor in sample("tf1.15.5/sm_scattered").inputs.items()}
    renamed = {by_tensor[entry.tensor]: entry.name for entry in signature.inputs}
    assert renamed["class"] == "class_"
    assert renamed["in-put"] == "in_put"
    assert renamed["1st"] == "x1st"
    assert {renamed["a/b"], renamed["a_b"]} == {"a_b", "a_b_1"}
    assert len({renamed["x"].lower(), renamed["X"].lower()}) == 2
    assert [entry.name for entry in signature.outputs] == ["again y", "echo", "return", "y"]
    told = " ".join(step.text for step in found.steps if step.code == "rename")
    assert "'class_'" in told and "'in_put'" in told


def test_a_sparse_tensor_becomes_three_dense_ones() -> None:
    found = of("tf1.15.5/sm_sparse")
    entries = {entry.name: entry for entry in found.inputs}
    assert {name: str(entry.dtype) for name, entry in entries.items()} == {
        "scale": "float32",
        "words_values": "int64",
        "words_indices": "int64",
        "words_dense_shape": "int64",
    }
    assert entries["words_values"].shape.rank == 1
    assert entries["words_indices"].shape.rank == 2
    assert {"weights_values", "weights_indices", "weights_dense_shape"} < {
        entry.name for entry in found.outputs
    }


def test_classify_and_regress_keep_their_methods() -> None:
    found = of("tf1.15.5/sm_estimator")
    assert {item.key: item.method_name.rpartition("/")[2] for item in found.signatures} == {
        "classification": "classify",
        "predict": "predict",
        "regression": "regress",
        "serving_default": "classify",
    }


def test_one_signature_is_chosen_and_only_its_variables_are_held() -> None:
    found = of("tf2.21.0/sm2_choice", signatures=["fixed"])
    assert [item.key for item in found.signatures] == ["fixed"]
    assert [item.name for item in found.held] == ["spare"]


def test_a_signature_is_renamed_and_the_source_key_kept() -> None:
    found = of("tf1.15.5/sm_variables", signatures=["serving_default=embed", "probe=classify"])
    assert [(item.key, item.source_key) for item in found.signatures] == [
        ("serving_default", "embed"),
        ("probe", "classify"),
    ]


def test_one_signature_may_come_twice_under_two_names() -> None:
    found = of("tf1.15.5/sm_variables", signatures=["embed", "again=embed"])
    assert [item.source_key for item in found.signatures] == ["embed", "embed"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["nothing"], "has no signature 'nothing'.*classify, embed, serving_default"),
        (["new=nothing"], "has no signature 'nothing'"),
        (["embed", "embed=classify"], "'embed' is empty or taken"),
        (["=embed"], "'' is empty or taken"),
    ],
)
def test_signatures_that_cannot_be_chosen(asked: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        of("tf1.15.5/sm_variables", signatures=asked)


def test_a_bare_graph_has_no_signature_to_choose() -> None:
    with pytest.raises(UsageError, match="has no signatures"):
        of("tf1.15.5/mlp", signatures=["serving_default"])


def test_endpoints_may_be_named_in_a_saved_model_too() -> None:
    found = plan(sample("tf1.15.5/sm_variables").path, inputs=["net/x"], outputs=["net/embedded"])
    (signature,) = found.signatures
    assert (signature.key, signature.source_key) == ("serving_default", "")
    assert {item.name for item in found.held} == {"net/hidden/kernel", "net/hidden/bias"}


def test_a_tensor_of_a_signature_that_does_not_exist_is_named() -> None:
    signature = wire.block(1, "serve") + wire.block(2, entry(2, "y", "gone:0"))
    data = wire.saved_model(
        wire.meta_graph(
            wire.graph([placeholder("x"), unary("y", "Relu", "x")]), more=wire.block(5, signature)
        )
    )
    with pytest.raises(MigratorError, match=r"signature 'serve', 'y'.*no node 'gone'"):
        plan(read_saved_model(data))


def entry(field: int, name: str, tensor: str) -> bytes:
    """A SignatureDef with one input (field 1) or output (field 2)."""
    info = wire.block(1, tensor) + wire.number(2, wire.FLOAT)
    return wire.block(field, wire.block(1, name) + wire.block(2, info))


# --- meta graphs of one model


@pytest.mark.parametrize(
    ("name", "tags", "chosen"),
    [
        ("tf1.15.5/sm_tags", None, {"serve"}),
        ("tf1.15.5/sm_tags", ["gpu", "serve"], {"serve", "gpu"}),
        ("tf1.15.5/sm_tags", ["train"], {"train"}),
        ("tf1.15.5/hub_image", None, set()),
        ("tf1.15.5/hub_image", [], set()),
        ("tf1.15.5/hub_image", ["train"], {"train"}),
        ("tf1.15.5/sm_untagged", None, set()),
        ("tf1.15.5/sm_estimator_modes", None, {"serve"}),
    ],
)
def test_tags_choose_the_meta_graph(name: str, tags: list[str] | None, chosen: set[str]) -> None:
    assert set(of(name, tag_set=tags).tags) == chosen


def test_unknown_tags_list_the_real_ones() -> None:
    with pytest.raises(UsageError, match=r"tags nothing; it has: .*gpu"):
        of("tf1.15.5/sm_tags", tag_set=["nothing"])


# --- variables


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


# --- shapes


@pytest.mark.parametrize(
    ("text", "name", "dims"),
    [
        ("x=?,224,224,3", "x", (None, 224, 224, 3)),
        ("x=-1,4", "x", (None, 4)),
        ("x=[2, ?]", "x", (2, None)),
        ("x=", "x", ()),
        ("x=7", "x", (7,)),
        ("a=b=3", "a=b", (3,)),
    ],
)
def test_shapes_are_read(text: str, name: str, dims: tuple[int | None, ...]) -> None:
    assert parse_shapes([text]) == {name: Shape(dims)}


@pytest.mark.parametrize(
    "text", ["x", "x=a", "x=1,-2", "x=1.5", "x=1x3", "", "x=²", "x=٣", "x=1,,2", "x=" + "9" * 5000]
)
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no shape") as raised:
        parse_shapes([text])
    assert raised.value.hint


def test_shapes_are_fixed_or_relaxed() -> None:
    found = of("tf1.15.5/sm_variables", signatures=["serving_default"], shapes=["x=8,5"])
    assert found.inputs[0].shape == Shape((8, 5))
    relaxed = of("tf1.15.5/sm_variables", signatures=["serving_default"], shapes=["x=?,?"])
    assert relaxed.inputs[0].shape == Shape((None, None))


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (["x=8,5,1"], "3 dimensions.* has 2"),
        (["nothing=8,5"], "no input 'nothing'; the inputs are inputs, x"),
    ],
)
def test_shapes_that_do_not_fit(shapes: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        of("tf1.15.5/sm_variables", shapes=shapes)


# --- pictures


def test_pictures_are_planned_in_front_of_an_image_input() -> None:
    found = of("tf1.15.5/hub_image", signatures=["default"], decode_images=["images"])
    assert found.signatures[0].decode_images == {"images": "0..255"}
    scaled = of("tf1.15.5/hub_image", signatures=["default"], decode_images=["images=-1..1"])
    assert scaled.signatures[0].decode_images == {"images": "-1..1"}


@pytest.mark.parametrize(
    ("name", "asked", "words"),
    [
        ("tf1.15.5/hub_image", "nothing", "no input 'nothing'.*images"),
        ("tf1.15.5/hub_image", "images=0..2", "'0..2' is no range.*0..255, 0..1, -1..1"),
        ("tf1.15.5/sm_variables", "x", "'x' is float32 of shape .*no batch of pictures"),
        ("tf1.15.5/sm_table", "words", "'words' is string"),
    ],
)
def test_pictures_where_there_can_be_none(name: str, asked: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        of(name, decode_images=[asked])


# --- a spec file


def two_ended() -> Any:
    """A frozen graph of two inputs, two outputs and a switch."""
    return model(
        placeholder("left"),
        placeholder("right"),
        op("keep", "Placeholder", dtype=wire.F, shape=wire.Dims(())),
        *dense("first", "left"),
        op("scaled", "Mul", "right", "keep", T=wire.F),
        *dense("second", "scaled"),
    )


def spec_choice(*rows: dict[str, Any], **top: Any) -> Choice:
    return with_spec(Choice(), parse_spec({**top, "signature": list(rows)}))


FIRST = {"name": "first", "inputs": {"a": "left"}, "outputs": {"y": "first"}}
SECOND = {
    "name": "second",
    "inputs": {"b": "right:0"},
    "outputs": {"y": "second:0"},
    "feeds": {"keep": 1.0},
    "shapes": {"b": [2, 4]},
}


def test_a_spec_makes_two_signatures_of_one_frozen_graph() -> None:
    found = plan(two_ended(), choice=spec_choice(FIRST, SECOND))
    first, second = found.signatures
    assert (first.key, second.key) == ("first", "second")
    assert [(e.name, e.tensor) for e in first.inputs] == [("a", "left:0")]
    assert [(e.name, e.tensor, e.shape) for e in second.inputs] == [("b", "right:0", Shape((2, 4)))]
    assert [feed.tensor for feed in second.feeds] == ["keep:0"]
    assert first.feeds == ()
    assert "second" not in {node.name for node in first.subgraph.nodes}
    assert found.blockers == ()


def test_a_spec_chooses_and_renames_signatures_of_a_saved_model() -> None:
    rows = [{"name": "serve", "from": "embed"}, {"name": "classify", "from": "classify"}]
    found = plan(sample("tf1.15.5/sm_variables").path, choice=spec_choice(*rows))
    assert [(item.key, item.source_key) for item in found.signatures] == [
        ("serve", "embed"),
        ("classify", "classify"),
    ]
    assert found.signatures[1].method_name.endswith("classify")


def test_the_line_stands_over_the_spec() -> None:
    spec = Spec(weights="variables", control_flow="v1", optimize=True)
    chosen = with_spec(Choice(weights="constants"), spec)
    assert (chosen.weights, chosen.control_flow, chosen.optimize) == ("constants", "v1", True)
    assert with_spec(Choice(optimize=True), Spec(optimize=False)).optimize


@pytest.mark.parametrize(
    "line", [{"inputs": ["left"]}, {"outputs": ["first"]}, {"signatures": ["first"]}]
)
def test_a_line_that_contradicts_the_spec_is_refused(line: dict[str, Sequence[str]]) -> None:
    choice = with_spec(Choice(**line), parse_spec({"signature": [FIRST]}))
    with pytest.raises(UsageError, match="names the signatures, so the line cannot"):
        plan(two_ended(), choice=choice)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({**FIRST, "inputs": {"a": "lift"}}, "no node 'lift'"),
        ({**FIRST, "inputs": {"class": "left"}}, "'class' cannot be the name of an input"),
        ({**FIRST, "from": "serving_default"}, "has no signatures"),
        ({**SECOND, "shapes": {"b": [2]}}, "1 dimensions"),
        ({**SECOND, "feeds": {"keep": "much"}}, "much"),
        ({**FIRST, "decode_images": ["a"]}, "no batch of pictures"),
    ],
)
def test_what_a_spec_asks_for_in_vain_is_said(row: dict[str, Any], words: str) -> None:
    with pytest.raises(MigratorError, match=words):
        plan(two_ended(), choice=spec_choice(row))


def test_a_shape_in_a_spec_for_an_input_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="no input 'c'"):
        plan(two_ended(), choice=spec_choice({**SECOND, "shapes": {"c": [2, 4]}}))


def test_a_switch_that_the_spec_forgets_is_asked_for() -> None:
    row = {key: value for key, value in SECOND.items() if key != "feeds"}
    with pytest.raises(NeedsDecision) as raised:
        plan(two_ended(), choice=spec_choice(row))
    assert any("keep:0" in option for option in raised.value.options)


@pytest.mark.parametrize(("word", "value"), [("weights", "numbers"), ("control_flow", "loops")])
def test_words_that_are_none_of_the_choices(word: str, value: str) -> None:
    with pytest.raises(UsageError, match=value):
        Choice(**{word: value})
