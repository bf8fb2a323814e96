"""What became of each node: added, removed, renamed, moved, rewired, or changed in itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from migrator.diffing.changes.attributes import (
    attribute_changes,
    is_same,
    readable,
    same_tensor,
    tensor_text,
)
from migrator.diffing.counterparts import Counterparts, holds_weight, is_weight, scope_between
from migrator.diffing.options import DiffOptions
from migrator.diffing.result import ADDED, CHANGED, REMOVED, RENAMED, REWIRED, Change, NodeChange
from migrator.diffing.side import Side, Tensor
from migrator.model.graph import Node
from migrator.model.tensors import LazyTensor
from migrator.ops.state import VARIABLE_OPS

_ALIKE = (
    frozenset(("Add", "AddV2")),
    frozenset(("Gather", "GatherV2")),
    frozenset(("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")),
    frozenset(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")),
    frozenset(("Placeholder", "PlaceholderV2")),
    frozenset(("Identity", "RefIdentity", "StopGradient", "Snapshot")),
    VARIABLE_OPS,
    frozenset(("PartitionedCall", "StatefulPartitionedCall")),
    frozenset(("While", "StatelessWhile")),
    frozenset(("If", "StatelessIf")),
    frozenset(("Switch", "RefSwitch")),
    frozenset(("Merge", "RefMerge")),
    frozenset(("Enter", "RefEnter")),
    frozenset(("Exit", "RefExit")),
    frozenset(("NextIteration", "RefNextIteration")),
    frozenset(("TensorArrayV2", "TensorArrayV3")),
    frozenset(("TensorArrayReadV2", "TensorArrayReadV3")),
    frozenset(("TensorArrayWriteV2", "TensorArrayWriteV3")),
)
ALIKE_OPS = {op: group for group in _ALIKE for op in group}
"""Ops that compute the same from the same inputs."""
SHAPED = frozenset(("Placeholder", "PlaceholderV2", "PlaceholderWithDefault"))
"""Ops that say of what shape an input is."""
_DIFFERENT = "different"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeChanges:
    """``items`` in the order of ``KINDS``, then of the graphs.

    ``altered`` are the pairs, by left name, that compute something else than before.
    """

    items: tuple[NodeChange, ...]
    altered: frozenset[str] = field(default=frozenset())


def node_changes(
    both: Counterparts, weights: Mapping[tuple[str, str], str], options: DiffOptions
) -> NodeChanges:
    """Every node that is not on both sides as it was.

    ``weights`` tells of pairs of weights whether they are ``equal`` or ``different``; where it is
    silent nothing is known.
    """
    return _Comparer(both, weights, options).all()


class _Comparer:
    def __init__(
        self, both: Counterparts, weights: Mapping[tuple[str, str], str], options: DiffOptions
    ) -> None:
        self._both = both
        self._left = both.left
        self._right = both.right
        self._weights = weights
        self._ignore = frozenset(options.ignore)
        self._altered: set[str] = set()
        self._scopes = {(item.left, item.right) for item in both.scopes}

    def all(self) -> NodeChanges:
        found: dict[str, list[NodeChange]] = {
            kind: [] for kind in (REMOVED, ADDED, CHANGED, REWIRED, RENAMED)
        }
        for name in self._both.matching.left_only:
            op = self._left.nodes[name].op
            found[REMOVED].append(NodeChange(kind=REMOVED, left=name, right="", op=op))
        for name in self._both.matching.right_only:
            op = self._right.nodes[name].op
            found[ADDED].append(NodeChange(kind=ADDED, left="", right=name, op=op))
        for match in self._both.matching.pairs:
            changes = tuple(self._pair(match.left, match.right))
            if changes:
                kind = _gravest(changes)
                found[kind].append(
                    NodeChange(
                        kind=kind,
                        left=match.left,
                        right=match.right,
                        op=self._right.nodes[match.right].op,
                        confidence=match.confidence,
                        changes=changes,
                    )
                )
        items = tuple(item for group in found.values() for item in group)
        return NodeChanges(items=items, altered=frozenset(self._altered))

    def _pair(self, one: str, other: str) -> Iterator[Change]:
        left, right = self._left.nodes[one], self._right.nodes[other]
        ignore = self._ignore
        if left is not right:
            if holds_weight(left) and holds_weight(right) and left.op != right.op:
                yield from self._home(left, right)
            else:
                yield from self._itself(left, right, one)
            yield from self._value(left, right, one, other)
            if left.device != right.device and "devices" not in ignore:
                yield Change(field="device", left=left.device, right=right.device)
        yield from self._inputs(left, right, one, other)
        if "names" not in ignore:
            yield from self._name(one, other)
            yield from self._own_names(left, right, one, other)

    def _home(self, left: Node, right: Node) -> Iterator[Change]:
        if "homes" not in self._ignore:
            words = _home_word(left), _home_word(right)
            if words[0] == words[1]:  # variables of either kind
                words = left.op, right.op
            yield Change(field="home", left=words[0], right=words[1])

    def _itself(self, left: Node, right: Node, one: str) -> Iterator[Change]:
        ignore = self._ignore
        if left.op != right.op and not self._both.same_function(left.op, right.op):
            if self._hand_on_a_weight(left, right, one):
                return  # the weight's own change says it
            if ALIKE_OPS.get(left.op, frozenset((left.op,))) is not ALIKE_OPS.get(right.op):
                self._altered.add(one)
            yield Change(field="op", left=left.op, right=right.op)
        for change in attribute_changes(left, right, self._both.same_function):
            if change.field == "shape" and left.op in SHAPED:
                if "shapes" not in ignore:
                    yield change
                continue
            if change.field == "shape" and left.op in VARIABLE_OPS and "shapes" in ignore:
                continue
            if "attrs" in ignore and change.field.startswith("attr "):
                continue
            if left.op == right.op or not is_of_version(change):
                self._altered.add(one)
            yield change

    def _hand_on_a_weight(self, left: Node, right: Node, one: str) -> bool:
        """Whether both read one weight, each from its home."""
        if {left.op, right.op} != {"Identity", "ReadVariableOp"}:
            return False
        held = self._left.weight(one)
        other = self._both.to_right[one]
        return held is not None and self._both.weights.get(held) == self._right.weight(other)

    def _value(self, left: Node, right: Node, one: str, other: str) -> Iterator[Change]:
        """Values of small constants, and of weights as far as they were compared."""
        ours, theirs = left.attrs.get("value"), right.attrs.get("value")
        if not holds_weight(left) or not holds_weight(right):
            return
        tensors = (
            (ours, theirs)
            if isinstance(ours, LazyTensor) and isinstance(theirs, LazyTensor)
            else None
        )
        if is_weight(left) or is_weight(right):
            if self._weights.get((one, other)) == _DIFFERENT:
                self._altered.add(one)
                yield Change(field="value", left=_preview(left), right=_preview(right))
            elif tensors is not None and tensors[0].shape != tensors[1].shape:
                self._altered.add(one)
                shapes = [readable(item.shape) for item in tensors]
                if "shapes" not in self._ignore:
                    yield Change(field="shape", left=shapes[0], right=shapes[1])
        elif tensors is not None and not same_tensor(*tensors):
            self._altered.add(one)
            before, after = (tensor_text(item) for item in tensors)
            yield Change(field="value", left=before, right=after)

    def _inputs(self, left: Node, right: Node, one: str, other: str) -> Iterator[Change]:
        if not left.inputs and not right.inputs:
            return
        ours, waits = self._left.inputs(one)
        theirs, other_waits = self._right.inputs(other)
        for slot in range(max(len(ours), len(theirs))):
            a = ours[slot] if slot < len(ours) else None
            b = theirs[slot] if slot < len(theirs) else None
            if a is not None and b is not None:
                if self._both.same_tensor(a, b):
                    continue
                if not self._both.same_origin(a, b):
                    self._altered.add(one)
            elif not _is_bare(left, right) and not self._is_first_axis(left, right, a, b):
                self._altered.add(one)
            yield Change(field=f"input {slot}", left=_tensor_name(a), right=_tensor_name(b))
        if "controls" not in self._ignore and (waits or other_waits):
            yield from self._controls(waits, other_waits)

    def _is_first_axis(self, left: Node, right: Node, a: Tensor | None, b: Tensor | None) -> bool:
        """Whether a Gather became one that names its axis, and it is the one that it always was."""
        if {left.op, right.op} != {"Gather", "GatherV2"}:
            return False
        side, tensor = (self._left, a) if a is not None else (self._right, b)
        node = side.nodes.get(side.origin(tensor)[0]) if tensor is not None else None
        value = node.attrs.get("value") if node is not None and node.op == "Const" else None
        return isinstance(value, LazyTensor) and tensor_text(value) == 0

    def _controls(self, ours: list[str], theirs: list[str]) -> Iterator[Change]:
        there = set(theirs)
        gone = [name for name in ours if self._both.to_right.get(name) not in there]
        here = set(ours)
        new = [name for name in theirs if self._both.to_left.get(name) not in here]
        if gone or new:
            yield Change(field="control inputs", left=gone, right=new)

    def _name(self, one: str, other: str) -> Iterator[Change]:
        ours, theirs = self._left.local(one), self._right.local(other)
        if ours == theirs:
            homes = self._left.home.get(one), self._right.home.get(other)
            if None in homes or homes[0] == homes[1]:
                return  # moving into or out of a body is told once
            if not self._both.same_function(str(homes[0]), str(homes[1])):
                yield Change(field="scope", left=homes[0], right=homes[1])
            return
        for pair in ((one, other), (ours, theirs)):
            scope = scope_between(*pair, self._scopes)
            if any(scope):
                yield Change(field="scope", left=scope[0], right=scope[1])
                return
        a, b = _split(ours), _split(theirs)
        if a[1] == b[1]:
            yield Change(field="scope", left=a[0], right=b[0])
        else:
            yield Change(field="name", left=ours, right=theirs)

    def _own_names(self, left: Node, right: Node, one: str, other: str) -> Iterator[Change]:
        """The names that resources are shared by, where other nodes share one than before."""
        if not holds_names(left) and not holds_names(right):
            return
        for key in ("shared_name", "container"):
            a, b = left.attrs.get(key) or b"", right.attrs.get(key) or b""
            if is_same(a, b) or (_is_own(a, self._left, one) and _is_own(b, self._right, other)):
                continue
            sharing, sharing_there = self._sharing
            ours = sharing.get(_resource(left, one), {one})
            theirs = sharing_there.get(_resource(right, other), {other})
            if {self._both.to_right.get(name) for name in ours} != theirs:
                self._altered.add(one)
                yield Change(field=f"attr {key}", left=readable(a), right=readable(b))

    @cached_property
    def _sharing(self) -> tuple[dict[_Resource, set[str]], dict[_Resource, set[str]]]:
        """Of each side, what a resource is shared by -> the nodes that share it."""
        found: tuple[dict[_Resource, set[str]], dict[_Resource, set[str]]] = {}, {}
        for side, groups in zip((self._left, self._right), found, strict=True):
            for name, node in side.nodes.items():
                if holds_names(node):
                    groups.setdefault(_resource(node, name), set()).add(name)
        return found


def holds_names(node: Node) -> bool:
    return "shared_name" in node.attrs or "container" in node.attrs


_Resource = tuple[Any, Any]


def _resource(node: Node, name: str) -> _Resource:
    return node.attrs.get("shared_name") or name, node.attrs.get("container") or b""


def _is_own(value: Any, side: Side, name: str) -> bool:
    return not value or value == side.local(name).encode("utf-8", "surrogatepass")


def _home_word(node: Node) -> str:
    return "constant" if node.op == "Const" else "variable"


def _preview(node: Node) -> Any:
    value = node.attrs.get("value")
    if isinstance(value, LazyTensor):
        return tensor_text(value)
    dtype, shape = readable(node.attrs.get("dtype")), node.attrs.get("shape")
    return f"{dtype} {shape}" if shape is not None else str(dtype)


def _is_bare(left: Node, right: Node) -> bool:
    """Weights in different homes have no inputs to speak of."""
    return holds_weight(left) and holds_weight(right)


def is_of_version(change: Change) -> bool:
    """An attribute that one version of an op has and another has not."""
    return change.left is None or change.right is None


def _tensor_name(tensor: Tensor | None) -> str | None:
    if tensor is None:
        return None
    return f"{tensor[0]}:{tensor[1]}" if tensor[1] else tensor[0]


def _split(name: str) -> tuple[str, str]:
    scope, _, last = name.rpartition("/")
    return scope, last


def _gravest(changes: tuple[Change, ...]) -> str:
    kinds = {_kind(change.field) for change in changes}
    return next(kind for kind in (CHANGED, REWIRED, RENAMED) if kind in kinds)


def _kind(name: str) -> str:
    if name in ("name", "scope"):
        return RENAMED
    return REWIRED if name.startswith(("input ", "control inputs")) else CHANGED
