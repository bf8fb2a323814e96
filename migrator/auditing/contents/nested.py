"""Graphs that a model hides in its string constants, as DatasetFromGraph takes them.

An op list of the model misses what such a graph holds. A string counts as one where it reads as
a GraphDef to its last byte, or holds one as its first or second field (a MetaGraphDef, what
RemoteFusedGraphExecute takes), and most of the ops are TensorFlow's. What feeds DatasetFromGraph
counts whatever its ops.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from migrator.auditing.callgraph.calls import holding
from migrator.auditing.strings.text import stored_strings
from migrator.errors import MigratorError
from migrator.formats.graph_def import read as read_graph_def
from migrator.formats.messages import message_class
from migrator.formats.wire import (
    END_GROUP,
    FIXED32,
    FIXED64,
    LENGTH,
    START_GROUP,
    VARINT,
    read_varint,
)
from migrator.limits import Limits
from migrator.model.dtypes import DType
from migrator.model.graph import AttrValue, Graph, Node, index_nodes
from migrator.model.tensors import LazyBytes, LazyTensor, TensorRef
from migrator.ops.registry import op_facts
from migrator.places.source import ByteSource

GRAPH_READERS: Mapping[str, int] = {"DatasetFromGraph": 0}
"""Op -> the operand that it takes a serialised GraphDef from, to run it."""
_LEAST = 6
"""Bytes of a GraphDef of one node with a name and an op, at the very least."""
_PASS_ON = frozenset(
    {"Enter", "ExpandDims", "Identity", "PlaceholderWithDefault", "Reshape", "Squeeze"}
)
_HOPS = 64
_LIMITS = Limits(skeleton_bytes=64 << 20, nodes=1_000_000, functions=20_000)
_FIRST_BYTES = frozenset({0x08, 0x0A, 0x12, 0x18, 0x22, 0x2A})
"""Tags of GraphDef's fields, and SavedModel's first."""
_MOST_TEXTS = 1_000_000
_STRING = 7


@dataclass(slots=True)
class Budget:
    """What may still be read of one model's strings."""

    bytes: int = 64 << 20
    graphs: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nested:
    """A graph in a string of ``node``, or a string that may hold one and was not looked into."""

    node: Node
    attr: str
    graph: Graph | None = None
    reason: str = ""
    """Why it was not looked into, where ``graph`` is None."""
    certain: bool = False
    """It feeds an op that would run it."""


def find_nested(nodes: Sequence[Node], budget: Budget | None = None) -> Iterator[Nested]:
    """Each graph that a string of ``nodes`` holds, and what could not be told. Bounded."""
    budget = budget or Budget()
    fed: frozenset[str] | None = None
    for node in nodes:
        for attr, text in _strings(node):
            size = text.stored_bytes if isinstance(text, LazyTensor) else _size(text)
            if size < _LEAST:
                continue
            if fed is None:
                fed = _feeding(nodes)
            certain = node.name in fed
            if size > budget.bytes or budget.graphs <= 0:
                reason = f"{size:,} bytes are more than is looked into"
                yield Nested(node=node, attr=attr, reason=reason, certain=certain)
                continue
            budget.bytes -= size
            texts = _read(text)
            graphs = _graphs(texts or (), certain=certain)
            for graph in graphs:
                yield Nested(node=node, attr=attr, graph=graph, certain=certain)
            found = len(graphs)
            budget.graphs -= found
            if (certain and texts is None) or ((certain or found) and found < len(texts or ())):
                reason = "holds more than graphs" if found else "does not read as a graph"
                yield Nested(node=node, attr=attr, reason=reason, certain=certain)


def _graphs(texts: Sequence[bytes], *, certain: bool) -> list[Graph]:
    """The graphs among the strings of one constant. Beside one, another may begin as it likes."""
    found = [
        parse_graph(data, certain=certain) if certain or data[0] in _FIRST_BYTES else None
        for data in texts
    ]
    if len(texts) > 1 and not certain and any(found):
        found = [graph or _as_graph(data) for graph, data in zip(found, texts, strict=True)]
    return [graph for graph in found if graph is not None]


def parse_graph(data: bytes, *, certain: bool = False) -> Graph | None:
    """The graph that ``data`` is, or holds as its first or second field; None for none.

    What is run as a graph for ``certain`` is one itself, whatever its fields begin with.
    """
    if certain:
        return _as_graph(data)
    waiting = [data]
    for _ in range(6):  # a SavedModel holds a MetaGraphDef, which holds the graph
        if not waiting:
            break
        candidate = waiting.pop(0)
        fields = _fields(candidate)
        if fields is None:
            continue
        graph = _as_graph(candidate) if _has_node(candidate, fields) else None
        if graph is not None and _is_known(graph):
            return graph
        inner = [candidate[start:stop] for number, start, stop in fields[:16] if number in (1, 2)]
        waiting += [part for part in inner[:4] if len(part) >= _LEAST]
    return None


def _strings(node: Node) -> Iterator[tuple[str, AttrValue]]:
    """The byte strings and string tensors among a node's attributes."""
    if node.op == "Const":
        if isinstance(node.attrs.get("dtype"), DType) and node.attrs["dtype"] != _STRING:
            return  # most constants; a function's caller may choose the type of others
        value = node.attrs.get("value")
        if isinstance(value, LazyTensor):
            if value.dtype == _STRING:
                yield "value", value
            return
    for key, found in holding(node.attrs, "s", (bytes, LazyBytes)):
        for item in found if isinstance(found, list) else (found,):
            yield key, item


def _size(text: AttrValue) -> int:
    return text.size if isinstance(text, LazyBytes) else len(text)


def _read(text: AttrValue) -> list[bytes] | None:
    """The strings that are long enough; None where they cannot be read."""
    values: Sequence[bytes]
    try:
        if isinstance(text, LazyTensor):
            message = message_class("TensorProto").FromString(text.read())
            values = stored_strings(message)[:_MOST_TEXTS]
        else:
            values = [text.read() if isinstance(text, LazyBytes) else text]
    except (MigratorError, ValueError):  # protobuf's DecodeError is one
        return None
    return [item for item in values if len(item) >= _LEAST]


def _fields(data: bytes) -> list[tuple[int, int, int]] | None:
    """(number, start, stop) of each length-delimited field; None where they do not add up."""
    found = []
    index, end = 0, len(data)
    groups = 0  # unknown fields can be groups, which nobody writes and every parser skips
    if end < _LEAST:
        return None
    try:
        while index < end:
            key, index = read_varint(data, index)
            kind = key & 7
            if kind in (START_GROUP, END_GROUP):
                groups += 1 if kind == START_GROUP else -1
            elif kind == LENGTH:
                length, index = read_varint(data, index)
                if not groups:
                    found.append((key >> 3, index, index + length))
                index += length
            elif kind == VARINT:
                _, index = read_varint(data, index)
            elif kind in (FIXED32, FIXED64):
                index += 4 if kind == FIXED32 else 8
            else:
                return None
    except ValueError:
        return None
    return found if index == end and not groups else None


def _has_node(data: bytes, fields: list[tuple[int, int, int]]) -> bool:
    """True where field 1 holds a message whose first fields are texts, as a node's are."""
    for number, start, stop in fields:
        if number == 1:
            inner = _fields(data[start:stop])
            return inner is not None and {1, 2} <= {field for field, _, _ in inner}
    return False


def _as_graph(data: bytes) -> Graph | None:
    try:
        graph = read_graph_def(ByteSource.of_bytes(data, name="constant"), _LIMITS).graph
    except MigratorError:
        return None
    return graph if graph.nodes else None


def _is_known(graph: Graph) -> bool:
    """True where at least half of the ops are registered or functions of the graph."""
    known = sum(op_facts(node.op) is not None or node.op in graph.functions for node in graph.nodes)
    return 2 * known >= len(graph.nodes)


def _feeding(nodes: Sequence[Node]) -> frozenset[str]:
    """Names of the nodes whose strings reach a graph reader within these nodes."""
    readers = [node for node in nodes if node.op in GRAPH_READERS]
    if not readers:
        return frozenset()
    by_name, _ = index_nodes(nodes)
    found = set()
    for reader in readers:
        texts = reader.inputs[GRAPH_READERS[reader.op] :][:1]
        for _ in range(_HOPS):
            node = by_name.get(TensorRef.parse(texts[0]).node) if texts else None
            if node is None or node.name in found:
                break
            found.add(node.name)
            if node.op not in _PASS_ON:
                break
            texts = node.inputs[:1]
    return frozenset(found)
