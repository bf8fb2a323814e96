"""Keras files as models: layers as a graph, weights by name, whatever a stranger wrote in them."""

from __future__ import annotations

import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.errors import FormatError, LimitError, MigratorError, UnsupportedFormat
from migrator.formats.keras import archive as archives
from migrator.formats.keras import config as configs
from migrator.formats.load import load
from migrator.inspection.node import describe_node
from migrator.inspection.summary import summarize
from migrator.inspection.tree import scope_tree
from migrator.limits import Limits
from migrator.model.dtypes import dtype_named
from migrator.model.graph import FunctionRef, Graph
from migrator.model.model import Model
from migrator.model.tensors import Shape
from migrator.report.json_v1 import dumps, inspect_result
from migrator.report.text import inspect_text
from tests.corpus import KERAS, Sample, sample

h5py = pytest.importorskip("h5py")


def layer(name: str, kind: str = "Dense", inbound: Any = None, **config: Any) -> dict[str, Any]:
    found = {"class_name": kind, "config": {"name": name, **config}, "name": name}
    return found if inbound is None else {**found, "inbound_nodes": inbound}


def functional(*layers: dict[str, Any], name: str = "m", **more: Any) -> dict[str, Any]:
    first, last = (layers[0], layers[-1]) if layers else ({"name": "x"}, {"name": "x"})
    config = {
        "name": name,
        "layers": list(layers),
        "input_layers": [[first["name"], 0, 0]],
        "output_layers": [[last["name"], 0, 0]],
        **more,
    }
    return {"class_name": "Functional", "config": config, "name": name}


ENTRY = layer("x", "InputLayer", [], batch_shape=[None, 3], dtype="float32")


def archive(path: Path, config: Any, weights: bytes = b"", *, packed: bool = False) -> Path:
    form = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", form) as file:
        file.writestr("metadata.json", json.dumps({"keras_version": "3.9.0"}))
        file.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
        if weights:
            file.writestr("model.weights.h5", weights)
    return path


def read(tmp_path: Path, config: Any, limits: Limits | None = None) -> Model:
    return load(archive(tmp_path / "m.keras", config), limits=limits or Limits())


def graph(tmp_path: Path, config: Any) -> Graph:
    return read(tmp_path, config).graph


def wired(found: Graph) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {node.name: (node.op, node.inputs) for node in found.nodes}


def hdf5(items: dict[str, Any]) -> bytes:
    """A file with data sets, and attributes where a name holds ``@``."""
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        for name, value in items.items():
            place, at, attribute = name.partition("@")
            if at:
                made.require_group(place or "/").attrs[attribute] = value
            else:
                made[place] = value
    return file.getvalue()


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


# -- weights ---------------------------------------------------------------------------------


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
        "layers/lstm/cell/vars/0": "steps/cell/kernel",
        "layers/lstm/cell/vars/1": "steps/cell/recurrent_kernel",
        "layers/lstm/cell/vars/2": "steps/cell/bias",
    }
    data = {path: np.full(3, number) for number, path in enumerate(paths)}
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


# -- archives --------------------------------------------------------------------------------


def repacked(tmp_path: Path) -> Path:
    path = tmp_path / "packed.keras"
    with (
        zipfile.ZipFile(sample("tf2.21.0/keras_zip").path) as old,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return path


def test_packed_weights_are_the_same(tmp_path: Path) -> None:
    plain, packed = sample("tf2.21.0/keras_zip").model(), load(repacked(tmp_path))
    assert list(plain.variables) == list(packed.variables)
    for name, item in plain.variables.items():
        assert packed.variables[name].place() is None
        assert packed.variables[name].numpy().tobytes() == item.numpy().tobytes()


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LimitError, match=r"model\.weights\.h5: holds .* decompressed bytes"):
        load(repacked(tmp_path), limits=Limits(decompressed_bytes=10_000))


def test_an_archive_with_damaged_weights_still_shows_its_layers(tmp_path: Path) -> None:
    for data in (b"\x89HDF\r\n\x1a\n" + bytes(99), b"no HDF5"):
        model = load(archive(tmp_path / "m.keras", functional(ENTRY), data))
        assert len(model.graph.nodes) == 1 and not model.variables
        assert model.warnings[0].startswith("model.weights.h5: ")
    assert read(tmp_path, functional(ENTRY)).warnings == (
        "holds no weights: there is no model.weights.h5 in it",
    )


def test_a_zip_of_something_else_is_none(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormat, match=r"config\.json names no Keras model"):
        load(archive(tmp_path / "m.zip", {"architectures": ["BertModel"]}))
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("model/config.json", "{}")
    with pytest.raises(FormatError, match="is in a zip archive, and is a text file"):
        load(tmp_path / "other.zip")


def test_a_list_of_members_past_its_bound_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(tmp_path / "m.keras", functional(ENTRY))
    with pytest.raises(LimitError, match="members"):
        load(path, limits=Limits(members=1))
    monkeypatch.setattr(archives, "_MOST_DIRECTORY", 10)
    with pytest.raises(UnsupportedFormat):  # nobody looks into it
        load(path)


@pytest.mark.parametrize("name", ["tf1.15.5/keras2_nested", "tf2.21.0/keras_zip"])
def test_every_kind_of_cut_is_a_model_or_a_clear_error(name: str, tmp_path: Path) -> None:
    data = sample(name).path.read_bytes()
    path = tmp_path / "cut"
    outcomes = set()
    for size in range(1, len(data), len(data) // 150):
        path.write_bytes(data[:size])
        try:
            model = load(path, limits=Limits(seconds=5))
            assert model.warnings
            for tensor in model.variables.values():
                try:
                    tensor.numpy()
                except MigratorError as error:
                    assert str(path) in str(error)
            inspect_text(summarize(model))
            outcomes.add("model")
        except MigratorError as error:
            assert str(error).startswith(str(path))
            outcomes.add("error")
    assert "error" in outcomes


# -- what a stranger may write ---------------------------------------------------------------


@pytest.mark.parametrize(
    "config",
    [
        functional(),
        functional({"class_name": 7, "config": {"name": 7}, "name": 7}),
        functional(ENTRY, layer("d", [], 7)),
        functional(ENTRY, {"class_name": "Dense", "config": [1, 2], "name": "d"}),
        functional(ENTRY, layer("d", "Dense", {"a": {"b": [["x", 0]]}})),
        functional(ENTRY, layer("d", "Dense", [[["x", -5, 99999999999]]])),
        functional(ENTRY, layer("d", "Dense", [[["nobody", 0, 0]]])),
        functional(ENTRY, input_layers=7, output_layers=[[["x", 0, 0]], "x", None]),
        functional(layer("x", "InputLayer", [], batch_shape=[None, -1, 1 << 80, "n"])),
        functional(layer("x", "InputLayer", [], batch_shape=[1] * 5000, dtype={"config": 3})),
        functional(ENTRY, layer("d", "Dense", [[["x", 0, 0]]], units="many")),
        functional(ENTRY, layer("d", "Dense", [[["x", 0, 0]]], units=float("nan"))),
        functional(ENTRY, layer("d", "Dense", [[["x", 0, 0]]], units=1 << 70)),
        functional(ENTRY, layer("d", "Conv2D", [[["x", 0, 0]]], kernel_size=[0], filters=None)),
        functional(ENTRY, layer("d", "Reshape", [[["x", 0, 0]]], target_shape=[-1, -1, 0])),
        functional(ENTRY, layer("d", "TFOpLambda", [["x", 0, 0, 7]], function="math.add")),
        {"class_name": "Sequential", "config": []},
        {"class_name": "Sequential", "config": [layer("a", "TimeDistributed", layer=3)]},
        {"class_name": "Sequential", "config": {"layers": [layer("\x1b[2J\n"), layer("a:1")]}},
        {"class_name": "Model", "config": {"layers": [7, None, []], "input_layers": {}}},
    ],
)
def test_odd_configurations_are_read_as_far_as_they_go(config: Any, tmp_path: Path) -> None:
    model = read(tmp_path, config)
    text = inspect_text(summarize(model))
    assert text.isprintable() or all(char.isprintable() or char == "\n" for char in text)


def test_layers_of_the_same_name_and_layers_in_a_circle_are_told(tmp_path: Path) -> None:
    config = functional(
        ENTRY,
        layer("a", "Dense", [[["b", 0, 0]]]),
        layer("b", "Dense", [[["a", 0, 0]]]),
        layer("a", "Dense", [[["x", 0, 0]]]),
    )
    lines = "\n".join(read(tmp_path, config).warnings)
    assert "stands more than once: 'a'" in lines
    assert "lies on a cycle" in lines


def test_models_inside_of_models_are_bounded(tmp_path: Path) -> None:
    inner = functional(ENTRY)
    for number in range(80):
        inner = functional({**inner, "inbound_nodes": []}, name=f"m{number}")
    with pytest.raises(LimitError, match="models inside of models"):
        read(tmp_path, inner)


def test_nesting_without_end_is_one_error(tmp_path: Path) -> None:
    deep = '{"config": ' * 10_000 + "1" + "}" * 10_000
    with pytest.raises(MigratorError, match=r"m\.keras"):
        read(tmp_path, '{"class_name": "Model", "config": {"layers": ' + deep + "}}")
    with pytest.raises(FormatError, match="no JSON"):
        read(tmp_path, "[" * 100_000)


def test_a_configuration_past_its_bounds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = functional(ENTRY, *[layer(f"d{number}") for number in range(300)])
    with pytest.raises(LimitError, match="nodes"):
        read(tmp_path, many, Limits(nodes=100))
    with pytest.raises(LimitError, match="skeleton bytes"):
        read(tmp_path, many, Limits(skeleton_bytes=10_000))
    with pytest.raises(LimitError, match="layer's name of 5,000 characters"):
        read(tmp_path, functional(ENTRY, layer("n" * 5000)))
    monkeypatch.setattr(configs, "_MOST_VALUES", 100)
    with pytest.raises(LimitError, match="values"):
        read(tmp_path, many)
    monkeypatch.setattr(archives, "MOST_CONFIG", 100)
    with pytest.raises(LimitError, match=r"config\.json: takes more than 100 bytes"):
        read(tmp_path, many)


def test_many_calls_and_many_layers_take_linear_time(tmp_path: Path) -> None:
    calls = [[["x", 0, 0]]] * 6000
    chain = [
        layer(f"d{number}", "Dense", [[[f"d{number - 1}", 0, 0]]]) for number in range(1, 2999)
    ]
    config = functional(ENTRY, layer("d0", "Dense", calls), *chain)
    start = time.perf_counter()
    found = graph(tmp_path, config)
    assert len(found.nodes) == 1 + 6000 + 2998
    assert time.perf_counter() - start < 5


def test_a_layer_list_that_names_one_group_again_and_again_is_bounded(tmp_path: Path) -> None:
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        group = made.create_group("g0")
        group.attrs["weight_names"] = [b"%05d" % number for number in range(500)]
        names = ["g0"]
        for number in range(1, 200):
            made[f"g{number}"] = group
            names.append(f"g{number}")
        made.attrs["layer_names"] = names
    (tmp_path / "m.h5").write_bytes(file.getvalue())
    with pytest.raises(LimitError, match="variables"):
        load(tmp_path / "m.h5", limits=Limits(variables=10_000))


def test_groups_that_share_their_layers_are_read_once(tmp_path: Path) -> None:
    count = 1500
    inner = [functional(ENTRY, name=f"f{number}") for number in range(count)]
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        layers = made.create_group("layers")
        for number in range(count):
            name = f"functional_{number}" if number else "functional"
            layers.create_group(name)["layers"] = layers
    path = archive(tmp_path / "m.keras", functional(*inner), file.getvalue())
    start = time.perf_counter()
    load(path)
    assert time.perf_counter() - start < 5


def test_a_model_s_results_count_once_for_each_call_of_it(tmp_path: Path) -> None:
    inner = functional(layer("i", "InputLayer", []), name="inner")
    inner["config"]["output_layers"] = [["i", 0, 0]] * 20_000
    inner["inbound_nodes"] = [[["x", 0, 0]]] * 20_000
    path = archive(tmp_path / "m.keras", functional(ENTRY, inner))
    start = time.perf_counter()
    with pytest.raises(LimitError, match="skeleton bytes"):
        load(path)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("letter", ["n", "\U0001f600"])
def test_each_call_of_a_layer_counts_as_what_it_takes_in_memory(
    letter: str, tmp_path: Path
) -> None:
    calls = [[["x", 0, 0]]] * 2000
    path = archive(
        tmp_path / "m.keras", functional(ENTRY, layer("n" * 999 + letter, "Dense", calls))
    )
    assert len(load(path).meta_graphs[0].graph.nodes) == 2001
    most = 2000 * (999 + 1) * (4 if ord(letter) > 255 else 1)
    with pytest.raises(LimitError, match="skeleton bytes"):
        load(path, limits=Limits(skeleton_bytes=most))


def test_each_layer_counts_as_what_it_takes_in_memory(tmp_path: Path) -> None:
    """A layer of few bytes takes about two thousand once it is read."""
    layers = [layer("d", "Dense")] * 2000
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
    path = archive(tmp_path / "m.keras", config, packed=True)
    assert len(load(path).meta_graphs[0].graph.nodes) == 2001
    with pytest.raises(LimitError, match="skeleton bytes"):
        load(path, limits=Limits(skeleton_bytes=3_000_000))
