"""Calls replaced by bodies: the same tensors under the same names."""

from __future__ import annotations

from migrator.graph.inline import inline_calls
from migrator.model.graph import Graph
from tests import wire
from tests.handmade import model, op

F = wire.F


def body(name: str, inputs: list[str], nodes: list[bytes], returns: dict[str, str]) -> bytes:
    kinds = dict.fromkeys(inputs, wire.FLOAT), dict.fromkeys(returns, wire.FLOAT)
    return wire.function(name, *kinds, nodes, returns)


def call(name: str, function: str, *inputs: str) -> bytes:
    return op(name, "PartitionedCall", *inputs, f=wire.Call(function), Tin=[F], Tout=[F])


def wiring(graph: Graph) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {node.name: (node.op, node.inputs) for node in graph.nodes}


TWICE = body(
    "twice",
    ["a"],
    [op("add", "AddV2", "a", "a", T=F),
     op("twin", "Split", "axis:output:0", "add:z:0", num_split=2, T=F),
     op("axis", "Const", dtype=wire.I32),
     op("out", "Neg", "twin:output:1", "^add", T=F)],
    {"r": "out:y:0"},
)  # fmt: skip


def test_a_call_becomes_its_nodes_and_keeps_its_name() -> None:
    graph = model(
        op("x", "Placeholder", dtype=F),
        op("first", "NoOp"),
        call("y", "twice", "x:0", "^first"),
        op("z", "Relu", "y", T=F),
        functions=[TWICE],
    ).graph
    found = inline_calls(graph, lambda _: True)
    assert wiring(found) == {
        "x": ("Placeholder", ()),
        "first": ("NoOp", ()),
        "y/add": ("AddV2", ("x:0", "x:0", "^first")),
        "y/twin": ("Split", ("y/axis:0", "y/add:0", "^first")),
        "y/axis": ("Const", ("^first",)),
        "y/out": ("Neg", ("y/twin:1", "^y/add", "^first")),
        "y": ("Identity", ("y/out:0",)),
        "z": ("Relu", ("y",)),
    }


def test_calls_in_bodies_are_followed() -> None:
    outer = body("outer", ["b"], [call("inner", "twice", "b")], {"r": "inner:output:0"})
    graph = model(
        op("x", "Placeholder", dtype=F), call("y", "outer", "x"), functions=[outer, TWICE]
    ).graph
    found = wiring(inline_calls(graph, lambda _: True))
    assert found["y/inner/add"] == ("AddV2", ("x", "x"))
    assert found["y/inner"] == ("Identity", ("y/inner/out:0",))
    assert found["y"] == ("Identity", ("y/inner:0",))


def test_what_calls_itself_ends() -> None:
    itself = body("itself", ["a"], [call("again", "itself", "a")] * 1, {"r": "again:output:0"})
    two = body("two", ["a"], [call("l", "two", "a"), call("r", "two", "a")], {"r": "l:output:0"})
    for name, function in (("itself", itself), ("two", two)):
        graph = model(
            op("x", "Placeholder", dtype=F), call("y", name, "x"), functions=[function]
        ).graph
        assert len(inline_calls(graph, lambda _: True).nodes) < 300_000


def test_a_body_that_does_not_fit_is_left_as_a_call() -> None:
    lost = body("lost", ["a"], [op("n", "Neg", "nothing:y:0", T=F)], {"r": "n:y:0"})
    graph = model(op("x", "Placeholder", dtype=F), call("y", "lost", "x"), functions=[lost]).graph
    assert inline_calls(graph, lambda _: True) is graph


def test_only_what_is_wanted_is_inlined() -> None:
    graph = model(op("x", "Placeholder", dtype=F), call("y", "twice", "x"), functions=[TWICE]).graph
    assert inline_calls(graph, lambda function: function.name != "twice") is graph
