"""What an optimizer keeps is told from the model's own weights, and both are counted."""

from __future__ import annotations

import json

import numpy as np
import pytest

from migrator.formats.checkpoint import checkpoint_place
from migrator.formats.load import load
from migrator.formats.messages import message_class
from migrator.formats.tensors import constant_tensor
from migrator.inspection.optimizer import by_name, optimizer_objects, stored_by_optimizer
from migrator.inspection.summary import summarize
from migrator.inspection.weight_list import list_weights
from migrator.model.dtypes import dtype_named
from migrator.model.model import Model, Source
from migrator.model.tensors import Shape
from migrator.report import json_v1
from migrator.report.text import inspect_text
from tests import handmade, wire
from tests.corpus import sample
from tests.schemas import validate

W, FLAT = Shape(dims=(3, 4)), Shape(dims=(4,))
SCALAR = Shape(dims=())


def variable(name: str, *dims: int) -> bytes:
    return handmade.op(name, "VariableV2", dtype=wire.F, shape=wire.Dims(dims))


def test_what_a_step_takes_beside_the_variable_is_the_optimizers() -> None:
    model = handmade.model(
        variable("w", 3, 4),
        variable("w/read_but_no_slot", 3, 4),
        variable("speed", 3, 4),
        handmade.const("g", np.ones((3, 4))),
        handmade.op("step", "ApplyMomentum", "w", "speed", "lr", "g", "rate", T=wire.F),
    )
    summary = summarize(model)
    graph = summary.meta_graphs[0].graph
    assert {item.name for item in graph.weights if item.is_optimizer} == {"speed"}
    assert (graph.parameters, graph.optimizer_parameters) == (48, 12)
    assert graph.weights[-1].name == "speed"  # last, though as large as the others
    text = inspect_text(summary)
    assert "48 parameters (192 B), 12 of them the optimizer's, no control flow" in text
    assert "Largest of 4 weights, the optimizer's last" in text
    result = json.loads(json_v1.dumps(json_v1.inspect_result([summary])))
    validate(result)
    assert result["meta_graphs"][0]["graph"]["optimizer_parameters"] == 12


def test_a_handle_is_followed_into_the_body_of_the_step() -> None:
    body = wire.function(
        "train",
        {"var": 20, "kept": 20},  # resources
        {},
        [handmade.op("step", "ResourceApplyMomentum", "var", "kept", "l", "g", "r")],
    )
    handles = [
        handmade.op(name, "VarHandleOp", dtype=wire.F, shape=wire.Dims((3, 4)))
        for name in ("w", "speed")
    ]
    call = handmade.op("call", "StatefulPartitionedCall", "w", "speed", f=wire.Call("train"))
    model = handmade.model(*handles, call, functions=[body])
    graph = summarize(model).meta_graphs[0].graph
    assert [item.name for item in graph.weights if item.is_optimizer] == ["speed"]


@pytest.mark.parametrize("name", ["mg_train", "mg_resource"])
def test_a_checkpoint_tells_the_same_as_its_graph(name: str) -> None:
    """Adam keeps two for each that is trained: moving means and variances are not."""
    model = load(sample(f"tf1.15.5/{name}").path)
    graph = summarize(model).meta_graphs[0].graph
    assert (graph.parameters, graph.optimizer_parameters) == (313, 198)
    assert {item.name.rpartition("/")[2] for item in graph.weights if item.is_optimizer} == {
        "Adam",
        "Adam_1",
    }
    place = checkpoint_place(model)
    assert place is not None
    alone = summarize(load(place))
    assert (alone.parameters, alone.optimizer_parameters) == (313, 198)


def test_slots_are_told_by_name_where_the_variable_is_there() -> None:
    shapes: dict[str, object] = {
        "net/w": W,
        "net/w/Adam": W,
        "net/w/Adam_1": W,
        "scope/net/w/Momentum": W,
        "training/Adam/net/w/m": W,
        "net/b": FLAT,
        "net/b/RMSProp": W,  # not its shape
        "gone/Adam": W,  # of nothing that is there
        "net/w/ExponentialMovingAverage": W,
        "bert/kernel": W,
        "bert/kernel/adam_m": W,
        "t5/kernel": W,
        "t5/kernel_slot_vc": FLAT,
        "beta1_power": SCALAR,
    }
    assert by_name(shapes) == {
        "net/w/Adam",
        "net/w/Adam_1",
        "scope/net/w/Momentum",
        "training/Adam/net/w/m",
        "bert/kernel/adam_m",
        "t5/kernel_slot_vc",
        "beta1_power",
    }


def test_an_optimizer_with_a_name_of_its_own_is_known_by_its_two_slots() -> None:
    shapes: dict[str, object] = {"w": W, "w/Mine": W, "w/Mine_1": W, "b": FLAT, "b/Mine": FLAT}
    assert not by_name(shapes)
    assert by_name(shapes | {"beta2_power": SCALAR}) == {
        "w/Mine",
        "w/Mine_1",
        "b/Mine",
        "beta2_power",
    }


def test_the_name_alone_makes_no_slot_of_what_is_trained() -> None:
    model = handmade.model(
        variable("optimizer/w", 3, 4),
        handmade.op("step", "ApplyGradientDescent", "optimizer/w", "rate", "g", T=wire.F),
    )
    assert summarize(model).meta_graphs[0].graph.optimizer_parameters == 0


@pytest.mark.parametrize("head", ["optimizer", "my_opt"])
def test_only_what_the_optimizer_alone_holds_is_its(head: str) -> None:
    message = message_class("TrackableObjectGraph")()
    for children in (
        {"layer": 1, head: 2},
        {"kernel": 3},
        {"_variables": 4, "_learning_rate": 5, "_trainable_variables": 6},
        {},
        {"0": 7, "1": 3},
        {},
        {"0": 3},
        {},
    ):
        node = message.nodes.add()
        for name, number in children.items():
            node.children.add(local_name=name, node_id=number)
    theirs = optimizer_objects(message)
    assert 7 in theirs and not {0, 1, 3} & theirs


def test_slots_of_an_object_graph_are_the_optimizers_though_others_hold_them() -> None:
    message = message_class("SavedObjectGraph")()
    root, optimizer = message.nodes.add(), message.nodes.add()
    message.nodes.add(), message.nodes.add()
    root.children.add(local_name="w", node_id=2)
    root.children.add(local_name="slots", node_id=3)
    root.children.add(local_name="anything", node_id=1)
    optimizer.slot_variables.add(
        original_variable_node_id=2, slot_name="m", slot_variable_node_id=3
    )
    optimizer.children.add(local_name="far", node_id=99)
    assert optimizer_objects(message) - {1} == {3, 99} - {99}


def test_slots_of_a_bare_checkpoint_are_told_by_their_keys() -> None:
    end = "/.ATTRIBUTES/VARIABLE_VALUE"
    names = [
        f"layer/kernel{end}",
        f"layer/kernel/.OPTIMIZER_SLOT/optimizer/m{end}",
        f"optimizer/_variables/2{end}",
        f"optimizer/_trainable_variables/0{end}",
    ]
    tensor = constant_tensor(np.zeros((3, 4)), dtype_named("float32"))
    source = Source(path="made", bytes=1, format="checkpoint")
    model = Model(source=source, meta_graphs=(), variables=dict.fromkeys(names, tensor))
    assert stored_by_optimizer(model) == set(names[1:3])
    summary = summarize(model)
    assert (summary.parameters, summary.optimizer_parameters) == (48, 24)
    text = inspect_text(summary)
    assert "48 parameters (192 B), 24 of them the optimizer's" in text
    assert "Variables, the optimizer's last" in text
    assert text.index("_trainable_variables") < text.index(".OPTIMIZER_SLOT/optimizer/m")
    assert len(list_weights(model)) == 4  # they can be listed and saved all the same
