"""Arithmetic that is exact in IEEE numbers, or wraps as integers do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from migrator.migration.passes.optimize.bounds import (
    Evaluator,
    NoAnswer,
    in_rank,
    integers,
    room,
)
from migrator.model.graph import Node
from migrator.ops.registry import output_dtypes


def _sure(*arrays: Any) -> None:
    """Refuse NaN and subnormal numbers, and types whose arithmetic is not numpy's own."""
    import numpy as np

    for array in arrays:
        if array.dtype.kind == "f":
            size = np.abs(array)
            if np.any(np.isnan(array)) or np.any((size < np.finfo(array.dtype).tiny) & (size > 0)):
                raise NoAnswer
        elif array.dtype.kind not in "iub":
            raise NoAnswer


def _numbers(function: Callable[..., Any], kinds: str = "fiu") -> Evaluator:
    """An op on broadcast numbers, exact in IEEE arithmetic."""

    def wrapped(_: Node, inputs: Sequence[Any], most: int) -> Any:
        import numpy as np

        if any(value.dtype.kind not in kinds for value in inputs):
            raise NoAnswer
        shape = np.broadcast_shapes(*(value.shape for value in inputs))
        room(shape, 1, most)
        _sure(*inputs)
        found = np.asarray(function(np, *inputs))
        _sure(found)
        return found

    return wrapped


def _divide(np: Any, left: Any, right: Any) -> Any:
    """Integers toward zero, as C does."""
    if left.dtype.kind == "f":
        return left / right
    _divisible(np, left, right)
    floor = left // right
    return floor + ((left % right != 0) & ((left < 0) != (right < 0)))


def _floor_divide(np: Any, left: Any, right: Any) -> Any:
    if left.dtype.kind == "f":
        raise NoAnswer
    _divisible(np, left, right)
    return left // right


def _floor_mod(np: Any, left: Any, right: Any) -> Any:
    if left.dtype.kind == "f":
        raise NoAnswer
    _divisible(np, left, right)
    return left % right


def _divisible(np: Any, left: Any, right: Any) -> None:
    least = np.iinfo(left.dtype).min
    if np.any(right == 0) or (least < 0 and np.any(left == least) and np.any(right == -1)):
        raise NoAnswer


def _extreme(name: str) -> Callable[..., Any]:
    def function(np: Any, left: Any, right: Any) -> Any:
        for value in (left, right):  # which zero is the larger one?
            if value.dtype.kind == "f" and np.any(np.signbit(value) & (value == 0)):
                raise NoAnswer
        return getattr(np, name)(left, right)

    return function


def _cast(node: Node, inputs: Sequence[Any], most: int) -> Any:
    import numpy as np

    (value,) = inputs
    made = output_dtypes(node)
    if made is None or node.attrs.get("Truncate"):
        raise NoAnswer
    target = made[0].numpy()
    if value.dtype == target:
        return value
    room(value.shape, target.itemsize, most)
    _sure(value)
    if target.kind == "b":
        return value != 0
    if value.dtype.kind == "f" and target.kind in "iu":
        # Both bounds are exact in float64, or rounded outward by one.
        bounds = np.iinfo(target)
        whole = np.trunc(value.astype(np.float64))
        if np.any(whole <= bounds.min - 1) or np.any(whole >= float(bounds.max)):
            raise NoAnswer
        if bounds.min == 0 and np.any(whole < 0):
            raise NoAnswer
    half = np.dtype(np.float16)
    if target == half and value.dtype.kind != "b" and value.dtype != np.float32:
        raise NoAnswer  # the kernels round twice, by way of float32
    found = value.astype(target)
    _sure(found)
    return found


def _reduction(name: str, kinds: str) -> Evaluator:
    def function(node: Node, inputs: Sequence[Any], most: int) -> Any:
        import numpy as np

        value, axes = inputs
        if value.dtype.kind not in kinds or not value.size or axes.ndim > 1:
            raise NoAnswer
        over = tuple(sorted({in_rank(axis, value.ndim) for axis in integers(axes)}))
        if len(over) != axes.size:
            raise NoAnswer
        keep = bool(node.attrs.get("keep_dims"))
        options = {"dtype": value.dtype} if name in ("sum", "prod") else {}
        return getattr(np, name)(value, axis=over, keepdims=keep, **options)

    return function


def _reciprocal_root(np: Any, value: Any) -> Any:
    if value.dtype.kind != "f" or np.any(value <= 0):
        raise NoAnswer
    return (1 / np.sqrt(value.astype(np.float64))).astype(value.dtype)


ARITHMETIC: dict[str, Evaluator] = {
    "Cast": _cast,
    "Add": _numbers(lambda np, a, b: a + b),
    "AddV2": _numbers(lambda np, a, b: a + b),
    "Sub": _numbers(lambda np, a, b: a - b),
    "Mul": _numbers(lambda np, a, b: a * b),
    "Div": _numbers(_divide),
    "RealDiv": _numbers(_divide, "f"),
    "FloorDiv": _numbers(_floor_divide),
    "FloorMod": _numbers(_floor_mod),
    "Maximum": _numbers(_extreme("maximum")),
    "Minimum": _numbers(_extreme("minimum")),
    "Neg": _numbers(lambda np, a: -a, "fi"),
    "Abs": _numbers(lambda np, a: np.abs(a), "fi"),
    "Square": _numbers(lambda np, a: a * a),
    "Sqrt": _numbers(lambda np, a: np.sqrt(a), "f"),
    "Floor": _numbers(lambda np, a: np.floor(a), "f"),
    "Ceil": _numbers(lambda np, a: np.ceil(a), "f"),
    "Less": _numbers(lambda np, a, b: a < b),
    "LessEqual": _numbers(lambda np, a, b: a <= b),
    "Greater": _numbers(lambda np, a, b: a > b),
    "GreaterEqual": _numbers(lambda np, a, b: a >= b),
    "Equal": _numbers(lambda np, a, b: a == b, "fiub"),
    "NotEqual": _numbers(lambda np, a, b: a != b, "fiub"),
    "LogicalNot": _numbers(lambda np, a: ~a, "b"),
    "LogicalAnd": _numbers(lambda np, a, b: a & b, "b"),
    "LogicalOr": _numbers(lambda np, a, b: a | b, "b"),
    "Prod": _reduction("prod", "iu"),
    "Sum": _reduction("sum", "iu"),
    "Max": _reduction("max", "iu"),
    "Min": _reduction("min", "iu"),
    "All": _reduction("all", "b"),
    "Any": _reduction("any", "b"),
}
ROUNDED: dict[str, Evaluator] = {"Rsqrt": _numbers(_reciprocal_root, "f")}
"""Ops whose kernels are off by a unit or two of the last place, by processor and vector width."""
