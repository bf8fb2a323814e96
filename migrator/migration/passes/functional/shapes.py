"""Shapes through a graph and the functions that While and If call.

A loop variable starts with the shape that it enters with; what the body gives it back joins that,
and the body is looked at again until nothing changes. So only what every round keeps is told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from migrator.migration.passes.functional.items import Item, Tensor, Unconvertible, in_order
from migrator.migration.passes.functional.library import Library
from migrator.migration.passes.functional.link import (
    Linked,
    link_function,
    link_graph,
    with_nodes,
)
from migrator.migration.passes.functional.shape_rules import infer
from migrator.model.graph import AttrValue, FunctionRef, Graph, Node
from migrator.model.tensors import UNKNOWN_SHAPE, Shape, TensorSpec
from migrator.shapes.facts import UNKNOWN, Dims, Fact, join, meet

_ROUNDS = 4
_DEEPEST = 32
_TIMES = 64
WHILE = frozenset(("While", "StatelessWhile"))
IF = frozenset(("If", "StatelessIf"))

Hook = Callable[[Item, Sequence[Fact]], Sequence[Fact] | None]


class Shapes:
    """Facts of all tensors, by item and port, once ``run`` is done."""

    def __init__(self, top: Linked, bodies: Mapping[str, Linked], hook: Hook | None = None) -> None:
        """``bodies``: linked functions by name. ``hook`` may know more of an item."""
        self.of: dict[Tensor, Fact] = {}
        self._top = top
        self._bodies = bodies
        self._hook = hook
        self._orders: dict[str, list[Item]] = {}
        self._called: dict[str, int] = {}
        scopes = [top, *bodies.values()]
        for scope in scopes:
            for item in scope.items:
                for name in _references(item):
                    self._called[name] = self._called.get(name, 0) + 1
        self._gave_up = False
        self._left = _TIMES * sum(len(scope.items) for scope in scopes) + 10_000

    def run(self) -> None:
        facts = {item: Fact(spec.shape.dims) for item, spec in self._top.sources.items()}
        self._scope(self._top, facts, 0)
        if self._gave_up:  # then some body was last seen under facts that may not hold
            self.of.clear()

    def dims(self, tensor: Tensor) -> tuple[int | None, ...] | None:
        return self.of.get(tensor, UNKNOWN).dims

    def _order(self, scope: Linked) -> list[Item]:
        found = self._orders.get(scope.name)
        if found is None:
            roots = [*(item for item, _ in scope.results), *scope.controls]
            found = self._orders[scope.name] = in_order(roots, scope.name)
        return found

    def _scope(self, scope: Linked, given: Mapping[Item, Fact], depth: int) -> list[Fact]:
        for item in scope.sources:
            self.of[item, 0] = given.get(item, UNKNOWN)
        for item in self._order(scope):
            if item in scope.sources:
                continue
            facts = [self.of.get(tensor, UNKNOWN) for tensor in item.inputs]
            for port, fact in enumerate(self._item(item, facts, depth)):
                self.of[item, port] = fact
        return [self.of.get(tensor, UNKNOWN) for tensor in scope.results]

    def _item(self, item: Item, facts: Sequence[Fact], depth: int) -> Sequence[Fact]:
        self._left -= 1
        if item.op in WHILE:
            return self._while(item, facts, depth)
        if item.op in IF:
            return self._if(item, facts[1:], depth)
        found = None if self._hook is None else self._hook(item, facts)
        return infer(item, facts) if found is None else found

    def _while(self, item: Item, facts: Sequence[Fact], depth: int) -> Sequence[Fact]:
        cond, body = (self._body(item, key) for key in ("cond", "body"))
        now = [Fact(fact.dims) for fact in facts]
        if cond is None or body is None:
            return [UNKNOWN] * len(now)
        blind = [UNKNOWN] * len(now)
        known = self._may_look(item, depth)
        for number in range(_ROUNDS if known else 0):
            after = self._call(body, now, depth)
            joined = [join(one, Fact(other.dims)) for one, other in zip(now, after, strict=True)]
            if joined == now:
                self._call(cond, now, depth)
                return now
            now = joined
            if number == _ROUNDS - 2:  # what still moves is let go
                now = [one if one == two else UNKNOWN for one, two in zip(now, after, strict=True)]
        self._call(body, blind, depth)
        self._call(cond, blind, depth)
        return blind

    def _if(self, item: Item, facts: Sequence[Fact], depth: int) -> Sequence[Fact]:
        bodies = [self._body(item, key) for key in ("then_branch", "else_branch")]
        given = facts if self._may_look(item, depth) else [UNKNOWN] * len(facts)
        found = [self._call(body, given, depth) for body in bodies if body is not None]
        if len(found) < 2 or len(found[0]) != len(found[1]):
            return ()
        return [join(one, two) for one, two in zip(*found, strict=True)]

    def _may_look(self, item: Item, depth: int) -> bool:
        """Whether facts may be handed to what an item calls: only one caller, and work left."""
        alone = all(self._called[name] == 1 for name in _references(item))
        return alone and self._left > 0 and depth < _DEEPEST

    def _call(self, body: Linked, facts: Sequence[Fact], depth: int) -> list[Fact]:
        if self._left <= 0 or depth >= _DEEPEST or len(facts) != len(body.sources):
            self._gave_up = True
            return [UNKNOWN] * len(body.results)
        return self._scope(body, dict(zip(body.sources, facts, strict=True)), depth + 1)

    def _body(self, item: Item, key: str) -> Linked | None:
        value = item.attrs.get(key)
        return self._bodies.get(value.name) if isinstance(value, FunctionRef) else None


def link_called(graph: Graph, library: Library) -> dict[str, Linked]:
    """The bodies that While and If call, from the top level down, as far as they link."""
    found: dict[str, Linked] = {}
    stack: list[Node] = list(graph.nodes)
    while stack:
        node = stack.pop()
        if node.op not in WHILE and node.op not in IF:
            continue
        for name in node.called:
            function = library.functions.get(name)
            if function is None or name in found:
                continue
            try:
                found[name] = link_function(function, library)
            except Unconvertible:
                continue  # its shapes stay unknown
            stack += function.nodes
    return found


def with_output_shapes(
    graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]
) -> Graph:
    """Let each While and If say which shapes it is sure to give. Linear, but for loops in loops."""
    if not any(node.op in WHILE or node.op in IF for node in graph.nodes):
        return graph
    library = Library(graph.functions, ())
    top = link_graph(graph, given, keep)
    bodies = link_called(graph, library)
    shapes = Shapes(top, bodies)
    shapes.run()
    for body in bodies.values():
        function = library.functions[body.name]
        library.functions[body.name] = replace(
            function, nodes=_shaped(function.nodes, body, shapes)
        )
    nodes = _shaped(graph.nodes, top, shapes)
    return with_nodes(graph, nodes, library)


def _shaped(nodes: Sequence[Node], scope: Linked, shapes: Shapes) -> tuple[Node, ...]:
    found: dict[str, AttrValue] = {}
    for item in scope.items:
        if item.op in WHILE or item.op in IF:
            types = item.attrs.get("T" if item.op in WHILE else "Tout")
            if isinstance(types, list):
                said = item.attrs.get("output_shapes")
                if not isinstance(said, list) or len(said) != len(types):
                    said = [UNKNOWN_SHAPE] * len(types)
                found[item.name] = [
                    _either(shapes.dims((item, port)), shape) for port, shape in enumerate(said)
                ]
    return tuple(
        replace(node, attrs={**node.attrs, "output_shapes": found[node.name]})
        if node.name in found and node.attrs.get("_lower_using_switch_merge")
        else node
        for node in nodes
    )


def _either(dims: Dims | None, said: AttrValue) -> Shape:
    """What we know of a shape and what the node said of it before."""
    known = meet(dims, said.dims if isinstance(said, Shape) else None)
    return UNKNOWN_SHAPE if known is None else Shape(known)


def _references(item: Item) -> list[str]:
    return [value.name for value in item.attrs.values() if isinstance(value, FunctionRef)]
