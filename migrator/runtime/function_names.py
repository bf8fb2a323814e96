"""Child side: names for a source's functions that TensorFlow gives to none of its own.

Tracing numbers what it makes (``__inference_serve_31``, ``cond_true_7``), from the same start in
each process. So a source that was traced itself holds names which are given once more while it is
wrapped, and TensorFlow refuses a second function of one name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_TRACED = re.compile(r"(?s)(?:migrated(|[2-9]|[1-9]\d{1,8})_)?(.*_\d+)")
_TEXTS = ("forward_function_name", "backward_function_name")
"""Attributes of a function that name another one as text."""


def out_of_reach(name: str) -> str:
    """``name``, or where tracing may give it another one: ``migrated_NAME``, and for that
    ``migrated2_NAME``.

    No two names become one, however often a result is migrated again: signatures of one source
    are imported one by one, and have functions in common.
    """
    found = _TRACED.fullmatch(name)
    if found is None:
        return name
    again, base = found[1], found[2]
    if again is None:
        return f"migrated_{base}"
    return f"migrated{int(again or 1) + 1}_{base}"


def rename_functions(graph_def: Any) -> None:
    """Give the functions of a GraphDef such names, wherever it mentions them. Linear."""
    library = graph_def.library
    names = [item.signature.name for item in library.function]
    moved = {name: new for name in names if (new := out_of_reach(name)) != name}
    if not moved:
        return
    for function in library.function:
        function.signature.name = moved.get(function.signature.name, function.signature.name)
        for key in _TEXTS:
            if key in function.attr:
                text = function.attr[key].s.decode("utf-8", "surrogateescape")
                if text in moved:
                    function.attr[key].s = moved[text].encode("utf-8", "surrogateescape")
        _rename_in(function.attr, moved)
    for nodes in (graph_def.node, *(item.node_def for item in library.function)):
        for node in nodes:
            node.op = moved.get(node.op, node.op)
            _rename_in(node.attr, moved)
    for gradient in library.gradient:
        for key in ("function_name", "gradient_func"):
            setattr(gradient, key, moved.get(getattr(gradient, key), getattr(gradient, key)))
    for item in library.registered_gradients:
        item.gradient_func = moved.get(item.gradient_func, item.gradient_func)


def _rename_in(attrs: Any, moved: Mapping[str, str]) -> None:
    for called in _called(attrs):
        called.name = moved.get(called.name, called.name)


def _called(attrs: Any) -> Iterator[Any]:
    """The functions that attributes name, and those that are named in how these are called."""
    waiting = [attrs]
    while waiting:
        for value in waiting.pop().values():
            kind = value.WhichOneof("value")
            found = [value.func] if kind == "func" else value.list.func if kind == "list" else ()
            for called in found:
                yield called
                waiting.append(called.attr)
