"""The functions that the objects of a TensorFlow 2 SavedModel have, each as its traces.

What ``tf.saved_model.load`` gives back can be called by these names, whether or not the model has
signatures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from migrator.model.graph import Function, declared_shape
from migrator.model.model import MetaGraph, ObjectGraph
from migrator.model.tensors import UNKNOWN_SHAPE, Shape, TensorRef, TensorSpec
from migrator.ops.registry import output_ports

_TRACED = ("function", "bare_concrete_function")
_BY_LOADING = frozenset(("_create_resource", "_destroy_resource", "_initialize", "initializer"))
"""What loading itself calls."""
_MOST_OBJECTS = 100_000
_MOST_TOLD = 1000
_Ends = tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One trace of a function of an object. Names of tensors are those in its body."""

    name: str
    """Where the function is from the root on: ``__call__``, ``encoder.encode``."""
    function: str
    """Its name in the graph's library."""
    inputs: tuple[TensorSpec, ...]
    """What a caller gives; what the objects themselves hold is left out."""
    outputs: tuple[TensorSpec, ...]


def callables(meta: MetaGraph) -> tuple[Call, ...]:
    """The traces that a caller may call, those nearest to the root first; at most 1,000."""
    if meta.object_graph is None:
        return ()
    found: list[Call] = []
    ends: dict[str, _Ends] = {}
    for name, traces in traced_functions(meta.object_graph):
        for trace in traces:
            function = meta.graph.functions.get(trace)
            if function is None:
                continue
            if len(found) == _MOST_TOLD:
                return tuple(found)
            if trace not in ends:
                ends[trace] = _inputs(meta.object_graph, function), _outputs(function)
            inputs, outputs = ends[trace]
            found.append(Call(name=name, function=trace, inputs=inputs, outputs=outputs))
    return tuple(found)


def traced_functions(objects: ObjectGraph) -> Iterator[tuple[str, list[str]]]:
    """(path, names of its traces) of the functions, those nearest to the root first.

    Left out are functions never traced, and what loading calls by itself.
    """
    nodes = objects.message.nodes
    if not nodes:
        return
    seen, layer = {0}, [("", 0)]
    while layer and len(seen) < _MOST_OBJECTS:
        below = []
        for path, number in layer:
            for child in nodes[number].children:
                if not 0 <= child.node_id < len(nodes) or child.node_id in seen:
                    continue
                seen.add(child.node_id)
                name = f"{path}{child.local_name}"
                kind = nodes[child.node_id].WhichOneof("kind")
                if kind not in _TRACED:
                    below.append((f"{name}.", child.node_id))
                elif child.local_name not in _BY_LOADING:
                    traces = _traces(nodes[child.node_id], kind)
                    if traces:
                        yield name, traces
        layer = below


def _traces(item: Any, kind: str) -> list[str]:
    if kind == "function":
        return list(item.function.concrete_functions)
    return [item.bare_concrete_function.concrete_function_name]


def _inputs(objects: ObjectGraph, function: Function) -> tuple[TensorSpec, ...]:
    known = objects.message.concrete_functions
    # A protobuf map would make the entry.
    bound = len(known[function.name].bound_inputs) if function.name in known else 0
    given = function.inputs[: max(len(function.inputs) - bound, 0)]
    shapes = function.attrs.get("_input_shapes")
    inputs = []
    for slot, spec in enumerate(given):
        said = shapes[slot] if isinstance(shapes, list) and slot < len(shapes) else None
        shape = said if isinstance(said, Shape) else spec.shape
        inputs.append(TensorSpec(tensor=spec.tensor, dtype=spec.dtype, shape=shape))
    return tuple(inputs)


def _outputs(function: Function) -> tuple[TensorSpec, ...]:
    nodes = {TensorRef.parse(text).node for text in function.returns.values()}
    by_name = {node.name: node for node in function.nodes if node.name in nodes}
    found = []
    for spec in function.outputs:
        ref = TensorRef.parse(function.returns.get(spec.tensor, ""))
        node = by_name.get(ref.node)
        shape = None
        if node is not None:
            first = (output_ports(node) or {}).get(ref.arg, (0, 0))[0]
            shape = declared_shape(node, first + ref.port)
        found.append(TensorSpec(tensor=spec.tensor, dtype=spec.dtype, shape=shape or UNKNOWN_SHAPE))
    return tuple(found)
