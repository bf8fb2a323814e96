"""How a Keras configuration wires its layers: which call of which layer takes what.

A Functional model writes the calls down, each generation of Keras in its own way; a Sequential is
a chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, pairwise
from typing import Any, NamedTuple

from migrator.formats.keras.config import (
    CONSTANT,
    config_of,
    dtype_name,
    histories,
    shape_of,
)
from migrator.model.dtypes import FLOAT32, INVALID, DType, dtype_named
from migrator.model.graph import AttrValue
from migrator.model.tensors import UNKNOWN_SHAPE, Shape

INPUT = "InputLayer"
_TENSOR = "__keras_tensor__"


class Call(NamedTuple):
    """One result of one call of a layer."""

    layer: str
    call: int
    tensor: int


class Layer:
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
        self.calls: list[list[Call]] = []
        self.specs: dict[int, dict[int, tuple[DType, Shape]]] = {}

    def tell(self, call: int, tensor: int, spec: tuple[DType, Shape]) -> None:
        """Note what a result is, unless that is known."""
        self.specs.setdefault(call, {}).setdefault(tensor, spec)

    def spec(self, call: int, tensor: int) -> tuple[DType, Shape] | None:
        return self.specs.get(call, {}).get(tensor)

    def node(self, call: int) -> str:
        return self.name if not call else f"{self.name}/call_{call}"


class Body(NamedTuple):
    """One model's layers, wired."""

    layers: list[Layer]
    inputs: list[Call]
    outputs: list[Call]

    def by_name(self) -> dict[str, Layer]:
        found: dict[str, Layer] = {}
        for layer in self.layers:
            found.setdefault(layer.name, layer)
        return found


def functional_body(
    body: Mapping[str, Any], layers: list[Layer], configs: list[dict[str, Any]]
) -> Body:
    """A Functional model: each layer takes what its ``inbound_nodes`` say, call by call."""
    known: dict[str, Layer] = {}
    for layer in layers:
        known.setdefault(layer.name, layer)
    told: list[tuple[Call, Mapping[str, Any]]] = []
    for layer, config in zip(layers, configs, strict=True):
        inbound = config.get("inbound_nodes")
        for call in inbound if isinstance(inbound, list) else ():
            layer.calls.append(list(_inputs_of(call, known, told)))
        if layer.op == INPUT:
            layer.tell(0, 0, _input_spec(config_of(config)))
    made = Body(
        layers=layers,
        inputs=[Call(*item) for item in histories(body.get("input_layers"))],
        outputs=[Call(*item) for item in histories(body.get("output_layers"))],
    )
    _count_calls(made, known)
    for item, said in told:
        _tell(item, said, known)
    return made


def _count_calls(body: Body, known: Mapping[str, Layer]) -> None:
    """Find the number of each layer's first call: of all that are meant, the last one is there."""
    meant: dict[str, tuple[int, int]] = {}
    for item in chain(body.outputs, *(call for layer in body.layers for call in layer.calls)):
        least, most = meant.get(item.layer, (item.call, item.call))
        meant[item.layer] = min(least, item.call), max(most, item.call)
    for name, (least, most) in meant.items():
        layer = known.get(name)
        if layer is not None:
            layer.first = max(0, min(least, most + 1 - len(layer.calls)))


def sequential_body(
    body: Mapping[str, Any], layers: list[Layer], configs: list[dict[str, Any]]
) -> Body:
    """A Sequential: each layer takes what the one before it gives."""
    if not layers:
        return Body(layers=[], inputs=[], outputs=[])
    if layers[0].op != INPUT:  # then Keras makes one, of this name
        config = config_of(configs[0])
        spec = _input_spec(config)
        if spec[1].dims is None:
            shape = shape_of(body.get("build_input_shape"))
            spec = (spec[0], Shape(shape) if shape is not None else spec[1])
        entry = Layer(f"{layers[0].name}_input", INPUT, {}, {})
        entry.tell(0, 0, spec)
        layers = [entry, *layers]
    else:
        layers[0].tell(0, 0, _input_spec(config_of(configs[0])))
    for before, layer in pairwise(layers):
        layer.calls.append([Call(before.name, 0, 0)])
    return Body(
        layers=layers,
        inputs=[Call(layers[0].name, 0, 0)],
        outputs=[Call(layers[-1].name, 0, 0)],
    )


def _input_spec(config: Mapping[str, Any]) -> tuple[DType, Shape]:
    shape = shape_of(config.get("batch_shape", config.get("batch_input_shape")))
    said = config.get("dtype") or config.get("input_dtype")
    return _dtype(_computing(dtype_name(said))), _shape(shape)


def computed_type(layer: Mapping[str, Any]) -> DType:
    """The type that a layer computes in, by its configuration."""
    return _dtype(_computing(dtype_name(config_of(layer).get("dtype"))))


def _computing(policy: str) -> str:
    """The type that a layer of this policy computes in, which may be quantised from another one
    (``int8_from_mixed_bfloat16``).
    """
    return policy.rpartition("_from_")[2].removeprefix("mixed_")


def known_dims(item: Call, known: Mapping[str, Layer]) -> tuple[int | None, ...] | None:
    """The shape of a result as far as it has been told."""
    layer = known.get(item.layer)
    spec = layer.spec(call_of(item, layer), item.tensor) if layer is not None else None
    return spec[1].dims if spec is not None else None


def call_of(item: Call, layer: Layer | None) -> int:
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
    call: Any, known: Mapping[str, Layer], told: list[tuple[Call, Mapping[str, Any]]]
) -> Iterator[Call]:
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
                    item = Call(*found)
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
                yield Call(value[0], value[1], value[2])
                stack.extend(_keywords(item, known) for item in reversed(value[3:]))
            else:
                stack.extend(reversed(value))


def _keywords(value: Any, known: Mapping[str, Layer]) -> list[Any]:
    """The tensors among the keywords of a call of Keras 2."""
    return [list(item) for item in histories(value) if item[0] in known]


def _tell(item: Call, config: Mapping[str, Any], known: Mapping[str, Layer]) -> None:
    """Note the type and shape that a consumer says of a tensor."""
    layer = known.get(item.layer)
    if layer is not None:
        said = dtype_name(config.get("dtype"))
        dtype = _dtype(said) if said else computed_type(layer.config)
        spec = (dtype, _shape(shape_of(config.get("shape"))))
        layer.tell(call_of(item, layer), item.tensor, spec)
