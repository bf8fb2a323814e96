"""Sizes as values, and tensors made from sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from migrator.model.tensors import LazyTensor
from migrator.shapes.facts import (
    MOST_VALUES,
    SCALAR,
    UNKNOWN,
    Dims,
    Fact,
    broadcast,
    count,
    known,
    scalar,
    sizes,
)
from migrator.shapes.rules.constants import constant
from migrator.shapes.rules.reading import MOST_OUTPUTS, Op, Table, axis_in, named, number, shape


def const(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    tensor = op.attrs.get("value")
    return [constant(tensor)] if isinstance(tensor, LazyTensor) else ()


def shape_of(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [as_vector(fact.dims) for fact in facts[:MOST_OUTPUTS]]


def as_vector(dims: Dims | None) -> Fact:
    """A shape as the tensor that holds it."""
    return Fact((None,)) if dims is None else Fact((len(dims),), dims)


def held_shape(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """VariableShape: of what a handle stands for."""
    held = facts[0].held
    if held is None:  # a reference variable is its own value
        return [Fact((None,))] if facts[0].dims in (None, ()) else [as_vector(facts[0].dims)]
    return [as_vector(held[0])]


def size(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    found = count(facts[0].dims)
    return [SCALAR if found is None else Fact((), (found,))]


def rank(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims = facts[0].dims
    return [SCALAR if dims is None else Fact((), (len(dims),))]


def fill(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """Fill, and all whose first input is the shape of what they make."""
    dims = sizes(facts[0])
    if op.op != "Fill" or dims is None:
        return [Fact(dims)]
    total, value, real = count(dims), facts[1].values, facts[1].reals
    if total is None or total > MOST_VALUES:
        return [Fact(dims)]
    return [
        Fact(
            dims,
            value * total if value is not None and len(value) == 1 else None,
            real * total if real is not None and len(real) == 1 else None,
        )
    ]


def broadcast_to(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(sizes(facts[1]))]


def range_(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    start, limit, delta = (scalar(fact) for fact in facts)
    if start is not None and limit is not None and delta:
        found = range(start, limit, delta)
        number_of = max(0, -((start - limit) // delta))
        return [Fact((number_of,), tuple(found) if number_of <= MOST_VALUES else None)]
    first, last, by = (
        fact.reals[0] if fact.reals is not None and len(fact.reals) == 1 else None for fact in facts
    )
    if first is None or last is None or not by or not math.isfinite((last - first) / by):
        return [Fact((None,))]
    # As TensorFlow counts: in double precision.
    return [Fact((max(0, math.ceil(abs((last - first) / by))),))]


def line(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """LinSpace: as many points as it is told."""
    return [Fact((scalar(facts[2]),))]


def one_hot(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims, depth = facts[0].dims, scalar(facts[1])
    if dims is None:
        return ()
    at = axis_in(number(op, "axis", -1), len(dims) + 1)
    return [Fact((*dims[:at], depth, *dims[at:]))]


def zeros_of(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(sizes(facts[0]))]


def broadcast_args(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    one, two = facts[0], facts[1]
    if one.values is None or two.values is None:
        if one.dims is None or two.dims is None or None in one.dims or None in two.dims:
            return [Fact((None,))]
        return [Fact((max(one.dims[0] or 0, two.dims[0] or 0),))]
    found = broadcast(one.values, two.values)
    return [UNKNOWN if found is None else Fact((len(found),), found)]


def vectors(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """BroadcastGradientArgs: two vectors of axes."""
    return [Fact((None,)), Fact((None,))]


def inverse(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    order = known(facts[0])
    if order is None or sorted(order) != list(range(len(order))):
        return [Fact(facts[0].dims)]
    found = [0] * len(order)
    for at, axis in enumerate(order):
        found[axis] = at
    return [Fact(facts[0].dims, tuple(found))]


def declared(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """As the op's own attribute says; a scalar may mean unknown in old graphs."""
    dims = shape(op, "shape")
    return [Fact(dims)] if dims else ()


def declared_exactly(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(shape(op, "shape"))]


_RANDOM = (
    "RandomUniform RandomUniformInt RandomStandardNormal TruncatedNormal"
    " ParameterizedTruncatedNormal StatelessRandomUniform StatelessRandomUniformInt"
    " StatelessRandomNormal StatelessTruncatedNormal StatelessRandomUniformV2"
    " StatelessRandomNormalV2 StatelessTruncatedNormalV2 StatelessRandomUniformIntV2"
    " StatelessRandomUniformFullInt"
    " StatelessRandomUniformFullIntV2 Empty"
)

RULES: Table = {
    "Const": const,
    **named("Shape ShapeN", shape_of),
    "VariableShape": held_shape,
    "Size": size,
    "Rank": rank,
    "Fill": fill,
    **named(_RANDOM, zeros_of),
    "BroadcastTo": broadcast_to,
    "Range": range_,
    "LinSpace": line,
    "OneHot": one_hot,
    "BroadcastArgs": broadcast_args,
    "BroadcastGradientArgs": vectors,
    "InvertPermutation": inverse,
    "Placeholder": declared,
    **named("PlaceholderV2 PlaceholderWithDefault ImmutableConst", declared_exactly),
}
