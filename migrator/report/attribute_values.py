"""A node's attributes for a reader and for JSON, bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrator.model.dtypes import DType
from migrator.model.graph import AttrPlaceholder, FunctionRef
from migrator.model.tensors import LazyBytes, LazyTensor, Shape
from migrator.report.escape import shown, size

_ITEMS_SHOWN = 16
_ITEMS = 1000
_CHARACTERS = 4000
"""Of one string in JSON."""
_DEPTH = 8
"""Levels of lists and mappings: what a Keras layer's configuration has."""
_TEXT = 200


def shown_attribute(value: Any, depth: int = 0) -> str:
    """One value in a line of text, harmless."""
    if isinstance(value, (list, tuple)):
        items = [shown_attribute(item, depth + 1) for item in value[:_ITEMS_SHOWN]]
        more = len(value) - len(items)
        return shown(f"[{', '.join(items)}{f', and {more:,} more' if more else ''}]", _TEXT)
    if isinstance(value, Mapping):
        if depth >= _DEPTH:
            return "{...}"
        names = list(value)[:_ITEMS_SHOWN]
        items = [f"{shown(str(name))}: {shown_attribute(value[name], depth + 1)}" for name in names]
        more = len(value) - len(names)
        return shown(f"{{{', '.join(items)}{f', and {more:,} more' if more else ''}}}", _TEXT)
    if isinstance(value, bytes):
        return _shown_bytes(value)
    if isinstance(value, str):
        return f"'{shown(value)}'"
    if isinstance(value, LazyTensor):
        return f"a tensor: {value.dtype.name} {value.shape}, {size(value.nbytes)}"
    if isinstance(value, LazyBytes):
        return f"{value.size:,} bytes"
    if isinstance(value, FunctionRef):
        return f"function {shown(value.name)}"
    if isinstance(value, AttrPlaceholder):
        return f"given by the caller as {shown(value.name)}"
    if isinstance(value, (DType, Shape)):
        return str(value)
    return shown("nothing" if value is None else str(value))


def attribute_json(value: Any, depth: int = 0) -> Any:
    """The same for JSON: numbers, texts, lists; an object with its kind for anything else."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, DType):
        return {"dtype": value.name}
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if -_INFINITE < value < _INFINITE else {"float": str(value)}
    if isinstance(value, (bytes, str)):
        return _text_json(value)
    if isinstance(value, Shape):
        return {"shape": value.as_list()}
    if isinstance(value, LazyTensor):
        return {
            "tensor": {
                "dtype": value.dtype.name,
                "shape": value.shape.as_list(),
                "bytes": value.nbytes,
            }
        }
    if isinstance(value, LazyBytes):
        return {"bytes": value.size}
    if isinstance(value, FunctionRef):
        return {"function": value.name}
    if isinstance(value, AttrPlaceholder):
        return {"placeholder": value.name}
    if depth >= _DEPTH:
        return {"omitted": True}
    if isinstance(value, (list, tuple)):
        items = [attribute_json(item, depth + 1) for item in value[:_ITEMS]]
        return items if len(items) == len(value) else {"list": items, "length": len(value)}
    if isinstance(value, Mapping):
        names = list(value)[:_ITEMS]
        return {"object": {str(name): attribute_json(value[name], depth + 1) for name in names}}
    return {"other": shown(str(value))}


_INFINITE = float("inf")


def _shown_bytes(value: bytes) -> str:
    try:
        return f"'{shown(value[:_CHARACTERS].decode())}'"
    except UnicodeDecodeError:
        return f"{len(value):,} bytes: {shown(value[:40].hex(' '))}"


def _text_json(value: bytes | str) -> Any:
    cut = value[:_CHARACTERS]
    if isinstance(cut, str):
        text = cut
    else:
        try:
            text = cut.decode()
        except UnicodeDecodeError:
            return {"hex": cut.hex(), "length": len(value)}
    return text if len(cut) == len(value) else {"text": text, "length": len(value)}
