"""What each scope shows when it is open: its items, and edges between them and its border.

An edge between nodes of two scopes becomes one edge between the scopes where they lie side by
side, and goes on inside of each as an edge from or to a port at the border. Edges of one way are
one. So each scope can be drawn by itself, whatever else is open.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from migrator.drawing.cells import Cells
from migrator.drawing.folding import Folding
from migrator.drawing.grouping import WIDE, split
from migrator.drawing.tree import GROUP, ROOT, SCOPE, Tree, scope_of
from migrator.model.checks import LOOP_OP
from migrator.model.dtypes import BOOL
from migrator.model.joined import name_parts
from migrator.model.tensors import Shape

CONTROL = 1
FRESH = 2
GONE = 4
ASIDE = 32
"""Told in words: it would hide the others."""
LOOP = 8
"""Back to where a loop begins."""
_HUB = 12
"""Readers from which on a side input (a switch, a batch size) is not drawn as lines."""
_WAITS = 24
_LINES = 300
"""Edges that one scope may show; the rest are told in words."""
_PORT = 1 << 40

Wire = tuple[int, int, int]
"""From item, to item, flags."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Ends of edges: 0 to n-1 the items, then ``entries`` ports in, then ``exits`` ports out."""

    items: tuple[int, ...]
    entries: int
    exits: int
    edges: tuple[tuple[int, int, int, int], ...]
    """From, to, how many, flags. Those that end at an item that is a scope are its ports, in this
    order; so for those that start there."""
    hints: tuple[tuple[int, int], ...]
    """Connections that are not drawn as lines."""


def wires_of(cells: Cells, folding: Folding, tree: Tree) -> list[Wire]:
    """All edges between drawn items; into and out of the bodies of calls as far as they fit."""
    wires: list[Wire] = []
    hosts = folding.hosts
    inner = {
        cell: [cells.areas[area] for _, area in calls if _inside(cells, tree, cell, area)]
        for cell, calls in cells.calls.items()
        if tree.item(cell) < 0
    }

    def sources(cell: int, port: int) -> list[int]:
        bodies = inner.get(cell, ())
        found = [area.results[port] for area in bodies if 0 <= port < len(area.results)]
        return [tree.item(item) for item in found] or [tree.item(cell)]

    def targets(cell: int, slot: int, count: int) -> list[int]:
        found = []
        for area in inner.get(cell, ()):
            number = slot - (count - len(area.arguments))
            if slot >= 0 and 0 <= count - len(area.arguments) <= 1 and number >= 0:
                found.append(tree.item(area.arguments[number]))
        return found or [tree.item(cell)]

    for cell, inputs in enumerate(cells.inputs):
        if hosts[cell] != cell:
            continue
        count = sum(port != -1 for _, port in inputs) if cell in inner else 0
        for slot, (producer, port) in enumerate(inputs):
            source = hosts[producer]
            folded = producer in folding.values and source != producer
            if folded or (port == -1 and source != producer) or source == cell:
                continue
            flags = CONTROL if port == -1 else 0
            if cells.ops[source] in LOOP_OP and cells.ops[cell] in ("Merge", "RefMerge"):
                flags |= LOOP
            if cells.kinds[cell] == "removed":
                flags |= GONE
            elif cells.kinds[cell] == "added" or (source, cell) in cells.fresh:
                flags |= FRESH
            into = targets(cell, slot if port != -1 else -1, count)
            out = sources(source, port if source == producer else 0)
            wires += [(a, b, flags) for a in out for b in into]
    for producer, cell, port in cells.gone:
        a, b = hosts[producer], hosts[cell]
        if a != b and producer not in folding.values:
            flags = GONE | (CONTROL if port == -1 else 0)
            wires.append((tree.item(a), tree.item(b), flags))
    return _aside(cells, _settled(wires) if cells.left is not None else wires)


def _aside(cells: Cells, wires: list[Wire]) -> list[Wire]:
    """Marks what a source (a phase, a rate) feeds to very many that have other inputs too."""
    out: dict[int, set[int]] = {}
    fed: dict[int, int] = {}
    for a, b, _ in wires:
        out.setdefault(a, set()).add(b)
        fed[b] = fed.get(b, 0) + 1
    wide = {a for a, ends in out.items() if len(ends) > _HUB and a not in fed}
    aside = {
        a
        for a in wide
        if _is_setting(cells, a) or sum(fed[b] > 1 for b in out[a]) * 4 >= len(out[a]) * 3
    }
    return [
        (a, b, flags | ASIDE if a in aside and not flags & (FRESH | GONE) else flags)
        for a, b, flags in wires
    ]


def _is_setting(cells: Cells, item: int) -> bool:
    """Whether a source is a switch or a rate: one value, as a rule the default."""
    node = cells.nodes[item] if item >= 0 else None
    if node is None:
        return False
    shape = node.attrs.get("shape")
    rank = shape.rank if isinstance(shape, Shape) else None
    by_default = node.op == "PlaceholderWithDefault" and not rank
    return rank == 0 or by_default or node.attrs.get("dtype") == BOOL


def _settled(wires: list[Wire]) -> list[Wire]:
    """A connection that is gone by one way and new by another has not changed."""
    gone = {(a, b) for a, b, flags in wires if flags & GONE}
    both = {(a, b) for a, b, flags in wires if not flags & GONE and (a, b) in gone}
    return [
        (a, b, flags & ~FRESH if (a, b) in both else flags)
        for a, b, flags in wires
        if not (flags & GONE and (a, b) in both)
    ]


def _inside(cells: Cells, tree: Tree, cell: int, area: int) -> bool:
    """Whether the body is drawn in this very call."""
    members = cells.areas[area].members
    scope = tree.places[cell]
    place = next((tree.places[item] for item in members if tree.places[item] >= 0), -1)
    while place > ROOT and place != scope:
        place = tree.parents[place]
    return place == scope


def levels_of(
    cells: Cells, tree: Tree, wires: Iterable[Wire], ends: Collection[int] = ()
) -> list[Level | None]:
    """The level of each scope; None for one that was joined with another. Splits what is wide,
    but for a few ``ends`` and what is drawn aside (see ``split``)."""
    apart = set(ends)
    waiting: list[list[tuple[int, int, int, int, int]]] = [[] for _ in range(len(tree))]
    for source, target, flags in wires:
        if flags & ASIDE:
            apart.add(source)
        found = _meet(tree, source, target)
        if found is not None:
            place, x, y = found
            waiting[place].append((x, y, source, target, flags))
    levels: list[Level | None] = []
    ports: dict[int, tuple[int, int]] = {}
    queue = [ROOT]
    for scope in queue:  # it grows while we walk
        own = waiting[scope]
        waiting[scope] = []
        if len(tree.items[scope]) > WIDE:
            above = _parts_above(tree, scope)
            names = {item: _name(cells, tree, item, above) for item in tree.items[scope]}
            pairs = [
                (x, y) for x, y, _, _, flags in own if x < _PORT and y < _PORT and not flags & ASIDE
            ]
            split(tree, scope, pairs, names, apart)
            waiting += [[] for _ in range(len(tree) - len(waiting))]
        while len(levels) < len(tree):
            levels.append(None)
        levels[scope] = _level(tree, scope, own, waiting, ports)
        queue += [scope_of(item) for item in tree.items[scope] if item < 0]
    return levels


def _name(cells: Cells, tree: Tree, item: int, above: int) -> str:
    if item < 0:
        return tree.labels[scope_of(item)]
    return "/".join(name_parts(cells.locals[item])[above:]) or cells.locals[item]


def _parts_above(tree: Tree, scope: int) -> int:
    """How many parts of the names in ``scope`` its own place tells."""
    count = 0
    while scope > ROOT and tree.kinds[scope] in (SCOPE, GROUP):
        if tree.kinds[scope] == SCOPE:
            count += tree.labels[scope].count("/") + 1
        scope = tree.parents[scope]
    return count


def _meet(tree: Tree, source: int, target: int) -> tuple[int, int, int] | None:
    """The scope where two items lie side by side, and the items there that hold them."""
    above: dict[int, int] = {}
    item, scope = source, tree.above(source)
    while scope >= 0:
        above[scope] = item
        item, scope = -1 - scope, tree.parents[scope]
    item, scope = target, tree.above(target)
    while scope >= 0 and scope not in above:
        item, scope = -1 - scope, tree.parents[scope]
    if scope < 0 or above[scope] == item:
        return None
    return scope, above[scope], item


def _under(tree: Tree, item: int, scope: int) -> int:
    """The item directly in ``scope`` that holds ``item``."""
    parents = tree.parents  # called by the million, so without other calls
    above = parents[-1 - item] if item < 0 else tree.places[item]
    while above != scope:
        item = -1 - above
        above = parents[above]
    return item


def _level(
    tree: Tree,
    scope: int,
    own: list[tuple[int, int, int, int, int]],
    waiting: list[list[tuple[int, int, int, int, int]]],
    ports: dict[int, tuple[int, int]],
) -> Level:
    items = tree.items[scope]
    entries, exits = ports.get(scope, (0, 0))
    place = {item: number for number, item in enumerate(items)}
    first_exit = len(items) + entries
    held: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
    aside: set[tuple[int, int]] = set()
    for x, y, source, target, flags in own:
        if x < _PORT and x not in place:
            x = _under(tree, x, scope)
        if y < _PORT and y not in place:
            y = _under(tree, y, scope)
        if x == y:  # they are of one group now
            inside = scope_of(x)
            waiting[inside].append(
                (_under(tree, source, inside), _under(tree, target, inside), source, target, flags)
            )
            continue
        a = len(items) + x - _PORT if x >= _PORT else place[x]
        b = first_exit + y - _PORT if y >= _PORT else place[y]
        if flags & ASIDE:
            aside.add((a, b))
        else:
            held.setdefault((a, b), []).append((source, target, flags))
    hints = _hints(held)
    edges = []
    counts: dict[int, list[int]] = {}
    for (a, b), parts in held.items():
        if (a, b) in hints:
            continue
        together = parts[0][2]
        for _, _, flags in parts:
            together &= flags
        edges.append((a, b, len(parts), together))
        for end, way in ((a, 1), (b, 0)):
            if end >= len(items) or items[end] >= 0:
                continue
            inside = scope_of(items[end])
            number = counts.setdefault(inside, [0, 0])[way]
            counts[inside][way] += 1
            for source, target, flags in parts:
                leaf = source if way else target
                if leaf == items[end]:
                    continue
                item = _under(tree, leaf, inside)
                port = _PORT + number
                step = (item, port) if way else (port, item)
                waiting[inside].append((*step, source, target, flags))
    for inside, (into, out) in counts.items():
        ports[inside] = (into, out)
    return Level(
        items=tuple(items),
        entries=entries,
        exits=exits,
        edges=tuple(edges),
        hints=tuple(sorted(hints | (aside - held.keys()))),
    )


def _hints(held: dict[tuple[int, int], list[tuple[int, int, int]]]) -> set[tuple[int, int]]:
    """Connections that would hide the others: from one to very many, and mere waiting."""
    out: dict[int, list[int]] = {}
    into: dict[int, list[int]] = {}
    for a, b in held:
        out.setdefault(a, []).append(b)
        into.setdefault(b, []).append(a)
    hubs = {a for a, ends in out.items() if len(ends) > _HUB}
    found: set[tuple[int, int]] = set()
    for a in hubs:
        fed = sum(any(other not in hubs for other in into[b]) for b in out[a])
        if fed * 4 >= len(out[a]) * 3:
            found.update((a, b) for b in out[a])
    for b, starts in into.items():
        waits = [a for a in starts if all(flags & CONTROL for _, _, flags in held[a, b])]
        if len(waits) > _WAITS:
            found.update((a, b) for a in waits)
    if len(held) - len(found) > _LINES:
        rest = [edge for edge in held if edge not in found]
        found.update(rest[_LINES:])
    return found
