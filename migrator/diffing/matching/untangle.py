"""Pairs that crossed: exchanged where that leaves fewer changes to tell.

Where much is alike, an edit can lead the search from one copy of a part into another. There the
pairs are whole again a few nodes further on, and what lies between tells changes that nobody made.
From each input that seems to come from elsewhere, the two pairs in question are exchanged, and
with them the neighbours that this parts (as the chains that Kempe swapped in colourings, 1879);
what is best on the way is kept if it is better than before. Bounded by a number of exchanges.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice

from migrator.diffing.matching.pairing import Pairing

_READERS = 24
"""Readers of a node from which on it is not exchanged: too much hangs on it."""
_CHAIN, _SHORT = 200, 8
"""Exchanges that follow from one; the fewer, the more there is to put in order."""
_WORSE = 40.0
"""Changes that an exchange may bring on the way."""
_ALIKE = 3
"""Readers of one node that are tried in the place of another."""
_MOST = 12_000
"""Exchanges in all."""
_KNOWN = 0.99
"""Confidence from which on a name or a content stays where it was found."""
_RENAMED = 0.05
_EDGE = 0.1
_OTHER_OP = 0.8
"""What a rename and an edge weigh, where a changed node is one."""


def untangle(pairing: Pairing) -> int:
    """Exchange pairs, as long as it makes fewer changes. Gives the number of nodes that got
    another partner.
    """
    knots = _Knots(pairing)
    work = deque(a for a, b in enumerate(pairing.to_right) if b >= 0 and any(knots.loose(a)))
    knots.chain = max(_SHORT, min(_CHAIN, knots.budget // (len(work) + 1)))
    found = 0
    while work and knots.budget > 0:
        a = work.popleft()
        if pairing.to_right[a] < 0:
            continue
        for slot in knots.loose(a):
            moved = knots.untie(a, slot)
            if moved:
                found += len(moved)
                work.extend(item for item in moved if any(knots.loose(item)))
                work.append(a)
                break
    return found


class _Knots:
    def __init__(self, pairing: Pairing) -> None:
        self._pairing = pairing
        self.left, self.right = pairing.left, pairing.right
        self.to_right, self.to_left = pairing.to_right, pairing.to_left
        self._tried: set[tuple[int, int]] = set()
        """What led to nothing, as things are."""
        self.budget = _MOST
        self.chain = _CHAIN

    def loose(self, a: int) -> Iterator[int]:
        """Slots of a paired node that come from elsewhere on the other side."""
        b = self.to_right[a]
        ours, theirs = self.left.ins[a], self.right.ins[b]
        raw, other_raw = self.left.raw[a], self.right.raw[b]
        for at in range(min(len(ours), len(theirs))):
            producer, port, slot = ours[at]
            other, other_port, other_slot = theirs[at]
            if slot < 0 or other_slot < 0:
                break
            image = self.to_right[producer] if producer >= 0 else -1
            if image == other and port == other_port:
                continue
            # What is seen through may be what was wired elsewhere: its readers were not.
            producer, port, _ = raw[at]
            other, other_port, _ = other_raw[at]
            image = self.to_right[producer] if producer >= 0 else -1
            if image < 0 or image != other or port != other_port:
                yield at

    def _cost(self, a: int) -> float:
        """What one node of the left adds to what is told."""
        b = self.to_right[a]
        if b < 0:
            return 1.0
        pairing, left, right = self._pairing, self.left, self.right
        ours, theirs = left.ins[a], right.ins[b]
        edges = abs(len(ours) - len(theirs)) + sum(1 for _ in self.loose(a))
        changed = left.exact[a] != right.exact[b] or not pairing.calls_agree(a, b)
        cost = edges * _EDGE
        if edges or changed:
            cost += 1.0 + 0.3 * (left.forms[a] != right.forms[b])
            cost += _OTHER_OP * (left.families[a] != right.families[b])
        if pairing.use_names and left.local[a] != right.local[b]:
            cost += _RENAMED
        return cost

    def untie(self, a: int, slot: int) -> list[int]:
        """Try what may bring one input in order. Gives the nodes with other partners than before;
        none where nothing is better.
        """
        for pair in list(self._ways(a, slot)):
            if pair in self._tried:
                continue
            moved = self._exchanged(*pair)
            if moved:
                self._tried.clear()
                return moved
            self._tried.add(pair)
        return []

    def _ways(self, a: int, at: int) -> Iterator[tuple[int, int]]:
        """Pairs that would put input ``at`` of ``a`` in order."""
        left, right = self.left, self.right
        b = self.to_right[a]
        producer, port, slot = left.ins[a][at]
        other, other_port, _ = right.ins[b][at]
        if producer >= 0 and other >= 0 and port == other_port:
            yield producer, other
        image = self.to_right[producer] if producer >= 0 else -1
        if image >= 0:
            for reader, place, own in islice(right.outs[image], _READERS):
                if place == slot and own == port and reader != b:
                    yield a, reader
        preimage = self.to_left[other] if other >= 0 else -1
        if preimage >= 0:
            for reader, place, own in islice(left.outs[preimage], _READERS):
                if place == slot and own == other_port and reader != a:
                    yield reader, b

    def _may_be(self, a: int, b: int) -> bool:
        left, right, pairing = self.left, self.right, self._pairing
        return (
            left.families[a] == right.families[b]
            and pairing.room_to_right.get(left.room[a], -1) == right.room[b]
            and not left.is_boundary[a]
            and not right.is_boundary[b]
            and len(left.outs[a]) <= _READERS
            and len(right.outs[b]) <= _READERS
        )

    def _is_known(self, a: int) -> bool:
        """Whether the pair of ``a`` rests on more than its place: its name or its content."""
        why, confidence = self._pairing.why.get(a, ("", 0.0))
        return why in ("name", "weights") and confidence >= _KNOWN

    def _exchanged(self, a: int, b: int) -> list[int]:
        """Pair ``a`` with ``b``, their partners with each other, and go on with what that parts."""
        to_right, to_left = self.to_right, self.to_left
        done: list[tuple[int, int, int, int]] = []
        costs: dict[int, float] = {}
        """What each node that is touched added before."""
        now: dict[int, float] = {}
        seen: set[int] = set()
        queue = deque([(a, b)])
        total = best = 0.0
        kept = 0
        while queue and len(done) < self.chain and self.budget > 0 and total < _WORSE:
            a, b = queue.popleft()
            before, partner = to_right[a], to_left[b]
            if before == b or a in seen or partner in seen or not self._may_be(a, b):
                continue
            if self._is_known(a) or self._is_known(partner):
                continue
            if partner >= 0 and before >= 0 and not self._may_be(partner, before):
                continue
            self.budget -= 1
            touched = {a}
            touched.update(item for item, _, _ in self.left.outs[a])
            if partner >= 0:
                touched.add(partner)
                touched.update(item for item, _, _ in self.left.outs[partner])
            for item in touched:
                if item not in costs:
                    costs[item] = now[item] = self._cost(item)
            self._set(a, b, partner, before)
            done.append((a, b, partner, before))
            seen.update((a, partner) if partner >= 0 else (a,))
            for item in touched:
                cost = self._cost(item)
                total += cost - now[item]
                now[item] = cost
            if before < 0 and partner < 0:
                total -= 1.0  # the right has one free node less
            if total < best - 1e-6:
                best, kept = total, len(done)
            queue.extend(self._follow(a, b, before))
        for a, b, partner, before in reversed(done[kept:]):
            self._unset(a, b, partner, before)
        moved = {item for one, _, other, _ in done[:kept] for item in (one, other) if item >= 0}
        for item in moved:
            if to_right[item] >= 0:
                self._pairing.why[item] = "neighbours", 0.9
            else:
                self._pairing.why.pop(item, None)
        return sorted(moved)

    def _set(self, a: int, b: int, partner: int, before: int) -> None:
        to_right, to_left = self.to_right, self.to_left
        to_right[a], to_left[b] = b, a
        if partner >= 0:
            to_right[partner] = before
        if before >= 0:
            to_left[before] = partner

    def _unset(self, a: int, b: int, partner: int, before: int) -> None:
        to_right, to_left = self.to_right, self.to_left
        to_right[a], to_left[b] = before, partner
        if before >= 0:
            to_left[before] = a
        if partner >= 0:
            to_right[partner] = b

    def _follow(self, a: int, b: int, before: int) -> Iterator[tuple[int, int]]:
        """Neighbours of a pair that were in order with the partner before, and are not now."""
        left, right, to_right = self.left, self.right, self.to_right
        for (producer, port, slot), (other, other_port, other_slot) in zip(
            left.ins[a], right.ins[b], strict=False
        ):
            if slot < 0 or other_slot < 0:
                break
            if producer >= 0 and other >= 0 and port == other_port and to_right[producer] != other:
                yield producer, other
        for reader, slot, port in left.outs[a]:
            image = to_right[reader]
            if slot < 0 or image < 0:
                continue
            reads = right.ins[image]
            if slot < len(reads) and reads[slot][0] == b:
                continue
            count = 0
            for item, place, own in right.outs[b]:
                if place == slot and own == port and right.forms[item] == left.forms[reader]:
                    yield reader, item
                    count += 1
                    if count == _ALIKE:
                        break
