"""What is true of two graphs, told from their nodes alone: nothing here is of the code under test.

Attributes are taken as they are written, constants by the bytes in the file. Which nodes of one
graph nobody could tell apart is found by plain colour refinement (Weisfeiler and Lehman, 1968).
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from migrator.model.dtypes import DType
from migrator.model.graph import AttrPlaceholder, FunctionRef, Graph, Node
from migrator.model.tensors import LazyBytes, LazyTensor, Shape, TensorRef

_NAMES = frozenset(("shared_name", "container", "frame_name", "tensor_array_name", "stack_name"))
_CONTROL = -1
_PLAIN = ("Identity", "ReadVariableOp")
"""Ops whose readers compute the same where they read what it reads."""

Edge = tuple[str, tuple[str, int], int]
"""Producer, output (its argument's name in bodies, number), slot; of control inputs ``_CONTROL``"""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Nodes of the graph and of its bodies (``FUNCTION/NODE``); arguments, results and functions
    stand among them, under names that no node has.
    """

    labels: Mapping[str, Any]
    edges: Mapping[str, tuple[Edge, ...]]
    nodes: Mapping[str, Node]
    calls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def facts(graph: Graph) -> Facts:
    labels: dict[str, Any] = {}
    edges: dict[str, tuple[Edge, ...]] = {}
    nodes: dict[str, Node] = {}
    calls: dict[str, tuple[str, ...]] = {}

    def add(prefix: str, items: Iterable[Node]) -> None:
        for node in items:
            name = prefix + node.name
            if name in nodes:
                continue
            nodes[name] = node
            labels[name] = label(node, graph.functions)
            edges[name] = _edges(prefix, node.inputs)
            called = [node.op] if node.op in graph.functions else []
            calls[name] = (*called, *(item for item in node.called if item in graph.functions))

    add("", graph.by_name.values())
    for name, function in graph.functions.items():
        labels[_function(name)] = "function"
        edges[_function(name)] = ()
        add(f"{name}/", function.nodes)
        for at, spec in enumerate(function.inputs):
            labels[f"{name}/{spec.tensor}"] = ("argument", at, int(spec.dtype))
            edges[f"{name}/{spec.tensor}"] = ()
        for at, spec in enumerate(function.outputs):
            labels[_result(name, at)] = ("result", at)
            read = function.returns.get(spec.tensor)
            edges[_result(name, at)] = _edges(f"{name}/", (read,)) if read else ()
    return Facts(labels=labels, edges=edges, nodes=nodes, calls=calls)


def _function(name: str) -> str:
    return f"\0{name}"


def _result(name: str, at: int) -> str:
    return f"\0{name}\0{at}"


def _edges(prefix: str, inputs: Iterable[str]) -> tuple[Edge, ...]:
    data: list[Edge] = []
    waits: set[Edge] = set()
    for text in inputs:
        ref = TensorRef.parse(text)
        if ref.control:
            waits.add((prefix + ref.node, ("", 0), _CONTROL))
        else:
            data.append((prefix + ref.node, (ref.arg, ref.port), len(data)))
    return (*data, *sorted(waits))


def label(node: Node, functions: Iterable[str]) -> Any:
    """A node by itself: its op and what it writes, apart from names, device and annotations."""
    said = [
        (key, _said(node.attrs[key]))
        for key in sorted(node.attrs)
        if key[:1] != "_" and key not in _NAMES
    ]
    return "call" if node.op in functions else node.op, tuple(said)


def _said(value: Any) -> Any:
    if isinstance(value, DType):
        return "type", int(value)
    if isinstance(value, Shape):
        return "shape", value.dims
    if isinstance(value, LazyTensor):
        return "tensor", hashlib.sha256(value.read()).hexdigest()
    if isinstance(value, LazyBytes):
        return "bytes", hashlib.sha256(value.read()).hexdigest()
    if isinstance(value, FunctionRef):
        return "function", tuple((key, _said(value.attrs[key])) for key in sorted(value.attrs))
    if isinstance(value, AttrPlaceholder):
        return "placeholder", value.name
    if isinstance(value, list):
        return "list", tuple(_said(item) for item in value)
    return type(value).__name__, repr(value)


def classes(found: Facts) -> dict[str, int]:
    """Node -> its class; those of one class are told apart by nothing that lies around them."""
    around: dict[str, list[tuple[Any, str]]] = {name: [] for name in found.labels}

    def tie(one: str, other: str, how: tuple[Any, ...]) -> None:
        around[one].append((("to", *how), other))
        around[other].append((("from", *how), one))

    for name, edges in found.edges.items():
        for producer, port, slot in edges:
            if producer in around:
                tie(producer, name, (slot, *port))
        if name in found.nodes and "/" in name:
            # A node at the top may have a slash in its name too: it is then in no function.
            home = _function(name.partition("/")[0])
            if home in around and found.nodes[name].name != name:
                tie(home, name, (-2, "", 0))
    for name, functions in found.calls.items():
        for at, item in enumerate(functions):
            tie(_function(item), name, (-3, "", at))
    members: dict[Any, list[str]] = defaultdict(list)
    for name, text in found.labels.items():
        members[text].append(name)
    groups = list(members.values())
    colour = {name: at for at, group in enumerate(groups) for name in group}
    moved = list(colour)
    while moved:
        touched = {colour[other] for name in moved for _, other in around[name]}
        moved = []
        for at in sorted(touched):
            if len(groups[at]) == 1:
                continue
            split: dict[Any, list[str]] = defaultdict(list)
            for name in groups[at]:
                split[tuple(sorted((how, colour[other]) for how, other in around[name]))].append(
                    name
                )
            parts = sorted(split.values(), key=len)
            groups[at] = parts.pop()
            for part in parts:
                for name in part:
                    colour[name] = len(groups)
                groups.append(part)
                moved += part
    return colour


def raw_changes(
    left: Facts, right: Facts, pairs: Mapping[str, str], functions: Mapping[str, str]
) -> set[tuple[str, str, str]]:
    """Kind, left name, right name of all that differs between the two where ``pairs`` holds."""
    image = _image(left, right, pairs, functions)
    found: set[tuple[str, str, str]] = set()
    for name in left.nodes:
        other = pairs.get(name)
        if other is None:
            found.add(("removed", name, ""))
            continue
        if left.labels[name] != right.labels[other]:
            found.add(("changed", name, other))
        ours = Counter((image.get(item[0]), *item[1:]) for item in left.edges[name])
        if ours != Counter(right.edges[other]):
            found.add(("rewired", name, other))
    hit = set(pairs.values())
    return found | {("added", "", name) for name in right.nodes if name not in hit}


def _image(
    left: Facts, right: Facts, pairs: Mapping[str, str], functions: Mapping[str, str]
) -> dict[str, str]:
    """``pairs``, and the arguments and results of functions by their places."""
    image = dict(pairs)
    places = {}
    for side, found in ((0, left), (1, right)):
        for name, text in found.labels.items():
            if name not in found.nodes and isinstance(text, tuple):
                home = name.lstrip("\0").partition("\0" if name[0] == "\0" else "/")[0]
                places[side, home, text[:2]] = name
    for (side, home, place), name in places.items():
        other = places.get((1, functions.get(home, ""), place))
        if side == 0 and other is not None:
            image[name] = other
    return image


def hidden_rewiring(
    left: Facts, right: Facts, pairs: Mapping[str, str], functions: Mapping[str, str]
) -> set[tuple[str, str, str]]:
    """Of the rewired pairs, those that read the same as before but for an identity that went."""
    image = _image(left, right, pairs, functions)

    def through(item: Edge) -> Edge:
        while item[0] not in pairs and item[0] in left.nodes and item[2] != _CONTROL:
            node = left.nodes[item[0]]
            if node.op not in _PLAIN or not left.edges[item[0]]:
                break
            before = left.edges[item[0]][0]
            item = (before[0], before[1], item[2])
        return item

    found = set()
    for name, other in pairs.items():
        reads = map(through, left.edges[name])
        ours = Counter((image.get(item[0]), *item[1:]) for item in reads)
        if ours == Counter(right.edges[other]):
            found.add(("rewired", name, other))
    return found
