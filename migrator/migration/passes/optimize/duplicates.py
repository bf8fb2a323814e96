"""Merge nodes that compute the same from the same (common subexpressions)."""

from __future__ import annotations

import hashlib
import struct
from collections import Counter
from collections.abc import Collection, Hashable, Mapping

from migrator.errors import MigratorError
from migrator.graph.order import Tensor, all_inputs, in_order
from migrator.migration.passes.optimize.edges import (
    CONTROL_FLOW,
    names_in,
    redirect,
    tensors_in,
    with_nodes,
)
from migrator.migration.plan import Step
from migrator.model.graph import AttrPlaceholder, AttrValue, Graph, Node
from migrator.model.tensors import FileSpan, LazyBytes, LazyTensor, Shape, TensorSpec
from migrator.ops.registry import input_dtypes, op_facts, output_dtypes

_DECODED = 1 << 16
"""Constants up to so many bytes are compared by value, larger ones as they are stored."""
_CHUNK = 1 << 20
_HANDLE_OPS = ("TensorArray", "Stack", "Queue", "Barrier", "Reader", "Lookup")
"""Old ops whose handles are strings: what they read may change between two of them."""


def merge_duplicates(
    graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]
) -> tuple[Graph, tuple[Step, ...]]:
    """Keep the first of nodes with equal op, attributes and inputs, control inputs included.

    Only ops that TensorFlow registers as free of state and that give values; constants by content.
    A node that must keep its name is merged into none. Linear, but for the large constants of
    equal size, which are read one at a time.
    """
    if graph.duplicates:
        return graph, ()
    kept = names_in(keep)
    contents = _Contents(graph)
    first: dict[Hashable, str] = {}
    moved: dict[str, str] = {}
    for node in in_order(graph, tensors_in(given)):
        if not _repeatable(node):
            continue
        key = _key(node, moved, contents)
        if key is None:
            continue
        name = first.setdefault(key, node.name)
        if name != node.name and node.name not in kept:
            moved[node.name] = name
    if not moved:
        return graph, ()
    tensors: dict[Tensor, Tensor] = {
        (name, port): (target, port)
        for name, target in moved.items()
        for port in range(len(output_dtypes(graph.by_name[name]) or ()))
    }
    rest = [node for node in graph.nodes if node.name not in moved]
    step = Step(
        code="merge_duplicates",
        text="nodes that compute the same from the same are merged",
        count=len(moved),
    )
    return with_nodes(graph, redirect(rest, tensors, moved)), (step,)


def _repeatable(node: Node) -> bool:
    if node.op in CONTROL_FLOW or node.op.startswith(_HANDLE_OPS):
        return False
    facts = op_facts(node.op)
    if facts is None or facts.stateful or not facts.outputs:
        return False
    if not facts.inputs:
        return node.op == "Const"  # a placeholder is no value
    if node.op == "PlaceholderWithDefault" or node.called:
        return False
    taken, made = input_dtypes(node), output_dtypes(node)
    if taken is None or made is None:
        return False
    return not any(dtype.is_ref or dtype.kind == "h" for dtype in (*taken, *made))


def _key(node: Node, moved: Mapping[str, str], contents: _Contents) -> Hashable:
    data: list[Hashable] = []
    waits: set[str] = set()
    for name, port in all_inputs(node):
        target = moved.get(name, name)
        if port < 0:
            waits.add(target)
        else:
            data.append((target, port))
    try:
        attrs = tuple(
            (key, contents.of(node, value))
            for key, value in sorted(node.attrs.items())
            if key != "_output_shapes"  # a hint, which tools leave out at will
        )
    except MigratorError:  # a constant that does not read
        return None
    return node.op, tuple(data), frozenset(waits), attrs


class _Contents:
    """Attribute values as something to compare by. Constants are read only where it matters."""

    __slots__ = ("_alike",)

    def __init__(self, graph: Graph) -> None:
        self._alike = Counter(
            _outside(value)
            for node in graph.nodes
            if isinstance(value := node.attrs.get("value"), LazyTensor)
        )

    def of(self, node: Node, value: AttrValue) -> Hashable:
        if isinstance(value, LazyTensor):
            if self._alike[_outside(value)] < 2:
                return "one", node.name  # nothing else can be equal to it
            return _digest(value)
        if isinstance(value, list):
            return "list", tuple(self.of(node, item) for item in value)
        if isinstance(value, LazyBytes):
            return "bytes", value.read()
        if isinstance(value, float):
            return "float", struct.pack("<d", value)
        if isinstance(value, Shape):
            return "shape", value.dims
        if isinstance(value, AttrPlaceholder):
            return "placeholder", value.name
        return type(value).__name__, value


def _outside(value: LazyTensor) -> Hashable:
    """What is known of a constant without reading it."""
    small = _by_value(value)
    return int(value.dtype), value.shape.dims, small or value.stored_bytes


def _by_value(value: LazyTensor) -> bool:
    return value.dtype.itemsize > 0 and value.nbytes <= _DECODED


def _digest(value: LazyTensor) -> Hashable:
    about = (int(value.dtype), value.shape.dims)
    if _by_value(value):
        return "value", *about, hashlib.blake2b(value.numpy().tobytes()).digest()
    place = value.place()
    streamed = None if place is None else _streamed(place)
    if streamed is not None:
        return "bytes", *about, streamed
    return "stored", *about, hashlib.blake2b(value.read()).digest()


def _streamed(place: FileSpan) -> bytes | None:
    """Digest of a part of a file, None where it is not to be had under that path."""
    found = hashlib.blake2b()
    left = place.length
    try:
        with open(place.path, "rb") as file:
            file.seek(place.offset)
            while left and (part := file.read(min(left, _CHUNK))):
                found.update(part)
                left -= len(part)
    except OSError:
        return None
    return None if left else found.digest()
