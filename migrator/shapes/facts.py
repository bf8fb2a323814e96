"""What is known of a tensor's shape, and how two such things go together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Dims = tuple[int | None, ...]
Reals = tuple[float | None, ...]
MOST_VALUES = 256
"""Elements of the largest tensor whose values are followed."""
MOST_RANK = 254
"""TensorFlow's own limit."""
MOST_SIZE = (1 << 63) - 1


class Fact(NamedTuple):
    """What is known of a tensor. None: nothing.

    ``values`` are those of a small tensor of integers or bools, ``reals`` of one of floats, both
    in row order, None for an element that is unknown. ``held`` are the shapes of what a handle
    stands for: of a variable, of a list's or an array's elements, of a queue's components. The
    flow of an array holds what was written to it so far, nothing at first.
    """

    dims: Dims | None = None
    values: Dims | None = None
    reals: Reals | None = None
    held: tuple[Dims | None, ...] | None = None


UNKNOWN = Fact()
SCALAR = Fact(())


def join(first: Fact, second: Fact) -> Fact:
    """What is true of both."""
    if first == second:
        return first
    dims = join_dims(first.dims, second.dims)
    values = None
    one, two = first.values, second.values
    if dims is not None and one is not None and two is not None and len(one) == len(two):
        values = tuple(a if a == b else None for a, b in zip(one, two, strict=True))
    held = None
    if first.held == ():
        held = second.held
    elif second.held == ():
        held = first.held
    elif first.held is not None and second.held is not None and len(first.held) == len(second.held):
        held = tuple(join_dims(a, b) for a, b in zip(first.held, second.held, strict=True))
    return Fact(dims, values, None, held)


def join_dims(first: Dims | None, second: Dims | None) -> Dims | None:
    """What is true of both of two shapes."""
    if first is None or second is None or len(first) != len(second):
        return None
    return tuple(a if a == b else None for a, b in zip(first, second, strict=True))


def meet(first: Dims | None, second: Dims | None) -> Dims | None:
    """Two things known of one shape, as one; the first wins where they contradict."""
    if first is None or second is None or len(first) != len(second):
        return second if first is None else first
    return tuple(b if a is None else a for a, b in zip(first, second, strict=True))


def meet_size(first: int | None, second: int | None) -> int | None:
    return second if first is None else first


def sizes(fact: Fact) -> Dims | None:
    """A tensor that is a shape, as that shape."""
    if fact.values is not None and fact.dims is not None and len(fact.dims) == 1:
        return tuple([None if size is None or size < 0 else size for size in fact.values])
    if fact.dims is not None and len(fact.dims) == 1 and fact.dims[0] is not None:
        return (None,) * fact.dims[0] if fact.dims[0] <= MOST_RANK else None
    return None


def broadcast(first: Dims | None, second: Dims | None) -> Dims | None:
    """The shape that two broadcast to; an unknown size beside more than 1 must be that."""
    if first is None or second is None:
        return None
    if first == second and None not in first:
        return first
    rank = max(len(first), len(second))
    left = (1,) * (rank - len(first)) + first
    right = (1,) * (rank - len(second)) + second
    return tuple([_size(a, b) for a, b in zip(left, right, strict=True)])


def _size(first: int | None, second: int | None) -> int | None:
    if first == 1:
        return second
    if second == 1:
        return first
    return second if first is None else first


def known(fact: Fact) -> tuple[int, ...] | None:
    """The values of a tensor of integers where all of them are known."""
    values = fact.values
    if values is None or None in values:
        return None
    return tuple([value for value in values if value is not None])


def scalar(fact: Fact) -> int | None:
    """The one value of a tensor, None where it is not known, or several."""
    values = fact.values
    return values[0] if values is not None and len(values) == 1 else None


def with_rank(dims: Dims | None, rank: int) -> Dims:
    """``dims`` as a shape of that rank: unknown sizes where nothing is known.

    Raises ValueError for another rank.
    """
    if dims is None:
        return (None,) * rank
    if len(dims) != rank:
        raise ValueError("another rank")
    return dims


def count(dims: Sequence[int | None] | None) -> int | None:
    """Number of elements, None where it is unknown or past what a tensor can have."""
    if dims is None or None in dims:
        return None
    total = 1
    for size in dims:
        total *= size or 0
        if total > MOST_SIZE:
            return None if 0 not in dims else 0
    return total


def sane(dims: Dims | None) -> Dims | None:
    """``dims`` where a tensor can have them; sizes that none can have become unknown."""
    if dims is None or len(dims) > MOST_RANK:
        return None
    for size in dims:
        if size is not None and not 0 <= size <= MOST_SIZE:
            return tuple([d if d is not None and 0 <= d <= MOST_SIZE else None for d in dims])
    return dims
