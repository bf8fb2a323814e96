"""One node with all that is known of it: what it takes, who takes it, what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from migrator.errors import MigratorError, NoSuchTensor
from migrator.inspection.examples import PARSERS, ExampleParser, parser_of
from migrator.inspection.layer_weights import own_names
from migrator.inspection.suggestions import near_names
from migrator.inspection.tracing import Tracer
from migrator.inspection.tree import OBJECT_SUFFIX
from migrator.inspection.weights import VARIABLE, weights
from migrator.model.brief import brief
from migrator.model.dtypes import INVALID, DType
from migrator.model.graph import AttrValue, Function, Graph, Node, declared_shape
from migrator.model.joined import joins
from migrator.model.model import OTHER_GRAPHS, Model
from migrator.model.tensors import (
    UNKNOWN_SHAPE,
    FileSpan,
    LazyTensor,
    Shape,
    TensorRef,
    TensorSpec,
)
from migrator.ops.registry import output_dtypes, output_ports
from migrator.ops.state import VARIABLE_OPS, variable_name

if TYPE_CHECKING:
    from migrator.shapes.propagate import Shapes

ARGUMENT = "_Arg"
SMALL_VALUE = 1 << 20
"""Bytes up to which a value is read unasked."""
_MOST_OUTPUTS = 1000
_MOST_OWN = 1000

ShapeOf = Callable[[str, str], Shape | None]
"""What shape propagation says of a tensor: of (function or "", ``node:port``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorEnd:
    """A tensor as one node takes or gives it. ``op`` is its producer's, None for a stranger."""

    tensor: str
    op: str | None
    dtype: DType | None
    shape: Shape
    control: bool = False

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """Who takes an output: ``slot`` counts its data inputs, -1 for one that only waits.

    A function's result has the op ``_Retval``.
    """

    node: str
    op: str
    slot: int
    tensor: str

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NodeDetail:
    """One node, or one variable of a file without a graph (its ``op`` is then ``variable``)."""

    name: str
    op: str
    function: str = ""
    """Whose body it is in."""
    meta_graph: int | None = None
    device: str = ""
    attrs: Mapping[str, AttrValue] = field(default_factory=dict)
    inputs: tuple[TensorEnd, ...] = ()
    outputs: tuple[TensorEnd, ...] = ()
    consumers: tuple[Consumer, ...] = ()
    calls: tuple[str, ...] = ()
    """Functions that its attributes mention."""
    value: LazyTensor | None = None
    """What a constant or a variable holds."""
    place: FileSpan | None = None
    """Where the value's bytes lie in one run."""
    array: Any = field(default=None, repr=False)
    """The value as a numpy array; None where it is large and was not asked for."""
    own_weights: Mapping[str, LazyTensor] = field(default_factory=dict)
    """Weights of a layer by name."""
    examples: ExampleParser | None = None
    """The features that it parses, where it parses tf.Examples."""
    trouble: str = ""
    """Why its value cannot be read."""

    __repr__ = brief


def describe_node(
    model: Model,
    name: str,
    *,
    meta_graph: int = 0,
    read_all: bool = False,
    shape_of: ShapeOf | None = None,
) -> NodeDetail:
    """The node ``name`` of one meta graph: ``node``, ``node:0`` or ``function/node``.

    Of a file without a graph the variable of that name. A value is read when it is small, or
    with ``read_all``. Raises NoSuchTensor, with near names, where there is none.
    """
    if model.meta_graphs:
        graph = model.meta_graphs[meta_graph].graph
        found = _find(graph, name)
        if found is None and model.tflite is not None:
            found = _only_joined(graph, name)
        if found is not None:
            function, node = found
            if shape_of is None and model.source.format not in OTHER_GRAPHS:
                shape_of = _propagated(graph)
            detail = _node(model, graph, function, node, shape_of)
            if node.op in PARSERS and model.source.format not in OTHER_GRAPHS:
                detail = replace(detail, examples=parser_of(Tracer(graph), function, node))
            detail = _with_weights(model, detail, node, meta_graph)
            return _with_value(detail, read_all)
    held = _variable_called(model, name, meta_graph)
    if held is not None:
        detail = NodeDetail(name=held[0], op=VARIABLE, value=held[1])
        return _with_value(detail, read_all)
    raise _no_such(model, name, meta_graph)


def _propagated(graph: Graph) -> ShapeOf:
    """Shapes that the graph does not say, worked out when the first is asked for."""
    found: list[Shapes] = []

    def shape_of(function: str, tensor: str) -> Shape:
        if not found:
            from migrator.shapes.propagate import propagate

            found.append(propagate(graph))
        return found[0].shape(tensor, function)

    return shape_of


def _find(graph: Graph, name: str) -> tuple[Function | None, Node] | None:
    """The node, and whose body it is in. A function's argument is a node of op ``_Arg``."""
    for spelled in dict.fromkeys((name, TensorRef.parse(name.removeprefix("^")).node)):
        node = graph.by_name.get(spelled)
        if node is not None:
            return None, node
        end = spelled.find("/")
        while end >= 0:
            function = graph.functions.get(spelled[:end])
            inside = None if function is None else _in_body(function, spelled[end + 1 :])
            if inside is not None:
                return function, inside
            end = spelled.find("/", end + 1)
    return None


def _only_joined(graph: Graph, name: str) -> tuple[None, Node] | None:
    """The one node of the main graph whose name its converter joined of ``name`` and others."""
    held = [node for node in graph.nodes if joins(node.name, name)]
    return (None, held[0]) if len(held) == 1 else None


def _in_body(function: Function, name: str) -> Node | None:
    for node in function.nodes:
        if node.name == name:
            return node
    for spec in function.inputs:
        if spec.tensor == name:
            return Node(name, ARGUMENT, (), "", {"T": spec.dtype} if spec.dtype else {})
    return None


def _node(
    model: Model, graph: Graph, function: Function | None, node: Node, shape_of: ShapeOf | None
) -> NodeDetail:
    body: Sequence[Node] = graph.nodes if function is None else function.nodes
    foreign = model.source.format in OTHER_GRAPHS
    scope = _Scope(graph, function, foreign, shape_of)
    return NodeDetail(
        name=node.name,
        op=node.op,
        function="" if function is None else function.name,
        device=node.device,
        attrs=node.attrs,
        inputs=tuple(map(scope.end, node.inputs)),
        outputs=scope.outputs(node),
        consumers=tuple(chain(_consumers(body, node.name), _results(function, node.name))),
        calls=node.called,
    )


class _Scope:
    """The nodes among which the inputs of a node are looked up."""

    def __init__(
        self, graph: Graph, function: Function | None, foreign: bool, shape_of: ShapeOf | None
    ) -> None:
        self._function = function
        self._foreign = foreign
        self._shape_of = shape_of
        self._nodes: Mapping[str, Node] = graph.by_name
        self._arguments: dict[str, TensorSpec] = {}
        if function is not None:
            self._nodes = {node.name: node for node in reversed(function.nodes)}
            self._arguments = {spec.tensor: spec for spec in function.inputs}

    def end(self, text: str) -> TensorEnd:
        """What the input ``text`` is."""
        ref = TensorRef(text) if text in self._nodes else TensorRef.parse(text)
        node = self._nodes.get(ref.node)
        if node is None:
            argument = self._arguments.get(ref.node)
            return TensorEnd(
                tensor=text,
                op=ARGUMENT if argument is not None else None,
                dtype=(argument.dtype or None) if argument is not None else None,
                shape=argument.shape if argument is not None else UNKNOWN_SHAPE,
                control=ref.control,
            )
        if ref.control:
            return TensorEnd(tensor=text, op=node.op, dtype=None, shape=UNKNOWN_SHAPE, control=True)
        return self._tensor(text, node, self._port(node, ref))

    def outputs(self, node: Node) -> tuple[TensorEnd, ...]:
        if node.op == ARGUMENT and node.name in self._arguments:
            return (self.end(node.name),)
        types = self._types(node)
        if types is None:
            shapes = node.attrs.get("_output_shapes")
            count = len(shapes) if isinstance(shapes, list) else 1
        else:
            count = len(types)
        return tuple(
            self._tensor(f"{node.name}:{port}", node, port)
            for port in range(min(count, _MOST_OUTPUTS))
        )

    def _types(self, node: Node) -> Sequence[DType] | None:
        """Types of a node's outputs; None where they are not known."""
        if not self._foreign:
            return output_dtypes(node)
        said = node.attrs.get("_output_types")
        if not isinstance(said, list):
            return None
        return [item if isinstance(item, DType) else INVALID for item in said]

    def _tensor(self, text: str, node: Node, port: int) -> TensorEnd:
        types = self._types(node)
        shape = declared_shape(node, port)
        if shape is None and self._shape_of is not None:
            name = "" if self._function is None else self._function.name
            shape = self._shape_of(name, f"{node.name}:{port}")
        return TensorEnd(
            tensor=text,
            op=node.op,
            dtype=(types[port] or None) if types is not None and port < len(types) else None,
            shape=shape or UNKNOWN_SHAPE,
        )

    def _port(self, node: Node, ref: TensorRef) -> int:
        """The output that a body's ``node:out_arg:k`` means, counted over all of them."""
        if not ref.arg or self._foreign:
            return ref.port
        ports = output_ports(node)
        return ref.port + (ports.get(ref.arg, (0, 0))[0] if ports else 0)


def _consumers(body: Sequence[Node], name: str) -> Iterator[Consumer]:
    waits, start = f"^{name}", f"{name}:"
    for node in body:
        if not any(text in (name, waits) or text.startswith(start) for text in node.inputs):
            continue
        slot = 0
        for text in node.inputs:
            control = text[:1] == "^"
            if text == waits or (
                not control and (text == name or TensorRef.parse(text).node == name)
            ):
                yield Consumer(
                    node=node.name, op=node.op, slot=-1 if control else slot, tensor=text
                )
            slot += not control


def _results(function: Function | None, name: str) -> Iterator[Consumer]:
    if function is None:
        return
    for result, text in function.returns.items():
        if TensorRef.parse(text).node == name:
            yield Consumer(node=result, op="_Retval", slot=0, tensor=text)
    for result, text in function.control_returns.items():
        if text == name:
            yield Consumer(node=result, op="_Retval", slot=-1, tensor=f"^{text}")


def _with_weights(model: Model, detail: NodeDetail, node: Node, meta_graph: int) -> NodeDetail:
    """With the value of a constant or a variable, or the weights of a layer."""
    detail = replace(detail, meta_graph=meta_graph)
    value = node.attrs.get("value") if node.op == "Const" else None
    if isinstance(value, LazyTensor):
        return replace(detail, value=value)
    if model.variables:
        names = islice(own_names(model, node, detail.function), _MOST_OWN)
        return replace(detail, own_weights={name: model.variables[name] for name in names})
    if node.op not in VARIABLE_OPS:
        return detail
    try:
        values = weights(model, meta_graph=meta_graph)
    except MigratorError as error:
        return replace(detail, trouble=str(error))
    return replace(detail, value=values.get(variable_name(node)))


def _with_value(detail: NodeDetail, read_all: bool) -> NodeDetail:
    value = detail.value
    if value is None:
        return detail
    try:
        detail = replace(detail, place=value.place())
        if read_all or max(value.nbytes, value.stored_bytes) <= SMALL_VALUE:
            detail = replace(detail, array=value.numpy())
    except MigratorError as error:
        return replace(detail, trouble=str(error))
    return detail


def _variable_called(model: Model, name: str, meta_graph: int) -> tuple[str, LazyTensor] | None:
    """A weight of that name: of a file without a graph, or of a TF2 variable's shared name."""
    try:
        held = weights(model, meta_graph=meta_graph)
    except MigratorError:
        return None
    for spelled in dict.fromkeys((name, TensorRef.parse(name).node, f"{name}{OBJECT_SUFFIX}")):
        found = held.find(spelled)
        if found is not None:
            return spelled, found
    return None


def _no_such(model: Model, name: str, meta_graph: int) -> NoSuchTensor:
    names: Iterator[str] = iter(model.variables)
    what = "variable"
    if model.meta_graphs:
        what = "node"
        graph = model.meta_graphs[meta_graph].graph
        bodies = (
            f"{function.name}/{node.name}"
            for function in graph.functions.values()
            for node in function.nodes
        )
        names = chain(graph.by_name, bodies, model.variables)
    near = ", ".join(near_names(names, TensorRef.parse(name).node))
    return NoSuchTensor(
        f"has no {what} {ascii(name)[:300]}",
        where=model.source.path,
        hint=f"did you mean {near}?" if near else "it has none",
    )
