"""Constants folded: where, and where not."""

from __future__ import annotations

import numpy as np
import pytest

from migrator.migration.passes.optimize import constants, fold_constants
from migrator.model.dtypes import FLOAT32, INT32
from tests import wire
from tests.handmade import const, op, placeholder, text_const, unary
from tests.migration.optimizing import OUTSIDE, counts, graph, value, wires


def test_row_of_constants_becomes_one_under_its_own_name() -> None:
    before = graph(
        const("a", [1.0, 2.0]),
        const("b", [3.0, 5.0]),
        op("c", "Add", "a", "b", T=wire.F),
        op("d", "Mul", "c", "a", T=wire.F),
        op("y", "Sub", "x", "d", T=wire.F),
    )
    found, steps = fold_constants(before, OUTSIDE, ["y:0"])
    assert wires(found) == {"d": ("Const", ()), "y": ("Sub", ("x", "d"))}
    assert value(found, "d").tolist() == [4.0, 14.0]
    assert found.by_name["d"].attrs["dtype"] == FLOAT32
    assert counts(steps) == {"fold_constants": 2}


def test_kept_node_folds_in_place() -> None:
    before = graph(const("a", [4.0]), unary("y", "Sqrt", "a"))
    found, _ = fold_constants(before, {}, ["y:0"])
    assert wires(found) == {"y": ("Const", ())}
    assert value(found, "y").tolist() == [2.0]


def test_shape_of_a_constant_is_not_read() -> None:
    claims = wire.tensor(wire.FLOAT, (1 << 20, 1 << 20), wire.single(5, 1.0))
    before = graph(
        op("huge", "Const", dtype=wire.F, value=wire.Raw(wire.block(8, claims))),
        op("y", "Shape", "huge", T=wire.F),
    )
    found, _ = fold_constants(before, {}, ["y:0"])
    assert value(found, "y").tolist() == [1 << 20, 1 << 20]
    assert found.by_name["y"].attrs["dtype"] == INT32


@pytest.mark.parametrize(
    "node",
    [
        op("y", "Fill", "dims", "one", T=wire.F, index_type=wire.I32),
        op("y", "Tile", "row", "dims", T=wire.F, Tmultiples=wire.I32),
        op("y", "BroadcastTo", "one", "dims", T=wire.F, Tidx=wire.I32),
        op("y", "Range", "zero", "many", "step", Tidx=wire.I32),
        op("y", "Mul", "column", "line", T=wire.F),
    ],
)
def test_what_grows_is_not_made(node: bytes) -> None:
    before = graph(
        const("dims", [40_000, 50_000], "int32"),
        const("one", 1.0),
        const("row", [[1.0]]),
        const("zero", 0, "int32"),
        const("many", 1 << 30, "int32"),
        const("step", 1, "int32"),
        const("column", np.ones((4096, 1))),
        const("line", np.ones((1, 4096))),
        node,
    )
    found, steps = fold_constants(before, {}, ["y:0"])
    assert found is before and steps == ()


def test_second_copy_of_large_weights_is_not_made() -> None:
    weights = np.arange(300 * 200, dtype=np.float32).reshape(300, 200)
    nodes = [
        const("w", weights),
        const("order", [1, 0], "int32"),
        op("t", "Transpose", "w", "order", T=wire.F),
        op("y", "MatMul", "x", "t", T=wire.F),
    ]
    alone, _ = fold_constants(graph(*nodes), OUTSIDE, ["y:0"])
    assert np.array_equal(value(alone, "t"), weights.T)
    shared = graph(*nodes, op("z", "MatMul", "x", "w", T=wire.F))
    assert fold_constants(shared, OUTSIDE, ["y:0", "z:0"]) == (shared, ())


def test_growth_of_all_results_together_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "_MOST_GROWN", 100_000)
    nodes = [const("dims", [10_000], "int32"), const("one", 1.0)]
    names = [f"f{k}" for k in range(10)]
    nodes += [op(name, "Fill", "dims", "one", T=wire.F, index_type=wire.I32) for name in names]
    found, steps = fold_constants(graph(*nodes), {}, [f"{name}:0" for name in names])
    assert counts(steps) == {"fold_constants": 2}
    assert sum(node.op == "Fill" for node in found.nodes) == 8


def test_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "_MOST_READ", 10_000)
    nodes = [const("w", np.ones(1000)), const("at", 3, "int32")]
    names = [f"g{k}" for k in range(10)]
    nodes += [op(name, "Gather", "w", "at", Tparams=wire.F, Tindices=wire.I32) for name in names]
    _, steps = fold_constants(graph(*nodes), {}, [f"{name}:0" for name in names])
    assert counts(steps) == {"fold_constants": 2}


def test_result_waits_for_what_its_constants_waited_for() -> None:
    before = graph(
        placeholder("p", wire.B, ()),
        op("s", "Switch", "p", "p", T=wire.B),
        op("t", "Identity", "s:1", T=wire.B),
        op("a", "Const", "^t", dtype=wire.F, value=np.array(1, np.float32)),
        op("b", "Const", "^t", "^p", dtype=wire.F, value=np.array(2, np.float32)),
        op("c", "Add", "a", "b", T=wire.F),
        op("y", "Merge", "x", "c", T=wire.F, N=2),
    )
    found, _ = fold_constants(before, OUTSIDE, ["y:0"])
    assert wires(found)["c"] == ("Const", ("^t", "^p"))


@pytest.mark.parametrize(
    "node",
    [
        op("y", "Enter", "a", T=wire.F, frame_name=b"f"),
        op("y", "Switch", "a", "true", T=wire.F),
        op("y", "Merge", "a", "b", T=wire.F, N=2),
        op("y", "RandomUniform", "n", T=wire.I32, dtype=wire.F),
        op("y", "Rsqrt", "a", T=wire.F),
        op("y", "NobodyKnows", "a"),
        op("y", "StringJoin", "text", N=1),
        op("y", "Add", "a", "n", T=wire.F),
        op("y", "Add", "a", "a:1", T=wire.F),
        op("y", "Add", "a", T=wire.F),
        op("y", "Add", "a", "nobody", T=wire.F),
        op("y", "Add", "a", "nan", T=wire.F),
        op("y", "Add", "a", "tiny", T=wire.F),
        op("y", "FloorDiv", "n", "zeros", T=wire.I32),
        op("y", "Cast", "nan", SrcT=wire.F, DstT=wire.I32),
        op("y", "Reshape", "a", "n", T=wire.F),
        op("y", "Identity", "broken", T=wire.F),
    ],
)
def test_what_is_no_sure_value_stays(node: bytes) -> None:
    before = graph(
        const("a", [1.0, 2.0]),
        const("b", [1.0, 2.0]),
        const("n", [3, 5], "int32"),
        const("zeros", [1, 0], "int32"),
        const("nan", [np.nan, 1.0]),
        const("tiny", [1e-42, 1.0]),
        const("true", True, "bool"),
        text_const("text", b"t"),
        op(
            "broken",
            "Const",
            dtype=wire.F,
            value=wire.Raw(wire.block(8, wire.tensor(1, (3,), wire.block(4, b"12")))),
        ),
        node,
    )
    found, steps = fold_constants(before, {}, ["y:0"])
    assert found is before and steps == ()


def test_given_tensor_is_no_constant_whatever_stands_under_its_name() -> None:
    before = graph(const("x", [1.0]), unary("y", "Neg", "x"))
    assert fold_constants(before, OUTSIDE, ["y:0"]) == (before, ())
