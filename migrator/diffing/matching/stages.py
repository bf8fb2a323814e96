"""The stages that find pairs out of nothing: what is one of a kind on both sides."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from migrator.diffing.matching.pairing import SURE, Near, Pairing
from migrator.diffing.numbered.hashes import Whole, as_numbers, mixed
from migrator.diffing.numbered.table import Table


def bind_by_content(pairing: Pairing, ours: Whole, theirs: Whole) -> None:
    """Functions whose bodies are equal and one of a kind; then by the name that they began with."""
    left, right = pairing.left, pairing.right
    for named in (False, True):
        first = _single(
            (ours.bodies[room], left.bases[room] if named else "", room)
            for room in range(1, len(left.rooms))
            if room not in pairing.room_to_right
        )
        second = _single(
            (theirs.bodies[room], right.bases[room] if named else "", room)
            for room in range(1, len(right.rooms))
            if room not in pairing.room_to_left
        )
        for key, room in first.items():
            if key in second:
                pairing.bind(room, second[key])


def bind_by_name(pairing: Pairing) -> None:
    """Functions left over whose name, without what is generated, no other one has."""
    left, right = pairing.left, pairing.right
    first = _single(
        (0, left.bases[room], room)
        for room in range(1, len(left.rooms))
        if room not in pairing.room_to_right
    )
    second = _single(
        (0, right.bases[room], room)
        for room in range(1, len(right.rooms))
        if room not in pairing.room_to_left
    )
    for key, room in first.items():
        if key in second:
            pairing.bind(room, second[key])


_COMMON = 16
"""Functions that may have something in common with each other for it to tell them apart."""


def bind_by_likeness(pairing: Pairing, margin: float) -> int:
    """Functions left over that are each the most alike of all, by what their nodes stand in.

    A bit of body counts the more, the fewer functions have it. The best has to be ahead of the
    second by ``margin``. Linear, for a bounded number of functions that share one bit.
    """
    near, far = pairing.prepare()
    marks = {room: -3 - room for room in pairing.room_to_right if room}
    others_marks = {other: marks[room] for other, room in pairing.room_to_left.items() if other}
    ours = _bits(pairing.left, near, marks, pairing.use_names)
    theirs = _bits(pairing.right, far, others_marks, pairing.use_names)
    if not ours or not theirs:
        return 0
    holders: dict[int, list[int]] = {}
    for room, bits in theirs.items():
        for bit in bits:
            holders.setdefault(bit, []).append(room)
    spread: Counter[int] = Counter(bit for bits in ours.values() for bit in bits)
    scores: dict[tuple[int, int], float] = {}
    for room, bits in ours.items():
        for bit, count in bits.items():
            others = holders.get(bit, ())
            if not others or len(others) > _COMMON or spread[bit] > _COMMON:
                continue
            worth = 1 / (len(others) + spread[bit] - 1)
            for other in others:
                both = min(count, theirs[other][bit])
                scores[room, other] = scores.get((room, other), 0.0) + both * worth
    for (room, other), score in scores.items():
        if pairing.left.bases[room] == pairing.right.bases[other]:
            scores[room, other] = 1.5 * score
    best, second = _best(((room, other), score) for (room, other), score in scores.items())
    best_back, second_back = _best(
        ((other, room), score) for (room, other), score in scores.items()
    )
    sure = []
    for room, (other, score) in sorted(best.items(), key=lambda item: -item[1][1]):
        rival = max(second.get(room, 0.0), second_back.get(other, 0.0))
        if best_back[other][0] == room and score >= (1 + margin) * rival:
            sure.append((room, other))
    return sum(pairing.bind(room, other) for room, other in sure)


def _bits(
    table: Table, near: Near, known: dict[int, int], use_names: bool
) -> dict[int, Counter[int]]:
    """What surrounds each node of the functions without counterpart, counted; what is known of
    the functions that they call counts as much as several nodes.
    """
    found = {}
    for room in range(1, len(table.rooms)):
        if room not in known:
            start, end = table.spans[room]
            bits = Counter(near.around2[start:end])
            bits.update(near.around1[start:end])
            bits.update(table.exact[start:end])
            if use_names:
                bits.update(map(hash_of, table.local[start:end]))
            found[room] = bits
    for number, calls in table.calls.items():
        bits = found.get(table.room[number], Counter())
        bits.update({known[room]: 8 for _, room in calls if room in known})
    return found


def _best(
    scores: Iterable[tuple[tuple[int, int], float]],
) -> tuple[dict[int, tuple[int, float]], dict[int, float]]:
    """The best other for each, and the score of the second best."""
    best: dict[int, tuple[int, float]] = {}
    second: dict[int, float] = {}
    for (one, other), score in scores:
        known = best.get(one)
        if known is None or score > known[1]:
            if known is not None:
                second[one] = known[1]
            best[one] = other, score
        elif score > second.get(one, 0.0):
            second[one] = score
    return best, second


def _single(items: Iterator[tuple[int, str, int]]) -> dict[tuple[int, str], int]:
    """Key -> room, for keys that stand once."""
    found: dict[tuple[int, str], int] = {}
    for mark, name, room in items:
        found[mark, name] = -1 if (mark, name) in found else room
    return {key: room for key, room in found.items() if room >= 0}


def places(pairing: Pairing) -> tuple[Any, Any]:
    """A number for the room of each node, the same for two functions that are one, and one that
    nothing else has for a function without counterpart so far.
    """
    left, right = pairing.left, pairing.right
    first = [-2 * room - 1 for room in range(len(left.rooms))]
    second = [-2 * room - 2 for room in range(len(right.rooms))]
    for room, other in pairing.room_to_right.items():
        first[room] = second[other] = 100 + room
    return (
        as_numbers(first)[left.column("room")],
        as_numbers(second)[right.column("room")],
    )


def free_nodes(pairing: Pairing) -> tuple[Any, Any]:
    import numpy as np

    return (
        np.flatnonzero(np.array(pairing.to_right, np.int64) < 0),
        np.flatnonzero(np.array(pairing.to_left, np.int64) < 0),
    )


def pair_unique(pairing: Pairing, ours: Any, theirs: Any, why: str, confidence: float) -> int:
    """Pair free nodes whose key (an array of numbers, by node) no other free node of their side
    has. Sorting: n log n.
    """
    import numpy as np

    free, other_free = free_nodes(pairing)
    if not len(free) or not len(other_free):
        return 0
    keys, at, counts = np.unique(ours[free], return_index=True, return_counts=True)
    others, other_at, other_counts = np.unique(
        theirs[other_free], return_index=True, return_counts=True
    )
    keys, at = keys[counts == 1], at[counts == 1]
    others, other_at = others[other_counts == 1], other_at[other_counts == 1]
    _, mine, other = np.intersect1d(keys, others, assume_unique=True, return_indices=True)
    lefts = free[at[mine]].tolist()
    rights = other_free[other_at[other]].tolist()
    return sum(pairing.pair(a, b, why, confidence) for a, b in zip(lefts, rights, strict=True))


def pair_twins(pairing: Pairing, ours: Any, theirs: Any, why: str, confidence: float) -> int:
    """Pair groups of free nodes that share a key, as many as the smaller of the two has.

    Names decide within a group, else the order of the names; each pair draws those along that
    hang on it before the next is taken. n log n.
    """
    free, other_free = free_nodes(pairing)
    groups = _groups(ours, free)
    others = _groups(theirs, other_free)
    left, right = pairing.left, pairing.right
    found = 0
    chosen = [
        (len(members), members, others[key]) for key, members in groups.items() if key in others
    ]
    chosen.sort(key=lambda item: item[0])
    for _, members, rivals in chosen:
        if len(members) > 1 or len(rivals) > 1:
            names = {(right.bases[right.room[b]], right.local[b]): b for b in rivals}
            for a in members:
                b = names.get((left.bases[left.room[a]], left.local[a]), -1)
                if b >= 0 and pairing.pair(a, b, why, confidence):
                    found += 1 + pairing.spread(SURE)
            members = sorted(members, key=lambda item: _natural(left, item))
            rivals = sorted(rivals, key=lambda item: _natural(right, item))
        rest = iter(rivals)
        for a in members:
            if pairing.to_right[a] >= 0:
                continue
            for b in rest:
                if pairing.to_left[b] < 0:
                    break
            else:
                break
            if (
                pairing.calls_agree(a, b)
                and pairing.is_free_of_doubt(a, b)
                and pairing.pair(a, b, why, confidence)
            ):
                found += 1 + pairing.spread(SURE)
    return found


def _groups(keys: Any, free: Any) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = {}
    for key, number in zip(keys[free].tolist(), free.tolist(), strict=True):
        groups.setdefault(key, []).append(number)
    return groups


def _natural(table: Table, number: int) -> tuple[int, str, int]:
    """``unit_9`` before ``unit_10``, roughly: by length first."""
    name = table.names[number]
    return len(name), name, number


def named_keys(pairing: Pairing) -> tuple[Any, Any]:
    """A number for each node's op and name within its room."""
    left, right = pairing.left, pairing.right
    here, there = places(pairing)
    return (
        mixed(here, left.column("families"), [hash_of(name) for name in left.local]),
        mixed(there, right.column("families"), [hash_of(name) for name in right.local]),
    )


def pair_shared(pairing: Pairing) -> int:
    """Pair variables whose resource has a name that no other one of their side has. It is what
    finds them in a checkpoint, whatever their nodes are called.
    """
    left, right = pairing.left, pairing.right
    first = _single((left.forms[a], name, a) for a, name in left.shared.items())
    second = _single((right.forms[b], name, b) for b, name in right.shared.items())
    return sum(
        pairing.pair(a, second[key], "name", 0.95)
        for key, a in first.items()
        if key in second and pairing.is_free_of_doubt(a, second[key])
    )


def hash_of(name: str) -> int:
    """A number for a name, the same in every process."""
    data = name.encode("utf-8", "surrogatepass")
    return zlib.crc32(data) + (zlib.adler32(data) << 30)
