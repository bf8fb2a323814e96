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
        DataSource(number=number, node=wiring.nodes[number], kind=kind)
        for number, kind in source_kinds(wiring).items()
        if kind != "computed"
        and graph.by_name.get(wiring.nodes[number].name) is wiring.nodes[number]
    ]
    if any(source.kind != "default" for source in found):
        return found
    return found + [
        DataSource(number=number, node=node, kind="constant")
        for number, node in enumerate(wiring.nodes)
        if _is_fed_constant(number, wiring)
    ]


def source_kinds(wiring: Wiring) -> dict[int, str]:
    """Node number -> kind, for each node that data may enter by. Linear.

    A placeholder with a default is ``computed`` where its default comes from another placeholder,
    ``feeder`` where it comes from a pipeline, ``default`` where it is a constant.
    """
    kinds: dict[int, str] = {}
    defaulted = []
    for number in wiring.of_ops({*words.PLACEHOLDERS, *words.FEEDERS, words.DEFAULTED}):
        op = wiring.nodes[number].op
        if op in words.PLACEHOLDERS:
            kinds[number] = "placeholder"
        elif op in words.FEEDERS:
            kinds[number] = "feeder"
        else:
            kinds[number] = "default"
            defaulted.append(number)
    if not defaulted:
        return kinds
    from_pipeline = wiring.forward([n for n, kind in kinds.items() if kind == "feeder"])
    from_data = wiring.forward([n for n, kind in kinds.items() if kind != "feeder"])
    for number in defaulted:
        producers = {producer for producer, _ in wiring.inputs[number]} - {number}
        if producers & from_data:
            kinds[number] = "computed"
        elif producers & from_pipeline:
            kinds[number] = "feeder"
    return kinds


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
    shapes = _shapes(node, "output_shapes")
    if not shapes and node.data_refs:
        queue = graph.by_name.get(node.data_refs[0].node)
        shapes = _shapes(queue, "shapes") if queue is not None else []
        if "Many" in node.op or "UpTo" in node.op:
            shapes = [_batched(shape) for shape in shapes]
    declared = _shapes(node, "_output_shapes")
    specs = []
    for port, dtype in enumerate(types):
        shape = UNKNOWN_SHAPE
        for given in (declared, shapes):
            if port < len(given):
                shape = given[port]
                break
        specs.append((dtype if isinstance(dtype, DType) else DType(0), shape))
    return specs


def _shapes(node: Node, attr: str) -> list[Shape]:
    """A list of shapes from an attribute, empty where it holds anything else."""
    value = node.attrs.get(attr)
    if not isinstance(value, list) or not all(isinstance(item, Shape) for item in value):
        return []
    return value


def _batched(shape: Shape) -> Shape:
    return Shape((None, *shape.dims)) if shape.dims is not None else shape
