"""Frozen graphs as bytes: sound ones, and ones that each do TensorFlow harm in a way of their own.

All take ``x`` (float32, [?, 4]) and have one output, so that nothing is left to decide.
"""

from __future__ import annotations

from typing import Any

from tests import wire
from tests.handmade import const, dense, op, placeholder


def sound() -> bytes:
    return wire.graph([placeholder("x"), *dense("y", "x")], producer=134)


def truncated() -> bytes:
    return sound()[:-40]


def unknown_op() -> bytes:
    return wire.graph([placeholder("x"), op("y", "OpOfNobody", "x", T=wire.F)], producer=134)


def crashes() -> bytes:
    """The kernel checks a size that overflows, and aborts (SIGABRT)."""
    nodes = [
        const("indices", [[2**62]], "int64"),
        const("values", [1.0]),
        const("shape", [2**62], "int64"),
        op(
            "joined",
            "SparseConcat",
            "indices",
            "indices",
            "values",
            "values",
            "shape",
            "shape",
            concat_dim=0,
            N=2,
            T=wire.F,
        ),
    ]
    return _with("joined:1", nodes)


def hangs() -> bytes:
    """A loop whose condition always holds."""
    return _with("exit", _loop([op("next_value", "Identity", "body", T=wire.F)]))


def grows() -> bytes:
    """A loop without end that keeps 64 MB more with each round."""
    nodes = [
        op("block_size", "Const", "^body", dtype=wire.I32, value=_scalars("int32", [1 << 24])),
        op("block_value", "Const", "^body", dtype=wire.F, value=_scalars("float32", 1.0)),
        op("block", "Fill", "block_size", "block_value", T=wire.F, index_type=wire.I32),
        op("axis", "Const", "^body", dtype=wire.I32, value=_scalars("int32", 0)),
        op("next_value", "ConcatV2", "body", "block", "axis", N=2, T=wire.F, Tidx=wire.I32),
    ]
    return _with("exit", _loop(nodes))


def hoards() -> bytes:
    """Asks for four terabytes at once, which TensorFlow refuses after a wait."""
    nodes = [
        op("huge_size", "Const", dtype=wire.I64, value=_scalars("int64", [1 << 40])),
        op("huge_value", "Const", dtype=wire.F, value=_scalars("float32", 1.0)),
        op("huge", "Fill", "huge_size", "huge_value", T=wire.F, index_type=wire.I64),
    ]
    return _with("huge", nodes)


def _with(source: str, nodes: list[bytes]) -> bytes:
    """A graph whose output adds the sum of ``source`` to ``x``."""
    nodes = [
        placeholder("x"),
        *nodes,
        const("sum_axes", [0], "int32"),
        op("sum", "Sum", source, "sum_axes", T=wire.F, Tidx=wire.I32, keep_dims=False),
        op("y", "Add", "x", "sum", T=wire.F),
    ]
    return wire.graph(nodes, producer=134)


def _loop(body: list[bytes]) -> list[bytes]:
    """A while loop of TensorFlow 1 over a vector; ``body`` makes ``next_value`` from ``body``."""
    enter: dict[str, Any] = {"T": wire.F, "frame_name": b"loop", "parallel_iterations": 1}
    return [
        const("start", [1.0]),
        op("enter", "Enter", "start", is_constant=False, **enter),
        op("merge", "Merge", "enter", "next", T=wire.F, N=2),
        op("first_axis", "Const", "^merge", dtype=wire.I32, value=_scalars("int32", [0])),
        op("least", "Min", "merge", "first_axis", T=wire.F, Tidx=wire.I32, keep_dims=False),
        op("bound", "Const", "^merge", dtype=wire.F, value=_scalars("float32", 1e9)),
        op("less", "Less", "least", "bound", T=wire.F),
        op("condition", "LoopCond", "less"),
        op("switch", "Switch", "merge", "condition", T=wire.F),
        op("body", "Identity", "switch:1", T=wire.F),
        *body,
        op("next", "NextIteration", "next_value", T=wire.F),
        op("exit", "Exit", "switch", T=wire.F),
    ]


def _scalars(dtype: str, value: Any) -> Any:
    import numpy as np

    return np.asarray(value, dtype=dtype)


POISONS = {
    "truncated": truncated,
    "unknown_op": unknown_op,
    "crashes": crashes,
    "hangs": hangs,
    "grows": grows,
    "hoards": hoards,
}
