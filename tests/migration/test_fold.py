"""Branches of tf.cond that a fixed predicate never takes, against a reference that runs graphs.

The reference is an interpreter of dead tensors in a few lines: what is dead stays dead, a Merge
takes what is alive. Folding must not change what comes out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.migration.fold import Folded, fold_switches
from migrator.migration.options import Choice
from migrator.migration.planning import plan
from migrator.model.graph import Node
from migrator.model.tensors import TensorRef
from tests import wire
from tests.corpus import sample
from tests.handmade import const, model, op, placeholder, unary

FLAG = op("flag", "Placeholder", dtype=wire.B, shape=wire.Dims(()))
DEAD = object()


def fold(*nodes: bytes, **values: bool) -> Folded:
    return fold_switches(model(*nodes).graph, values)


def ops(found: Folded) -> dict[str, str]:
    return {node.name: node.op for node in found.nodes}


def inputs(found: Folded, name: str) -> tuple[str, ...]:
    (node,) = [node for node in found.nodes if node.name == name]
    return node.inputs


def cond(flag: str = "flag", name: str = "cond") -> list[bytes]:
    """x if flag else -x"""
    return [
        op(f"{name}/Switch", "Switch", "x", flag, T=wire.F),
        unary(f"{name}/on", "Relu", f"{name}/Switch:1"),
        unary(f"{name}/off", "Neg", f"{name}/Switch"),
        op(f"{name}/Merge", "Merge", f"{name}/off", f"{name}/on", T=wire.F, N=2),
    ]


@pytest.mark.parametrize(
    ("flag", "kept", "gone"), [(True, "cond/on", "cond/off"), (False, "cond/off", "cond/on")]
)
def test_the_live_branch_stays_and_the_dead_one_goes(flag: bool, kept: str, gone: str) -> None:
    found = fold(placeholder("x"), FLAG, *cond(), unary("y", "Tanh", "cond/Merge"), flag=flag)
    assert found.switches == 1
    assert kept in ops(found)
    assert gone not in ops(found)
    assert ops(found)["cond/Switch"] == "Identity"
    assert ops(found)["cond/Merge"] == "Identity"
    assert inputs(found, kept) == ("cond/Switch:0",)
    assert inputs(found, "cond/Merge") == (kept,)
    assert inputs(found, "y") == ("cond/Merge",)


def test_nothing_fixed_changes_nothing() -> None:
    nodes = [placeholder("x"), FLAG, *cond()]
    found = fold(*nodes)
    assert (found.switches, found.removed) == (0, 0)
    assert [node.name for node in found.nodes] == [
        "x",
        "flag",
        *(f"cond/{n}" for n in ("Switch", "on", "off", "Merge")),
    ]


def test_predicates_follow_through_logic_in_any_order() -> None:
    nodes = [
        placeholder("x"),
        *cond("deep"),
        op("deep", "LogicalAnd", "not", "or"),
        op("or", "LogicalOr", "flag", "unknown"),
        op("not", "LogicalNot", "no"),
        unary("no", "Identity", "off", wire.B),
        FLAG,
        op("off", "Placeholder", dtype=wire.B),
        op("unknown", "Placeholder", dtype=wire.B),
    ]
    found = fold(*nodes, flag=True, off=False)
    assert "cond/on" in ops(found)
    assert "cond/off" not in ops(found)


@pytest.mark.parametrize("kind", ["LogicalAnd", "LogicalOr"])
def test_a_predicate_that_is_half_known_stays_open(kind: str) -> None:
    nodes = [
        placeholder("x"),
        FLAG,
        op("other", "Placeholder", dtype=wire.B),
        op("both", kind, "flag", "other"),
        *cond("both"),
    ]
    assert fold(*nodes, flag=kind == "LogicalAnd").switches == 0
    assert fold(*nodes, flag=kind != "LogicalAnd").switches == 1


def test_nested_conds_fold_from_the_outside_in() -> None:
    nodes = [
        placeholder("x"),
        FLAG,
        op("inner_flag", "Placeholder", dtype=wire.B),
        op("s", "Switch", "x", "flag", T=wire.F),
        op("p", "Switch", "inner_flag", "flag", T=wire.B),
        op("inner", "Switch", "s:1", "p:1", T=wire.F),
        unary("a", "Relu", "inner:1"),
        unary("b", "Neg", "inner:0"),
        op("inner_merge", "Merge", "b", "a", T=wire.F, N=2),
        unary("off", "Tanh", "s:0"),
        op("y", "Merge", "off", "inner_merge", T=wire.F, N=2),
    ]
    dead = fold(*nodes, flag=False)
    assert {"inner", "a", "b", "inner_merge"}.isdisjoint(ops(dead))
    assert inputs(dead, "y") == ("off",)
    alive = fold(*nodes, flag=True)
    assert ops(alive)["inner"] == "Switch"  # its own predicate is open
    assert ops(alive)["inner_merge"] == "Merge"
    assert inputs(alive, "y") == ("inner_merge",)
    both = fold(*nodes, flag=True, inner_flag=False)
    assert "a" not in ops(both)
    assert inputs(both, "inner_merge") == ("b",)


def loop(source: str) -> list[bytes]:
    return [
        op("loop/Enter", "Enter", source, T=wire.F, frame_name=b"f"),
        op("loop/Merge", "Merge", "loop/Enter", "loop/Next", T=wire.F, N=2),
        op("loop/Less", "Less", "loop/Merge", "loop/Merge", T=wire.F),
        op("loop/Cond", "LoopCond", "loop/Less"),
        op("loop/Switch", "Switch", "loop/Merge", "loop/Cond", T=wire.F),
        op("loop/Exit", "Exit", "loop/Switch", T=wire.F),
        unary("loop/Body", "Tanh", "loop/Switch:1"),
        op("loop/Next", "NextIteration", "loop/Body", T=wire.F),
    ]


def test_a_loop_in_a_dead_branch_is_dead_although_it_feeds_itself() -> None:
    nodes = [
        placeholder("x"),
        FLAG,
        op("s", "Switch", "x", "flag", T=wire.F),
        *loop("s:1"),
        unary("off", "Neg", "s:0"),
        op("y", "Merge", "off", "loop/Exit", T=wire.F, N=2),
    ]
    dead = fold(*nodes, flag=False)
    assert not [name for name in ops(dead) if name.startswith("loop/")]
    alive = fold(*nodes, flag=True)
    assert ops(alive)["loop/Merge"] == "Merge"
    assert inputs(alive, "loop/Merge") == ("loop/Enter", "loop/Next")
    assert "off" not in ops(alive)


@pytest.mark.parametrize(("flag", "index"), [(False, 0), (True, 1)])
def test_what_asks_a_merge_which_input_it_took_gets_that_number(flag: bool, index: int) -> None:
    found = fold(
        placeholder("x"),
        FLAG,
        *cond(),
        unary("which", "Identity", "cond/Merge:1", wire.I32),
        flag=flag,
    )
    (source,) = inputs(found, "which")
    (node,) = [node for node in found.nodes if node.name == source]
    assert node.op == "Const"
    assert node.attrs["value"].numpy().item() == index


def test_a_merge_of_three_keeps_the_live_two() -> None:
    nodes = [
        placeholder("x"),
        placeholder("z"),
        FLAG,
        *cond()[:3],
        op("m", "Merge", "cond/off", "cond/on", "z", T=wire.F, N=3),
    ]
    found = fold(*nodes, flag=True)
    assert inputs(found, "m") == ("cond/on", "z")
    (merge,) = [node for node in found.nodes if node.name == "m"]
    assert (merge.op, merge.attrs["N"]) == ("Merge", 2)


def test_control_edges_of_live_nodes_stay() -> None:
    nodes = [
        placeholder("x"),
        FLAG,
        op("before", "NoOp"),
        *cond(),
        op("y", "Relu", "cond/Merge", "^before", "^cond/on", T=wire.F),
    ]
    found = fold(*nodes, flag=True)
    assert inputs(found, "y") == ("cond/Merge", "^before", "^cond/on")


def test_a_node_that_waits_for_a_dead_one_is_dead() -> None:
    """As in the runtime: a control input from a dead node kills."""
    nodes = [placeholder("x"), FLAG, *cond(), op("y", "Relu", "x", "^cond/off", T=wire.F)]
    assert "y" not in ops(fold(*nodes, flag=True))


def test_a_switch_without_readers_on_its_live_side_goes_quietly() -> None:
    nodes = [
        placeholder("x"),
        FLAG,
        op("s", "Switch", "x", "flag", T=wire.F),
        unary("y", "Relu", "s:0"),
    ]
    found = fold(*nodes, flag=True)
    assert "y" not in ops(found)


def test_reference_switches_lose_their_reference() -> None:
    nodes = [
        placeholder("x"),
        FLAG,
        op("s", "RefSwitch", "x", "flag", T=wire.Type(101)),
        op("y", "RefIdentity", "s:1", T=wire.Type(101)),
    ]
    (switch,) = [node for node in fold(*nodes, flag=True).nodes if node.name == "s"]
    assert (switch.op, switch.attrs["T"]) == ("Identity", wire.FLOAT)


# -- against a reference


def run(nodes: Mapping[str, Node], values: Mapping[str, bool], wanted: str) -> Any:
    """What ``wanted`` computes, symbolically: a term, or DEAD."""
    known: dict[TensorRef, Any] = {}

    def tensor(text: str) -> Any:
        ref = TensorRef.parse(text)
        node = nodes[ref.node]
        key = TensorRef(ref.node, max(ref.port, 0))
        if key not in known:
            known[key] = compute(node, key.port)
        return known[key]

    def compute(node: Node, port: int) -> Any:
        found = [tensor(text) for text in node.inputs if text[0] != "^"]
        waits = [tensor(text) for text in node.inputs if text[0] == "^"]
        if DEAD in waits:
            return DEAD
        if node.op == "Merge":
            alive = [(index, item) for index, item in enumerate(found) if item is not DEAD]
            if not alive:
                return DEAD
            return alive[0][1] if port == 0 else alive[0][0]
        if DEAD in found:
            return DEAD
        if node.op in ("Switch",):
            return found[0] if port == int(found[1]) else DEAD
        if node.op == "Identity":
            return found[0]
        if node.op == "LogicalNot":
            return not found[0]
        if node.op == "Placeholder":
            return values.get(node.name, node.name)
        if node.op == "Const":
            return node.attrs["value"].numpy().item()
        return (node.op, *found)

    return tensor(wanted)


@st.composite
def conditionals(draw: st.DrawFn) -> tuple[list[bytes], list[str]]:
    """Random programs of conds, nested and chained, and the names of their results."""
    nodes = [placeholder("x"), *(op(f"f{n}", "Placeholder", dtype=wire.B) for n in range(3))]
    flags = ["f0", "f1", "f2"]
    data = ["x"]
    for index in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(("not", "op", "cond", "halves")))
        if kind == "not":
            nodes.append(op(f"n{index}", "LogicalNot", draw(st.sampled_from(flags))))
            flags.append(f"n{index}")
            continue
        source = draw(st.sampled_from(data))
        if kind == "op":
            other = draw(st.sampled_from(data))
            nodes.append(op(f"o{index}", "Mul", source, other, T=wire.F))
            data.append(f"o{index}")
            continue
        nodes.append(op(f"s{index}", "Switch", source, draw(st.sampled_from(flags)), T=wire.F))
        if kind == "halves":  # what is inside of a branch may go on from there
            data += [f"s{index}:0", f"s{index}:1"]
            continue
        nodes.append(unary(f"t{index}", "Relu", f"s{index}:1"))
        nodes.append(unary(f"e{index}", "Neg", f"s{index}"))
        controls = [f"^{draw(st.sampled_from(flags))}"] if draw(st.booleans()) else []
        nodes.append(op(f"m{index}", "Merge", f"e{index}", f"t{index}", *controls, T=wire.F, N=2))
        data.append(f"m{index}")
    return nodes, [name for name in data if ":" not in name]


@given(conditionals(), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 3))
def test_folding_changes_nothing_that_comes_out(
    program: tuple[list[bytes], list[str]], f0: bool, f1: bool, f2: bool, fixed: int
) -> None:
    nodes, results = program
    graph = model(*nodes).graph
    values = {"f0": f0, "f1": f1, "f2": f2}
    folded = fold_switches(graph, dict(list(values.items())[:fixed]))
    after = {node.name: node for node in folded.nodes}
    assert len(after) == len(folded.nodes)
    for name in results:
        expected = run(graph.by_name, values, name)
        found = run(after, values, name) if name in after else DEAD
        assert found == expected


@pytest.mark.parametrize(
    "name",
    ["is_training", "is_training_residue", "is_training_resource", "is_training_residue_resource"],
)
def test_fixtures_lose_every_switch_on_their_flag(name: str) -> None:
    item = sample(f"tf1.15.5/{name}")
    (flag,) = item.feeds
    found = plan(item.model(), feeds=[f"{flag}=false"])
    kinds = {node.op for node in found.subgraph.nodes}
    assert kinds.isdisjoint(
        {"Switch", "Merge", "Assign", "AssignSub", "AssignSubVariableOp", "RandomUniform"}
    )


def test_a_cond_on_the_data_is_not_folded() -> None:
    found = plan(sample("tf1.15.5/cond").model(), choice=Choice(control_flow="v1"))
    assert {"Switch", "Merge"} <= {node.op for node in found.subgraph.nodes}
    assert "fold_branches" not in {step.code for step in found.steps}


def test_a_constant_predicate_needs_no_feed() -> None:
    """is_training that freezing turned into a constant."""
    nodes = [placeholder("x"), const("flag", False, "bool"), *cond()]
    found = plan(model(*nodes), inputs=["x"], outputs=["cond/Merge"])
    assert found.blockers == ()
