"""A Keras configuration: JSON that a stranger wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from migrator.errors import FormatError, LimitError

MOST_CONFIG = 64 << 20
_MOST_VALUES = 5_000_000
"""JSON of so many values takes about 0.5 GB once it is read."""
CONSTANT = "_CONSTANT_VALUE"
"""Stands where a layer's name would, before a value that a layer is called with."""
_CHAINS = ("Sequential", "Model", "Functional")


def parsed(text: str, where: str) -> dict[str, Any]:
    """The object that ``text`` holds. Raises FormatError, LimitError."""
    values = text.count(",") + text.count("[") + text.count("{")
    if values > _MOST_VALUES:
        raise LimitError(
            f"its configuration has about {values:,} values, the limit is {_MOST_VALUES:,}",
            where=where,
        )
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"its configuration is no JSON: {error}", where=where) from None
    if not isinstance(found, dict):
        raise FormatError("its configuration is no JSON object", where=where)
    return found


def text_of(value: Any) -> str:
    """``value`` where it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def config_of(layer: Mapping[str, Any]) -> Mapping[str, Any]:
    found = layer.get("config")
    return found if isinstance(found, dict) else {}


def layer_name(layer: Mapping[str, Any]) -> str:
    return text_of(layer.get("name")) or text_of(config_of(layer).get("name"))


def class_name(layer: Mapping[str, Any]) -> str:
    """The class, without the package that a maker's own has in front (``Mine>Attention``)."""
    return text_of(layer.get("class_name")).rpartition(">")[2]


def body_of(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """A model's own configuration; before Keras 2.2.3 a Sequential's was the list of its layers."""
    inner = model.get("config")
    return inner if isinstance(inner, dict) else {"layers": inner}


def layers_of(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    listed = body.get("layers")
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def is_model(layer: Mapping[str, Any]) -> bool:
    """Whether a layer is a model of its own, with layers inside."""
    name, body = class_name(layer), body_of(layer)
    if not isinstance(body.get("layers"), list):
        return False
    if name in _CHAINS or "input_layers" in body:
        return True
    # Classes of their maker's own; Keras 1's Merge has layers too, and merges them.
    inner = layers_of(body)
    return name != "Merge" and bool(inner) and all("class_name" in item for item in inner)


def dtype_name(value: Any) -> str:
    """The type that a layer computes in, or its policy; empty where it says none."""
    if isinstance(value, dict):
        value = config_of(value).get("name")
    return text_of(value)


def shape_of(value: Any) -> tuple[int | None, ...] | None:
    """A shape as a configuration writes it, None where it is none.

    Keras 3 may wrap it: ``{"class_name": "__tuple__", "items": [...]}``.
    """
    if isinstance(value, dict):
        value = value.get("items")
    if not isinstance(value, list) or len(value) > 32:
        return None
    if not all(item is None or (type(item) is int and 0 <= item < 1 << 63) for item in value):
        return None
    return tuple(value)


def histories(listed: Any) -> Iterator[tuple[str, int, int]]:
    """(layer, call, tensor) in ``[[name, call, tensor], ...]``, one alone, or a dict of them."""
    stack = [listed]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack.extend(reversed(list(value.values())))
        elif isinstance(value, list):
            if (
                len(value) >= 3
                and isinstance(value[0], str)
                and isinstance(value[1], int)
                and isinstance(value[2], int)
            ):
                if value[0] != CONSTANT:
                    yield value[0], value[1], value[2]
            else:
                stack.extend(reversed(value))
