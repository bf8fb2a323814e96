"""Nodes of one side whose values follow from constants, and those that a constant replaced."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from migrator.diffing.computation.effects import has_state
from migrator.diffing.counterparts import holds_weight
from migrator.diffing.side import Side

_FED = frozenset(("PlaceholderWithDefault",))
"""What may be of another value than the one in the graph."""


def constant_nodes(side: Side, loose: Collection[str]) -> set[str]:
    """Of the ``loose`` nodes those whose values are the same in every run, but for variables."""
    found: set[str] = set()
    waiting: dict[str, int] = {}
    after: dict[str, list[str]] = {}
    ready = []
    for name in loose:
        node = side.nodes[name]
        data, _ = side.inputs(name)
        before = [
            item[0]
            for item in data
            if (given := side.nodes.get(item[0])) is None or given.op != "Const"
        ]
        if node.op in _FED or has_state(node) or not (data or node.op == "Const"):
            continue
        if not before:
            ready.append(name)
        waiting[name] = len(before)
        for item in before:
            after.setdefault(item, []).append(name)
    while ready:
        name = ready.pop()
        found.add(name)
        for reader in after.get(name, ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                ready.append(reader)
    return found


def replaced_by_constants(
    side: Side,
    other: Side,
    partners: Mapping[str, str],
    constant: Collection[str],
    constant_there: Collection[str],
) -> set[str]:
    """Of ``constant`` nodes those in whose place the other side has constants of its own.

    ``partners`` maps nodes to those of the other side. A constant that only fed what is gone was
    replaced by nothing.
    """
    stack: list[str] = []
    if not constant:
        return set()
    for name, partner in partners.items():
        data, _ = side.inputs(name)
        given = [slot for slot, item in enumerate(data) if item[0] in constant]
        if not given:
            continue
        theirs, _ = other.inputs(partner)
        for slot in given:
            if slot < len(theirs):
                source = other.origin(theirs[slot])[0]
                node = other.nodes.get(source)
                is_constant = source in constant_there or (node is not None and holds_weight(node))
            else:
                is_constant = holds_weight(other.nodes[partner])
            if is_constant:
                stack.append(data[slot][0])
    found: set[str] = set()
    while stack:
        name = stack.pop()
        if name in found:
            continue
        found.add(name)
        data, _ = side.inputs(name)
        stack += [item[0] for item in data if item[0] in constant]
    return found


def reasons_of_readers(
    side: Side,
    reasons: Mapping[str, str],
    constant: Iterable[str],
    readers: Mapping[str, Collection[str]],
) -> dict[str, str]:
    """Reasons for ``constant`` nodes without one: that of all their readers, where it is one."""
    told = dict(reasons)
    free = {name for name in constant if not told.get(name)}
    waiting = {name: len(readers.get(name, ())) for name in free}
    stack = [name for name, why in told.items() if why]
    found: dict[str, str] = {}
    while stack:
        data, waits = side.inputs(stack.pop())
        for before in {*(item[0] for item in data), *waits}:
            if before not in free or before in found:
                continue
            waiting[before] -= 1
            if waiting[before]:
                continue
            words = {told.get(reader, "") for reader in readers[before]}
            if len(words) == 1:
                told[before] = found[before] = words.pop()
                stack.append(before)
    return found
