"""Whether two programs compute the same: both walked from their results, in step.

Two tensors are the same where what makes them is alike and their inputs are the same; around a
loop that is supposed once and has to hold all the way (the largest bisimulation, after Park). The
answer does not lean on which nodes were paired: it is yes only where the graphs show it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from migrator.diffing.changes.attributes import attribute_changes
from migrator.diffing.changes.nodes import ALIKE_OPS, is_of_version
from migrator.diffing.computation.effects import has_state, order_of, with_effect, writes_state
from migrator.diffing.computation.program import (
    ARGUMENT,
    BODY,
    BRANCH,
    CONDITION,
    HANDED_ON,
    INPUT,
    LOOP,
    LOOP_VALUE,
    OP,
    TABLE,
    WEIGHT,
    Head,
    Program,
    TooLarge,
)
from migrator.diffing.side import Tensor
from migrator.model.graph import Node
from migrator.model.tensors import LazyTensor

Pair = tuple[Head, Head]
Place = tuple[int, str]
"""A node in a frame."""
_TUNING = frozenset(("parallel_iterations", "swap_memory"))
"""Attributes that say how fast, or what is known, and not what is computed."""
_PER_NODE = 8
"""Pairs a node that are looked at: a body may run in many places."""
_AT_LEAST = 10_000
_MOST_STATEFUL = 1_000


class Equivalence:
    """``same_input``, ``same_weight`` and ``same_table`` tell of two heads of these kinds whether
    they are one. Where ``is_ordered``, state has to be touched in the same order.
    """

    def __init__(
        self,
        left: Program,
        right: Program,
        *,
        same_input: Callable[[Head, Head], bool],
        same_weight: Callable[[Head, Head], bool],
        same_table: Callable[[Head, Head], bool],
        look_at_attributes: bool = True,
        is_ordered: bool = False,
    ) -> None:
        self._left = left
        self._right = right
        self._same_input = same_input
        self._same_weight = same_weight
        self._same_table = same_table
        self._is_ordered = is_ordered
        self._look_at_attributes = look_at_attributes
        self._seen: set[Pair] = set()
        self._stack: list[Pair] = []
        self._once: tuple[dict[object, object], dict[object, object]] = ({}, {})
        self._stateful: dict[Place, Place] = {}
        nodes = len(left.side.nodes) + len(right.side.nodes)
        self._most = _AT_LEAST + _PER_NODE * nodes

    def holds(self, tensors: Iterable[tuple[Tensor, Tensor]]) -> bool:
        """Whether these tensors of both top levels are the same, pair by pair."""
        tensors = list(tensors)
        try:
            for one, other in tensors:
                self._push(0, one, 0, other)
            if not (self._all() and self._effects(tensors) and self._all()):
                return False
            return not self._is_ordered or self._same_order()
        except TooLarge:
            return False

    def pairs(self) -> list[Pair]:
        """What was found to be the same on the way, where it held."""
        return sorted(self._seen)

    def _push(self, frame: int, one: Tensor, other_frame: int, other: Tensor) -> None:
        self._push_node(self._left.head(frame, one), self._right.head(other_frame, other))

    def _push_node(self, one: Head, other: Head) -> None:
        pair = one, other
        if pair not in self._seen:
            if len(self._seen) > self._most:
                raise TooLarge
            self._seen.add(pair)
            self._stack.append(pair)

    def _all(self) -> bool:
        while self._stack:
            if not self._pair(*self._stack.pop()):
                return False
        return True

    def _pair(self, one: Head, other: Head) -> bool:
        """Whether two heads are alike; what has to hold as well is put on the stack."""
        if one.kind != other.kind:
            return False
        if one.kind == OP:
            return one.port == other.port and self._same_op(one, other)
        if one.kind == WEIGHT:
            return self._is_one_variable(one, other) and self._same_weight(one, other)
        if one.kind == TABLE:
            return self._one_to_one((TABLE, one), (TABLE, other)) and self._same_table(one, other)
        if one.kind == INPUT:
            is_one = self._one_to_one((INPUT, one), (INPUT, other))
            return is_one and self._same_input(one, other) and self._same_default(one, other)
        if one.kind in (LOOP, LOOP_VALUE):
            return self._same_loop(one, other)
        if one.kind == CONDITION:
            return self._same_condition(one, other)
        # Arguments of bodies that were opened together.
        return one.kind == ARGUMENT and one.port == other.port and self._is_one(one, other)

    def _is_one(self, one: Head, other: Head) -> bool:
        return self._once[0].get(("frame", one.frame)) == ("frame", other.frame)

    def _one_to_one(self, one: object, other: object) -> bool:
        """Whether neither was found to be something else before."""
        there, here = self._once
        return there.setdefault(one, other) == other and here.setdefault(other, one) == one

    def _is_one_variable(self, one: Head, other: Head) -> bool:
        """Whether two weights are no third one: where state is written, equal values do not make
        one variable of two.
        """
        if not self._is_ordered:
            return True
        homes = self._left.home(one), self._right.home(other)
        if not all(homes):
            return True
        return self._one_to_one((WEIGHT, homes[0]), (WEIGHT, homes[1]))

    def _same_default(self, one: Head, other: Head) -> bool:
        """What two inputs are where nothing is fed. What a plan is given has no such value."""
        if one.frame < 0 or other.frame < 0:
            return True
        ours, theirs = self._left.node(one), self._right.node(other)
        if ours.attrs.get("dtype") != theirs.attrs.get("dtype"):
            return False
        defaults = self._left.inputs(one), self._right.inputs(other)
        if len(defaults[0]) != len(defaults[1]):
            return False
        for a, b in zip(*defaults, strict=True):
            self._push(*a, *b)
        return True

    def _same_op(self, one: Head, other: Head) -> bool:
        left, right = self._left.node(one), self._right.node(other)
        if not same_kind(left, right, look_at_attributes=self._look_at_attributes):
            return False
        if has_state(left) or (self._is_ordered and left.op in HANDED_ON):  # it reads a variable
            self._stateful[one[1:3]] = other[1:3]
            if not self._one_to_one(one[1:3], other[1:3]):
                return False  # two draws of a random op are not one
        if "frame_name" in left.attrs and not self._same_frame(one, other, left, right):
            return False
        if not self._same_bodies(one, other, left, right):
            return False
        ours, theirs = self._left.inputs(one), self._right.inputs(other)
        if len(ours) != len(theirs) and not self._takes_axis(left, right, ours, theirs):
            return False
        for a, b in zip(ours, theirs, strict=False):
            self._push(*a, *b)
        return True

    def _same_frame(self, one: Head, other: Head, left: Node, right: Node) -> bool:
        return self._one_to_one(
            ("loop", one.frame, left.attrs.get("frame_name")),
            ("loop", other.frame, right.attrs.get("frame_name")),
        )

    def _takes_axis(
        self,
        left: Node,
        right: Node,
        ours: list[tuple[int, Tensor]],
        theirs: list[tuple[int, Tensor]],
    ) -> bool:
        """Whether a Gather became one that names its axis, and it is the first."""
        if {left.op, right.op} != {"Gather", "GatherV2"} or {len(ours), len(theirs)} != {2, 3}:
            return False
        side, place = (self._left, ours) if len(ours) == 3 else (self._right, theirs)
        head = side.head(*place[2])
        value = side.node(head).attrs.get("value") if head.name in side.side.nodes else None
        return isinstance(value, LazyTensor) and value.nbytes <= 8 and not value.numpy().any()

    def _same_bodies(self, one: Head, other: Head, left: Node, right: Node) -> bool:
        """Functions that a node runs in a way of its own: alike, whatever they are given."""
        if not self._left.has_functions and not self._right.has_functions:
            return True
        ours, theirs = left.called, right.called
        if len(ours) != len(theirs):
            return False
        for a, b in zip(ours, theirs, strict=True):
            if not self._left.has(a) or not self._right.has(b):
                if a != b or self._left.has(a) or self._right.has(b):
                    return False
                continue
            frames = self._left.opened(one, a), self._right.opened(other, b)
            if not self._one_to_one(("frame", frames[0]), ("frame", frames[1])):
                return False
            if not self._push_results(frames, self._left.results(a), self._right.results(b)):
                return False
        return True

    def _push_results(
        self, frames: tuple[int, int], ours: list[Tensor], theirs: list[Tensor]
    ) -> bool:
        if len(ours) != len(theirs):
            return False
        for a, b in zip(ours, theirs, strict=True):
            self._push(frames[0], a, frames[1], b)
        return True

    def _same_loop(self, one: Head, other: Head) -> bool:
        """One value of a loop: it begins the same, goes on the same, and ends at the same time."""
        ours, theirs = self._left.inputs(one), self._right.inputs(other)
        bodies = self._left.body(one, "body", BODY), self._right.body(other, "body", BODY)
        tests = self._left.body(one, "cond", BODY), self._right.body(other, "cond", BODY)
        if bodies[0] is None or bodies[1] is None or tests[0] is None or tests[1] is None:
            return False
        for heads, place, body in ((one, ours, bodies[0]), (other, theirs, bodies[1])):
            if not 0 <= heads.port < min(len(place), len(body[1])):
                return False
        a, b = one.port, other.port
        self._push(*ours[a], *theirs[b])
        self._push(bodies[0][0], bodies[0][1][a], bodies[1][0], bodies[1][1][b])
        return self._push_results((tests[0][0], tests[1][0]), tests[0][1], tests[1][1])

    def _same_condition(self, one: Head, other: Head) -> bool:
        ours, theirs = self._left.inputs(one), self._right.inputs(other)
        if not ours or not theirs:
            return False
        self._push(*ours[0], *theirs[0])
        for key in ("then_branch", "else_branch"):
            a, b = self._left.body(one, key, BRANCH), self._right.body(other, key, BRANCH)
            if a is None or b is None:
                return False
            if not 0 <= one.port < len(a[1]) or not 0 <= other.port < len(b[1]):
                return False
            self._push(a[0], a[1][one.port], b[0], b[1][other.port])
        return True

    def _effects(self, tensors: list[tuple[Tensor, Tensor]]) -> bool:
        """Whether what is done beside computing is the same."""
        ours = with_effect(self._left.side, (one[0] for one, _ in tensors))
        theirs = with_effect(self._right.side, (other[0] for _, other in tensors))
        if ours.keys() != theirs.keys():
            return False
        if not self._is_ordered and any(map(writes_state, ours)):
            return False
        for op, names in ours.items():
            others = theirs[op]
            if len(names) != len(others):
                return False
            for one, other in _by_name(self._left, names, self._right, others):
                if not self._push_effect(one, other):
                    return False
        return True

    def _same_order(self) -> bool:
        """Whether what touches state does so in the same order; only the top level is followed."""
        if len(self._stateful) > _MOST_STATEFUL or any(
            place[0] for pair in self._stateful.items() for place in pair
        ):
            return False
        names = {one[1]: other[1] for one, other in self._stateful.items()}
        ours = order_of(self._left.side, names)
        theirs = order_of(self._right.side, [*names.values()])
        if ours is None or theirs is None:
            return False
        return all(
            {names[item] for item in before} == theirs[names[name]] for name, before in ours.items()
        )

    def _push_effect(self, one: str, other: str) -> bool:
        places = (
            self._left.frames_of(self._left.side.home.get(one, "")),
            self._right.frames_of(self._right.side.home.get(other, "")),
        )
        if not places[0] or len(places[0]) != len(places[1]):
            return False
        for a, b in zip(*places, strict=True):
            self._push_node(Head(OP, a, one, 0), Head(OP, b, other, 0))
        return True


def same_kind(left: Node, right: Node, *, look_at_attributes: bool = True) -> bool:
    """Whether two nodes do the same with the same inputs. Functions that they run are left out."""
    if left is right:
        return True
    if ALIKE_OPS.get(left.op, frozenset((left.op,))) != ALIKE_OPS.get(
        right.op, frozenset((right.op,))
    ):
        return False
    if not look_at_attributes:
        return True
    for change in attribute_changes(left, right, lambda one, other: True):
        if change.field.removeprefix("attr ") in _TUNING:
            continue
        if left.op == right.op or not is_of_version(change):
            return False
    return True


def _by_name(
    left: Program, ours: list[str], right: Program, theirs: list[str]
) -> Iterable[tuple[str, str]]:
    """Pairs of equal names within their graphs, then those that remain in their order."""
    there: dict[str, list[str]] = {}
    for name in reversed(theirs):
        there.setdefault(right.side.local(name), []).append(name)
    loose = []
    taken = set()
    for name in ours:
        same = there.get(left.side.local(name))
        if same:
            taken.add(same[-1])
            yield name, same.pop()
        else:
            loose.append(name)
    yield from zip(loose, (name for name in theirs if name not in taken), strict=True)
