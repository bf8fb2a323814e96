"""When two graphs, read apart, say the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from migrator.model.dtypes import DType
from migrator.model.graph import AttrPlaceholder, Function, FunctionRef, Graph, Node
from migrator.model.tensors import LazyBytes, LazyTensor, Shape


def plain(value: Any) -> Any:
    """An attribute value as something that ``==`` compares by content, kind included."""
    if isinstance(value, LazyTensor):
        return ("tensor", value.dtype.name, value.shape.as_list(), contents(value))
    if isinstance(value, LazyBytes):
        return ("bytes", value.read())
    if isinstance(value, bytes):
        return ("bytes", value)
    if isinstance(value, FunctionRef):
        return ("function", value.name, plain_attrs(value.attrs))
    if isinstance(value, DType):
        return ("type", int(value))
    if isinstance(value, Shape):
        return ("shape", value.as_list())
    if isinstance(value, AttrPlaceholder):
        return ("placeholder", value.name)
    if isinstance(value, list):
        return ("list", [plain(item) for item in value])
    if isinstance(value, float):
        return ("float", "nan" if math.isnan(value) else (value, math.copysign(1, value)))
    return (type(value).__name__, value)


def plain_attrs(attrs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: plain(attrs[key]) for key in attrs}


def contents(tensor: LazyTensor) -> object:
    """The decoded values bit for bit, or the stored bytes of what no array can hold."""
    from migrator.errors import MigratorError

    try:
        array = tensor.numpy()
    except MigratorError as error:
        return type(error).__name__
    return list(array.ravel()) if array.dtype == object else array.tobytes()


def plain_node(node: Node, *, device: bool = True) -> dict[str, Any]:
    return {
        "name": node.name,
        "op": node.op,
        "inputs": node.inputs,
        "device": node.device if device else "",
        "attrs": plain_attrs(node.attrs),
    }


def plain_function(function: Function) -> dict[str, Any]:
    """A function without its nodes' devices, which writing strips."""
    return {
        "name": function.name,
        "inputs": function.inputs,
        "outputs": function.outputs,
        "returns": dict(function.returns),
        "control_returns": dict(function.control_returns),
        "gradient": function.gradient,
        "attrs": plain_attrs(function.attrs),
        "nodes": [plain_node(node, device=False) for node in function.nodes],
    }


def plain_graph(graph: Graph) -> dict[str, Any]:
    return {
        "nodes": [plain_node(node) for node in graph.nodes],
        "functions": {name: plain_function(item) for name, item in graph.functions.items()},
        "versions": graph.versions,
        "duplicates": graph.duplicates,
    }
