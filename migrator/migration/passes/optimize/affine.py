"""Layers with weights, and ops that scale and shift their results channel by channel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from migrator.graph.order import Tensor, all_inputs, tensor_of
from migrator.migration.passes.optimize.edges import (
    data_inputs,
    tensors_in,
)
from migrator.model.dtypes import FLOAT32, DType, dtype_named
from migrator.model.graph import Graph, Node
from migrator.model.tensors import Shape, TensorSpec

CHANNELS_FIRST = frozenset((b"NCHW", b"NCDHW"))
_CHANNELS_LAST = frozenset((b"NHWC", b"NDHWC"))
_WIDE = (FLOAT32, dtype_named("float64"))
"""Types with bits to spare for weights that are scaled."""
_COPIES = frozenset(("Identity", "StopGradient", "PreventGradient", "Snapshot"))
_FUSED = frozenset(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """A convolution or matrix product, linear in its weights."""

    node: Node
    dtype: DType
    weights_slot: int
    rank: int
    """Of the result."""
    data_format: bytes
    out_axis: int
    """The axis of the weights that counts the result's channels; of a depthwise one, the last."""
    weights_rank: int

    @property
    def weights(self) -> Tensor:
        return data_inputs(self.node)[self.weights_slot]

    @property
    def channel_axis(self) -> int:
        return 1 if self.data_format in CHANNELS_FIRST else self.rank - 1

    @property
    def depthwise(self) -> bool:
        return self.node.op == "DepthwiseConv2dNative"

    def channels(self, weights: Shape) -> int | None:
        """Channels of the result, None where the weights' shape does not fit the op."""
        dims = weights.dims
        if dims is None or len(dims) != self.weights_rank or weights.elements is None:
            return None
        last = dims[self.out_axis] or 0
        return last * (dims[2] or 0) if self.depthwise else last

    def along_weights(self, scale: Any, weights: Shape) -> Any:
        """``scale``, one to a channel, in a shape that multiplies the weights."""
        dims = weights.dims or ()
        if self.depthwise:
            return scale.reshape(1, 1, dims[2], dims[3])
        shape = [1] * len(dims)
        shape[self.out_axis] = len(scale)
        return scale.reshape(shape)


def layer(node: Node) -> Layer | None:
    """What ``node`` is, None for no layer, or one in a type or layout that is left alone."""
    dtype = node.attrs.get("T")
    if dtype not in _WIDE:
        return None
    if node.op == "MatMul":
        rank, slots, slot, weights_rank = 2, 2, 1, 2
        out_axis = 0 if node.attrs.get("transpose_b") else 1
        layout = b"NHWC"
    elif node.op in _CONVOLUTIONS:
        rank, slots, slot, out_axis = _CONVOLUTIONS[node.op]
        weights_rank = rank
        layout = node.attrs.get("data_format", b"NDHWC" if rank == 5 else b"NHWC")
    else:
        return None
    known = layout in CHANNELS_FIRST or layout in _CHANNELS_LAST
    if not known or len(data_inputs(node)) != slots:
        return None
    return Layer(
        node=node,
        dtype=DType(dtype),
        weights_slot=slot,
        rank=rank,
        data_format=layout,
        out_axis=out_axis,
        weights_rank=weights_rank,
    )


_CONVOLUTIONS = {
    "Conv2D": (4, 2, 1, 3),
    "DepthwiseConv2dNative": (4, 2, 1, 3),
    "Conv2DBackpropInput": (4, 3, 1, 2),
    "Conv3D": (5, 2, 1, 4),
}
"""Op -> rank, data inputs, slot of the weights, their axis of output channels."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Affine:
    """``scale * x + offset``, float64, scalar or one to a channel."""

    scale: Any = 1.0
    offset: Any = 0.0
    multiplies: bool = False
    copies: bool = False


Values = Callable[[Tensor], Any]


def affine(node: Node, slot: int, behind: Layer, channels: int, values: Values) -> Affine | None:
    """What ``node`` does to its input ``slot``, a result of ``behind``; None for anything else.

    ``values`` gives the array of a constant, None for what is none.
    """
    if node.attrs.get("T") != behind.dtype:
        return None
    inputs = data_inputs(node)
    if node.op in _COPIES:
        return Affine(copies=True)
    if node.op in _FUSED and slot == 0 and len(inputs) == 5:
        return _fused(node, behind, [_vector(values(item), channels) for item in inputs[1:]])
    if node.op == "BatchNormWithGlobalNormalization" and slot == 0 and len(inputs) == 5:
        return _global(node, behind, [_vector(values(item), channels) for item in inputs[1:]])
    if node.op in ("BiasAdd", "BiasAddV1") and slot == 0 and len(inputs) == 2:
        layout = node.attrs.get("data_format", b"NHWC")
        first = layout in CHANNELS_FIRST
        if behind.rank != 2 and first != (behind.data_format in CHANNELS_FIRST):
            return None
        vector = _vector(values(inputs[1]), channels)
        return None if vector is None else Affine(offset=vector)
    if node.op in _ARITHMETIC and len(inputs) == 2:
        other = _by_channel(values(inputs[1 - slot]), behind, channels)
        return None if other is None else _arithmetic(node.op, slot, other)
    return None


_ARITHMETIC = frozenset("Mul Add AddV2 Sub RealDiv Div".split())


def _arithmetic(op: str, slot: int, other: Any) -> Affine | None:
    import numpy as np

    if op == "Mul":
        return Affine(scale=other, multiplies=True)
    if op in ("RealDiv", "Div"):
        if slot:
            return None
        with np.errstate(all="ignore"):
            return Affine(scale=1 / other, multiplies=True)
    if op == "Sub":
        if slot:
            return Affine(scale=-1.0, offset=other, multiplies=True)
        return Affine(offset=-other)
    return Affine(offset=other)


def _fused(node: Node, behind: Layer, parameters: list[Any]) -> Affine | None:
    layout = node.attrs.get("data_format", b"NHWC")
    if node.attrs.get("is_training", True) is not False or layout != behind.data_format:
        return None
    scale, offset, mean, variance = parameters
    return _normal(scale, offset, mean, variance, node.attrs.get("epsilon", 1e-4))


def _global(node: Node, behind: Layer, parameters: list[Any]) -> Affine | None:
    if behind.data_format != b"NHWC" or behind.rank != 4:
        return None
    mean, variance, offset, scale = parameters
    if not node.attrs.get("scale_after_normalization"):
        scale = 1.0
    return _normal(scale, offset, mean, variance, node.attrs.get("variance_epsilon", 0.0))


def _normal(scale: Any, offset: Any, mean: Any, variance: Any, epsilon: Any) -> Affine | None:
    import numpy as np

    missing = any(item is None for item in (scale, offset, mean, variance))
    if missing or not isinstance(epsilon, float):
        return None
    with np.errstate(all="ignore"):
        factor = scale / np.sqrt(variance + epsilon)
        return Affine(scale=factor, offset=offset - mean * factor, multiplies=True)


def _vector(value: Any, channels: int) -> Any | None:
    """One number to a channel as float64."""
    import numpy as np

    if value is None or value.shape != (channels,) or value.dtype.kind != "f":
        return None
    return value.astype(np.float64)


def _by_channel(value: Any, behind: Layer, channels: int) -> Any | None:
    """A constant that broadcasts along the channels alone, as a float64 vector."""
    import numpy as np

    if value is None or value.ndim > behind.rank or value.dtype.kind != "f":
        return None
    shape = (1,) * (behind.rank - value.ndim) + value.shape
    if any(size != 1 for axis, size in enumerate(shape) if axis != behind.channel_axis):
        return None
    if value.size not in (1, channels):
        return None
    return np.broadcast_to(value.reshape(-1).astype(np.float64), (channels,))


class Readers:
    """Who reads which tensor, and which nodes have to stay what they are."""

    __slots__ = ("_given", "_kept", "_kept_names", "_readers", "_used", "_waited")

    def __init__(
        self, graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]
    ) -> None:
        self._given = tensors_in(given)
        self._kept = frozenset(tensor_of(name) for name in keep)
        self._kept_names = frozenset(name for name, _ in self._kept)
        self._readers: dict[Tensor, list[tuple[Node, int]]] = {}
        self._used: Counter[str] = Counter()
        self._waited: set[str] = set()
        for node in graph.nodes:
            for slot, tensor in enumerate(all_inputs(node)):
                if tensor[1] < 0:
                    self._waited.add(tensor[0])
                else:
                    self._readers.setdefault(tensor, []).append((node, slot))
                    self._used[tensor[0]] += 1

    def is_given(self, tensor: Tensor) -> bool:
        return tensor in self._given

    def only(self, node: Node, *, waits: bool = False) -> tuple[Node, int] | None:
        """The one reader of a node and its slot; ``waits`` lets others wait for the node."""
        if node.name in self._kept_names or (node.name in self._waited and not waits):
            return None
        found = self._readers.get((node.name, 0), [])
        return found[0] if len(found) == 1 == self._used[node.name] else None

    def side_outputs(self, node: Node) -> bool:
        """True where an output but the first is read or kept."""
        read = self._used[node.name] - len(self._readers.get((node.name, 0), ()))
        return bool(read) or any(name == node.name and port for name, port in self._kept)

    def is_private(self, constant: Node, reader: Node) -> bool:
        """True where nothing but ``reader`` sees the constant, through copies of it or not."""
        node = constant
        for _ in range(_MOST_STEPS):
            found = self.only(node, waits=True)
            if found is None:
                return False
            node = found[0]
            if node.name == reader.name:
                return True
            if node.op not in _COPIES:
                return False
        return False


_MOST_STEPS = 32
