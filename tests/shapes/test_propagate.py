"""Shapes through whole graphs: chains, loops, bodies; and graphs that no one would write."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from migrator.model.dtypes import FLOAT32, INT32
from migrator.model.graph import Graph
from migrator.model.tensors import Shape
from migrator.shapes.propagate import propagate
from tests import wire
from tests.corpus import sample
from tests.handmade import const, model, op, placeholder
from tests.strategies import wired_graphs


def graph(*nodes: bytes, functions: Any = (), producer: int = 134) -> Graph:
    return model(*nodes, functions=functions, producer=producer).graph


def dims(of: Graph, tensor: str, **options: Any) -> tuple[int | None, ...] | None:
    return propagate(of, **options).shape(tensor).dims


def dense(name: str, source: str, rows: int, columns: int) -> tuple[bytes, bytes]:
    weights = const(f"{name}/w", np.zeros((rows, columns)))
    return weights, op(name, "MatMul", source, f"{name}/w", T=wire.F)


def test_a_graph_that_declares_nothing_has_shapes_and_types_on_its_main_path() -> None:
    made = graph(
        placeholder("x", dims=(-1, 28, 28)),
        const("wanted", [-1, 784], "int32"),
        op("flat", "Reshape", "x", "wanted", T=wire.F),
        *dense("logits", "flat", 784, 10),
        op("best", "ArgMax", "logits", "axis", T=wire.F, output_type=wire.Type(3)),
        const("axis", 1, "int32"),
    )
    shapes = propagate(made)
    assert shapes.shape("flat") == Shape((None, 784))
    assert shapes.shape("logits:0") == Shape((None, 10))
    assert shapes.shape("best") == Shape((None,))
    assert shapes.dtype("best") == INT32
    assert shapes.dtype("logits") == FLOAT32
    assert shapes.shape("nobody") == shapes.shape("logits:7") == Shape(None)


def test_a_feed_replaces_what_the_graph_says() -> None:
    made = graph(placeholder("x", dims=None), op("y", "Relu", "x", T=wire.F))
    assert dims(made, "y") is None
    assert dims(made, "y", feeds={"x": Shape((2, 3))}) == (2, 3)
    assert dims(made, "y", feeds={"x:0": Shape((None, 3))}) == (None, 3)


def test_what_nodes_declare_is_taken_unless_other_shapes_are_fed() -> None:
    made = graph(
        placeholder("x", dims=(4, 5)),
        op("y", "SomebodysOwn", "x", _output_shapes=[wire.Dims((4, 5))]),
    )
    assert dims(made, "y") == (4, 5)
    assert dims(made, "y", feeds={"x": Shape((9, 5))}) is None


def test_only_what_is_wanted_and_near_is_looked_at() -> None:
    made = graph(
        placeholder("x", dims=(2, 3)),
        *(op(f"n{k}", "Relu", f"n{k - 1}" if k else "x", T=wire.F) for k in range(20)),
    )
    assert dims(made, "n19", wanted=["n19"]) == (2, 3)
    assert dims(made, "n19", wanted=["n3"]) is None
    assert dims(made, "n19", wanted=["n19"], most=10) is None


def test_scalar_placeholders_of_old_graphs_may_be_anything() -> None:
    node = placeholder("x", dims=())
    assert dims(graph(node, producer=21), "x") is None
    assert dims(graph(node, producer=134), "x") == ()


def loop(entering: tuple[int, ...], *body: bytes) -> Graph:
    """A TensorFlow 1 while loop whose ``body`` turns ``inside`` to ``next``."""
    return graph(
        placeholder("x", dims=entering),
        placeholder("more", wire.B, ()),
        op("enter", "Enter", "x", T=wire.F, frame_name=b"loop"),
        op("merge", "Merge", "enter", "back", T=wire.F, N=2),
        op("cond", "LoopCond", "more"),
        op("switch", "Switch", "merge", "cond", T=wire.F),
        op("inside", "Identity", "switch:1", T=wire.F),
        *body,
        op("back", "NextIteration", "next", T=wire.F),
        op("exit", "Exit", "switch", T=wire.F),
    )


def test_a_loop_keeps_what_every_round_keeps() -> None:
    kept = loop((2, 3), op("next", "Tanh", "inside", T=wire.F))
    assert dims(kept, "exit") == dims(kept, "inside") == (2, 3)
    grows = loop(
        (2, 3),
        const("axis", 0, "int32"),
        op("next", "ConcatV2", "inside", "inside", "axis", T=wire.F, N=2),
    )
    assert dims(grows, "exit") == (None, 3)
    deeper = loop(
        (2, 3),
        const("axis", 0, "int32"),
        op("next", "ExpandDims", "inside", "axis", T=wire.F),
    )
    assert dims(deeper, "exit") is None
    assert dims(loop((2, 3)), "exit") is None  # nobody makes what comes back


BODY = wire.function(
    "body",
    {"a": 1},
    {"out": 1},
    [wire.node("r", "Relu", ("a",), {"T": wire.F})],
    {"out": "r:activations:0"},
)


def call(name: str, source: str, function: str = "body") -> bytes:
    return op(name, "PartitionedCall", source, f=wire.Call(function), Tin=[wire.F], Tout=[wire.F])


def test_calls_are_followed_and_a_body_says_what_is_true_of_all_calls() -> None:
    made = graph(
        placeholder("x", dims=(2, 3)),
        placeholder("y", dims=(5, 3)),
        call("one", "x"),
        call("two", "y"),
        functions=[BODY],
    )
    shapes = propagate(made)
    assert shapes.shape("one") == Shape((2, 3))
    assert shapes.shape("two") == Shape((5, 3))
    assert shapes.shape("r:activations:0", "body") == Shape((None, 3))
    assert shapes.shape("a", "body") == Shape((None, 3))
    assert shapes.dtype("a", "body") == FLOAT32


def test_a_body_that_somebody_calls_in_ways_that_are_not_followed_is_unknown() -> None:
    made = graph(
        placeholder("x", dims=(2, 3)),
        call("one", "x"),
        op("data", "MapDataset", f=wire.Call("body")),
        functions=[BODY],
    )
    shapes = propagate(made)
    assert shapes.shape("one") == Shape((2, 3))
    assert shapes.shape("r:activations:0", "body") == Shape(None)


def test_functions_that_call_themselves_or_each_other_end() -> None:
    def calling(name: str, other: str, times: int = 1) -> bytes:
        nodes = [
            wire.node(
                f"c{k}",
                "PartitionedCall",
                (f"c{k - 1}:output:0" if k else "a",),
                {"f": wire.Call(other), "Tin": [wire.F], "Tout": [wire.F]},
            )
            for k in range(times)
        ]
        return wire.function(name, {"a": 1}, {"out": 1}, nodes, {"out": f"c{times - 1}:output:0"})

    own = graph(placeholder("x"), call("y", "x", "f"), functions=[calling("f", "f")])
    assert dims(own, "y") is None
    chain = [calling(f"f{k}", f"f{k + 1}", 4) for k in range(200)]
    start = time.process_time()
    shapes = propagate(graph(placeholder("x"), call("y", "x", "f0"), functions=chain))
    assert shapes.shape("c3:output:0", "f150") == Shape(None)
    assert time.process_time() - start < 10


def test_long_chains_are_walked_without_recursion_and_in_linear_time() -> None:
    nodes = [placeholder("x", dims=(2, 3))]
    nodes += [op(f"n{k}", "Relu", f"n{k - 1}" if k else "x", T=wire.F) for k in range(6_000)]
    for order in (nodes, nodes[::-1]):
        made = graph(*order)
        start = time.process_time()
        assert dims(made, "n5999") == (2, 3)
        assert time.process_time() - start < 3


def test_odd_graphs_give_unknown_shapes() -> None:
    made = graph(
        op("a", "Relu", "b", T=wire.F),  # a cycle
        op("b", "Relu", "a", T=wire.F),
        op("alone", "Merge", "back", T=wire.F, N=1),
        op("back", "NextIteration", "alone", T=wire.F),
        op("dangling", "ConcatV2", "nobody", "x", "axis", T=wire.F, N=2),
        placeholder("x", dims=(2, 3)),
        const("axis", 1, "int32"),
        op("huge", "Placeholder", dtype=wire.F, shape=wire.Dims((1 << 62,) * 6)),
        op("product", "Reshape", "huge", "one", T=wire.F),
        const("one", [-1], "int32"),
        op("high", "Placeholder", dtype=wire.F, shape=wire.Dims((1,) * 5000)),
        op("many", "Split", "axis", "x", T=wire.F, num_split=1 << 30),
        op("none", "Conv2D"),
    )
    shapes = propagate(made)
    for name in ("a", "b", "alone", "high", "none"):
        assert shapes.shape(name) == Shape(None), name
    assert shapes.shape("dangling") == Shape((2, None))
    assert shapes.shape("product") == Shape((None,))
    assert shapes.shape("many:4095") == Shape((2, 0))


@pytest.mark.parametrize("other", ["f", "g"])
@pytest.mark.parametrize("kind", ["If", "Case", "While", "PartitionedCall"])
@pytest.mark.parametrize("declares", [False, True])
def test_many_calls_of_a_function_with_many_results_take_linear_time_and_memory(
    kind: str, other: str, declares: bool
) -> None:
    names = [f"o{k}" for k in range(2_000)]
    outputs = dict.fromkeys(names, 1)
    functions = [
        wire.function(
            name,
            {"a": 1},
            outputs,
            [wire.node("r", body, ("a",), {"T": wire.F})],
            dict.fromkeys(names, "r:activations:0"),
        )
        for name, body in (("f", "Relu"), ("g", "SomebodysOwn"))
    ]
    attrs: dict[str, Any] = {
        "If": {"then_branch": wire.Call("f"), "else_branch": wire.Call(other)},
        "Case": {"branches": [wire.Call("f"), wire.Call(other)]},
        "While": {"cond": wire.Call("f"), "body": wire.Call(other)},
        "PartitionedCall": {"f": wire.Call(other)},
    }[kind]
    if declares:
        attrs["_output_shapes"] = [wire.Dims((2, 3))]
    given = ("x",) if kind in ("While", "PartitionedCall") else ("p", "x")
    made = graph(
        placeholder("p", wire.B, ()),
        placeholder("x", dims=(2, 3)),
        *(op(f"n{k}", kind, *given, **attrs) for k in range(2_000)),
        functions=functions,
    )
    assert_cheap(made)


def assert_cheap(made: Graph) -> None:
    """Its shapes take little time and little memory."""
    import tracemalloc

    start = time.process_time()
    propagate(made)
    assert time.process_time() - start < 5
    tracemalloc.start()
    try:
        propagate(made)
        assert tracemalloc.get_traced_memory()[1] < 70 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "attrs",
    [
        {"kind": "DynamicPartition", "num_partitions": 4096},
        {"kind": "Unpack", "num": 4096, "axis": 0},
        {"kind": "Split", "num_split": 4096},
    ],
)
def test_ops_that_claim_many_outputs_take_linear_time_and_memory(attrs: dict[str, Any]) -> None:
    kind = attrs["kind"]
    given = {"Unpack": ("x",), "Split": ("i", "x")}.get(kind, ("x", "i"))
    rest = {key: value for key, value in attrs.items() if key != "kind"}
    made = graph(
        placeholder("x", dims=(8, 8)),
        placeholder("i", wire.Type(3), dims=(8,)),
        *(op(f"n{k}", kind, *given, T=wire.F, **rest) for k in range(3_000)),
    )
    assert_cheap(made)


def test_long_values_are_followed_as_far_as_a_linear_budget_goes() -> None:
    many = 6_000
    made = graph(
        const("one", [1] * 256, "int64"),
        const("v0", range(1 << 40, (1 << 40) + 256), "int64"),
        *(op(f"v{k + 1}", "AddV2", f"v{k}", "one", T=wire.Type(9)) for k in range(many)),
    )
    assert_cheap(made)
    shapes = propagate(made)
    assert (shapes.fact("v9").values or ())[0] == (1 << 40) + 9
    assert shapes.fact(f"v{many}").values is None


def test_large_constants_are_not_read() -> None:
    from migrator.model.graph import Node, Versions
    from migrator.model.tensors import LazyTensor

    def read() -> bytes:
        raise AssertionError("read")

    def decode(tensor: LazyTensor) -> Any:
        raise AssertionError("decoded")

    large = LazyTensor(
        dtype=INT32, shape=Shape((1 << 20,)), stored_bytes=1 << 22, read=read, decode=decode
    )
    node = Node("c", "Const", (), "", {"value": large})
    made = Graph(nodes=(node,), functions={}, versions=Versions(), by_name={"c": node})
    assert dims(made, "c") == (1 << 20,)


@settings(max_examples=20, deadline=None)
@given(wired_graphs())
def test_no_graph_raises(nodes: list[bytes]) -> None:
    made = graph(*nodes)
    shapes = propagate(made)
    for node in made.nodes:
        shapes.shape(node.name)
        shapes.dtype(node.name)


@pytest.mark.parametrize(
    "name", ["tf1.15.5/conv_bn", "tf1.4.1/rnn_while", "tf1.15.5/cond_in_while"]
)
def test_more_feeds_never_say_less(name: str) -> None:
    """What is known of an unknown batch stays true of a batch of three."""
    made = sample(name).model().graph
    open_, fed = propagate(made), None
    feeds = {}
    for node in made.nodes:
        shape = node.attrs.get("shape") if node.op == "Placeholder" else None
        if isinstance(shape, Shape) and shape.dims:
            feeds[node.name] = Shape(tuple(3 if size is None else size for size in shape.dims))
    fed = propagate(made, feeds)
    assert feeds
    for node in made.nodes:
        before, after = open_.shape(node.name).dims, fed.shape(node.name).dims
        if before is not None:
            assert after is not None, node.name
            pairs = zip(before, after, strict=True)
            assert all(a is None or a == b for a, b in pairs), node.name
