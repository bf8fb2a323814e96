"""What is exported, and its nodes as every format tells them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from migrator.diffing.changes.attributes import readable
from migrator.graph.elements import Element, element_dtype, element_shape
from migrator.graph.function_graph import function_graph
from migrator.migration.subgraph import called_functions
from migrator.model.graph import AttrValue, Function, Graph, Node
from migrator.model.model import OTHER_GRAPHS, MetaGraph, Model
from migrator.model.tensors import LazyTensor, TensorRef

if TYPE_CHECKING:
    from migrator.shapes.propagate import Shapes

_SMALL = 256
"""Stored bytes of constants whose texts are kept."""
_MOST_TEXTS = 1 << 14


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """One graph of ``model``: ``graph`` of the meta graph ``meta``, or a body called ``function``.

    ``whole`` is false for a part of it. ``metas`` are all that were asked for; most formats show
    one graph.
    """

    model: Model
    meta: MetaGraph
    metas: tuple[MetaGraph, ...]
    graph: Graph | Function
    function: str = ""
    whole: bool = True

    @property
    def functions(self) -> dict[str, Function]:
        """The library; of a body, which names other bodies but holds none, nothing."""
        return {} if isinstance(self.graph, Function) else dict(self.graph.functions)

    def of(self, function: Function) -> Subject:
        return replace(self, graph=function, function=function.name)

    def as_graph(self, *, exact: bool = False) -> Graph:
        """A graph with the functions that it calls; a body becomes one (see ``function_graph``)."""
        if not isinstance(self.graph, Function):
            return self.graph
        made = function_graph(self.meta.graph, self.graph, exact=exact)
        return with_called(made)

    def facts(self) -> dict[str, Any]:
        """What is told of the graph as a whole, by the names that the networkx view has."""
        return {
            "format": self.model.source.format,
            "tags": list(self.meta.tags),
            "producer": self.meta.graph.versions.producer,
            "function": self.function,
        }


def with_called(graph: Graph) -> Graph:
    """``graph`` without the functions that nothing in it calls."""
    called = called_functions(graph, graph.nodes)
    return replace(graph, functions={function.name: function for function in called})


class Row(NamedTuple):
    """One node. ``dtype`` and ``shape`` are those of its first output, None where not known."""

    name: str
    op: str
    device: str
    dtype: str | None
    shape: list[int | None] | None
    attrs: dict[str, Any]
    """Attributes as JSON has them: types by name, small constants by value."""
    calls: tuple[str, ...]


class Rows:
    """What is told of elements, one by one; nothing of them is kept but what constants repeat."""

    __slots__ = ("_function", "_shapes", "_texts")

    def __init__(self, subject: Subject) -> None:
        self._texts: dict[bytes, Any] = {}
        self._function = subject.function
        self._shapes: Shapes | None = None
        if subject.model.source.format not in OTHER_GRAPHS:
            from migrator.shapes.propagate import propagate

            whole = subject.meta.graph if subject.function else subject.graph
            self._shapes = propagate(whole) if isinstance(whole, Graph) else None

    def row(self, item: Element) -> Row:
        """Attributes are decoded now, and forgotten."""
        node = item.node
        if node is not None:
            node = undecoded(node)
            item = Element(item.name, item.op, node)
        dtype, shape = element_dtype(item), element_shape(item)
        if shape.dims is None and self._shapes is not None:
            shape = self._shapes.shape(TensorRef(item.name), self._function)
        name = dtype.name if dtype is not None and dtype.known else None
        if node is None:
            return Row(item.name, item.op, "", name, shape.as_list(), {}, ())
        attrs = {key: self._told(node.attrs[key]) for key in sorted(node.attrs)}
        return Row(item.name, item.op, node.device, name, shape.as_list(), attrs, node.called)

    def _told(self, value: AttrValue) -> Any:
        """Most small constants of a graph are there many times: axes, zeros, ones."""
        if not isinstance(value, LazyTensor) or value.stored_bytes > _SMALL:
            return readable(value)
        content = value.read()
        if content not in self._texts:
            if len(self._texts) >= _MOST_TEXTS:
                self._texts.clear()
            self._texts[content] = readable(value)
        return self._texts[content]


def undecoded(node: Node) -> Node:
    """The node, for a look that the model is not to remember: decoded attributes take memory."""
    fresh = getattr(node.attrs, "fresh", None)
    if fresh is None:
        return node
    return Node(node.name, node.op, node.inputs, node.device, fresh())


def attrs_text(found: Row) -> str:
    """The attributes as a JSON object, empty for none. ASCII only."""
    return compact(found.attrs) if found.attrs else ""


def shape_text(shape: list[int | None] | None) -> str:
    """``[?, 224, 224, 3]``; empty for an unknown rank."""
    if shape is None:
        return ""
    return "[" + ", ".join(["?" if size is None else str(size) for size in shape]) + "]"


def compact(value: Any) -> str:
    """JSON on one line. ASCII only."""
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
