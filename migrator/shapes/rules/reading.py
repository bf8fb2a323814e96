"""What rules ask of an op: its attributes, each of the kind that it must be.

An attribute that is missing has TensorFlow's default, where it has one. Anything else raises
TypeError or ValueError, and the op's outputs are unknown then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from migrator.model.dtypes import DType
from migrator.model.graph import AttrValue
from migrator.model.tensors import Shape
from migrator.shapes.facts import Dims, Fact, sane


class Op(Protocol):
    """A node, or what stands for one while a graph is rewritten."""

    @property
    def op(self) -> str: ...

    @property
    def attrs(self) -> Mapping[str, AttrValue]: ...


Rule = Callable[[Op, Sequence[Fact]], Sequence[Fact]]
Table = Mapping[str, Rule]

MOST_OUTPUTS = 1 << 12
"""Outputs of one node that are followed."""


def flag(op: Op, key: str, default: bool = False) -> bool:
    value = op.attrs.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise TypeError(key)
    return value


def number(op: Op, key: str, default: int | None = None) -> int:
    value = op.attrs.get(key)
    if value is None:
        value = default
    if not isinstance(value, int):
        raise TypeError(key)
    return int(value)


def numbers(op: Op, key: str, default: Sequence[int] | None = None) -> list[int]:
    value = op.attrs.get(key)
    if value is None or (value == [] and default is not None):
        value = default
    if not isinstance(value, list | tuple) or not all(isinstance(item, int) for item in value):
        raise TypeError(key)
    return list(value)


def text(op: Op, key: str, default: str = "") -> str:
    value = op.attrs.get(key)
    if value is None:
        return default
    if not isinstance(value, bytes):
        raise TypeError(key)
    return value.decode("ascii", "replace")


def dtype(op: Op, key: str, default: int = 0) -> DType:
    value = op.attrs.get(key)
    if value is None:
        value = DType(default)
    if not isinstance(value, DType):
        raise TypeError(key)
    return value


def types(op: Op, key: str) -> list[DType]:
    value = op.attrs.get(key)
    if not isinstance(value, list):
        raise TypeError(key)
    return value


def shape(op: Op, key: str) -> Dims | None:
    """A shape; a missing one is unknown."""
    value = op.attrs.get(key)
    return sane(value.dims) if isinstance(value, Shape) else None


def shapes(op: Op, key: str) -> list[Dims | None]:
    value = op.attrs.get(key)
    if not isinstance(value, list):
        return []
    return [sane(item.dims) if isinstance(item, Shape) else None for item in value]


def axis_in(axis: int, rank: int) -> int:
    """``axis`` counted from the front. Raises ValueError where there is none such."""
    if not -rank <= axis < rank:
        raise ValueError("no such axis")
    return axis + rank if axis < 0 else axis


def named(ops: str, rule: Rule) -> dict[str, Rule]:
    return dict.fromkeys(ops.split(), rule)
