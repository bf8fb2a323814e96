"""The weights of Keras files by name, and HDF5 that only looks like Keras."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.errors import UnsupportedFormat
from migrator.formats.load import load
from migrator.inspection.node import describe_node
from migrator.inspection.summary import summarize
from migrator.inspection.tree import scope_tree
from migrator.report.text import inspect_text
from tests.formats.keras_pieces import ENTRY, archive, functional, hdf5, layer

pytest.importorskip("h5py")


def test_weights_alone_of_keras_2(tmp_path: Path) -> None:
    items = {
        "@layer_names": [b"b", b"a", b"none"],
        "@keras_version": "2.4.0",
        "@backend": "tensorflow",
        "b@weight_names": [b"b/kernel:0", b"b/bias:0", b"b/gone:0"],
        "b/b/kernel:0": np.ones((2, 2)),
        "b/b/bias:0": np.ones(2),
        "a@weight_names": [b"a_W", b"b/kernel:0"],
        "a/a_W": np.ones(1),
        "a/b/kernel:0": np.ones(3),
        "stray": np.ones(4),
    }
    (tmp_path / "w.h5").write_bytes(hdf5(items))
    model = load(tmp_path / "w.h5")
    assert model.meta_graphs == ()
    assert model.producer == "Keras 2.4.0, backend tensorflow"
    assert list(model.variables) == ["b/kernel:0", "b/bias:0", "a/a_W", "a/b/kernel:0"]
    assert model.warnings == ("2 of its weights are listed and not there: 'b/b/gone:0', 'none'",)
    with pytest.raises(UnsupportedFormat, match="weights without a graph"):
        model.require_graph()
    assert "Keras 2.4.0" in inspect_text(summarize(model))


def test_weights_are_those_of_the_layer_in_whose_group_they_lie(tmp_path: Path) -> None:
    first = layer("conv_1", "Conv1D", [[["x", 0, 0]], [["x", 0, 0]]])
    inner = functional(ENTRY, layer("conv_1", "Conv1D", [[["x", 0, 0]]]), name="inner")
    config = functional(ENTRY, first, {**inner, "inbound_nodes": [[["conv_1", 0, 0]]]})
    items = {
        "@model_config": json.dumps(config),
        "model_weights@layer_names": [b"conv_1", b"inner"],
        "model_weights/conv_1@weight_names": [b"conv_1_2/kernel:0", b"other/bias:0"],
        "model_weights/conv_1/conv_1_2/kernel:0": np.ones((2, 2)),
        "model_weights/conv_1/other/bias:0": np.ones(2),
        "model_weights/inner@weight_names": [b"conv_1/kernel:0"],
        "model_weights/inner/conv_1/kernel:0": np.ones(3),
    }
    (tmp_path / "m.h5").write_bytes(hdf5(items))
    model = load(tmp_path / "m.h5")
    assert list(model.variables) == ["conv_1_2/kernel:0", "other/bias:0", "conv_1/kernel:0"]

    def held(name: str) -> list[str]:
        return list(describe_node(model, name).own_weights)

    assert held("conv_1") == held("conv_1/call_1") == ["conv_1_2/kernel:0", "other/bias:0"]
    assert held("inner") == held("inner/conv_1") == ["conv_1/kernel:0"]
    assert held("x") == []
    scopes = [item for item in scope_tree(model).children if not item.is_function]
    assert [(item.name, item.nodes, item.parameters) for item in scopes] == [
        ("conv_1", 2, 6),
        ("inner", 1, 3),
    ]


def test_numbered_weights_have_the_names_of_their_layers(tmp_path: Path) -> None:
    small = functional(ENTRY, layer("low", "Dense", [[["x", 0, 0]]], use_bias=False), name="small")
    config = functional(
        ENTRY,
        layer("first", "Dense", [[["x", 0, 0]]]),
        {**small, "inbound_nodes": [[["first", 0, 0]]]},
        layer("norm", "BatchNormalization", [[["small", 0, 0]]], scale=False),
        layer("second", "Dense", [[["norm", 0, 0]]]),
        layer("mine", "Mine>Special", [[["second", 0, 0]]]),
        layer("steps", "LSTM", [[["mine", 0, 0]]]),
    )
    paths = {
        "layers/dense/vars/0": "first/kernel",
        "layers/dense/vars/1": "first/bias",
        "layers/functional/layers/dense/vars/0": "small/low/kernel",
        "layers/batch_normalization/vars/0": "norm/beta",
        "layers/batch_normalization/vars/1": "norm/moving_mean",
        "layers/batch_normalization/vars/2": "norm/moving_variance",
        "layers/dense_1/vars/0": "second/kernel",
        "layers/dense_1/vars/1": "second/bias",
        "layers/special/vars/0": "layers/special/vars/0",
        "layers/special/vars/10": "layers/special/vars/10",
        "layers/special/vars/2": "layers/special/vars/2",
        "layers/lstm/cell/vars/0": "steps/lstm_cell/kernel",
        "layers/lstm/cell/vars/1": "steps/lstm_cell/recurrent_kernel",
        "layers/lstm/cell/vars/2": "steps/lstm_cell/bias",
    }
    data = {path: np.full(3, float(number)) for number, path in enumerate(paths)}
    for form in ("layers", "_layer_checkpoint_dependencies"):
        stored = {path.replace("layers", form): value for path, value in data.items()}
        stored["optimizer/vars/0"] = np.ones(1)
        model = load(archive(tmp_path / "m.keras", config, hdf5(stored)))
        wanted = {name.replace("layers", form): path for path, name in paths.items()}
        assert {name: int(item.numpy()[0]) for name, item in model.variables.items()} == {
            name: int(data[path][0]) for name, path in wanted.items()
        }
    names = [name for name in model.variables if "special" in name]
    assert [name[-2:].strip("/") for name in names] == ["0", "2", "10"]
    assert list(describe_node(model, "mine").own_weights) == names
    mine = next(item for item in scope_tree(model).children if item.name == "mine")
    assert (mine.nodes, mine.parameters) == (1, 9)
    assert [(item.name, item.parameters) for item in mine.children] == [("vars", 9)]


@pytest.mark.parametrize("version", ["2.15.0", "3.0.0"])
def test_layers_inside_of_a_layer_are_called_as_keras_calls_them(
    version: str, tmp_path: Path
) -> None:
    def inner(kind: str, name: str, **settings: Any) -> dict[str, Any]:
        return {"class_name": kind, "config": {"name": name, **settings}}

    cells = [inner("LSTMCell", "a"), inner("LSTMCell", "b"), inner("GRUCell", "c", use_bias=False)]
    stack = inner("StackedRNNCells", "stack", cells=cells)
    config = functional(
        ENTRY,
        layer("each", "TimeDistributed", [[["x", 0, 0]]], layer=inner("Dense", "hidden")),
        layer("both", "Bidirectional", [[["each", 0, 0]]], layer=inner("RNN", "r", cell=stack)),
        layer("look", "MultiHeadAttention", [[["both", 0, 0]]], use_bias=False),
        layer("norm", "SpectralNormalization", [[["look", 0, 0]]], layer=inner("Dense", "flat")),
    )
    of_2 = version.startswith("2")
    paths = {
        "layers/time_distributed/layer/vars/0": "each/kernel" if of_2 else "each/hidden/kernel",
        "layers/multi_head_attention/_query_dense/vars/0": "look/query/kernel",
        "layers/multi_head_attention/_output_dense/vars/0": "look/attention_output/kernel",
        "layers/spectral_normalization/layer/vars/0": (
            "norm/kernel" if of_2 else "norm/flat/kernel"
        ),
        "layers/spectral_normalization/vars/1": "norm/vector_u",
    }
    rnn = "layers/bidirectional/forward_layer/cell/cells"
    called = "both/forward_r" if of_2 else "both/r"
    for number, kept in enumerate(("kernel", "recurrent_kernel", "bias")):
        paths[f"{rnn}/lstm_cell_1/vars/{number}"] = f"{called}/stack/b/{kept}"
    paths[f"{rnn}/gru_cell/vars/0"] = f"{called}/stack/c/kernel"
    paths[f"{rnn}/gru_cell/vars/1"] = f"{called}/stack/c/recurrent_kernel"
    stored: dict[str, Any] = {path: np.ones((2, 3)) for path in paths}
    stored["layers/spectral_normalization/vars/0"] = np.ones((2, 3))  # the layer's kernel again
    model = load(archive(tmp_path / "m.keras", config, hdf5(stored), version=version))
    assert set(model.variables) == set(paths.values())


def test_weights_of_an_inner_model_are_those_of_its_layers_in_older_files(tmp_path: Path) -> None:
    deep = functional(ENTRY, layer("low", "Dense", [[["x", 0, 0]]]), name="deep")
    tower = functional(ENTRY, {**deep, "inbound_nodes": [[["x", 0, 0]]]}, name="tower")
    config = functional(
        ENTRY,
        layer("low", "Dense", [[["x", 0, 0]]]),
        {**tower, "inbound_nodes": [[["low", 0, 0]]]},
    )
    items = {
        "@model_config": json.dumps(config),
        "model_weights@layer_names": [b"tower", b"low"],
        "model_weights/tower@weight_names": [b"low/kernel:0"],
        "model_weights/tower/low/kernel:0": np.ones(3),
        "model_weights/low@weight_names": [b"low/kernel:0"],
        "model_weights/low/low/kernel:0": np.ones(2),
    }
    (tmp_path / "m.h5").write_bytes(hdf5(items))
    model = load(tmp_path / "m.h5")

    def held(name: str) -> list[int | None]:
        return [item.shape.elements for item in describe_node(model, name).own_weights.values()]

    assert held("low") == [2]
    assert held("tower") == held("tower/deep/low") == [3]
    tops = [item for item in scope_tree(model).children if not item.is_function]
    scopes = {item.name: item.parameters for item in tops}
    assert (scopes["low"], scopes["tower"]) == (2, 3)


@pytest.mark.parametrize(
    ("version", "metrics", "called"),
    [
        ("2.21.0", False, "depthwise_kernel"),
        ("3.9.0", False, "kernel"),
        (None, True, "depthwise_kernel"),
        (None, False, "kernel"),
    ],
)
def test_what_keras_2_numbered_has_its_names_there_and_metrics_are_no_weights(
    version: str | None, metrics: bool, called: str, tmp_path: Path
) -> None:
    path = "layers/depthwise_conv2d/vars"
    items: dict[str, Any] = {f"{path}/0": np.ones((3, 3, 2, 1)), f"{path}/1": np.ones(2)}
    if metrics:
        items |= {"metrics/mean/vars/0": np.ones(()), "metrics/mean/vars/1": np.ones(())}
    if version is not None:
        items["@keras_version"] = version
    (tmp_path / "m.weights.h5").write_bytes(hdf5(items))
    model = load(tmp_path / "m.weights.h5")
    assert list(model.variables) == [f"depthwise_conv2d/{called}", "depthwise_conv2d/bias"]


def test_names_that_the_file_gives_itself_come_first(tmp_path: Path) -> None:
    items = {
        "layers/dense/vars@name": "hidden",
        "layers/dense/vars/0": np.ones((1, 2)),
        "layers/dense/vars/1": np.ones(2),
    }
    (tmp_path / "m.weights.h5").write_bytes(hdf5(items))
    model = load(tmp_path / "m.weights.h5")
    assert list(model.variables) == ["hidden/kernel", "hidden/bias"]
    assert model.meta_graphs == () and model.warnings == ()


def test_other_hdf5_is_shown_by_its_paths_and_told(tmp_path: Path) -> None:
    (tmp_path / "d.h5").write_bytes(hdf5({"a/b": np.ones(2), "c": np.ones(1)}))
    model = load(tmp_path / "d.h5")
    assert list(model.variables) == ["a/b", "c"]
    assert "without any mark of Keras" in model.warnings[0]


@pytest.mark.parametrize(
    "items",
    [
        {"a/b": np.ones(2)},
        {"layers/counts": np.ones(2), "X": np.ones(3)},
        {"table": np.zeros(3, [("name", "S4"), ("count", "i8")])},
    ],
)
def test_hdf5_of_other_programs_is_not_called_keras(items: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "d.h5").write_bytes(hdf5(items))
    text = inspect_text(summarize(load(tmp_path / "d.h5")))
    assert "HDF5 file, not of Keras" in text.splitlines()[0]
    assert "nothing is in it" not in text
    assert all(name in text for name in items)


@pytest.mark.parametrize(
    "items",
    [
        {"@keras_version": "2.4.0", "d/kernel": np.ones(2)},
        {"@backend": "tensorflow", "d/kernel": np.ones(2)},
        {"@nb_layers": 1, "layer_0/param_0": np.ones(2)},
        {"@layer_names": [b"d"], "d@weight_names": [b"k"], "d/k": np.ones(2)},
        {"d@weight_names": [b"k"], "d/k": np.ones(2)},
        {"block/dense/vars/0": np.ones(2)},
        {"_layer_checkpoint_dependencies/dense/vars/0": np.ones(2)},
        {"layers/flatten@x": 1},
    ],
)
def test_what_only_keras_writes_marks_its_weights(items: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "w.h5").write_bytes(hdf5(items))
    model = load(tmp_path / "w.h5")
    assert "Keras weights (HDF5)" in inspect_text(summarize(model))
    assert not any("mark of Keras" in line for line in model.warnings)


def test_an_empty_file_is_told_from_one_without_tensors(tmp_path: Path) -> None:
    (tmp_path / "e.h5").write_bytes(hdf5({}))
    assert "nothing is in it" in inspect_text(summarize(load(tmp_path / "e.h5")))
