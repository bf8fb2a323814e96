"""Options of custom operators: FlexBuffers, and the NodeDef of a TensorFlow op that runs as such.

They are decoded by the ``flatbuffers`` package when somebody looks at them. It checks nothing, so
what it raises means that they are damaged, and what it is asked for is bounded.
"""

from __future__ import annotations

import os
from typing import Any

from migrator.formats.messages import message_class
from migrator.formats.nodes import Origin, WireAttrs
from migrator.formats.spans import Spans
from migrator.formats.tflite.flat import Broken, Flat
from migrator.formats.tflite.schema import OPERATOR
from migrator.formats.tflite.subgraphs import OperatorRow
from migrator.model.graph import AttrValue
from migrator.model.tensors import LazyBytes

_INLINE = 1024
"""Bytes of options that are held as they are; longer ones stay in the file."""
_DECODED = 1 << 16
"""Bytes of options up to which they are decoded."""
_VALUES = 1000


def read_custom(flat: Flat, operator: OperatorRow, subgraph: int) -> dict[str, AttrValue]:
    """``custom_options`` as they lie in the file, and what they say where that can be told."""
    part = f"subgraphs[{subgraph}].operators[{operator.index}].custom_options"
    try:
        offset, length = _place(flat, operator, part)
    except Broken as error:
        return {"_damaged": str(error).encode("utf-8", "backslashreplace")}
    if not length:
        return {}
    source = flat.source

    def read() -> bytes:
        return source.read(offset, length)

    if length > _DECODED:
        return {"custom_options": LazyBytes(size=length, read=read)}
    content = read()
    found = _decoded(content, flat, operator, part)
    kept = content if length <= _INLINE else LazyBytes(size=length, read=read)
    return {**found, "custom_options": kept}


def _place(flat: Flat, operator: OperatorRow, part: str) -> tuple[int, int]:
    row = flat.table(OPERATOR, operator.at, part)
    if row[5]:
        return flat.vector(row[5], 1, part)
    offset, size = row[9], row[10]
    if offset <= 1:
        return 0, 0
    if offset + size > flat.size:
        raise Broken(f"{size:,} bytes at byte {offset:,} lie outside of the file", where=part)
    return offset, size


def _decoded(content: bytes, flat: Flat, operator: OperatorRow, part: str) -> dict[str, AttrValue]:
    from flatbuffers import flexbuffers

    try:
        root = flexbuffers.GetRoot(content)
        if operator.code.kind == "select" and root.IsVector:
            return _node_def(bytes(root.AsVector[1].AsStringBytes), flat, part)
        if root.IsMap:
            return _entries(root.AsMap)
    except Exception:  # whatever it stumbled over: these are no FlexBuffers
        pass
    return {}


def _node_def(data: bytes, flat: Flat, part: str) -> dict[str, AttrValue]:
    message = message_class("NodeDef").FromString(data)
    spans = Spans(source=flat.source, key=os.urandom(16))
    return dict(WireAttrs(message, Origin(spans=spans, limits=flat.limits, where=part)))


def _entries(found: Any) -> dict[str, AttrValue]:
    attrs: dict[str, AttrValue] = {}
    left = _VALUES
    keys, values = found.Keys, found.Values
    for index in range(min(len(keys), _VALUES)):
        value = values[index]
        if value.IsVector or value.IsTypedVector or value.IsFixedTypedVector:
            items = (
                value.AsVector
                if value.IsVector
                else (value.AsTypedVector if value.IsTypedVector else value.AsFixedTypedVector)
            )
            left -= len(items)
            if left < 0:
                break
            decoded: AttrValue = [_scalar(items[item]) for item in range(len(items))]
        else:
            left -= 1
            decoded = _scalar(value)
        attrs[keys[index].AsKey] = decoded
        if left < 0:
            break
    return attrs


def _scalar(value: Any) -> AttrValue:
    if value.IsString:
        return bytes(value.AsStringBytes)
    if value.IsBool:
        return bool(value.AsBool)
    if value.IsInt:
        return int(value.AsInt)
    if value.IsFloat:
        return float(value.AsFloat)
    return None
