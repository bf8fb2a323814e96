"""Take out nodes that hand their input on as it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from migrator.graph.order import Tensor, in_order, tensor_of
from migrator.migration.passes.optimize.edges import (
    control_inputs,
    data_inputs,
    is_plain_value,
    names_in,
    redirect,
    tensors_in,
    with_nodes,
)
from migrator.migration.plan import Step
from migrator.model.graph import Graph, Node
from migrator.model.tensors import LazyTensor, TensorSpec

_COPIES = frozenset(("Identity", "StopGradient", "PreventGradient", "Snapshot"))
_MOST_DIMENSIONS = 64


def remove_identities(
    graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]
) -> tuple[Graph, tuple[Step, ...]]:
    """Lead the readers of a copy to what it copies, bit for bit the same.

    Identity, StopGradient, PreventGradient, Snapshot, IdentityN, and a Cast, Reshape or Transpose
    that changes nothing. One that waits for something, that anchors control flow, or that reads a
    reference variable stays. What waits for a copy waits for its source. Linear.
    """
    if graph.duplicates:
        return graph, ()
    kept = names_in(keep)
    outside = tensors_in(given)
    specs = {tensor_of(name): spec for name, spec in given.items()}
    moved: dict[Tensor, Tensor] = {}
    waits: dict[str, str] = {}
    for node in in_order(graph, outside):
        if node.name in kept:
            continue
        sources = data_inputs(node)
        copied = _copied(graph, node, sources, specs)
        if not copied or control_inputs(node):
            continue
        if not all(is_plain_value(graph, source, outside) for source in sources):
            continue
        for port, source in enumerate(copied):
            moved[node.name, port] = moved.get(source, source)
        first = moved[node.name, 0]
        waits[node.name] = "" if first in outside else first[0]
    if not waits:
        return graph, ()
    rest = [node for node in graph.nodes if node.name not in waits]
    step = Step(
        code="remove_identities",
        text="nodes that only hand on their input are taken out",
        count=len(waits),
    )
    return with_nodes(graph, redirect(rest, moved, waits)), (step,)


def _copied(
    graph: Graph, node: Node, sources: list[Tensor], specs: Mapping[Tensor, TensorSpec]
) -> list[Tensor]:
    """By port, the input that comes out unchanged; empty where one may not."""
    if node.op == "IdentityN":
        # Waiting for it is waiting for all of its inputs, which one edge cannot say.
        return sources if len(sources) == 1 else []
    if not sources:
        return []
    if node.op == "Cast":
        same = node.attrs.get("SrcT") is not None and node.attrs["SrcT"] == node.attrs.get("DstT")
    elif node.op == "Reshape" and len(sources) == 2:
        asked = _sizes(graph, sources[1], specs)
        same = asked is not None and _keeps_shape(asked, _dims(graph, sources[0], specs))
    elif node.op == "Transpose" and len(sources) == 2:
        order = _sizes(graph, sources[1], specs)
        same = order is not None and order == list(range(len(order)))
    else:
        same = node.op in _COPIES
    return sources[:1] if same else []


def _sizes(graph: Graph, tensor: Tensor, given: Mapping[Tensor, TensorSpec]) -> list[int] | None:
    """A constant vector of integers."""
    value = _constant(graph, tensor, given)
    if value is None or value.shape.rank != 1 or not value.dtype.is_integer:
        return None
    if value.elements > _MOST_DIMENSIONS:
        return None
    return [int(item) for item in value.numpy()]


def _constant(
    graph: Graph, tensor: Tensor, given: Mapping[Tensor, TensorSpec]
) -> LazyTensor | None:
    node = None if tensor in given else graph.by_name.get(tensor[0])
    if node is None or node.op != "Const" or tensor[1]:
        return None
    value = node.attrs.get("value")
    return value if isinstance(value, LazyTensor) else None


def _dims(
    graph: Graph, tensor: Tensor, given: Mapping[Tensor, TensorSpec]
) -> tuple[int | None, ...] | None:
    """Sizes that are sure: of what is given, of constants, and of what was just reshaped."""
    if tensor in given:
        return given[tensor].shape.dims
    value = _constant(graph, tensor, given)
    if value is not None:
        return value.shape.dims
    node = graph.by_name.get(tensor[0])
    if node is None or node.op != "Reshape" or len(node.data_refs) != 2:
        return None
    asked = _sizes(graph, data_inputs(node)[1], given)
    return None if asked is None else tuple(None if size < 0 else size for size in asked)


def _keeps_shape(asked: list[int], dims: tuple[int | None, ...] | None) -> bool:
    """True where a tensor of sizes ``dims`` reshaped to ``asked`` is as it was."""
    if dims is None or len(asked) != len(dims):
        return False
    free = [size for size in asked if size < 0]
    if len(free) > 1 or (free and 0 in dims):
        return False
    return all(size < 0 or size == dim for size, dim in zip(asked, dims, strict=True))
