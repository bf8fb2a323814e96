"""Pairs of nodes as they are found, and how one pair leads to the next.

Each pair proposes its neighbours, input by input and reader by reader. Proposals wait in buckets,
by how alike the two are from near by; the surest is taken first, and a doubtful one only where
the neighbours that are paired already speak for it.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from typing import Any

from migrator.diffing.matching.neighbours import beside, edges_for, unique_marks
from migrator.diffing.numbered.hashes import Surroundings, as_numbers
from migrator.diffing.numbered.table import Table

SURE = 1
"""The last level on which two nodes agree in all that is near them."""
SAME_LABEL, SAME_FORM, FAMILY = 4, 5, 7
OTHER_OP = 8
LEVELS = 9
_CONFIDENCE = (1.0, 1.0, 0.98, 0.97, 0.95, 0.9, 0.85, 0.75, 0.6)


class Near:
    """What is near the nodes of one side, in lists that are quick to look into."""

    __slots__ = ("above1", "around1", "around2", "below1", "surroundings")

    def __init__(self, table: Table) -> None:
        self.surroundings = look = Surroundings(table)
        forms = as_numbers(table.forms)
        self.around1, self.around2 = map(_small, look.rounds(forms, (1, 2)))
        self.below1 = _small(look.rounds(forms, (1,), outputs=False)[0])
        self.above1 = _small(look.rounds(forms, (1,), inputs=False)[0])


def _small(values: Any) -> list[int]:
    """Hashes as Python's numbers of 63 bits."""
    found: list[int] = (values >> values.dtype.type(1)).tolist()
    return found


class Pairing:
    """Which node of the left is which of the right, so far; -1 where none is known."""

    def __init__(self, left: Table, right: Table) -> None:
        self.left, self.right = left, right
        self.to_right = array("q", [-1]) * len(left)  # numpy sees into them without a copy
        self.to_left = array("q", [-1]) * len(right)
        self.why: dict[int, tuple[str, float]] = {}
        self.room_to_right: dict[int, int] = {0: 0}
        self.room_to_left: dict[int, int] = {0: 0}
        self.near: tuple[Near, Near] | None = None
        self.use_names = True
        """Names are evidence."""
        self.lenient = False
        """More neighbours that speak for it than against it make up for another op."""
        self._news: deque[tuple[int, int]] = deque()
        self._buckets: list[deque[tuple[int, int, bool]]] = [deque() for _ in range(LEVELS)]

    def mirrored(self) -> Pairing:
        """The same pairs, seen from the other side."""
        made = Pairing(self.right, self.left)
        made.to_right, made.to_left = self.to_left, self.to_right
        made.why = {self.to_right[a]: why for a, why in self.why.items()}
        made.room_to_right, made.room_to_left = self.room_to_left, self.room_to_right
        return made

    def prepare(self) -> tuple[Near, Near]:
        """Look around the nodes, the first time that somebody asks."""
        if self.near is None:
            self.near = Near(self.left), Near(self.right)
        return self.near

    def fits(self, a: int, b: int) -> bool:
        """Both are free, and their rooms are one and the same."""
        if self.to_right[a] >= 0 or self.to_left[b] >= 0:
            return False
        room, other = self.left.room[a], self.right.room[b]
        if not room or not other:
            return room == other
        return self.room_to_right.get(room) == other

    def pair(self, a: int, b: int, why: str, confidence: float) -> bool:
        """Take two nodes for one and the same. False where they cannot be."""
        if not self.fits(a, b):
            return False
        if self.left.is_boundary[a] != self.right.is_boundary[b]:
            return False
        self.to_right[a], self.to_left[b] = b, a
        self.why[a] = why, confidence
        self._news.append((a, b))
        return True

    def pair_all(self, ours: list[int], theirs: list[int], why: str, confidence: float) -> int:
        """Take many free nodes for pairs, in rooms that are one. Only those with a neighbour that
        is free afterwards have news to spread. Gives their number.
        """
        said = why, confidence
        to_right, to_left = self.to_right, self.to_left
        for a, b in zip(ours, theirs, strict=True):
            to_right[a], to_left[b] = b, a
        self.why.update(dict.fromkeys(ours, said))
        done = set(ours)
        self._news.extend(pair for pair in self.beside_free() if pair[0] in done)
        self._news.extend((a, to_right[a]) for a in self.left.calls if a in done)
        return len(ours)

    def bind(self, room: int, other: int) -> bool:
        """Take two functions for one and the same, with their arguments and results."""
        if room in self.room_to_right or other in self.room_to_left or not room or not other:
            return self.room_to_right.get(room) == other
        self.room_to_right[room] = other
        self.room_to_left[other] = room
        left, right = self.left, self.right
        for ours, theirs in (
            (left.arguments[room], right.arguments[other]),
            (left.results[room], right.results[other]),
        ):
            if len(ours) == len(theirs):
                for a, b in zip(ours, theirs, strict=True):
                    self.pair(a, b, "functions", 0.95)
                continue
            names = {right.local[b]: b for b in theirs}
            for a in ours:
                b = names.get(left.local[a], -1)
                if b >= 0:
                    self.pair(a, b, "functions", 0.8)
        return True

    def level(self, a: int, b: int) -> int:
        """How unlike two nodes are, by what is near them; ``LEVELS`` where they are no pair."""
        left, right = self.left, self.right
        if left.families[a] != right.families[b]:
            return LEVELS
        ours, theirs = self.near or self.prepare()
        exact = left.exact[a] == right.exact[b]
        if ours.around2[a] == theirs.around2[b]:
            return 0 if exact else 2
        if ours.around1[a] == theirs.around1[b]:
            return 1 if exact else 3
        named = self.use_names and left.local[a] == right.local[b]
        if left.forms[a] == right.forms[b]:
            half = ours.below1[a] == theirs.below1[b] or ours.above1[a] == theirs.above1[b]
            if exact and (half or named):
                return 3
            return SAME_LABEL if exact or half or named else SAME_FORM
        return 6 if named else FAMILY

    def support(self, a: int, b: int) -> tuple[int, int]:
        """How many edges of the two lead to neighbours that are a pair, and how many to ones that
        are paired with others.
        """
        left, right = self.left, self.right
        for_it, against = edges_for(left, right, self.to_right, self.to_left, a, b)
        _, other = edges_for(right, left, self.to_left, self.to_right, b, a)
        return for_it, max(against, other)

    def may_have_moved(self, a: int, b: int) -> bool:
        """Whether taking two nodes for one tells no more changes than taking them for two: one of
        them has lost its place, or no more than one edge goes elsewhere.
        """
        left, right = self.left, self.right
        for_it, against = edges_for(left, right, self.to_right, self.to_left, a, b)
        _, other = edges_for(right, left, self.to_left, self.to_right, b, a)
        return min(against, other) <= min(1, for_it) or max(against, other) <= 1 + for_it

    def is_free_of_doubt(self, a: int, b: int) -> bool:
        """Whether, for one of the sides at least, no more speaks against a pair than for it."""
        left, right = self.left, self.right
        for_it, against = edges_for(left, right, self.to_right, self.to_left, a, b)
        _, other = edges_for(right, left, self.to_left, self.to_right, b, a)
        return min(against, other) <= for_it

    def calls_agree(self, a: int, b: int) -> bool:
        """Whether no function that ``a`` calls is known to be another than the one ``b`` calls."""
        called = self.left.calls.get(a)
        if not called:
            return True
        others = dict(self.right.calls.get(b, ()))
        return all(
            self.room_to_right.get(room, other) == other
            and self.room_to_left.get(other, room) == room
            for key, room in called
            if (other := others.get(key, -1)) >= 0
        )

    def propose(self, a: int, b: int, *, over_a_gap: bool = False, least: int = 0) -> None:
        """Put two nodes down as what may be a pair."""
        if a < 0 or b < 0 or not self.fits(a, b):
            return
        level = max(self.level(a, b), least)
        if level < LEVELS:
            self._buckets[level].append((a, b, over_a_gap))

    def replace(self, a: int, b: int, level: int = OTHER_OP) -> None:
        """Put down two nodes of different ops for a pair: one took the other's place."""
        self._buckets[level].append((a, b, False))

    def spread(self, highest: int) -> int:
        """Follow all that is known up to level ``highest``. Gives the number of new pairs."""
        found = 0
        buckets, levels = self._buckets, range(highest + 1)
        while True:
            while self._news:
                a, b = self._news.popleft()
                if self.to_right[a] == b:
                    self._ask_neighbours(a, b)
            for level in levels:
                if buckets[level]:
                    break
            else:
                return found
            a, b, over_a_gap = buckets[level].popleft()
            if self.fits(a, b) and self._is_sound(a, b, level, over_a_gap):
                found += self.pair(a, b, "neighbours", _CONFIDENCE[level])

    def _is_sound(self, a: int, b: int, level: int, over_a_gap: bool) -> bool:
        for_it, against = self.support(a, b)
        if level <= SURE:
            return not against or for_it > against
        if over_a_gap:
            if self.lenient and level <= SAME_LABEL:
                return for_it + 1 >= against
            return against == 0 and (level <= SAME_LABEL or for_it > 0)
        if level < SAME_FORM:
            return for_it > against
        if level < OTHER_OP:
            return for_it > 2 * against
        edges = max(
            len(self.left.ins[a]) + len(self.left.outs[a]),
            len(self.right.ins[b]) + len(self.right.outs[b]),
        )
        if self.lenient:
            return for_it > against
        return against == 0 and (for_it > 1 or for_it == edges)

    def beside_free(self) -> list[tuple[int, int]]:
        """The pairs that have a free neighbour on either side."""
        import numpy as np

        images = np.array(self.to_right, np.int64)
        found = beside(self.left, images < 0) & (images >= 0)
        preimages = np.array(self.to_left, np.int64)
        found[preimages[beside(self.right, preimages < 0) & (preimages >= 0)]] = True
        numbers = np.flatnonzero(found)
        return list(zip(numbers.tolist(), images[numbers].tolist(), strict=True))

    def ask_again(self) -> None:
        """Let every pair that has free neighbours propose them once more."""
        self._news.extend(self.beside_free())

    def _ask_neighbours(self, a: int, b: int) -> None:
        left, right = self.left, self.right
        to_right, to_left = self.to_right, self.to_left
        ours, theirs = left.ins[a], right.ins[b]
        raw, other_raw = left.raw[a], right.raw[b]
        families, other_families = left.families, right.families
        waits = bool(ours) and ours[-1][2] < 0
        for at in range(min(len(ours), len(theirs))):
            producer, port, slot = raw[at]
            other, other_port, other_slot = other_raw[at]
            if slot < 0 or other_slot < 0:
                break
            if producer < 0 or other < 0:
                continue
            if families[producer] == other_families[other]:
                if port == other_port and to_right[producer] < 0:
                    self.propose(producer, other)
                continue
            producer, port, _ = ours[at]  # behind what is seen through
            other, other_port, _ = theirs[at]
            if port == other_port and producer >= 0 and other >= 0:
                self.propose(producer, other)
        if waits:
            self._ask_groups(
                [(0, item) for item, _, slot in ours if slot < 0 and to_right[item] < 0],
                [(0, item) for item, _, slot in theirs if slot < 0 and to_left[item] < 0],
            )
        outs, other_outs = left.outs[a], right.outs[b]
        if outs and other_outs:
            self._ask_groups(
                [((slot << 20) + port, item) for item, slot, port in outs if to_right[item] < 0],
                [
                    ((slot << 20) + port, item)
                    for item, slot, port in other_outs
                    if to_left[item] < 0
                ],
            )
        called = left.calls.get(a)
        if called:
            others = dict(right.calls.get(b, ()))
            for key, room in called:
                if key in others:
                    self.bind(room, others[key])

    def _ask_groups(
        self, ours: Sequence[tuple[int, int]], theirs: Sequence[tuple[int, int]]
    ) -> None:
        """Propose those of two sets of neighbours that can be told from the others of their set."""
        if not ours or not theirs:
            return
        families, other_families = self.left.families, self.right.families
        if len(ours) == 1 and len(theirs) == 1:
            if ours[0][0] == theirs[0][0]:
                self.propose(ours[0][1], theirs[0][1])
            return
        groups: dict[tuple[int, int], tuple[list[int], list[int]]] = {}
        for key, item in ours:
            groups.setdefault((key, families[item]), ([], []))[0].append(item)
        for key, item in theirs:
            group = groups.get((key, other_families[item]))
            if group is not None:
                group[1].append(item)
        for mine, other in groups.values():
            if len(mine) == 1 and len(other) == 1:
                self.propose(mine[0], other[0])
            elif mine and other:
                self._ask_alike(mine, other)

    def _ask_alike(self, ours: list[int], theirs: list[int]) -> None:
        near, far = self.near or self.prepare()
        left, right = self.left, self.right
        marks: tuple[tuple[Sequence[Any], Sequence[Any]], ...] = (
            (near.around2, far.around2),
            (near.around1, far.around1),
            (left.exact, right.exact),
            (left.forms, right.forms),
            (left.local, right.local),
        )
        for mine, other in marks:
            for a, b in unique_marks(ours, theirs, mine, other):
                self.propose(a, b)
