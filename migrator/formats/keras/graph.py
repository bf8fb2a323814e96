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
from itertools import chain, pairwise
from typing import Any, NamedTuple

from migrator.errors import LimitError
from migrator.formats.keras.attrs import layer_attrs
from migrator.formats.keras.config import (
    CONSTANT,
    body_of,
    class_name,
    config_of,
    dtype_name,
    histories,
    is_model,
    layer_name,
    layers_of,
    shape_of,
)
from migrator.formats.keras.shapes import output_shapes
from migrator.limits import Limits
from migrator.model.checks import graph_warnings
from migrator.model.dtypes import FLOAT32, INVALID, DType, dtype_named
from migrator.model.graph import (
    AttrValue,
    Function,
    FunctionRef,
    Graph,
    Node,
    Versions,
    index_nodes,
)
from migrator.model.model import Signature
from migrator.model.tensors import UNKNOWN_SHAPE, Shape, TensorSpec

_INPUT = "InputLayer"
_TENSOR = "__keras_tensor__"
_WRAPPED = ("layer", "forward_layer", "backward_layer")
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


class _Call(NamedTuple):
    """One result of one call of a layer."""

    layer: str
    call: int
    tensor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerGraph:
    """``declared`` are the model's inputs and outputs by their layers' names."""

    graph: Graph
    declared: Signature
    warnings: tuple[str, ...]


class _Layer:
    """``specs`` is what is known of its results, by call and tensor.

    ``first`` is the number of its first call: in Keras 2 a model inside of a model has been called
    before, when it was made.
    """

    __slots__ = ("attrs", "calls", "config", "first", "name", "op", "specs")

    def __init__(
        self, name: str, op: str, attrs: dict[str, AttrValue], config: Mapping[str, Any]
    ) -> None:
        self.config = config
        self.first = 0
        self.name = name
        self.op = op
        self.attrs = attrs
        self.calls: list[list[_Call]] = []
        self.specs: dict[int, dict[int, tuple[DType, Shape]]] = {}

    def tell(self, call: int, tensor: int, spec: tuple[DType, Shape]) -> None:
        """Note what a result is, unless that is known."""
        self.specs.setdefault(call, {}).setdefault(tensor, spec)

    def spec(self, call: int, tensor: int) -> tuple[DType, Shape] | None:
        return self.specs.get(call, {}).get(tensor)

    def node(self, call: int) -> str:
        return self.name if not call else f"{self.name}/call_{call}"


class _Body(NamedTuple):
    """One model's layers, wired."""

    layers: list[_Layer]
    inputs: list[_Call]
    outputs: list[_Call]

    def by_name(self) -> dict[str, _Layer]:
        found: dict[str, _Layer] = {}
        for layer in self.layers:
            found.setdefault(layer.name, layer)
        return found


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

    def _body(self, model: Mapping[str, Any], depth: int, above: str) -> _Body:
        if depth > self._limits.depth:
            raise LimitError(
                f"has models inside of models deeper than {self._limits.depth:,}",
                where=self._where,
            )
        body = body_of(model)
        configs = layers_of(body)
        layers = [self._layer(item, depth, above) for item in configs]
        if "input_layers" in body:
            made = _functional(body, layers, configs)
        else:
            made = _chain(body, layers, configs)
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

    def _infer(self, body: _Body) -> None:
        """Types and shapes of results that no consumer says, in the order of the layers."""
        known = body.by_name()
        for layer in body.layers:
            function = self._functions.get(layer.op)
            dtype = _computed(layer.config)
            for number, call in enumerate(layer.calls):
                if function is not None:
                    for tensor, spec in enumerate(function.outputs):
                        layer.tell(number, tensor, (spec.dtype, spec.shape))
                    continue
                taken = [_known_dims(item, known) for item in call]
                found = output_shapes(layer.config, taken)
                if found is None:
                    layer.tell(number, 0, (dtype, UNKNOWN_SHAPE))
                    continue
                for tensor, dims in enumerate(found):
                    layer.tell(number, tensor, (dtype, Shape(dims)))

    def _layer(self, layer: Mapping[str, Any], depth: int, above: str) -> _Layer:
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
            for key in _WRAPPED:
                inner = config_of(layer).get(key)
                if isinstance(inner, dict) and is_model(inner):
                    called = self._function(inner, depth, f"{above}{name}/{layer_name(inner)}")
                    attrs[key] = FunctionRef(name=called)
        made = _Layer(name, op, attrs, layer)
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


def _held(layer: _Layer) -> int:
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


def _functional(
    body: Mapping[str, Any], layers: list[_Layer], configs: list[dict[str, Any]]
) -> _Body:
    known: dict[str, _Layer] = {}
    for layer in layers:
        known.setdefault(layer.name, layer)
    told: list[tuple[_Call, Mapping[str, Any]]] = []
    for layer, config in zip(layers, configs, strict=True):
        inbound = config.get("inbound_nodes")
        for call in inbound if isinstance(inbound, list) else ():
            layer.calls.append(list(_inputs_of(call, known, told)))
        if layer.op == _INPUT:
            layer.tell(0, 0, _input_spec(config_of(config)))
    made = _Body(
        layers=layers,
        inputs=[_Call(*item) for item in histories(body.get("input_layers"))],
        outputs=[_Call(*item) for item in histories(body.get("output_layers"))],
    )
    _count_calls(made, known)
    for item, said in told:
        _tell(item, said, known)
    return made


def _count_calls(body: _Body, known: Mapping[str, _Layer]) -> None:
    """Find the number of each layer's first call: of all that are meant, the last one is there."""
    meant: dict[str, tuple[int, int]] = {}
    for item in chain(body.outputs, *(call for layer in body.layers for call in layer.calls)):
        least, most = meant.get(item.layer, (item.call, item.call))
        meant[item.layer] = min(least, item.call), max(most, item.call)
    for name, (least, most) in meant.items():
        layer = known.get(name)
        if layer is not None:
            layer.first = max(0, min(least, most + 1 - len(layer.calls)))


def _chain(body: Mapping[str, Any], layers: list[_Layer], configs: list[dict[str, Any]]) -> _Body:
    """A Sequential: each layer takes what the one before it gives."""
    if not layers:
        return _Body(layers=[], inputs=[], outputs=[])
    if layers[0].op != _INPUT:  # then Keras makes one, of this name
        config = config_of(configs[0])
        spec = _input_spec(config)
        if spec[1].dims is None:
            shape = shape_of(body.get("build_input_shape"))
            spec = (spec[0], Shape(shape) if shape is not None else spec[1])
        entry = _Layer(f"{layers[0].name}_input", _INPUT, {}, {})
        entry.tell(0, 0, spec)
        layers = [entry, *layers]
    else:
        layers[0].tell(0, 0, _input_spec(config_of(configs[0])))
    for before, layer in pairwise(layers):
        layer.calls.append([_Call(before.name, 0, 0)])
    return _Body(
        layers=layers,
        inputs=[_Call(layers[0].name, 0, 0)],
        outputs=[_Call(layers[-1].name, 0, 0)],
    )


def _input_spec(config: Mapping[str, Any]) -> tuple[DType, Shape]:
    shape = shape_of(config.get("batch_shape", config.get("batch_input_shape")))
    said = config.get("dtype") or config.get("input_dtype")
    return _dtype(_computing(dtype_name(said))), _shape(shape)


def _computed(layer: Mapping[str, Any]) -> DType:
    return _dtype(_computing(dtype_name(config_of(layer).get("dtype"))))


def _computing(policy: str) -> str:
    """The type that a layer of this policy computes in, which may be quantised from another one
    (``int8_from_mixed_bfloat16``).
    """
    return policy.rpartition("_from_")[2].removeprefix("mixed_")


def _known_dims(item: _Call, known: Mapping[str, _Layer]) -> tuple[int | None, ...] | None:
    layer = known.get(item.layer)
    spec = layer.spec(_call_of(item, layer), item.tensor) if layer is not None else None
    return spec[1].dims if spec is not None else None


def _call_of(item: _Call, layer: _Layer | None) -> int:
    """The call that is meant, counted from 0. One that is not there is taken for the first."""
    call = item.call - layer.first if layer is not None else 0
    return call if layer is not None and 0 <= call < len(layer.calls) else 0


def _dtype(name: str) -> DType:
    """INVALID for an unknown one. Early Keras 2 wrote none down: Keras computes in float32."""
    if not name:
        return FLOAT32
    try:
        return dtype_named(name)
    except KeyError:
        return INVALID


def _shape(dims: tuple[int | None, ...] | None) -> Shape:
    return UNKNOWN_SHAPE if dims is None else Shape(dims)


def _inputs_of(
    call: Any, known: Mapping[str, _Layer], told: list[tuple[_Call, Mapping[str, Any]]]
) -> Iterator[_Call]:
    """The tensors that one call of a layer takes, in order; what is said of them goes to ``told``.

    Keras 1 and 2: ``[[name, call, tensor, {keywords}], ...]``, which may be nested or keyed;
    Keras 3: ``{"args": ..., "kwargs": ...}`` with objects of class ``__keras_tensor__``.
    """
    stack: list[Any] = [call]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            if value.get("class_name") == _TENSOR:
                config = config_of(value)
                for found in histories(config.get("keras_history")):
                    item = _Call(*found)
                    told.append((item, config))
                    yield item
            else:
                stack.extend(reversed(list(value.values())))
        elif isinstance(value, list):
            if value[:1] == [CONSTANT]:
                continue
            if (
                len(value) >= 3
                and isinstance(value[0], str)
                and isinstance(value[1], int)
                and isinstance(value[2], int)
            ):
                # A keyword may hold any list; one of a layer's name and two numbers is a tensor.
                yield _Call(value[0], value[1], value[2])
                stack.extend(_keywords(item, known) for item in reversed(value[3:]))
            else:
                stack.extend(reversed(value))


def _keywords(value: Any, known: Mapping[str, _Layer]) -> list[Any]:
    """The tensors among the keywords of a call of Keras 2."""
    return [list(item) for item in histories(value) if item[0] in known]


def _tell(item: _Call, config: Mapping[str, Any], known: Mapping[str, _Layer]) -> None:
    """Note the type and shape that a consumer says of a tensor."""
    layer = known.get(item.layer)
    if layer is not None:
        said = dtype_name(config.get("dtype"))
        dtype = _dtype(said) if said else _computed(layer.config)
        spec = (dtype, _shape(shape_of(config.get("shape"))))
        layer.tell(_call_of(item, layer), item.tensor, spec)


def _nodes(body: _Body, *, in_function: bool) -> Iterator[Node]:
    known = body.by_name()
    arguments = {call.layer for call in body.inputs} if in_function else frozenset[str]()
    for layer in body.layers:
        if layer.name in arguments and layer.op == _INPUT:
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


def _output_shapes(layer: _Layer, call: int) -> list[Shape]:
    found = {tensor: shape for tensor, (_, shape) in layer.specs.get(call, {}).items()}
    if not any(shape.dims is not None for shape in found.values()):
        return []
    if not all(0 <= tensor < _MOST_OUTPUTS for tensor in found):
        return []
    return [found.get(tensor, UNKNOWN_SHAPE) for tensor in range(max(found) + 1)]


def _output_types(layer: _Layer, call: int) -> list[DType]:
    found = {tensor: dtype for tensor, (dtype, _) in layer.specs.get(call, {}).items()}
    if not any(found.values()) or not all(0 <= tensor < _MOST_OUTPUTS for tensor in found):
        return []
    return [found.get(tensor, INVALID) for tensor in range(max(found) + 1)]


def _reference(
    item: _Call,
    known: Mapping[str, _Layer],
    arguments: frozenset[str] | set[str],
    in_function: bool = True,
) -> str:
    """A tensor as a node's input names it."""
    if item.layer in arguments:
        return item.layer
    layer = known.get(item.layer)
    name = layer.node(_call_of(item, layer)) if layer is not None else item.layer
    tensor = max(item.tensor, 0)
    return f"{name}:{_OUTPUT}:{tensor}" if in_function else f"{name}:{tensor}"


def _specs(calls: list[_Call], known: Mapping[str, _Layer]) -> dict[str, TensorSpec]:
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
            known_spec = layer.spec(_call_of(item, layer), item.tensor)
            dtype, shape = known_spec or (_computed(layer.config), shape)
        found[name] = TensorSpec(
            tensor=_reference(item, known, frozenset(), False), dtype=dtype, shape=shape
        )
    return found


def _argument(name: str, spec: TensorSpec) -> TensorSpec:
    return TensorSpec(tensor=name, dtype=spec.dtype, shape=spec.shape)
