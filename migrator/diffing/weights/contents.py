"""Weights told apart by their values alone, in whatever order these are laid out."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from migrator.diffing.weights.reading import WHOLE, Value
from migrator.diffing.weights.values import difference

_PART = 1 << 18
"""Elements that are looked at a time."""
_MOST_DIMS = 5
_MIX = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9)
"""Odd numbers whose bits are spread: of Steele, Lea and Flood's SplitMix64 (2014)."""

Layout = tuple[int, ...]
"""The dimensions of the left in the order in which the right has them, those of size one left
out; empty where the elements follow one another alike."""


def fingerprint(value: Value) -> int:
    """A number that values have in common which differ in their order alone, and rarely others.

    Raises MigratorError where the values cannot be read.
    """
    import numpy as np

    elements = value.elements()
    total = 0
    for start in range(0, value.tensor.elements, _PART):
        part = elements.take(start, min(_PART, value.tensor.elements - start))
        if part.dtype == object:
            return hash((total, *part.tolist()))
        bits = _bits(np.ascontiguousarray(part)).astype(np.uint64)
        for number in _MIX:
            bits *= np.uint64(number)
            bits ^= bits >> np.uint64(29)
        total += int(bits.sum(dtype=np.uint64))
    return total & 0xFFFF_FFFF_FFFF_FFFF


def _bits(part: Any) -> Any:
    import numpy as np

    size = part.dtype.itemsize
    return part.view({1: np.uint8, 2: np.uint16, 4: np.uint32}.get(size, np.uint64))


def layout_between(left: Value, right: Value) -> Layout | None:
    """How to bring the values of ``left`` into the order of ``right``; None where nothing does.

    Raises MigratorError where values cannot be read.
    """
    if not difference(left, right).different:
        return ()
    ours = [dim or 0 for dim in left.tensor.shape.dims or () if dim != 1]
    theirs = [dim or 0 for dim in right.tensor.shape.dims or () if dim != 1]
    if sorted(ours) != sorted(theirs) or not 2 <= len(ours) <= _MOST_DIMS:
        return None
    if left.tensor.nbytes > WHOLE:
        return None  # to turn it takes all of it in memory
    one, other = (
        _bits(item.elements().take(0, item.tensor.elements)).copy() for item in (left, right)
    )
    if len(one) != left.tensor.elements:
        return None  # elements of two words
    one, other = one.reshape(ours), other.reshape(theirs)
    for order in permutations(range(len(ours))):
        if [ours[number] for number in order] == theirs and (one.transpose(order) == other).all():
            return order
    return None
