"""Layers of a level: which row each item is in, and in what order, so that few edges cross.

After Sugiyama, Tagawa, Toda (1981): circles are opened, rows are longest paths, an edge over
several rows passes a bend in each, and igraph's barycenter sweeps order the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from migrator.drawing.levels import LOOP, Level
from migrator.errors import MigratorError

_BENDS = 600
"""Bends of one level; the longest edges beyond are told in words."""
_SWEEPS = 24
_FEWER = 8
_MANY = 1000
"""Levels from which on each gets fewer sweeps: nobody opens them all."""
HIDDEN = 16
"""Flag of an edge that is not drawn as a line. It counts as a port all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """``parts``: connected parts, each a list of rows of ends (see ``Level``), bends after them.

    ``edges``: (from, to, how many, flags, first bend, bends); bends go from the upper row down.
    """

    parts: tuple[tuple[tuple[int, ...], ...], ...]
    edges: tuple[tuple[int, int, int, int, int, int], ...]
    hints: tuple[tuple[int, int], ...]


def load_igraph() -> Any:
    """The library. Raises MigratorError where it is not installed."""
    try:
        import igraph
    except ImportError:
        raise MigratorError(
            "drawing a picture of a graph needs igraph, which is not installed",
            hint="pip install 'migrator[picture]'",
        ) from None
    return igraph


def layers_of(level: Level, igraph: Any, *, of: int = 1) -> Layers:
    """Rows and their order of one level, ``of`` so many in the picture.

    Linear but for the sweeps, which are bounded. Deterministic.
    """
    count = len(level.items) + level.entries + level.exits
    first_exit = count - level.exits
    down, turned = _opened(count, level)
    rows = _rows(count, down, level, first_exit)
    parts = _parts(count, level.edges)
    _deepen(rows, parts, len(level.items), first_exit)
    spans = sorted(
        range(len(down)), key=lambda number: rows[down[number][1]] - rows[down[number][0]]
    )
    left = _BENDS
    cut: set[int] = set()
    bends: dict[int, tuple[int, int]] = {}
    next_bend = count
    for number in spans:
        upper, lower = down[number]
        need = rows[lower] - rows[upper] - 1
        if need > left:
            cut.add(number)
        elif need:
            left -= need
            bends[number] = (next_bend, need)
            next_bend += need
    all_rows = rows + [0] * (next_bend - count)
    links: list[tuple[int, int]] = []
    owner = list(range(next_bend))
    for number, (upper, lower) in enumerate(down):
        if number in cut:
            continue
        before = upper
        start, need = bends.get(number, (0, 0))
        for step in range(need):
            bend = start + step
            all_rows[bend] = rows[upper] + 1 + step
            owner[bend] = upper
            links.append((before, bend))
            before = bend
        links.append((before, lower))
    for bend in range(count, next_bend):
        parts.append(parts[owner[bend]])
    edges = tuple(
        (
            *edge[:3],
            (edge[3] & ~LOOP)
            | (LOOP if number in turned else 0)
            | (HIDDEN if number in cut else 0),
            *bends.get(number, (0, 0)),
        )
        for number, edge in enumerate(level.edges)
    )
    ordered = _ordered(parts, all_rows, links, igraph, _SWEEPS if of < _MANY else _FEWER)
    return Layers(parts=ordered, edges=edges, hints=level.hints)


def _opened(count: int, level: Level) -> tuple[list[tuple[int, int]], set[int]]:
    """Edges as (upper, lower) without circles, and the numbers of those that were turned."""
    out: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    fed = [0] * count
    turned = set()
    for number, (a, b, _, flags) in enumerate(level.edges):
        if flags & LOOP and a < len(level.items) and b < len(level.items):
            turned.add(number)
            continue
        out[a].append((b, number))
        fed[b] += 1
    state = [0] * count
    roots = [end for end in range(count) if not fed[end]]
    for root in (*roots, *range(count)):
        if state[root]:
            continue
        state[root] = 1
        stack = [(root, iter(out[root]))]
        while stack:
            end, rest = stack[-1]
            for to, number in rest:
                if state[to] == 1:
                    turned.add(number)
                elif not state[to]:
                    state[to] = 1
                    stack.append((to, iter(out[to])))
                    break
            else:
                state[end] = 2
                stack.pop()
    down = [
        (edge[1], edge[0]) if number in turned else (edge[0], edge[1])
        for number, edge in enumerate(level.edges)
    ]
    # A loop's way back that was no circle after all may be one now.
    return (down, turned) if _is_open(count, down) else _by_number(level)


def _is_open(count: int, down: list[tuple[int, int]]) -> bool:
    return len(_behind(count, down)[0]) == count


def _by_number(level: Level) -> tuple[list[tuple[int, int]], set[int]]:
    items, exits = len(level.items), len(level.items) + level.entries

    def height(end: int) -> int:
        return end - exits if items <= end < exits else end

    turned = {
        number for number, edge in enumerate(level.edges) if height(edge[0]) > height(edge[1])
    }
    down = [
        (edge[1], edge[0]) if number in turned else (edge[0], edge[1])
        for number, edge in enumerate(level.edges)
    ]
    return down, turned


def _behind(
    count: int, down: list[tuple[int, int]]
) -> tuple[list[int], list[list[int]], list[list[int]]]:
    """Kahn's order, and who is below and above each."""
    below: list[list[int]] = [[] for _ in range(count)]
    above: list[list[int]] = [[] for _ in range(count)]
    for upper, lower in down:
        below[upper].append(lower)
        above[lower].append(upper)
    waiting = [len(own) for own in above]
    order = [end for end in range(count) if not waiting[end]]
    for end in order:
        for lower in below[end]:
            waiting[lower] -= 1
            if not waiting[lower]:
                order.append(lower)
    return order, below, above


def _rows(count: int, down: list[tuple[int, int]], level: Level, first_exit: int) -> list[int]:
    order, below, above = _behind(count, down)
    rows = [0] * count
    items = len(level.items)
    for end in order:
        if above[end]:
            rows[end] = 1 + max(rows[upper] for upper in above[end])
    for end in reversed(order):  # what only feeds sits just above what it feeds
        port = items <= end < first_exit
        if below[end] and not port and len(above[end]) < len(below[end]):
            rows[end] = min(rows[lower] for lower in below[end]) - 1
    return rows


def _parts(count: int, edges: tuple[tuple[int, int, int, int], ...]) -> list[int]:
    """The connected part of each end, by number, in order of first ends."""
    leader = list(range(count))

    def find(end: int) -> int:
        while leader[end] != end:
            leader[end] = leader[leader[end]]
            end = leader[end]
        return end

    for a, b, *_ in edges:
        x, y = find(a), find(b)
        if x != y:
            leader[max(x, y)] = min(x, y)
    return [find(end) for end in range(count)]


def _deepen(rows: list[int], parts: list[int], items: int, first_exit: int) -> None:
    """Ports in have the first row for themselves, ports out the last; rows begin at 0."""
    with_entry = {parts[end] for end in range(items, first_exit)}
    lowest: dict[int, int] = {}
    highest: dict[int, int] = {}
    for end, row in enumerate(rows):
        part = parts[end]
        if end < items or end >= first_exit:
            lowest[part] = min(lowest.get(part, row), row)
        if end < first_exit:
            highest[part] = max(highest.get(part, row), row)
    for end, part in enumerate(parts):
        if items <= end < first_exit:
            continue
        top = 1 if part in with_entry else 0
        rows[end] += top - lowest.get(part, 0)
    for end, part in enumerate(parts):
        if items <= end < first_exit:
            rows[end] = 0
        elif end >= first_exit:
            top = 1 if part in with_entry else 0
            rows[end] = max(highest.get(part, 0) + top - lowest.get(part, 0) + 1, 1)


def _ordered(
    parts: list[int], rows: list[int], links: list[tuple[int, int]], igraph: Any, sweeps: int
) -> tuple[tuple[tuple[int, ...], ...], ...]:
    members: dict[int, list[int]] = {}
    for end, part in enumerate(parts):
        members.setdefault(part, []).append(end)
    own: dict[int, list[tuple[int, int]]] = {}
    for a, b in links:
        own.setdefault(parts[a], []).append((a, b))
    found = []
    for part, ends in members.items():
        grid: list[list[int]] = [[] for _ in range(1 + max(rows[end] for end in ends))]
        for end in ends:
            grid[rows[end]].append(end)
        if any(len(row) > 1 for row in grid):
            grid = _sweep(ends, rows, own.get(part, []), grid, igraph, sweeps)
        found.append(tuple(tuple(row) for row in grid))
    return tuple(found)


def _sweep(
    ends: list[int],
    rows: list[int],
    links: list[tuple[int, int]],
    grid: list[list[int]],
    igraph: Any,
    sweeps: int,
) -> list[list[int]]:
    number = {end: index for index, end in enumerate(ends)}
    edges = [(number[a], number[b]) for a, b in links]
    graph = igraph.Graph(len(ends), edges, directed=True)
    layout = graph.layout_sugiyama(layers=[rows[end] for end in ends], maxiter=sweeps)
    across = [layout[index][0] for index in range(len(ends))]
    return [sorted(row, key=lambda end: (across[number[end]], end)) for row in grid]
