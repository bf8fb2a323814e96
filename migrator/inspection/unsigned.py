"""Models of TensorFlow 2 that were saved without a signature."""

from __future__ import annotations

from migrator.errors import first_few
from migrator.model.model import MetaGraph, ObjectGraph

_OWN = "__saved_model"
"""What TensorFlow itself runs at load is kept as a signature, too."""
_FUNCTIONS = ("function", "bare_concrete_function")
_MOST_NAMED = 5
_MOST_OBJECTS = 100_000


def callable_signatures(meta: MetaGraph) -> list[str]:
    """Keys of the signatures that somebody made to be called."""
    return [key for key in meta.signatures if not key.startswith(_OWN)]


def why_unsigned(meta: MetaGraph) -> str:
    """Why a model of TensorFlow 2 has no endpoints, naming its functions; empty for others."""
    if meta.object_graph is None or callable_signatures(meta):
        return ""
    names = _functions(meta.object_graph)
    told = "and its graph holds only what saves and restores it"
    if not names:
        return f"it has no signatures and no functions, {told}"
    shown = first_few(names, _MOST_NAMED, lambda name: ascii(name)[1:-1])
    return f"it has no signatures, {told}: its functions ({shown}) are no part of that"


def _functions(objects: ObjectGraph) -> list[str]:
    """Paths of the traced functions, those nearest to the root first."""
    nodes = objects.message.nodes
    if not nodes:
        return []
    found, seen, layer = [], {0}, [("", 0)]
    while layer and len(seen) < _MOST_OBJECTS:
        below = []
        for path, number in layer:
            for child in nodes[number].children:
                name = f"{path}{child.local_name}"
                if not 0 <= child.node_id < len(nodes) or child.node_id in seen:
                    continue
                seen.add(child.node_id)
                item = nodes[child.node_id]
                kind = item.WhichOneof("kind")
                if kind not in _FUNCTIONS:
                    below.append((f"{name}.", child.node_id))
                elif kind != "function" or item.function.concrete_functions:
                    found.append(name)
        layer = below
    return found
