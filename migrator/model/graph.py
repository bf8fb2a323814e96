"""Nodes, graphs and functions: what a GraphDef says, in our own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from migrator.model.brief import brief
from migrator.model.tensors import LazyTensor, Shape, TensorRef, TensorSpec

AttrValue = Any
"""int, float, bool, bytes, DType, Shape, LazyTensor, LazyBytes, FunctionRef, AttrPlaceholder,
or a list of one of these."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FunctionRef:
    """A function named by an attribute, with the attributes that instantiate it."""

    name: str
    attrs: Mapping[str, AttrValue] = field(default_factory=dict)

    __repr__ = brief


@dataclass(frozen=True, slots=True)
class AttrPlaceholder:
    """An attribute whose value the function's caller gives."""

    name: str

    __repr__ = brief


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Node:
    """One node. ``inputs`` are as written: data inputs in slot order, then ``^control`` ones.

    The one data class that takes positional arguments: graphs have hundreds of thousands.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    device: str
    attrs: Mapping[str, AttrValue]

    __repr__ = brief

    def __init__(
        self,
        name: str,
        op: str,
        inputs: tuple[str, ...],
        device: str,
        attrs: Mapping[str, AttrValue],
    ) -> None:
        # The slots themselves: half the time of what a frozen class would do.
        _set_name(self, name)
        _set_op(self, op)
        _set_inputs(self, inputs)
        _set_device(self, device)
        _set_attrs(self, attrs)

    @property
    def refs(self) -> tuple[TensorRef, ...]:
        return tuple(TensorRef.parse(text) for text in self.inputs)

    @property
    def data_refs(self) -> tuple[TensorRef, ...]:
        return tuple(TensorRef.parse(text) for text in self.inputs if text[:1] != "^")

    @property
    def called(self) -> tuple[str, ...]:
        """Names of the functions that its attributes mention, nested ones too."""
        found: list[str] = []
        # Attributes of a file decode only those that are asked for, and few name a function.
        holding = getattr(self.attrs, "holding", None)
        stack: list[AttrValue] = (
            [value for _, value in holding("func")] if holding else list(self.attrs.values())
        )
        while stack:
            value = stack.pop()
            if isinstance(value, FunctionRef):
                found.append(value.name)
                stack.extend(value.attrs.values())
            elif isinstance(value, list):
                stack.extend(item for item in value if isinstance(item, FunctionRef))
        return tuple(found)


_set_name, _set_op, _set_inputs, _set_device, _set_attrs = (
    vars(Node)[slot.name].__set__ for slot in fields(Node)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """GraphDef versions: who wrote it, and who may read it."""

    producer: int = 0
    min_consumer: int = 0
    bad_consumers: tuple[int, ...] = ()

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Function:
    """A function of the library. Its body's inputs use the ``node:out_arg:k`` form."""

    name: str
    nodes: Sequence[Node]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    """Names and types of the declared results, shapes unknown."""
    returns: Mapping[str, str]
    """Result name -> tensor of the body."""
    control_returns: Mapping[str, str]
    attrs: Mapping[str, AttrValue]
    definition: Any = field(repr=False, default=None)
    """The parsed FunctionDef, for writing it back; None for one that a rewrite made."""
    gradient: str = ""
    """The function of the library that is its gradient."""
    gradient_of_op: str = ""
    """The op type that this function is registered as the gradient of."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Graph:
    """A top-level graph with its function library.

    ``by_name`` holds the first node of each name; ``duplicates`` the names that came again.
    """

    nodes: Sequence[Node]
    functions: Mapping[str, Function]
    versions: Versions
    by_name: Mapping[str, Node] = field(repr=False)
    duplicates: tuple[str, ...] = ()

    __repr__ = brief

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def names(self) -> set[str]:
        """Those of all nodes; of a body's nodes as ``FUNCTION/NODE``."""
        found = {node.name for node in self.nodes}
        for function in self.functions.values():
            found.update(f"{function.name}/{node.name}" for node in function.nodes)
        return found

    def all_nodes(self) -> Iterator[Node]:
        """Top-level nodes, then those of every function body."""
        yield from self.nodes
        for function in self.functions.values():
            yield from function.nodes


def index_nodes(nodes: Sequence[Node]) -> tuple[dict[str, Node], tuple[str, ...]]:
    """Name -> first node of that name, and the names that stand more than once."""
    by_name: dict[str, Node] = {}
    again: dict[str, None] = {}
    for node in nodes:
        if by_name.setdefault(node.name, node) is not node:
            again[node.name] = None
    return by_name, tuple(again)


def declared_shape(node: Node, port: int = 0) -> Shape | None:
    """The shape that the node's own attributes give for an output, None where they are silent."""
    shapes = node.attrs.get("_output_shapes")
    known = shapes[port] if isinstance(shapes, list) and port < len(shapes) else None
    if isinstance(known, Shape):
        return known
    if node.op in _SHAPE_IS_OUTPUT and port == 0:
        shape = node.attrs.get("shape")
        if isinstance(shape, Shape):
            return shape
    if node.op == "Const" and port == 0:
        value = node.attrs.get("value")
        return value.shape if isinstance(value, LazyTensor) else None
    return None


_SHAPE_IS_OUTPUT = {
    "Placeholder",
    "PlaceholderV2",
    "PlaceholderWithDefault",
    "Variable",
    "VariableV2",
}
