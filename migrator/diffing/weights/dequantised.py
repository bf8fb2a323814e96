"""A TFLite tensor's integers as the numbers that they stand for, in parts."""

from __future__ import annotations

from typing import Any

from migrator.diffing.weights.reading import Elements, Value
from migrator.model.graph import Node

_AFFINE = b"affine"


def is_quantised(node: Node) -> bool:
    """Whether it is a constant whose integers scales are known for: not of blocks."""
    return node.op == "Const" and node.attrs.get("_quantization") == _AFFINE


class Dequantised(Value):
    """``scale * (integer - zero point)``, with one scale or one for each index of a dimension."""

    __slots__ = ("_inner", "_scales", "_zeros")

    def __init__(self, value: Value, node: Node) -> None:
        self.tensor = value.tensor
        self.key = value.key
        self._files = value._files
        self._checkpoint = None
        scales, zeros = node.attrs.get("_scale"), node.attrs.get("_zero_point")
        self._scales = [float(item) for item in scales] if isinstance(scales, list) else [1.0]
        self._zeros = [int(item) for item in zeros] if isinstance(zeros, list) else [0]
        dimension = node.attrs.get("_quantized_dimension")
        at = dimension if isinstance(dimension, int) else 0
        inner = 1
        for dim in (value.tensor.shape.dims or ())[at + 1 :]:
            inner *= dim or 0
        self._inner = max(1, inner)

    def elements(self) -> Elements:
        return _Numbers(super().elements(), self._scales, self._zeros, self._inner)


class _Numbers:
    def __init__(
        self, integers: Elements, scales: list[float], zeros: list[int], inner: int
    ) -> None:
        self._integers = integers
        self._scales = scales
        self._zeros = zeros
        self._inner = inner

    def take(self, start: int, count: int) -> Any:
        import numpy as np

        part = self._integers.take(start, count).astype(np.float64)
        scales, zeros = (np.array(items, np.float64) for items in (self._scales, self._zeros))
        index = np.arange(start, start + len(part)) // self._inner
        # TFLite multiplies in float32, so that is what the numbers are.
        found = (part - zeros[index % len(zeros)]) * scales[index % len(scales)]
        return found.astype(np.float32)
