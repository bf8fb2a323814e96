"""Same computation: shown by the graphs, whatever was paired, and never where they part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import migrator
from migrator.model.model import Model
from tests import handmade as h
from tests import wire


def same(left: Model, right: Model) -> bool:
    found = migrator.diff(left, right).same_computation
    assert found == migrator.diff(right, left).same_computation
    return found


def unary(op: str, *, first: str = "a", second: str = "b", extra: tuple[bytes, ...] = ()) -> Model:
    """(x * 2) - (x + 3), then ``op``."""
    return h.model(
        h.placeholder("x"),
        h.const("two", 2.0),
        h.const("three", 3.0),
        h.op("a", "Mul", "x", "two", T=wire.F),
        h.op("b", "AddV2", "x", "three", T=wire.F),
        *extra,
        h.op("c", "Sub", first, second, T=wire.F),
        h.unary("y", op, "c"),
    )


def test_identity_on_the_way_is_the_same() -> None:
    passed = h.op("pass", "Identity", "a", T=wire.F)
    assert same(unary("Relu"), unary("Relu", first="pass", extra=(passed,)))


@pytest.mark.parametrize(
    "other",
    (
        unary("Elu"),
        unary("Relu", first="b", second="a"),
        unary("Relu", second="a"),
        unary("Relu", first="n", extra=(h.unary("n", "Neg", "a"),)),
    ),
)
def test_another_computation_is_not_the_same(other: Model) -> None:
    assert not same(unary("Relu"), other)


def test_two_equal_nodes_made_one_are_the_same() -> None:
    twice = unary("Relu", second="a2", extra=(h.op("a2", "Mul", "x", "two", T=wire.F),))
    assert same(unary("Relu", second="a"), twice)


def test_two_draws_of_a_random_op_are_not_one() -> None:
    shape = h.const("shape", [2], "int32")

    def drawn(*names: str) -> Model:
        draws = [
            h.op(name, "RandomUniform", "shape", T=wire.I32, dtype=wire.F) for name in set(names)
        ]
        return h.model(
            h.placeholder("x"),
            shape,
            *draws,
            h.op("d", "Sub", *names, T=wire.F),
            h.op("y", "Mul", "d", "x", T=wire.F),
        )

    assert same(drawn("r", "s"), drawn("r", "s"))
    assert not same(drawn("r", "r"), drawn("r", "s"))


def asserted(limit: float) -> Model:
    return h.model(
        h.placeholder("x"),
        h.const("limit", limit),
        h.op("ok", "Less", "x", "limit", T=wire.F),
        h.op("all", "All", "ok", "axes", Tidx=wire.I32),
        h.const("axes", [0], "int32"),
        h.op("check", "Assert", "all", "x", T=[wire.F], summarize=3),
        h.op("pass", "Identity", "x", "^check", T=wire.F),
        h.unary("y", "Relu", "pass"),
    )


def test_assertion_of_something_else_is_not_the_same() -> None:
    bare = h.model(h.placeholder("x"), h.unary("y", "Relu", "x"))
    assert same(asserted(1.0), asserted(1.0))
    assert not same(asserted(1.0), asserted(2.0))
    assert not same(asserted(1.0), bare)


def test_weight_of_other_bits_is_not_the_same() -> None:
    def dense(value: Any) -> Model:
        return h.model(
            h.placeholder("x"),
            h.const("w", value),
            h.op("y", "MatMul", "x", "w", T=wire.F),
        )

    weight = np.eye(4, dtype=np.float32)
    tiny = weight.copy()
    tiny[1, 2] = np.float32(1e-30)
    assert same(dense(weight), dense(weight.copy()))
    assert not same(dense(weight), dense(tiny))


def loop(*, step: float = 1.0, limit: float = 5.0, frame: bytes = b"f", first: str = "x") -> Model:
    """TensorFlow 1's: while v < limit: v += step."""
    enter = {"T": wire.F, "frame_name": frame}
    return h.model(
        h.placeholder("x"),
        h.placeholder("z"),
        h.op("both", "AddV2", "x", "z", T=wire.F),
        h.op("enter", "Enter", first, **enter),
        h.op("merge", "Merge", "enter", "next", T=wire.F, N=2),
        h.const("limit", limit),
        h.op("limit/enter", "Enter", "limit", is_constant=True, **enter),
        h.op("less", "Less", "merge", "limit/enter", T=wire.F),
        h.op("cond", "LoopCond", "less"),
        h.op("switch", "Switch", "merge", "cond", T=wire.F),
        h.const("step", step),
        h.op("step/enter", "Enter", "step", is_constant=True, **enter),
        h.op("add", "AddV2", "switch:1", "step/enter", T=wire.F),
        h.op("next", "NextIteration", "add", T=wire.F),
        h.op("exit", "Exit", "switch", T=wire.F),
        h.op("y", "Mul", "exit", "both", T=wire.F),
    )


def test_loops_are_followed_all_the_way_round() -> None:
    assert same(loop(), loop(frame=b"another"))
    assert not same(loop(), loop(step=2.0))
    assert not same(loop(), loop(limit=6.0))
    assert not same(loop(), loop(first="z"))


def test_default_that_one_side_writes_makes_no_difference() -> None:
    def decoded(**attrs: Any) -> Model:
        return h.model(
            h.placeholder("x", wire.S, ()),
            h.op("y", "DecodeJpeg", "x", channels=3, **attrs),
        )

    assert same(decoded(), decoded(acceptable_fraction=1.0, dct_method=b"", ratio=1))
    assert not same(decoded(), decoded(fancy_upscaling=False))
