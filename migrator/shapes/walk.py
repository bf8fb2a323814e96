"""Facts through one scope, in order; loops until nothing changes any more."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from migrator.model.checks import LOOP_OP
from migrator.model.graph import Node
from migrator.model.tensors import Shape
from migrator.shapes.facts import SCALAR, UNKNOWN, Fact, join, meet, sane
from migrator.shapes.rules import infer
from migrator.shapes.scopes import Edge, Scope

_ROUNDS = 8
_WIDEN = 4
"""From this round on what still moves in a loop is let go whole."""

Facts = Sequence[Fact]
Call = Callable[[Node, Facts], Facts]
MERGES = frozenset(("Merge", "RefMerge"))
NOTHING: Facts = ()


class Walk:
    """One pass through ``scope``. ``fed`` are tensors that are given.

    ``call`` knows what ops in ``called`` give: those that call functions.

    ``trusted``: whether what nodes say of their own outputs holds, which it need not when other
    shapes are fed than the graph was made for.
    """

    __slots__ = ("_call", "_called", "_fed", "_first", "_scope", "_trusted", "facts")

    def __init__(
        self,
        scope: Scope,
        call: Call,
        called: Collection[str],
        fed: Mapping[Edge, Fact],
        trusted: bool = True,
    ) -> None:
        self._scope = scope
        self._call = call
        self._called = called
        self._first = True
        self._fed = fed
        self._trusted = trusted
        self.facts: list[Facts] = [NOTHING] * scope.count
        """By node and port; what is missing is unknown."""

    def run(self, arguments: Facts = ()) -> None:
        facts = self.facts
        start = len(self._scope.nodes)
        for number, fact in enumerate(arguments[: self._scope.count - start]):
            facts[start + number] = (fact,)
        for number in self._scope.order:
            facts[number] = self._one(number)
        self._first = False
        if self._scope.loops:
            self._close()

    def results(self) -> list[Fact]:
        return [self.fact(edge) for edge in self._scope.results]

    def fact(self, edge: Edge) -> Fact:
        number, port = edge
        if number < 0:
            return UNKNOWN
        found = self.facts[number]
        return found[port] if 0 <= port < len(found) else UNKNOWN

    def _one(self, number: int) -> Facts:
        node = self._scope.nodes[number]
        op = node.op
        facts = self.facts
        given = []
        for producer, port in self._scope.inputs[number]:
            made = facts[producer] if producer >= 0 else NOTHING
            given.append(made[port] if port < len(made) else UNKNOWN)
        found: Facts
        if op in MERGES:
            found = self._merged(number, given)
        elif op in self._called:
            found = self._call(node, given)
        else:
            found = infer(node, given)
        if op != "Const" and self._trusted and "_output_shapes" in node.attrs:
            found = _declared(node, found)
        if self._fed:
            found = self._with_fed(number, found)
        return found

    def _merged(self, number: int, given: Facts) -> Facts:
        """What is true of all that may come, the rounds of a loop that were seen included."""
        edges = self._scope.inputs[number]
        found: Fact | None = None
        for (producer, _), fact in zip(edges, given, strict=True):
            if self._first and self._is_way_back(producer):
                continue  # its round has not been walked yet
            found = fact if found is None else join(found, fact)
        old = self.facts[number]
        if old and found is not None:
            found = join(old[0], found)
        return (found or UNKNOWN, SCALAR)

    def _is_way_back(self, producer: int) -> bool:
        nodes = self._scope.nodes
        return 0 <= producer < len(nodes) and nodes[producer].op in LOOP_OP

    def _with_fed(self, number: int, found: Facts) -> Facts:
        ports = [port for port in range(max(len(found), 1)) if (number, port) in self._fed]
        if not ports:
            return found
        made = list(found) or [UNKNOWN]
        for port in ports:
            made[port] = self._fed[number, port]
        return made

    def _close(self) -> None:
        """Walk what changes until it does not: then all is true of every round."""
        scope, facts = self._scope, self.facts
        loops = frozenset(scope.loops)
        for count in range(_ROUNDS + 1):
            last = count == _ROUNDS
            changed = bytearray(scope.count)
            for number in scope.loops:
                new = NOTHING if last else self._one(number)
                if new != facts[number]:
                    facts[number] = NOTHING if count >= _WIDEN else new
                    changed[number] = 1
            if 1 not in changed:
                return
            for number in scope.order:
                if last and number in loops:  # of what is still open nothing is known
                    continue
                if any(changed[edge[0]] for edge in scope.inputs[number] if edge[0] >= 0):
                    new = self._one(number)
                    if new != facts[number]:
                        facts[number] = new
                        changed[number] = 1


def _declared(node: Node, found: Facts) -> Facts:
    """What is known, and what the node's own attribute says."""
    shapes = node.attrs.get("_output_shapes")
    if not isinstance(shapes, list):
        return found
    made = list(found)
    for port, shape in enumerate(shapes):
        dims = sane(shape.dims) if isinstance(shape, Shape) else None
        if port >= len(made):
            made.append(UNKNOWN if dims is None else Fact(dims))
        elif dims is not None:
            fact = made[port]
            both = meet(fact.dims, dims)
            if both != fact.dims:
                made[port] = fact._replace(dims=both)
    return made
