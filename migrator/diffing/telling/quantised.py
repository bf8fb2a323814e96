"""Weights that became constants of another type, with nodes that make the old type of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from migrator.diffing.side import Side
from migrator.model.dtypes import DType
from migrator.model.graph import Node
from migrator.model.tensors import LazyTensor, Shape

_NEAR = 16
"""Nodes between a consumer and its weight that are looked at."""
_FLOATS = "f"


def retyped(
    side: Side,
    other: Side,
    partners: Mapping[str, str],
    gone: Collection[str],
    back: Mapping[str, str],
) -> Iterator[tuple[str, str]]:
    """(weight of ``gone``, constant of the other side) of one shape and two types, which the same
    consumer reads, that constant through nodes of its own. ``back`` maps the other side's nodes to
    this side's.
    """
    if not gone:
        return
    told: set[str] = set()
    for name, partner in partners.items():
        data, _ = side.inputs(name)
        theirs: list[tuple[str, int]] | None = None
        for slot, item in enumerate(data):
            weight = side.weight(item[0])
            if weight is None or weight not in gone or weight in told:
                continue
            theirs = other.inputs(partner)[0] if theirs is None else theirs
            if slot >= len(theirs):
                continue
            dtype, shape = _form(side.nodes[weight])
            found = _constant_behind(other, theirs[slot][0], dtype, shape, weight, back)
            if found:
                told.add(weight)
                yield weight, found


def dtype_name(side: Side, name: str) -> str:
    """The type of a weight's elements."""
    return _form(side.nodes[name])[0].name


def _constant_behind(
    side: Side, start: str, dtype: DType, shape: Shape, weight: str, back: Mapping[str, str]
) -> str:
    """The constant that a tensor is made of by nodes of its own; empty for none."""
    stack, seen = [start], {start}
    while stack:
        name = stack.pop()
        node = side.nodes.get(name)
        if node is None or back.get(name, weight) != weight:
            continue
        if node.op == "Const":
            kind, size = _form(node)
            if size == shape and kind != dtype and _FLOATS in (kind.kind, dtype.kind):
                return name
        for item in side.inputs(name)[0]:
            if item[0] not in seen and len(seen) < _NEAR:
                seen.add(item[0])
                stack.append(item[0])
    return ""


def _form(node: Node) -> tuple[DType, Shape]:
    value = node.attrs.get("value")
    if isinstance(value, LazyTensor):
        return value.dtype.base, value.shape
    dtype, shape = node.attrs.get("dtype"), node.attrs.get("shape")
    return (
        dtype.base if isinstance(dtype, DType) else DType(0),
        shape if isinstance(shape, Shape) else Shape(None),
    )
