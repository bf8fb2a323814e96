"""Cutting a graph down: what stays, what goes, and what is kept of what stays."""

from __future__ import annotations

import networkx as nx
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from migrator.graph.build import to_networkx
from migrator.migration.options import Choice
from migrator.migration.planning import plan
from tests import strategies, wire
from tests.equality import plain_attrs
from tests.handmade import const, dense, model, op, placeholder, read_graph, unary

KEEP = Choice(control_flow="v1")


def kept(found: object) -> list[str]:
    return [node.name for node in found.subgraph.nodes]  # type: ignore[attr-defined]


def test_control_dependencies_stay_with_what_they_need() -> None:
    found = model(
        placeholder("x"),
        const("limit", [1.0]),
        op("check", "Less", "x", "limit", T=wire.F),
        op("assert", "Assert", "check", "x", T=[wire.F]),
        op("y", "Relu", "x", "^assert", T=wire.F),
        op("unrelated", "NoOp", "^x"),
    )
    planned = plan(found, inputs=["x"], outputs=["y"])
    assert {"limit", "check", "assert", "y"} <= set(kept(planned))
    assert "unrelated" not in kept(planned)
    (result,) = [node for node in planned.subgraph.nodes if node.name == "y"]
    assert result.inputs == ("x", "^assert")


def test_control_edges_to_what_was_cut_go() -> None:
    flag = op("flag", "Placeholder", dtype=wire.B, shape=wire.Dims(()))
    found = model(
        placeholder("x"),
        flag,
        op("s", "Switch", "x", "flag", T=wire.F),
        unary("on", "Relu", "s:1"),
        unary("off", "Neg", "s:0"),
        op("m", "Merge", "off", "on", T=wire.F, N=2),
        op("y", "Tanh", "m", "^flag", T=wire.F),
    )
    planned = plan(found, inputs=["x"], outputs=["y"], feeds=["flag=true"])
    names = set(kept(planned))
    for node in planned.subgraph.nodes:
        assert {ref.node for ref in node.refs} <= names | {"x"}
    assert "off" not in names


def test_attributes_stay_but_for_devices_and_colocation() -> None:
    found = model(
        placeholder("x"),
        op("y", "Relu", "x", device="/job:worker/GPU:0", T=wire.F, _class=[b"loc:@x"], _keep=b"me"),
    )
    (node,) = [n for n in plan(found, inputs=["x"], outputs=["y"]).subgraph.nodes if n.name == "y"]
    assert node.device == ""
    assert plain_attrs(node.attrs) == {"T": ("type", 1), "_keep": ("bytes", b"me")}


def test_the_order_of_the_graph_is_kept() -> None:
    nodes = [*reversed(dense("b", "a", 3, 3)), *dense("a", "x"), placeholder("x")]
    found = plan(model(*nodes), inputs=["x"], outputs=["b"])
    assert [name for name in kept(found) if name != "x"] == ["b", "b/weights", "a/weights", "a"]


def test_only_functions_that_are_called_stay_in_their_order() -> None:
    def body(name: str, called: str) -> bytes:
        return wire.function(
            name, {"a": 1}, {"b": 1}, [wire.node("c", called, ["a"])], {"b": "c:b:0"}
        )

    functions = [body("unused", "Relu"), body("inner", "Relu"), body("outer", "inner")]
    found = model(placeholder("x"), op("y", "outer", "x"), functions=functions)
    planned = plan(found, inputs=["x"], outputs=["y"])
    assert [function.name for function in planned.subgraph.functions] == ["inner", "outer"]


def test_functions_named_by_attributes_stay() -> None:
    body = wire.function("branch", {"a": 1}, {"b": 1}, [], {"b": "a"})
    found = model(
        placeholder("x"),
        op(
            "y",
            "Case",
            "x",
            "x",
            branches=[wire.Call("branch"), wire.Call("branch")],
            Tout=[wire.F],
        ),
        functions=[body],
    )
    assert [f.name for f in plan(found, inputs=["x"], outputs=["y"]).subgraph.functions] == [
        "branch"
    ]


def test_one_port_of_a_node_as_input_leaves_the_others_to_be_computed() -> None:
    """split:0 is given, split:1 is not: the node must still run for the second."""
    found = model(
        placeholder("x"),
        const("axis", 0, "int32"),
        op("split", "Split", "axis", "x", num_split=2, T=wire.F),
        op("y", "Add", "split:0", "split:1", T=wire.F),
    )
    planned = plan(found, inputs=["x", "split:0"], outputs=["y"])
    assert {"split", "axis"} <= set(kept(planned))
    assert planned.blockers == ()


def test_constant_bytes_count_what_is_kept() -> None:
    found = model(placeholder("x"), *dense("y", "x", 4, 3), *dense("gone", "x", 100, 100))
    planned = plan(found, inputs=["x"], outputs=["y"])
    assert 48 <= planned.subgraph.constant_bytes < 100


@given(strategies.wired_graphs(), st.data())
def test_what_is_kept_is_exactly_what_the_output_needs(
    nodes: list[bytes], data: st.DataObject
) -> None:
    found = read_graph(wire.graph(nodes))
    names = [node.name for node in found.graph.nodes]
    output = data.draw(st.sampled_from(names))
    view = to_networkx(found)
    needed = nx.ancestors(view, output) | {output}
    if output == names[0]:
        return
    if names[0] not in needed:
        return
    planned = plan(found, inputs=[names[0]], outputs=[output])
    assert set(kept(planned)) | {names[0]} == needed
    assert planned.nodes == len(names)


def _switched(predicate: str) -> list[bytes]:
    """``final`` = x squared or x plus x, as ``predicate`` says."""
    return [
        op("sw", "Switch", "x", predicate, T=wire.F),
        op("yes", "Square", "sw:1", T=wire.F),
        op("no", "Add", "sw", "sw", T=wire.F),
        op("final", "Merge", "no", "yes", T=wire.F, N=2),
    ]


def test_a_feed_of_one_port_decides_nothing_about_the_others() -> None:
    found = model(
        placeholder("v", wire.B, (2,)),
        placeholder("x"),
        op("flags", "Unpack", "v", T=wire.B, num=2, axis=0),
        *_switched("flags"),
        op("out", "Select", "flags:1", "final", "x", T=wire.F),
    )
    planned = plan(found, inputs=["v", "x"], outputs=["out"], feeds=["flags:1=false"], choice=KEEP)
    ops = {node.name: node.op for node in planned.subgraph.nodes}
    assert ops["sw"] == "Switch"
    assert ops["flags/fed_1"] == "Const"


def test_nothing_is_folded_through_an_input() -> None:
    found = model(
        placeholder("x"),
        const("off", False, "bool"),
        op("flag", "PlaceholderWithDefault", "off", dtype=wire.B, shape=wire.Dims(())),
        op("p", "Identity", "flag", T=wire.B),
        *_switched("p"),
        op("out", "Identity", "final", "^p", T=wire.F),
    )
    planned = plan(found, inputs=["x", "p"], outputs=["out"], choice=KEEP)
    assert {node.name: node.op for node in planned.subgraph.nodes}["sw"] == "Switch"


def test_a_feed_does_not_hide_the_only_input() -> None:
    found = model(
        const("blank", np.zeros((1, 4))),
        op("images", "PlaceholderWithDefault", "blank", dtype=wire.F, shape=wire.Dims((-1, 4))),
        op("is_training", "Placeholder", dtype=wire.B, shape=wire.Dims(())),
        op("sw", "Switch", "images", "is_training", T=wire.F),
        op("no", "Square", "sw", T=wire.F),
        op("yes", "Abs", "sw:1", T=wire.F),
        op("probs", "Merge", "no", "yes", T=wire.F, N=2),
    )
    planned = plan(found, outputs=["probs"], feeds=["is_training=false"])
    assert [item.tensor for item in planned.inputs] == ["images:0"]


def test_an_output_in_a_branch_that_is_ruled_out_blocks() -> None:
    found = model(
        placeholder("x"),
        op("flag", "Placeholder", dtype=wire.B, shape=wire.Dims(())),
        *_switched("flag"),
    )
    planned = plan(found, inputs=["x"], outputs=["yes"], feeds=["flag=false"])
    assert [item.code for item in planned.blockers] == ["output_lost"]


def test_an_input_that_no_array_holds_blocks() -> None:
    found = model(
        op("x", "Placeholder", dtype=wire.Type(21), shape=wire.Dims(())),
        op("y", "Identity", "x", T=wire.Type(21)),
        op("z", "OptionalHasValue", "y"),
    )
    planned = plan(found, inputs=["x"], outputs=["z"])
    assert "handle_input" in [item.code for item in planned.blockers]


def test_devices_inside_of_functions_are_stripped_too() -> None:
    body = wire.function(
        "f",
        {"a": 1},
        {"b": 1},
        [wire.node("deep", "Relu", ["a"], {"T": wire.F}, device="/job:ps/task:0")],
        {"b": "deep:activations:0"},
    )
    found = plan(
        model(
            placeholder("x"),
            op("mid", "PartitionedCall", "x", f=wire.Call("f"), Tin=[wire.F], Tout=[wire.F]),
            unary("y", "Relu", "mid"),
            functions=(body,),
        )
    )
    (function,) = found.subgraph.functions
    assert [node.device for node in function.nodes] == [""]
    assert [node.device for node in function.definition.node_def] == [""]
    assert [step.count for step in found.steps if step.code == "strip_devices"] == [1]
    (before,) = found.graph.functions.values()
    assert before.definition.node_def[0].device == "/job:ps/task:0"
