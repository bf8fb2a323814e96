"""One node: found by any of its spellings, with what feeds it, who takes it and what it holds."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from migrator.errors import NoSuchTensor
from migrator.formats.load import load
from migrator.formats.tensors import constant_tensor
from migrator.inspection.node import NodeDetail, describe_node
from migrator.inspection.parts import Parts
from migrator.model.dtypes import DType
from migrator.model.tensors import Shape, TensorRef
from migrator.report.attribute_values import attribute_json, shown_attribute
from migrator.report.json_parts import node_json
from migrator.report.text_parts import parts_text
from tests import handmade, wire
from tests.corpus import PROTOBUF, Sample, sample
from tests.fuzz.survive import assert_harmless
from tests.strategies import arrays

BODY = wire.function(
    "body/of_it",
    {"x": 1},
    {"y": 1},
    [
        handmade.const("table", [[1.0, 2.0]]),
        handmade.op("m", "Mul", "x", "table:output:0", T=wire.F),
        handmade.op("s", "Split", "axis:output:0", "m:z:0", T=wire.F, num_split=2),
        handmade.op("last", "Relu", "s:output:1", T=wire.F),
    ],
    {"y": "last:activations:0"},
)
GRAPH = handmade.model(
    handmade.placeholder("x"),
    handmade.const("w", [[1.0, -2.0], [float("nan"), 4.0]]),
    handmade.op("split", "Split", "axis", "x", T=wire.F, num_split=3),
    handmade.op("y", "MatMul", "split:2", "w", "^x", T=wire.F, device="/gpu:0"),
    handmade.op("z", "AddN", "y", "y:0", "split:2", T=wire.F, N=3),
    handmade.op("call", "PartitionedCall", "z", f=wire.Call("body/of_it")),
    functions=[BODY],
)


def text_of(detail: NodeDetail) -> str:
    text = "\n".join(parts_text(Parts(node=detail)))
    assert_harmless(text)
    json.dumps(node_json(detail), allow_nan=False)
    return text


def test_inputs_have_their_producers_and_consumers_their_slots() -> None:
    detail = describe_node(GRAPH, "y")
    ends = [(item.tensor, item.op, item.control) for item in detail.inputs]
    assert ends == [("split:2", "Split", False), ("w", "Const", False), ("^x", "Placeholder", True)]
    assert str(detail.inputs[1].shape) == "[2, 2]"
    taken = [(item.node, item.slot, item.tensor) for item in detail.consumers]
    assert taken == [("z", 0, "y"), ("z", 1, "y:0")]
    assert [item.slot for item in describe_node(GRAPH, "x").consumers] == [1, -1]
    assert len(describe_node(GRAPH, "split").outputs) == 3
    assert describe_node(GRAPH, "split").inputs[0].op is None
    assert describe_node(GRAPH, "call").calls == ("body/of_it",)
    assert "on device /gpu:0" in text_of(detail)


@pytest.mark.parametrize("spelled", ["y", "y:0", "^y"])
def test_a_node_goes_by_its_tensors_too(spelled: str) -> None:
    assert describe_node(GRAPH, spelled).name == "y"


def test_nodes_of_bodies_are_reached_through_their_function() -> None:
    detail = describe_node(GRAPH, "body/of_it/m")
    assert (detail.function, detail.op) == ("body/of_it", "Mul")
    assert [item.op for item in detail.inputs] == ["_Arg", "Const"]
    assert [item.node for item in detail.consumers] == ["s"]
    last = describe_node(GRAPH, "body/of_it/last:activations:0")
    assert [(item.node, item.op) for item in last.consumers] == [("y", "_Retval")]
    argument = describe_node(GRAPH, "body/of_it/x")
    assert (argument.op, [item.node for item in argument.consumers]) == ("_Arg", ["m"])
    assert "in the body of function body/of_it" in text_of(detail)


def test_a_wrong_name_is_answered_with_near_ones() -> None:
    with pytest.raises(NoSuchTensor, match=r"no node 'splt'; did you mean 'split'"):
        describe_node(GRAPH, "splt")
    with pytest.raises(NoSuchTensor, match="body/of_it/table"):
        describe_node(GRAPH, "elsewhere/table")


def test_values_of_small_constants_are_shown_and_large_ones_on_request() -> None:
    detail = describe_node(GRAPH, "w")
    text = text_of(detail)
    assert "from -2 to 4, mean 1" in text
    assert "1 not finite" in text
    values = node_json(detail)["value"]
    assert values["values"] == [[1.0, -2.0], ["NaN", 4.0]]
    large = handmade.model(handmade.const("w", np.arange(1 << 19)))
    unread = describe_node(large, "w")
    assert unread.array is None
    assert "--values reads it" in text_of(unread)
    assert "from 0 to 524287" in text_of(describe_node(large, "w", read_all=True))


@given(item=arrays())
def test_values_of_every_type_can_be_shown(item: tuple[DType, Any]) -> None:
    dtype, array = item
    tensor = constant_tensor(array, dtype)
    detail = NodeDetail(name="c", op="Const", value=tensor, array=tensor.numpy())
    text_of(detail)


def test_a_variable_has_its_value_from_the_checkpoint() -> None:
    path = sample("tf1.15.5/sm_variables").path
    detail = describe_node(load(path), "net/hidden/bias")
    assert detail.place is not None
    with open(detail.place.path, "rb") as file:
        file.seek(detail.place.offset)
        assert file.read(detail.place.length) == detail.array.tobytes()
    bare = load(path / "variables" / "variables")
    alone = describe_node(bare, "net/hidden/bias:0")
    assert (alone.op, alone.array.tolist()) == ("variable", detail.array.tolist())
    with pytest.raises(NoSuchTensor, match=r"no variable 'net/hiden/bias'.*'net/hidden/bias'"):
        describe_node(bare, "net/hiden/bias")


def test_shapes_come_from_who_knows_them() -> None:
    def shape_of(function: str, tensor: str) -> Shape | None:
        return Shape((7,)) if (function, tensor) in (("", "y:0"), ("body/of_it", "s:1")) else None

    detail = describe_node(GRAPH, "y", shape_of=shape_of)
    assert [str(item.shape) for item in detail.outputs] == ["[7]"]
    last = describe_node(GRAPH, "body/of_it/last", shape_of=shape_of)
    assert [str(item.shape) for item in last.inputs] == ["[7]"]


@pytest.mark.parametrize("item", PROTOBUF, ids=str)
def test_every_node_of_every_fixture_can_be_described(item: Sample) -> None:
    model = item.model()
    graph = model.graph
    for node in graph.nodes[:40]:
        detail = describe_node(model, node.name)
        assert (detail.name, detail.op, len(detail.inputs)) == (
            node.name,
            node.op,
            len(node.inputs),
        )
        text_of(detail)
        for consumer in detail.consumers:
            refs = [TensorRef.parse(text).node for text in graph.by_name[consumer.node].inputs]
            assert node.name in refs
    for function in list(graph.functions.values())[:4]:
        for node in function.nodes[:10]:
            assert describe_node(model, f"{function.name}/{node.name}").function == function.name


def test_attributes_are_shown_harmless_and_bounded() -> None:
    nested: Any = "deep"
    for _ in range(100):
        nested = {"config": [nested]}
    for value in (
        b"\x1b[31m" * 100_000,
        b"\xff\x00" * 100_000,
        "x" * 100_000,
        list(range(100_000)),
        nested,
        {str(number): number for number in range(100_000)},
        float("inf"),
        None,
        True,
    ):
        shown = shown_attribute(value)
        assert len(shown) < 1000
        assert_harmless(shown)
        assert len(json.dumps(attribute_json(value), allow_nan=False)) < 30_000
