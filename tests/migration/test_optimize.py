"""Copies taken out, duplicates merged, and all passes together."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from migrator.formats.encode import write_graph
from migrator.formats.load import load
from migrator.migration.passes.optimize import (
    fold_batch_norm,
    fold_constants,
    merge_duplicates,
    optimize,
    remove_identities,
)
from migrator.model.checks import dangling_inputs
from migrator.model.tensors import TensorRef
from tests import wire
from tests.corpus import FROZEN, Sample
from tests.handmade import const, op, placeholder, text_const, unary
from tests.migration.optimizing import OUTSIDE, counts, given, graph, wires

ALL = (optimize, remove_identities, merge_duplicates, fold_constants, fold_batch_norm)


# -- copies ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Identity", "StopGradient", "PreventGradient", "Snapshot"])
def test_readers_of_a_copy_read_its_source(kind: str) -> None:
    before = graph(
        unary("a", "Relu", "x"),
        unary("b", kind, "a"),
        unary("c", kind, "b:0"),
        op("y", "Add", "c", "b", T=wire.F),
    )
    found, steps = remove_identities(before, OUTSIDE, ["y:0"])
    assert wires(found) == {"a": ("Relu", ("x",)), "y": ("Add", ("a", "a"))}
    assert counts(steps) == {"remove_identities": 2}


def test_copy_of_what_is_given_goes_and_nothing_waits_for_it() -> None:
    before = graph(
        unary("copy", "Identity", "x"),
        op("y", "Relu", "copy", "^copy", T=wire.F),
    )
    found, _ = remove_identities(before, OUTSIDE, ["y:0"])
    assert wires(found) == {"y": ("Relu", ("x",))}


def test_what_waits_for_a_copy_waits_for_its_source() -> None:
    before = graph(
        op("s", "Split", "axis", "x", T=wire.F, num_split=2),
        const("axis", 0, "int32"),
        unary("copy", "Identity", "s:1"),
        op("y", "Relu", "copy", "^copy", "^s", T=wire.F),
    )
    found, _ = remove_identities(before, OUTSIDE, ["y:0"])
    assert wires(found)["y"] == ("Relu", ("s:1", "^s"))


def test_kept_copy_and_copy_that_waits_stay() -> None:
    before = graph(
        unary("a", "Relu", "x"),
        op("waits", "Identity", "a", "^a", T=wire.F),
        unary("y", "Identity", "waits"),
    )
    assert remove_identities(before, OUTSIDE, ["y:0"]) == (before, ())


def test_copy_beside_control_flow_stays() -> None:
    before = graph(
        placeholder("p", wire.B, ()),
        op("s", "Switch", "x", "p", T=wire.F),
        unary("switch_t", "Identity", "s:1"),
        op("one", "Const", "^switch_t", dtype=wire.F, value=np.array(1, np.float32)),
        op("m", "Merge", "s", "one", T=wire.F, N=2),
        unary("merged", "Identity", "m"),
        unary("y", "Relu", "merged"),
    )
    assert remove_identities(before, OUTSIDE, ["y:0"]) == (before, ())


def test_copy_of_a_reference_stays_for_it_reads_the_variable() -> None:
    before = graph(
        op("v", "VariableV2", dtype=wire.F, shape=wire.Dims((2,))),
        unary("read", "Identity", "v"),
        unary("y", "Relu", "read"),
    )
    assert remove_identities(before, {}, ["y:0"]) == (before, ())


def test_copy_of_an_unknown_op_stays() -> None:
    before = graph(op("a", "NobodyKnows"), unary("b", "Identity", "a"), unary("y", "Relu", "b"))
    assert remove_identities(before, {}, ["y:0"]) == (before, ())


@pytest.mark.parametrize(
    ("shape", "asked", "same"),
    [
        ((None, 4), [-1, 4], True),
        ((2, 4), [2, 4], True),
        ((2, 4), [-1, 4], True),
        ((None, 4), [2, 4], False),
        ((None, None), [-1, 4], False),
        ((0, 4), [-1, 4], False),
        ((2, 4), [4, 2], False),
        ((8,), [2, 4], False),
        (None, [-1, 4], False),
        ((2, 4), [-1, -1], False),
    ],
)
def test_reshape_goes_only_where_the_shape_is_sure(
    shape: tuple[int | None, ...] | None, asked: list[int], same: bool
) -> None:
    before = graph(
        const("shape", asked, "int32"),
        op("r", "Reshape", "x", "shape", T=wire.F),
        unary("y", "Relu", "r"),
    )
    found, _ = remove_identities(before, given("x:0", shape), ["y:0"])
    assert ("r" not in found.by_name) == same


def test_transpose_and_cast_that_change_nothing_go() -> None:
    before = graph(
        const("order", [0, 1], "int32"),
        const("swap", [1, 0], "int32"),
        op("t", "Transpose", "x", "order", T=wire.F),
        op("c", "Cast", "t", SrcT=wire.F, DstT=wire.F),
        op("u", "Transpose", "c", "swap", T=wire.F),
        op("y", "Cast", "u", SrcT=wire.F, DstT=wire.I32),
    )
    found, steps = remove_identities(before, OUTSIDE, ["y:0"])
    assert counts(steps) == {"remove_identities": 2}
    assert wires(found)["u"] == ("Transpose", ("x", "swap"))
    assert wires(found)["y"] == ("Cast", ("u",))


def test_ring_of_copies_ends() -> None:
    before = graph(unary("a", "Identity", "b"), unary("b", "Identity", "a"))
    assert remove_identities(before, {}, ["a:0"]) == (before, ())


def test_long_row_of_copies_takes_no_recursion() -> None:
    row = [unary(f"i{k}", "Identity", f"i{k - 1}" if k else "x") for k in range(20_000)]
    before = graph(*reversed(row), unary("y", "Relu", f"i{len(row) - 1}"))
    found, steps = remove_identities(before, OUTSIDE, ["y:0"])
    assert wires(found) == {"y": ("Relu", ("x",))}
    assert counts(steps) == {"remove_identities": 20_000}


# -- duplicates ------------------------------------------------------------------------------


def test_equal_nodes_merge_with_what_hangs_on_them() -> None:
    before = graph(
        const("c", [1, 2]),
        const("d", [1, 2]),
        op("a", "Mul", "x", "c", T=wire.F),
        op("b", "Mul", "x:0", "d", T=wire.F),
        op("y", "Sub", "a", "b", "^b", T=wire.F),
    )
    found, steps = merge_duplicates(before, OUTSIDE, ["y:0"])
    assert wires(found) == {
        "c": ("Const", ()),
        "a": ("Mul", ("x", "c")),
        "y": ("Sub", ("a", "a", "^a")),
    }
    assert counts(steps) == {"merge_duplicates": 2}


def test_all_outputs_of_a_duplicate_move() -> None:
    before = graph(
        const("axis", 0, "int32"),
        op("s", "Split", "axis", "x", T=wire.F, num_split=2),
        op("t", "Split", "axis", "x", T=wire.F, num_split=2),
        op("y", "Add", "s", "t:1", T=wire.F),
    )
    found, _ = merge_duplicates(before, OUTSIDE, ["y:0"])
    assert wires(found)["y"] == ("Add", ("s", "s:1"))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (const("a", [1.0, 2.0]), const("b", [1.0, 3.0])),
        (const("a", [0.0]), const("b", [-0.0])),
        (const("a", [1, 2], "int32"), const("b", [1, 2], "int64")),
        (const("a", [1.0, 2.0]), const("b", [[1.0, 2.0]])),
        (text_const("a", b"1"), text_const("b", b"2")),
        (unary("a", "Relu", "x"), unary("b", "Relu6", "x")),
        (op("a", "Relu", "x", "^c", T=wire.F), op("b", "Relu", "x", T=wire.F)),
        (op("a", "LeakyRelu", "x", alpha=0.5), op("b", "LeakyRelu", "x", alpha=0.25)),
        (op("a", "RandomUniform", "c", seed=1), op("b", "RandomUniform", "c", seed=1)),
        (placeholder("a"), placeholder("b")),
        (
            op("a", "PlaceholderWithDefault", "x", dtype=wire.F),
            op("b", "PlaceholderWithDefault", "x", dtype=wire.F),
        ),
        (
            op("a", "LookupTableFindV2", "h", "x", "c"),
            op("b", "LookupTableFindV2", "h", "x", "c"),
        ),
        (op("a", "Enter", "x", T=wire.F), op("b", "Enter", "x", T=wire.F)),
        (op("a", "NobodyKnows", "x"), op("b", "NobodyKnows", "x")),
        (
            op("a", "PartitionedCall", "x", f=wire.Call("f"), Tin=[wire.F], Tout=[wire.F]),
            op("b", "PartitionedCall", "x", f=wire.Call("f"), Tin=[wire.F], Tout=[wire.F]),
        ),
    ],
)
def test_what_differs_or_holds_state_does_not_merge(first: bytes, second: bytes) -> None:
    before = graph(const("c", 2, "int32"), first, second, op("y", "Pack", "a", "b", N=2, T=wire.F))
    assert merge_duplicates(before, OUTSIDE, ["y:0"]) == (before, ())


def test_equal_strings_and_large_constants_merge() -> None:
    large = np.arange(100_000, dtype=np.float32)
    other = large.copy()
    other[-1] = 0
    before = graph(
        text_const("s", b"one", b"two"),
        text_const("t", b"one", b"two"),
        const("a", large),
        const("b", large),
        const("c", other),
        op("y", "NoOp", "^s", "^t", "^a", "^b", "^c"),
    )
    found, steps = merge_duplicates(before, {}, ["y:0"])
    assert counts(steps) == {"merge_duplicates": 2}
    assert wires(found)["y"] == ("NoOp", ("^s", "^a", "^c"))


def test_kept_duplicate_stays() -> None:
    before = graph(unary("a", "Relu", "x"), unary("b", "Relu", "x"))
    assert merge_duplicates(before, OUTSIDE, ["a:0", "b:0"]) == (before, ())


def test_constants_in_different_branches_do_not_merge() -> None:
    before = graph(
        placeholder("p", wire.B, ()),
        op("s", "Switch", "p", "p", T=wire.B),
        op("t", "Identity", "s:1", T=wire.B),
        op("f", "Identity", "s", T=wire.B),
        op("a", "Const", "^t", dtype=wire.F, value=np.array(1, np.float32)),
        op("b", "Const", "^f", dtype=wire.F, value=np.array(1, np.float32)),
        op("y", "Merge", "a", "b", T=wire.F, N=2),
    )
    assert merge_duplicates(before, {}, ["y:0"]) == (before, ())


# -- all together ----------------------------------------------------------------------------


@pytest.mark.parametrize("rewrite", ALL)
def test_graph_with_nothing_to_do_is_the_very_same(rewrite: object) -> None:
    assert callable(rewrite)
    before = graph(const("c", [1.0]), op("y", "Add", "x", "c", T=wire.F))
    found, steps = rewrite(before, OUTSIDE, ["y:0"])
    assert found is before and steps == ()


@pytest.mark.parametrize("rewrite", ALL)
def test_names_that_stand_twice_are_left_alone(rewrite: object) -> None:
    assert callable(rewrite)
    before = graph(
        unary("a", "Identity", "x"), unary("a", "Identity", "x"), unary("y", "Relu", "a")
    )
    found, steps = rewrite(before, OUTSIDE, ["y:0"])
    assert found is before and steps == ()


def test_passes_open_the_way_for_each_other() -> None:
    before = graph(
        const("two", 2.0),
        unary("copy", "Identity", "two"),
        op("four", "Mul", "copy", "two", T=wire.F),
        const("other_four", 4.0),
        op("a", "Add", "x", "four", T=wire.F),
        op("b", "Add", "x", "other_four", T=wire.F),
        op("y", "Mul", "a", "b", T=wire.F),
        unary("unused", "Relu", "a"),
    )
    found, steps = optimize(before, OUTSIDE, ["y:0"])
    assert {node.op for node in found.nodes} == {"Const", "Add", "Mul"}
    assert len(found.nodes) == 3
    assert counts(steps) == {"remove_identities": 1, "fold_constants": 1, "merge_duplicates": 2}


def _specs(sample: Sample) -> dict[str, object]:
    return {tensor: given(tensor, None)[tensor] for tensor in sample.inputs.values()}


@pytest.mark.parametrize("sample", FROZEN, ids=str)
def test_fixtures_stay_sound(sample: Sample) -> None:
    """Kept tensors are there, nothing dangles, and what comes out is settled and encodes."""
    before = sample.model().graph
    keep = list(sample.outputs.values())
    found, _ = optimize(before, _specs(sample), keep)  # type: ignore[arg-type]
    assert {TensorRef.parse(name).node for name in keep} <= found.by_name.keys()
    allowed = {text for _, text in dangling_inputs(before)}
    outside = {TensorRef.parse(name).node for name in sample.inputs.values()}
    for _, text in dangling_inputs(found):
        assert text in allowed or TensorRef.parse(text).node in outside
    again, steps = optimize(found, _specs(sample), keep)  # type: ignore[arg-type]
    assert again is found and steps == ()
    assert write_graph(io.BytesIO(), found.nodes, found.functions.values(), found.versions)


_OPS = st.sampled_from("Identity Relu Add Const Switch Merge Reshape Cast Conv2D Mul".split())
_NAMES = st.sampled_from([f"n{k}" for k in range(6)] + ["x", "x:0", "n1:1", "^n2", "n3:99", ""])


@drawn(
    st.lists(st.tuples(_OPS, st.lists(_NAMES, max_size=3)), min_size=1, max_size=6),
    st.lists(_NAMES, max_size=2),
)
def test_nonsense_is_survived(rows: list[tuple[str, list[str]]], keep: list[str]) -> None:
    nodes = [op(f"n{k}", kind, *inputs, T=wire.F) for k, (kind, inputs) in enumerate(rows)]
    before = graph(*nodes)
    found, _ = optimize(before, OUTSIDE, keep)
    assert len(found.nodes) <= len(before.nodes)


def test_large_constants_of_a_file_are_compared_in_the_file(tmp_path: Path) -> None:
    large = np.arange(700_000, dtype=np.float32)
    other = large.copy()
    other[-1] = 0
    nodes = [const("a", large), const("b", large), const("c", other)]
    path = tmp_path / "graph.pb"
    path.write_bytes(wire.graph([*nodes, op("y", "NoOp", "^a", "^b", "^c")]))
    found, _ = merge_duplicates(load(path).graph, {}, ["y:0"])
    assert wires(found)["y"] == ("NoOp", ("^a", "^c"))
