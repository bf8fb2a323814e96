"""Two models as one picture: what matches is one cell, the rest of the left stands beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from migrator.drawing.cells import MAIN, Area, Cells
from migrator.model.joined import name_parts

ADDED = "added"
REMOVED = "removed"
_WIRED = ("rewired", "changed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """Names of a body's nodes are ``FUNCTION/NODE``."""

    pairs: Iterable[tuple[str, str]]
    """Left and right name of each two nodes that are one and the same."""
    kinds: Iterable[tuple[str, str, str]]
    """(kind, left name or "", right name or "") of each node that is not as it was."""


def merged(left: Cells, right: Cells, pairing: Pairing) -> Cells:
    """``right`` with ``left`` worked in (the very object). Linear."""
    here, there = _index(left), _index(right)
    partner = [-1] * len(left)
    for a, b in pairing.pairs:
        x, y = here.get(a), there.get(b)
        if x is not None and y is not None and partner[x] < 0 and right.befores[y] < 0:
            partner[x] = y
            right.befores[y] = x
    areas = _areas(left, right, partner)
    for number, other in areas.items():
        for column in ("arguments", "results"):
            ours, theirs = getattr(left.areas[number], column), getattr(right.areas[other], column)
            for x, y in zip(ours, theirs, strict=False):
                if partner[x] < 0 and right.befores[y] < 0:
                    partner[x] = y
                    right.befores[y] = x
    removed = set()
    for kind, a, b in pairing.kinds:
        if kind == REMOVED:
            if a in here and partner[here[a]] < 0:
                removed.add(here[a])
        elif b in there and (kind != ADDED or right.befores[there[b]] < 0):
            right.kinds[there[b]] = kind
    _boundaries(right, ADDED)
    _add_left(left, right, partner, areas, removed)
    right.left = left
    _edges(left, right, partner)
    return right


def moves(left: Cells, right: Cells) -> dict[tuple[int, str], str]:
    """(area on the right, scope on the left) -> the scope that most of its nodes are in now."""
    votes: dict[tuple[int, str], Counter[str]] = {}
    for number, before in enumerate(right.befores):
        if before < 0 or right.kinds[number] == REMOVED:
            continue
        old = name_parts(left.locals[before])[:-1]
        new = name_parts(right.locals[number])[:-1]
        area = right.homes[number]
        votes.setdefault((area, "/".join(old)), Counter())["/".join(new)] += 1
        while old and new and old[-1] == new[-1] and old != new:
            old, new = old[:-1], new[:-1]
            votes.setdefault((area, "/".join(old)), Counter())["/".join(new)] += 1
    found: dict[tuple[int, str], str] = {}
    for key, count in votes.items():
        area, scope = key
        # Where some stayed, what was beside them did too.
        found[key] = scope if scope in count else max(count, key=lambda name: (count[name], name))
    return found


def _index(cells: Cells) -> dict[str, int]:
    index: dict[str, int] = {}
    for number, name in enumerate(cells.names):
        index.setdefault(name, number)
    return index


def _areas(left: Cells, right: Cells, partner: list[int]) -> dict[int, int]:
    votes: dict[int, Counter[int]] = {}
    for number, other in enumerate(partner):
        if other >= 0:
            votes.setdefault(left.homes[number], Counter())[right.homes[other]] += 1
    found = {MAIN: MAIN}
    taken = {MAIN}
    for number in range(1, len(left.areas)):
        for other, _ in votes.get(number, Counter()).most_common():
            if other not in taken:
                found[number] = other
                taken.add(other)
                break
    names = {area.name: number for number, area in enumerate(right.areas)}
    for number, area in enumerate(left.areas):
        same = names.get(area.name)
        if number not in found and same is not None and same not in taken:
            found[number] = same
            taken.add(same)
    return found


def _boundaries(cells: Cells, kind: str) -> None:
    """Arguments and results of a body that is new as a whole are new too."""
    for area in cells.areas[1:]:
        nodes = [number for number in area.members if cells.nodes[number] is not None]
        if nodes and all(cells.kinds[number] == kind for number in nodes):
            for number in (*area.arguments, *area.results):
                cells.kinds[number] = kind


def _add_left(
    left: Cells, right: Cells, partner: list[int], areas: Mapping[int, int], removed: set[int]
) -> None:
    for number, area in enumerate(left.areas):
        chosen = [item for item in area.members if item in removed]
        if not chosen:
            continue
        if number in areas:
            place = areas[number]
        else:
            place = len(right.areas)
            right.areas.append(Area(name=area.name))
            ends = (*area.arguments, *area.results)
            chosen += [item for item in ends if item not in removed]
        for item in chosen:
            made = right.add(
                place,
                left.names[item],
                left.locals[item],
                left.ops[item],
                left.nodes[item],
                left.specs[item],
            )
            right.kinds[made] = REMOVED
            partner[item] = made
        if number not in areas:
            right.areas[place].arguments += [partner[item] for item in area.arguments]
            right.areas[place].results += [partner[item] for item in area.results]
    for item, calls in left.calls.items():
        made = partner[item]
        if made >= 0 and right.kinds[made] == REMOVED:
            names = {area.name: number for number, area in enumerate(right.areas)}
            found = [
                (key, areas.get(area, names.get(left.areas[area].name, -1))) for key, area in calls
            ]
            right.calls[made] = tuple((key, area) for key, area in found if area > 0)


def _edges(left: Cells, right: Cells, partner: list[int]) -> None:
    for number, other in enumerate(partner):
        if other < 0:
            continue
        old = [(partner[producer], port) for producer, port in left.inputs[number]]
        if right.kinds[other] == REMOVED:
            right.inputs[other] = [edge for edge in old if edge[0] >= 0]
            continue
        now = {(producer, port == -1) for producer, port in right.inputs[other]}
        were = {(producer, port == -1) for producer, port in old}
        # What a comparison does not call rewired has the same source by another way.
        told = right.kinds[other] in _WIRED
        for producer, port in dict.fromkeys(old):
            if told and producer >= 0 and (producer, port == -1) not in now:
                right.gone.append((producer, other, port))
        right.fresh.update(
            (producer, other)
            for producer, control in now
            if (producer, control) not in were and (told or right.kinds[producer] == ADDED)
        )
