"""Whether two graphs compute the same, by what their outputs are made of."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from migrator.diffing.changes import NodeChanges
from migrator.diffing.counterparts import Counterparts
from migrator.diffing.side import Side, Tensor
from migrator.diffing.signatures import called
from migrator.errors import UsageError
from migrator.graph.inline import called_body
from migrator.inspection.endpoints import find_endpoints

_HANDED_ON = frozenset(
    ("Identity", "IdentityN", "StopGradient", "PreventGradient", "Snapshot", "NoOp")
)
_READS = frozenset(("ReadVariableOp", "VarHandleOp", "Variable", "VariableV2"))
_LARGE = 200_000
"""Nodes up to which endpoints are looked for that no signature names."""


class Outputs:
    """What both sides are there for, and what that takes."""

    def __init__(self, both: Counterparts) -> None:
        self._both = both

    @cached_property
    def _found(self) -> tuple[list[Tensor], list[Tensor]]:
        both = self._both
        left, right = _named(both.left), _named(both.right)
        if left is None and right is not None:
            left = [_behind(both.right, item, both.to_left) for item in right]
        elif right is None and left is not None:
            right = [_behind(both.left, item, both.to_right) for item in left]
        elif left is None and right is None:
            left, right = _guessed(both.left), _guessed(both.right)
        return [item for item in left or () if item[0]], [item for item in right or () if item[0]]

    @property
    def are_guessed(self) -> bool:
        """No side names its outputs: equal graphs have equal ones then."""
        return not called(self._both.left.meta) and not called(self._both.right.meta)

    @property
    def left(self) -> list[Tensor]:
        return self._found[0]

    @property
    def right(self) -> list[Tensor]:
        return self._found[1]

    @cached_property
    def _are_outputs(self) -> bool:
        """Whether what a signature names would be an output of the side that has none, too."""
        if self.are_guessed:
            return True
        for side, tensors in ((self._both.left, self.left), (self._both.right, self.right)):
            if called(side.meta) or len(side.nodes) > _LARGE:
                continue
            found = find_endpoints(side.meta)
            known = [item.tensor for item in (*found.outputs, *found.alternatives)]
            ends = {side.origin(side.tensor("", text)) for text in known}
            if ends and not all(side.origin(item) in ends for item in tensors):
                return False
        return True

    @cached_property
    def left_needs(self) -> set[str]:
        return self._both.left.closure(name for name, _ in self.left)

    @cached_property
    def right_needs(self) -> set[str]:
        return self._both.right.closure(name for name, _ in self.right)

    def of_signature(self, key: str) -> tuple[set[str], set[str]]:
        """Every node of both sides that one signature needs. Raises UsageError."""
        found = []
        for side in (self._both.left, self._both.right):
            item = called(side.meta).get(key)
            specs = () if item is None else item.outputs.values()
            texts = [text for spec in specs for text in (spec.tensor, *spec.parts) if text]
            found.append([side.tensor("", text) for text in texts])
        left, right = found
        if not left and not right:
            known = {**called(self._both.left.meta), **called(self._both.right.meta)}
            raise UsageError(
                f"no side has a signature {key!r}; there are: {', '.join(known) or 'none'}"
            )
        left = left or [_behind(self._both.right, item, self._both.to_left) for item in right]
        right = right or [_behind(self._both.left, item, self._both.to_right) for item in left]
        return (
            self._both.left.closure(name for name, _ in left),
            self._both.right.closure(name for name, _ in right),
        )

    @cached_property
    def correspond(self) -> bool:
        """Whether each output of a side is one of the other."""
        both = self._both

        def same(one: Tensor, other: Tensor) -> bool:
            return both.same_tensor(one, other) or both.same_origin(one, other)

        if not self.left or not self.right or not self._are_outputs:
            return False
        return all(any(same(one, item) for item in self.right) for one in self.left) and all(
            any(same(item, other) for item in self.left) for other in self.right
        )


def _named(side: Side) -> list[Tensor] | None:
    """The outputs of all signatures; None where there are none."""
    specs = [spec for item in called(side.meta).values() for spec in item.outputs.values()]
    texts = [text for spec in specs for text in ((spec.tensor,) if spec.tensor else spec.parts)]
    found = [side.tensor("", text) for text in dict.fromkeys(texts)]
    return found or None


def _behind(side: Side, tensor: Tensor, partners: dict[str, str]) -> Tensor:
    """The other side's counterpart of ``tensor``, or of the nearest before it that has one."""
    name, port = side.origin(tensor, partners.__contains__)
    return (partners[name], port) if name in partners else ("", 0)


def _guessed(side: Side) -> list[Tensor]:
    if len(side.nodes) > _LARGE:
        return []
    return [side.tensor("", item.tensor) for item in find_endpoints(side.meta).outputs]


def is_same_computation(both: Counterparts, outputs: Outputs, changes: NodeChanges) -> bool:
    """Whether the outputs correspond, and everything that they need is there and as it was.

    Names, devices, homes of weights and nodes that only hand on their input do not count. Where
    no outputs are known, every node does.
    """
    matching = both.matching
    if not changes.altered and not matching.left_only and not matching.right_only:
        return outputs.are_guessed or outputs.correspond
    if not outputs.left and not outputs.right:
        needs: tuple[Iterable[str], Iterable[str]] = both.left.nodes, both.right.nodes
    elif outputs.correspond:
        needs = outputs.left_needs, outputs.right_needs
    else:
        return False
    seen_into = {(item.side, item.name) for item in both.matching.bypassed}
    for name in needs[0]:
        if name in changes.altered:
            return False
        is_loose = name not in both.to_right and ("left", name) not in seen_into
        if is_loose and not _is_transparent(both.left, name, both.weights):
            return False
    if not _same_results(both, needs[0]):
        return False
    return all(
        name in both.to_left
        or ("right", name) in seen_into
        or _is_transparent(both.right, name, both.weights_back)
        for name in needs[1]
    )


def _same_results(both: Counterparts, needed: Iterable[str]) -> bool:
    """Whether the bodies that are needed give the same results, where they have a counterpart."""
    homes = {both.left.home.get(name, "") for name in needed}
    ours, theirs = both.left.meta.graph.functions, both.right.meta.graph.functions
    for name, other in both.functions.items():
        if name not in homes or name not in ours or other not in theirs:
            continue
        if len(ours[name].outputs) != len(theirs[other].outputs):
            return False
        for one, two in zip(ours[name].outputs, theirs[other].outputs, strict=True):
            a = both.left.tensor_in(name, ours[name].returns.get(one.tensor, ""))
            b = both.right.tensor_in(other, theirs[other].returns.get(two.tensor, ""))
            if not both.same_tensor(a, b) and not both.same_origin(a, b):
                return False
    return True


def _is_transparent(side: Side, name: str, weights: dict[str, str]) -> bool:
    node = side.nodes[name]
    if node.op in _HANDED_ON or called_body(node):
        return True
    if node.op == "Const":  # who reads another one than before is altered
        return True
    if node.op in _READS:
        held = side.weight(name)
        return held is not None and held in weights
    return False
