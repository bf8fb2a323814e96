"""Hashes of what lies around a node, port by port: from below, from above, and of some rounds.

``whole_hashes`` follow the order of the graph and see everything that feeds a node, or everything
that reads it. ``Surroundings`` see so many edges far, as in the colour refinement of Weisfeiler
and Lehman (1968). Both are linear, for a given number of rounds. Loops are cut behind
NextIteration; other cycles, which sound graphs do not have, take part by a few rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from migrator.diffing.numbered.table import Table

_ROUNDS_ON_CYCLES = 3
_RECURSIVE = 11


class Whole(NamedTuple):
    below: list[int]
    """Node -> hash of it with all that feeds it, functions that it calls included."""
    above: list[int]
    """Node -> hash of it with all that reads it."""
    bodies: list[int]
    """Room -> hash of the function's body."""


def whole_hashes(table: Table, labels: Sequence[int]) -> Whole:
    """Hashes with no limit of distance. Python's own of tuples of numbers: quick, and the same in
    every process of one release.
    """
    order = _order(table)
    rooms: list[list[int]] = [[] for _ in table.rooms]
    for number in order:
        rooms[table.room[number]].append(number)
    own = list(labels)
    for arguments in table.arguments:
        for at, number in enumerate(arguments):
            own[number] = hash((labels[number], at))
    below = list(own)
    bodies = [_RECURSIVE] * len(table.rooms)
    placed = bytearray(len(table))
    for number in order:
        placed[number] = 1
    for room in _callees_first(table):
        start, end = table.spans[room]
        for number in range(start, end) if table.calls else ():
            called = table.calls.get(number)
            if called:
                own[number] = below[number] = hash(
                    (
                        labels[number],
                        hash(tuple([(key, bodies[item]) for key, item in called])),
                    )
                )
        for number in rooms[room]:
            below[number] = _mixed(number, table, own, below)
        rest = [number for number in range(start, end) if not placed[number]]
        for _ in range(_ROUNDS_ON_CYCLES if rest else 0):
            new = [_mixed(number, table, own, below) for number in rest]
            for number, value in zip(rest, new, strict=True):
                below[number] = value
        if room:
            results = tuple([below[number] for number in table.results[room]])
            bodies[room] = hash((results, tuple(sorted(below[start:end]))))
    return Whole(below, _above(table, own, order), bodies)


def _mixed(number: int, table: Table, own: list[int], below: list[int]) -> int:
    back = table.back
    data: list[int] = []
    waits: list[int] = []
    for producer, port, slot in table.ins[number]:
        if producer < 0:
            value = _RECURSIVE
        else:
            value = own[producer] if producer in back else below[producer]
        if slot < 0:
            waits.append(value)
        else:
            data += (value, port)
    if waits:
        waits.sort()
        return hash((own[number], tuple(data), tuple(waits)))
    return hash((own[number], tuple(data)))


def _above(table: Table, own: list[int], order: list[int]) -> list[int]:
    above = list(own)
    outs, through, back = table.outs, table.through, table.back
    positions: dict[int, int] = {}
    for results in table.results:
        positions.update({number: at for at, number in enumerate(results)})
    for number in positions:
        above[number] = hash((own[number], positions[number]))
    for number in reversed(order):
        edges = outs[number]
        if not edges or number in back:
            continue
        if len(edges) == 1:
            consumer, slot, port = edges[0]
            if through[consumer] and not through[number]:
                continue
            above[number] = hash((own[number], above[consumer], slot, port))
            continue
        if through[number]:
            found = [(above[consumer], slot, port) for consumer, slot, port in edges]
        else:
            found = [
                (above[consumer], slot, port)
                for consumer, slot, port in edges
                if not through[consumer]
            ]
        if len(found) == 1:
            above[number] = hash((own[number], *found[0]))
        elif found:
            found.sort()
            above[number] = hash((own[number], tuple(found)))
    return above


def _order(table: Table) -> list[int]:
    """Producers first; nodes on cycles other than loops are left out."""
    back, outs = table.back, table.outs
    waiting = [0] * len(table)
    for number, edges in enumerate(outs):
        if number in back:
            continue
        for consumer, _, _ in edges:
            waiting[consumer] += 1
    order = [number for number, count in enumerate(waiting) if not count]
    for number in order:  # it grows while we walk
        if number in back:
            continue
        for consumer, _, _ in outs[number]:
            waiting[consumer] -= 1
            if not waiting[consumer]:
                order.append(consumer)
    return order


def _callees_first(table: Table) -> list[int]:
    """Rooms, those that a room's nodes call before itself; recursion is cut somewhere."""
    called: list[set[int]] = [set() for _ in table.rooms]
    for number, calls in table.calls.items():
        called[table.room[number]].update(room for _, room in calls)
    callers: list[list[int]] = [[] for _ in table.rooms]
    waiting = []
    for room, rooms in enumerate(called):
        waiting.append(len(rooms))
        for other in rooms:
            callers[other].append(room)
    ready = [room for room, count in enumerate(waiting) if not count]
    for room in ready:  # it grows while we walk
        for caller in callers[room]:
            waiting[caller] -= 1
            if not waiting[caller]:
                ready.append(caller)
    done = set(ready)
    return ready + [room for room in range(len(table.rooms)) if room not in done]


class Surroundings:
    """Hashes of what lies within some edges of each node of one side."""

    __slots__ = ("_in_code", "_in_from", "_in_to", "_out_code", "_out_from", "_out_to", "_size")

    def __init__(self, table: Table) -> None:
        import numpy as np

        through = table.through
        ins = [
            (producer, number, port * 4099 + slot)
            for number, edges in enumerate(table.ins)
            for producer, port, slot in edges
            if producer >= 0
        ]
        outs = [
            (number, consumer, port * 4099 + slot)
            for number, edges in enumerate(table.outs)
            for consumer, slot, port in edges
            if through[number] or not through[consumer]
        ]
        self._size = len(table)
        inward = np.array(ins, np.int64).reshape(-1, 3)
        outward = np.array(outs, np.int64).reshape(-1, 3)
        self._in_from, self._in_to = inward[:, 0], inward[:, 1]
        self._out_from, self._out_to = outward[:, 0], outward[:, 1]
        self._in_code = _stirred(inward[:, 2].astype(np.uint64) + np.uint64(3))
        self._out_code = _stirred(outward[:, 2].astype(np.uint64) + np.uint64(1 << 40))

    def rounds(
        self, colours: Any, keep: Sequence[int], *, inputs: bool = True, outputs: bool = True
    ) -> list[Any]:
        """The hashes (uint64) after as many rounds as each of ``keep`` says, from ``colours``."""
        import numpy as np

        found = []
        now = colours
        for step in range(1, max(keep) + 1):
            total = np.zeros(self._size, np.uint64)
            if inputs:
                _gather(total, self._in_to, _stirred(now[self._in_from] ^ self._in_code))
            if outputs:
                _gather(total, self._out_from, _stirred(now[self._out_to] ^ self._out_code))
            now = _stirred(now + _stirred(total + np.uint64(step)))
            if step in keep:
                found.append(now)
        return found


def _gather(total: Any, places: Any, values: Any) -> None:
    """Add up ``values`` at ``places``: sums do not mind the order."""
    import numpy as np

    np.add.at(total, places, values)


def _stirred(values: Any) -> Any:
    """A mixing of 64 bits in two multiplications, each number to one of its own."""
    import numpy as np

    with np.errstate(over="ignore"):
        mixed = (values ^ (values >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        return mixed ^ (mixed >> np.uint64(32))


def mixed(*columns: Any) -> Any:
    """One number for each row of columns of numbers."""
    import numpy as np

    total = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        total = _stirred(total + as_numbers(column))
    return total


def as_numbers(values: Any) -> Any:
    """Python's numbers, negative ones too, as numpy's of 64 bits."""
    import numpy as np

    if isinstance(values, np.ndarray):
        return values if values.dtype == np.uint64 else values.astype(np.int64).view(np.uint64)
    return np.array(values, np.int64).view(np.uint64)
