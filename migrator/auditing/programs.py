"""Nodes that hold a program in a format other than a graph."""

from __future__ import annotations

import re
from collections.abc import Mapping

from migrator.model.graph import Node
from migrator.model.tensors import LazyBytes

PROGRAM_ATTRS: Mapping[str, str] = {
    "XlaCallModule": "module",
    "XlaCustomCall": "target_name",
    "XlaCustomCallV2": "call_target_name",
    "MlirPassthroughOp": "mlir_module",
    "_TPUCompileMlir": "mlir_module",
    "_XlaHostComputeMlir": "host_mlir_module",
}
"""Op -> the attribute that holds its program, or the name of what it calls."""
_MOST_READ = 64 << 20
_CALLBACK = re.compile(
    rb"[A-Za-z0-9_]{0,64}(?:python_(?:cpu|gpu)_callback|py_callback)[A-Za-z0-9_]{0,64}"
)


def calls_back(node: Node) -> tuple[str, ...]:
    """Names of host callbacks in the program that a node holds, in alphabetical order."""
    value = node.attrs.get(PROGRAM_ATTRS.get(node.op, ""))
    if isinstance(value, LazyBytes) and value.size <= _MOST_READ:
        value = value.read()
    text = value if isinstance(value, bytes) else b""
    return tuple(sorted({name.decode("ascii") for name in _CALLBACK.findall(text)}))
