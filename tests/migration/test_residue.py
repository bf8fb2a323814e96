"""Assertions, prints and summaries go where nothing depends on them; what does stays."""

from __future__ import annotations

import time

import pytest

from migrator.migration.passes.residue import (
    drop_assertions,
    drop_prints,
    drop_residue,
    drop_summaries,
)
from migrator.migration.plan import Step
from migrator.model.checks import dangling_inputs
from migrator.model.graph import Graph
from tests import wire
from tests.corpus import FROZEN, Sample
from tests.handmade import const, model, op, placeholder, text_const, unary


def names(graph: Graph) -> set[str]:
    return {node.name for node in graph.nodes}


def codes(steps: tuple[Step, ...]) -> list[tuple[str, int]]:
    return [(step.code, step.count) for step in steps]


CHECK = [
    op("ok", "IsFinite", "x", T=wire.F),
    op("assert", "Assert", "ok", "x", T=[wire.F], summarize=3),
]


def test_an_assertion_goes_with_all_that_served_it() -> None:
    graph = model(placeholder("x"), *CHECK, op("y", "Relu", "x", "^assert", T=wire.F)).graph
    found, steps = drop_assertions(graph, {}, ["y:0"])
    assert names(found) == {"x", "y"}
    assert found.by_name["y"].inputs == ("x",)
    assert codes(steps) == [("drop_assertions", 1)]


def guarded(flag: str = "ok") -> list[bytes]:
    """tf.Assert as TensorFlow 1 writes it: inside of a cond of its own."""
    return [
        op("ok", "IsFinite", "x", T=wire.F),
        op("guard/Switch", "Switch", flag, flag, T=wire.B),
        op("guard/switch_t", "Identity", "guard/Switch:1", T=wire.B),
        op("guard/switch_f", "Identity", "guard/Switch", T=wire.B),
        op("guard/NoOp", "NoOp", "^guard/switch_t"),
        op("guard/true", "Identity", "guard/switch_t", "^guard/NoOp", T=wire.B),
        op("guard/Assert/Switch", "Switch", flag, flag, T=wire.B),
        op("guard/x", "Switch", "x", flag, T=wire.F),
        op("guard/Assert", "Assert", "guard/Assert/Switch", "guard/x", T=[wire.F]),
        op("guard/false", "Identity", "guard/switch_f", "^guard/Assert", T=wire.B),
        op("guard/Merge", "Merge", "guard/false", "guard/true", T=wire.B, N=2),
    ]


def test_a_guarded_assertion_goes_with_its_guard() -> None:
    graph = model(
        placeholder("x"),
        *guarded(),
        op("two", "Const", "^guard/Merge", dtype=wire.F),
        op("y", "Mul", "x", "two", "^guard/Merge", T=wire.F),
    ).graph
    found, steps = drop_assertions(graph, {}, ["y:0"])
    assert names(found) == {"x", "two", "y"}
    assert found.by_name["two"].inputs == ()
    assert codes(steps) == [("drop_assertions", 1)]


def test_a_constant_in_a_branch_keeps_what_holds_it_there() -> None:
    """Without its control edge the constant would live on both sides of the cond."""
    graph = model(
        placeholder("x"),
        op("flag", "Placeholder", dtype=wire.B),
        op("side", "Switch", "x", "flag", T=wire.F),
        op("fine", "IsFinite", "side:1", T=wire.F),
        op("assert", "Assert", "fine", "side:1", T=[wire.F]),
        op("one", "Const", "^assert", dtype=wire.F),
        op("off", "Relu", "side", T=wire.F),
        op("y", "Merge", "off", "one", T=wire.F, N=2),
    ).graph
    assert drop_assertions(graph, {}, ["y:0"]) == (graph, ())


def test_an_edge_that_orders_a_read_before_a_write_stays() -> None:
    graph = model(
        op("v", "VarHandleOp", dtype=wire.F, shape=wire.Dims(())),
        op("read", "ReadVariableOp", "v", dtype=wire.F),
        op("fine", "IsFinite", "read", T=wire.F),
        op("assert", "Assert", "fine", "read", T=[wire.F]),
        const("c", 1.0),
        op("write", "AssignVariableOp", "v", "c", "^assert", dtype=wire.F),
        op("y", "Identity", "read", "^write", T=wire.F),
    ).graph
    assert drop_assertions(graph, {}, ["y:0"]) == (graph, ())


def test_an_assertion_behind_a_write_leaves_the_write_where_it_was() -> None:
    graph = model(
        op("v", "VarHandleOp", dtype=wire.F, shape=wire.Dims(())),
        const("c", 1.0),
        op("write", "AssignVariableOp", "v", "c", dtype=wire.F),
        op("fine", "IsFinite", "c", "^write", T=wire.F),
        op("assert", "Assert", "fine", "c", T=[wire.F]),
        op("y", "ReadVariableOp", "v", "^assert", dtype=wire.F),
    ).graph
    found, _ = drop_assertions(graph, {}, ["y:0"])
    assert "write" in names(found)


def test_print_hands_its_data_on() -> None:
    graph = model(
        placeholder("x"),
        unary("only_shown", "Neg", "x"),
        op("p", "Print", "x", "only_shown", T=wire.F, U=[wire.F], message=b"here"),
        text_const("words", b"so"),
        op("p2", "PrintV2", "words"),
        op("y", "Relu", "p", "^p2", T=wire.F),
    ).graph
    found, steps = drop_prints(graph, {}, ["y:0", "p:0"])
    assert names(found) == {"x", "p", "y"}
    assert found.by_name["p"].op == "Identity"
    assert found.by_name["p"].inputs == ("x",)
    assert dict(found.by_name["p"].attrs).keys() == {"T"}
    assert codes(steps) == [("drop_prints", 2)]


def test_a_summary_goes_unless_it_is_asked_for() -> None:
    graph = model(
        placeholder("x"),
        text_const("tag", b"loss"),
        op("summary", "HistogramSummary", "tag", "x", T=wire.F),
        op("merged", "MergeSummary", "summary", N=1),
        op("y", "Relu", "x", "^merged", T=wire.F),
    ).graph
    found, steps = drop_summaries(graph, {}, ["y:0"])
    assert names(found) == {"x", "y"}
    assert codes(steps) == [("drop_summaries", 2)]
    found, steps = drop_summaries(graph, {}, ["y:0", "merged:0"])
    assert {"summary", "merged"} <= names(found)
    assert steps == ()


def test_what_nothing_kept_needed_before_is_not_judged() -> None:
    graph = model(
        placeholder("x"),
        *CHECK,
        op("init", "NoOp"),
        op("y", "Relu", "x", "^assert", T=wire.F),
    ).graph
    assert "init" in names(drop_residue(graph, {}, ["y:0"])[0])


@pytest.mark.parametrize("item", FROZEN, ids=str)
def test_fixtures_keep_their_outputs_and_gain_nothing(item: Sample) -> None:
    graph = item.model().graph
    keep = list(item.outputs.values())
    found, steps = drop_residue(graph, {}, keep)
    assert len(found) <= len(graph) + 2 * sum(step.count for step in steps)
    assert {tensor.split(":")[0] for tensor in keep} <= names(found)
    assert sum(1 for _ in dangling_inputs(found)) <= sum(1 for _ in dangling_inputs(graph))
    again, more = drop_residue(found, {}, keep)
    assert (again, more) == (found, ())


def test_many_assertions_take_linear_time() -> None:
    nodes = [placeholder("n0")]
    for i in range(10_000):
        nodes += [
            op(f"ok{i}", "IsFinite", f"n{i}", T=wire.F),
            op(f"assert{i}", "Assert", f"ok{i}", f"n{i}", T=[wire.F]),
            op(f"n{i + 1}", "Relu", f"n{i}", f"^assert{i}", T=wire.F),
        ]
    graph = model(*nodes).graph
    start = time.perf_counter()
    found, steps = drop_assertions(graph, {}, ["n10000:0"])
    assert time.perf_counter() - start < 20
    assert codes(steps) == [("drop_assertions", 10_000)]
    assert len(found) == 10_001
