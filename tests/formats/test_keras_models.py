"""Keras files as models: layers as a graph, their calls, types and settings."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.formats.load import load
from migrator.inspection.node import describe_node
from migrator.inspection.summary import summarize
from migrator.model.dtypes import dtype_named
from migrator.model.graph import FunctionRef
from migrator.model.tensors import Shape
from migrator.report.json_v1 import dumps, inspect_result
from migrator.report.text import inspect_text
from tests.corpus import KERAS, Sample, sample
from tests.formats.keras_pieces import ENTRY, archive, functional, graph, hdf5, layer, read, wired

h5py = pytest.importorskip("h5py")


# -- what real files hold --------------------------------------------------------------------


@pytest.mark.parametrize("item", KERAS, ids=str)
def test_every_fixture_has_its_layers_endpoints_and_weights(item: Sample) -> None:
    model = item.model()
    assert model.source.format == item.kind
    assert model.warnings == ()
    assert model.producer.startswith("Keras 3" if "tf2" in item.name else "Keras 2.2.4-tf, backend")
    found = {node.name: node for node in model.graph.nodes}
    for name, kind in item.record["inspect"]["layers"].items():
        node = found[name]
        said = node.attrs.get("class_name", b"").decode()
        assert (node.op == kind) or (node.op in model.graph.functions and said == kind)
    declared = model.meta_graphs[0].declared
    assert declared is not None
    assert set(declared.inputs) == set(item.inputs.values())
    assert set(declared.outputs) == set(item.outputs.values())
    for side in (declared.inputs, declared.outputs):
        for spec in side.values():
            assert spec.dtype.known and spec.shape.rank is not None
    weights = {
        name.removesuffix(":0"): [tensor.dtype.name, tensor.shape.as_list()]
        for name, tensor in model.variables.items()
    }
    assert weights == item.record["inspect"]["weights"]


@pytest.mark.parametrize("item", KERAS, ids=str)
def test_every_weight_of_every_fixture_is_what_h5py_gives(item: Sample) -> None:
    data = item.path.read_bytes()
    if item.kind == "keras_zip":
        data = zipfile.ZipFile(item.path).read("model.weights.h5")
    stored: list[bytes] = []
    with h5py.File(io.BytesIO(data)) as file:
        file.visititems(
            lambda name, part: (
                stored.append(part[()].tobytes())
                if isinstance(part, h5py.Dataset) and not name.startswith("optimizer")
                else None
            )
        )
    found = item.model().variables
    assert sorted(tensor.numpy().tobytes() for tensor in found.values()) == sorted(stored)
    for tensor in found.values():
        span = tensor.place()
        assert span is not None and span.path == str(item.path)
        assert item.path.read_bytes()[span.offset :][: span.length] == tensor.numpy().tobytes()


def test_settings_are_attributes() -> None:
    node = sample("tf1.15.5/keras2_conv").model().graph.by_name["conv"]
    assert node.inputs == ("conv_input:0",)
    assert node.attrs["filters"] == 4
    assert node.attrs["kernel_size"] == [3, 3]
    assert node.attrs["padding"] == b"valid"
    assert node.attrs["activation"] == b"relu"
    assert node.attrs["use_bias"] is True
    assert node.attrs["dtype"] == dtype_named("float32")
    assert node.attrs["_output_shapes"] == [Shape((None, 6, 6, 4))]
    assert not any("initializer" in name for name in node.attrs)


def test_a_layer_that_is_called_twice_has_two_nodes() -> None:
    found = wired(sample("tf1.15.5/keras2_two_inputs").model().graph)
    assert found["shared"] == ("Dense", ("numbers:0",))
    assert found["shared/call_1"] == ("Dense", ("mean:0",))
    assert found["both"][1] == ("shared:0", "shared/call_1:0")


def test_calls_of_a_layer_are_told_from_layers(tmp_path: Path) -> None:
    twice = layer("d", "Dense", [[["x", 0, 0]], [["x", 0, 0]]])
    once = layer("d/call_1", "Dense", [[["x", 0, 0]]], call=2)
    text = inspect_text(summarize(read(tmp_path, functional(ENTRY, twice))))
    assert "2 layers, called 3 times, " in text
    assert "Ops (2 kinds, by calls)" in text
    text = inspect_text(summarize(read(tmp_path, functional(ENTRY, once))))
    assert "2 layers, 1 edge, " in text
    assert "Ops (2 kinds)" in text


def test_a_model_inside_of_a_model_is_a_function() -> None:
    model = sample("tf1.15.5/keras2_nested").model()
    found = wired(model.graph)
    assert found["tower"] == ("tower", ("left:0",))
    assert found["tower/call_1"] == ("tower", ("right:0",))
    assert found["towers"][1] == ("tower:0", "tower/call_1:0", "right:0")
    tower, inner = (model.graph.functions[name] for name in ("tower", "tower/inner"))
    assert [spec.tensor for spec in tower.inputs] == ["given"]
    assert dict(tower.returns) == {"high": "high:output:0"}
    assert [(node.name, node.op, node.inputs) for node in tower.nodes] == [
        ("inner", "tower/inner", ("given",)),
        ("high", "Dense", ("inner:output:0",)),
    ]
    assert dict(inner.returns) == {"low": "low:output:0"}


# -- other forms -----------------------------------------------------------------------------


def tensor(name: str, call: int = 0, index: int = 0) -> dict[str, Any]:
    config = {"shape": [None, 3], "dtype": "float32", "keras_history": [name, call, index]}
    return {"class_name": "__keras_tensor__", "config": config}


@pytest.mark.parametrize(
    "inbound",
    [
        [[["x", 0, 0], ["y", 0, 1]]],
        [[["x", 0, 0, {}], ["y", 0, 1, {}]]],
        [[["x", 0, 0, {"other": ["y", 0, 1]}]]],
        [[["x", 0, 0, {"other": ["y", 0, 1], "axis": ["z", 1, 1], "n": [1, 2, 3]}]]],
        [{"a": ["x", 0, 0, {}], "b": ["y", 0, 1, {}]}],
        [[["_CONSTANT_VALUE", -1, 3, {}], ["x", 0, 0, {}], ["y", 0, 1, {}]]],
        [{"args": [[tensor("x"), tensor("y", 0, 1)]], "kwargs": {}}],
        [{"args": [tensor("x")], "kwargs": {"mask": None, "other": [tensor("y", 0, 1)]}}],
    ],
)
def test_every_way_to_write_a_call(inbound: Any, tmp_path: Path) -> None:
    config = functional(ENTRY, layer("y", "Split", [[["x", 0, 0]]]), layer("d", "Add", inbound))
    assert wired(graph(tmp_path, config))["d"] == ("Add", ("x:0", "y:1"))


@pytest.mark.parametrize(
    "listed", [[["a", 0, 0], ["b", 0, 0]], {"p": ["a", 0, 0], "q": ["b", 0, 0]}]
)
def test_inputs_and_outputs_may_be_lists_or_keyed(listed: Any, tmp_path: Path) -> None:
    ends = [layer(name, "InputLayer", [], batch_shape=[None], dtype="int32") for name in "ab"]
    config = functional(*ends, input_layers=listed, output_layers=["b", 0, 0])
    declared = read(tmp_path, config).meta_graphs[0].declared
    assert declared is not None
    assert list(declared.inputs) == ["a", "b"]
    assert list(declared.outputs) == ["b"]
    assert declared.inputs["a"].dtype.name == "int32"


@pytest.mark.parametrize("wrap", [list, lambda layers: {"name": "s", "layers": layers}])
def test_a_sequential_is_a_chain_with_an_input_of_its_own(wrap: Any, tmp_path: Path) -> None:
    layers = [
        layer("a", batch_input_shape=[None, 4], dtype="float32", units=5),
        layer("b", units=6),
    ]
    model = read(tmp_path, {"class_name": "Sequential", "config": wrap(layers)})
    assert wired(model.graph) == {
        "a_input": ("InputLayer", ()),
        "a": ("Dense", ("a_input:0",)),
        "b": ("Dense", ("a:0",)),
    }
    declared = model.meta_graphs[0].declared
    assert declared is not None
    assert declared.inputs["a_input"].shape == Shape((None, 4))
    assert declared.outputs["b"].shape == Shape((None, 6))


def test_a_wrapper_shows_what_it_wraps(tmp_path: Path) -> None:
    inner = {"class_name": "Sequential", "config": {"name": "s", "layers": [layer("deep")]}}
    found = graph(
        tmp_path,
        functional(
            ENTRY,
            layer("both", "Bidirectional", [[["x", 0, 0]]], layer=layer("l", "LSTM", units=7)),
            layer("each", "TimeDistributed", [[["both", 0, 0]]], layer=inner),
        ),
    )
    both = found.by_name["both"].attrs
    assert (both["layer"], both["layer.units"]) == (b"LSTM", 7)
    called = found.by_name["each"].attrs["layer"]
    assert isinstance(called, FunctionRef)
    assert [node.name for node in found.functions[called.name].nodes] == ["deep"]


def test_a_model_called_like_a_class_or_like_another_one_keeps_a_name_of_its_own(
    tmp_path: Path,
) -> None:
    inner = functional(ENTRY, layer("d", "Dense", [[["x", 0, 0]]]), name="Dense")
    again = {**inner, "inbound_nodes": [[["x", 0, 0]]]}
    found = graph(tmp_path, functional(ENTRY, again, again))
    assert sorted(found.functions) == ["Dense_1", "Dense_2"]
    assert {node.op for node in found.nodes} == {"InputLayer", "Dense_1", "Dense_2"}


def test_a_model_that_makes_its_own_layers_has_weights_and_no_graph(tmp_path: Path) -> None:
    data = hdf5({"blocks/dense/vars/0": np.zeros((2, 3)), "blocks/dense/vars/1": np.zeros(3)})
    config = {"class_name": "Mine>Net", "config": {"width": 3}}
    model = load(archive(tmp_path / "m.keras", config, data))
    assert model.meta_graphs == ()
    assert sorted(model.variables) == ["blocks/dense/bias", "blocks/dense/kernel"]
    assert any("Mine>Net" in line for line in model.warnings)


# -- types -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "computed"),
    [
        ({}, "float32"),
        ({"dtype": None}, "float32"),
        ({"dtype": "float16"}, "float16"),
        ({"dtype": "mixed_bfloat16"}, "bfloat16"),
        ({"dtype": "int8_from_mixed_float16"}, "float16"),
        ({"dtype": "of_my_own"}, None),
    ],
)
def test_a_layer_computes_in_the_type_it_says_else_in_the_default_of_keras(
    said: dict[str, Any], computed: str | None, tmp_path: Path
) -> None:
    model = read(tmp_path, functional(ENTRY, layer("d", "Dense", [[["x", 0, 0]]], units=2, **said)))
    summary = summarize(model)
    (output,) = summary.meta_graphs[0].graph.endpoints.outputs
    assert (output.dtype and output.dtype.name) == computed
    assert "invalid" not in inspect_text(summary) + dumps(inspect_result([summary]))
    (end,) = describe_node(model, "d").outputs
    assert (end.dtype and end.dtype.name) == computed


def test_a_node_and_what_it_takes_have_types_and_shapes_inside_of_a_model_too(
    tmp_path: Path,
) -> None:
    first = layer("d", "Dense", [[["x", 0, 0]]], units=5, dtype="float16")
    inner = functional(ENTRY, first, layer("e", "Dense", [[["d", 0, 0]]], units=6), name="s")
    config = functional(ENTRY, {**inner, "inbound_nodes": [[["x", 0, 0]]]})
    model = read(tmp_path, config)

    def ends(name: str) -> list[tuple[str, str]]:
        found = describe_node(model, name)
        return [(str(end.dtype), str(end.shape)) for end in (*found.inputs, *found.outputs)]

    assert ends("s") == [("float32", "[?, 3]"), ("float32", "[?, 6]")]
    assert ends("s/d") == [("float32", "[?, 3]"), ("float16", "[?, 5]")]
    assert ends("s/e") == [("float16", "[?, 5]"), ("float32", "[?, 6]")]
    assert ends("s/x") == [("float32", "[?, 3]")]
