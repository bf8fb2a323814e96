"""What the optimising passes share: inputs of nodes, and leading them elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from migrator.graph.order import Tensor, all_inputs, tensor_of
from migrator.graph.wiring import Wiring
from migrator.inspection.summary import V1_CONTROL_FLOW
from migrator.model.graph import Graph, Node, index_nodes
from migrator.ops.registry import output_dtype

CONTROL_FLOW = V1_CONTROL_FLOW | {"ControlTrigger"}
"""Frames and dead tensors begin and end here: no pass touches these, nor what anchors on them."""


def spelled(tensor: Tensor) -> str:
    """A tensor as a NodeDef writes it."""
    return f"{tensor[0]}:{tensor[1]}" if tensor[1] else tensor[0]


def data_inputs(node: Node) -> list[Tensor]:
    return [tensor_of(text) for text in node.inputs if text[:1] != "^"]


def control_inputs(node: Node) -> list[str]:
    """As written, ``^`` included."""
    return [text for text in node.inputs if text[:1] == "^"]


def names_in(tensors: Iterable[str]) -> frozenset[str]:
    """The nodes that tensors, or control edges, name."""
    return frozenset(tensor_of(text)[0] for text in tensors)


def tensors_in(names: Iterable[str]) -> frozenset[Tensor]:
    return frozenset(map(tensor_of, names))


def with_nodes(graph: Graph, nodes: Sequence[Node]) -> Graph:
    by_name, duplicates = index_nodes(nodes)
    return replace(graph, nodes=tuple(nodes), by_name=by_name, duplicates=duplicates)


def redirect(
    nodes: Iterable[Node], moved: Mapping[Tensor, Tensor], waits: Mapping[str, str]
) -> list[Node]:
    """The nodes with inputs ``moved`` elsewhere.

    ``waits`` says which node to wait for in the place of one that goes; an empty name: for none.
    """
    names = {name for name, _ in moved} | waits.keys()
    found = []
    for node in nodes:
        tensors = all_inputs(node)
        if not any(tensor[0] in names for tensor in tensors):
            found.append(node)
            continue
        controls: dict[str, None] = {}  # each edge once
        data: list[str] = []
        for text, tensor in zip(node.inputs, tensors, strict=True):
            if tensor[1] < 0:
                name = waits.get(tensor[0], tensor[0])
                if name:
                    controls[f"^{name}"] = None
            else:
                target = moved.get(tensor)
                data.append(text if target is None else spelled(target))
        found.append(replace(node, inputs=(*data, *controls)))
    return found


def drop_dead(graph: Graph, given: Collection[str], keep: Collection[str]) -> Graph:
    """Without the nodes that ``keep`` does not need."""
    if graph.duplicates:
        return graph
    cone = Wiring(graph).needed_for(keep, given)
    if len(cone) == len(graph.nodes):
        return graph
    return with_nodes(graph, [graph.nodes[number] for number in sorted(cone)])


def is_plain_value(graph: Graph, tensor: Tensor, given: Collection[Tensor]) -> bool:
    """True for a tensor that is a value: no reference to a variable, no edge of control flow."""
    if tensor in given:
        return True
    node = graph.by_name.get(tensor[0])
    if node is None or node.op in CONTROL_FLOW:
        return False
    dtype = output_dtype(node, tensor[1])
    return dtype is not None and not dtype.is_ref
