"""What shape a layer of Keras' own gives, from its settings and what it takes.

Source: the shapes that Keras' public documentation states for each layer, checked against Keras.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from migrator.formats.keras.config import (
    CONSTANT,
    class_name,
    config_of,
    histories,
    shape_of,
)

Dims = tuple[int | None, ...]
_MOST = 1 << 62
_SAME = frozenset(
    (
        "Activation ActivityRegularization AlphaDropout BatchNormalization BatchNormalizationV1 "
        "BatchNormalizationV2 Dropout ELU GELU GaussianDropout GaussianNoise GroupNormalization "
        "Identity LayerNormalization LeakyReLU Masking Normalization PReLU RMSNormalization ReLU "
        "Rescaling Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D "
        "SpectralNormalization SyncBatchNormalization ThresholdedReLU UnitNormalization "
        "RandomFlip RandomRotation RandomZoom RandomContrast RandomBrightness RandomTranslation"
    ).split()
)
_MERGES = frozenset("Add Average Maximum Minimum Multiply Subtract".split())
_CALLED = frozenset(
    (
        "__operators__.add __operators__.sub cast clip_by_value identity math.abs math.add "
        "math.divide math.exp math.maximum math.minimum math.multiply math.sigmoid math.sqrt "
        "math.square math.subtract math.tanh math.truediv nn.elu nn.gelu nn.relu nn.relu6 "
        "nn.sigmoid nn.silu nn.softmax nn.swish nn.tanh"
    ).split()
)
"""TensorFlow's functions that keep the shape, as the layers that hold a call of one name them."""
_RECURRENT = frozenset("LSTM GRU SimpleRNN CuDNNLSTM CuDNNGRU".split())
_CONVOLUTION = re.compile(r"(Separable|Depthwise)?Conv(olution)?([123])D(Transpose)?")
_POOLING = re.compile(r"(Global)?(Max|Average)Pool(?:ing)?([123])D")
_RESIZING = re.compile(r"(ZeroPadding|Cropping|UpSampling)([123])D")


def output_shapes(layer: Mapping[str, Any], taken: Sequence[Dims | None]) -> list[Dims] | None:
    """The shapes of a layer's results; None where they are not known. Raises nothing."""
    try:
        found = _shapes(class_name(layer), config_of(layer), taken)
        if class_name(layer) == "TFOpLambda":
            found = _called(layer, taken)
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ):
        return None  # settings of other types than Keras would write
    if found is None or any(
        size is not None and not 0 <= size < _MOST for dims in found for size in dims
    ):
        return None
    return found


def _shapes(
    name: str, config: Mapping[str, Any], taken: Sequence[Dims | None]
) -> list[Dims] | None:
    if not taken or taken[0] is None:
        return None
    first = taken[0]
    if name in _SAME:
        return [first]
    if name in _MERGES:
        return _merged(taken)
    if name in _RECURRENT:
        return _recurrent(name, config, first)
    if name in _RULES:
        return _RULES[name](config, first)
    if name == "Concatenate":
        return _concatenated(config, taken)
    if name == "Bidirectional":
        return _bidirectional(config, first)
    if name == "TimeDistributed":
        inner = output_shapes(config["layer"], [(first[0], *first[2:])])
        return [(dims[0], first[1], *dims[1:]) for dims in inner] if inner else None
    if match := _CONVOLUTION.fullmatch(name):
        return _convolved(match, config, first)
    if match := _POOLING.fullmatch(name):
        return _pooled(match, config, first)
    if match := _RESIZING.fullmatch(name):
        return _resized(match, config, first)
    return None


def _dense(config: Mapping[str, Any], dims: Dims) -> list[Dims]:
    return [(*dims[:-1], int(config.get("units", config.get("output_dim"))))]


def _embedding(config: Mapping[str, Any], dims: Dims) -> list[Dims]:
    return [(*dims, int(config["output_dim"]))]


def _flatten(config: Mapping[str, Any], dims: Dims) -> list[Dims]:
    return [(dims[0], _product(dims[1:]))]


def _reshape(config: Mapping[str, Any], dims: Dims) -> list[Dims] | None:
    target = shape_of([None if size == -1 else size for size in _items(config["target_shape"])])
    if target is None:
        return None
    whole = _product(dims[1:])
    if None in target and target.count(None) == 1 and whole is not None:
        rest = _product(tuple(size for size in target if size is not None)) or 1
        target = tuple(whole // rest if size is None else size for size in target)
    return [(dims[0], *target)]


def _permute(config: Mapping[str, Any], dims: Dims) -> list[Dims]:
    return [(dims[0], *(dims[number] for number in _items(config["dims"])))]


def _repeat(config: Mapping[str, Any], dims: Dims) -> list[Dims]:
    return [(dims[0], int(config["n"]), *dims[1:])]


def _attention(config: Mapping[str, Any], dims: Dims) -> list[Dims] | None:
    return [dims] if not config.get("output_shape") else None


_RULES: dict[str, Callable[[Mapping[str, Any], Dims], list[Dims] | None]] = {
    "Dense": _dense,
    "Embedding": _embedding,
    "Flatten": _flatten,
    "MultiHeadAttention": _attention,
    "Permute": _permute,
    "RepeatVector": _repeat,
    "Reshape": _reshape,
}


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = value["items"]
    return list(value)


def _product(dims: Sequence[int | None]) -> int | None:
    found = 1
    for size in dims:
        if size is None:
            return None
        found *= size
        if found > _MOST:
            raise OverflowError
    return found


def _merged(taken: Sequence[Dims | None]) -> list[Dims] | None:
    """One shape for all, broadcast."""
    known = [dims for dims in taken if dims is not None]
    if len(known) < len(taken) or len({len(dims) for dims in known}) > 1:
        return None
    return [tuple(_broadcast(sizes) for sizes in zip(*known, strict=True))]


def _broadcast(sizes: Sequence[int | None]) -> int | None:
    found = {size for size in sizes if size != 1}
    if not found:
        return 1
    return found.pop() if len(found) == 1 else next(size for size in found if size is not None)


def _concatenated(config: Mapping[str, Any], taken: Sequence[Dims | None]) -> list[Dims] | None:
    known = [dims for dims in taken if dims is not None]
    axis = int(config.get("axis", -1))
    if len(known) < len(taken) or len({len(dims) for dims in known}) > 1:
        return None
    first = list(known[0])
    sizes = [dims[axis] for dims in known]
    first[axis] = None if None in sizes else sum(size for size in sizes if size is not None)
    return [tuple(first)]


def _called(layer: Mapping[str, Any], taken: Sequence[Dims | None]) -> list[Dims] | None:
    """A call of an elementwise function on tensors and numbers."""
    if config_of(layer).get("function") not in _CALLED or not taken:
        return None
    for call in layer["inbound_nodes"]:
        items = [call] if isinstance(call[0], str) else call
        for item in items:
            if item[0] == CONSTANT:
                return None
            for value in item[3].values():
                # A list may be another tensor, which is in ``taken``, or an array, which is not.
                if isinstance(value, (list, dict)) and not any(histories(value)):
                    return None
    return _merged(taken)


def _recurrent(name: str, config: Mapping[str, Any], dims: Dims) -> list[Dims]:
    units = int(config.get("units", config.get("output_dim")))
    each = (dims[0], units)
    out: Dims = (dims[0], dims[1], units) if config.get("return_sequences") else each
    states = 0 if not config.get("return_state") else 2 if name.endswith("LSTM") else 1
    return [out, *[each] * states]


def _bidirectional(config: Mapping[str, Any], dims: Dims) -> list[Dims] | None:
    inner = output_shapes(config["layer"], [dims])
    if inner is None or config_of(config["layer"]).get("return_state"):
        return None
    mode, out = config.get("merge_mode", "concat"), inner[0]
    if mode is None:
        return [out, out]
    last = out[-1]
    return [(*out[:-1], last * 2 if mode == "concat" and last is not None else last)]


def _is_first(config: Mapping[str, Any]) -> bool:
    """Whether channels stand before the places (Keras 1 wrote it as ``dim_ordering``)."""
    return config.get("data_format") == "channels_first" or config.get("dim_ordering") == "th"


def _places(config: Mapping[str, Any], dims: Dims, rank: int) -> tuple[Dims, int | None]:
    """The sizes that a window moves over, and the number of channels."""
    if len(dims) != rank + 2:
        raise ValueError("rank")
    return (dims[2:], dims[1]) if _is_first(config) else (dims[1:-1], dims[-1])


def _joined(
    config: Mapping[str, Any], batch: int | None, places: Dims, channels: int | None
) -> list[Dims]:
    return [(batch, channels, *places) if _is_first(config) else (batch, *places, channels)]


def _tuple(value: Any, rank: int) -> list[int]:
    if isinstance(value, int):
        return [value] * rank
    found = [int(size) for size in _items(value)]
    if len(found) != rank:
        raise ValueError("rank")
    return found


def _windows(
    config: Mapping[str, Any], places: Dims, sizes: list[int], strides: list[int], wide: list[int]
) -> Dims:
    padding = config.get("padding", config.get("border_mode", "valid"))
    if padding not in ("same", "valid", "causal"):
        raise ValueError("padding")
    found: list[int | None] = []
    for place, size, stride, apart in zip(places, sizes, strides, wide, strict=True):
        if place is None:
            found.append(None)
            continue
        room = place if padding != "valid" else place - (size - 1) * apart
        found.append(-(-room // stride))
    return tuple(found)


def _convolved(match: re.Match[str], config: Mapping[str, Any], dims: Dims) -> list[Dims] | None:
    rank = int(match[3])
    places, channels = _places(config, dims, rank)
    if "kernel_size" not in config:  # Keras 1 has other settings
        return None
    sizes = _tuple(config["kernel_size"], rank)
    strides = _tuple(config.get("strides", 1), rank)
    if match[1] == "Depthwise":
        count = None if channels is None else channels * int(config.get("depth_multiplier", 1))
    else:
        count = int(config["filters"])
    if match[4]:
        return _transposed(config, dims[0], places, count, sizes, strides)
    wide = _tuple(config.get("dilation_rate", 1), rank)
    return _joined(config, dims[0], _windows(config, places, sizes, strides, wide), count)


def _transposed(
    config: Mapping[str, Any],
    batch: int | None,
    places: Dims,
    count: int | None,
    sizes: list[int],
    strides: list[int],
) -> list[Dims] | None:
    if config.get("output_padding") is not None:
        return None
    is_valid = config.get("padding") == "valid"
    wide = _tuple(config.get("dilation_rate", 1), len(sizes))
    found = tuple(
        None
        if place is None
        else place * stride + (max((size - 1) * apart + 1 - stride, 0) if is_valid else 0)
        for place, size, stride, apart in zip(places, sizes, strides, wide, strict=True)
    )
    return _joined(config, batch, found, count)


def _pooled(match: re.Match[str], config: Mapping[str, Any], dims: Dims) -> list[Dims]:
    rank = int(match[3])
    places, channels = _places(config, dims, rank)
    if match[1]:
        kept: Dims = (1,) * rank if config.get("keepdims") else ()
        return _joined(config, dims[0], kept, channels)
    size = config.get("pool_size", config.get("pool_length", 2))
    sizes = _tuple(size, rank)
    stride = config.get("strides", config.get("stride"))
    strides = sizes if stride is None else _tuple(stride, rank)
    return _joined(config, dims[0], _windows(config, places, sizes, strides, [1] * rank), channels)


def _resized(match: re.Match[str], config: Mapping[str, Any], dims: Dims) -> list[Dims]:
    rank = int(match[2])
    places, channels = _places(config, dims, rank)
    if match[1] == "UpSampling":
        factors = _tuple(config.get("size", config.get("length", 2)), rank)
        found: list[int | None] = [
            None if place is None else place * factor
            for place, factor in zip(places, factors, strict=True)
        ]
    else:
        value = config["padding" if match[1] == "ZeroPadding" else "cropping"]
        sign = 1 if match[1] == "ZeroPadding" else -1
        pairs = [value] if rank == 1 and not isinstance(value, int) else value
        each = [pairs] * rank if isinstance(pairs, int) else _items(pairs)
        found = []
        for place, pair in zip(places, each, strict=True):
            before, after = (pair, pair) if isinstance(pair, int) else _items(pair)
            found.append(None if place is None else place + sign * (before + after))
    return _joined(config, dims[0], tuple(found), channels)
