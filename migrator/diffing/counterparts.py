"""Which node, tensor, function and weight of one side is which of the other, by a matching."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from migrator.diffing.result import ScopeRename
from migrator.diffing.side import Side, Tensor
from migrator.model.dtypes import DType
from migrator.model.graph import Node
from migrator.model.tensors import LazyTensor, Shape
from migrator.ops.state import VARIABLE_OPS

if TYPE_CHECKING:
    from migrator.diffing.matching.match import Matching

_WEIGHT_KINDS = frozenset("fcq")
_LARGE = 1024
"""Bytes from which on any constant counts as a weight and not as a shape or an axis."""
_READERS = frozenset(("ReadVariableOp", "Identity", "RefIdentity"))


def is_weight(node: Node) -> bool:
    """Whether a constant or a variable is one to compare by value, apart from the graph."""
    if node.op in VARIABLE_OPS:
        return True
    value = node.attrs.get("value") if node.op == "Const" else None
    if not isinstance(value, LazyTensor) or not value.shape.rank:
        return False
    # TFLite keeps quantised weights as plain integers.
    is_number = value.dtype.kind in _WEIGHT_KINDS or "_quantization" in node.attrs
    return (is_number and value.elements > 1) or value.nbytes >= _LARGE


def _may_be_one(one: Node, other: Node) -> bool:
    """Whether two weights are of one class of types, and of one rank as far as it is known."""
    kinds, ranks = zip(_kind_and_rank(one), _kind_and_rank(other), strict=True)
    is_quantised = any("_quantization" in node.attrs for node in (one, other))
    return (is_quantised or None in kinds or kinds[0] == kinds[1]) and (
        None in ranks or ranks[0] == ranks[1]
    )


def _kind_and_rank(node: Node) -> tuple[str | None, int | None]:
    value = node.attrs.get("value")
    if isinstance(value, LazyTensor):
        return value.dtype.base.kind, value.shape.rank
    dtype, shape = node.attrs.get("dtype"), node.attrs.get("shape")
    return (
        dtype.base.kind if isinstance(dtype, DType) else None,
        shape.rank if isinstance(shape, Shape) else None,
    )


def holds_weight(node: Node) -> bool:
    return node.op == "Const" or node.op in VARIABLE_OPS


class Counterparts:
    """Both sides and who is who."""

    def __init__(self, left: Side, right: Side, matching: Matching) -> None:
        self.left = left
        self.right = right
        self.matching = matching
        self.to_right: dict[str, str] = {}
        self.to_left: dict[str, str] = {}
        for match in matching.pairs:
            self.to_right[match.left] = match.right
            self.to_left[match.right] = match.left
        self.functions: Mapping[str, str] = matching.functions
        self.functions_back = {other: one for one, other in matching.functions.items()}

    @cached_property
    def scopes(self) -> tuple[ScopeRename, ...]:
        """Renamed scopes, as both ways of looking show them, without what follows from others."""
        from migrator.diffing.matching.scopes import scope_renames, told_once

        back = told_once(scope_renames((item.right, item.left) for item in self.matching.pairs))
        found = {(item.left, item.right) for item in self.matching.scopes}
        found |= {(item.right, item.left) for item in back}
        kept = {pair for pair in found if not any(_follows(pair, outer) for outer in found)}
        counts: Counter[tuple[str, str]] = Counter()
        for item in self.matching.pairs:
            if item.left != item.right:
                counts[scope_between(item.left, item.right, kept)] += 1
        items = [
            ScopeRename(left=pair[0], right=pair[1], nodes=counts[pair])
            for pair in kept
            if counts[pair] and self.functions.get(pair[0]) != pair[1]  # told as a function
        ]
        return tuple(sorted(items, key=lambda item: (-item.nodes, item.left, item.right)))

    @cached_property
    def weights(self) -> dict[str, str]:
        """Left weight -> right weight: matched themselves, by who reads them, or by name."""
        found: dict[str, str] = {}
        taken: set[str] = set()

        def pair(one: str, other: str) -> None:
            if one in found or other in taken:
                return
            ours, theirs = self.left.nodes[one], self.right.nodes[other]
            if (is_weight(ours) or is_weight(theirs)) and _may_be_one(ours, theirs):
                found[one] = other
                taken.add(other)

        readers = []
        for one, other in self.to_right.items():
            ours, theirs = self.left.nodes.get(one), self.right.nodes.get(other)
            if ours is None or theirs is None:
                continue
            if holds_weight(ours) and holds_weight(theirs):
                pair(one, other)
            elif (holds_weight(ours) or ours.op in _READERS) and (
                holds_weight(theirs) or theirs.op in _READERS
            ):
                readers.append((one, other))
        for one, other in readers:
            held, held_there = self.left.weight(one), self.right.weight(other)
            if held is not None and held_there is not None:
                pair(held, held_there)
        self._pair_by_name(found, taken)
        return found

    def _pair_by_name(self, found: dict[str, str], taken: set[str]) -> None:
        """Constants and variables that nothing else pairs, where the home is what changed."""
        loose = {
            weight_name(self.right, name): name
            for name, node in self.right.nodes.items()
            if name not in taken and name not in self.to_left and is_weight(node)
        }
        if not loose:
            return
        for name, node in self.left.nodes.items():
            if name in found or name in self.to_right or not is_weight(node):
                continue
            other = loose.get(weight_name(self.left, name))
            if other is None or other in taken:
                continue
            if (node.op == "Const") != (self.right.nodes[other].op == "Const"):
                found[name] = other  # of one kind: the matching saw both, and thought otherwise
                taken.add(other)

    @cached_property
    def weights_back(self) -> dict[str, str]:
        return {other: one for one, other in self.weights.items()}

    def same_function(self, one: str, other: str) -> bool:
        """Whether a function of the left is one of the right; both may be unknown."""
        if one in self.functions:
            return self.functions[one] == other
        known = one in self.left.meta.graph.functions or other in self.right.meta.graph.functions
        return one == other and not known

    def same_tensor(self, one: Tensor, other: Tensor) -> bool:
        """Whether two tensors are one, seen through what has no counterpart."""
        if self._is(one, other):
            return True
        a = self.left.origin(one, self.to_right.__contains__)
        b = self.right.origin(other, self.to_left.__contains__)
        return self._is(a, b)

    def same_origin(self, one: Tensor, other: Tensor) -> bool:
        """The same, seen through all identities: what is computed is the same."""
        return self._is(self.left.origin(one), self.right.origin(other))

    def _is(self, one: Tensor, other: Tensor) -> bool:
        if one[1] == other[1] and self.to_right.get(one[0], "") == other[0]:
            return True
        argument, their_argument = (
            self.left.arguments.get(one[0]),
            self.right.arguments.get(other[0]),
        )
        if argument is not None and their_argument is not None:
            return argument[1] == their_argument[1] and self.same_function(
                argument[0], their_argument[0]
            )
        if one[1] or other[1]:
            return False
        held = self.left.weight(one[0])
        return (
            held is not None
            and held in self.weights
            and self.weights[held] == self.right.weight(other[0])
        )


_NO_SCOPE = ("", "")


def scope_between(left: str, right: str, renames: Collection[tuple[str, str]]) -> tuple[str, str]:
    """The innermost of ``renames`` that makes ``right`` of ``left``; two empty ones for none."""
    if not renames:
        return _NO_SCOPE
    ours, theirs = left.split("/"), right.split("/")
    same = 0
    for a, b in zip(reversed(ours), reversed(theirs), strict=False):
        if a != b:
            break
        same += 1
    # The more of the tail belongs to the scope, the further in it is.
    for tail in range(1, same + 1):
        pair = "/".join(ours[: len(ours) - tail]), "/".join(theirs[: len(theirs) - tail])
        if pair in renames:
            return pair
    return _NO_SCOPE


def _follows(pair: tuple[str, str], outer: tuple[str, str]) -> bool:
    """Whether the rename ``outer``, of a scope further out, says all that ``pair`` says."""
    if pair == outer:
        return False
    ours, theirs = (_below(item, scope) for item, scope in zip(pair, outer, strict=True))
    return ours is not None and ours == theirs


def _below(name: str, scope: str) -> str | None:
    """What of ``name`` lies below ``scope``; None where it does not lie there."""
    if not scope:
        return name
    return name[len(scope) + 1 :] if name.startswith(f"{scope}/") else None


def weight_name(side: Side, name: str) -> str:
    """What a weight is called apart from its node: a resource's shared name."""
    node = side.nodes[name]
    shared = node.attrs.get("shared_name") if node.op in VARIABLE_OPS else None
    if isinstance(shared, bytes) and shared:
        return shared.decode("utf-8", "replace")
    return side.local(name)
