"""Graphs made by hand, in a few lines each, for the rules and plans to work on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from migrator.formats import graph_def, saved_model
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.model.model import Model
from migrator.places.source import ByteSource
from tests import wire


def read_graph(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Model:
    """GraphDef bytes as a Model."""
    return graph_def.read(ByteSource.of_bytes(data, name="graph.pb"), limits)


def read_saved_model(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Model:
    """SavedModel bytes as a Model."""
    return saved_model.read(ByteSource.of_bytes(data, name="saved_model.pb"), limits)


def model(*nodes: bytes, functions: Iterable[bytes] = (), producer: int = 134) -> Model:
    """A Model of the given nodes."""
    return read_graph(wire.graph(nodes, functions, producer=producer))


def op(name: str, kind: str, *inputs: str, device: str = "", **attrs: Any) -> bytes:
    """A node; attributes by name."""
    return wire.node(name, kind, inputs, attrs, device=device)


def placeholder(
    name: str, dtype: wire.Type = wire.F, dims: tuple[int, ...] | None = (-1, 4)
) -> bytes:
    return op(name, "Placeholder", dtype=dtype, shape=wire.Dims(dims))


def const(name: str, value: Any, dtype: str = "float32") -> bytes:
    array = np.asarray(value, dtype=dtype)
    return op(name, "Const", dtype=wire.Type(wire._NUMPY[dtype]), value=array)


def text_const(name: str, *values: bytes) -> bytes:
    """A scalar string constant for one value, a vector for several."""
    sizes = () if len(values) == 1 else (len(values),)
    value = wire.Raw(wire.block(8, wire.string_tensor(sizes, values)))
    return op(name, "Const", dtype=wire.S, value=value)


def dense(name: str, source: str, rows: int = 4, columns: int = 3) -> list[bytes]:
    """``name`` = ``source`` times a matrix of weights, with the nodes that it takes."""
    weights = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns) / 7
    return [
        const(f"{name}/weights", weights),
        op(name, "MatMul", source, f"{name}/weights", T=wire.F),
    ]


def unary(name: str, kind: str, source: str, dtype: wire.Type = wire.F) -> bytes:
    return op(name, kind, source, T=dtype)
