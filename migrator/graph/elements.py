"""The nodes and the edges of one graph, as every view of it shows them: networkx and exports alike.

The arguments and the results of a function's body are elements of their own. An input that names
no node is left out, and so is a second node of one name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from migrator.graph.free_names import FreeNames
from migrator.model.dtypes import DType
from migrator.model.graph import Function, Graph, Node, declared_shape
from migrator.model.tensors import UNKNOWN_SHAPE, Shape, TensorRef, TensorSpec
from migrator.ops.registry import output_dtype

ARGUMENT_OP = "_Arg"
RESULT_OP = "_Retval"
_TYPES = "_output_types"
"""The attribute by which formats whose ops are not TensorFlow's tell the types of their outputs."""


class Element(NamedTuple):
    """One node, or an argument (``node`` is None) or a result of a body."""

    name: str
    op: str
    node: Node | None = None
    spec: TensorSpec | None = None


class Edge(NamedTuple):
    """From one element to another, by number. Ports and slots of control edges are -1.

    ``src_arg`` is the output argument that ``src_port`` counts in, empty where it counts all.
    """

    source: int
    target: int
    src_port: int
    src_arg: str
    dst_slot: int

    @property
    def control(self) -> bool:
        return self.src_port < 0


class Elements:
    """What stands in a graph or in a function's body, in order; edges are made when asked for."""

    __slots__ = ("_numbers", "_returns", "items")

    def __init__(self, graph: Graph | Function) -> None:
        self.items: list[Element] = []
        self._numbers: dict[str, int] = {}
        self._returns: dict[int, str] = {}
        function = graph if isinstance(graph, Function) else None
        for spec in function.inputs if function else ():
            self._add(Element(spec.tensor, ARGUMENT_OP, None, spec))
        for node in graph.nodes:
            self._add(Element(node.name, node.op, node))
        if function:
            self._add_results(function)

    def __len__(self) -> int:
        return len(self.items)

    def edges(self) -> Iterator[Edge]:
        """Each edge, in the order of targets and of their inputs."""
        numbers = self._numbers
        for target, item in enumerate(self.items):
            if item.node is None:
                continue
            slot = 0
            for text in item.node.inputs:
                source = numbers.get(text)  # "x" is "x:0", and most inputs are written so
                if source is not None:
                    yield Edge(source, target, 0, "", slot)
                    slot += 1
                    continue
                ref = TensorRef.parse(text)
                source = numbers.get(ref.node)
                if source is not None:
                    yield Edge(source, target, ref.port, ref.arg, -1 if ref.control else slot)
                slot += not ref.control
        for target, text in self._returns.items():
            ref = TensorRef.parse(text)
            source = numbers.get(ref.node)
            if source is not None:
                yield Edge(source, target, ref.port, ref.arg, -1 if ref.control else 0)

    def _add(self, item: Element) -> None:
        if item.name not in self._numbers:
            self._numbers[item.name] = len(self.items)
            self.items.append(item)

    def _add_results(self, function: Function) -> None:
        """Results, which no input names: the one thing that may have any free name."""
        names = FreeNames(self._numbers)
        for spec in function.outputs:
            # No node of TensorFlow's has a colon in its name; a hostile file has what it likes.
            name = names.take(f"{spec.tensor}:result", "{} ({})")
            self._returns[len(self.items)] = function.returns.get(spec.tensor, "")
            self.items.append(Element(name, RESULT_OP, None, spec))


def element_dtype(item: Element, port: int = 0) -> DType | None:
    """The type of an output as far as the op and its attributes tell it."""
    if item.node is None:
        return item.spec.dtype if item.spec is not None else None
    found = output_dtype(item.node, port)
    if found is not None:
        return found
    types = item.node.attrs.get(_TYPES)
    told = types[port] if isinstance(types, list) and port < len(types) else None
    if told is None and port == 0:
        told = item.node.attrs.get("dtype")
    return told if isinstance(told, DType) else None


def element_shape(item: Element, port: int = 0) -> Shape:
    """The shape of an output as far as the file tells it."""
    if item.node is None:
        return item.spec.shape if item.spec is not None else UNKNOWN_SHAPE
    return declared_shape(item.node, port) or UNKNOWN_SHAPE
