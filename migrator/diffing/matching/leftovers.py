"""What no stage could tell: an assignment within small groups of nodes of one op."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from migrator.diffing.matching.pairing import LEVELS, Pairing
from migrator.diffing.matching.stages import free_nodes
from migrator.diffing.numbered.table import Table

_GROUP = 64
"""Nodes of a side up to which all ways to pair a group are weighed; beyond, the best goes first."""
_NEIGHBOURS = 24
_CANDIDATES = 24
_ALIKE = 24
"""Free nodes of one label that are held against each other."""
_LEAST = 0.5
"""Score from which on two nodes count as one."""


def assign_leftovers(pairing: Pairing) -> int:
    """Pair what is still free by score: paired neighbours, label, name. Gives the number of pairs.

    Only nodes that share a paired neighbour or a name are weighed against each other. Groups are
    solved as assignments (scipy's, after Crouse 2016, cubic), larger ones greedily.
    """
    scores = _scores(pairing)
    found = 0
    for group in _groups(scores):
        for a, b, score in _solved(group):
            confidence = min(0.9, 0.4 + 0.1 * score)
            found += pairing.pair(a, b, "assignment", round(confidence, 2))
    return found


def pair_alike(pairing: Pairing) -> int:
    """Pair free nodes of one label by what speaks for it, where little speaks against it: nodes
    that were taken from one place to another. Those with most edges go first, and draw their
    neighbours along.
    """
    left, right = pairing.left, pairing.right
    near, far = pairing.prepare()
    found = 0
    for labels in ((left.exact, right.exact), (left.forms, right.forms)):
        groups: dict[tuple[int, int], tuple[list[int], list[int]]] = {}
        free, other_free = free_nodes(pairing)
        for a in free.tolist():
            room = pairing.room_to_right.get(left.room[a], -1)
            if room >= 0 and not left.is_boundary[a]:
                groups.setdefault((room, labels[0][a]), ([], []))[0].append(a)
        for b in other_free.tolist():
            group = groups.get((right.room[b], labels[1][b]))
            if group is not None and not right.is_boundary[b]:
                group[1].append(b)
        chosen = [group for group in groups.values() if group[1]]
        chosen.sort(key=lambda group: -len(left.ins[group[0][0]]))
        for ours, theirs in chosen:
            ways = []
            for a in ours[:_ALIKE]:
                for b in theirs[:_ALIKE]:
                    for_it, against = pairing.support(a, b)
                    like = (near.below1[a] == far.below1[b]) + (near.above1[a] == far.above1[b])
                    named = pairing.use_names and left.local[a] == right.local[b]
                    ways.append((against - for_it - 0.5 * like - named, a, b))
            ways.sort()
            for _, a, b in ways:
                if pairing.fits(a, b) and pairing.may_have_moved(a, b):
                    found += pairing.pair(a, b, "alone", 0.6) + pairing.spread(LEVELS - 1)
    return found


Scores = dict[tuple[int, int], float]


def _scores(pairing: Pairing) -> Scores:
    left, right = pairing.left, pairing.right
    scores: Scores = {}
    readers = _Readers(right, pairing.to_left)
    named: dict[tuple[int, str], int] = {}
    free, other_free = free_nodes(pairing)
    for b in other_free.tolist():
        named[right.room[b], right.local[b]] = b
    for a in free.tolist():
        candidates = set(islice(_candidates(pairing, a, readers), _CANDIDATES))
        room = pairing.room_to_right.get(left.room[a], -1)
        same = named.get((room, left.local[a]))
        if same is not None:
            candidates.add(same)
        for b in sorted(candidates):
            if not pairing.fits(a, b):
                continue
            score = _score(pairing, a, b)
            if score >= _LEAST:
                scores[a, b] = score
    return scores


class _Readers:
    """The free reader of a node that is the only one of its op, looked up once: to be one of
    several says little, and there may be very many.
    """

    def __init__(self, table: Table, paired: Sequence[int]) -> None:
        self._table = table
        self._paired = paired
        self._known: dict[int, dict[int, list[int]]] = {}

    def of(self, number: int, family: int) -> Sequence[int]:
        known = self._known.get(number)
        if known is None:
            known = self._known[number] = {}
            for item, slot, _ in self._table.outs[number]:
                if self._paired[item] < 0 <= slot:
                    found = known.setdefault(self._table.families[item], [])
                    if len(found) < 2:
                        found.append(item)
        readers = known.get(family, ())
        return readers if len(readers) == 1 else ()


def _candidates(pairing: Pairing, a: int, readers: _Readers) -> Iterator[int]:
    """Free nodes of the right that stand beside what a neighbour of ``a`` is paired with."""
    left, right = pairing.left, pairing.right
    to_right, to_left = pairing.to_right, pairing.to_left
    family = left.families[a]
    for producer, _, slot in left.ins[a][:_NEIGHBOURS]:
        image = to_right[producer] if producer >= 0 else -1
        if image >= 0 and slot >= 0:
            yield from readers.of(image, family)
    for consumer, slot, _ in islice(left.outs[a], _NEIGHBOURS):
        image = to_right[consumer]
        if image >= 0 and slot >= 0:
            for b, _, _ in (*right.raw[image][:_NEIGHBOURS], *right.ins[image][:_NEIGHBOURS]):
                if b >= 0 and to_left[b] < 0 and right.families[b] == family:
                    yield b


def _score(pairing: Pairing, a: int, b: int) -> float:
    left, right = pairing.left, pairing.right
    for_it, against = pairing.support(a, b)
    named = pairing.use_names and left.local[a] == right.local[b]
    if left.families[a] != right.families[b]:
        if not named or against or not for_it:
            return 0.0
    elif for_it < against and (
        left.forms[a] != right.forms[b] or not (named or 2 * for_it >= against)
    ):
        return 0.0
    near, far = pairing.prepare()
    return (
        2.0 * for_it / max(1, for_it + against)
        + 0.5 * (left.exact[a] == right.exact[b])
        + 0.5 * (left.forms[a] == right.forms[b])
        + 0.5 * (near.below1[a] == far.below1[b])
        + 0.5 * (near.above1[a] == far.above1[b])
        + 1.0 * named
        - 0.5
    )


def _groups(scores: Scores) -> Iterator[Scores]:
    """Parts that share no node: connected components of the scores."""
    parent: dict[int, int] = {}

    def root(item: int) -> int:
        while parent.setdefault(item, item) != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for a, b in scores:
        parent[root(a)] = root(-1 - b)
    groups: dict[int, Scores] = {}
    for (a, b), score in scores.items():
        groups.setdefault(root(a), {})[a, b] = score
    yield from groups.values()


def _solved(group: Scores) -> list[tuple[int, int, float]]:
    rows = sorted({a for a, _ in group})
    columns = sorted({b for _, b in group})
    if len(group) == 1 or len(rows) > _GROUP or len(columns) > _GROUP:
        return [(a, b, score) for (a, b), score in sorted(group.items(), key=_best_first)]
    import numpy as np
    from scipy.optimize import (  # type: ignore[import-untyped, unused-ignore]
        linear_sum_assignment,
    )

    table = np.zeros((len(rows), len(columns)))
    for at, a in enumerate(rows):
        for place, b in enumerate(columns):
            table[at, place] = group.get((a, b), 0.0)
    chosen = zip(*linear_sum_assignment(table, maximize=True), strict=True)
    pairs = [(rows[int(at)], columns[int(place)]) for at, place in chosen]
    return [(a, b, group[a, b]) for a, b in pairs if (a, b) in group]


def _best_first(item: tuple[tuple[int, int], float]) -> tuple[float, tuple[int, int]]:
    return -item[1], item[0]
