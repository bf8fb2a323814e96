"""What the edges of two nodes say about them, by the pairs so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from migrator.diffing.numbered.table import Table

_LOOKED_AT = 48
"""Edges of a node that are asked whether they speak for a pair."""


def beside(table: Table, free: Any) -> Any:
    """Which nodes have an edge to one that is ``free``."""
    import numpy as np

    found = np.zeros(len(table), bool)
    before, after = table.ends
    found[before[free[after]]] = True
    found[after[free[before]]] = True
    return found


def edges_for(
    left: Table, right: Table, to_right: Sequence[int], to_left: Sequence[int], a: int, b: int
) -> tuple[int, int]:
    """Edges of ``a`` with a paired far end: those that ``b`` has too, and those in whose place it
    has one to a node that is paired otherwise. What is seen through need not be the same.
    """
    for_it = against = 0
    ins, raw = right.ins[b], right.raw[b]
    count = len(ins)
    mine = left.raw[a]
    for at, (producer, port, slot) in enumerate(left.ins[a][:_LOOKED_AT]):
        if producer < 0:
            continue
        image = to_right[producer]
        if slot < 0:
            if image >= 0 and any(image == item for item, _, _ in raw[-_LOOKED_AT:]):
                for_it += 1
            continue
        if at >= count:
            against += image >= 0
        elif image >= 0 and ins[at][0] == image and ins[at][1] == port:
            for_it += 1
        else:
            direct = to_right[mine[at][0]]
            if direct >= 0 and raw[at][0] == direct and raw[at][1] == mine[at][1]:
                for_it += 1
            else:
                against += image >= 0 and (ins[at][0] < 0 or to_left[ins[at][0]] >= 0)
    for consumer, slot, port in islice(left.outs[a], _LOOKED_AT):
        image = to_right[consumer]
        if image < 0:
            continue
        ins, raw = right.ins[image], right.raw[image]
        if slot < 0:
            if any(item == b for item, _, _ in raw[-_LOOKED_AT:]):
                for_it += 1
        elif slot >= len(ins):
            against += 1
        elif (ins[slot][0] == b and ins[slot][1] == port) or (
            raw[slot][0] == b and raw[slot][1] == port
        ):
            for_it += 1
        else:
            reads = raw[slot][0] if right.through[b] else ins[slot][0]
            against += reads < 0 or to_left[reads] >= 0 or reads == b
    return for_it, against


def unique_marks(
    ours: Sequence[int], theirs: Sequence[int], mine: Sequence[Any], other: Sequence[Any]
) -> Iterator[tuple[int, int]]:
    """Pairs whose mark no second node of either side has."""
    first: dict[Any, int] = {}
    for item in ours:
        mark = mine[item]
        first[mark] = -1 if mark in first else item
    second: dict[Any, int] = {}
    for item in theirs:
        mark = other[item]
        second[mark] = -1 if mark in second else item
    for mark, a in first.items():
        b = second.get(mark, -1)
        if a >= 0 and b >= 0:
            yield a, b
