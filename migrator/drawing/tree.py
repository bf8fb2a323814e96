"""The tree of scopes that a picture opens and closes: names, bodies in their calls, groups.

An item is a cell (its number) or a scope (below zero: see ``scope_item``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from migrator.drawing.cells import MAIN, Cells
from migrator.model.joined import name_parts

ROOT = 0
SCOPE = "scope"
CALL = "call"
"""A node that calls functions, with their bodies inside."""
BODY = "body"
LIBRARY = "library"
"""Functions that nothing on the picture calls first."""
GROUP = "group"
"""Made here: a part of a scope that is too wide to show at once."""
_DEEPEST = 14
_DEEPEST_BODY = 10
_LONGEST = 120
"""Characters of a label."""


def scope_item(scope: int) -> int:
    return -1 - scope


def scope_of(item: int) -> int:
    return -1 - item


class Tree:
    """Columns of scopes. ``items[s]``: what is directly in scope s, in order."""

    __slots__ = ("calls", "items", "kinds", "labels", "parents", "places")

    def __init__(self, cells: int) -> None:
        self.labels: list[str] = [""]
        self.parents: list[int] = [-1]
        self.kinds: list[str] = [SCOPE]
        self.calls: list[int] = [-1]
        """The cell that a scope stands for, -1 for none."""
        self.items: list[list[int]] = [[]]
        self.places: list[int] = [-1] * cells
        """The scope that each cell is directly in, or that stands for it."""

    def __len__(self) -> int:
        return len(self.labels)

    def add(self, parent: int, label: str, kind: str, call: int = -1) -> int:
        number = len(self.labels)
        self.labels.append(label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…")
        self.parents.append(parent)
        self.kinds.append(kind)
        self.calls.append(call)
        self.items.append([])
        self.items[parent].append(scope_item(number))
        return number

    def put(self, scope: int, cell: int) -> None:
        self.items[scope].append(cell)
        self.places[cell] = scope

    def item(self, cell: int) -> int:
        """The item that a cell is: a scope where bodies are drawn inside of it."""
        place = self.places[cell]
        return scope_item(place) if place >= 0 and self.calls[place] == cell else cell

    def above(self, item: int) -> int:
        """The scope that an item is directly in, -1 above the root."""
        return self.parents[scope_of(item)] if item < 0 else self.places[item]

    def depth(self, scope: int) -> int:
        count = 0
        while scope > ROOT:
            scope = self.parents[scope]
            count += 1
        return count


def tree_of(
    cells: Cells,
    drawn: Sequence[bool],
    moved: Mapping[tuple[int, str], str],
    served: int | None = None,
) -> Tree:
    """Every drawn cell at its place. ``moved``: (area, scope) that left nodes are put into.

    What several calls share is drawn in the first; ``served`` is an area whose calls come first.
    """
    tree = Tree(len(cells))
    _Builder(cells, tree, drawn, moved, served).build()
    _join_single(tree)
    return tree


class _Builder:
    def __init__(
        self,
        cells: Cells,
        tree: Tree,
        drawn: Sequence[bool],
        moved: Mapping[tuple[int, str], str],
        served: int | None,
    ) -> None:
        self.cells = cells
        self.tree = tree
        self.drawn = drawn
        self.moved = moved
        self.served = served
        self.queue: list[tuple[int, int, int]] = []
        self.placed: set[int] = set()

    def build(self) -> None:
        self._from(MAIN, ROOT, 0)
        rest = [area for area in range(1, len(self.cells.areas)) if area not in self.placed]
        if not rest:
            return
        library = self.tree.add(ROOT, "functions", LIBRARY)
        called = {
            area
            for number, calls in self.cells.calls.items()
            if self.cells.homes[number] not in self.placed
            for _, area in calls
            if area != self.cells.homes[number]
        }
        for area in sorted(rest, key=lambda area: area in called):
            if area not in self.placed:
                name = self.cells.areas[area].name
                self._from(area, self.tree.add(library, name, BODY), 0)

    def _from(self, area: int, scope: int, depth: int) -> None:
        self.placed.add(area)
        self.queue.append((area, scope, depth))
        for now, place, level in self.queue:  # it grows while we walk
            self._area(now, place, level)
            if now == MAIN:
                self.queue[1:] = sorted(self.queue[1:], key=lambda item: item[0] != self.served)
        self.queue.clear()

    def _area(self, area: int, root: int, depth: int) -> None:
        cells, tree = self.cells, self.tree
        members = cells.areas[area].members
        paths = [self._path(number, area) for number in members]
        known = {path[:-1] for path in paths}
        scopes: dict[tuple[str, ...], int] = {(): root}
        for number, path in zip(members, paths, strict=True):
            if not self.drawn[number]:
                continue
            if path in known and len(path) < _DEEPEST:  # "a" beside "a/b" is in "a" too
                path = (*path, path[-1])
            place = root
            for end in range(1, len(path)):
                step = scopes.get(path[:end])
                if step is None:
                    step = scopes[path[:end]] = tree.add(place, path[end - 1], SCOPE)
                place = step
            self._put(number, place, path[-1], depth)

    def _put(self, number: int, place: int, label: str, depth: int) -> None:
        cells, tree = self.cells, self.tree
        new = [
            call
            for call in cells.calls.get(number, ())
            if call[1] not in self.placed and depth < _DEEPEST_BODY
        ]
        new = list({area: (key, area) for key, area in new}.values())
        if not new:
            tree.put(place, number)
            return
        scope = tree.add(place, label, CALL, number)
        tree.places[number] = scope
        for key, area in new:
            self.placed.add(area)
            inside = scope if len(new) == 1 else tree.add(scope, key, BODY)
            self.queue.append((area, inside, depth + 1))

    def _path(self, number: int, area: int) -> tuple[str, ...]:
        local = self.cells.locals[number]
        if self.moved and self.cells.kinds[number] == "removed":
            *above, tail = name_parts(local)
            scope = "/".join(above)
            local = f"{self.moved.get((area, scope), scope)}/{tail}".lstrip("/")
        parts = name_parts(local)
        if len(parts) > _DEEPEST:
            parts[_DEEPEST - 1 :] = ["/".join(parts[_DEEPEST - 1 :])]
        return tuple(parts)


def _join_single(tree: Tree) -> None:
    """A scope that holds one thing only is that thing: ``a/b`` in place of ``b`` in ``a``."""
    stands: dict[int, int] = {}
    for scope in range(len(tree) - 1, -1, -1):  # what is inside has the higher number
        items = [stands.get(item, item) for item in tree.items[scope]]
        if scope != ROOT and tree.kinds[scope] == SCOPE and len(items) == 1:
            only = items[0]
            if only >= 0 or tree.kinds[scope_of(only)] != SCOPE:
                stands[scope_item(scope)] = only
                tree.items[scope] = []
                continue
            inner = scope_of(only)
            tree.labels[scope] = f"{tree.labels[scope]}/{tree.labels[inner]}"[-_LONGEST:]
            items, tree.items[inner] = tree.items[inner], []
        tree.items[scope] = items
        for item in items:
            move(tree, item, scope)


def move(tree: Tree, item: int, scope: int) -> None:
    """Say that ``item`` is directly in ``scope`` (whose list the caller keeps)."""
    if item < 0:
        tree.parents[scope_of(item)] = scope
    else:
        tree.places[item] = scope


def group(tree: Tree, scope: int, parts: Iterable[tuple[str, list[int]]]) -> list[int]:
    """Put what is in ``scope`` into groups of its own. Returns their items."""
    tree.items[scope] = []
    made = []
    for label, items in parts:
        if len(items) == 1:
            tree.items[scope].append(items[0])
            made.append(items[0])
            continue
        number = tree.add(scope, label, GROUP)
        tree.items[number] = items
        for item in items:
            move(tree, item, number)
        made.append(scope_item(number))
    return made
