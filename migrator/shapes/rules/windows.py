"""Convolutions and pooling: windows that move over an image, a signal or a volume.

Source of the sizes: TensorFlow's notes on padding (``tf.nn.convolution``). With a window of k
elements, dilated by d, and steps of s, n elements give ceil((n - (k - 1) d) / s) with VALID and
ceil(n / s) with SAME.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.shapes.facts import SCALAR, Dims, Fact, meet, meet_size, sizes, with_rank
from migrator.shapes.rules.reading import Op, Table, named, numbers, text


class Layout:
    """Which axis of an image is what, by ``data_format``. Raises ValueError for another one."""

    __slots__ = ("channel", "space")

    def __init__(self, op: Op, rank: int) -> None:
        form = text(op, "data_format") or ("NHWC" if rank == 4 else "NDHWC")
        if len(form) != rank or form[:1] != "N":
            raise ValueError("no such layout")
        self.channel = 1 if form[1] == "C" else rank - 1
        self.space = range(2, rank) if self.channel == 1 else range(1, rank - 1)

    def put(self, batch: int | None, space: Sequence[int | None], channel: int | None) -> Dims:
        if self.channel == 1:
            return (batch, channel, *space)
        return (batch, *space, channel)


def window(
    size: int | None,
    length: int | None,
    step: int,
    padding: str,
    dilation: int = 1,
    around: tuple[int, int] = (0, 0),
) -> int | None:
    """How often a window of ``length`` fits into ``size`` elements."""
    if step < 1 or dilation < 1:
        raise ValueError("no step")
    if size is None:
        return None
    if padding == "SAME":
        return -(-size // step)
    if padding not in ("VALID", "EXPLICIT"):
        raise ValueError("no such padding")
    if length is None:
        return None
    rest = size + sum(around) - (length - 1) * dilation - 1
    return max(rest // step + 1, 0)


def _convolved(op: Op, facts: Sequence[Fact], rank: int, dilations: str = "dilations") -> Fact:
    layout = Layout(op, rank)
    image, kernel = with_rank(facts[0].dims, rank), with_rank(facts[1].dims, rank)
    steps = numbers(op, "strides")
    spread = numbers(op, dilations, [1] * rank)
    padding = text(op, "padding")
    around = numbers(op, "explicit_paddings", [0] * 2 * rank)
    if op.op.startswith("Depthwise"):
        deep, times = kernel[2], kernel[3]
        deep = meet_size(deep, image[layout.channel])
        channel = None if deep is None or times is None else deep * times
    else:
        channel = kernel[-1]
    space = [
        window(
            image[axis],
            kernel[k],
            steps[axis],
            padding,
            spread[axis],
            (around[2 * axis], around[2 * axis + 1]),
        )
        for k, axis in enumerate(layout.space)
    ]
    return Fact(layout.put(image[0], space, channel))


def conv2d(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [_convolved(op, facts, 4)]


def conv3d(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [_convolved(op, facts, 5)]


def quantized_conv(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [_convolved(op, facts, 4), SCALAR, SCALAR]


def back_to_input(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """The gradient by the input (a transposed convolution): its shape comes as a vector."""
    rank = 5 if "3D" in op.op else 4
    if op.op in ("Conv3DBackpropInput", "Conv3DBackpropFilter"):
        return [Fact(facts[0].dims)]
    wanted = with_rank(sizes(facts[0]), rank)
    batch = with_rank(facts[2].dims, rank)[0]
    return [Fact((meet_size(wanted[0], batch), *wanted[1:]))]


def back_to_filter(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(with_rank(sizes(facts[1]), 5 if "3D" in op.op else 4))]


def dilation(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    image, kernel = with_rank(facts[0].dims, 4), with_rank(facts[1].dims, 3)
    steps, rates, padding = numbers(op, "strides"), numbers(op, "rates"), text(op, "padding")
    space = [
        window(image[axis], kernel[axis - 1], steps[axis], padding, rates[axis]) for axis in (1, 2)
    ]
    return [Fact((image[0], *space, meet_size(image[3], kernel[2])))]


def pool(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    rank = 5 if op.op.endswith("3D") else 4
    layout = Layout(op, rank)
    image = with_rank(facts[0].dims, rank)
    if op.op == "MaxPoolV2":
        lengths, steps = (
            fact.values if fact.values is not None else (None,) * rank for fact in facts[1:3]
        )
    else:
        lengths, steps = tuple(numbers(op, "ksize")), tuple(numbers(op, "strides"))
    padding = text(op, "padding")
    around = numbers(op, "explicit_paddings", [0] * 2 * rank)
    space: list[int | None] = []
    for axis in (*layout.space, layout.channel):
        step, sides = steps[axis], (around[2 * axis], around[2 * axis + 1])
        fits = None
        if step is not None:
            fits = window(image[axis], lengths[axis], step, padding, 1, sides)
        space.append(fits)
    found = Fact(layout.put(image[0], space[:-1], space[-1]))
    if op.op.startswith("Quantized"):
        return [found, SCALAR, SCALAR]
    return [found, found] if op.op == "MaxPoolWithArgmax" else [found]


def pool_gradient(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """As large as what was pooled: the first input, or the shape that it says."""
    if op.op.startswith("AvgPool"):
        return [Fact(with_rank(sizes(facts[0]), 5 if "3D" in op.op else 4))]
    return [Fact(facts[0].dims)]


def fractional(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    image = with_rank(facts[0].dims, 4)
    ratios = op.attrs["pooling_ratio"]
    found: list[int | None] = []
    for size, ratio in zip(image, ratios, strict=True):
        found.append(None if size is None else int(size / ratio))
    return [Fact(tuple(found)), Fact((None,)), Fact((None,))]


def patches(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    image = with_rank(facts[0].dims, 4)
    lengths, steps, rates = (numbers(op, key) for key in ("ksizes", "strides", "rates"))
    padding = text(op, "padding")
    space = [
        window(image[axis], lengths[axis], steps[axis], padding, rates[axis]) for axis in (1, 2)
    ]
    deep = None if image[3] is None else image[3] * lengths[1] * lengths[2]
    return [Fact((image[0], *space, deep))]


def batch_norm(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """The image, then its means and variances by channel, twice."""
    dims = facts[0].dims
    scale = facts[1].dims
    channel = scale[0] if scale else None
    if dims is not None:
        form = text(op, "data_format") or "NHWC"
        at = 1 if form.startswith("NC") else len(dims) - 1
        channel = meet_size(dims[at], channel)
        dims = (*dims[:at], channel, *dims[at + 1 :])
    vector = Fact((channel,))
    return [Fact(dims), vector, vector, vector, vector]


def batch_norm_gradient(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    scale = Fact(facts[2].dims)
    return [Fact(meet(facts[0].dims, facts[1].dims)), scale, scale]


def response(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(with_rank(facts[0].dims, 4))]


RULES: Table = {
    **named("Conv2D DepthwiseConv2dNative _FusedConv2D _FusedDepthwiseConv2dNative", conv2d),
    "Conv3D": conv3d,
    "QuantizedConv2D": quantized_conv,
    **named(
        "Conv2DBackpropInput DepthwiseConv2dNativeBackpropInput Conv3DBackpropInputV2"
        " Conv3DBackpropInput",
        back_to_input,
    ),
    **named(
        "Conv2DBackpropFilter DepthwiseConv2dNativeBackpropFilter Conv3DBackpropFilterV2",
        back_to_filter,
    ),
    "Dilation2D": dilation,
    **named(
        "MaxPool MaxPoolV2 AvgPool MaxPool3D AvgPool3D MaxPoolWithArgmax QuantizedMaxPool"
        " QuantizedAvgPool",
        pool,
    ),
    **named("MaxPoolGrad MaxPool3DGrad AvgPoolGrad AvgPool3DGrad MaxPoolGradV2", pool_gradient),
    **named("FractionalMaxPool FractionalAvgPool", fractional),
    "ExtractImagePatches": patches,
    **named("FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 _FusedBatchNormEx", batch_norm),
    **named("FusedBatchNormGrad FusedBatchNormGradV2 FusedBatchNormGradV3", batch_norm_gradient),
    "LRN": response,
}
