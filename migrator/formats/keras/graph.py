"""A Keras model's layers as a graph: a node for each call of a layer.

A layer that is called several times (a shared one) has several nodes: ``name``, ``name/call_1``,
... A model inside the model is a function of the graph's library and a node that calls it: Keras
too treats it as one layer, two calls of it share its weights, and written out in full, models in
models would double with each level.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from migrator.errors import LimitError
from migrator.formats.keras.attrs import layer_attrs
from migrator.formats.keras.config import (
    body_of,
    class_name,
    config_of,
    is_model,
    layer_name,
    layers_of,
)
from migrator.formats.keras.layer_calls import (
    INPUT,
    Body,
    Call,
    Layer,
    call_of,
    computed_type,
    functional_body,
    known_dims,
    sequential_body,
)
from migrator.formats.keras.layer_places import WRAPPED
from migrator.formats.keras.shapes import output_shapes
from migrator.limits import Limits
from migrator.model.checks import graph_warnings
from migrator.model.dtypes import INVALID, DType
from migrator.model.graph import (
    Function,
    FunctionRef,
    Graph,
    Node,
    Versions,
    index_nodes,
)
from migrator.model.model import Signature
from migrator.model.tensors import UNKNOWN_SHAPE, Shape, TensorSpec

_OUTPUT = "output"
"""Name of a layer's result in a function's body."""
_MOST_OUTPUTS = 64
_NO_CLASS = "Layer"
_NO_NAME = "layer"
_LONGEST = 4096
_LAYER_BYTES = 1600
_CALL_BYTES = 1000
_RESULT_BYTES = 200
_ATTRIBUTE_BYTES = 100
"""What a layer, each further call of it, each result of a call that is a model's, and each
attribute take in memory, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerGraph:
    """``declared`` are the model's inputs and outputs by their layers' names."""

    graph: Graph
    declared: Signature
    warnings: tuple[str, ...]


def layer_graph(config: Mapping[str, Any], limits: Limits, where: str) -> LayerGraph | None:
    """The graph of a model's configuration; None where that names no layers (a class of its
    maker's own).

    Raises LimitError past ``limits``.
    """
    if not is_model(config):
        return None
    return _Builder(config, limits, where).graph(config)


class _Builder:
    def __init__(self, config: Mapping[str, Any], limits: Limits, where: str) -> None:
        self._limits = limits
        self._where = where
        self._functions: dict[str, Function] = {}
        self._taken = set(_classes(config))
        self._numbers: dict[str, int] = {}
        self._count = 0
        self._kept = 0

    def graph(self, config: Mapping[str, Any]) -> LayerGraph:
        body = self._body(config, 0, "")
        nodes = list(_nodes(body, in_function=False))
        by_name, duplicates = index_nodes(nodes)
        graph = Graph(
            nodes=nodes,
            functions=self._functions,
            versions=Versions(),
            by_name=by_name,
            duplicates=duplicates,
        )
        known = body.by_name()
        declared = Signature(
            method_name="",
            inputs=_specs(body.inputs, known),
            outputs=_specs(body.outputs, known),
        )
        return LayerGraph(graph=graph, declared=declared, warnings=tuple(graph_warnings(graph)))

    def _body(self, model: Mapping[str, Any], depth: int, above: str) -> Body:
        if depth > self._limits.depth:
            raise LimitError(
                f"has models inside of models deeper than {self._limits.depth:,}",
                where=self._where,
            )
        body = body_of(model)
        configs = layers_of(body)
        layers = [self._layer(item, depth, above) for item in configs]
        if "input_layers" in body:
            made = functional_body(body, layers, configs)
        else:
            made = sequential_body(body, layers, configs)
        for layer in made.layers:
            more = max(len(layer.calls) - 1, 0)
            self._count += more
            self._keep(more * (_CALL_BYTES + _held(layer)))
            function = self._functions.get(layer.op)
            if function is not None:
                self._keep(len(layer.calls) * len(function.outputs) * _RESULT_BYTES)
        self._limits.check("nodes", self._count, where=self._where)
        self._infer(made)
        return made

    def _keep(self, size: int) -> None:
        """Count what is about to be made, before it is."""
        self._kept += size
        self._limits.check("skeleton_bytes", self._kept, where=self._where)

    def _infer(self, body: Body) -> None:
        """Types and shapes of results that no consumer says, in the order of the layers."""
        known = body.by_name()
        for layer in body.layers:
            function = self._functions.get(layer.op)
            dtype = computed_type(layer.config)
            for number, call in enumerate(layer.calls):
                if function is not None:
                    for tensor, spec in enumerate(function.outputs):
                        layer.tell(number, tensor, (spec.dtype, spec.shape))
                    continue
                taken = [known_dims(item, known) for item in call]
                found = output_shapes(layer.config, taken)
                if found is None:
                    layer.tell(number, 0, (dtype, UNKNOWN_SHAPE))
                    continue
                for tensor, dims in enumerate(found):
                    layer.tell(number, tensor, (dtype, Shape(dims)))

    def _layer(self, layer: Mapping[str, Any], depth: int, above: str) -> Layer:
        self._count += 1
        self._limits.check("nodes", self._count, where=self._where)
        name = layer_name(layer) or _NO_NAME
        if len(name) > _LONGEST:
            raise LimitError(f"has a layer's name of {len(name):,} characters", where=self._where)
        attrs = layer_attrs(layer)
        op = class_name(layer) or _NO_CLASS
        if is_model(layer):
            attrs = {"class_name": op.encode("utf-8", "replace"), **attrs}
            op = self._function(layer, depth, f"{above}{name}")
        else:
            for key in WRAPPED:
                inner = config_of(layer).get(key)
                if isinstance(inner, dict) and is_model(inner):
                    called = self._function(inner, depth, f"{above}{name}/{layer_name(inner)}")
                    attrs[key] = FunctionRef(name=called)
        made = Layer(name, op, attrs, layer)
        self._keep(_LAYER_BYTES + _held(made))
        return made

    def _function(self, model: Mapping[str, Any], depth: int, path: str) -> str:
        """Add a model to the library; its name there."""
        body = self._body(model, depth + 1, f"{path}/")
        self._limits.check("functions", len(self._functions) + 1, where=self._where)
        path = path if len(path) <= _LONGEST else f"model/{len(self._functions)}"
        number = self._numbers.get(path, 0)
        name = f"{path}_{number}" if number else path
        while name in self._taken:
            number += 1
            name = f"{path}_{number}"
        self._numbers[path] = number
        self._taken.add(name)
        known = body.by_name()
        inputs = _specs(body.inputs, known)
        outputs = _specs(body.outputs, known)
        arguments = {call.layer for call in body.inputs}
        returns = {
            called: _reference(call, known, arguments)
            for called, call in zip(outputs, body.outputs, strict=True)
        }
        self._functions[name] = Function(
            name=name,
            nodes=list(_nodes(body, in_function=True)),
            inputs=tuple(_argument(called, spec) for called, spec in inputs.items()),
            outputs=tuple(_argument(called, spec) for called, spec in outputs.items()),
            returns=returns,
            control_returns={},
            attrs={},
        )
        return name


def _held(layer: Layer) -> int:
    """Bytes of a node's name, which stands twice, and of its attributes."""
    return 2 * sys.getsizeof(layer.name) + _ATTRIBUTE_BYTES * len(layer.attrs)


def _classes(config: Mapping[str, Any]) -> Iterator[str]:
    """Every class that the configuration names: no function may be called so."""
    stack: list[Any] = [config]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            if isinstance(value.get("class_name"), str):
                yield class_name(value)
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)


def _nodes(body: Body, *, in_function: bool) -> Iterator[Node]:
    known = body.by_name()
    arguments = {call.layer for call in body.inputs} if in_function else frozenset[str]()
    for layer in body.layers:
        if layer.name in arguments and layer.op == INPUT:
            continue
        for number, call in enumerate(layer.calls or [[]]):
            attrs = dict(layer.attrs)
            if number:
                attrs["call"] = number
            shapes = _output_shapes(layer, number)
            if shapes:
                attrs["_output_shapes"] = shapes
            types = _output_types(layer, number)
            if types:
                attrs["_output_types"] = types
            inputs = tuple(_reference(item, known, arguments, in_function) for item in call)
            yield Node(layer.node(number), layer.op, inputs, "", attrs)


def _output_shapes(layer: Layer, call: int) -> list[Shape]:
    found = {tensor: shape for tensor, (_, shape) in layer.specs.get(call, {}).items()}
    if not any(shape.dims is not None for shape in found.values()):
        return []
    if not all(0 <= tensor < _MOST_OUTPUTS for tensor in found):
        return []
    return [found.get(tensor, UNKNOWN_SHAPE) for tensor in range(max(found) + 1)]


def _output_types(layer: Layer, call: int) -> list[DType]:
    found = {tensor: dtype for tensor, (dtype, _) in layer.specs.get(call, {}).items()}
    if not any(found.values()) or not all(0 <= tensor < _MOST_OUTPUTS for tensor in found):
        return []
    return [found.get(tensor, INVALID) for tensor in range(max(found) + 1)]


def _reference(
    item: Call,
    known: Mapping[str, Layer],
    arguments: frozenset[str] | set[str],
    in_function: bool = True,
) -> str:
    """A tensor as a node's input names it."""
    if item.layer in arguments:
        return item.layer
    layer = known.get(item.layer)
    name = layer.node(call_of(item, layer)) if layer is not None else item.layer
    tensor = max(item.tensor, 0)
    return f"{name}:{_OUTPUT}:{tensor}" if in_function else f"{name}:{tensor}"


def _specs(calls: list[Call], known: Mapping[str, Layer]) -> dict[str, TensorSpec]:
    found: dict[str, TensorSpec] = {}
    numbers: dict[str, int] = {}
    for item in calls:
        name, number = item.layer, numbers.get(item.layer, 0)
        while name in found:
            number += 1
            name = f"{item.layer}_{number}"
        numbers[item.layer] = number
        layer = known.get(item.layer)
        dtype, shape = INVALID, UNKNOWN_SHAPE
        if layer is not None:
            known_spec = layer.spec(call_of(item, layer), item.tensor)
            dtype, shape = known_spec or (computed_type(layer.config), shape)
        found[name] = TensorSpec(
            tensor=_reference(item, known, frozenset(), False), dtype=dtype, shape=shape
        )
    return found


def _argument(name: str, spec: TensorSpec) -> TensorSpec:
    return TensorSpec(tensor=name, dtype=spec.dtype, shape=spec.shape)
