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

_FEW = 8
"""Outputs of a node, and parts of a fact, that cost nothing: all but a few stay below."""

Facts = Sequence[Fact]
Call = Callable[[Node, Facts], Facts]
MERGES = frozenset(("Merge", "RefMerge"))
NOTHING: Facts = ()


class Budget:
    """How much may be kept of all nodes together, by outputs and by parts of facts.

    It is linear in a graph's size. Where it does not suffice, nothing is known.
    """

    __slots__ = ("left",)

    def __init__(self, nodes: int) -> None:
        self.left = 1_000_000 + 16 * nodes

    def take(self, count: int) -> bool:
        """Whether so much may still be made, and then it is."""
        if count > self.left:
            return False
        self.left -= count
        return True

    def kept(self, found: Facts, given: Facts) -> Facts:
        """``found``, or nothing where it holds too much that is not ``given``."""
        many = len(found)
        if many > _FEW and not self.take(many):
            return NOTHING
        old: set[int] | None = None
        for fact in found:
            dims, values, reals, held = fact
            if (
                (dims is None or len(dims) <= _FEW)
                and (values is None or len(values) <= _FEW)
                and reals is None
                and held is None
            ):
                continue
            if old is None:
                old = {id(part) for known in given for part in known}
            count = sum(len(part) for part in fact if part is not None and id(part) not in old)
            if count > _FEW and not self.take(count):
                return NOTHING
        return found


class Walk:
    """One pass through ``scope``. ``fed`` are tensors that are given.

    ``call`` knows what ops in ``called`` give: those that call functions.

    ``trusted``: whether what nodes say of their own outputs holds, which it need not when other
    shapes are fed than the graph was made for.
    """

    __slots__ = ("_budget", "_call", "_called", "_fed", "_first", "_scope", "_trusted", "facts")

    def __init__(
        self,
        scope: Scope,
        call: Call,
        called: Collection[str],
        fed: Mapping[Edge, Fact],
        budget: Budget,
        trusted: bool = True,
    ) -> None:
        self._scope = scope
        self._budget = budget
        self._call = call
        self._called = called
        self._first = True
        self._fed: dict[int, dict[int, Fact]] = {}
        for (number, port), fact in fed.items():
            self._fed.setdefault(number, {})[port] = fact
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
        if op in self._called:  # which many share
            found = self._call(node, given)
        else:
            budget = self._budget
            if op in MERGES:
                made = self._merged(number, given)
            else:
                made = infer(node, given, max(budget.left, _FEW))
            found = budget.kept(made, given)
        if op != "Const" and self._trusted and "_output_shapes" in node.attrs:
            found = self._declared(node, found)
        if number in self._fed:
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
        made = list(found) or [UNKNOWN]
        for port, fact in self._fed[number].items():
            if port < len(made):
                made[port] = fact
        return made

    def _declared(self, node: Node, found: Facts) -> Facts:
        """What is known, and what the node's own attribute says."""
        shapes = node.attrs.get("_output_shapes")
        if not isinstance(shapes, list) or not self._budget.take(max(len(found) - _FEW, 0)):
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
