"""A writer of the protobuf wire format that shares no code with migrator.

It writes whatever it is told, sound or not, for graphs made by hand and for attacks.
Field numbers are those of TensorFlow's public message definitions.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FLOAT, DOUBLE, INT32, UINT8, STRING, INT64, BOOL, HALF, RESOURCE = 1, 2, 3, 4, 7, 9, 10, 19, 20
_NUMPY = {"float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int64": 9, "bool": 10, "float16": 19}


def varint(value: int) -> bytes:
    """A base-128 number; a negative one as its 64-bit two's complement."""
    value %= 1 << 64
    groups = [value & 127]
    while value := value >> 7:
        groups.append(value & 127)
    return bytes(group | 128 for group in groups[:-1]) + bytes(groups[-1:])


def tag(field: int, wire: int) -> bytes:
    return varint(field * 8 + wire)


def number(field: int, value: int) -> bytes:
    return tag(field, 0) + varint(value)


def double(field: int, value: float) -> bytes:
    return tag(field, 1) + struct.pack("<d", value)


def single(field: int, value: float) -> bytes:
    return tag(field, 5) + struct.pack("<f", value)


def block(field: int, payload: bytes | str) -> bytes:
    """A length-delimited field."""
    raw = payload.encode() if isinstance(payload, str) else payload
    return tag(field, 2) + varint(len(raw)) + raw


def claimed(field: int, length: int, payload: bytes = b"") -> bytes:
    """A length-delimited field that states ``length`` whatever its payload has."""
    return tag(field, 2) + varint(length) + payload


@dataclass(frozen=True)
class Type:
    """An attribute that names an element type."""

    number: int


@dataclass(frozen=True)
class Dims:
    """An attribute or a tensor's shape: -1 is an unknown size, None an unknown rank."""

    sizes: tuple[int, ...] | None


@dataclass(frozen=True)
class Raw:
    """An AttrValue as its bytes."""

    payload: bytes


@dataclass(frozen=True)
class Call:
    """An attribute that names a function."""

    name: str
    attrs: tuple[tuple[str, Any], ...] = ()


F, I32, I64, B, S = Type(FLOAT), Type(INT32), Type(INT64), Type(BOOL), Type(STRING)


def shape(sizes: Sequence[int] | None) -> bytes:
    """A TensorShapeProto."""
    if sizes is None:
        return number(3, 1)
    return b"".join(block(2, number(1, size)) for size in sizes)


def tensor(dtype: int, sizes: Sequence[int] | None, values: bytes = b"") -> bytes:
    """A TensorProto; ``values`` are further fields, already written."""
    return number(1, dtype) + block(2, shape(sizes)) + values


def array_tensor(array: np.ndarray[Any, Any]) -> bytes:
    """A TensorProto that holds ``array`` in its tensor_content."""
    content = array.astype(array.dtype.newbyteorder("<")).tobytes()
    return tensor(_NUMPY[array.dtype.name], array.shape, block(4, content))


def string_tensor(sizes: Sequence[int], values: Iterable[bytes]) -> bytes:
    return tensor(STRING, sizes, b"".join(block(8, value) for value in values))


def attr(value: Any) -> bytes:
    """An AttrValue."""
    if isinstance(value, Raw):
        return value.payload
    if isinstance(value, list):
        return block(1, b"".join(_item(item) for item in value))
    if isinstance(value, Call):
        return block(10, call(value))
    return _item(value)


def call(value: Call) -> bytes:
    """A NameAttrList."""
    return block(1, value.name) + b"".join(_entry(2, key, item) for key, item in value.attrs)


def _item(value: Any) -> bytes:
    if isinstance(value, Call):
        return block(9, call(value))
    if isinstance(value, bool):
        return number(5, int(value))
    if isinstance(value, int):
        return number(3, value)
    if isinstance(value, float):
        return single(4, value)
    if isinstance(value, bytes):
        return block(2, value)
    if isinstance(value, Type):
        return number(6, value.number)
    if isinstance(value, Dims):
        return block(7, shape(value.sizes))
    if isinstance(value, np.ndarray):
        return block(8, array_tensor(value))
    raise TypeError(type(value).__name__)


def _entry(field: int, key: str | bytes, value: Any) -> bytes:
    """An entry of a map from string to AttrValue."""
    raw = key.encode() if isinstance(key, str) else key
    return block(field, block(1, raw) + block(2, attr(value)))


def node(
    name: str | bytes,
    op: str | bytes,
    inputs: Sequence[str] = (),
    attrs: Mapping[str, Any] | None = None,
    *,
    device: str = "",
) -> bytes:
    """A NodeDef."""
    return (
        block(1, name if isinstance(name, bytes) else name.encode())
        + block(2, op if isinstance(op, bytes) else op.encode())
        + b"".join(block(3, text) for text in inputs)
        + (block(4, device) if device else b"")
        + b"".join(_entry(5, key, value) for key, value in (attrs or {}).items())
    )


def function(
    name: str,
    inputs: Mapping[str, int],
    outputs: Mapping[str, int],
    nodes: Iterable[bytes] = (),
    returns: Mapping[str, str] | None = None,
) -> bytes:
    """A FunctionDef; arguments are name -> dtype number."""
    signature = block(1, name)
    signature += b"".join(block(2, block(1, key) + number(3, kind)) for key, kind in inputs.items())
    signature += b"".join(
        block(3, block(1, key) + number(3, kind)) for key, kind in outputs.items()
    )
    found = block(1, signature) + b"".join(block(3, item) for item in nodes)
    for key, value in (returns or {}).items():
        found += block(4, block(1, key) + block(2, value))
    return found


def graph(
    nodes: Iterable[bytes],
    functions: Iterable[bytes] = (),
    *,
    producer: int = 134,
    min_consumer: int = 0,
    gradients: Mapping[str, str] | None = None,
) -> bytes:
    """A GraphDef."""
    found = b"".join(block(1, item) for item in nodes)
    library = b"".join(block(1, item) for item in functions)
    library += b"".join(
        block(2, block(1, key) + block(2, value)) for key, value in (gradients or {}).items()
    )
    if library:
        found += block(2, library)
    return found + block(4, number(1, producer) + number(2, min_consumer))


def saved_model(*metas: bytes) -> bytes:
    """A SavedModel of meta graphs that are already written."""
    return number(1, 1) + b"".join(block(2, meta) for meta in metas)


def meta_graph(
    graph_def: bytes, tags: Iterable[str] = ("serve",), version: str = "1.15.5", more: bytes = b""
) -> bytes:
    """A MetaGraphDef; ``more`` are further fields, already written."""
    info = b"".join(block(4, text) for text in tags) + block(5, version)
    return block(1, info) + block(2, graph_def) + more
