"""Ids and layers that Model Explorer takes, whatever a model calls its nodes."""

from __future__ import annotations

from collections.abc import Iterable

from migrator.model.joined import name_parts
from migrator.report.escape import shown

_LONGEST = 300
_LONGEST_PART = 80
_DEEPEST = 20
"""Layers within each other: the page walks all of them for every node."""
_LAYER = "___group___"
"""What the page appends to the path of a layer to make the layer's id."""
_NO_NAME = "(no name)"
# The page keeps nodes in JavaScript objects, where these words mean something else.
_WORDS = frozenset(
    "__proto__ __defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__ constructor "
    "hasOwnProperty isPrototypeOf propertyIsEnumerable toLocaleString toString valueOf".split()
)
# It reads more than one layer path out of the first, and an escaped slash out of the second.
_PLAIN = str.maketrans({";": ":", "\\": "|"})


class Ids:
    """Short texts that differ from each other, each as near to what was wished for as can be."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {*_WORDS, *taken}
        self._next: dict[str, int] = {}

    def take(self, wish: str) -> str:
        """``wish`` where nobody has it; else, and where it is unfit, something like it."""
        name = shown(wish, _LONGEST).replace(_LAYER, "_group_") or _NO_NAME
        found, count = name, self._next.get(name, 1)
        while found in self._taken:
            count += 1
            found = f"{name} ({count})"
        self._next[name] = count
        self._taken.add(found)
        return found


def layer_id(namespace: str) -> str:
    """The id that the page gives to a layer."""
    return f"{namespace}{_LAYER}"


def namespaces(names: Iterable[str]) -> list[str]:
    """The layer of each node. A node called like a layer goes into that layer. Linear."""
    paths = [_path(name) for name in names]
    layers: set[tuple[str, ...]] = set()
    for path in paths:
        path = path[:-1]
        while path and path not in layers:
            layers.add(path)
            path = path[:-1]
    return ["/".join(path if path in layers else path[:-1]) for path in paths]


def _path(name: str) -> tuple[str, ...]:
    # No more is read of a name than a path may hold.
    parts = [part for part in name_parts(name, 8 * _DEEPEST) if part]
    if len(parts) > _DEEPEST:
        parts[_DEEPEST - 1 :] = [parts[-1]]
    return tuple(shown(part, _LONGEST_PART).translate(_PLAIN).replace("/", "|") for part in parts)
