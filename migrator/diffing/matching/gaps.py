"""Past the places where something came, went or was replaced: proposals over a gap of one node."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from migrator.diffing.matching.pairing import LEVELS, OTHER_OP, SAME_FORM, Pairing
from migrator.diffing.numbered.table import Edge, Table

Pairs = Sequence[tuple[int, int]]
_MOST = 6
"""Readers of a node that are looked at on each side."""


def propose_over_gaps(pairing: Pairing, beside: Pairs) -> None:
    """For each pair ``beside`` a free node: what stands behind a free neighbour of the one side may
    be the neighbour of the other side. Linear, for a bounded number of readers.
    """
    to_right, to_left = pairing.to_right, pairing.to_left
    left, right = pairing.left, pairing.right
    for a, b in beside:
        for (mine, port, slot), (other, other_port, other_slot) in zip(
            left.raw[a], right.raw[b], strict=False
        ):
            if slot != other_slot or slot < 0 or mine < 0 or other < 0:
                continue
            if to_left[other] < 0:  # perhaps it is new
                for behind, place, at in right.raw[other][:_MOST]:
                    if at >= 0 and place == port:
                        _propose(pairing, mine, behind)
            if to_right[mine] < 0:  # perhaps it went
                for behind, place, at in left.raw[mine][:_MOST]:
                    if at >= 0 and place == other_port:
                        _propose(pairing, behind, other)
        ours = _free_readers(left, a, to_right)
        theirs = _free_readers(right, b, to_left)
        for item, _, port in theirs:
            for behind, slot, _ in _readers(right, item):
                for mine, place, own in ours or _readers(left, a):
                    if place == slot and own == port:
                        _propose(pairing, mine, behind)
        for item, _, port in ours:
            for behind, slot, _ in _readers(left, item):
                for other, place, own in theirs or _readers(right, b):
                    if place == slot and own == port:
                        _propose(pairing, behind, other)


def _propose(pairing: Pairing, a: int, b: int) -> None:
    if a >= 0 and b >= 0 and pairing.left.forms[a] == pairing.right.forms[b]:
        pairing.propose(a, b, over_a_gap=True)


def _readers(table: Table, number: int) -> list[Edge]:
    return [edge for edge in islice(table.outs[number], _MOST) if edge[1] >= 0]


def _free_readers(table: Table, number: int, paired: Sequence[int]) -> list[Edge]:
    found = (edge for edge in table.outs[number] if edge[1] >= 0 and paired[edge[0]] < 0)
    return list(islice(found, _MOST))


def propose_replaced(pairing: Pairing, beside: Pairs) -> None:
    """Free nodes of different ops that stand in one place: same inputs, same readers."""
    to_right, to_left = pairing.to_right, pairing.to_left
    left, right = pairing.left, pairing.right
    for a, b in beside:
        ours: dict[tuple[int, int], int] = {}
        for item, slot, port in left.outs[a]:
            if to_right[item] < 0:
                ours[slot, port] = -1 if (slot, port) in ours else item
        if not ours:
            continue
        theirs: dict[tuple[int, int], int] = {}
        for item, slot, port in right.outs[b]:
            if to_left[item] < 0:
                theirs[slot, port] = -1 if (slot, port) in theirs else item
        for key, mine in ours.items():
            _propose_replaced(pairing, mine, theirs.get(key, -1))
    for a, b in beside:
        for (mine, port, slot), (other, other_port, other_slot) in zip(
            left.raw[a], right.raw[b], strict=False
        ):
            if slot == other_slot >= 0 and mine >= 0 and other >= 0 and port == other_port:
                _propose_replaced(pairing, mine, other)


def _propose_replaced(pairing: Pairing, a: int, b: int) -> None:
    if a < 0 or b < 0 or not pairing.fits(a, b):
        return
    left, right = pairing.left, pairing.right
    if left.is_boundary[a] or right.is_boundary[b]:
        return
    if pairing.level(a, b) < LEVELS:
        pairing.propose(a, b, least=SAME_FORM)
        return
    if (a in left.calls) == (b in right.calls) and bool(left.ins[a]) == bool(right.ins[b]):
        pairing.replace(a, b, OTHER_OP)
