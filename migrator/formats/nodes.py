"""NodeDef, FunctionDef and GraphDef messages to the model's classes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from migrator.formats.skeleton import Spans
from migrator.formats.tensors import lazy_tensor, read_shape
from migrator.limits import Limits
from migrator.model.brief import brief_keys
from migrator.model.dtypes import DType
from migrator.model.graph import (
    AttrPlaceholder,
    AttrValue,
    Function,
    FunctionRef,
    Graph,
    Node,
    Versions,
    index_nodes,
)
from migrator.model.tensors import UNKNOWN_SHAPE, LazyBytes, TensorSpec


class WireAttrs(Mapping[str, AttrValue]):
    """A node's attributes, decoded one by one when they are looked at."""

    __slots__ = ("_cache", "_index", "_limits", "_message", "_where", "spans")

    def __init__(
        self, message: Any, spans: Spans, limits: Limits, where: str, index: int | None = None
    ) -> None:
        self._message = message  # the map field
        self.spans = spans
        self._limits = limits
        self._where = where
        self._index = index
        self._cache: dict[str, AttrValue] | None = None

    def __getitem__(self, key: str) -> AttrValue:
        if self._cache is None:
            self._cache = {}
        elif key in self._cache:
            return self._cache[key]
        if key not in self._message:  # a protobuf map would make the entry
            raise KeyError(key)
        message = self._message[key]
        kind = message.WhichOneof("value")
        value: AttrValue
        if kind == "type":  # the two kinds that large graphs have most of
            value = DType(message.type)
        elif kind == "tensor":
            where = partial(self._place, key)
            value = lazy_tensor(message.tensor, self.spans, self._limits, where=where)
        else:
            value = _attr(message, self.spans, self._limits, self._place(key))
        self._cache[key] = value
        return value

    def fresh(self) -> WireAttrs:
        """The same attributes with nothing decoded yet: for a walk that keeps nothing."""
        return WireAttrs(self._message, self.spans, self._limits, self._where, self._index)

    def _place(self, key: str) -> str:
        owner = self._where if self._index is None else f"{self._where}[{self._index}]"
        return f"{owner}.attr[{key!r}]"

    def get(self, key: str, default: Any = None) -> AttrValue:
        """As of a dict; most look-ups ask for what is not there, which an exception makes slow."""
        return self[key] if key in self._message else default

    def holding(self, kind: str, skip: Collection[str] = ()) -> list[tuple[str, AttrValue]]:
        """Attributes, by name, that hold one of wire kind ``kind`` (``func``, ``s``) or a list of
        them. The others are not decoded; those called as in ``skip`` are not looked at.
        """
        found = []
        for key, message in self._message.items():
            if key in skip:
                continue
            own = message.WhichOneof("value")
            if own == kind or (own == "list" and len(getattr(message.list, kind))):
                found.append(key)
        return [(key, self[key]) for key in sorted(found)]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key in self._message

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._message))

    def __len__(self) -> int:
        return len(self._message)

    def __repr__(self) -> str:
        return brief_keys("WireAttrs", self)


def _attr(message: Any, spans: Spans, limits: Limits, where: str) -> AttrValue:
    kind = message.WhichOneof("value")
    if kind is None:
        return None
    if kind == "list":
        return _list(message.list, spans, limits, where)
    if kind == "s":
        found = spans.find(message.span) if message.span else None
        if found is not None:
            return LazyBytes(size=found.size, read=found.read)
    return _scalar(kind, getattr(message, kind), spans, limits, where)


def _scalar(kind: str, value: Any, spans: Spans, limits: Limits, where: str) -> AttrValue:
    if kind == "type":
        return DType(value)
    if kind == "shape":
        return read_shape(value)
    if kind == "tensor":
        return lazy_tensor(value, spans, limits, where=lambda: where)
    if kind == "func":
        return FunctionRef(name=value.name, attrs=WireAttrs(value.attr, spans, limits, where))
    if kind == "placeholder":
        return AttrPlaceholder(value)
    return value  # s, i, f, b


_LIST_KINDS = ("s", "i", "f", "b", "type", "shape", "tensor", "func")


def _list(message: Any, spans: Spans, limits: Limits, where: str) -> list[AttrValue]:
    for kind in _LIST_KINDS:
        values = getattr(message, kind)
        if len(values):
            return [_scalar(kind, value, spans, limits, where) for value in values]
    return []


def read_nodes(messages: Any, spans: Spans, limits: Limits, *, where: str) -> tuple[Node, ...]:
    """The nodes of a graph or a function body."""
    limits.check("nodes", len(messages), where=spans.source.name)
    interned: dict[str, str] = {}  # a hundred thousand nodes have a few dozen ops
    nodes = []
    for index, message in enumerate(messages):
        op = message.op
        attrs = WireAttrs(message.attr, spans, limits, where, index)
        op = interned.setdefault(op, op)
        nodes.append(Node(message.name, op, tuple(message.input), message.device, attrs))
    return tuple(nodes)


def read_graph(
    message: Any, spans: Spans, limits: Limits, *, where: str = ""
) -> tuple[Graph, list[str]]:
    """A GraphDef message as a Graph, and warnings about what is odd in it."""
    prefix = f"{where}." if where else ""
    nodes = read_nodes(message.node, spans, limits, where=f"{prefix}node")
    by_name, duplicates = index_nodes(nodes)
    library = message.library
    limits.check("functions", len(library.function), where=spans.source.name)
    gradients = {item.function_name: item.gradient_func for item in library.gradient}
    registered = {
        item.gradient_func: item.registered_op_type for item in library.registered_gradients
    }
    functions: dict[str, Function] = {}
    warnings: list[str] = []
    for index, item in enumerate(library.function):
        function = _function(
            item,
            gradients,
            registered,
            spans,
            limits,
            f"{prefix}library.function[{index}].node_def",
        )
        if function.name in functions:
            warnings.append(f"function {function.name!r} is defined more than once")
        functions.setdefault(function.name, function)
    versions = Versions(
        producer=message.versions.producer or message.version,
        min_consumer=message.versions.min_consumer,
        bad_consumers=tuple(message.versions.bad_consumers),
    )
    graph = Graph(
        nodes=nodes,
        functions=MappingProxyType(functions),
        versions=versions,
        by_name=MappingProxyType(by_name),
        duplicates=duplicates,
    )
    return graph, warnings


def _function(
    message: Any,
    gradients: Mapping[str, str],
    registered: Mapping[str, str],
    spans: Spans,
    limits: Limits,
    where: str,
) -> Function:
    signature = message.signature
    return Function(
        name=signature.name,
        nodes=read_nodes(message.node_def, spans, limits, where=where),
        inputs=tuple(_argument(arg) for arg in signature.input_arg),
        outputs=tuple(_argument(arg) for arg in signature.output_arg),
        returns=MappingProxyType(dict(message.ret)),
        control_returns=MappingProxyType(dict(message.control_ret)),
        attrs=WireAttrs(message.attr, spans, limits, where),
        definition=message,
        gradient=gradients.get(signature.name, ""),
        gradient_of_op=registered.get(signature.name, ""),
    )


def _argument(message: Any) -> TensorSpec:
    return TensorSpec(tensor=message.name, dtype=DType(message.type), shape=UNKNOWN_SHAPE)
