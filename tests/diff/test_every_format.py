"""``diff`` over all formats: nothing differs from itself, and what two formats have in common."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import migrator
from migrator.diffing.asked import below, layer_of
from migrator.diffing.result import Diff, WeightChange
from tests import handmade as h
from tests.corpus import FIXTURES, HUB, KERAS, META, SAMPLES, Sample, sample

TFLITE = sorted((FIXTURES / "tflite_files").glob("*.tflite"))
TWINS = FIXTURES / "text_twins" / "tf1.15.5"
CHECKPOINTS = sorted(
    path.with_suffix("") for path in FIXTURES.glob("tf1.15.5/**/*.index")
) + sorted(FIXTURES.glob("tf1.15.5/mg_version_1/trained/model.ckpt-10"))
CONV = sample("tf1.15.5/keras2_conv").path
MODEL_H5 = sample("tf2.21.0/keras_h5").path
MODEL_KERAS = sample("tf2.21.0/keras_zip").path


def _is_nothing(found: Diff) -> bool:
    return found.identical and not (
        found.nodes
        or found.scopes
        or found.weights
        or found.signatures
        or found.functions
        or found.others
        or found.counts["weights_different"]
    )


@pytest.mark.parametrize("item", SAMPLES, ids=str)
def test_every_fixture_read_twice_differs_in_nothing(item: Sample) -> None:
    found = migrator.diff(migrator.load(item.path), migrator.load(item.path))
    assert _is_nothing(found)
    assert found.same_computation


@pytest.mark.parametrize("path", [*TFLITE, *CHECKPOINTS], ids=lambda path: path.name)
def test_every_file_read_twice_differs_in_nothing(path: Path) -> None:
    found = migrator.diff(migrator.load(path), migrator.load(path))
    assert _is_nothing(found)
    assert found.same_computation


@pytest.mark.parametrize("path", [CONV, MODEL_KERAS, TFLITE[0]], ids=lambda path: path.name)
def test_what_lies_in_an_archive_is_the_file(path: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, path.name)
    assert _is_nothing(migrator.diff(path, packed))


@pytest.mark.parametrize(
    ("binary", "text"),
    [("graph.pb", "graph.pbtxt"), ("model.ckpt.meta", "model.ckpt.meta.pbtxt"), ("binary", "text")],
)
def test_text_says_the_same_as_binary(binary: str, text: str) -> None:
    assert _is_nothing(migrator.diff(TWINS / binary, TWINS / text))
    assert _is_nothing(migrator.diff(TWINS / text, TWINS / binary))


# Keras against Keras


def _with_weight(path: Path, dest: Path, name: str) -> Path:
    """A copy of an HDF5 file where the first element of ``name`` is another."""
    weight = migrator.load(path).variables[name]
    place = weight.place()
    assert place is not None
    data = bytearray(path.read_bytes())
    data[place.offset : place.offset + 4] = np.float32(7).tobytes()
    dest.write_bytes(data)
    return dest


def test_a_layer_with_other_values_is_told_by_its_weight(tmp_path: Path) -> None:
    other = _with_weight(CONV, tmp_path / "other.h5", "conv/kernel:0")
    found = migrator.diff(CONV, other)
    assert not found.identical
    assert not found.same_computation
    assert not found.nodes
    (change,) = found.weights
    assert (change.left, change.kind) == ("conv/kernel:0", "values")
    assert change.share == 1 / change.elements
    assert found.headline[0].startswith("same network; 1 of ")


def test_hdf5_and_keras_zip_of_one_model_are_one_network() -> None:
    found = migrator.diff(MODEL_H5, MODEL_KERAS)
    assert found.same_computation
    assert found.headline == ("same network; weights equal",)
    assert [change.field for change in found.others] == ["format"]
    assert migrator.diff(MODEL_H5, MODEL_KERAS, ignore=["versions"]).identical


def test_model_explorer_marks_the_layer_of_a_changed_weight(tmp_path: Path) -> None:
    other = _with_weight(CONV, tmp_path / "other.h5", "conv/kernel:0")
    files = migrator.explore(CONV, other, audit=False).files
    (graph,) = files["right.weights.json"].values()
    assert list(graph["results"]) == ["conv"]


def test_a_weight_is_called_as_in_its_layer_also_behind_the_models_own_name() -> None:
    for weight in ("outer/dense/kernel", "dense/kernel", "sequential_12/outer/dense/kernel"):
        layer = layer_of(weight, {"outer", "dense"})
        assert below(weight, layer) == ("dense/kernel" if "outer" in weight else "kernel")


def test_weights_alone_are_held_against_a_model_by_name(tmp_path: Path) -> None:
    import h5py

    alone = tmp_path / "weights.h5"
    with h5py.File(CONV) as whole, h5py.File(alone, "w") as made:
        for key, value in whole["model_weights"].attrs.items():
            made.attrs[key] = value
        for key in whole["model_weights"]:
            whole.copy(whole["model_weights"][key], made, key)
    found = migrator.diff(CONV, alone)
    assert found.headline[0] == "the same weights; the same values"
    assert "no graph on the right" in found.headline[1]
    assert not found.same_computation  # the right does not say what it computes
    assert found.counts["weights_equal"] == len(migrator.weights(CONV))


def test_lambda_layers_with_other_code_are_not_the_same(tmp_path: Path) -> None:
    from migrator.formats.keras.attrs import layer_attrs

    code = "A" * 500
    one, other = (
        layer_attrs({"config": {"function": [text, None, None]}}) for text in (code, f"{code}B")
    )
    assert one["function"] != other["function"]


# TFLite against TFLite


def _changed(path: Path, dest: Path, edit: Callable[[bytearray], None]) -> Path:
    data = bytearray(path.read_bytes())
    edit(data)
    dest.write_bytes(data)
    return dest


def test_another_scale_alone_is_another_computation(tmp_path: Path) -> None:
    path = FIXTURES / "tflite_files" / "integer.tflite"
    node = migrator.load(path).graph.by_name["MatMul1"]
    scales = node.attrs["_scale"]
    assert isinstance(scales, list)
    old = np.array(scales, "<f4").tobytes()

    def double(data: bytearray) -> None:
        at = data.index(old)
        data[at : at + len(old)] = (2 * np.array(scales, "<f4")).tobytes()

    found = migrator.diff(path, _changed(path, tmp_path / "other.tflite", double))
    assert not found.same_computation
    (node_change,) = found.nodes
    assert node_change.left == "MatMul1"
    assert [change.field for change in node_change.changes] == ["attr scale"]


def test_quantised_weights_are_compared_as_weights(tmp_path: Path) -> None:
    path = FIXTURES / "tflite_files" / "integer.tflite"
    value = migrator.load(path).variables["MatMul1"].numpy().tobytes()

    def edit(data: bytearray) -> None:
        data[data.index(value)] ^= 1

    found = migrator.diff(path, _changed(path, tmp_path / "other.tflite", edit))
    assert [(item.left, item.kind) for item in found.weights] == [("MatMul1", "values")]
    assert not found.same_computation


def test_quantising_a_model_is_told() -> None:
    folder = FIXTURES / "tflite_files"
    found = migrator.diff(folder / "plain.tflite", folder / "integer.tflite")
    assert any("quantised: float32 became int8" in line for line in found.headline)
    assert not found.same_computation


def test_quantised_weights_are_held_against_the_numbers_that_they_stand_for() -> None:
    folder = FIXTURES / "tflite_files"
    found = migrator.diff(folder / "plain.tflite", folder / "integer.tflite")
    (change,) = [item for item in found.weights if item.left == "MatMul1"]
    plain = migrator.load(folder / "plain.tflite").variables["MatMul1"].numpy()
    whole = migrator.load(folder / "integer.tflite")
    scales = np.array(whole.graph.by_name["MatMul1"].attrs["_scale"], np.float32)
    numbers = whole.variables["MatMul1"].numpy() * scales[:, None]
    assert change.kind == "dtype"
    assert change.max_abs == pytest.approx(np.abs(plain - numbers).max(), rel=1e-6)


def test_text_for_git_shows_other_values_of_a_keras_file(tmp_path: Path) -> None:
    from migrator.report.canonical_text import canonical_text

    other = _with_weight(CONV, tmp_path / "other.h5", "conv/kernel:0")
    one, two = (list(canonical_text(migrator.load(path))) for path in (CONV, other))
    assert [a.split(":")[0] for a, b in zip(one, two, strict=True) if a != b] == [
        "variable conv/kernel"
    ]


# Across formats


def _kinds(found: Diff) -> set[str]:
    return {item.kind for item in found.weights}


@pytest.mark.parametrize("item", META, ids=str)
def test_a_checkpoint_holds_what_its_meta_graph_names(item: Sample) -> None:
    prefix = item.path.with_suffix("")
    found = migrator.diff(prefix, item.path)
    assert found.counts["weights_different"] == found.counts["weights_unknown"] == 0
    assert _kinds(found) <= {"removed"}  # what the graph does not keep, such as averages
    back = migrator.diff(item.path, prefix)
    assert back.counts["weights_equal"] == found.counts["weights_equal"] > 0
    assert _kinds(back) <= {"added"}


def test_both_versions_of_a_checkpoint_are_equal(tmp_path: Path) -> None:
    from tests.tables_v1 import checkpoint

    folder = sample("tf1.15.5/mg_train").path.parent
    newer = migrator.load(folder / "model.ckpt-10")
    older = tmp_path / "old.ckpt"
    older.write_bytes(checkpoint({k: v.numpy() for k, v in newer.variables.items()}))
    assert _is_nothing(migrator.diff(older, folder / "model.ckpt-10"))


def test_frozen_graph_holds_its_checkpoints_values(tmp_path: Path) -> None:
    """By name, and where names are others by value: each is told with its new name."""
    values = {"a/kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "a/bias": np.ones(3, "f4")}
    one = h.model(*[h.const(name, value) for name, value in values.items()])
    turned = {
        "net/a/kernel": values["a/kernel"] + 1,
        "something": np.ones(3, "f4"),
    }
    other = h.model(*[h.const(name, value) for name, value in turned.items()])
    found = _by_weights(one, other)
    assert _told(found.weights) == {("a/kernel", "net/a/kernel", "values")}
    assert {(item.left, item.right) for item in found.nodes} == {
        ("a/bias", "something"),
        ("a/kernel", "net/a/kernel"),
    }


def _by_weights(left: migrator.Model, right: migrator.Model) -> Diff:
    from migrator.diffing.by_weights import compare_by_weights
    from migrator.diffing.options import DiffOptions

    metas = left.meta_graphs[0], right.meta_graphs[0]
    return compare_by_weights(left, right, metas, DiffOptions())


def _told(changes: tuple[WeightChange, ...]) -> set[tuple[str, str, str]]:
    return {(item.left, item.right, item.kind) for item in changes}


@pytest.mark.parametrize("order", [(1, 0), (2, 0, 1), (3, 0, 1, 2)])
def test_weights_laid_out_in_another_order_are_found_equal(order: tuple[int, ...]) -> None:
    shape = (2, 3, 4, 5)[: len(order)]
    value = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    one = h.model(h.const("kernel", value))
    other = h.model(h.const("arith.constant3", np.ascontiguousarray(value.transpose(order))))
    found = _by_weights(one, other)
    assert found.counts["weights_equal"] == 1
    assert found.counts["weights_different"] == 0
    assert "1 weight equal in another layout" in found.headline


def test_equal_sums_alone_make_no_pair() -> None:
    value = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    shuffled = np.random.default_rng(1).permutation(value.reshape(-1)).reshape(4, 6)
    found = _by_weights(h.model(h.const("a", value)), h.model(h.const("b", shuffled)))
    assert _kinds(found) == {"added", "removed"}


def test_kinds_of_graphs_that_no_node_has_in_common_say_so() -> None:
    found = migrator.diff(MODEL_H5, TFLITE[0])
    assert not found.identical
    assert not found.same_computation
    assert not any(item.kind != "renamed" for item in found.nodes)
    assert any("Keras layers and TFLite operators" in line for line in found.headline)


def test_saved_model_of_keras_has_the_weights_of_its_keras_file() -> None:
    found = migrator.diff(sample("tf2.21.0/keras_export").path, MODEL_H5)
    assert found.counts["weights_equal"] == 10
    assert found.counts["weights_different"] == 0
    assert not [item for item in found.signatures if item.kind != "changed"]


@pytest.mark.parametrize("item", [*HUB, *KERAS], ids=str)
@pytest.mark.parametrize("form", ["text", "json", "markdown", "html"])
def test_every_report_takes_two_kinds(
    item: Sample, form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from migrator.cli.main import main

    assert main(["diff", str(item.path), str(TFLITE[0]), "--format", form]) == 1
    assert capsys.readouterr().out
