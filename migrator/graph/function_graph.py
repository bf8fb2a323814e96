"""A function's body as a graph of its own, whose inputs are written as those of a graph are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from migrator.errors import UnsupportedFormat
from migrator.graph.cut import PLACEHOLDER_OP
from migrator.graph.free_names import FreeNames
from migrator.model.graph import Function, Graph, Node, index_nodes
from migrator.model.tensors import TensorRef, TensorSpec
from migrator.ops.registry import output_ports

_RESULT_OP = "Identity"


def function_graph(graph: Graph, function: Function, *, exact: bool = False) -> Graph:
    """The body with placeholders for its arguments and identities for its results.

    An identity is called as the result is, where no node of the body is called so. A tensor's
    place among all outputs of its node is told by the op; of an op that nothing is known of, what
    counts in one argument is taken to count in all, or, where it has to be ``exact``,
    UnsupportedFormat is raised. Linear.
    """
    arguments = {spec.tensor for spec in function.inputs}
    inside = {node.name: node for node in reversed(function.nodes)}
    ports: dict[str, Mapping[str, tuple[int, int]] | None] = {}

    def flat(text: str) -> str:
        if text[:1] == "^":
            return text
        ref = TensorRef.parse(text)
        if not ref.arg or ref.node in arguments or ref.node not in inside:
            return text
        if ref.node not in ports:
            ports[ref.node] = output_ports(inside[ref.node])
        known = ports[ref.node]
        if known is None or ref.arg not in known:
            if exact:
                raise UnsupportedFormat(
                    f"output {ascii(ref.arg)[:100]} of node {ascii(ref.node)[:200]} "
                    f"({ascii(inside[ref.node].op)[:100]}) cannot be told by its number",
                    where=f"function {ascii(function.name)[:200]}",
                )
            return f"{ref.node}:{ref.port}"
        port = known[ref.arg][0] + ref.port
        return f"{ref.node}:{port}" if port else ref.node

    nodes = [_argument(spec) for spec in function.inputs]
    nodes += [
        replace(node, inputs=tuple([flat(text) for text in node.inputs])) for node in function.nodes
    ]
    names = FreeNames(node.name for node in nodes)
    for spec in function.outputs:
        source = function.returns.get(spec.tensor, "")
        if source:
            name = names.take(spec.tensor, "{}_result_{}")
            nodes.append(Node(name, _RESULT_OP, (flat(source),), "", {"T": spec.dtype}))
    by_name, duplicates = index_nodes(nodes)
    return replace(graph, nodes=tuple(nodes), by_name=by_name, duplicates=duplicates)


def _argument(spec: TensorSpec) -> Node:
    return Node(spec.tensor, PLACEHOLDER_OP, (), "", {"dtype": spec.dtype, "shape": spec.shape})
