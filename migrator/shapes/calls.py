"""Facts through the functions that a graph calls.

A body is walked once for each set of facts that it is called with; what is known of a tensor in
it is what is true of all calls. All is bounded: past so many walks nothing is known any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from migrator.formats.tensors import read_shape
from migrator.model.graph import Function, FunctionRef, Graph, Node
from migrator.model.tensors import SCALAR as SCALAR_SHAPE
from migrator.shapes.facts import UNKNOWN, Fact, join, meet, sane
from migrator.shapes.rules import infer
from migrator.shapes.rules.reading import shapes
from migrator.shapes.scopes import Scope, body_scope
from migrator.shapes.walk import NOTHING, Budget, Facts, Walk

_DEEPEST = 32
_MOST_CALLS = 8
_TIMES = 8
_ROUNDS = 6
_JOIN = 8
"""What a joined fact takes of the budget: it is a new one."""
_SCALAR_PLACEHOLDERS = 24
"""The GraphDef version from which on a placeholder's scalar shape is one; before: unknown."""

CALLS = frozenset(("PartitionedCall", "StatefulPartitionedCall"))
WHILE = frozenset(("While", "StatelessWhile"))
IF = frozenset(("If", "StatelessIf"))
CASE = frozenset(("Case", "StatelessCase"))


class Bodies:
    """The functions of ``graph``, walked as they are called."""

    def __init__(self, graph: Graph, *, trusted: bool = True, most: int | None = None) -> None:
        self._graph = graph
        self._functions = graph.functions
        self._trusted = trusted
        self._scopes: dict[str, Scope] = {}
        self._facts: dict[str, list[Facts]] = {}
        self._known: dict[str, dict[tuple[Fact, ...], Facts]] = {}
        self._active: set[str] = set()
        self._open: dict[str, None] = {}
        """Functions that were called with facts that nobody followed."""
        size = sum(len(item.nodes) for item in graph.functions.values())
        self._left = 10_000 + _TIMES * size if most is None else most
        self.budget = Budget(len(graph.nodes) + size)
        self._joined: dict[tuple[int, int], tuple[Facts, Facts, Facts]] = {}
        """Results of two branches, and what is true of both, by the results' identities."""
        self._finished = False
        self.called = CALLS | WHILE | IF | CASE | {"Placeholder"} | graph.functions.keys()
        """Ops that ``call`` knows."""

    def call(self, node: Node, given: Facts) -> Facts:
        """What is known of the outputs of a node that calls a function."""
        op = node.op
        if op == "Placeholder":
            return self._placeholder(node)
        if op in self._functions:
            return self._enter(op, given)
        if op in CALLS:
            return self._enter(_named(node, "f"), given)
        if op in WHILE:
            found = self._while(node, given)
        elif op in IF:
            found = self._branches(
                [_named(node, "then_branch"), _named(node, "else_branch")], given
            )
        else:
            branches = node.attrs.get("branches")
            names = branches if isinstance(branches, list) else []
            found = self._branches(
                [item.name if isinstance(item, FunctionRef) else "" for item in names], given
            )
        return self._declared(node, found)

    def _placeholder(self, node: Node) -> Facts:
        new = self._graph.versions.producer >= _SCALAR_PLACEHOLDERS
        if new and node.attrs.get("shape") == SCALAR_SHAPE:
            return [Fact(())]
        return infer(node, ())

    def _declared(self, node: Node, found: Facts) -> Facts:
        said = shapes(node, "output_shapes")
        if not said or not self._trusted:
            return found
        facts = [*found[: len(said)], *[UNKNOWN] * (len(said) - len(found))]
        both = zip(facts, said, strict=True)
        return [fact._replace(dims=meet(fact.dims, dims)) for fact, dims in both]

    def _while(self, node: Node, given: Facts) -> Facts:
        """What every round keeps: rounds join until nothing changes."""
        body, cond = _named(node, "body"), _named(node, "cond")
        now = list(given)
        for count in range(_ROUNDS):
            after = self._enter(body, now)
            after = [*after[: len(now)], *[UNKNOWN] * (len(now) - len(after))]
            joined = [join(one, two) for one, two in zip(now, after, strict=True)]
            if joined == now:
                self._enter(cond, now)
                return now
            if count >= _ROUNDS // 2:  # what still moves is let go
                joined = [a if a == b else UNKNOWN for a, b in zip(joined, now, strict=True)]
            now = joined
        now = [UNKNOWN] * len(given)
        self._enter(body, now)
        self._enter(cond, now)
        return now

    def _branches(self, names: Sequence[str], given: Facts) -> Facts:
        found = [self._enter(name, given[1:]) for name in names]
        if not found or len({len(facts) for facts in found}) != 1:
            return NOTHING
        now = found[0]
        for other in found[1:]:
            if len(now) != len(other):
                return NOTHING
            now = self._both(now, other)
        return now

    def _both(self, now: Facts, other: Facts) -> Facts:
        """What is true of both; nothing where it was worked out too often."""
        if now is other or not now:
            return now
        key = id(now), id(other)
        if key not in self._joined:
            if not self.budget.take(_JOIN * len(now)):
                return NOTHING
            found = [join(one, two) for one, two in zip(now, other, strict=True)]
            self._joined[key] = now, other, found
        return self._joined[key][2]

    def _enter(self, name: str, given: Facts) -> Facts:
        """Results of a function called with ``given``."""
        function = self._functions.get(name)
        if function is None:
            return NOTHING
        if len(given) != len(function.inputs):
            self._open[name] = None
            return NOTHING
        key = tuple(given)
        seen = self._known.setdefault(name, {})
        if key in seen:
            return seen[key]
        if (
            name in self._active
            or len(self._active) >= _DEEPEST
            or len(seen) >= _MOST_CALLS
            or self._left <= len(function.nodes)
        ):
            self._open[name] = None
            return NOTHING
        seen[key] = found = self._walk(name, function, key)
        return found

    def _walk(self, name: str, function: Function, given: Facts) -> Facts:
        self._left -= len(function.nodes) + 1
        if self._trusted:
            told = _argument_shapes(function)
            given = [
                fact._replace(dims=meet(fact.dims, dims))
                for fact, dims in zip(given, told, strict=True)
            ]
        if name not in self._scopes:
            self._scopes[name] = body_scope(function)
        walk = Walk(self._scopes[name], self.call, self.called, {}, self.budget, self._trusted)
        self._active.add(name)
        try:
            walk.run(given)
        finally:
            self._active.discard(name)
        before = self._facts.get(name)
        self._facts[name] = walk.facts if before is None else _joined(before, walk.facts)
        return walk.results()

    def finish(self) -> None:
        """Walk what was not yet: what nobody calls, and what was called in ways not followed."""
        if self._finished:
            return
        self._finished = True
        for node in self._graph.all_nodes():
            if node.op in self.called:
                continue
            for name in node.called:  # by an op of which we do not know what it gives them
                if name in self._functions:
                    self._open[name] = None
        inner = {
            name
            for function in self._functions.values()
            for node in function.nodes
            for name in (*node.called, node.op)
        }
        for name in self._functions:
            if name not in self._facts and name not in inner:
                self._blind(name)
        done: set[str] = set()
        rest = iter(self._functions)
        while True:
            while self._open:
                name, _ = self._open.popitem()
                if name not in done:
                    done.add(name)
                    self._blind(name)
            left = next((name for name in rest if name not in self._facts), None)
            if left is None:
                return
            self._open[left] = None

    def _blind(self, name: str) -> None:
        function = self._functions.get(name)
        if function is not None:
            self._walk(name, function, (UNKNOWN,) * len(function.inputs))

    def scope(self, name: str) -> Scope | None:
        """The body of a function, None where there is none such."""
        self.finish()
        return self._scopes.get(name)

    def facts(self, name: str) -> list[Facts]:
        """What is known in a body, by node and port, whoever calls it."""
        self.finish()
        return self._facts.get(name, [])


def _named(node: Node, key: str) -> str:
    value = node.attrs.get(key)
    return value.name if isinstance(value, FunctionRef) else ""


def _argument_shapes(function: Function) -> list[tuple[int | None, ...] | None]:
    """What a function says of its arguments' shapes, as its tracing wrote it."""
    said: Mapping[int, object] = getattr(function.definition, "arg_attr", None) or {}
    found = []
    for number in range(len(function.inputs)):
        dims = None
        if number in said:
            attrs = function.definition.arg_attr[number].attr
            if "_output_shapes" in attrs and len(attrs["_output_shapes"].list.shape) == 1:
                dims = sane(read_shape(attrs["_output_shapes"].list.shape[0]).dims)
        found.append(dims)
    return found


def _joined(one: Sequence[Facts], two: Sequence[Facts]) -> list[Facts]:
    return [
        first if first == second else [join(a, b) for a, b in zip(first, second, strict=False)]
        for first, second in zip(one, two, strict=True)
    ]
