"""One side as what it computes: every tensor followed to the node that makes it.

Calls, branches and loops are frames: a body that is called twice is there twice. What only hands
on (identities, reads of weights, values that a loop does not change) is seen through.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from migrator.diffing.counterparts import weight_name
from migrator.diffing.side import Side, Tensor
from migrator.graph.inline import called_body
from migrator.model.graph import FunctionRef, Node
from migrator.ops.state import VARIABLE_OPS

OP = "op"
WEIGHT = "weight"
TABLE = "table"
INPUT = "input"
ARGUMENT = "argument"
LOOP_VALUE = "loop value"
LOOP = "loop"
CONDITION = "condition"

CALL = "call"
BRANCH = "branch"
BODY = "body"
OTHER = "other"

LOOPS = frozenset(("While", "StatelessWhile"))
CONDITIONS = frozenset(("If", "StatelessIf"))
_BRANCHES = ("then_branch", "else_branch")
_INPUTS = frozenset(("Placeholder", "PlaceholderV2", "PlaceholderWithDefault"))
HANDED_ON = frozenset(
    ("Identity", "RefIdentity", "StopGradient", "PreventGradient", "Snapshot", "CheckNumerics")
)
_READS = frozenset(("ReadVariableOp", "DisableCopyOnRead"))
_TABLES = ("HashTable", "MutableHashTable", "MutableDenseHashTable", "AnonymousHashTable")
_DEEPEST = 64
_MOST_FRAMES = 20_000
_MOST_STEPS = 100_000


class TooLarge(Exception):
    """Calls in calls are more than are followed."""


class Head(NamedTuple):
    """What makes a tensor. ``frame`` is 0 at the top level."""

    kind: str
    frame: int
    name: str
    port: int


class Frame(NamedTuple):
    """A body where it runs: ``call`` is the node in frame ``parent`` that runs it."""

    parent: int
    call: str
    function: str
    kind: str
    depth: int


NOWHERE = Head("", 0, "", 0)


class Program:
    """A side, with ``given`` tensors of the top level that no node of it makes.

    Where a program ``writes_state``, a variable is not what it was at first: its reads are ops.
    """

    def __init__(self, side: Side, given: Mapping[Tensor, Head], *, writes_state: bool) -> None:
        self.side = side
        self._given = given
        self._writes_state = writes_state
        self._asked_for = frozenset(
            side.tensor("", spec.tensor)[0]
            for item in side.meta.signatures.values()
            for spec in item.inputs.values()
        )
        self.frames = [Frame(-1, "", "", CALL, 0)]
        self._frame_of: dict[tuple[int, str, str], int] = {}
        self._functions = side.meta.graph.functions
        self._heads: dict[tuple[int, str, int], Head] = {}
        self._unchanging: dict[tuple[str, int], bool] = {}

    def node(self, head: Head) -> Node:
        return self.side.nodes[head.name]

    def inputs(self, head: Head) -> list[tuple[int, Tensor]]:
        """The data inputs of a node, each with the frame that it is in."""
        return [(head.frame, item) for item in self.side.inputs(head.name)[0]]

    def body(self, head: Head, key: str, kind: str) -> tuple[int, list[Tensor]] | None:
        """The frame of a function that a node runs by attribute ``key``, and its results."""
        called = self.node(head).attrs.get(key)
        if not isinstance(called, FunctionRef) or called.name not in self._functions:
            return None
        return self._frame(head.frame, head.name, called.name, kind), self.results(called.name)

    def results(self, function: str) -> list[Tensor]:
        item = self._functions[function]
        texts = [item.returns.get(spec.tensor, "") for spec in item.outputs]
        return [self.side.tensor_in(function, text) for text in texts]

    def opened(self, head: Head, function: str) -> int:
        """The frame of a function that a node other than a call, loop or condition runs."""
        return self._frame(head.frame, head.name, function, OTHER)

    @property
    def has_functions(self) -> bool:
        return bool(self._functions)

    def has(self, function: str) -> bool:
        return function in self._functions

    def frames_of(self, function: str) -> list[int]:
        """Where a body was found to run; the top level for no function."""
        if not function:
            return [0]
        return [number for number, item in enumerate(self.frames) if item.function == function]

    def _frame(self, parent: int, call: str, function: str, kind: str) -> int:
        key = parent, call, function
        found = self._frame_of.get(key)
        if found is None:
            depth = self.frames[parent].depth + 1
            if depth > _DEEPEST or len(self.frames) >= _MOST_FRAMES:
                raise TooLarge
            found = self._frame_of[key] = len(self.frames)
            self.frames.append(Frame(parent, call, function, kind, depth))
        return found

    def head(self, frame: int, tensor: Tensor) -> Head:
        """What makes ``tensor``. Raises TooLarge."""
        key = (frame, *tensor)
        found = self._heads.get(key)
        if found is None:
            found = self._heads[key] = self._followed(frame, tensor)
        return found

    def _followed(self, frame: int, tensor: Tensor) -> Head:
        for _ in range(_MOST_STEPS):
            step = self._step(frame, tensor)
            if isinstance(step, Head):
                return step
            frame, tensor = step
        raise TooLarge

    def _step(self, frame: int, tensor: Tensor) -> Head | tuple[int, Tensor]:
        """Where a tensor comes from, or that it is made here."""
        name, port = tensor
        if not frame and tensor in self._given:
            return self._given[tensor]
        node = self.side.nodes.get(name)
        if node is None:
            return self._argument(frame, name)
        function = self._called(node) if self._functions else ""
        if function:
            texts = self.results(function)
            if not 0 <= port < len(texts):
                return NOWHERE
            return self._frame(frame, name, function, CALL), texts[port]
        op = node.op
        if op == "IdentityN" or (op in HANDED_ON and not self._writes_state):
            return self._input(frame, name, port)
        if op in _READS or op in HANDED_ON:
            read = self._input(frame, name, 0)
            held = NOWHERE if isinstance(read, Head) else self.head(*read)
            is_variable = held.kind == WEIGHT and self._is_variable(held)
            if is_variable and self._writes_state:
                return Head(OP, frame, name, port)
            return held if is_variable or op in HANDED_ON else Head(OP, frame, name, port)
        if op == "Const" or op in VARIABLE_OPS:
            return Head(WEIGHT, 0, name, 0)
        if op.startswith(_TABLES) and not frame:
            return Head(TABLE, 0, name, 0)
        if op in _INPUTS and not frame and (not node.inputs or name in self._asked_for):
            return Head(INPUT, 0, name, 0)
        if op in LOOPS:
            if self._is_unchanging(name, port):
                return self._input(frame, name, port)
            return Head(LOOP, frame, name, port)
        return Head(CONDITION if op in CONDITIONS else OP, frame, name, port)

    def _is_variable(self, held: Head) -> bool:
        node = self.side.nodes.get(held.name)
        return held.frame < 0 or (node is not None and node.op in VARIABLE_OPS)

    def home(self, held: Head) -> str:
        """What tells a variable from others, as a session does; empty for a constant."""
        if held.frame < 0:
            return held.name
        return weight_name(self.side, held.name) if self._is_variable(held) else ""

    def _called(self, node: Node) -> str:
        """The function that a call calls, by attribute or, in the oldest form, by its op."""
        name = called_body(node) or node.op
        return name if name in self._functions else ""

    def _input(self, frame: int, name: str, slot: int) -> Head | tuple[int, Tensor]:
        data = self.side.inputs(name)[0]
        return (frame, data[slot]) if 0 <= slot < len(data) else NOWHERE

    def _argument(self, frame: int, name: str) -> Head | tuple[int, Tensor]:
        place = self.side.arguments.get(name)
        here = self.frames[frame]
        if place is None or place[0] != here.function:
            return NOWHERE
        slot = place[1]
        if here.kind == OTHER:
            return Head(ARGUMENT, frame, "", slot)
        if here.kind == BODY and not self._is_unchanging(here.call, slot):
            return Head(LOOP_VALUE, here.parent, here.call, slot)
        return self._input(here.parent, here.call, slot + (here.kind == BRANCH))

    def _is_unchanging(self, loop: str, slot: int) -> bool:
        """Whether a loop hands value ``slot`` on as it got it."""
        key = loop, slot
        if key not in self._unchanging:
            self._unchanging[key] = False  # a loop in its own body says nothing
            self._unchanging[key] = self._hands_on(loop, slot)
        return self._unchanging[key]

    def _hands_on(self, loop: str, slot: int) -> bool:
        body = self.side.nodes[loop].attrs.get("body")
        if not isinstance(body, FunctionRef) or body.name not in self._functions:
            return False
        results = self.results(body.name)
        tensor = results[slot] if 0 <= slot < len(results) else None
        for _ in range(_MOST_STEPS):
            if tensor is None:
                return False
            name, port = tensor
            node = self.side.nodes.get(name)
            if node is None:
                return self.side.arguments.get(name) == (body.name, slot)
            inner = node.op in LOOPS and self._is_unchanging(name, port)
            if node.op not in HANDED_ON and not inner:
                return False
            data = self.side.inputs(name)[0]
            tensor = data[port] if 0 <= port < len(data) else None
        return False
