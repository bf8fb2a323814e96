"""What a layer's configuration sets, as attributes of its node."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from migrator.formats.keras.config import class_name, config_of, dtype_name, shape_of
from migrator.model.dtypes import dtype_named
from migrator.model.graph import AttrValue
from migrator.model.tensors import Shape

_MOST_ATTRIBUTES = 64
_MOST_ITEMS = 32
_LONGEST = 200
"""Bytes of a text."""
_SKIPPED = frozenset(("name", "layers", "input_layers", "output_layers", "build_input_shape"))
_TRAINING = ("_initializer", "_regularizer", "_constraint")
_SHAPES = ("batch_shape", "batch_input_shape", "input_shape", "target_shape")
_INNER = ("layer", "forward_layer", "backward_layer", "cell")
"""Layers inside a layer, whose own settings count."""


def layer_attrs(layer: Mapping[str, Any]) -> dict[str, AttrValue]:
    """Numbers, texts, types, shapes, short lists, and the classes and settings of objects.

    What only training uses is left out (initialisers and the like), and so is what is not set.
    """
    found: dict[str, AttrValue] = {}
    _collect(config_of(layer), "", found)
    return found


def _collect(config: Mapping[str, Any], prefix: str, found: dict[str, AttrValue]) -> None:
    for key, value in config.items():
        if len(found) >= _MOST_ATTRIBUTES:
            return
        if value is None or key in _SKIPPED or key.endswith(_TRAINING):
            continue
        name = prefix + (key if len(key) <= _LONGEST else key[:_LONGEST] + "...")
        if key == "dtype":
            _set_dtype(name, value, found)
        elif key in _INNER and isinstance(value, dict) and not prefix:
            found[name] = _text(class_name(value))
            _collect(config_of(value), f"{name}.", found)
        else:
            item = _value(key, value)
            if item is not None:
                found[name] = item
                if isinstance(value, dict) and isinstance(value.get("config"), dict) and not prefix:
                    _collect(config_of(value), f"{name}.", found)
            elif isinstance(value, list):
                found[f"{name}.length"] = len(value)
                text = _short_json(value).encode("utf-8", "replace")
                found[f"{name}.sha256"] = _digest(text).encode()


def _set_dtype(name: str, value: Any, found: dict[str, AttrValue]) -> None:
    called = dtype_name(value)
    if not called:
        return
    try:
        found[name] = dtype_named(called)
    except KeyError:  # a policy, such as mixed_float16
        found[f"{name}_policy"] = _text(called)


def _value(key: str, value: Any) -> AttrValue | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 63 else _text(str(value)[:_LONGEST])
    if isinstance(value, float):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return _object(key, value)
    if not isinstance(value, list) or len(value) > _MOST_ITEMS:
        return None
    if key in _SHAPES and (dims := shape_of(value)) is not None:
        return Shape(dims)
    if value and all(type(item) is int and -(1 << 63) <= item < 1 << 63 for item in value):
        return list(value)
    if value and all(type(item) in (int, float) for item in value):
        try:
            return [float(item) for item in value]
        except OverflowError:
            return None
    if value and all(isinstance(item, str) for item in value):
        return [_text(item) for item in value]
    return _text(_short_json(value))


def _short_json(value: list[Any]) -> str:
    try:
        return json.dumps(value)
    except RecursionError:
        return "[...]"


def _object(key: str, value: Mapping[str, Any]) -> AttrValue | None:
    """An object by its class; a function of Keras by its name; a tuple as a list."""
    called = value.get("class_name")
    if called == "__tuple__" and isinstance(value.get("items"), list):
        return _value(key, value["items"])
    if not isinstance(called, str):
        return None
    inner = value.get("config")
    if called in ("function", "builtins") and isinstance(inner, str):
        return _text(inner)
    return _text(called)


def _text(value: str) -> bytes:
    data = value.encode("utf-8", "replace")
    if len(data) <= _LONGEST:
        return data
    # What is left out still tells two settings apart.
    return data[:_LONGEST] + f"... ({len(data):,} bytes, sha256 {_digest(data)})".encode()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
