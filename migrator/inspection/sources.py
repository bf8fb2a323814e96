"""Where data can enter a graph."""

from __future__ import annotations

from dataclasses import dataclass

from migrator.graph.wiring import Wiring
from migrator.inspection import vocabulary as words
from migrator.model.dtypes import STRING, DType
from migrator.model.graph import Graph, Node, declared_shape
from migrator.model.tensors import UNKNOWN_SHAPE, LazyTensor, Shape

_FED_CONSTANTS = ("Decode", "Parse", "Example", "ReadFile")
_SHAPE_MEANS_SCALAR = 24
"""GraphDef version from which on an empty Placeholder shape is a scalar and not "unknown"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """A node that data enters by. ``kind``: placeholder, default, computed, feeder, constant."""

    number: int
    node: Node
    kind: str


def find_sources(graph: Graph, wiring: Wiring) -> list[DataSource]:
    """Placeholders, defaults that nothing computes, queue and iterator outputs.

    A placeholder whose default is computed from another is an edge and no source (``computed``
    is left out here). Where there is none at all, a string constant that an image or record
    decoder reads is one: the graphs of 2015 were fed there.
    """
    found = [
        DataSource(number=number, node=node, kind=kind)
        for number, node in enumerate(wiring.nodes)
        if graph.by_name.get(node.name) is node
        and (kind := source_kind(number, wiring)) in ("placeholder", "default", "feeder")
    ]
    if any(source.kind != "default" for source in found):
        return found
    return found + [
        DataSource(number=number, node=node, kind="constant")
        for number, node in enumerate(wiring.nodes)
        if _is_fed_constant(number, wiring)
    ]


def source_kind(number: int, wiring: Wiring) -> str | None:
    """What kind of source a node is, None for the others."""
    node = wiring.nodes[number]
    if node.op in words.PLACEHOLDERS:
        return "placeholder"
    if node.op in words.FEEDERS:
        return "feeder"
    if node.op == words.DEFAULTED:
        return _default_kind(number, wiring)
    return None


def _default_kind(number: int, wiring: Wiring) -> str:
    """A default that is a constant, comes from a pipeline, or is computed from other data."""
    feeders = False
    seen = {number}
    stack = [number]
    while stack:
        item = stack.pop()
        for producer in (*(edge[0] for edge in wiring.inputs[item]), *wiring.controls[item]):
            op = wiring.nodes[producer].op
            if producer != number and (op in words.PLACEHOLDERS or op == words.DEFAULTED):
                return "computed"  # at the first one: chains of defaults stay linear
            feeders = feeders or op in words.FEEDERS
            if producer not in seen:
                seen.add(producer)
                stack.append(producer)
    return "feeder" if feeders else "default"


def _is_fed_constant(number: int, wiring: Wiring) -> bool:
    node = wiring.nodes[number]
    value = node.attrs.get("value")
    if node.op != "Const" or not isinstance(value, LazyTensor) or value.dtype != STRING:
        return False
    return any(
        wiring.nodes[consumer].op.startswith(_FED_CONSTANTS)
        and wiring.inputs[consumer][0][0] == number
        for consumer in wiring.consumers[number]
    )


def placeholder_spec(graph: Graph, node: Node) -> tuple[DType | None, Shape]:
    """Dtype and shape of a placeholder (or a constant) by its own attributes."""
    dtype = node.attrs.get("dtype")
    shape = declared_shape(node) or UNKNOWN_SHAPE
    if (
        node.op in words.PLACEHOLDERS
        and shape.rank == 0
        and graph.versions.producer < _SHAPE_MEANS_SCALAR
        and "_output_shapes" not in node.attrs
    ):
        shape = UNKNOWN_SHAPE
    return (dtype if isinstance(dtype, DType) else None), shape


def feeder_specs(graph: Graph, node: Node) -> list[tuple[DType, Shape]]:
    """Dtype and shape of each output of a queue's or an iterator's dequeue."""
    types = node.attrs.get("component_types") or node.attrs.get("output_types")
    types = types or node.attrs.get("dtypes") or ([node.attrs["T"]] if "T" in node.attrs else [])
    if not isinstance(types, list):
        return []
    shapes = node.attrs.get("output_shapes") or []
    if not shapes and node.data_refs:
        queue = graph.by_name.get(node.data_refs[0].node)
        shapes = (queue.attrs.get("shapes") if queue is not None else None) or []
        many = "Many" in node.op or "UpTo" in node.op
        shapes = [_batched(shape) if many else shape for shape in shapes]
    declared = node.attrs.get("_output_shapes") or []
    specs = []
    for port, dtype in enumerate(types):
        shape = UNKNOWN_SHAPE
        for given in (declared, shapes):
            if port < len(given) and isinstance(given[port], Shape):
                shape = given[port]
                break
        specs.append((dtype if isinstance(dtype, DType) else DType(0), shape))
    return specs


def _batched(shape: Shape) -> Shape:
    return Shape((None, *shape.dims)) if shape.dims is not None else shape
