"""A model's graphs as Model Explorer's graph collection: ``{"label", "graphs"}``.

A meta graph is a graph, so is the body of each function; nodes that call one link to it. Name
scopes are layers. Each graph's ids are unique over all graphs of the collection, for the page
follows a selection from one pane to the other by ids alone.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from migrator.drawing.cells import Cells, cells_of
from migrator.drawing.details import attributes, badge
from migrator.model.dtypes import DType
from migrator.model.graph import Node, declared_shape
from migrator.model.model import MetaGraph
from migrator.model.tensors import TensorSpec
from migrator.report.escape import shown
from migrator.report.explorer.names import Ids, namespaces
from migrator.report.json_v1 import Json

HIDDEN = ("Const", "ReadVariableOp")
"""Labels that the page hides unless it is told otherwise; so small constants do not clutter it."""
_CONTROL = "control"
_TIMES = "\N{MULTIPLICATION SIGN}"
_LONGEST = 2000
_LONGEST_LABEL = 100

Notes = Mapping[str, Sequence[tuple[str, str]]]
"""Whole name of a node -> keys and texts to show among its attributes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a node stands on the page."""

    graph: str
    node: str
    namespace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """A graph collection, and where its nodes are."""

    label: str
    graphs: list[Json]
    places: Mapping[str, Place]
    """Whole name (of a body's node ``FUNCTION/NODE``) in the first meta graph -> its place."""

    @property
    def json(self) -> Json:
        """What a file holds."""
        return {"label": self.label, "graphs": self.graphs}


def collect(
    metas: Sequence[MetaGraph],
    label: str,
    *,
    prefix: str = "",
    notes: Notes | None = None,
    wishes: Mapping[str, str] | None = None,
    taken: Collection[str] = (),
) -> Collected:
    """The graphs of ``metas``. Linear in nodes and edges; reads small constants only.

    ``label`` names the collection, ``prefix`` comes before the names of its graphs. ``notes`` and
    ``wishes`` (ids for nodes, in place of their names) are of the first meta graph; no other node
    gets an id of ``taken``.
    """
    graphs: list[Json] = []
    places: dict[str, Place] = {}
    node_ids, graph_ids = Ids(taken), Ids()
    for number, meta in enumerate(metas):
        drawn = _Drawn(cells_of(meta.graph), node_ids, graph_ids, meta, prefix)
        first = number == 0
        drawn.name_nodes(wishes or {} if first else {})
        graphs += drawn.graphs(notes or {} if first else {})
        if first:
            places = drawn.places()
    return Collected(label=shown(label), graphs=graphs, places=places)


def collection_text(metas: Sequence[MetaGraph], label: str) -> Iterator[str]:
    """What a file of ``collect(metas, label).json`` holds, in parts: one node is in memory at a
    time. ASCII only."""
    yield f'{{"label":{_text(shown(label))},"graphs":['
    node_ids, graph_ids = Ids(), Ids()
    is_first = True
    for meta in metas:
        drawn = _Drawn(cells_of(meta.graph), node_ids, graph_ids, meta, "")
        drawn.name_nodes({})
        for name, nodes in drawn.areas_with_nodes({}):
            yield f'{"" if is_first else ","}{{"id":{_text(name)},"nodes":['
            for number, node in enumerate(nodes):
                yield f"{',' if number else ''}{_text(node)}"
            yield f'],"nodeLabelsToHide":{_text(HIDDEN)}}}'
            is_first = False
    yield "]}"


_text = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class _Drawn:
    """One meta graph with its bodies."""

    def __init__(
        self, cells: Cells, node_ids: Ids, graph_ids: Ids, meta: MetaGraph, prefix: str
    ) -> None:
        self.cells = cells
        self._ids = node_ids
        names = [",".join(meta.tags) or "graph", *(area.name for area in cells.areas[1:])]
        self.areas = [graph_ids.take(f"{prefix}{name}") for name in names]
        self.ids: list[str] = []
        # Names of bodies may clash with those of top-level nodes, which come first.
        first = {name: number for number, name in reversed([*enumerate(cells.names)])}
        self.firsts = [first[name] == number for number, name in enumerate(cells.names)]
        self.layers = [""] * len(cells)
        for area in cells.areas:
            found = namespaces(cells.locals[number] for number in area.members)
            for number, layer in zip(area.members, found, strict=True):
                self.layers[number] = layer

    def name_nodes(self, wishes: Mapping[str, str]) -> None:
        for name, first in zip(self.cells.names, self.firsts, strict=True):
            wished = wishes.get(name) if first else None
            self.ids.append(wished if wished is not None else self._ids.take(name))

    def places(self) -> dict[str, Place]:
        cells = self.cells
        return {
            name: Place(
                graph=self.areas[cells.homes[number]],
                node=self.ids[number],
                namespace=self.layers[number],
            )
            for number, name in enumerate(cells.names)
            if self.firsts[number]
        }

    def graphs(self, notes: Notes) -> list[Json]:
        return [
            {"id": name, "nodes": list(nodes), "nodeLabelsToHide": list(HIDDEN)}
            for name, nodes in self.areas_with_nodes(notes)
        ]

    def areas_with_nodes(self, notes: Notes) -> Iterator[tuple[str, Iterator[Json]]]:
        """Each graph's id and its nodes, one by one."""
        ports = self._ports()
        for area, name in zip(self.cells.areas, self.areas, strict=True):
            yield name, (self._node(number, ports[number], notes) for number in area.members)

    def _ports(self) -> list[set[int]]:
        """The outputs of each cell that something takes."""
        found: list[set[int]] = [set() for _ in self.ids]
        for edges in self.cells.inputs:
            for producer, port in edges:
                found[producer].add(port)
        return found

    def _node(self, number: int, ports: set[int], notes: Notes) -> Json:
        cells = self.cells
        node, spec, name = cells.nodes[number], cells.specs[number], cells.names[number]
        more = notes.get(name, ()) if self.firsts[number] else ()
        flat = attributes(node, spec)
        pairs = [("name", cells.locals[number]), *more, *zip(flat[::2], flat[1::2], strict=True)]
        made: Json = {
            "id": self.ids[number],
            "label": self._label(number, bool(more)),
            "namespace": self.layers[number],
            "attrs": [{"key": shown(key), "value": shown(text, _LONGEST)} for key, text in pairs],
            "incomingEdges": [
                {
                    "sourceNodeId": self.ids[producer],
                    "sourceNodeOutputId": _output(port),
                    "targetNodeInputId": str(slot),
                }
                for slot, (producer, port) in enumerate(cells.inputs[number])
            ],
            "inputsMetadata": [
                {"id": str(slot), "attrs": [{"key": "__tensor_tag", "value": _CONTROL}]}
                for slot, (_, port) in enumerate(cells.inputs[number])
                if port < 0
            ],
            "outputsMetadata": [
                {"id": _output(port), "attrs": _tensor(node, spec, port)}
                for port in sorted(ports or {0})
            ],
        }
        if number in cells.calls:
            called = dict.fromkeys(area for _, area in cells.calls[number])
            made["subgraphIds"] = [self.areas[area] for area in called]
        return made

    def _label(self, number: int, noted: bool) -> str:
        """The op. Weights and constants that there is something to tell of are not hidden."""
        cells = self.cells
        op, node = cells.ops[number], cells.nodes[number]
        if node is None:  # an argument or a result of a body
            return shown(f"{op} {cells.locals[number]}", _LONGEST_LABEL)
        if op == "Const":
            held = badge(node)
            if noted or (held and not held.startswith("=")):
                # The page's own font has ASCII only.
                return shown(f"{op} {held.replace(_TIMES, 'x') or 'value'}", _LONGEST_LABEL)
        return f"{op} " if noted and op in HIDDEN else shown(op, _LONGEST_LABEL)


def _output(port: int) -> str:
    return _CONTROL if port < 0 else str(port)


def _tensor(node: Node | None, spec: TensorSpec | None, port: int) -> list[Json]:
    """The type and the shape of an output, as far as the file tells them."""
    if port < 0:
        return []
    shape = declared_shape(node, port) if node is not None else None
    dtype = spec.dtype if spec is not None else _dtype(node)
    if shape is None or shape.dims is None:
        text = dtype.name if dtype is not None else ""
    else:
        dims = ",".join("?" if dim is None else str(dim) for dim in shape.dims)
        text = f"{dtype.name if dtype is not None else ''}[{dims}]"
    return [{"key": "tensor_shape", "value": shown(text)}] if text else []


def _dtype(node: Node | None) -> DType | None:
    found = node.attrs.get("dtype") if node is not None else None
    return found if isinstance(found, DType) else None
