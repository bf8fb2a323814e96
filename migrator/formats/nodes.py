"""NodeDef, FunctionDef and GraphDef messages to the model's classes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from migrator.formats.spans import Spans
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

_MISSING = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where messages were read from and with what limits; one object for all of a graph."""

    spans: Spans
    limits: Limits
    where: str
    """Path of the message, of a list of them without the index."""


class WireAttrs(Mapping[str, AttrValue]):
    """A node's attributes, decoded one by one when they are looked at."""

    __slots__ = ("_cache", "_index", "_origin", "_owner")

    def __init__(self, owner: Any, origin: Origin, index: int | None = None) -> None:
        self._owner = owner  # a message with a map ``attr``: few nodes are asked for theirs
        self._origin = origin
        self._index = index
        self._cache: dict[str, AttrValue] | None = None

    @property
    def spans(self) -> Spans:
        return self._origin.spans

    def __getitem__(self, key: str) -> AttrValue:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def get(self, key: str, default: Any = None) -> AttrValue:
        """As of a dict; most look-ups ask for what is not there, which an exception makes slow."""
        cache = self._cache
        if cache is not None and key in cache:
            return cache[key]
        messages = self._owner.attr
        if key not in messages:  # a protobuf map would make the entry
            return default
        if cache is None:
            cache = self._cache = {}
        value = cache[key] = self._decoded(key, messages[key])
        return value

    def _decoded(self, key: str, message: Any) -> AttrValue:
        kind = message.WhichOneof("value")
        if kind == "type":  # the two kinds that large graphs have most of
            return DType(message.type)
        origin = self._origin
        if kind == "tensor":
            # The tensor keeps no way back to these attributes: a cycle waits for the collector.
            where = partial(_place, origin.where, self._index, key)
            return lazy_tensor(message.tensor, origin.spans, origin.limits, where=where)
        return _attr(message, origin.spans, origin.limits, _place(origin.where, self._index, key))

    def fresh(self) -> WireAttrs:
        """The same attributes with nothing decoded yet: for a walk that keeps nothing."""
        return WireAttrs(self._owner, self._origin, self._index)

    def holding(self, kind: str, skip: Collection[str] = ()) -> list[tuple[str, AttrValue]]:
        """Attributes, by name, that hold one of wire kind ``kind`` (``func``, ``s``) or a list of
        them. The others are not decoded; those called as in ``skip`` are not looked at.
        """
        found = []
        for key, message in self._owner.attr.items():
            if key in skip:
                continue
            own = message.WhichOneof("value")
            if own == kind or (own == "list" and len(getattr(message.list, kind))):
                found.append(key)
        return [(key, self[key]) for key in sorted(found)]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key in self._owner.attr

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._owner.attr))

    def __len__(self) -> int:
        return len(self._owner.attr)

    def __repr__(self) -> str:
        return brief_keys("WireAttrs", self)


def _place(where: str, index: int | None, key: str) -> str:
    owner = where if index is None else f"{where}[{index}]"
    return f"{owner}.attr[{key!r}]"


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
        origin = Origin(spans=spans, limits=limits, where=where)
        return FunctionRef(name=value.name, attrs=WireAttrs(value, origin))
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
    origin = Origin(spans=spans, limits=limits, where=where)
    interned: dict[str, str] = {}  # a hundred thousand nodes have a few dozen ops
    once = interned.setdefault
    nodes = []
    for index, message in enumerate(messages):
        op, device = message.op, message.device
        inputs = tuple(message.input[:])  # a slice is had in one go, a tuple item by item
        attrs = WireAttrs(message, origin, index)
        nodes.append(Node(message.name, once(op, op), inputs, once(device, device), attrs))
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
        attrs=WireAttrs(message, Origin(spans=spans, limits=limits, where=where)),
        definition=message,
        gradient=gradients.get(signature.name, ""),
        gradient_of_op=registered.get(signature.name, ""),
    )


def _argument(message: Any) -> TensorSpec:
    return TensorSpec(tensor=message.name, dtype=DType(message.type), shape=UNKNOWN_SHAPE)
