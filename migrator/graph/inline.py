"""Calls replaced by the bodies of what they call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from migrator.model.dtypes import DType
from migrator.model.graph import Function, FunctionRef, Graph, Node, index_nodes
from migrator.model.tensors import TensorRef
from migrator.ops.registry import output_ports

CALLS = frozenset(("PartitionedCall", "StatefulPartitionedCall"))
_DEEPEST = 16
_MOST_NODES = 200_000
"""A body may be called from many places, each of which gets its own copy."""


def called_body(node: Node) -> str:
    """Name of the function that a call calls, empty for what is no call."""
    body = node.attrs.get("f") if node.op in CALLS else None
    return body.name if isinstance(body, FunctionRef) else ""


def inline_calls(
    graph: Graph,
    wanted: Callable[[Function], bool],
    *,
    present: Callable[[Node], bool] = lambda _: False,
) -> Graph:
    """The top level of ``graph`` with calls of ``wanted`` functions replaced by their nodes.

    Tensors keep their names: an identity takes the call's. Nodes inside are ``CALL/NAME``, and
    nothing waits for what is ``present`` from the start. Calls are left where a body does not fit,
    or where the graph grew too large. The same object where nothing was replaced.
    """
    chosen = {name: item for name, item in graph.functions.items() if wanted(item)}
    if not chosen:
        return graph
    nodes = list(graph.nodes)
    for _ in range(_DEEPEST):
        level: list[Node] = []
        room = _MOST_NODES - len(nodes)
        for node in nodes:
            function = chosen.get(called_body(node))
            inlined = None
            if function is not None and len(function.nodes) < room:
                inlined = _inlined(node, function, present)
            if inlined is None:
                level.append(node)
            else:
                level += inlined
                room -= len(inlined)
        if len(level) == len(nodes):
            break
        nodes = level
    if len(nodes) == len(graph.nodes):
        return graph
    by_name, duplicates = index_nodes(nodes)
    return replace(graph, nodes=nodes, by_name=by_name, duplicates=duplicates)


def _inlined(call: Node, function: Function, present: Callable[[Node], bool]) -> list[Node] | None:
    """The nodes that take the call's place, the last of them under its name."""
    data = [text for text in call.inputs if text[:1] != "^"]
    waits = [text for text in call.inputs if text[:1] == "^"]
    given = dict(zip((spec.tensor for spec in function.inputs), data, strict=False))
    inside = {node.name: node for node in function.nodes}
    ports: dict[str, Mapping[str, tuple[int, int]]] = {}

    def outside(text: str) -> str | None:
        ref = TensorRef.parse(text)
        if ref.node in given:
            return given[ref.node]
        if ref.node not in inside:
            return None
        if ref.node not in ports:
            ports[ref.node] = output_ports(inside[ref.node]) or {}
        start, count = ports[ref.node].get(ref.arg, (0, 0))
        return f"{call.name}/{ref.node}:{start + ref.port}" if ref.port < count else None

    def awaited(name: str) -> bool:
        return name in inside and not present(inside[name])

    made = []
    for node in function.nodes:
        tensors = [outside(text) for text in node.inputs if text[:1] != "^"]
        known = [text for text in tensors if text is not None]
        if len(known) < len(tensors):
            return None
        before = [
            f"^{call.name}/{text[1:]}"
            for text in node.inputs
            if text[:1] == "^" and awaited(text[1:])
        ]
        made.append(
            replace(node, name=f"{call.name}/{node.name}", inputs=(*known, *before, *waits))
        )
    found = [outside(function.returns.get(item.tensor, "")) for item in function.outputs]
    results = [text for text in found if text is not None]
    if len(results) < len(found):
        return None
    after = [f"^{call.name}/{name}" for name in function.control_returns.values() if awaited(name)]
    types = [item.dtype for item in function.outputs]
    return [*made, _ending(call, results, types, after)]


def _ending(call: Node, results: list[str], types: list[DType], after: list[str]) -> Node:
    inputs = (*results, *after)
    if not results:
        return Node(call.name, "NoOp", inputs, call.device, {})
    if len(results) == 1:
        return Node(call.name, "Identity", inputs, call.device, {"T": types[0]})
    return Node(call.name, "IdentityN", inputs, call.device, {"T": types})
