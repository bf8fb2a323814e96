"""What lies beside a variable, its start or its copy, is no weight of its own."""

from __future__ import annotations

import numpy as np

from migrator.formats.load import load
from migrator.inspection.spare import spare_handles
from migrator.inspection.summary import summarize
from migrator.inspection.tree import scope_tree
from migrator.inspection.weight_list import list_weights
from migrator.inspection.weights import find_weights
from migrator.model.model import Model
from tests import handmade, wire
from tests.corpus import sample

EXPORT = sample("tf2.21.0/keras_export")
SHAPE = wire.Dims((2, 3))


def handle(name: str) -> bytes:
    return handmade.op(name, "VarHandleOp", dtype=wire.F, shape=SHAPE, shared_name=name.encode())


def object_graph(*names: str) -> bytes:
    """A SavedObjectGraph of float variables, as a field of a MetaGraphDef."""
    sizes = b"".join(wire.block(2, wire.number(1, size)) for size in (2, 3))
    found = b""
    for name in names:
        variable = wire.number(1, wire.FLOAT) + wire.block(2, sizes) + wire.block(6, name)
        found += wire.block(1, wire.block(7, variable))
    return wire.block(7, found)


def exported(*listed: str) -> Model:
    """A variable ``w`` that is served, and ``copy``, which begins as ``w`` and is only saved."""
    nodes = [
        handmade.op("file", "Placeholder", dtype=wire.S, shape=wire.Dims(())),
        handle("w"),
        handle("copy"),
        handle("slot"),
        handle("left"),
        handmade.op("left/Read", "ReadVariableOp", "left", dtype=wire.F),
        handmade.op("w/Read", "ReadVariableOp", "w", dtype=wire.F),
        handmade.op("copy/Assign", "AssignVariableOp", "copy", "w/Read", dtype=wire.F),
        handmade.op("call", "StatefulPartitionedCall", "w"),
        handmade.op("save", "StatefulPartitionedCall", "file", "w", "copy", "slot"),
    ]
    saver = wire.block(3, wire.block(1, "file:0"))
    more = saver + (object_graph(*listed) if listed else b"")
    return handmade.read_saved_model(
        wire.saved_model(wire.meta_graph(wire.graph(nodes), more=more))
    )


def test_copies_and_leftovers_of_an_export_are_no_variables() -> None:
    meta = exported("w", "w", "slot").meta_graphs[0]
    assert spare_handles(meta) == {"copy": "w", "left": ""}


def test_a_variable_that_only_began_as_another_counts() -> None:
    meta = exported("w", "target", "slot").meta_graphs[0]
    assert spare_handles(meta) == {"left": ""}


def test_without_an_object_graph_every_variable_counts() -> None:
    model = exported()
    assert not spare_handles(model.meta_graphs[0])
    assert len(find_weights(model.graph)) == 4


def test_an_exported_model_has_each_weight_once_everywhere() -> None:
    model = load(EXPORT.path)
    summary = summarize(model)
    graph = summary.meta_graphs[0].graph
    listed = [item for item in list_weights(model) if item.weight.dtype.base.is_floating]
    assert len(listed) == sum(item.tensors for item in graph.weights_by_dtype.values())
    assert sum(item.weight.elements for item in listed) == graph.parameters
    assert scope_tree(model).parameters == graph.parameters
    assert all(item.tensor is not None for item in listed)
    facts = summary.folder.checkpoint if summary.folder is not None else None
    assert facts is not None and not facts.without_value and not facts.without_variable
    assert facts.joined == len(set(facts.by_node.values()))
    assert facts.joined + facts.copies == facts.entries


def test_what_a_variable_begins_as_is_not_counted_beside_it() -> None:
    table = np.ones((2, 3))
    model = handmade.model(
        handmade.const("v/initial_value", table),
        handmade.op("v", "VariableV2", dtype=wire.F, shape=SHAPE),
        handmade.op("v/Assign", "Assign", "v", "v/initial_value", T=wire.F),
        handmade.const("both", table),
        handle("u"),
        handmade.op("u/Assign", "AssignVariableOp", "u", "both", dtype=wire.F),
        handmade.op("sum", "Add", "both", "both", T=wire.F),
    )
    assert [item.name for item in find_weights(model.graph)] == ["both", "u", "v"]


def saved_by_copies(*listed: str) -> Model:
    """``w`` is served, ``slot`` is not, and both are saved by way of nodes that begin as them."""
    nodes = [
        handmade.op("file", "Placeholder", dtype=wire.S, shape=wire.Dims(())),
        handle("w"),
        handle("Variable"),
        handle("opt/slot"),
        handle("Variable_1"),
        handmade.op("w/Read", "ReadVariableOp", "w", dtype=wire.F),
        handmade.op("Variable/Assign", "AssignVariableOp", "Variable", "w/Read", dtype=wire.F),
        handmade.op("slot/Read", "ReadVariableOp", "opt/slot", dtype=wire.F),
        handmade.op("slot/Assign", "AssignVariableOp", "Variable_1", "slot/Read", dtype=wire.F),
        handmade.op("call", "StatefulPartitionedCall", "w"),
        handmade.op("save", "StatefulPartitionedCall", "file", "Variable", "Variable_1"),
    ]
    more = wire.block(3, wire.block(1, "file:0")) + object_graph(*listed)
    return handmade.read_saved_model(
        wire.saved_model(wire.meta_graph(wire.graph(nodes), more=more))
    )


def test_what_is_saved_by_way_of_a_copy_counts_once_under_its_own_name() -> None:
    model = saved_by_copies("w", "opt/slot")
    assert spare_handles(model.meta_graphs[0]) == {"Variable": "w", "Variable_1": "opt/slot"}
    graph = summarize(model).meta_graphs[0].graph
    assert [item.name for item in graph.weights] == ["opt/slot", "w"]
    assert {item.weight.name for item in list_weights(model)} == {"opt/slot", "w"}


def test_a_node_that_an_object_is_left_for_is_no_copy() -> None:
    model = saved_by_copies("w", "opt/slot", "called otherwise")
    assert spare_handles(model.meta_graphs[0]) == {"Variable_1": "opt/slot"}


def test_training_data_and_what_is_empty_are_no_weights() -> None:
    table = np.ones((10, 4))
    model = handmade.model(
        handmade.const("images", table),
        handmade.const("labels", table),
        handmade.op("cast", "Cast", "labels", SrcT=wire.F),
        handmade.op("data", "TensorSliceDataset", "images", "cast"),
        handmade.const("both", table),
        handmade.op("more", "TensorDataset", "both"),
        handmade.const("by_cast", table),
        handmade.op("other_cast", "Cast", "by_cast", SrcT=wire.F),
        handmade.op("more_still", "TensorDataset", "other_cast"),
        handmade.op("sum", "Add", "both", "other_cast", T=wire.F),
        handmade.const("unused", table),
        handmade.const("empty", np.ones((0,))),
        handmade.op("no_rows", "VariableV2", dtype=wire.F, shape=wire.Dims((0, 3))),
    )
    assert [item.name for item in find_weights(model.graph)] == ["both", "by_cast", "unused"]


def repeated(name: str, number: float) -> bytes:
    """A constant of four floats that are stored as one."""
    value = wire.tensor(wire.FLOAT, [4], wire.single(5, number))
    return handmade.op(name, "Const", dtype=wire.F, value=wire.Raw(wire.block(8, value)))


def norm(*inputs: str) -> bytes:
    return handmade.op("norm", "FusedBatchNormV3", "x", *inputs, T=wire.F)


def test_what_stands_for_a_scale_that_is_not_learnt_is_no_weight() -> None:
    learnt = [handmade.const(name, np.ones(4)) for name in ("scale", "mean", "variance")]
    others = ["offset", "mean", "variance"]
    nodes = [repeated("one", 1), repeated("offset", 0.5), *learnt]
    graph = handmade.model(*nodes, norm("one", *others)).graph
    assert {weight.name for weight in find_weights(graph)} == {"scale", *others}
    graph = handmade.model(repeated("zero", 0), *learnt, norm("scale", "zero", *others[1:])).graph
    assert {weight.name for weight in find_weights(graph)} == {"scale", *others[1:]}


def test_ones_that_something_else_takes_or_that_stand_elsewhere_are_weights() -> None:
    more = handmade.op("y", "Mul", "x", "one", T=wire.F)
    for nodes in (
        [repeated("one", 1), norm("one", "b", "m", "v"), more],
        [repeated("one", 1), norm("s", "one", "m", "v")],
        [repeated("one", 1), norm("s", "b", "m", "one")],
    ):
        assert [weight.name for weight in find_weights(handmade.model(*nodes).graph)] == ["one"]
