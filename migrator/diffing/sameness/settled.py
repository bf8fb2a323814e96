"""A matching put right: where two graphs were shown to compute the same, who is who is known."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from migrator.diffing.changes.nodes import ALIKE_OPS, NodeChanges
from migrator.diffing.counterparts import Counterparts, holds_weight
from migrator.diffing.matching import scopes
from migrator.diffing.matching.match import Matching, scoped
from migrator.diffing.result import RENAMED, Change, Match, NodeChange
from migrator.diffing.side import Side
from migrator.model.graph import Node

Names = tuple[str, str]


def settled(
    matching: Matching,
    left: Side,
    right: Side,
    shown: Iterable[Names],
    *,
    is_migrated: bool,
) -> Matching:
    """``matching`` with the pairs of nodes that were ``shown`` to be the same; others stay where
    both are free and of one kind.

    Where one side ``is_migrated`` from the other, what was not shown is new in it, or it is called
    as it was.
    """
    pairs = _one_to_one(matching, left, right, shown)
    taken = set(pairs.values())
    found = [
        Match(left=one, right=other, confidence=1.0, why="computation")
        for one, other in pairs.items()
    ]
    for match in matching.pairs:
        if match.left in pairs or match.right in taken:
            continue
        if is_migrated and left.local(match.left) != right.local(match.right):
            continue
        ours, theirs = left.nodes[match.left], right.nodes[match.right]
        # A call may be an op that is called as its function is.
        if is_one_kind(ours, theirs) or matching.functions.get(ours.op) == theirs.op:
            found.append(match)
    graphs = left.meta.graph, right.meta.graph
    by_left = {match.left: match for match in found}
    renames = scopes.scope_renames(scoped(*graphs, by_left, matching.functions))
    paired, others = {match.left for match in found}, {match.right for match in found}
    return replace(
        matching,
        pairs=tuple(found),
        left_only=tuple(name for name in left.nodes if name not in paired),
        right_only=tuple(name for name in right.nodes if name not in others),
        scopes=scopes.told_once(renames),
    )


def _one_to_one(
    matching: Matching, left: Side, right: Side, shown: Iterable[Names]
) -> dict[str, str]:
    """Of nodes that are several of the other side, the pair that was found before, or by name."""
    known = {match.left: match.right for match in matching.pairs}

    def unlikely(pair: Names) -> int:
        one, other = pair
        return 0 if known.get(one) == other else 2 - (left.local(one) == right.local(other))

    found: dict[str, str] = {}
    taken: set[str] = set()
    for one, other in sorted(shown, key=unlikely):
        if one not in found and other not in taken:
            found[one] = other
            taken.add(other)
    return found


def is_one_kind(left: Node, right: Node) -> bool:
    """Whether two nodes may stand for one another: one op, or one of its other versions."""
    if left.op == right.op or (holds_weight(left) and holds_weight(right)):
        return True
    return ALIKE_OPS.get(left.op) is not None and ALIKE_OPS.get(left.op) is ALIKE_OPS.get(right.op)


def without_detours(
    changes: NodeChanges, shown: Collection[Names], both: Counterparts
) -> NodeChanges:
    """``changes`` without inputs that only come another way: those of nodes ``shown`` to be one.

    Between nodes that both sides have, an edge that differs is no detour.
    """
    items = []
    for item in changes.items:
        if (item.left, item.right) in shown:
            kept = tuple(
                change
                for change in item.changes
                if not change.field.startswith(("input ", "control inputs"))
                or _is_rewired(change, item, both)
            )
            if not kept:
                continue
            item = _with(item, kept)
        items.append(item)
    return NodeChanges(items=tuple(items))


def _is_rewired(change: Change, item: NodeChange, both: Counterparts) -> bool:
    """Whether all that an input was and is has a counterpart, which is another node."""
    if change.field.startswith("control inputs"):
        return all(name in both.to_right for name in change.left) and all(
            name in both.to_left for name in change.right
        )
    slot = int(change.field.removeprefix("input "))
    ours, theirs = both.left.inputs(item.left)[0], both.right.inputs(item.right)[0]
    if slot >= len(ours) or slot >= len(theirs):
        return False
    one = both.left.origin(ours[slot])[0]
    other = both.right.origin(theirs[slot])[0]
    return one in both.to_right and other in both.to_left and both.to_right[one] != other


def _with(item: NodeChange, changes: tuple[Change, ...]) -> NodeChange:
    if all(change.field in ("name", "scope") for change in changes):
        return replace(item, kind=RENAMED, changes=changes)
    return replace(item, changes=changes)
