"""A graph, or a function's body, with its nodes by number: what shapes are propagated through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from migrator.graph.wiring import Wiring
from migrator.model.checks import LOOP_OP
from migrator.model.graph import Function, Graph, Node
from migrator.model.tensors import TensorRef
from migrator.ops.registry import output_ports

NOWHERE = (-1, 0)
"""An input that no node makes."""

Edge = tuple[int, int]


class Scope:
    """Nodes, their data inputs as (number of the producer, port), and an order to take them in.

    Arguments of a function are numbered after its nodes. ``order`` leaves out nodes on cycles
    that are no loops; ``loops`` are nodes with an input that comes from the round before.
    """

    __slots__ = ("count", "index", "inputs", "loops", "nodes", "order", "results")

    def __init__(
        self,
        nodes: Sequence[Node],
        index: Mapping[str, int],
        inputs: Sequence[Sequence[Edge]],
        count: int,
        results: Sequence[Edge] = (),
        only: set[int] | None = None,
    ) -> None:
        self.nodes = nodes
        self.index = index
        self.inputs = inputs
        self.count = count
        self.results = results
        self.order, self.loops = _ordered(nodes, inputs, only)

    def find(self, tensor: str | TensorRef) -> Edge:
        """The producer and the port of a tensor by name; ``NOWHERE`` where there is none."""
        ref = TensorRef.parse(tensor) if isinstance(tensor, str) else tensor
        number = self.index.get(ref.node)
        if number is None or ref.control:
            return NOWHERE
        if not ref.arg:
            return number, ref.port
        if number >= len(self.nodes):
            return NOWHERE
        start, many = (output_ports(self.nodes[number]) or {}).get(ref.arg, (0, 0))
        return (number, start + ref.port) if ref.port < many else NOWHERE


def top_scope(graph: Graph, wiring: Wiring, only: set[int] | None = None) -> Scope:
    """The top level of ``graph``; of ``only`` these nodes, where they are given."""
    inputs: list[Sequence[Edge]] = list(wiring.inputs)
    for number in range(len(graph.nodes)) if only is None else only:
        texts = graph.nodes[number].inputs
        if len(inputs[number]) + len(wiring.controls[number]) != len(texts):  # some dangle
            inputs[number] = [_found(text, wiring.index) for text in texts if text[:1] != "^"]
    return Scope(graph.nodes, wiring.index, inputs, len(graph.nodes), only=only)


def _found(text: str, index: Mapping[str, int]) -> Edge:
    ref = TensorRef.parse(text)
    return index.get(ref.node, -1), ref.port


def body_scope(function: Function) -> Scope:
    """The body of a function."""
    nodes = function.nodes
    index: dict[str, int] = {}
    for number, node in enumerate(nodes):
        index.setdefault(node.name, number)
    arguments = {spec.tensor: len(nodes) + k for k, spec in enumerate(function.inputs)}
    ports: dict[int, Mapping[str, tuple[int, int]]] = {}

    def edge(text: str) -> Edge:
        number = arguments.get(text)
        if number is not None:
            return number, 0
        ref = TensorRef.parse(text)
        if ref.node in arguments and not ref.arg:
            return arguments[ref.node], 0
        number = index.get(ref.node)
        if number is None:
            return NOWHERE
        if not ref.arg:
            return number, ref.port
        if number not in ports:
            ports[number] = output_ports(nodes[number]) or {}
        start, many = ports[number].get(ref.arg, (0, 0))
        return (number, start + ref.port) if ref.port < many else NOWHERE

    inputs = [[edge(text) for text in node.inputs if text[:1] != "^"] for node in nodes]
    results = [edge(function.returns.get(spec.tensor, "")) for spec in function.outputs]
    found = {**index, **arguments}
    return Scope(nodes, found, inputs, len(nodes) + len(function.inputs), results)


def _ordered(
    nodes: Sequence[Node], inputs: Sequence[Sequence[Edge]], only: set[int] | None
) -> tuple[Sequence[int], list[int]]:
    """Every node behind those that feed it, ways back of loops apart, and where these lead."""
    numbers = range(len(nodes)) if only is None else sorted(only)
    loops = []
    straight = True
    for number in numbers:
        for producer, _ in inputs[number]:
            if producer >= number and producer < len(nodes):
                if nodes[producer].op in LOOP_OP:
                    loops.append(number)
                else:
                    straight = False
                    break
    if straight:  # as most writers put them
        return numbers, list(dict.fromkeys(loops))
    return _sorted(nodes, inputs, numbers)


def _sorted(
    nodes: Sequence[Node], inputs: Sequence[Sequence[Edge]], numbers: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Kahn's algorithm."""
    waiting: dict[int, int] = {}
    readers: dict[int, list[int]] = {}
    loops = []
    for number in numbers:
        count = 0
        for producer, _ in inputs[number]:
            if not 0 <= producer < len(nodes):
                continue
            if nodes[producer].op in LOOP_OP:
                loops.append(number)
                continue
            readers.setdefault(producer, []).append(number)
            count += 1
        waiting[number] = count
    ready = [number for number in numbers if not waiting[number]]
    for number in ready:  # it grows while we walk
        for reader in readers.get(number, ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                ready.append(reader)
    return ready, list(dict.fromkeys(loops))
