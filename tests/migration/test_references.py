"""References become resources where their variable is there, and values where it is not."""

from __future__ import annotations

import pytest

from migrator.migration.passes.references import drop_references
from migrator.model.checks import dangling_inputs
from migrator.model.dtypes import FLOAT32, RESOURCE, DType
from migrator.model.graph import Graph
from migrator.model.tensors import Shape, TensorSpec
from migrator.ops.registry import input_dtypes, output_dtypes
from tests import wire
from tests.corpus import FROZEN, SAVED, Sample
from tests.handmade import const, model, op, placeholder, unary

V = op("v", "VariableV2", dtype=wire.F, shape=wire.Dims((3,)), shared_name=b"", container=b"c")


def shape_of(graph: Graph) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {node.name: (node.op, node.inputs) for node in graph.nodes}


def no_references(graph: Graph) -> None:
    for node in graph.nodes:
        for dtype in (*(output_dtypes(node) or ()), *(input_dtypes(node) or ())):
            assert not dtype.is_ref or dtype.base.kind == "s", node


def test_a_graph_without_references_is_left_as_it_is() -> None:
    graph = model(placeholder("x"), unary("y", "Relu", "x")).graph
    assert drop_references(graph, {}, ["y:0"]) == (graph, ())


def test_a_variable_keeps_its_name_and_its_identity_reads() -> None:
    graph = model(V, op("v/read", "Identity", "v", T=wire.F), unary("y", "Relu", "v/read")).graph
    found, steps = drop_references(graph, {}, ["y:0"])
    assert shape_of(found) == {
        "v": ("VarHandleOp", ()),
        "v/read": ("ReadVariableOp", ("v",)),
        "y": ("Relu", ("v/read",)),
    }
    attrs = found.by_name["v"].attrs
    assert attrs["shared_name"] == b"v"
    assert attrs["container"] == b"c"
    assert attrs["dtype"] == FLOAT32
    assert attrs["shape"] == Shape((3,))
    assert [step.code for step in steps] == ["resource_variables"]


def test_readers_share_one_read_but_for_those_that_wait() -> None:
    graph = model(
        V,
        unary("a", "Relu", "v"),
        unary("b", "Tanh", "v"),
        op("c", "Neg", "v", "^a", T=wire.F),
    ).graph
    nodes = shape_of(drop_references(graph, {}, ["b:0", "c:0"])[0])
    assert nodes["a"][1] == nodes["b"][1] == ("v/ReadVariableOp",)
    assert nodes["c"][1] == ("c/ReadVariableOp", "^a")
    assert nodes["c/ReadVariableOp"] == ("ReadVariableOp", ("v", "^a"))


def test_a_kept_variable_is_a_value_under_its_name() -> None:
    graph = model(V, unary("y", "Relu", "v")).graph
    found, _ = drop_references(graph, {}, ["v:0", "y:0"])
    assert found.by_name["v"].op == "ReadVariableOp"
    handle = found.by_name["v"].inputs[0]
    assert found.by_name[handle].op == "VarHandleOp"
    assert found.by_name[handle].attrs["shared_name"] == b"v"


def test_a_kept_assignment_is_the_value_after_it() -> None:
    graph = model(V, const("c", [1.0, 2.0, 3.0]), op("set", "Assign", "v", "c", T=wire.F)).graph
    found, steps = drop_references(graph, {}, ["set:0"])
    assert found.by_name["set"].op == "ReadVariableOp"
    waited = found.by_name["set"].inputs[1]
    assert waited.startswith("^")
    assert found.by_name[waited[1:]].op == "AssignVariableOp"
    assert [step.code for step in steps] == ["resource_variables", "resource_assignments"]


def test_references_to_given_values_become_values() -> None:
    given = {"v:0": TensorSpec(tensor="v:0", dtype=FLOAT32, shape=Shape((3,)))}
    graph = model(
        op("on", "Placeholder", dtype=wire.B),
        op("side", "RefSwitch", "v", "on", T=wire.F),
        op("both", "RefMerge", "side", "side:1", T=wire.F, N=2),
        op("same", "RefIdentity", "both", T=wire.Type(101)),
    ).graph
    found, steps = drop_references(graph, given, ["same:0"])
    assert [node.op for node in found.nodes] == ["Placeholder", "Switch", "Merge", "Identity"]
    assert found.by_name["same"].attrs["T"] == FLOAT32
    assert [(step.code, step.count) for step in steps] == [("plain_references", 3)]
    no_references(found)


def test_handles_go_through_branches_as_resources() -> None:
    graph = model(
        V,
        op("on", "Placeholder", dtype=wire.B),
        op("side", "RefSwitch", "v", "on", T=wire.F),
        op("y", "Identity", "side:1", T=wire.F),
    ).graph
    found, _ = drop_references(graph, {}, ["y:0"])
    assert found.by_name["side"].op == "Switch"
    assert found.by_name["side"].attrs["T"] == RESOURCE
    assert shape_of(found)["y"] == ("ReadVariableOp", ("side:1",))
    no_references(found)


def test_training_ops_are_left_for_the_blockers() -> None:
    graph = model(
        V,
        const("rate", 0.1),
        const("grad", [1.0, 2.0, 3.0]),
        op("step", "ApplyGradientDescent", "v", "rate", "grad", T=wire.F),
    ).graph
    found, _ = drop_references(graph, {}, ["step:0"])
    assert found.by_name["step"].op == "ApplyGradientDescent"


def test_an_assignment_to_a_constant_is_left_for_the_blockers() -> None:
    graph = model(
        const("c", [1.0]),
        op("same", "RefIdentity", "c", T=wire.F),
        op("set", "Assign", "same", "c", T=wire.F),
    ).graph
    found, _ = drop_references(graph, {}, ["set:0"])
    assert found.by_name["set"].op == "Assign"
    assert found.by_name["same"].op == "Identity"


def test_a_very_long_chain_of_assignments_is_followed() -> None:
    steps = [
        op(f"s{i + 1}", "AssignAdd", f"s{i}" if i else "v", "c", T=wire.F) for i in range(5_000)
    ]
    graph = model(V, const("c", [1.0, 1.0, 1.0]), *steps, unary("y", "Relu", "s5000")).graph
    found, _ = drop_references(graph, {}, ["y:0"])
    assert shape_of(found)["s5000"] == ("AssignAddVariableOp", ("v", "c", "^s4999"))
    assert shape_of(found)["y"][1] == ("s5000/ReadVariableOp",)


@pytest.mark.parametrize("item", (*FROZEN, *SAVED), ids=str)
def test_fixtures_have_no_reference_left_and_no_edge_to_nowhere(item: Sample) -> None:
    graph = item.model().graph
    training = any(node.op.startswith(("Apply", "SparseApply")) for node in graph.nodes)
    frozen_writes = any(node.op.startswith("Assign") for node in graph.nodes) and not any(
        node.op in ("VariableV2", "Variable") for node in graph.nodes
    )
    found, _ = drop_references(graph, {}, list(item.outputs.values()))
    assert not found.duplicates
    assert sum(1 for _ in dangling_inputs(found)) == sum(1 for _ in dangling_inputs(graph))
    if not training and not frozen_writes:
        no_references(found)


def test_an_unknown_number_for_a_type_does_no_harm() -> None:
    graph = model(
        op("v", "VariableV2", dtype=wire.Type(177), shape=wire.Dims(None)),
        op("y", "Identity", "v", T=wire.Type(177)),
    ).graph
    found, _ = drop_references(graph, {}, ["y:0"])
    assert found.by_name["y"].attrs["dtype"] == DType(77)
