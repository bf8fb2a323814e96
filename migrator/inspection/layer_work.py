"""What an operator of TFLite or a layer of Keras has to compute, counted as ``work`` counts ops.

Sources: the layouts of weights are those of TFLite's reference kernels and of Keras' public
documentation. TFLite's names are written in capitals, so that one table holds both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from migrator.model.graph import AttrValue
from migrator.shapes.facts import Dims, count

MOST = 1 << 63
"""Nothing that runs computes more. A hostile shape can claim it."""
_CONVOLUTION = re.compile(r"(Separable|Depthwise)?Conv(?:olution)?([123])D(Transpose)?")
_GATES = {"LSTM": 4, "CuDNNLSTM": 4, "GRU": 3, "CuDNNGRU": 3, "SimpleRNN": 1}


class Step(NamedTuple):
    """A node as rules see it."""

    attrs: Mapping[str, AttrValue]
    given: Sequence[Dims | None]
    made: Dims | None


def layer_products(op: str, step: Step) -> int | None:
    """Multiply-adds of a product; None where shapes do not allow to count them."""
    try:
        found = _rule(op)(step)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None
    return found if found is not None and 0 <= found < MOST else None


def is_layer_product(op: str, attrs: Mapping[str, AttrValue]) -> bool:
    if op in _WRAPPERS:
        inner = attrs.get("layer")
        return isinstance(inner, bytes) and is_layer_product(inner.decode("utf-8", "replace"), {})
    return op in _RULES or op in _GATES or _CONVOLUTION.fullmatch(op) is not None


def layer_elements(op: str, step: Step) -> int | None:
    """Operations on elements, those of a product's own bias and activation too.

    0 for what only moves values; None for an op whose work nobody knows.
    """
    if op in _BY_OUTPUT:
        return count(step.made or (None,)) or 0
    if op in _BY_INPUT:
        return count((step.given[0] if step.given else None) or (None,)) or 0
    if not is_layer_product(op, step.attrs):
        return 0 if op in _MOVES else None
    attrs = step.attrs
    active = attrs.get("fused_activation_function", attrs.get("activation", b"linear"))
    bias = attrs.get("use_bias") is True or (op in _BIAS and len(step.given) > _BIAS[op])
    times = int(bias) + (active not in (b"NONE", b"linear"))
    return times * (count(step.made or (None,)) or 0)


def _rule(op: str) -> Callable[[Step], int | None]:
    if op in _WRAPPERS:
        return _WRAPPERS[op]
    if op in _GATES:
        return lambda step: _recurrent(_GATES[op], step)
    if match := _CONVOLUTION.fullmatch(op):
        form, rank, turned = match[1], int(match[2]), match[3] is not None
        return lambda step: _keras_convolution(form, rank, turned, step)
    return _RULES[op]


def _times(dims: Dims | None, *more: int | None) -> int | None:
    return None if dims is None else count((*dims, *more))


def _taken(step: Step, slot: int) -> Dims:
    dims = step.given[slot]
    if dims is None:
        raise ValueError("shape")
    return dims


def _convolution(step: Step) -> int | None:
    return _times(step.made, *_taken(step, 1)[1:])


def _convolution_3d(step: Step) -> int | None:
    return _times(step.made, *_taken(step, 1)[:-1])


def _depthwise(step: Step) -> int | None:
    return _times(step.made, *_taken(step, 1)[1:3])


def _transposed(step: Step) -> int | None:
    return _times(_taken(step, 2), *_taken(step, 1)[:-1])


def _fully_connected(step: Step) -> int | None:
    return _times(step.made, _taken(step, 1)[-1])


def _matmul(step: Step) -> int | None:
    return _times(step.made, _taken(step, 0)[-2 if step.attrs.get("adj_x") is True else -1])


def _dense(step: Step) -> int | None:
    return _times(step.made, _taken(step, 0)[-1])


def _keras_convolution(form: str | None, rank: int, turned: bool, step: Step) -> int | None:
    attrs, image = step.attrs, _taken(step, 0)
    kernel = _sizes(attrs["kernel_size"], rank)
    channels = image[1 if attrs.get("data_format") == b"channels_first" else -1]
    if turned:
        return _times(image, *kernel, 1 if form else _number(attrs["filters"]))
    if form == "Depthwise":
        return _times(step.made, *kernel)
    if form is None:
        groups = _number(attrs.get("groups", 1))
        return None if channels is None else _times(step.made, *kernel, channels // groups)
    middle = _number(attrs.get("depth_multiplier", 1)) * (channels or 0)
    filters, out = _number(attrs["filters"]), count(step.made or (None,))
    if out is None or channels is None:
        return None
    return out // filters * middle * math.prod(kernel) + out * middle


def _sizes(value: AttrValue, rank: int) -> list[int]:
    if isinstance(value, list | tuple):
        found = [_number(item) for item in value]
        return found * rank if len(found) == 1 else found
    return [_number(value)] * rank


def _number(value: object) -> int:
    if not isinstance(value, int) or value <= 0:
        raise ValueError("size")
    return int(value)


def _recurrent(gates: int, step: Step) -> int | None:
    """Each frame: what comes in and the state, through the weights of all gates."""
    units = _number(step.attrs["units"])
    batch, frames, width = _taken(step, 0)
    return None if width is None else count((batch, frames, gates * units, width + units))


def _inner(step: Step) -> tuple[str, Mapping[str, AttrValue]]:
    """Class and settings of the layer inside."""
    name = step.attrs["layer"]
    if not isinstance(name, bytes):
        raise TypeError("layer")
    start = "layer."
    attrs = {key[len(start) :]: value for key, value in step.attrs.items() if key.startswith(start)}
    return name.decode("utf-8", "replace"), attrs


def _each_frame(step: Step) -> int | None:
    """The layer inside, with frames and batch as one."""
    name, attrs = _inner(step)
    if name in _WRAPPERS:
        return None
    given = [_frames(dims) for dims in step.given]
    return layer_products(name, Step(attrs, given, _frames(step.made)))


def _frames(dims: Dims | None) -> Dims | None:
    return None if dims is None else (count(dims[:2]), *dims[2:])


def _both_ways(step: Step) -> int | None:
    name, attrs = _inner(step)
    once = None if name in _WRAPPERS else layer_products(name, Step(attrs, step.given, None))
    return None if once is None else 2 * once


_WRAPPERS: Mapping[str, Callable[[Step], int | None]] = {
    "TimeDistributed": _each_frame,
    "Bidirectional": _both_ways,
}
_RULES: Mapping[str, Callable[[Step], int | None]] = {
    "CONV_2D": _convolution,
    "CONV_3D": _convolution_3d,
    "DEPTHWISE_CONV_2D": _depthwise,
    "TRANSPOSE_CONV": lambda step: _times(_taken(step, 2), *_taken(step, 1)[:3]),
    "CONV_3D_TRANSPOSE": _transposed,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _matmul,
    "Dense": _dense,
}
_BIAS = {
    "CONV_2D": 2,
    "CONV_3D": 2,
    "DEPTHWISE_CONV_2D": 2,
    "TRANSPOSE_CONV": 3,
    "CONV_3D_TRANSPOSE": 3,
    "FULLY_CONNECTED": 2,
}
"""Inputs that a product has without a bias."""
KEEPS_BATCH = frozenset(
    (
        "CONV_2D CONV_3D DEPTHWISE_CONV_2D TRANSPOSE_CONV FULLY_CONNECTED BATCH_MATMUL"
        " AVERAGE_POOL_2D MAX_POOL_2D L2_POOL_2D MEAN SUM REDUCE_MAX REDUCE_MIN REDUCE_PROD"
        " RELU RELU6 RELU_N1_TO_1 LOGISTIC TANH ELU GELU PRELU LEAKY_RELU HARD_SWISH SOFTMAX"
        " LOG_SOFTMAX ADD SUB MUL DIV MAXIMUM MINIMUM POW SQUARED_DIFFERENCE ABS NEG EXP LOG SQRT"
        " RSQRT SQUARE CAST QUANTIZE DEQUANTIZE L2_NORMALIZATION LOCAL_RESPONSE_NORMALIZATION PAD"
        " PADV2 MIRROR_PAD RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR DEPTH_TO_SPACE SPACE_TO_DEPTH"
    ).split()
)
"""Operators whose results have the batch of what they take."""
BROADCASTS = frozenset(
    "ADD SUB MUL DIV MAXIMUM MINIMUM POW SQUARED_DIFFERENCE BATCH_MATMUL".split()
)
KEEPS_ELEMENTS = frozenset("RESHAPE SQUEEZE EXPAND_DIMS TRANSPOSE".split())
_BY_OUTPUT = frozenset(
    (
        "RELU RELU6 RELU_N1_TO_1 LOGISTIC TANH ELU GELU PRELU LEAKY_RELU HARD_SWISH SOFTMAX"
        " LOG_SOFTMAX ADD ADD_N SUB MUL DIV FLOOR_DIV FLOOR_MOD MAXIMUM MINIMUM POW"
        " SQUARED_DIFFERENCE ABS NEG EXP LOG SQRT RSQRT SQUARE SIN COS CEIL FLOOR ROUND SIGN"
        " L2_NORMALIZATION LOCAL_RESPONSE_NORMALIZATION RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR"
        " LESS LESS_EQUAL GREATER GREATER_EQUAL EQUAL NOT_EQUAL LOGICAL_AND LOGICAL_OR LOGICAL_NOT"
        " SELECT SELECT_V2 CUMSUM"
        " Activation ReLU LeakyReLU PReLU ELU GELU Softmax ThresholdedReLU BatchNormalization"
        " BatchNormalizationV1 BatchNormalizationV2 SyncBatchNormalization LayerNormalization"
        " GroupNormalization UnitNormalization RMSNormalization Normalization Rescaling Resizing"
        " Add Subtract Multiply Average Maximum Minimum UpSampling1D UpSampling2D UpSampling3D"
    ).split()
)
_BY_INPUT = frozenset(
    (
        "AVERAGE_POOL_2D MAX_POOL_2D L2_POOL_2D MEAN SUM REDUCE_MAX REDUCE_MIN REDUCE_PROD"
        " REDUCE_ANY REDUCE_ALL ARG_MAX ARG_MIN"
    ).split()
) | {
    f"{scope}{kind}{word}{rank}D"
    for scope in ("", "Global")
    for kind in ("Max", "Average")
    for word in ("Pool", "Pooling")
    for rank in (1, 2, 3)
}
_MOVES = frozenset(
    (
        "Placeholder Const State Undefined RESHAPE SQUEEZE EXPAND_DIMS TRANSPOSE CONCATENATION"
        " SPLIT SPLIT_V PACK UNPACK SLICE STRIDED_SLICE GATHER GATHER_ND PAD PADV2 MIRROR_PAD TILE"
        " CAST QUANTIZE DEQUANTIZE SHAPE RANK RANGE FILL ZEROS_LIKE BROADCAST_TO BROADCAST_ARGS"
        " ONE_HOT SPACE_TO_DEPTH DEPTH_TO_SPACE SPACE_TO_BATCH_ND BATCH_TO_SPACE_ND REVERSE_V2"
        " EMBEDDING_LOOKUP WHILE IF CALL CALL_ONCE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE"
        " SCATTER_ND DYNAMIC_UPDATE_SLICE HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE"
        " BITCAST DENSIFY FAKE_QUANT WHERE MATRIX_DIAG MATRIX_SET_DIAG TOPK_V2"
        " InputLayer Flatten Reshape Permute RepeatVector Concatenate Embedding Dropout"
        " AlphaDropout GaussianDropout GaussianNoise SpatialDropout1D SpatialDropout2D"
        " SpatialDropout3D Masking Identity ActivityRegularization ZeroPadding1D ZeroPadding2D"
        " ZeroPadding3D Cropping1D Cropping2D Cropping3D TimeDistributed Bidirectional"
    ).split()
)
