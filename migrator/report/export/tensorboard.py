"""A log that TensorBoard's graph page opens: two events, the file's version and a GraphDef.

Weights stay away: TensorBoard shows none, and drops what is larger than a kilobyte itself. Source
of the framing: TensorFlow's record format (length, masked CRC-32C of it, data, masked CRC-32C).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import BinaryIO

from migrator.diffing.changes.attributes import readable
from migrator.errors import LimitError
from migrator.formats.checkpoint.crc32c import crc32c, masked
from migrator.formats.encode import encode_attr, encode_shape, write_graph
from migrator.formats.wire import FIXED64, bytes_field, number_field, tag, text_field, varint
from migrator.model.graph import AttrValue, Function, FunctionRef, Graph, Node
from migrator.model.tensors import LazyBytes, LazyTensor, TensorSpec
from migrator.report.export.subject import compact, undecoded

VERSION = "brain.Event:2"
_KEPT = 1024
"""Bytes of an attribute that are kept; TensorBoard keeps as many."""
_MOST = (1 << 31) - (1 << 20)
"""Bytes of an event that protobuf reads."""
_BLOCK = 4 << 20


def log_name(seconds: float) -> str:
    """The name that TensorBoard looks for."""
    return f"events.out.tfevents.{int(seconds)}.migrator"


def write_shown_graph(file: BinaryIO, graph: Graph) -> int:
    """Write ``graph`` as a GraphDef without its weights: types and shapes are kept."""
    nodes = (shown_node(undecoded(node)) for node in graph.nodes)
    functions = map(_shown_function, graph.functions.values())
    return write_graph(file, nodes, functions, graph.versions, keep_devices=True)


def write_log(file: BinaryIO, graph: BinaryIO, size: int, *, seconds: float, where: str) -> None:
    """Write the log of a GraphDef of ``size`` bytes; ``seconds`` is its time since 1970.

    In blocks. Raises LimitError for a graph that no event can hold.
    """
    if size > _MOST:
        raise LimitError(
            f"takes {size:,} bytes as a graph without weights, an event holds {_MOST:,}",
            where=where,
            hint="export a part of it: --subgraph FROM..TO",
        )
    clock = tag(1, FIXED64) + struct.pack("<d", seconds)
    _record(file, [clock + text_field(3, VERSION)])
    head = clock + tag(4) + varint(size)
    graph.seek(0)
    _record(file, _blocks(head, graph), len(head) + size)


def _blocks(head: bytes, graph: BinaryIO) -> Iterable[bytes]:
    yield head
    while block := graph.read(_BLOCK):
        yield block


def _record(file: BinaryIO, blocks: Iterable[bytes], length: int | None = None) -> None:
    if length is None:
        blocks = list(blocks)
        length = sum(map(len, blocks))
    stated = struct.pack("<Q", length)
    file.write(stated + struct.pack("<I", masked(crc32c(stated))))
    crc = 0
    for block in blocks:
        crc = crc32c(block, crc)
        file.write(block)
    file.write(struct.pack("<I", masked(crc)))


def shown_node(node: Node) -> Node:
    """The node with nothing large in it, and nothing that a GraphDef cannot hold."""
    return Node(
        plain(node.name),
        plain(node.op),
        tuple([plain(text) for text in node.inputs]),
        plain(node.device),
        _shown_attrs(node.attrs),
    )


def _shown_attrs(attrs: Mapping[str, AttrValue]) -> dict[str, AttrValue]:
    return {plain(key): _shown_value(attrs[key]) for key in attrs}


def _shown_value(value: AttrValue) -> AttrValue:
    if isinstance(value, LazyTensor):
        return _header(value)
    if isinstance(value, LazyBytes):
        return _left_out(value.size)
    if isinstance(value, list) and len(value) > _KEPT:  # each takes a byte at least
        return f"({len(value):,} values left out)".encode()
    if isinstance(value, FunctionRef):
        return FunctionRef(name=plain(value.name))
    if isinstance(value, list) and any(isinstance(item, _DEEP) for item in value):
        value = [_shown_value(item) for item in value]
    try:
        size = len(encode_attr(value))
    except (TypeError, ValueError, OverflowError):  # of a format whose attributes hold more
        text = compact(readable(value)).encode()
        return text if len(text) <= _KEPT else _left_out(len(text))
    return value if size <= _KEPT else _left_out(size)


_DEEP = (LazyTensor, LazyBytes, FunctionRef)


def _header(value: LazyTensor) -> LazyTensor:
    """Type and shape; the values too where they are few."""
    if value.stored_bytes <= _KEPT:
        return value
    data = number_field(1, int(value.dtype)) + bytes_field(2, encode_shape(value.shape))
    return replace(value, stored_bytes=len(data), read=lambda: data)


def _left_out(size: int) -> bytes:
    return f"({size:,} bytes left out)".encode()


def _shown_function(function: Function) -> Function:
    """Written from its parts: what it was read from holds the weights as well."""
    return replace(
        function,
        name=plain(function.name),
        nodes=tuple(map(shown_node, function.nodes)),
        inputs=tuple(map(_shown_spec, function.inputs)),
        outputs=tuple(map(_shown_spec, function.outputs)),
        returns=_plain_texts(function.returns),
        control_returns=_plain_texts(function.control_returns),
        attrs=_shown_attrs(function.attrs),
        gradient=plain(function.gradient),
        definition=None,
    )


def _shown_spec(spec: TensorSpec) -> TensorSpec:
    return replace(spec, tensor=plain(spec.tensor))


def _plain_texts(found: Mapping[str, str]) -> dict[str, str]:
    return {plain(key): plain(text) for key, text in found.items()}


def plain(text: str) -> str:
    """``text`` as UTF-8 can hold it: half a surrogate pair becomes an escape, and the backslash
    stands twice, so that different names stay different. ``texts.unescaped`` gives each back."""
    return _ESCAPED.sub(_escape, text) if _ESCAPED.search(text) else text


_ESCAPED = re.compile("[\ud800-\udfff\\\\]")


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    return "\\\\" if char == "\\" else f"\\u{ord(char):04x}"
