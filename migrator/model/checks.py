"""What is structurally wrong with a graph that could still be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from migrator.model.graph import Graph, Node
from migrator.model.tensors import TensorRef

_SHOWN = 3
LOOP_OP = ("NextIteration", "RefNextIteration")
"""The only ops whose outputs may lead back: a TensorFlow 1 while loop closes through them."""


def graph_warnings(graph: Graph) -> list[str]:
    """One line each for duplicate names, dangling inputs, cycles, unprintable names."""
    warnings = []
    if graph.duplicates:
        warnings.append(_line(graph.duplicates, "node name", "stands more than once"))
    if not _in_order(graph):
        dangling = tuple(f"{node.name} <- {text}" for node, text in dangling_inputs(graph))
        if dangling:
            warnings.append(_line(dangling, "input", "names no node of the graph"))
        cycle = find_cycle(graph)
        if cycle:
            warnings.append(_line(cycle, "node", "lies on a cycle outside of a while loop"))
    odd = tuple(node.name for node in graph.nodes if not node.name.isprintable())
    if odd:
        warnings.append(_line(odd, "node name", "holds characters that do not print"))
    return warnings


def dangling_inputs(graph: Graph) -> Iterator[tuple[Node, str]]:
    """Each (node, input) whose input names no node."""
    known = graph.by_name
    for node in graph.nodes:
        for text in node.inputs:
            if text not in known and TensorRef.node_in(text) not in known:
                yield node, text


def find_cycle(graph: Graph) -> tuple[str, ...]:
    """Names of nodes that no order can put after their inputs, empty when there are none.

    Kahn's algorithm, edges out of NextIteration left out. Linear.
    """
    if _in_order(graph):
        return ()
    index = {name: number for number, name in enumerate(graph.by_name)}
    nodes = list(graph.by_name.values())
    waiting = [0] * len(nodes)
    consumers: list[list[int]] = [[] for _ in nodes]
    for number, node in enumerate(nodes):
        for text in node.inputs:
            producer = index.get(text)
            if producer is None:
                producer = index.get(TensorRef.node_in(text))
            if producer is not None and nodes[producer].op not in LOOP_OP:
                waiting[number] += 1
                consumers[producer].append(number)
    ready = [number for number, count in enumerate(waiting) if not count]
    while ready:
        for consumer in consumers[ready.pop()]:
            waiting[consumer] -= 1
            if not waiting[consumer]:
                ready.append(consumer)
    return tuple(nodes[number].name for number, count in enumerate(waiting) if count)


def _in_order(graph: Graph) -> bool:
    """True where every node stands behind its inputs, loops' ways back apart, as most writers put
    them: then no input dangles and no cycle is closed."""
    seen: set[str] = set()
    known = graph.by_name
    for node in graph.nodes:
        for text in node.inputs:
            if text in seen:
                continue
            name = text if text in known else TensorRef.node_in(text)
            if name not in seen and (name not in known or known[name].op not in LOOP_OP):
                return False
        seen.add(node.name)
    return True


def _line(found: Iterable[str], what: str, problem: str) -> str:
    names = list(found)
    shown = ", ".join(ascii(name) for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"{len(names):,} {what}{'s' if len(names) > 1 else ''}: {problem}: {shown}{more}"
