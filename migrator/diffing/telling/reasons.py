"""Why nodes came or went: for saving, for nothing, folded away, or in another form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property

from migrator.diffing.changes.nodes import SHAPED, NodeChanges
from migrator.diffing.counterparts import Counterparts
from migrator.diffing.result import ADDED, CHANGED, REMOVED, REWIRED, NodeChange
from migrator.diffing.sameness.lookups import with_fillers
from migrator.diffing.sameness.migration_record import Record
from migrator.diffing.sameness.outputs import Outputs
from migrator.diffing.sameness.verdict import REPLAY, Verdict
from migrator.diffing.side import Side
from migrator.diffing.telling.constants import (
    constant_nodes,
    reasons_of_readers,
    replaced_by_constants,
)
from migrator.graph.inline import called_body
from migrator.inspection.summary import FUNCTIONAL_CONTROL_FLOW, V1_CONTROL_FLOW

PACKAGING = "packaging"
UNUSED = "unused"
IDENTITY = "identity"
HOME = "home"
CONTROL_FLOW = "control_flow"
DROPOUT = "dropout"
BATCH_NORM = "batch_norm"
FOLDED = "folded"
FEED = "feed"
CUT = "cut"
MIGRATION = "migration"
FORM = "form"
REASONS = frozenset(
    (
        *(PACKAGING, UNUSED, IDENTITY, HOME, CONTROL_FLOW, DROPOUT, BATCH_NORM, FOLDED, FEED),
        *(CUT, MIGRATION, FORM),
    )
)
"""All that a change may be explained by; ``report.diff_parts`` has the words."""
_BY_STEP = {
    "prune": (UNUSED,),
    "functional_loops": (CONTROL_FLOW, FOLDED),
    "functional_conditions": (CONTROL_FLOW, FOLDED),
    "tensor_lists": (CONTROL_FLOW, FOLDED),
    "fold_feed": (FEED, FOLDED, CONTROL_FLOW),
    "keep_default": (FEED, FOLDED, CONTROL_FLOW),
    "fold_constants": (FOLDED,),
    "fold_branches": (CONTROL_FLOW, FOLDED),
    "fold_batch_norm": (BATCH_NORM, FOLDED),
    "fold_dropout": (DROPOUT, FOLDED),
    "merge_duplicates": (FOLDED,),
}
_ALWAYS = frozenset((PACKAGING, IDENTITY, HOME, UNUSED))
"""What any result in another format comes with."""
_SEEN_INTO = {
    "identity": IDENTITY,
    "read": HOME,
    "call": PACKAGING,
    "loop": CONTROL_FLOW,
    "condition": CONTROL_FLOW,
}
"""What the matching says of nodes without a counterpart."""
_SAVERS = frozenset(
    "Save SaveV2 SaveSlices Restore RestoreV2 RestoreSlice ShardedFilename ShardedFilespec "
    "MergeV2Checkpoints".split()
)
_PLUMBING = frozenset("Identity IdentityN NoOp PartitionedCall StatefulPartitionedCall".split())
_HANDED_ON = frozenset("Identity IdentityN NoOp StopGradient PreventGradient Snapshot".split())
_HOLDERS = frozenset(
    "Const VarHandleOp Variable VariableV2 ReadVariableOp Identity VarIsInitializedOp".split()
)
_BATCH_NORM = re.compile(r"(?:^|/)[^/]*(?:batch_?norm|\bbn\d*(?=/|$|_))", re.IGNORECASE)
_DROPOUT = re.compile(r"(?:^|/)(?:[^/]*_)?dropout(?:_?\d+)?(?:/|$)", re.IGNORECASE)
"""Scopes that layers of these kinds make."""
_STRONG = frozenset(
    "Conv2D Conv3D DepthwiseConv2dNative MatMul BatchMatMul BatchMatMulV2 Placeholder".split()
)
"""Ops that no such layer has of its own."""


def explain(
    changes: NodeChanges,
    both: Counterparts,
    outputs: Outputs,
    record: Record | None,
    verdict: Verdict,
) -> NodeChanges:
    """``changes`` with ``why`` for added and removed nodes, where there is a reason to tell.

    Where both sides were shown to compute the same there always is one.
    """
    if not changes.items:
        return changes
    needs = (
        with_fillers(both.left, outputs.left_needs),
        with_fillers(both.right, outputs.right_needs),
    )
    sides = {
        REMOVED: _Reasons(both.left, both.to_right, both.weights, needs[0], record),
        ADDED: _Reasons(both.right, both.to_left, both.weights_back, needs[1], record),
    }
    for kind in sides:
        sides[kind].hold_against(sides[ADDED if kind == REMOVED else REMOVED])
    is_functional = _changes_form(changes.items)
    words = {"left": REMOVED, "right": ADDED}
    seen_into = {
        (words[item.side], item.name): _SEEN_INTO.get(item.why, "")
        for item in both.matching.bypassed
    }
    same = frozenset(verdict.shown)
    found: dict[str, dict[str, str]] = {kind: {} for kind in sides}
    for item in changes.items:
        if item.kind in sides:
            name = item.left or item.right
            why = seen_into.get((item.kind, name), "")
            found[item.kind][name] = why or sides[item.kind].why(name, is_functional)
    for kind, known in found.items():
        known |= sides[kind].spread(known)
    items = []
    for item in changes.items:
        if item.kind in sides:
            why = found[item.kind][item.left or item.right]
        else:
            why = UNUSED if _is_unneeded(item, needs) else ""
            if why and not verdict.is_same and runs_at_load(item, both):
                why = ""
            if not why and is_functional and _is_end_of_flow(item, both):
                why = CONTROL_FLOW
        is_shown = (item.left, item.right) in same and not _waits_for_others(item)
        if verdict.is_same and not is_shown and not _is_input(item):
            why = _shown(why, item, record, verdict)
        items.append(replace(item, why=why) if why else item)
    return NodeChanges(items=tuple(items), altered=changes.altered)


def _shown(why: str, item: NodeChange, record: Record | None, verdict: Verdict) -> str:
    """The reason where both sides compute the same, by the steps of the record if it took them."""
    if verdict.shown_by != REPLAY or record is None:
        return why or FORM
    if why in known_reasons(record):
        return why
    is_source = bool(item.left) if record.on_right else bool(item.right)
    return CUT if is_source and "fold_branches" in record.codes else MIGRATION


def known_reasons(record: Record) -> set[str]:
    """The reasons that the steps of a record give."""
    return set(_ALWAYS).union(*(_BY_STEP.get(code, ()) for code in record.codes))


def _is_unneeded(item: NodeChange, needs: tuple[set[str], set[str]]) -> bool:
    """Whether outputs are known on both sides, and none of them needs this pair."""
    if not needs[0] or not needs[1]:
        return False
    return item.left not in needs[0] and item.right not in needs[1]


def runs_at_load(item: NodeChange, both: Counterparts) -> bool:
    """Whether loading a side runs this node."""
    return item.left in both.left.needed_at_load or item.right in both.right.needed_at_load


def _waits_for_others(item: NodeChange) -> bool:
    """Whether only control inputs are others: where both sides are the same, these do no harm."""
    fields = {change.field for change in item.changes} - {"name", "scope"}
    return item.kind == REWIRED and fields == {"control inputs"}


def _is_end_of_flow(item: NodeChange, both: Counterparts) -> bool:
    """Whether a pair only hands on, on both sides, what control flow of two forms makes."""
    if item.kind not in (CHANGED, REWIRED):
        return False
    for side, name in ((both.left, item.left), (both.right, item.right)):
        op = side.nodes[name].op
        before = (side.nodes.get(source[0]) for source in side.inputs(name)[0])
        flows = op in V1_CONTROL_FLOW or any(
            node is not None and _is_flow(node.op) for node in before
        )
        if not flows or not (op in _HANDED_ON or op in V1_CONTROL_FLOW):
            return False
    return True


def _is_input(item: NodeChange) -> bool:
    """Whether the model takes inputs of another shape now: a change that no proof explains."""
    return item.op in SHAPED and any(change.field == "shape" for change in item.changes)


def unexplained(items: Iterable[NodeChange], record: Record) -> list[NodeChange]:
    """Added and removed nodes that the record's steps do not speak of."""
    known = known_reasons(record) | {CUT, MIGRATION, FORM}
    return [item for item in items if item.kind in (ADDED, REMOVED) and item.why not in known]


def _changes_form(items: Iterable[NodeChange]) -> bool:
    """Whether control flow of TensorFlow 1 went and functional one came, or the other way."""
    went: set[str] = set()
    came: set[str] = set()
    for item in items:
        if item.kind in (ADDED, REMOVED):
            (went if item.kind == REMOVED else came).add(item.op)
    return any(
        a & V1_CONTROL_FLOW and b & FUNCTIONAL_CONTROL_FLOW for a, b in ((went, came), (came, went))
    )


def _is_flow(op: str) -> bool:
    return (
        op in V1_CONTROL_FLOW
        or op in FUNCTIONAL_CONTROL_FLOW
        or op.startswith(("TensorArray", "TensorList"))
    )


class _Reasons:
    """Reasons for the nodes of one side that the other does not have."""

    def __init__(
        self,
        side: Side,
        partners: Mapping[str, str],
        weights: Mapping[str, str],
        needed: set[str],
        record: Record | None,
    ) -> None:
        self._side = side
        self._partners = partners
        self._weights = weights
        self._needed = needed
        self._feeds = record.feeds if record is not None else frozenset[str]()
        self.replaced: set[str] = set()
        """Constants, and what follows from them, in whose place the other side has constants."""

    def hold_against(self, other: _Reasons) -> None:
        """See which constants stand for one another."""
        there = other.constant if self.constant else set()
        self.replaced = replaced_by_constants(
            self._side, other._side, self._partners, self.constant, there
        )

    def why(self, name: str, is_functional: bool) -> str:
        node = self._side.nodes[name]
        if name in self._packaging:
            return PACKAGING
        if self._needed and name not in self._needed:
            return UNUSED
        if node.op in _HOLDERS and self._side.weight(name) in self._weights:
            return HOME
        if called_body(node):
            return PACKAGING
        if node.op in _HANDED_ON:
            return IDENTITY
        if name in self._feeds:
            return FEED
        home = self._side.home.get(name, "")
        if is_functional and (_is_flow(node.op) or home in self._branches):
            return CONTROL_FLOW
        if is_functional and name in self._of_control_flow:
            return CONTROL_FLOW
        if name in self.replaced:
            return FOLDED
        if node.op.startswith("FusedBatchNorm"):
            return BATCH_NORM
        if node.op not in _STRONG:
            if _DROPOUT.search(name):
                return DROPOUT
            if _BATCH_NORM.search(name):
                return BATCH_NORM
        return ""

    @cached_property
    def _of_control_flow(self) -> set[str]:
        """Loose nodes that nothing reads but control flow: sizes, indices, first values."""
        found: set[str] = set()
        readers = self._readers
        stack = [name for name, node in self._side.nodes.items() if _is_flow(node.op)]
        while stack:
            data, waits = self._side.inputs(stack.pop())
            for before in {*(item[0] for item in data), *waits}:
                if before in found or before not in readers:
                    continue
                if all(n in found or _is_flow(self._side.nodes[n].op) for n in readers[before]):
                    found.add(before)
                    stack.append(before)
        return found

    @property
    def _loose(self) -> list[str]:
        return [name for name in self._side.nodes if name not in self._partners]

    @cached_property
    def _branches(self) -> set[str]:
        """Bodies of functional loops and conditions."""
        return {
            called
            for node in self._side.nodes.values()
            if node.op in FUNCTIONAL_CONTROL_FLOW
            for called in node.called
        }

    @cached_property
    def _packaging(self) -> set[str]:
        """What saves, restores, or only hands on from a signature to a body."""
        side = self._side
        bodies = set()
        for name, function in side.meta.graph.functions.items():
            ops = {node.op for node in function.nodes}
            if ops & _SAVERS or ops <= _PLUMBING:
                bodies.add(name)
        found = {name for name, home in side.home.items() if home in bodies}
        loose = [name for name in self._loose if name not in found]
        for name in loose:
            node = side.nodes[name]
            if node.op in _SAVERS or called_body(node) in bodies:
                found.add(name)
        readers = self._readers
        # Backward over what only feeds such nodes, forward over what restores.
        stack = [name for name in loose if name in found]
        free = set(loose)
        while stack:
            name = stack.pop()
            data, waits = side.inputs(name)
            for before in {*(item[0] for item in data), *waits}:
                if before in free and before not in found and readers.get(before, set()) <= found:
                    found.add(before)
                    stack.append(before)
            if side.nodes[name].op.startswith("Restore"):
                after = {item for item in readers.get(name, ()) if item in free}
                stack += [item for item in after if item not in found]
                found |= after
        return found

    @cached_property
    def _readers(self) -> dict[str, set[str]]:
        """Loose node -> who reads it or waits for it."""
        found: dict[str, set[str]] = {name: set() for name in self._loose}
        if not found:
            return found
        for name in self._side.nodes:
            data, waits = self._side.inputs(name)
            for before in (*(item[0] for item in data), *waits):
                if before in found:
                    found[before].add(name)
        return found

    @cached_property
    def constant(self) -> set[str]:
        """Loose nodes whose values follow from constants alone."""
        return constant_nodes(self._side, self._loose)

    def spread(self, reasons: Mapping[str, str]) -> dict[str, str]:
        """Reasons for constants that have none, from those of their readers."""
        return reasons_of_readers(self._side, reasons, self.constant, self._readers)
