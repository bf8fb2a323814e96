"""How the objects of a TF2 SavedModel come to run its functions.

What TensorFlow runs by itself: ``tf.saved_model.load`` creates and initialises every resource and
destroys it in the end; the checkpoint's writer and reader run the saveable objects' functions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from migrator.model.model import ObjectGraph

_AT_LOAD = frozenset({"_create_resource", "_destroy_resource", "_initialize", "initializer"})
_SIGNATURES = "signature_map"
_LONGEST_PATH = 120
"""Characters of an attribute path; of what lies deeper the last name alone is told."""


def object_functions(objects: ObjectGraph) -> Iterator[tuple[str, str, str]]:
    """Each (kind, name, function): kind ``load``, ``save``, ``restore``, ``signature``, ``call``.

    ``name`` is the signature's key, or the attribute path of what a program would call.
    """
    items = objects.message.nodes
    paths = _paths(items)
    for number, item in enumerate(items):
        traces = set(_concrete(items, number))  # a function's own traces are children of it
        for child in item.children:
            for function in _concrete(items, child.node_id):
                if function in traces:
                    continue
                if child.local_name in _AT_LOAD:
                    yield "load", "", function
                elif item.user_object.identifier == _SIGNATURES:
                    yield "signature", child.local_name, function
                else:
                    yield "call", _join(paths.get(number, ""), child.local_name), function
        for saveable in item.saveable_objects.values():
            for kind in ("save", "restore"):
                for function in _concrete(items, getattr(saveable, f"{kind}_function")):
                    yield kind, "", function
        if item.WhichOneof("kind") == "captured_tensor":
            yield "call", paths.get(number, ""), item.captured_tensor.concrete_function


def captured_objects(objects: ObjectGraph, function: str) -> list[Any]:
    """The SavedObjects that the last arguments of ``function`` are, in their order."""
    known = objects.message.concrete_functions
    if function not in known:  # a protobuf map would make the entry
        return []
    items = objects.message.nodes
    bound = known[function].bound_inputs
    return [items[number] if 0 <= number < len(items) else None for number in bound]


def _concrete(items: Any, number: int) -> list[str]:
    """Functions of the library that object ``number`` stands for."""
    if not 0 <= number < len(items):
        return []
    kind = items[number].WhichOneof("kind")
    if kind == "function":
        return list(items[number].function.concrete_functions)
    if kind == "bare_concrete_function":
        return [items[number].bare_concrete_function.concrete_function_name]
    return []


def _paths(items: Any) -> dict[int, str]:
    """Object -> its shortest attribute path from the root, as a program would write it."""
    paths = {0: ""}
    waiting = deque([0] if len(items) else [])
    while waiting:
        number = waiting.popleft()
        for child in items[number].children:
            if 0 <= child.node_id < len(items) and child.node_id not in paths:
                paths[child.node_id] = _join(paths[number], child.local_name)
                waiting.append(child.node_id)
    return paths


def _join(path: str, name: str) -> str:
    joined = f"{path}.{name}" if path else name
    return joined if len(joined) <= _LONGEST_PATH else name[:_LONGEST_PATH]
