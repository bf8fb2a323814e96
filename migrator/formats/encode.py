"""Graphs back to GraphDef bytes, streamed: no large constant is in memory with another."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, BinaryIO

from migrator.errors import FormatError
from migrator.formats.messages import message_class
from migrator.formats.nodes import WireAttrs
from migrator.formats.spans import Spans
from migrator.formats.wire import FIXED32, bytes_field, number_field, tag, text_field, varint
from migrator.model.dtypes import DType
from migrator.model.graph import (
    AttrPlaceholder,
    AttrValue,
    Function,
    FunctionRef,
    Node,
    Versions,
)
from migrator.model.tensors import LazyBytes, LazyTensor, Shape, TensorSpec


def write_graph(
    file: BinaryIO,
    nodes: Iterable[Node],
    functions: Iterable[Function] = (),
    versions: Versions | None = None,
    *,
    keep_devices: bool = False,
) -> int:
    """Write a GraphDef; returns its size in bytes. Values of constants are copied unread.

    Nodes of functions lose their devices, unless ``keep_devices``. Raises FormatError where a
    constant's bytes are not there any more.
    """
    written = 0
    functions = tuple(functions)
    for node in nodes:
        written += _write_node(file, node)
    library = b"".join(bytes_field(1, _function(item, keep_devices)) for item in functions)
    library += b"".join(
        bytes_field(2, text_field(1, function.name) + text_field(2, function.gradient))
        for function in functions
        if function.gradient
    )
    if library:
        written += file.write(bytes_field(2, library))
    if versions is not None:
        message = message_class("VersionDef")(
            producer=versions.producer,
            min_consumer=versions.min_consumer,
            bad_consumers=versions.bad_consumers,
        )
        written += file.write(bytes_field(4, message.SerializeToString()))
    return written


_STREAMED = 1 << 20
"""Stored bytes from which on a constant is written as it is read, and never copied in memory."""


def _write_node(file: BinaryIO, node: Node) -> int:
    """One field of a GraphDef, no two large constants of it in memory at a time."""
    large = {
        key: value
        for key, value in node.attrs.items()
        if isinstance(value, LazyTensor) and value.stored_bytes > _STREAMED
    }
    if not large:
        return file.write(bytes_field(1, encode_node(node)))
    small = {key: node.attrs[key] for key in node.attrs if key not in large}
    start = encode_node(replace(node, attrs=small))
    heads = []
    for key, value in large.items():
        inner = tag(8) + varint(value.stored_bytes)
        size = len(inner) + value.stored_bytes
        entry = text_field(1, key) + tag(2) + varint(size) + inner
        heads.append(tag(5) + varint(len(entry) + value.stored_bytes) + entry)
    total = len(start) + sum(map(len, heads)) + sum(item.stored_bytes for item in large.values())
    written = file.write(tag(1) + varint(total)) + file.write(start)
    for head, (key, value) in zip(heads, large.items(), strict=True):
        content = value.read()
        if len(content) != value.stored_bytes:
            raise FormatError(
                f"{len(content):,} bytes of a constant of {value.stored_bytes:,}",
                where=f"node {ascii(node.name)[:200]}, attribute {ascii(key)[:100]}",
            )
        written += file.write(head) + file.write(content)
    return written


def encode_node(node: Node) -> bytes:
    """One NodeDef. Attributes in the order of their names, so that equal nodes encode alike."""
    parts = [text_field(1, node.name), text_field(2, node.op)]
    parts += [text_field(3, text) for text in node.inputs]
    if node.device:
        parts.append(text_field(4, node.device))
    for key in sorted(node.attrs):
        parts.append(
            bytes_field(5, text_field(1, key) + bytes_field(2, encode_attr(node.attrs[key])))
        )
    return b"".join(parts)


def encode_attr(value: AttrValue) -> bytes:
    """One AttrValue. Raises TypeError for what no attribute can hold."""
    if value is None:
        return b""
    if isinstance(value, list):
        return bytes_field(1, b"".join(_list_item(item) for item in value))
    return _one(value)


def _one(value: AttrValue) -> bytes:
    if isinstance(value, DType):
        return number_field(6, int(value))
    if isinstance(value, bool):
        return number_field(5, int(value))
    if isinstance(value, int):
        return number_field(3, value)
    if isinstance(value, float):
        return tag(4, FIXED32) + struct.pack("<f", value)
    if isinstance(value, AttrPlaceholder):
        return text_field(9, value.name)
    return _sized(value)


def _list_item(value: AttrValue) -> bytes:
    """Repeated numbers go unpacked, which every reader takes."""
    if isinstance(value, FunctionRef):
        return bytes_field(_FUNC_OF_LIST, _function_ref(value))
    return _one(value)


def _sized(value: AttrValue) -> bytes:
    if isinstance(value, bytes):
        return bytes_field(2, value)
    if isinstance(value, LazyBytes):
        return bytes_field(2, value.read())
    if isinstance(value, Shape):
        return bytes_field(7, encode_shape(value))
    if isinstance(value, LazyTensor):
        return bytes_field(8, value.read())
    if isinstance(value, FunctionRef):
        return bytes_field(_FUNC, _function_ref(value))
    raise TypeError(f"an attribute cannot hold {type(value).__name__}")


_FUNC, _FUNC_OF_LIST = 10, 9
"""The same thing has two numbers: AttrValue.func and ListValue.func."""


def _function_ref(value: FunctionRef) -> bytes:
    attrs = b"".join(
        bytes_field(2, text_field(1, key) + bytes_field(2, encode_attr(value.attrs[key])))
        for key in sorted(value.attrs)
    )
    return text_field(1, value.name) + attrs


def encode_shape(shape: Shape) -> bytes:
    """A TensorShapeProto."""
    if shape.dims is None:
        return number_field(3, 1)
    return b"".join(
        bytes_field(2, number_field(1, -1 if dim is None else dim)) for dim in shape.dims
    )


def _function(function: Function, keep_devices: bool) -> bytes:
    """A FunctionDef with its large constants put back, its devices stripped unless they are kept.

    One that a rewrite made has no definition to start from and is written from its parts.
    """
    if function.definition is None:
        return _made_function(function, keep_devices)
    message = message_class("FunctionDef")()
    message.CopyFrom(function.definition)
    attrs = function.attrs
    assert isinstance(attrs, WireAttrs)
    for node in message.node_def:
        if not keep_devices:
            node.device = ""
        for value in node.attr.values():
            _restore(value, attrs.spans)
    data: bytes = message.SerializeToString(deterministic=True)
    return data


def _made_function(function: Function, keep_devices: bool) -> bytes:
    signature = [text_field(1, function.name)]
    signature += [bytes_field(2, _argument(spec)) for spec in function.inputs]
    signature += [bytes_field(3, _argument(spec)) for spec in function.outputs]
    signature += [text_field(20, name) for name in sorted(function.control_returns)]
    parts = [bytes_field(1, b"".join(signature))]
    parts += [
        bytes_field(
            3, encode_node(replace(node, device="") if node.device and not keep_devices else node)
        )
        for node in function.nodes
    ]
    parts += [_text_entry(4, name, function.returns[name]) for name in sorted(function.returns)]
    parts += [
        bytes_field(5, text_field(1, key) + bytes_field(2, encode_attr(function.attrs[key])))
        for key in sorted(function.attrs)
    ]
    parts += [
        _text_entry(6, name, function.control_returns[name])
        for name in sorted(function.control_returns)
    ]
    return b"".join(parts)


def _argument(spec: TensorSpec) -> bytes:
    """An ArgDef."""
    return text_field(1, spec.tensor) + number_field(3, int(spec.dtype))


def _text_entry(number: int, key: str, value: str) -> bytes:
    """An entry of a map from string to string."""
    return bytes_field(number, text_field(1, key) + text_field(2, value))


def _restore(value: Any, spans: Spans) -> None:
    """Put what a mark points to in the place of the mark."""
    kind = value.WhichOneof("value")
    if kind == "tensor" and value.tensor.span:
        found = spans.find(value.tensor.span)
        if found is not None:
            value.tensor.ParseFromString(found.read())
    elif kind == "s" and value.span:
        found = spans.find(value.span)
        if found is not None:
            value.s = found.read()
            value.span = b""
    elif kind == "list":
        for tensor in value.list.tensor:
            found = spans.find(tensor.span) if tensor.span else None
            if found is not None:
                tensor.ParseFromString(found.read())
