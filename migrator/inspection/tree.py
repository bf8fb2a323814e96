"""The scopes that a model's names make, with what lies in each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from migrator.inspection.layer_weights import scope_name
from migrator.inspection.weights import (
    Weight,
    is_carried_weight,
    meta_weights,
    tensor_weight,
)
from migrator.model.brief import brief
from migrator.model.graph import Graph
from migrator.model.joined import first_name
from migrator.model.model import Model

DEFAULT_DEPTH = 3
MOST_DEPTH = 64
OBJECT_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
"""What ends a variable's key in an object-based checkpoint: no scopes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One scope and all that is under it. ``bytes`` is the decoded size of its weights.

    ``nodes`` counts nodes, and variables where there is no graph. A node that has the name of a
    scope counts in it. ``children`` come in the order of the graph.
    """

    name: str
    """Its last part; empty for the root."""
    nodes: int
    weights: int
    parameters: int
    bytes: int
    children: tuple[Scope, ...]
    is_function: bool = False

    __repr__ = brief


def scope_tree(model: Model, *, meta_graph: int = 0, depth: int = DEFAULT_DEPTH) -> Scope:
    """The scopes of one meta graph, or of the names of weights without one, ``depth`` levels of
    them; function bodies come behind the graph, each a scope of its own at the top.

    Linear in the names' total length: parts of a name past ``depth`` are never taken apart.
    """
    depth = max(1, min(depth, MOST_DEPTH))
    joined = model.tflite is not None
    graph = model.meta_graphs[meta_graph].graph if model.meta_graphs else None
    carried = [
        tensor_weight(_placed(scope_name(model, name), joined), tensor)
        for name, tensor in model.variables.items()
        if is_carried_weight(tensor, model.source.format, name)
    ]
    if graph is None:
        found = _Sums(depth)
        names = [_placed(scope_name(model, name), joined) for name in model.variables]
        found.add(names, carried)
        return found.tree()
    weights = carried if model.variables else list(meta_weights(model.meta_graphs[meta_graph]))
    return _of_graph(graph, weights, depth, joined)


def largest_children(scope: Scope, most: int) -> list[Scope]:
    """Up to ``most`` children, the largest, in the order of the graph."""
    if len(scope.children) <= most:
        return list(scope.children)
    by_size = sorted(
        range(len(scope.children)),
        key=lambda at: (-scope.children[at].bytes, -scope.children[at].nodes, at),
    )
    return [scope.children[at] for at in sorted(by_size[:most])]


def _of_graph(graph: Graph, weights: list[Weight], depth: int, joined: bool) -> Scope:
    inside, outside = _by_function(graph, weights)
    top = _Sums(depth)
    top.add([_placed(node.name, joined) for node in graph.nodes], outside)
    root = top.tree()
    bodies = []
    for name, function in graph.functions.items():
        sums = _Sums(depth - 1)
        sums.add([_placed(node.name, joined) for node in function.nodes], inside.get(name, ()))
        bodies.append(sums.tree(name, is_function=True))
    return Scope(
        name="",
        nodes=root.nodes + sum(item.nodes for item in bodies),
        weights=root.weights + sum(item.weights for item in bodies),
        parameters=root.parameters + sum(item.parameters for item in bodies),
        bytes=root.bytes + sum(item.bytes for item in bodies),
        children=(*root.children, *bodies),
    )


def _by_function(
    graph: Graph, weights: Iterable[Weight]
) -> tuple[dict[str, list[Weight]], list[Weight]]:
    """Weights of bodies by function, under the names that they have there; and all others."""
    inside: dict[str, list[Weight]] = {}
    outside: list[Weight] = []
    for weight in weights:
        if weight.function in graph.functions:
            name = weight.name[len(weight.function) + 1 :]
            inside.setdefault(weight.function, []).append(replace(weight, name=name))
        else:
            outside.append(weight)
    return inside, outside


def _placed(key: str, joined: bool) -> str:
    """The name that tells the scopes: of names that a converter joined the first one."""
    return first_name(key) if joined else key.removesuffix(OBJECT_SUFFIX)


class _Sums:
    """Counts by scope, each under the whole path of the deepest scope that is kept."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._own: dict[str, list[int]] = {"": [0, 0, 0, 0]}

    def add(self, names: Sequence[str], weights: Sequence[Weight]) -> None:
        """Twice over all names: whether one is a scope is known when all others were seen."""
        own, depth = self._own, self._depth
        for name in chain(names, (weight.name for weight in weights)):
            path = _kept(name, depth)
            if path not in own:
                _with_scopes_above(path, own)
        for name in names:
            own[name if name in own else _kept(name, depth)][0] += 1
        for weight in weights:
            sums = own[weight.name if weight.name in own else _kept(weight.name, depth)]
            sums[1] += 1
            sums[2] += weight.elements
            sums[3] += weight.bytes

    def tree(self, name: str = "", *, is_function: bool = False) -> Scope:
        children: dict[str, list[str]] = {}
        for path in self._own:
            if path:
                children.setdefault(path.rpartition("/")[0] if "/" in path else "", []).append(path)
        made: dict[str, Scope] = {}
        # Deepest first: at most MOST_DEPTH levels, and each scope is made once.
        for path in sorted(self._own, key=_level, reverse=True):
            under = [made.pop(child) for child in children.get(path, ())]
            own = self._own[path]
            sums = [own[at] + sum(_numbers(item)[at] for item in under) for at in range(4)]
            made[path] = Scope(
                name=path.rpartition("/")[2] if path else name,
                nodes=sums[0],
                weights=sums[1],
                parameters=sums[2],
                bytes=sums[3],
                children=tuple(under),
                is_function=is_function and not path,
            )
        return made[""]


def _numbers(scope: Scope) -> tuple[int, int, int, int]:
    return scope.nodes, scope.weights, scope.parameters, scope.bytes


def _level(path: str) -> int:
    return path.count("/") + 1 if path else 0


def _kept(name: str, depth: int) -> str:
    """The path of the scope that ``name`` lies in, ``depth`` parts of it at most."""
    rest = name.split("/", depth)[-1] if depth else name
    return name[: len(name) - len(rest) - 1] if len(rest) < len(name) else ""


def _with_scopes_above(path: str, own: dict[str, list[int]]) -> None:
    for prefix in _prefixes(path):
        own.setdefault(prefix, [0, 0, 0, 0])


def _prefixes(path: str) -> Iterator[str]:
    end = path.find("/")
    while end >= 0:
        yield path[:end]
        end = path.find("/", end + 1)
    yield path
