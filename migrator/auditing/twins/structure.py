"""A hash of a graph's structure, the same whatever its nodes are called and in what order they lie.

Each node's hash is made of its op, its attributes and the hashes of what feeds it, and then of
who reads it, as in the colour refinement of Weisfeiler and Lehman (1968), but along the order of
the graph: so one pass forth and one back see it all. Loops are cut at NextIteration. Linear.

The numbers are Python's own hashes of tuples of numbers: comparable within one release of
Python, which is enough for the models of one audit.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from migrator.errors import MigratorError
from migrator.model.checks import LOOP_OP
from migrator.model.dtypes import DType
from migrator.model.graph import (
    AttrPlaceholder,
    AttrValue,
    Function,
    FunctionRef,
    Graph,
    Node,
    index_nodes,
)
from migrator.model.tensors import LazyBytes, LazyTensor, Shape, TensorRef

_SMALL = 1 << 10
"""Bytes up to which a constant's values count, where they are no weights."""
_NAMES = frozenset(
    (
        "shared_name",
        "container",
        "frame_name",
        "tensor_array_name",
        "stack_name",
        "debug_name",
        "config",
        "config_proto",
        "executor_type",
        "message",
        "display_name",
    )
)
"""Attributes that hold names, texts and settings of the machine that wrote the graph."""
SAVES = frozenset(("Save", "SaveSlices", "SaveV2"))
RESTORES = frozenset(("Restore", "RestoreSlice", "RestoreV2"))
"""They take their tensors in the order of the variables' names, so that order is left out: for
functions that hold such ops too, and for their calls."""
_CALLS = frozenset(("PartitionedCall", "StatefulPartitionedCall"))
_LISTS = SAVES | RESTORES
_TEMPORARY = re.compile(rb"_temp_[0-9a-f]{32}")
_ROUNDS = 3
"""Of refinement on cycles that are no loops: sound graphs have none."""
_RECURSIVE = 11
_UNKNOWN = 13
_LOOSE = -(1 << 40)
"""The producer of an input that names no node."""

Edge = tuple[int, int]
"""Producer by number (below 0: argument -1 - n of the function, or ``_LOOSE``) and a number for
the port, -1 for control."""


def graph_hash(graph: Graph) -> str:
    """The structure of a graph and of the functions that its nodes call, as 32 hex digits.

    Left out: names, order, devices, floating-point weights (scalars count), attributes that start
    with an underscore, functions' counters.
    """
    library = _library(graph)
    found = _node_hashes(graph.nodes, (), library)
    return text_hash(str(number) for number in sorted(found.values))


def text_hash(parts: Iterable[str]) -> str:
    """32 hex digits that stand for ``parts`` in their order."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass"))
        digest.update(b"\0")
    return digest.hexdigest()


class _Library(NamedTuple):
    """Hash of each function's body by its name, and those that save or restore variables."""

    hashes: Mapping[str, int]
    savers: frozenset[str]


def _library(graph: Graph) -> _Library:
    """The functions of a graph, what they call first. Recursion is cut."""
    functions = graph.functions
    savers = frozenset(
        name
        for name, item in functions.items()
        if any(node.op in SAVES or node.op in RESTORES for node in item.nodes)
    )
    calls = {
        name: {call for node in item.nodes for call in node.called if call in functions}
        for name, item in functions.items()
    }
    callers: dict[str, list[str]] = {}
    waiting = {}
    for name, called in calls.items():
        waiting[name] = len(called)
        for call in called:
            callers.setdefault(call, []).append(name)
    ready = [name for name, count in waiting.items() if not count]
    found: dict[str, int] = {}
    library = _Library(found, savers)
    while ready:
        name = ready.pop()
        found[name] = _function_hash(functions[name], library)
        for caller in callers.get(name, ()):
            waiting[caller] -= 1
            if not waiting[caller]:
                ready.append(caller)
    cut = {name: _RECURSIVE for name in functions if name not in found}
    known = _Library({**cut, **found}, savers)
    found.update({name: _function_hash(functions[name], known) for name in cut})
    return library


def _function_hash(function: Function, library: _Library) -> int:
    types = [int(spec.dtype) for spec in function.inputs]
    if function.name in library.savers:
        ops = [_number(node.op) for node in function.nodes]
        return hash((tuple(sorted(types)), tuple(sorted(ops))))
    arguments = [spec.tensor for spec in function.inputs]
    found = _node_hashes(function.nodes, arguments, library)
    results = [
        found.tensor(function.returns.get(spec.tensor, ""), int(spec.dtype))
        for spec in function.outputs
    ]
    waits = sorted(found.tensor(f"^{name}", 0) for name in function.control_returns.values())
    return hash((tuple(types), tuple(sorted(found.values)), tuple(results), tuple(waits)))


class _Found:
    """``values`` are the nodes' hashes; ``tensor`` gives the hash of a tensor by name."""

    __slots__ = ("_forth", "_index", "values")

    def __init__(self, values: list[int], forth: list[int], index: Mapping[str, int]) -> None:
        self.values = values
        self._forth = forth
        self._index = index

    def tensor(self, text: str, kind: int) -> int:
        producer, port = _edge(text, self._index)
        below = self._forth[producer] if producer >= 0 else _outside(producer)
        return hash((below, port, kind))


def _outside(producer: int) -> int:
    """Stands for an argument. Not the number itself: Python hashes -1 and -2 alike."""
    return (1 << 50) - producer


def _edge(text: str, index: Mapping[str, int]) -> Edge:
    number = index.get(text)
    if number is not None:
        return number, 0
    ref = TensorRef.parse(text)
    if ref.control:
        return index.get(ref.node, _LOOSE), -1
    # Within a function a port has the name of its argument.
    port = ref.port + (zlib.crc32(ref.arg.encode("utf-8", "surrogatepass")) << 32 if ref.arg else 0)
    return index.get(ref.node, _LOOSE), port


def _node_hashes(nodes: Sequence[Node], arguments: Sequence[str], library: _Library) -> _Found:
    unique, _ = index_nodes(nodes)
    nodes = list(unique.values())
    keys = {
        TensorRef.parse(text).node
        for node in nodes
        if node.op in SAVES or node.op in RESTORES
        for text in node.inputs
    }
    index = {name: number for number, name in enumerate(unique)}
    for slot, name in enumerate(arguments):
        index.setdefault(name, -1 - slot)
    labels = [_label(node, library.hashes, node.name not in keys) for node in nodes]
    unordered = [_is_unordered(node, library) for node in nodes]
    inputs: list[list[Edge]] = []
    readers: list[list[Edge]] = [[] for _ in nodes]
    back: list[tuple[int, int, int]] = []
    waiting = [0] * len(nodes)
    for number, node in enumerate(nodes):
        own: list[Edge] = []
        for slot, text in enumerate(node.inputs):
            producer, port = _edge(text, index)
            if port > 0 and producer >= 0 and nodes[producer].op in RESTORES:
                port = 0
            own.append((producer, port))
            if producer < 0:
                continue
            if nodes[producer].op in LOOP_OP:
                back.append((producer, number, slot))
                continue
            place = 0 if unordered[number] else slot
            readers[producer].append((number, -1 if port == -1 else place))
            waiting[number] += 1
        inputs.append(own)
    order = _order(waiting, readers)
    forth = _forth(nodes, labels, inputs, order, unordered)
    values = _and_back(forth, inputs, readers, order)
    for producer, number, slot in back:
        values.append(hash((forth[producer], forth[number], slot)))
    return _Found(values, forth, index)


def _is_unordered(node: Node, library: _Library) -> bool:
    if node.op in SAVES:
        return True
    return (
        bool(library.savers)
        and node.op in _CALLS
        and any(name in library.savers for name in node.called)
    )


def _order(waiting: list[int], readers: list[list[Edge]]) -> list[int]:
    """Numbers of the nodes, producers first; those on other cycles than loops are left out."""
    ready = [number for number, count in enumerate(waiting) if not count]
    order = []
    while ready:
        number = ready.pop()
        order.append(number)
        for reader, _ in readers[number]:
            waiting[reader] -= 1
            if not waiting[reader]:
                ready.append(reader)
    return order


def _forth(
    nodes: Sequence[Node],
    labels: list[int],
    inputs: list[list[Edge]],
    order: list[int],
    unordered: list[bool],
) -> list[int]:
    """Hashes of the nodes with all that feeds them."""
    found = list(labels)

    def mixed(number: int) -> int:
        data = []
        controls = []
        for producer, port in inputs[number]:
            if producer < 0:
                below = _outside(producer)
            elif nodes[producer].op in LOOP_OP:
                below = labels[producer]  # the way back of a loop
            else:
                below = found[producer]
            if port == -1:
                controls.append(below)
            else:
                data.append((below, port))
        controls.sort()
        if unordered[number]:
            data.sort()
        return hash((labels[number], tuple(data), tuple(controls)))

    for number in order:
        found[number] = mixed(number)
    if len(order) < len(nodes):
        placed = set(order)
        rest = [number for number in range(len(nodes)) if number not in placed]
        for _ in range(_ROUNDS):
            new = [mixed(number) for number in rest]
            for number, value in zip(rest, new, strict=True):
                found[number] = value
    return found


def _and_back(
    forth: list[int],
    inputs: list[list[Edge]],
    readers: list[list[Edge]],
    order: list[int],
) -> list[int]:
    """Hashes of the nodes with all that feeds them and all that reads them."""
    found = list(forth)
    for number in reversed(order):
        own = readers[number]
        if not own:
            continue
        ports = [
            (found[reader], slot, *_ports(inputs[reader], number, slot)) for reader, slot in own
        ]
        ports.sort()
        found[number] = hash((forth[number], tuple(ports)))
    return found


def _ports(edges: list[Edge], producer: int, slot: int) -> tuple[int, ...]:
    """Which output of the producer the reader takes at ``slot``."""
    if 0 <= slot < len(edges) and edges[slot][0] == producer:
        return (edges[slot][1],)
    return ()


def _label(node: Node, functions: Mapping[str, int], with_values: bool) -> int:
    """Hash of what a node is by itself; without its values, of a constant that holds names."""
    parts = [node.op]
    for key, value in _attributes(node):
        if isinstance(value, LazyTensor) and not with_values:
            value = value.dtype, value.shape.dims
        elif isinstance(value, list) and node.op in _LISTS:
            value = sorted(value, key=str)
        parts.append(f"{key}={_said(value, functions)}")
    return _number("\0".join(parts))


def _number(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "little")


def _attributes(node: Node) -> Iterator[tuple[str, AttrValue]]:
    attrs = node.attrs
    for key in sorted(attrs):
        if key[:1] != "_" and key not in _NAMES:
            yield key, attrs[key]


def _said(value: AttrValue, functions: Mapping[str, int]) -> str:
    """An attribute's value as text, without the names of functions."""
    kind = type(value)
    if kind is DType:
        return f"t{int(value)}"
    if kind is bool or kind is int or kind is float or kind is bytes:
        return repr(value)
    if isinstance(value, Shape):
        return repr(value.dims)
    if isinstance(value, list):
        return "[" + ",".join([_said(item, functions) for item in value]) + "]"
    if isinstance(value, LazyTensor):
        return _constant(value)
    if isinstance(value, FunctionRef):
        return f"f{functions.get(value.name, _UNKNOWN)}"
    if isinstance(value, LazyBytes):
        return f"b{value.size}"
    if isinstance(value, AttrPlaceholder):
        return f"${value.name}"
    return repr(value) if isinstance(value, tuple) else ""


def _constant(value: LazyTensor) -> str:
    """Type and shape; the values too of what is small and no weight."""
    said = f"{int(value.dtype)}{value.shape.dims}"
    floating = value.dtype.kind in "fcq"
    if (floating and value.shape.rank) or value.nbytes > _SMALL or value.stored_bytes > _SMALL:
        return said
    try:
        array = value.numpy()
    except MigratorError:
        return said
    if value.dtype.kind == "s":
        texts = [_TEMPORARY.sub(b"_temp", item) for item in array.ravel()]
        return f"{said}{texts}"
    return f"{said}{array.tobytes().hex()}"
