"""What evaluators share: a way to give no answer, and bounds on what they make."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from migrator.model.graph import Node

Evaluator = Callable[[Node, Sequence[Any], int], Any]
"""(node, inputs, most bytes) -> array. Raises NoAnswer where it is not sure to be TensorFlow's."""


class NoAnswer(Exception):
    """There is no array, or none that is sure to be TensorFlow's."""


def room(shape: Sequence[int], itemsize: int, most: int) -> None:
    """Refuse before it is made what would be too large."""
    if any(size < 0 for size in shape) or math.prod(map(int, shape)) * itemsize > most:
        raise NoAnswer


def integers(array: Any) -> list[int]:
    if array.dtype.kind not in "iu":
        raise NoAnswer
    return [int(item) for item in array.reshape(-1)]


def one_axis(array: Any, rank: int) -> int:
    if array.size != 1:
        raise NoAnswer
    (axis,) = integers(array)
    return in_rank(axis, rank)


def in_rank(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise NoAnswer
    return axis % rank
