"""Which Merges make one condition together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from migrator.migration.passes.functional.guards import Guards
from migrator.migration.passes.functional.items import (
    PASSING,
    SWITCH,
    Item,
    Place,
    Tensor,
    Unconvertible,
    small_constant,
)
from migrator.migration.passes.functional.library import Library

Merge = tuple[Item, Tensor]
"""A Merge and its predicate."""
Find = Callable[[Item], Item]


def gather_conditions(
    place: Place,
    merges: Sequence[Merge],
    by_guard: Mapping[Place, Sequence[Item]],
    guards: Guards,
    library: Library,
) -> list[list[Merge]]:
    """Group the Merges whose guard is ``place``; all deeper ones are If nodes already.

    Merges that share a node of a branch are one group. Groups of one predicate and one name scope
    are joined where they stand on one level: the longest chain of groups that leads to them, so
    none of them waits for another. Linear in the nodes at ``place`` and one below.
    """
    leader: dict[Item, Item] = {}

    def find(item: Item) -> Item:
        root = item
        while (up := leader.get(root, root)) is not root:
            root = up
        while item is not root:
            leader[item], item = root, leader.get(item, item)
        return root

    inner = {
        item
        for child in place.children.values()
        for item in by_guard.get(child, ())
        if not (item.op in SWITCH or _copied_freely(item, guards))
    }
    for item in inner:
        for needed in item.needs():
            if needed in inner:
                leader[find(needed)] = find(item)
    for merge, _ in merges:
        for needed in merge.needs():
            if needed in inner:
                leader[find(needed)] = find(merge)
    groups: dict[Item, list[Merge]] = {}
    for merge, key in merges:
        groups.setdefault(find(merge), []).append((merge, key))
    levels = _levels([*by_guard.get(place, ()), *inner], find, groups, merges[0][0].name)
    joined: dict[tuple[Tensor, int, str], list[Merge]] = {}
    for root, members in groups.items():
        keys = {key for _, key in members}
        if len(keys) > 1:
            raise Unconvertible("shares a branch of another condition", where=members[0][0].name)
        scope = members[0][0].name.rpartition("/")[0]
        joined.setdefault((members[0][1], levels[root], scope), []).extend(members)
    for members in joined.values():
        members.sort(key=lambda merge: merge[0].order)
    return list(joined.values())


def _copied_freely(item: Item, guards: Guards) -> bool:
    """Small things that two conditions may share, for each gets its own."""
    if item.op in PASSING:
        return not item.controls and guards.resolve(item.inputs[0])[0].op in SWITCH
    if item.op != "Const":
        return False
    bare = Item(item.name, item.op, item.attrs, 0)
    return small_constant((bare, 0))


def _levels(
    items: Sequence[Item], find: Find, groups: Mapping[Item, Sequence[Merge]], where: str
) -> dict[Item, int]:
    """How many groups stand in line before each. Raises Unconvertible for a cycle."""
    nodes = {find(item) for item in items}
    readers: dict[Item, list[Item]] = {}
    waiting = dict.fromkeys(nodes, 0)
    for item in items:
        root = find(item)
        for needed in item.needs():
            source = find(needed)
            if source in nodes and source is not root:
                readers.setdefault(source, []).append(root)
                waiting[root] += 1
    levels = dict.fromkeys(nodes, 0)
    ready = [node for node in nodes if not waiting[node]]
    done = 0
    while ready:
        node = ready.pop()
        done += 1
        if node in groups:
            levels[node] += 1
        for reader in readers.get(node, ()):
            levels[reader] = max(levels[reader], levels[node])
            waiting[reader] -= 1
            if not waiting[reader]:
                ready.append(reader)
    if done < len(nodes):
        raise Unconvertible("its conditions wait for each other", where=where)
    return levels
