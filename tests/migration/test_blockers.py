"""What stops a migration is told before anything runs, and only where the outputs need it."""

from __future__ import annotations

from typing import Any

import pytest

from migrator.errors import NeedsDecision
from migrator.migration.options import Choice
from migrator.migration.plan import Plan
from migrator.migration.planning import plan
from migrator.migration.storage import weights
from migrator.migration.storage.weights import constants_too_large
from migrator.model.model import Model
from tests import wire
from tests.handmade import const, dense, model, op, placeholder, read_graph, text_const, unary


def planned(
    *between: bytes, result: str = "mid", functions: tuple[bytes, ...] = (), **more: Any
) -> Plan:
    """x -> (between, which ends in ``mid``) -> y"""
    found = model(placeholder("x"), *between, unary("y", "Relu", result), functions=functions)
    return plan(found, inputs=["x"], outputs=["y"], **more)


def codes(found: Plan) -> list[str]:
    return [blocker.code for blocker in found.blockers]


CASES = {
    "variable_missing": [
        op("v", "VariableV2", dtype=wire.F, shape=wire.Dims((3,))),
        op("mid", "Add", "x", "v", T=wire.F),
    ],
    "python": [op("mid", "PyFunc", "x", token=b"f", Tin=[wire.F], Tout=[wire.F])],
    "table": [
        op("t", "HashTableV2"),
        op("mid", "LookupTableFindV2", "t", "x", "x", Tin=wire.F, Tout=wire.F),
    ],
    "pipeline": [op("d", "ReaderReadV2", "x", "x"), op("mid", "Add", "x", "d", T=wire.F)],
    "unknown_op": [op("mid", "MyVendorsOwnOp", "x", T=wire.F)],
    "assignment": [const("c", [1.0]), op("mid", "AssignAdd", "c", "x", T=wire.F)],
    "deprecated_op": [op("mid", "MatrixExponential", "x", T=wire.F)],
    "dangling_input": [op("mid", "Add", "x", "gone", T=wire.F)],
    "cycle": [op("mid", "Add", "x", "back", T=wire.F), unary("back", "Relu", "mid")],
    "duplicate_name": [unary("mid", "Relu", "x"), unary("mid", "Tanh", "x")],
}


@pytest.mark.parametrize("code", sorted(CASES))
def test_blockers_are_found_with_node_and_way_out(code: str) -> None:
    found = planned(*CASES[code])
    assert code in codes(found)
    blocker = next(item for item in found.blockers if item.code == code)
    assert blocker.text
    assert blocker.fix
    assert blocker.node


@pytest.mark.parametrize("code", sorted(set(CASES) - {"duplicate_name"}))
def test_what_the_outputs_do_not_need_blocks_nothing(code: str) -> None:
    found = model(placeholder("x"), *CASES[code], unary("y", "Relu", "x"))
    assert codes(plan(found, inputs=["x"], outputs=["y"])) == []


@pytest.mark.parametrize("code", sorted(set(CASES) - {"cycle", "duplicate_name"}))
def test_an_input_behind_a_blocker_gets_around_it(code: str) -> None:
    found = model(placeholder("x"), *CASES[code], unary("y", "Relu", "mid"))
    assert codes(plan(found, inputs=["mid"], outputs=["y"])) == []


def test_a_plain_graph_has_no_blockers() -> None:
    assert codes(planned(*dense("mid", "x"))) == []


def test_one_blocker_stands_for_all_nodes_of_an_op() -> None:
    nodes = [op(f"n{index}", "MyOp", f"n{index - 1}" if index else "x") for index in range(5)]
    found = planned(*nodes, result="n4")
    assert codes(found) == ["unknown_op"]
    assert "(5 nodes)" in found.blockers[0].text


def test_ops_that_the_library_defines_are_known() -> None:
    body = wire.function(
        "MyFunction",
        {"a": 1},
        {"b": 1},
        [wire.node("n", "Relu", ["a"], {"T": wire.F})],
        {"b": "n:activations:0"},
    )
    assert codes(planned(op("mid", "MyFunction", "x"), functions=(body,))) == []


def test_blockers_inside_of_functions_are_found_with_their_place() -> None:
    body = wire.function(
        "f", {"a": 1}, {"b": 1}, [wire.node("deep", "PyFunc", ["a"])], {"b": "deep:output:0"}
    )
    outer = wire.function(
        "g", {"a": 1}, {"b": 1}, [wire.node("call", "f", ["a"])], {"b": "call:b:0"}
    )
    found = planned(
        op("mid", "PartitionedCall", "x", f=wire.Call("g"), Tin=[wire.F], Tout=[wire.F]),
        functions=(body, outer),
    )
    assert codes(found) == ["python"]
    assert found.blockers[0].node == "f/deep"


def test_functions_that_nothing_calls_block_nothing() -> None:
    body = wire.function(
        "f", {"a": 1}, {"b": 1}, [wire.node("deep", "PyFunc", ["a"])], {"b": "deep:output:0"}
    )
    found = planned(*dense("mid", "x"), functions=(body,))
    assert codes(found) == []
    assert found.subgraph.functions == ()


def test_a_handle_is_no_output() -> None:
    found = model(
        placeholder("x"),
        const("n", 3, "int32"),
        op("handle", "TensorArrayV3", "n", dtype=wire.F),
        *dense("h", "x"),
    )
    assert codes(plan(found, inputs=["x"], outputs=["h", "handle:0"])) == ["handle_output"]


@pytest.mark.parametrize(
    ("min_consumer", "blocked"), [(0, False), (12, False), (2474, False), (9999, True)]
)
def test_a_graph_for_newer_readers_is_refused(min_consumer: int, blocked: bool) -> None:
    data = wire.graph([placeholder("x"), *dense("y", "x")], min_consumer=min_consumer)
    found = plan(read_graph(data), inputs=["x"], outputs=["y"])
    assert ("min_consumer" in codes(found)) == blocked


def test_a_placeholder_that_is_neither_input_nor_fed_is_not_missed() -> None:
    """By whatever way: a question before the plan, or a blocker in it."""
    found = model(placeholder("x"), placeholder("z"), op("y", "Add", "x", "z", T=wire.F))
    with pytest.raises(NeedsDecision, match="z:0"):
        plan(found, inputs=["x"], outputs=["y"])


def test_a_control_edge_to_a_placeholder_is_not_missed() -> None:
    found = model(placeholder("x"), placeholder("z"), op("y", "Relu", "x", "^z", T=wire.F))
    try:
        assert codes(plan(found, inputs=["x"], outputs=["y"])) == ["unfed"]
    except NeedsDecision as question:  # as good
        assert "z:0" in str(question)


def test_residue_of_training_behind_a_fed_flag_is_cut_and_blocks_nothing() -> None:
    nodes = [
        placeholder("x"),
        op("is_training", "Placeholder", dtype=wire.B, shape=wire.Dims(())),
        const("mean", [0.0, 0.0, 0.0, 0.0]),
        op("s", "Switch", "x", "is_training", T=wire.F),
        op("assign", "AssignSub", "mean", "s:1", T=wire.F),
        unary("eval", "Relu", "s:0"),
        op("m", "Merge", "eval", "assign", T=wire.F, N=2),
        unary("y", "Relu", "m"),
    ]
    found: Model = model(*nodes)
    assert codes(plan(found, inputs=["x"], outputs=["y"], feeds=["is_training=false"])) == []
    assert "assignment" in codes(
        plan(found, inputs=["x"], outputs=["y"], feeds=["is_training=true"])
    )


def test_constants_past_two_gibibytes_block() -> None:
    """No room is left in a GraphDef for what is beside the constants."""
    assert constants_too_large(2_000_000_000) is None
    blocked = constants_too_large(2 << 30)
    assert blocked is not None
    assert (blocked.code, "--weights variables" in blocked.fix) == ("too_large", True)


def test_only_constants_that_stay_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_LARGEST_GRAPH", 2_000)
    nodes = dense("mid", "x", 4, 500)  # 8,000 bytes
    kept = planned(*nodes, choice=Choice(weights="constants"))
    assert codes(kept) == ["too_large"]
    assert codes(planned(*nodes, choice=Choice(weights="variables"))) == []


def test_strings_do_not_block() -> None:
    nodes = [text_const("t", b"a"), op("text", "AsString", "x", T=wire.F)]
    assert codes(planned(*nodes, op("mid", "StringJoin", "t", "text", N=2))) == []
