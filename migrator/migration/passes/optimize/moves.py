"""Ops that move values about and change none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from migrator.migration.passes.optimize.bounds import (
    Evaluator,
    NoAnswer,
    in_rank,
    integers,
    one_axis,
    room,
)
from migrator.migration.passes.optimize.slices import strided_slice
from migrator.model.graph import Node


def _copy(_: Node, inputs: Sequence[Any], most: int) -> Any:
    return inputs[0]


def _reshape(_: Node, inputs: Sequence[Any], most: int) -> Any:
    value, shape = inputs
    sizes = integers(shape)
    if shape.ndim != 1 or sizes.count(-1) > 1 or min(sizes, default=0) < -1:
        raise NoAnswer
    if -1 in sizes and 0 in sizes:
        raise NoAnswer
    return value.reshape(sizes)


def _transpose(_: Node, inputs: Sequence[Any], most: int) -> Any:
    value, order = inputs
    return value.transpose([in_rank(axis, value.ndim) for axis in integers(order)])


def _expand_dims(_: Node, inputs: Sequence[Any], most: int) -> Any:
    import numpy as np

    return np.expand_dims(inputs[0], one_axis(inputs[1], inputs[0].ndim + 1))


def _squeeze(node: Node, inputs: Sequence[Any], most: int) -> Any:
    import numpy as np

    axes = node.attrs.get("squeeze_dims") or ()
    (value,) = inputs
    if not axes:
        return np.squeeze(value)
    return np.squeeze(value, tuple(sorted({in_rank(axis, value.ndim) for axis in axes})))


def _pack(node: Node, inputs: Sequence[Any], most: int) -> Any:
    import numpy as np

    room((sum(value.nbytes for value in inputs),), 1, most)
    axis = node.attrs.get("axis", 0)
    return np.stack(inputs, in_rank(axis, inputs[0].ndim + 1))


def _concat(inputs: Sequence[Any], axis: Any, most: int) -> Any:
    import numpy as np

    room((sum(value.nbytes for value in inputs),), 1, most)
    return np.concatenate(inputs, one_axis(axis, inputs[0].ndim))


def _concat_v2(_: Node, inputs: Sequence[Any], most: int) -> Any:
    return _concat(inputs[:-1], inputs[-1], most)


def _concat_v1(_: Node, inputs: Sequence[Any], most: int) -> Any:
    return _concat(inputs[1:], inputs[0], most)


def _fill(_: Node, inputs: Sequence[Any], most: int) -> Any:
    import numpy as np

    dims, value = inputs
    sizes = integers(dims)
    if dims.ndim != 1 or value.ndim:
        raise NoAnswer
    room(sizes, value.itemsize, most)
    return np.full(sizes, value)


def _range(_: Node, inputs: Sequence[Any], most: int) -> Any:
    import numpy as np

    if any(value.ndim for value in inputs):
        raise NoAnswer
    start, limit, delta = (integers(value)[0] for value in inputs)
    steps = range(start, limit, delta)  # refuses a step of zero, as TensorFlow does
    if (delta > 0 and start > limit) or (delta < 0 and start < limit):
        raise NoAnswer
    room((len(steps),), inputs[0].itemsize, most)
    return np.array(steps, dtype=inputs[0].dtype)


def _slice(_: Node, inputs: Sequence[Any], most: int) -> Any:
    value, begin, size = inputs
    starts, sizes = integers(begin), integers(size)
    if begin.shape != (value.ndim,) or size.shape != (value.ndim,):
        raise NoAnswer
    index = []
    for start, count, whole in zip(starts, sizes, value.shape, strict=True):
        count = whole - start if count == -1 else count
        if start < 0 or count < 0 or start + count > whole:
            raise NoAnswer
        index.append(slice(start, start + count))
    return value[tuple(index)]


def _strided_slice(node: Node, inputs: Sequence[Any], most: int) -> Any:
    value = inputs[0]
    begin, end, strides = (integers(bound) for bound in inputs[1:])
    return strided_slice(value, begin, end, strides, node.attrs)


def _gather(node: Node, inputs: Sequence[Any], most: int) -> Any:
    import numpy as np

    if node.attrs.get("batch_dims", 0):
        raise NoAnswer
    value, indices = inputs[:2]
    axis = one_axis(inputs[2], value.ndim) if len(inputs) > 2 else 0
    size = value.shape[axis]
    if indices.size and not (indices.min() >= 0 and indices.max() < size):
        raise NoAnswer
    room((*value.shape[:axis], *indices.shape, *value.shape[axis + 1 :]), value.itemsize, most)
    return np.take(value, indices, axis)


def _tile(_: Node, inputs: Sequence[Any], most: int) -> Any:
    import numpy as np

    value, multiples = inputs
    counts = integers(multiples)
    if multiples.shape != (value.ndim,) or min(counts, default=0) < 0:
        raise NoAnswer
    sizes = [size * count for size, count in zip(value.shape, counts, strict=True)]
    room(sizes, value.itemsize, most)
    return np.tile(value, counts)


def _broadcast_to(_: Node, inputs: Sequence[Any], most: int) -> Any:
    import numpy as np

    sizes = integers(inputs[1])
    room(sizes, inputs[0].itemsize, most)
    return np.broadcast_to(inputs[0], sizes)


def _filled(number: int) -> Evaluator:
    def function(_: Node, inputs: Sequence[Any], most: int) -> Any:
        import numpy as np

        return np.full(inputs[0].shape, number, inputs[0].dtype)

    return function


MOVES: dict[str, Evaluator] = {
    "Identity": _copy,
    "StopGradient": _copy,
    "PreventGradient": _copy,
    "Snapshot": _copy,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "ExpandDims": _expand_dims,
    "Squeeze": _squeeze,
    "Pack": _pack,
    "Concat": _concat_v1,
    "ConcatV2": _concat_v2,
    "Fill": _fill,
    "Range": _range,
    "Slice": _slice,
    "StridedSlice": _strided_slice,
    "Gather": _gather,
    "GatherV2": _gather,
    "Tile": _tile,
    "BroadcastTo": _broadcast_to,
    "ZerosLike": _filled(0),
    "OnesLike": _filled(1),
}
