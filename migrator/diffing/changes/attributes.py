"""What the attributes of two nodes that are one say differently, as values that a person reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from migrator.arrays import nested_list
from migrator.diffing.result import Change
from migrator.errors import MigratorError
from migrator.model.dtypes import DType
from migrator.model.graph import AttrPlaceholder, AttrValue, FunctionRef, Node
from migrator.model.tensors import LazyBytes, LazyTensor, Shape
from migrator.ops.defaults import is_default

NAMES = frozenset(
    ("shared_name", "container", "frame_name", "tensor_array_name", "stack_name", "debug_name")
)
"""Attributes that hold a name, which a renamed node's own often is."""
_SETTINGS = frozenset(("config", "config_proto", "executor_type"))
"""Of the machine that wrote the graph, not of what it computes."""
_TYPES = frozenset(("T", "dtype"))
_OF_TFLITE = "_tensor_names"
"""An attribute that every node of a TFLite file has."""
_QUANTISATION = ("_quantization", "_scale", "_zero_point", "_quantized_dimension", "_block_size")
"""What makes numbers of a TFLite tensor's integers; with ``_1`` and so on for later outputs."""
_LATER_SETTINGS: dict[str, AttrValue] = {
    "autocast": True,
    "groups": 1,
    "optional": False,
    "ragged": False,
    "renorm": False,
    "renorm_momentum": 0.99,
    "sparse": False,
    "synchronized": False,
    "trainable": True,
}
"""Settings of Keras layers that later releases write down, and what they were before."""
_INPUT_SHAPES = frozenset(("batch_shape", "batch_input_shape"))
"""Where Keras 2 and 3 write an input's shape; the endpoints tell of it, and of its type."""
_TOLD_QUANTISATION = tuple(word.lstrip("_") for word in _QUANTISATION)
_SCALES_IN = "_scales_in"
"""Names a tensor."""
_SHOWN = 16
"""Elements of a constant that are shown."""
_TEXT = 200
_SMALL = 4 << 10
"""Bytes of a constant whose elements are shown."""


def attribute_changes(
    left: Node, right: Node, same_function: Callable[[str, str], bool]
) -> Iterator[Change]:
    """What differs, but for names, annotations (``_...``) and constants' values.

    A default that only one side writes is none. ``same_function`` says whether two functions are
    one and the same.
    """
    ours, theirs = left.attrs, right.attrs
    keys = list(ours)
    keys += [key for key in theirs if key not in ours]
    for key in keys:
        if (key[:1] == "_" and not _means_values(key, ours)) or key in NAMES or key in _SETTINGS:
            continue
        if key == "value" and left.op == "Const":
            continue
        one, other = ours.get(key), theirs.get(key)
        if is_same(one, other, same_function):
            continue
        is_lonely = key not in ours or key not in theirs
        if is_lonely and _is_later_setting(left.op, key, ours.get(key, other)):
            continue
        # What only one of two ops has says no more than that they are others.
        if is_lonely and (left.op != right.op or is_default(left.op, key, ours.get(key, other))):
            continue
        yield Change(field=_field(key, one, other), left=readable(one), right=readable(other))


def _is_later_setting(op: str, key: str, value: AttrValue) -> bool:
    if key in _INPUT_SHAPES or (op == "InputLayer" and key == "dtype"):
        return True
    return key in _LATER_SETTINGS and is_same(value, _LATER_SETTINGS[key])


def quantisation_changes(left: Node, right: Node) -> Iterator[Change]:
    """Those of what says what the integers of a TFLite tensor stand for."""
    for change in attribute_changes(left, right, str.__eq__):
        if change.field.removeprefix("attr ").startswith(_TOLD_QUANTISATION):
            yield change


def _means_values(key: str, attrs: Mapping[str, AttrValue]) -> bool:
    """Whether an annotation of a TFLite node says what its integers stand for."""
    return key.startswith(_QUANTISATION) and not key.startswith(_SCALES_IN) and _OF_TFLITE in attrs


def _field(key: str, one: AttrValue, other: AttrValue) -> str:
    if key in _TYPES and (isinstance(one, DType) or isinstance(other, DType)):
        return "dtype"
    if key == "shape" and (isinstance(one, Shape) or isinstance(other, Shape)):
        return "shape"
    return f"attr {key.lstrip('_')}" if key.startswith(_QUANTISATION) else f"attr {key}"


def is_same(
    one: AttrValue, other: AttrValue, same_function: Callable[[str, str], bool] = str.__eq__
) -> bool:
    """Whether two values of an attribute mean the same. NaN is NaN."""
    if isinstance(one, list):
        return (
            isinstance(other, list)
            and len(one) == len(other)
            and all(is_same(a, b, same_function) for a, b in zip(one, other, strict=True))
        )
    if type(one) is not type(other):
        return False
    if isinstance(one, FunctionRef):
        return (
            same_function(one.name, other.name)
            and one.attrs.keys() == other.attrs.keys()
            and all(is_same(one.attrs[k], other.attrs[k], same_function) for k in one.attrs)
        )
    if isinstance(one, LazyTensor) and isinstance(other, LazyTensor):
        return same_tensor(one, other)
    if isinstance(one, LazyBytes) and isinstance(other, LazyBytes):
        return one.size == other.size and one.read() == other.read()
    if isinstance(one, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    return bool(one == other)


def same_tensor(one: LazyTensor, other: LazyTensor) -> bool:
    """Whether two small tensors hold the same bits. What cannot be decoded is told by its bytes."""
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    if one is other or (one.stored_bytes == other.stored_bytes and one.read() == other.read()):
        return True
    try:
        a, b = one.numpy(), other.numpy()
    except MigratorError:
        return False
    return bool((a == b).all()) if one.dtype.kind == "s" else bool(a.tobytes() == b.tobytes())


def readable(value: AttrValue) -> Any:
    """``value`` as JSON can hold it: numbers, texts, lists; ``None`` for what is not given."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, DType):
        return value.name
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, bytes):
        return text(value)
    if isinstance(value, Shape):
        return value.as_list()
    if isinstance(value, FunctionRef):
        return value.name
    if isinstance(value, AttrPlaceholder):
        return f"${value.name}"
    if isinstance(value, LazyTensor):
        return tensor_text(value)
    if isinstance(value, LazyBytes):
        return f"{value.size:,} bytes"
    if isinstance(value, list):
        return [readable(item) for item in value]
    return str(value)


def number(value: float) -> float | str:
    """JSON has no word for what is not finite."""
    return value if math.isfinite(value) else str(value)


def text(value: bytes) -> str:
    """Bytes as text; those that are none as escapes. Cut where they are long."""
    shown = value[:_TEXT].decode("utf-8", "backslashreplace")
    return shown if len(value) <= _TEXT else f"{shown}... ({len(value):,} bytes)"


def tensor_text(value: LazyTensor) -> Any:
    """A small tensor's elements as nested lists; of a larger one type, shape and the first."""
    if value.elements > _SHOWN or value.nbytes > _SMALL or value.dtype.kind in "h?":
        return f"{value.dtype.name} {value.shape}{_first(value)}"
    try:
        return _plain(nested_list(_shortest(value.numpy())))
    except MigratorError:
        return f"{value.dtype.name} {value.shape}, not readable"


def _shortest(array: Any) -> Any:
    """Small floats as the shortest doubles that stand for them: 0.1, not 0.10000000149011612."""
    import numpy as np

    if array.dtype.kind != "f" or array.dtype.itemsize >= 8:
        return array
    return np.array([float(str(item)) for item in array.reshape(-1)]).reshape(array.shape)


def _first(value: LazyTensor) -> str:
    if value.nbytes > _SMALL or value.dtype.kind in "h?":
        return ""
    try:
        flat = _shortest(value.numpy().reshape(-1)[:4]).tolist()
    except MigratorError:
        return ""
    return f": {', '.join(str(_plain(item)) for item in flat)}, ..."


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, tuple):  # a quantised element
        return _plain(value[0])
    if isinstance(value, bytes):
        return text(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, complex):
        return str(value)
    return value if isinstance(value, (bool, int, str)) else _plain(float(value))
