"""How large a picture has to be, that no window of the convolutions behind it hangs over its end.

Kernels of TensorFlow may end the process, by a division by zero, where nothing is left to pool.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.graph.wiring import Wiring
from migrator.model.tensors import LazyTensor
from migrator.ops.state import VARIABLE_OPS

_SIDES = (32, 64, 96, 128, 160, 192, 224, 256, 299, 331, 384, 448, 512)
"""Sides that are tried, in pixels."""
_MOST = 20_000
"""Nodes behind an input that are looked at."""
_POOLS = frozenset(("MaxPool", "AvgPool", "MaxPoolWithArgmax"))
_CONVOLUTIONS = frozenset(("Conv2D", "DepthwiseConv2dNative"))
_PADS = frozenset(("Pad", "PadV2", "MirrorPad"))
_SAME_SIZE = frozenset(
    (
        "Identity Cast Sub Mul Div RealDiv Add AddV2 AddN Relu Relu6 Elu Selu LeakyRelu Sigmoid "
        "Tanh Softplus StopGradient FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 BiasAdd "
        "BatchNormWithGlobalNormalization LRN PlaceholderWithDefault Square Sqrt Rsqrt Maximum "
        "Minimum Abs Neg Exp ConcatV2 Concat Switch Merge CheckNumerics Prelu "
        "FakeQuantWithMinMaxVars FakeQuantWithMinMaxArgs"
    ).split()
)
"""Ops that leave height and width as they were, of what goes on from one picture."""


def smallest_side(wiring: Wiring, number: int, least: int) -> int:
    """The smallest side from ``least`` on, in pixels, of a square picture [batch, side, side,
    channels] at node ``number`` that leaves every window behind it something to look at.

    ``least`` itself where none that is tried does. Linear in what lies behind the input.
    """
    behind = _in_order(wiring, number)
    sides = [least, *(side for side in _SIDES if side > least)]
    return next((side for side in sides if _fits(wiring, number, behind, side)), least)


def _fits(wiring: Wiring, start: int, behind: Sequence[int], side: int) -> bool:
    sizes = {start: (side, side)}
    for number in behind:
        got = [sizes[producer] for producer, _ in wiring.inputs[number] if producer in sizes]
        if not got:
            continue
        smallest = min(item[0] for item in got), min(item[1] for item in got)
        size = _size_after(wiring, number, smallest)
        if size is None:
            continue
        if min(size) < 1:
            return False
        sizes[number] = size
    return True


def _size_after(wiring: Wiring, number: int, size: tuple[int, int]) -> tuple[int, int] | None:
    """Height and width of what a node gives; None where they are no longer the picture's."""
    node = wiring.nodes[number]
    if node.op in _SAME_SIZE:
        return size
    if node.op in _PADS:
        return _padded(wiring, number, size)
    if node.op not in _POOLS and node.op not in _CONVOLUTIONS:
        return None
    if node.attrs.get("data_format", b"NHWC") != b"NHWC":
        return None
    window = _four(node.attrs.get("ksize")) if node.op in _POOLS else _kernel(wiring, number)
    steps = _four(node.attrs.get("strides"))
    if window is None or steps is None:
        return None
    if node.attrs.get("padding") == b"SAME":
        window = (1, 1)
    elif node.attrs.get("padding") != b"VALID":
        return None
    height, width = ((size[i] - window[i]) // steps[i] + 1 for i in range(2))
    return height, width


def _kernel(wiring: Wiring, number: int) -> tuple[int, int] | None:
    """Height and width that a convolution's filter spans, its gaps included."""
    node = wiring.nodes[number]
    if len(wiring.inputs[number]) < 2:
        return None
    dims = _filter_dims(wiring, wiring.inputs[number][1][0])
    gaps = _four(node.attrs.get("dilations")) or (1, 1)
    if dims is None or len(dims) != 4 or dims[0] is None or dims[1] is None:
        return None
    return (dims[0] - 1) * gaps[0] + 1, (dims[1] - 1) * gaps[1] + 1


def _filter_dims(wiring: Wiring, number: int) -> Sequence[int | None] | None:
    for _ in range(8):
        node = wiring.nodes[number]
        value = node.attrs.get("value")
        if node.op == "Const" and isinstance(value, LazyTensor):
            return value.shape.dims
        if node.op in VARIABLE_OPS:
            shape = node.attrs.get("shape")
            return getattr(shape, "dims", None)
        if not wiring.inputs[number]:
            return None
        number = wiring.inputs[number][0][0]
    return None


def _padded(wiring: Wiring, number: int, size: tuple[int, int]) -> tuple[int, int] | None:
    if len(wiring.inputs[number]) < 2:
        return None
    node = wiring.nodes[wiring.inputs[number][1][0]]
    value = node.attrs.get("value")
    if node.op != "Const" or not isinstance(value, LazyTensor) or value.elements != 8:
        return None
    around = value.numpy().reshape(4, 2).sum(axis=1).tolist()
    return size[0] + int(around[1]), size[1] + int(around[2])


def _four(value: object) -> tuple[int, int] | None:
    """Height's and width's of [batch, height, width, channels]."""
    if not isinstance(value, (list, tuple)) or len(value) != 4:
        return None
    height, width = value[1:3]
    if not isinstance(height, int) or not isinstance(width, int) or min(height, width) < 1:
        return None
    return height, width


def _in_order(wiring: Wiring, start: int) -> list[int]:
    """What lies behind ``start``, each node behind its inputs; empty where that is too much."""
    behind = wiring.forward([start], most=_MOST)
    if len(behind) > _MOST:
        return []
    waiting = {
        number: sum(producer in behind for producer, _ in wiring.inputs[number])
        for number in behind
    }
    ready = [start]
    found: list[int] = []
    while ready:
        number = ready.pop()
        if number != start:
            found.append(number)
        for consumer in wiring.consumers[number]:  # once for each slot
            waiting[consumer] -= 1
            if not waiting[consumer]:
                ready.append(consumer)
    return found
