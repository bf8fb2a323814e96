"""What a picture is made of: one cell for each node, argument and result of a model's graphs.

Columns in place of objects: a graph has hundreds of thousands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from migrator.graph.elements import ARGUMENT_OP, RESULT_OP
from migrator.model.graph import Function, FunctionRef, Graph, Node
from migrator.model.tensors import TensorRef, TensorSpec
from migrator.ops.registry import output_ports

Edge = tuple[int, int]
"""Producer and its port, -1 for a control edge."""
MAIN = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Area:
    """A graph of its own: the top level (``MAIN``, named ``""``) or a function's body."""

    name: str
    members: list[int] = field(default_factory=list)
    arguments: list[int] = field(default_factory=list)
    results: list[int] = field(default_factory=list)


class Cells:
    """``names[i]`` (of a body: ``FUNCTION/NODE``), ``locals[i]`` (the node's own name),
    ``nodes[i]`` (None for an argument or a result), ``inputs[i]`` by slot, controls last.

    ``kinds[i]``, ``befores[i]`` (its cell in ``left``) are of a comparison, empty and -1 without.
    """

    __slots__ = (
        "areas", "befores", "calls", "fresh", "gone", "homes", "inputs", "kinds", "left", "locals",
        "names", "nodes", "ops", "specs",
    )  # fmt: skip

    def __init__(self) -> None:
        self.names: list[str] = []
        self.locals: list[str] = []
        self.ops: list[str] = []
        self.nodes: list[Node | None] = []
        self.specs: list[TensorSpec | None] = []
        self.inputs: list[list[Edge]] = []
        self.homes: list[int] = []
        self.kinds: list[str] = []
        self.befores: list[int] = []
        self.areas: list[Area] = []
        self.calls: dict[int, tuple[tuple[str, int], ...]] = {}
        """Cell -> (attribute, area) of each function that it names."""
        self.left: Cells | None = None
        self.fresh: set[tuple[int, int]] = set()
        """(producer, reader) of connections that only the right has."""
        self.gone: list[tuple[int, int, int]] = []
        """(producer, reader, port) of those that only the left has, between matched nodes."""

    def __len__(self) -> int:
        return len(self.names)

    def add(
        self, area: int, name: str, local: str, op: str, node: Node | None, spec: TensorSpec | None
    ) -> int:
        number = len(self.names)
        self.names.append(name)
        self.locals.append(local)
        self.ops.append(op)
        self.nodes.append(node)
        self.specs.append(spec)
        self.inputs.append([])
        self.homes.append(area)
        self.kinds.append("")
        self.befores.append(-1)
        self.areas[area].members.append(number)
        return number


def cells_of(graph: Graph) -> Cells:
    """The cells of one graph with its bodies. Dangling inputs are left out. Linear."""
    cells = Cells()
    cells.areas.append(Area(name=""))
    index: dict[str, int] = {}
    for name, node in graph.by_name.items():
        index[name] = cells.add(MAIN, name, name, node.op, node, None)
    _wire(cells, MAIN, index)
    numbers = {}
    for name, function in graph.functions.items():
        numbers[name] = _body(cells, name, function)
    for number, found in enumerate(cells.nodes):
        if found is not None:
            called = [(key, numbers[to]) for key, to in _called(found) if to in numbers]
            if called:
                cells.calls[number] = tuple(called)
    return cells


def _body(cells: Cells, name: str, function: Function) -> int:
    area = Area(name=name)
    number = len(cells.areas)
    cells.areas.append(area)
    index: dict[str, int] = {}
    for spec in function.inputs:
        label = spec.tensor
        cell = cells.add(number, f"{name}/{label}", label, ARGUMENT_OP, None, spec)
        area.arguments.append(cell)
        index.setdefault(label, cell)
    for node in function.nodes:
        if node.name not in index:
            index[node.name] = cells.add(
                number, f"{name}/{node.name}", node.name, node.op, node, None
            )
    _wire(cells, number, index)
    for spec in function.outputs:
        label = spec.tensor
        cell = cells.add(number, f"{name}/{label}:result", label, RESULT_OP, None, spec)
        area.results.append(cell)
        ref = TensorRef.parse(function.returns.get(label, ""))
        producer = index.get(ref.node)
        if producer is not None:
            cells.inputs[cell].append((producer, _port(cells.nodes[producer], ref, {})))
    return number


def _wire(cells: Cells, area: int, index: Mapping[str, int]) -> None:
    ports: dict[int, Mapping[str, tuple[int, int]]] = {}
    for number in cells.areas[area].members:
        node = cells.nodes[number]
        if node is None:
            continue
        own = cells.inputs[number]
        for text in node.inputs:
            producer = index.get(text)
            if producer is not None:
                own.append((producer, 0))
                continue
            ref = TensorRef.parse(text)
            producer = index.get(ref.node)
            if producer is not None:
                port = -1 if ref.control else _port(cells.nodes[producer], ref, ports, producer)
                own.append((producer, port))


def _port(
    node: Node | None,
    ref: TensorRef,
    known: dict[int, Mapping[str, tuple[int, int]]],
    number: int = -1,
) -> int:
    """The output that a reference means, counted over all outputs also within a body."""
    if not ref.arg or node is None:
        return ref.port
    if number not in known:
        known[number] = output_ports(node) or {}
    return known[number].get(ref.arg, (0, 0))[0] + ref.port


def _called(node: Node) -> Iterator[tuple[str, str]]:
    holding = getattr(node.attrs, "holding", None)
    for key, value in holding("func") if holding else node.attrs.items():
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, FunctionRef):
                yield key, item.name
