"""Nodes in an order in which each stands behind its inputs."""

from __future__ import annotations

from collections.abc import Collection

from migrator.model.checks import LOOP_OP
from migrator.model.graph import Graph, Node
from migrator.model.tensors import TensorRef

Tensor = tuple[str, int]
"""An output: the name of its node, and its port."""


def tensor_of(text: str) -> Tensor:
    """A tensor's name, or an input as written, as (node, port); a control edge's port is -1."""
    if ":" not in text:  # as most are written
        return (text[1:], -1) if text[:1] == "^" else (text, 0)
    ref = TensorRef.parse(text)
    return ref.node, ref.port


def all_inputs(node: Node) -> list[Tensor]:
    """Data and control inputs, as ``tensor_of`` gives them."""
    return [tensor_of(text) for text in node.inputs]


def in_order(graph: Graph, given: Collection[Tensor] = frozenset()) -> list[Node]:
    """Every node behind its inputs; ways back of loops apart. Nodes on other cycles are left out.

    Kahn's algorithm, linear. What is ``given`` waits for nobody.
    """
    waiting: dict[str, int] = {}
    readers: dict[str, list[Node]] = {}
    for node in graph.by_name.values():
        count = 0
        for tensor in all_inputs(node):
            producer = graph.by_name.get(tensor[0])
            if producer is None or producer.op in LOOP_OP or tensor in given:
                continue
            readers.setdefault(tensor[0], []).append(node)
            count += 1
        waiting[node.name] = count
    ready = [node for node in graph.by_name.values() if not waiting[node.name]]
    for node in ready:  # it grows while we walk
        for reader in readers.get(node.name, ()):
            waiting[reader.name] -= 1
            if not waiting[reader.name]:
                ready.append(reader)
    return ready
