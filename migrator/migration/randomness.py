"""Which outputs a random op can reach: two runs of the same model need not agree on them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from migrator.migration.plan import Endpoint
from migrator.model.graph import Function, FunctionRef, Graph, Node
from migrator.model.tensors import TensorRef
from migrator.ops.registry import op_facts, output_ports

_MARKS = ("Random", "Multinomial", "TruncatedNormal", "Sampler", "SampleDistorted", "Shuffle")
_CALLS = frozenset(("PartitionedCall", "StatefulPartitionedCall"))
_ALL = frozenset((-1,))
"""Stands for every output of a node."""
_MOST_ROUNDS = 16


def is_random(op: str) -> bool:
    """True for an op that draws from a generator of its own (a seed alone does not make it so)."""
    facts = op_facts(op)
    return facts is not None and facts.stateful and any(mark in op for mark in _MARKS)


def random_outputs(graph: Graph, outputs: Iterable[Endpoint]) -> frozenset[str]:
    """Names of the ``outputs`` that depend on a random op, in function bodies too.

    A call passes on randomness by each result of its function; other ops by all their outputs.
    """
    if not any(is_random(op) for op in {node.op for node in graph.all_nodes()}):
        return frozenset()
    returns: dict[str, frozenset[int]] = {}
    for _ in range(_MOST_ROUNDS):  # a round for each depth of calls
        before = dict(returns)
        for name, function in graph.functions.items():
            returns[name] = _random_returns(function, returns, graph.functions)
        if returns == before:
            break
    reached = _reached(graph.nodes, returns, graph.functions)
    return frozenset(
        item.name for item in outputs if _is_reached(TensorRef.parse(item.tensor), reached)
    )


def _random_returns(
    function: Function, returns: Mapping[str, frozenset[int]], functions: Mapping[str, Function]
) -> frozenset[int]:
    reached = _reached(function.nodes, returns, functions)
    by_name = {node.name: node for node in function.nodes}
    found = set()
    for index, spec in enumerate(function.outputs):
        ref = TensorRef.parse(function.returns.get(spec.tensor, ""))
        if _is_reached(_flat(ref, by_name), reached):
            found.add(index)
    return frozenset(found)


def _flat(ref: TensorRef, by_name: Mapping[str, Node]) -> TensorRef:
    """``node:out_arg:k`` of a body as ``node:port``."""
    node = by_name.get(ref.node)
    ports = output_ports(node) if node is not None and ref.arg else None
    start = ports.get(ref.arg, (0, 0))[0] if ports else 0
    return TensorRef(ref.node, start + ref.port)


def _is_reached(ref: TensorRef, reached: Mapping[str, frozenset[int]]) -> bool:
    ports = reached.get(ref.node, frozenset())
    return ref.port in ports or ports == _ALL


def _reached(
    nodes: Sequence[Node],
    returns: Mapping[str, frozenset[int]],
    functions: Collection[str],
) -> dict[str, frozenset[int]]:
    """Node -> its outputs that are random. Linear."""
    by_name = {node.name: node for node in nodes}
    readers: dict[str, list[tuple[Node, TensorRef]]] = {}
    found: dict[str, frozenset[int]] = {}
    for node in nodes:
        own = _own(node, returns, functions)
        if own:
            found[node.name] = own
        for ref in node.data_refs:
            readers.setdefault(ref.node, []).append((node, _flat(ref, by_name)))
    stack = list(found)
    while stack:
        name = stack.pop()
        for node, ref in readers.get(name, ()):
            if found.get(node.name) != _ALL and _is_reached(ref, found):
                found[node.name] = _ALL
                stack.append(node.name)
    return found


def _own(
    node: Node, returns: Mapping[str, frozenset[int]], functions: Collection[str]
) -> frozenset[int]:
    """Outputs of a node that are random although nothing random flows into it."""
    if is_random(node.op):
        return _ALL
    body = node.attrs.get("f") if node.op in _CALLS else None
    if isinstance(body, FunctionRef):
        return returns.get(body.name, frozenset())
    if any(returns.get(name) for name in (*node.called, node.op) if name in functions):
        return _ALL
    return frozenset()
