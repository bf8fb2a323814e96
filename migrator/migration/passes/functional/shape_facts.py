"""What is known of a tensor's shape, and how two such things go together."""

from __future__ import annotations

from typing import NamedTuple

Dims = tuple[int | None, ...]
MOST_VALUES = 64


class Fact(NamedTuple):
    """What is known of a tensor. ``values``: of an integer scalar or vector, None: unknown."""

    dims: Dims | None = None
    values: Dims | None = None


UNKNOWN = Fact()


def join(first: Fact, second: Fact) -> Fact:
    """What is true of both."""
    if first == second:
        return first
    dims = None
    if first.dims is not None and second.dims is not None and len(first.dims) == len(second.dims):
        dims = tuple(a if a == b else None for a, b in zip(first.dims, second.dims, strict=True))
    values = None
    one, two = first.values, second.values
    if dims is not None and one is not None and two is not None and len(one) == len(two):
        values = tuple(a if a == b else None for a, b in zip(one, two, strict=True))
    return Fact(dims, values)


def meet(first: Dims | None, second: Dims | None) -> Dims | None:
    """Two things known of one shape, as one; the first wins where they contradict."""
    if first is None or second is None or len(first) != len(second):
        return second if first is None else first
    return tuple(b if a is None else a for a, b in zip(first, second, strict=True))


def sizes(fact: Fact) -> Dims | None:
    """A tensor that is a shape, as that shape."""
    if fact.values is not None and fact.dims is not None and len(fact.dims) == 1:
        return tuple(None if size is None or size < 0 else size for size in fact.values)
    if fact.dims is not None and len(fact.dims) == 1 and fact.dims[0] is not None:
        return (None,) * fact.dims[0] if fact.dims[0] <= MOST_VALUES else None
    return None


def broadcast(first: Dims | None, second: Dims | None) -> Dims | None:
    if first is None or second is None:
        return None
    rank = max(len(first), len(second))
    left = (1,) * (rank - len(first)) + first
    right = (1,) * (rank - len(second)) + second
    return tuple(_size(a, b) for a, b in zip(left, right, strict=True))


def _size(first: int | None, second: int | None) -> int | None:
    """The size that two broadcast to; an unknown one beside more than 1 must be that."""
    if first == 1:
        return second
    if second == 1:
        return first
    return second if first is None else first
