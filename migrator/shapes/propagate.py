"""Shapes of all tensors of a graph, from what its ops, constants and placeholders say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from migrator.graph.wiring import Wiring
from migrator.model.dtypes import DType
from migrator.model.graph import Graph, Node, declared_shape
from migrator.model.tensors import UNKNOWN_SHAPE, Shape, TensorRef
from migrator.ops.registry import output_dtype
from migrator.shapes.calls import Bodies
from migrator.shapes.facts import UNKNOWN, Fact
from migrator.shapes.scopes import Scope, top_scope
from migrator.shapes.walk import Facts, Walk


class Shapes:
    """What is known of a graph's tensors. A tensor is named as nodes name it: ``n``, ``n:1``.

    ``function`` names the function in whose body it is; there ``n:out_arg:k`` and the names of
    arguments do as well. What no call follows is told from what the function says itself.
    """

    def __init__(self, graph: Graph, top: Scope, facts: Sequence[Facts], bodies: Bodies) -> None:
        self._graph = graph
        self._top = top
        self._facts = facts
        self._bodies = bodies

    def shape(self, tensor: str | TensorRef, function: str = "") -> Shape:
        """The shape of a tensor; unknown also where there is no such tensor."""
        dims = self.fact(tensor, function).dims
        return UNKNOWN_SHAPE if dims is None else Shape(dims)

    def dtype(self, tensor: str | TensorRef, function: str = "") -> DType | None:
        """The type of a tensor, None where it cannot be known."""
        scope, number, port = self._find(tensor, function)
        if scope is None or number < 0:
            return None
        if number >= len(scope.nodes):
            return self._graph.functions[function].inputs[number - len(scope.nodes)].dtype
        node = scope.nodes[number]
        called = self._graph.functions.get(node.op)
        if called is not None:
            return called.outputs[port].dtype if port < len(called.outputs) else None
        return output_dtype(node, port)

    def fact(self, tensor: str | TensorRef, function: str = "") -> Fact:
        """All that is known of a tensor."""
        scope, number, port = self._find(tensor, function)
        if scope is None or number < 0:
            return UNKNOWN
        facts = self._bodies.facts(function) if function else self._facts
        found = facts[number] if number < len(facts) else ()
        return found[port] if 0 <= port < len(found) else UNKNOWN

    def nodes(self, function: str = "") -> Iterator[tuple[Node, list[Fact], Facts]]:
        """Each node that was looked at, with what is known of its inputs by slot and its outputs.

        What is missing of the outputs is unknown.
        """
        scope = self._bodies.scope(function) if function else self._top
        if scope is None:
            return
        facts = self._bodies.facts(function) if function else self._facts
        for number in scope.order:
            given = []
            for producer, port in scope.inputs[number]:
                made = facts[producer] if producer >= 0 else ()
                given.append(made[port] if port < len(made) else UNKNOWN)
            yield scope.nodes[number], given, facts[number]

    def _find(self, tensor: str | TensorRef, function: str) -> tuple[Scope | None, int, int]:
        scope = self._bodies.scope(function) if function else self._top
        if scope is None:
            return None, -1, 0
        number, port = scope.find(tensor)
        return scope, number, port


def propagate(
    graph: Graph,
    feeds: Mapping[str, Shape] | None = None,
    *,
    wiring: Wiring | None = None,
    wanted: Iterable[str] | None = None,
    most: int | None = None,
) -> Shapes:
    """Work out shapes without TensorFlow. Linear; raises nothing of what a graph can hold.

    ``feeds``: shapes of tensors that are given from outside, instead of what the graph says of
    them. ``wanted``: only these tensors and what they need are looked at, of these no more than
    the ``most`` nodes that are nearest (what lies beyond is unknown). Loops are followed until
    nothing changes, calls into the functions' bodies, small integers by value, all of it as far
    as a budget goes that is linear in the graph's size. Reads constants of a few hundred elements
    at most.
    """
    wiring = wiring or Wiring(graph)
    only = None
    if wanted is not None:
        ends = [found[0] for found in map(wiring.tensor, wanted) if found is not None]
        only = _behind(wiring, ends, len(graph.nodes) if most is None else most)
    fed: dict[tuple[int, int], Fact] = {}
    trusted = True
    for name, shape in (feeds or {}).items():
        found = wiring.tensor(name)
        if found is None:
            continue
        fed[found] = Fact(shape.dims)
        said = declared_shape(graph.nodes[found[0]], found[1])
        trusted = trusted and _fits(shape, said)
    top = top_scope(graph, wiring, only)
    bodies = Bodies(graph, trusted=trusted, most=most)
    walk = Walk(top, bodies.call, bodies.called, fed, bodies.budget, trusted)
    walk.run()
    return Shapes(graph, top, walk.facts, bodies)


def _behind(wiring: Wiring, ends: Iterable[int], most: int) -> set[int]:
    """The nodes that ``ends`` take their data from, nearest first, up to so many."""
    order = list(dict.fromkeys(ends))
    seen = set(order)
    for number in order:  # it grows while we walk
        if len(order) >= most:
            break
        for producer, _ in wiring.inputs[number]:
            if producer not in seen:
                seen.add(producer)
                order.append(producer)
    return seen


def _fits(shape: Shape, said: Shape | None) -> bool:
    """Whether a tensor of ``shape`` is what a graph says of it."""
    if said is None or said.dims is None:
        return True
    if shape.dims is None or len(shape.dims) != len(said.dims):
        return False
    pairs = zip(shape.dims, said.dims, strict=True)
    return all(known is None or size == known for size, known in pairs)
