"""Image ops of early TensorFlow 1 and of ``tf.contrib`` in today's ops."""

from __future__ import annotations

from typing import Any

from migrator.migration.passes.deprecated.maths import inputs_of, seeds
from migrator.migration.passes.draft import Draft, Unfit, attr_of, dtype_of
from migrator.model.dtypes import BOOL, FLOAT32, INT32, INT64, DType
from migrator.model.graph import Node


def adjust_contrast(node: Node, draft: Draft) -> None:
    """(x - mean of each channel) * factor + mean, cut off at the limits; float32 whatever x is."""
    images, factor, low, high = inputs_of(node, 4)
    dtype = dtype_of(node)
    if dtype != FLOAT32:
        images = draft.op("Cast", images, label="float", SrcT=dtype, DstT=FLOAT32)
    axes = draft.const([-3, -2], INT32, "axes")
    mean = draft.op("Mean", images, axes, label="mean", T=FLOAT32, Tidx=INT32, keep_dims=True)
    centred = draft.op("Sub", images, mean, label="centred", T=FLOAT32)
    scaled = draft.op("Mul", centred, factor, label="scaled", T=FLOAT32)
    adjusted = draft.op("AddV2", scaled, mean, label="adjusted", T=FLOAT32)
    below = draft.op("Minimum", adjusted, high, label="below", T=FLOAT32)
    draft.finish("Maximum", below, low, T=FLOAT32)


def random_crop(node: Node, draft: Draft) -> None:
    """A window of ``size`` (height, width) at a place drawn anew; all of it where it just fits."""
    image, size = inputs_of(node, 2)
    dtype = dtype_of(node)
    shape = draft.op("Shape", image, label="shape", T=dtype, out_type=INT64)
    begin, two = draft.const([0], INT64, "begin"), draft.const([2], INT64, "two")
    outer = draft.op("Slice", shape, begin, two, label="outer", T=INT64, Index=INT64)
    room = draft.op("Sub", outer, size, label="room", T=INT64)
    one = draft.const(1, INT64, "one")
    limit = draft.op("AddV2", room, one, label="limit", T=INT64)
    # RandomUniformInt takes one limit for all: a large number, brought down by the remainder.
    far = draft.const((1 << 62) - 1, INT64, "far")
    zero = draft.const(0, INT64, "zero")
    drawn = draft.op(
        "RandomUniformInt", two, zero, far, label="drawn", Tout=INT64, T=INT64, **seeds(node)
    )
    place = draft.op("FloorMod", drawn, limit, label="place", T=INT64)
    axis, end = draft.const(0, INT32, "axis"), draft.const([-1], INT64, "all")
    start = draft.op("ConcatV2", place, begin, axis, label="start", N=2, T=INT64, Tidx=INT32)
    extent = draft.op("ConcatV2", size, end, axis, label="extent", N=2, T=INT64, Tidx=INT32)
    draft.finish("Slice", image, start, extent, T=dtype, Index=INT64)


def projective_transform(node: Node, draft: Draft) -> None:
    """The result had the size of the images."""
    images, transforms = inputs_of(node, 2)
    dtype = dtype_of(node, "dtype")
    shape = draft.op("Shape", images, label="shape", T=dtype, out_type=INT32)
    begin, size = draft.const([1], INT32, "begin"), draft.const([2], INT32, "size")
    wanted = draft.op("Slice", shape, begin, size, label="wanted", T=INT32, Index=INT32)
    how = attr_of(node, "interpolation", bytes)
    draft.finish(
        "ImageProjectiveTransformV2",
        images,
        transforms,
        wanted,
        dtype=dtype,
        interpolation=how,
        fill_mode=b"CONSTANT",
    )


def resampler(node: Node, draft: Draft) -> None:
    """Bilinear sampling of [B, H, W, C] at [B, ..., 2] places (x, y); zero outside.

    A border of zeros stands for what lies outside; a place is read with its three neighbours to
    the right and below.
    """
    data, warp = inputs_of(node, 2)
    dtype = dtype_of(node)
    if not dtype.is_floating:
        raise Unfit(node.name)
    sampling = _Sampling(draft, dtype)
    border = draft.const([[0, 0], [1, 1], [1, 1], [0, 0]], INT32, "border")
    padded = draft.op("Pad", data, border, label="padded", T=dtype, Tpaddings=INT32)
    last = draft.const(-1, INT32, "last")
    x, y = draft.ops("Unpack", warp, ports=2, label="xy", T=dtype, num=2, axis=-1)
    shape = draft.op("Shape", data, label="shape", T=dtype, out_type=INT32)
    _, height, width, _ = draft.ops("Unpack", shape, ports=4, label="sizes", T=INT32, num=4, axis=0)
    left, right, x_whole, x_inside = sampling.axis(x, width)
    upper, lower, y_whole, y_inside = sampling.axis(y, height)
    inside = draft.op("LogicalAnd", x_inside, y_inside, label="inside")
    one = draft.const(1, INT32, "one")
    x_next = draft.op("AddV2", x_whole, one, T=INT32)
    y_next = draft.op("AddV2", y_whole, one, T=INT32)

    def at(row: str, column: str, first: str, second: str) -> str:
        place = draft.op("Pack", row, column, label="place", N=2, T=INT32, axis=-1)
        values = sampling.gather(padded, place)
        weight = draft.op("Mul", first, second, label="weight", T=dtype)
        weight = draft.op("ExpandDims", weight, last, T=dtype, Tdim=INT32)
        return draft.op("Mul", weight, values, label="part", T=dtype)

    total = at(y_whole, x_whole, left, upper)
    for row, column, first, second in (
        (y_next, x_next, right, lower),
        (y_next, x_whole, left, lower),
        (y_whole, x_next, right, upper),
    ):
        part = at(row, column, first, second)
        total = draft.op("AddV2", total, part, label="total", T=dtype)
    seen = draft.op("ExpandDims", inside, last, label="seen", T=BOOL, Tdim=INT32)
    nothing = draft.op("ZerosLike", total, label="nothing", T=dtype)
    draft.finish("SelectV2", seen, total, nothing, T=dtype)


class _Sampling:
    """Places and weights along one axis, and the look-up by batch."""

    def __init__(self, draft: Draft, dtype: DType) -> None:
        self.draft, self.dtype = draft, dtype
        self.one = draft.const(1, dtype, "unit")
        self.minus = draft.const(-1, dtype, "minus")
        self.batch_dims = 1

    def axis(self, places: str, size: str) -> tuple[str, str, str, str]:
        """Weight of the left and of the right neighbour, index of the left, and who is inside.

        Indices count in the padded image: one more than in the data.
        """
        draft, dtype = self.draft, self.dtype
        end = draft.op("Cast", size, label="end", SrcT=INT32, DstT=dtype)
        inside = draft.op(
            "LogicalAnd",
            draft.op("Greater", places, self.minus, T=dtype),
            draft.op("Less", places, end, T=dtype),
        )
        floor = draft.op("Floor", places, label="floor", T=dtype)
        after = draft.op("AddV2", floor, self.one, label="after", T=dtype)
        left = draft.op("Sub", after, places, label="left", T=dtype)
        right = draft.op("Sub", self.one, left, label="right", T=dtype)
        # What is outside is cut off later; here it only has to be a place that exists.
        held = draft.op("Minimum", draft.op("Maximum", after, self.zero(), T=dtype), end, T=dtype)
        whole = draft.op("Cast", held, label="whole", SrcT=dtype, DstT=INT32)
        return left, right, whole, inside

    def zero(self) -> str:
        return self.draft.const(0, self.dtype, "zero")

    def gather(self, padded: str, place: str) -> str:
        """Rows of [B, H, W, C] at [B, ..., 2] places."""
        draft = self.draft
        shape = draft.op("Shape", place, label="shape", T=INT32, out_type=INT32)
        begin, size = draft.const([0], INT32), draft.const([-1], INT32)
        step = draft.const([1], INT32)
        mask: dict[str, Any] = {
            "begin_mask": 1,
            "ellipsis_mask": 0,
            "new_axis_mask": 0,
            "T": INT32,
            "Index": INT32,
        }
        outer = draft.op(
            "StridedSlice", shape, begin, size, step, end_mask=0, shrink_axis_mask=0, **mask
        )
        batches = draft.op(
            "StridedSlice", outer, begin, step, step, end_mask=0, shrink_axis_mask=1, **mask
        )
        ones = draft.op("OnesLike", outer, T=INT32)
        tail = draft.op(
            "StridedSlice", ones, step, begin, step,
            **{**mask, "begin_mask": 0}, end_mask=1, shrink_axis_mask=0,
        )  # fmt: skip
        axis, zero, one = draft.const(0, INT32), draft.const(0, INT32), draft.const(1, INT32)
        column = draft.op(
            "ConcatV2",
            draft.op("ExpandDims", batches, axis, T=INT32, Tdim=INT32),
            tail,
            axis,
            N=2,
            T=INT32,
            Tidx=INT32,
        )
        numbers = draft.op("Range", zero, batches, one, Tidx=INT32)
        numbers = draft.op("Reshape", numbers, column, T=INT32, Tshape=INT32)
        numbers = draft.op("BroadcastTo", numbers, outer, T=INT32, Tidx=INT32)
        last = draft.const(-1, INT32)
        numbers = draft.op("ExpandDims", numbers, last, T=INT32, Tdim=INT32)
        full = draft.op("ConcatV2", numbers, place, last, N=2, T=INT32, Tidx=INT32)
        return draft.op(
            "GatherNd", padded, full, label="gathered", Tparams=self.dtype, Tindices=INT32
        )
