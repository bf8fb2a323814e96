"""Ops that take axes away."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from migrator.shapes.facts import SCALAR, Dims, Fact, known, meet_size, scalar
from migrator.shapes.rules.constants import within
from migrator.shapes.rules.reading import Op, Table, axis_in, dtype, flag, named, number

_WORK: Mapping[str, Callable[[Sequence[int]], int]] = {
    "Sum": sum,
    "Prod": math.prod,
    "Max": max,
    "Min": min,
    "All": lambda values: int(all(values)),
    "Any": lambda values: int(any(values)),
}


def reduce(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims, keep = facts[0].dims, flag(op, "keep_dims")
    axes = known(facts[1])
    if dims is None or (axes == () and op.op == "ReduceJoin"):  # which joins all then
        return ()
    if not dims:
        return [Fact((), facts[0].values if op.op in _WORK else None)]
    if axes is None:
        return [Fact((None,) * len(dims))] if keep else ()
    gone = {axis_in(axis, len(dims)) for axis in axes}
    if keep:
        left: Dims = tuple([1 if k in gone else size for k, size in enumerate(dims)])
    else:
        left = tuple([size for k, size in enumerate(dims) if k not in gone])
    values = known(facts[0])
    if values and op.op in _WORK and len(gone) == len(dims):
        total = _WORK[op.op](values)
        if op.op in ("All", "Any") or within(total, dtype(op, "T", 3)):
            return [Fact(left, (total,))]
    return [Fact(left)]


def arg(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """ArgMax and ArgMin. A scalar stays one, as TensorFlow has it."""
    dims = facts[0].dims
    axis = scalar(facts[1]) if len(facts) > 1 else number(op, "dimension", 0)
    if dims is None:
        return ()
    if not dims:
        return [SCALAR]
    if axis is None:
        return [Fact((None,) * (len(dims) - 1))]
    at = axis_in(axis, len(dims))
    return [Fact((*dims[:at], *dims[at + 1 :]))]


def top(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims = facts[0].dims
    size = number(op, "k") if op.op == "TopK" else scalar(facts[1])
    if not dims:
        return ()
    found = Fact((*dims[:-1], size))
    return [found, found]


def nth(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims = facts[0].dims
    return [Fact(dims[:-1])] if dims else ()


def in_top(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    rows = facts[0].dims
    found = facts[1].dims
    return [Fact((meet_size(found[0] if found else None, rows[0] if rows else None),))]


def cross_entropy(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """The loss of each row, and the gradient."""
    rows, labels = facts[0].dims, facts[1].dims
    if op.op.startswith("Sparse"):
        batch = meet_size(rows[0] if rows else None, labels[0] if labels else None)
        width = rows[1] if rows else None
        return [Fact((batch,)), Fact((batch, width))]
    if rows is None or labels is None or len(rows) != 2 or rows != labels or None in rows:
        batch = rows[0] if rows and labels == rows else None
        return [Fact((batch,)), Fact((batch, None))]
    return [Fact((rows[0],)), Fact(rows)]


def unsorted(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    data, segments = facts[0].dims, facts[1].dims
    if data is None or segments is None:
        return ()
    return [Fact((scalar(facts[2]), *data[len(segments) :]))]


def segments(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """How many there are depends on the values."""
    data = facts[0].dims
    return [Fact((None, *data[1:]))] if data else ()


def numbered_segments(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    data = facts[0].dims
    return [Fact((scalar(facts[3]), *data[1:]))] if data else ()


def scalar_result(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [SCALAR]


RULES: Table = {
    **named("Sum Mean Max Min Prod All Any EuclideanNorm ReduceJoin", reduce),
    **named("ArgMax ArgMin", arg),
    **named("TopK TopKV2", top),
    "NthElement": nth,
    **named("InTopK InTopKV2", in_top),
    **named("SoftmaxCrossEntropyWithLogits SparseSoftmaxCrossEntropyWithLogits", cross_entropy),
    **named(
        "UnsortedSegmentSum UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd"
        " UnsortedSegmentJoin",
        unsorted,
    ),
    **named(
        "SegmentSum SegmentMean SegmentMax SegmentMin SegmentProd SparseSegmentSum"
        " SparseSegmentMean SparseSegmentSqrtN",
        segments,
    ),
    **named(
        "SparseSegmentSumWithNumSegments SparseSegmentMeanWithNumSegments"
        " SparseSegmentSqrtNWithNumSegments",
        numbered_segments,
    ),
    "L2Loss": scalar_result,
}
