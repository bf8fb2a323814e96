"""Which constants and variables may hold weights, as far as choosing outputs goes."""

from __future__ import annotations

from migrator.model.dtypes import DType
from migrator.model.graph import Node
from migrator.model.tensors import LazyTensor, Shape


def variable_bytes(node: Node) -> int:
    """Bytes of a variable that may be a weight; counters and steps are none."""
    dtype, shape = node.attrs.get("dtype"), node.attrs.get("shape")
    if not isinstance(dtype, DType) or not isinstance(shape, Shape) or not shape.dims:
        return 0
    return (shape.elements or 0) * dtype.itemsize if dtype.base.is_floating else 0


def is_weight(value: object) -> bool:
    """Whether a Const's value is more than a scalar of numbers that can be learnt."""
    return (
        isinstance(value, LazyTensor)
        and value.dtype.kind in "fcq"
        and bool(value.shape.rank)
        and value.elements > 1
    )
