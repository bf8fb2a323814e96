"""What is told of each node, for edits that are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import migrator
from migrator.diffing.result import Diff, NodeChange
from migrator.errors import UsageError
from migrator.model.model import Model
from tests import handmade as h
from tests import wire
from tests.diff.models import KERNEL, network


def by_name(found: Diff) -> dict[str, NodeChange]:
    return {item.left or item.right: item for item in found.nodes}


def fields(change: NodeChange) -> dict[str, tuple[Any, Any]]:
    return {item.field: (item.left, item.right) for item in change.changes}


def only_change(found: Diff, name: str) -> NodeChange:
    assert [item.left or item.right for item in found.nodes] == [name]
    return found.nodes[0]


def test_a_model_against_itself_has_no_difference() -> None:
    model = network()
    found = migrator.diff(model, model)
    assert found.identical
    assert found.same_computation
    assert found.nodes == found.weights == found.signatures == found.functions == found.others == ()
    assert found.headline == ("identical",)


def test_order_of_nodes_is_no_difference() -> None:
    nodes = [h.placeholder("x"), *h.dense("y", "x"), h.unary("z", "Relu", "y")]
    assert migrator.diff(h.model(*nodes), h.model(*reversed(nodes))).identical


def test_changed_attribute_has_its_old_and_new_value() -> None:
    change = only_change(migrator.diff(network(), network(strides=[1, 2, 2, 1])), "conv/Conv2D")
    assert change.kind == "changed"
    assert fields(change) == {"attr strides": ([1, 1, 1, 1], [1, 2, 2, 1])}


def test_changed_op_is_told_by_both_names() -> None:
    found = migrator.diff(network(), network(activation="Elu"))
    assert fields(only_change(found, "conv/act")) == {"op": ("Relu", "Elu")}
    assert not found.same_computation


def test_default_that_only_one_side_writes_is_no_change() -> None:
    assert migrator.diff(network(), network(defaults=True)).identical


def test_scalar_has_its_values_in_the_change() -> None:
    found = migrator.diff(network(scale=2.0), network(scale=3.0))
    assert fields(only_change(found, "scale/y")) == {"value": (2.0, 3.0)}
    assert found.weights == ()


def test_device_is_told_and_does_not_change_the_computation() -> None:
    found = migrator.diff(network(), network(device="/gpu:0"))
    assert fields(only_change(found, "conv/Conv2D")) == {"device": ("", "/gpu:0")}
    assert found.same_computation
    assert migrator.diff(network(), network(device="/gpu:0"), ignore=["devices"]).identical


def test_renamed_scope_is_told_once_and_each_node_says_so() -> None:
    found = migrator.diff(network(prefix="old/"), network(prefix="new/"))
    assert [(item.left, item.right) for item in found.scopes] == [("old", "new")]
    assert {item.kind for item in found.nodes} == {"renamed"}
    assert all(fields(item) == {"scope": ("old", "new")} for item in found.nodes)
    assert found.same_computation
    assert "only names differ" in found.headline[0]
    assert migrator.diff(network(prefix="old/"), network(prefix="new/"), ignore=["names"]).identical


def test_renamed_node_keeps_its_counterpart() -> None:
    found = migrator.diff(network(), network(names={"pool": "global_average"}))
    change = only_change(found, "pool")
    assert (change.kind, change.right) == ("renamed", "global_average")
    assert fields(change) == {"name": ("pool", "global_average")}


def test_node_in_another_scope_is_moved() -> None:
    found = migrator.diff(network(), network(names={"conv/act": "later/act"}))
    assert fields(only_change(found, "conv/act")) == {"scope": ("conv", "later")}


def test_added_and_removed_nodes_have_one_name() -> None:
    more = h.op("log", "Log", "probabilities", T=wire.F)
    found = migrator.diff(network(), network(extra=(more,)))
    change = by_name(found)["log"]
    assert (change.kind, change.left, change.op) == ("added", "", "Log")
    back = migrator.diff(network(extra=(more,)), network())
    assert (by_name(back)["log"].kind, by_name(back)["log"].right) == ("removed", "")


def test_rewired_input_names_slot_and_both_producers() -> None:
    nodes = [
        h.placeholder("a"),
        h.placeholder("b"),
        h.unary("c", "Relu", "a"),
        h.unary("d", "Tanh", "b"),
    ]
    left = h.model(*nodes, h.op("sum", "Sub", "c", "d", T=wire.F))
    right = h.model(*nodes, h.op("sum", "Sub", "c", "b", T=wire.F))
    change = by_name(migrator.diff(left, right))["sum"]
    assert change.kind == "rewired"
    assert fields(change) == {"input 1": ("d", "b")}


def test_identity_taken_out_rewires_nothing() -> None:
    found = migrator.diff(network(), network(identity=False))
    assert [(item.kind, item.left) for item in found.nodes] == [("removed", "conv/kernel/read")]
    assert found.same_computation


def test_control_input_is_told_and_can_be_ignored() -> None:
    base = [h.placeholder("x"), h.unary("y", "Relu", "x"), h.unary("w", "Tanh", "x")]
    left = h.model(*base, h.op("z", "Neg", "y", T=wire.F))
    right = h.model(*base, h.op("z", "Neg", "y", "^w", T=wire.F))
    change = only_change(migrator.diff(left, right), "z")
    assert change.kind == "rewired"
    assert fields(change) == {"control inputs": ([], ["w"])}
    assert migrator.diff(left, right, ignore=["controls"]).identical


def test_shape_of_a_placeholder_is_told_and_can_be_ignored() -> None:
    left = h.model(h.placeholder("x", dims=(-1, 4)), h.unary("y", "Relu", "x"))
    right = h.model(h.placeholder("x", dims=(1, 4)), h.unary("y", "Relu", "x"))
    change = only_change(migrator.diff(left, right), "x")
    assert fields(change) == {"shape": ([None, 4], [1, 4])}
    assert migrator.diff(left, right, ignore=["shapes"]).identical


def test_type_through_the_graph_is_a_change_of_type() -> None:
    def half(kind: wire.Type) -> Model:
        return h.model(h.placeholder("x", kind), h.op("y", "Relu", "x", T=kind))

    found = migrator.diff(half(wire.F), half(wire.Type(wire.HALF)))
    assert all(fields(item)["dtype"] == ("float32", "float16") for item in found.nodes)
    assert "float32 became float16" in " ".join(found.headline)


def test_weight_of_another_shape_is_told_with_both() -> None:
    kernel = np.concatenate([KERNEL, KERNEL], axis=2)
    found = migrator.diff(network(), network(kernel=kernel))
    assert fields(by_name(found)["conv/kernel"]) == {"shape": ([3, 3, 2, 4], [3, 3, 4, 4])}
    assert [(item.left, item.kind) for item in found.weights] == [("conv/kernel", "shape")]


def test_nodes_of_bodies_are_named_by_their_function() -> None:
    def calling(kind: str) -> Model:
        body = wire.function(
            "body",
            {"a": 1},
            {"r": 1},
            [h.op("inside", kind, "a", T=wire.F)],
            {"r": "inside:activations:0" if kind == "Relu" else "inside:y:0"},
        )
        call = h.op(
            "call", "PartitionedCall", "x", f=wire.Call("body"), Tin=[wire.F], Tout=[wire.F]
        )
        return h.model(h.placeholder("x"), call, functions=[body])

    found = migrator.diff(calling("Relu"), calling("Tanh"))
    assert fields(by_name(found)["body/inside"]) == {"op": ("Relu", "Tanh")}
    assert [(item.left, item.kind) for item in found.functions] == [("body", "changed")]
    assert not found.same_computation


def test_only_tells_of_the_scopes_that_were_asked_for() -> None:
    left, right = network(), network(strides=[1, 2, 2, 1], scale=3.0)
    assert set(by_name(migrator.diff(left, right, only=["conv"]))) == {"conv/Conv2D"}
    assert migrator.diff(left, right, only=["dense"]).identical


def test_unknown_word_to_ignore_is_refused_with_a_hint() -> None:
    with pytest.raises(UsageError, match="cannot be ignored") as caught:
        migrator.diff(network(), network(), ignore=["weigths"])
    assert "weights" in caught.value.hint


def test_tag_set_that_a_side_lacks_is_refused() -> None:
    meta = wire.meta_graph(wire.graph([h.placeholder("x")]), tags=["serve"])
    model = h.read_saved_model(wire.saved_model(meta))
    with pytest.raises(UsageError, match="no meta graph with tags train"):
        migrator.diff(model, model, tag_set=["train"])


def test_meta_graphs_with_the_same_tags_are_compared() -> None:
    def two(kind: str) -> bytes:
        graph = wire.graph([h.placeholder("x"), h.unary("y", kind, "x")])
        return wire.meta_graph(graph, tags=["train"])

    serve = wire.meta_graph(wire.graph([h.placeholder("x")]), tags=["serve"])
    left = h.read_saved_model(wire.saved_model(two("Relu"), serve))
    right = h.read_saved_model(wire.saved_model(serve, two("Tanh")))
    assert migrator.diff(left, right).identical
    assert not migrator.diff(left, right, tag_set=["train"]).identical


def test_small_floats_are_told_in_their_own_digits() -> None:
    models = [h.model(h.const("c", value)) for value in (np.float32(0.1), np.float32(0.7))]
    (node,) = migrator.diff(*models).nodes
    assert [(item.left, item.right) for item in node.changes] == [(0.1, 0.7)]
