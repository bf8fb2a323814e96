"""What counts as a weight in each format, and weights by name."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import migrator
from migrator.errors import NoSuchTensor
from migrator.formats.load import load
from migrator.formats.tensors import constant_tensor
from migrator.inspection.notable import notable, notable_summary
from migrator.inspection.summary import summarize
from migrator.inspection.tree import scope_tree
from migrator.inspection.weight_list import list_weights
from migrator.model.dtypes import dtype_named
from migrator.model.graph import Graph, Node, Versions
from migrator.model.model import MetaGraph, Model, Source
from migrator.model.tensors import LazyTensor
from migrator.report import json_v1
from migrator.report.text import inspect_text
from tests import handmade, wire
from tests.corpus import PROTOBUF, Sample, sample
from tests.schemas import validate

SM = sample("tf1.15.5/sm_variables")


def made(form: str, variables: Mapping[str, LazyTensor], *nodes: Node) -> Model:
    """A model whose weights lie beside its graph, as Keras's and TFLite's do."""
    by_name = {node.name: node for node in nodes}
    graph = Graph(nodes=nodes, functions={}, versions=Versions(), by_name=by_name)
    metas = (MetaGraph(graph=graph),) if nodes else ()
    source = Source(path="made", bytes=100, format=form)
    return Model(source=source, meta_graphs=metas, variables=variables)


def held(array: Any, dtype: str = "float32") -> LazyTensor:
    return constant_tensor(array, dtype_named(dtype))


def test_every_variable_of_a_keras_file_is_a_weight_but_a_generators_state() -> None:
    variables = {
        "layers/dense/vars/0": held(np.zeros((3, 4)), "int8"),
        "layers/dense/vars/1": held(np.zeros(4)),
        "mask": held(np.zeros(2), "bool"),
        "layers/dropout/seed_generator/vars/0": held(np.zeros(2), "uint32"),
        "random_flip/StateVar:0": held(np.zeros(3), "int64"),
        "step": held(1, "int64"),
        "none": held(np.zeros((0, 3))),
    }
    for form in ("keras_zip", "keras_h5"):
        model = made(form, variables)
        assert summarize(model).parameters == 18
        assert scope_tree(model).parameters == 18
    assert summarize(made("checkpoint", variables)).parameters == 16


def test_weights_beside_a_graph_count_once() -> None:
    kernel = held(np.zeros((3, 4)))
    variables = {"k": kernel, "scale": held(1.0), "q": held(np.zeros(10), "int8")}
    node = Node("k", "Const", (), "", {"value": kernel})
    layer = Node("layer", "FULLY_CONNECTED", ("k",), "", {})
    found = summarize(made("tflite", variables, node, layer))
    graph = found.meta_graphs[0].graph
    assert (graph.parameters, graph.weight_bytes) == (22, 58)
    assert {name: item.tensors for name, item in graph.weights_by_dtype.items()} == {
        "float32": 1,
        "int8": 1,
    }
    assert graph.ops == {"Const": 1, "FULLY_CONNECTED": 1}
    assert json_v1.inspect_result([found])["weight_bytes"] == 58
    assert "TFLite model" in inspect_text(found)


@pytest.mark.parametrize("form", ["keras_h5", "keras_zip"])
@pytest.mark.parametrize("whole", [True, False])
def test_keras_is_told_with_and_without_its_layers(form: str, whole: bool) -> None:
    variables = {"dense/kernel": held(np.zeros((3, 4))), "optimizer/iteration": held(3, "int64")}
    nodes = [Node("x", "InputLayer", (), "", {}), Node("dense", "Dense", ("x",), "", {})]
    found = summarize(made(form, variables, *(nodes if whole else [])))
    result = json_v1.inspect_result([found])
    validate(result)
    assert result["parameters"] == 12
    text = inspect_text(found)
    if whole:
        assert result["meta_graphs"][0]["graph"]["ops"] == {"Dense": 1, "InputLayer": 1}
        assert "2 layers" in text
        assert "does not have" not in text
    else:
        assert "Keras weights" in text
        assert "optimizer" in "".join(result["stands_out"])


def test_sums_by_type_are_those_of_the_whole() -> None:
    for item in PROTOBUF:
        for meta in summarize(item.model()).meta_graphs:
            graph = meta.graph
            totals = graph.weights_by_dtype.values()
            assert sum(total.parameters for total in totals) == graph.parameters
            assert sum(total.bytes for total in totals) == graph.weight_bytes
            assert sum(total.tensors for total in totals) == len(graph.weights)


def test_constants_of_one_name_in_several_bodies_count_each() -> None:
    bodies = [
        wire.function(name, {}, {}, [handmade.const("c", [1.0] * size)])
        for name, size in (("f", 2), ("g", 3))
    ]
    found = handmade.model(handmade.const("c", [1.0]), functions=bodies)
    assert summarize(found).meta_graphs[0].graph.parameters == 6
    assert {name: item.elements for name, item in migrator.weights(found).items()} == {
        "c": 1,
        "f/c": 2,
        "g/c": 3,
    }


def test_constants_of_bodies_are_no_weights_beside_variables() -> None:
    bodies = [
        wire.function(name, {}, {}, [handmade.const("zeros", [0.0] * 24)]) for name in ("f", "g")
    ]
    of_all = [handmade.const("table", [1.0, 2.0]), *_variables(("step", ()), ("kernel", (3, 4)))]
    found = handmade.model(*of_all, functions=bodies)
    summary = summarize(found)
    graph = summary.meta_graphs[0].graph
    assert {weight.name: weight.elements for weight in graph.weights} == {"kernel": 12, "table": 2}
    assert graph.body_constants is not None
    constants = graph.body_constants
    assert (constants.tensors, constants.parameters, constants.bytes) == (2, 48, 192)
    assert "14 parameters (56 B), 2 constants in functions (192 B)" in inspect_text(summary)
    result = json_v1.inspect_result([summary])
    validate(result)
    told = result["meta_graphs"][0]["graph"]["body_constants"]
    assert told == {"tensors": 2, "elements": 48, "bytes": 192}
    assert scope_tree(found).parameters == 14
    assert list(migrator.weights(found)) == ["table"]
    assert list(migrator.weights(found).unlisted) == ["f/zeros", "g/zeros"]
    chosen = list_weights(found, chosen=["f/zeros"])  # found by name all the same
    assert [item.weight.elements for item in chosen] == [24]


def test_variables_that_hold_no_parameters_leave_frozen_bodies_their_weights() -> None:
    body = wire.function("f", {}, {}, [handmade.const("kernel", [1.0] * 24)])
    found = handmade.model(*_variables(("step", ())), functions=[body])
    graph = summarize(found).meta_graphs[0].graph
    assert [weight.name for weight in graph.weights] == ["f/kernel"]
    assert graph.body_constants is None
    assert list(migrator.weights(found)) == ["f/kernel"]


def _variables(*items: tuple[str, tuple[int, ...]]) -> list[bytes]:
    return [
        handmade.op(name, "VarHandleOp", dtype=wire.F, shape=wire.Dims(dims))
        for name, dims in items
    ]


def test_variables_have_the_values_of_their_checkpoint() -> None:
    model = load(SM.path)
    found = migrator.weights(model)
    bare = load(SM.path / "variables" / "variables").variables
    names = {weight.name for weight in summarize(model).meta_graphs[0].graph.weights}
    assert names <= set(found)
    for name in names:
        assert found[name].numpy().tobytes() == bare[name].numpy().tobytes()


def test_without_its_checkpoint_a_variable_is_listed_without_a_value(tmp_path: Path) -> None:
    shutil.copy(SM.file, tmp_path)
    model = load(tmp_path)
    assert migrator.weights(model) == {}
    listed = list_weights(model)
    assert listed
    assert {item.trouble for item in listed} == {"no value is stored"}
    assert all(item.weight.bytes for item in listed)


def test_a_missing_shard_is_told_weight_by_weight(tmp_path: Path) -> None:
    shutil.copytree(SM.path, tmp_path / "m")
    next((tmp_path / "m" / "variables").glob("*.data*")).unlink()
    assert all("data-00000" in item.trouble for item in list_weights(load(tmp_path / "m")))


@pytest.mark.parametrize("item", PROTOBUF, ids=str)
def test_places_hold_the_bytes_of_the_values(item: Sample) -> None:
    for listed in list_weights(item.model()):
        if listed.place is not None and listed.tensor is not None:
            with open(listed.place.path, "rb") as file:
                file.seek(listed.place.offset)
                assert file.read(listed.place.length) == listed.tensor.numpy().tobytes()


def test_weights_are_chosen_by_name_and_by_pattern() -> None:
    model = load(SM.path)
    everything = [item.weight.name for item in list_weights(model)]

    def chosen(*patterns: str) -> list[str]:
        return [item.weight.name for item in list_weights(model, chosen=patterns)]

    assert chosen("net/hidden/bias") == ["net/hidden/bias"]
    assert chosen("*bias") == [name for name in everything if name.endswith("bias")]
    assert chosen("net/logits/bias", "net/hidden/*") == [
        name for name in everything if name.startswith("net/hidden/") or name == "net/logits/bias"
    ]
    with pytest.raises(NoSuchTensor, match="no weight 'hiden'"):
        chosen("hiden")


def tells(*nodes: bytes) -> str:
    return " | ".join(notable(summarize(handmade.model(*nodes)).meta_graphs[0]))


def small_integers(name: str) -> bytes:
    value = wire.tensor(6, (2000,), wire.block(4, bytes(2000)))
    return handmade.op(name, "Const", dtype=wire.Type(6), value=wire.Raw(wire.block(8, value)))


def test_what_is_unusual_is_told() -> None:
    assert "graph is empty" in tells()
    assert "float64" in tells(handmade.const("w", [1.0], "float64"))
    assert "quantised: most" in tells(small_integers("w"))
    assert "names that several nodes have" in tells(*[handmade.op("a", "NoOp")] * 2)
    assert "40 scopes" in tells(handmade.op("a/" * 40 + "b", "NoOp"))
    assert "training steps (ApplyAdam)" in tells(handmade.op("t", "ApplyAdam"))
    assert "quantised" in tells(handmade.op("t", "FakeQuantWithMinMaxVars"))
    slot = handmade.op("w/Adam", "VariableV2", dtype=wire.F, shape=wire.Dims((2,)))
    assert "optimizer" in tells(slot)
    assert tells(handmade.const("w", [1.0]), handmade.op("y", "Relu", "w", T=wire.F)) == ""


def test_a_checkpoint_with_slots_says_so() -> None:
    variables = {"w": held([1.0, 2.0]), "w/Adam": held([1.0, 2.0]), "w/Adam_1": held([0.0, 0.0])}
    (line,) = notable_summary(summarize(made("checkpoint", variables)))
    assert "2 of 3 variables" in line
    assert "67% of the bytes" in line
