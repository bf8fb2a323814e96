"""Ops of a frozen graph in the form that an older TensorFlow knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from migrator.graph.wiring import Wiring
from migrator.migration.plan import Step
from migrator.model.dtypes import FLOAT32, STRING
from migrator.model.graph import Graph, Node, index_nodes
from migrator.ops.older import attributes_in


def for_release(release: str, graph: Graph) -> tuple[Graph, tuple[Step, ...]]:
    """``graph`` with ops that ``release`` lacks rewritten where an older one does the same.

    What has no older form stays. Top level only: functions are inlined where that can be.
    """
    wiring: Wiring | None = None
    nodes: list[Node] = []
    changed: dict[str, str] = {}
    count = 0
    for number, node in enumerate(graph.nodes):
        rule = _RULES.get(node.op)
        if rule is not None and attributes_in(release, node.op) is None:
            wiring = wiring or Wiring(graph)
            ports = _consumed(wiring, number)
            older = rule(node, ports)
            if older is not None and attributes_in(release, older.op) is not None:
                changed[node.op] = older.op
                count += 1
                node = older
        nodes.append(node)
    if not count:
        return graph, ()
    by_name, duplicates = index_nodes(nodes)
    shown = ", ".join(f"{new} for {old}" for old, new in sorted(changed.items()))
    step = Step(code="older_ops", text=f"ops of TensorFlow {release}: {shown}", count=count)
    return replace(graph, nodes=nodes, by_name=by_name, duplicates=duplicates), (step,)


def _consumed(wiring: Wiring, number: int) -> frozenset[int]:
    """The ports of a node that anyone reads."""
    return frozenset(
        port
        for consumer in set(wiring.consumers[number])
        for producer, port in wiring.inputs[consumer]
        if producer == number
    )


def _add(node: Node, ports: frozenset[int]) -> Node | None:
    if node.attrs.get("T") == STRING:
        return None
    return replace(node, op="Add")


def _batch_norm(node: Node, ports: frozenset[int]) -> Node | None:
    """The first three outputs are the same; the others are for gradients."""
    attrs: Mapping[str, object] = node.attrs
    if attrs.get("T") != FLOAT32 or not ports <= {0, 1, 2} or attrs.get("is_training", True):
        return None
    kept = {key: attrs[key] for key in attrs if key not in ("U", "exponential_avg_factor")}
    return replace(node, op="FusedBatchNorm", attrs=kept)


_RULES: Mapping[str, Callable[[Node, frozenset[int]], Node | None]] = {
    "AddV2": _add,
    "FusedBatchNormV3": _batch_norm,
}
