"""One side of a comparison as flat lists: every node of the graph and of all function bodies.

A room is the top level (number 0) or the body of one function. Arguments and results of a body
are nodes of their own here. Nodes that hand on what they get (identities, reads of variables) are
seen through: others read what stands behind them.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from migrator.diffing.numbered.labels import (
    CONTROL_FLOW,
    SEEN_THROUGH,
    Labeller,
    number,
)
from migrator.model.checks import LOOP_OP
from migrator.model.dtypes import DType
from migrator.model.graph import Function, Graph, Node
from migrator.model.tensors import UNKNOWN_SHAPE, LazyTensor, TensorRef, TensorSpec
from migrator.ops.registry import output_ports
from migrator.ops.state import VARIABLE_OPS

Edge = tuple[int, int, int]
"""Of ``ins`` and ``raw``: producer (-1 where the input names no node), port, slot; port and slot
of a control edge are -1. Of ``outs``: consumer, slot, port."""
NOWHERE = -1
_AS_OP = "function called as an op"
_UNKNOWN_PORT = 1 << 20
_NUMBER = re.compile(r"_\d+(?=_|$)")
_GENERATED = re.compile(r"^(__inference_|__forward_|__backward_)")


class Table:
    """Nodes by number. ``names`` are whole (``FUNCTION/NODE``), ``local`` as in their room."""

    __slots__ = (
        "_columns",
        "_ends",
        "_wires",
        "arguments",
        "back",
        "bases",
        "calls",
        "exact",
        "families",
        "forms",
        "ins",
        "is_boundary",
        "local",
        "names",
        "nodes",
        "outs",
        "raw",
        "results",
        "room",
        "room_index",
        "rooms",
        "shared",
        "spans",
        "through",
    )

    def __init__(
        self,
        graph: Graph,
        labeller: Labeller,
        values: Mapping[str, LazyTensor],
        skip: frozenset[str] = frozenset(),
    ) -> None:
        """``values`` are what variables hold, by whole name; functions of ``skip`` are left out."""
        self._columns: dict[str, Any] = {}
        self._ends: tuple[Any, Any] | None = None
        self._wires: tuple[Any, Any, Any, Any] | None = None
        self.rooms: list[str] = [""]
        self.spans: list[tuple[int, int]] = []
        """First number of each room, and the one behind its last."""
        self.nodes: list[Node | None] = []
        self.names: list[str] = []
        self.local: list[str] = []
        self.room: list[int] = []
        self.exact: list[int] = []
        self.forms: list[int] = []
        self.families: list[int] = []
        self.is_boundary: list[bool] = []
        self.through: list[bool] = []
        self.raw: list[list[Edge]] = []
        self.ins: list[list[Edge]] = []
        self.outs: list[list[Edge]] = []
        self.arguments: list[range] = [range(0)]
        self.results: list[range] = [range(0)]
        self.calls: dict[int, list[tuple[int, int]]] = {}
        """Node -> attributes that name a function, with its room."""
        self.shared: dict[int, str] = {}
        """Variable -> the name of its resource, where it has one."""
        self.back: set[int] = set()
        """Nodes whose outputs lead back: loops are cut behind them."""
        functions = {name: item for name, item in graph.functions.items() if name not in skip}
        self.rooms += functions
        self.room_index = {name: room for room, name in enumerate(self.rooms)}
        self.bases = [base_name(name) for name in self.rooms]
        self._add_nodes(0, "", list(graph.by_name.values()), labeller, values)
        self._wire(0, {}, list(graph.by_name.values()), 0)
        for room, (name, function) in enumerate(functions.items(), 1):
            self._add_function(room, name, function, labeller, values)
        self._see_through()

    def column(self, name: str) -> Any:
        """One of the lists of numbers as an array (int64), made once."""
        import numpy as np

        found = self._columns.get(name)
        if found is None:
            found = self._columns[name] = np.array(getattr(self, name), np.int64)
        return found

    @property
    def wires(self) -> tuple[Any, Any, Any, Any]:
        """Producer, consumer, port and slot of every data edge of ``raw``, as arrays: by consumer,
        then by slot.
        """
        import numpy as np

        if self._wires is None:
            flat = list(chain.from_iterable(chain.from_iterable(self.raw)))
            edges = np.array(flat, np.int64).reshape(-1, 3)
            consumers = np.repeat(np.arange(len(self.raw)), [len(item) for item in self.raw])
            data = edges[:, 2] >= 0
            producers, ports, slots = edges[data].T
            self._wires = producers, consumers[data], ports, slots
        return self._wires

    @property
    def ends(self) -> tuple[Any, Any]:
        """Producer and consumer of every edge, through what is seen through and direct ones too,
        as arrays.
        """
        import numpy as np

        if self._ends is None:
            edges = [
                (producer, number)
                for number, (raw, ins) in enumerate(zip(self.raw, self.ins, strict=True))
                for producer, _, _ in (raw if raw is ins else [*raw, *ins])
                if producer >= 0
            ]
            both = np.array(edges, np.int64).reshape(-1, 2)
            self._ends = both[:, 0], both[:, 1]
        return self._ends

    def __len__(self) -> int:
        return len(self.nodes)

    def _add_nodes(
        self,
        room: int,
        prefix: str,
        nodes: Sequence[Node],
        labeller: Labeller,
        values: Mapping[str, LazyTensor],
    ) -> None:
        start = len(self.nodes)
        labels = labeller.labels
        has_functions = len(self.rooms) > 1
        for at, node in enumerate(nodes, start):
            name = prefix + node.name
            value = None
            if node.op in VARIABLE_OPS:
                value = values.get(name)
                shared = node.attrs.get("shared_name")
                if shared and isinstance(shared, bytes):
                    self.shared[at] = shared.decode("utf-8", "replace")
            # TensorFlow 1 calls a function as if it were an op: its name may be generated.
            shown = replace(node, op=_AS_OP) if node.op in self.room_index else node
            found = labels(shown, value)
            self.names.append(name)
            self.local.append(node.name)
            self.exact.append(found.exact)
            self.forms.append(found.form)
            self.families.append(found.family)
            for attr, body in _functions_of(node) if has_functions else ():
                if body in self.room_index:
                    self.calls.setdefault(at, []).append((number(attr), self.room_index[body]))
            if node.op in LOOP_OP:
                self.back.add(at)
        self.nodes += nodes
        self.room += [room] * len(nodes)
        self.is_boundary += [False] * len(nodes)
        if not prefix:
            self.spans.append((start, len(self.nodes)))

    def _add_boundary(
        self, room: int, prefix: str, kind: str, specs: Sequence[TensorSpec]
    ) -> range:
        """Nodes for the arguments or the results of a body."""
        start = len(self.nodes)
        for spec in specs:
            label = number(f"{kind} {int(spec.dtype.base)}")
            self.nodes.append(None)
            self.names.append(prefix + spec.tensor)
            self.local.append(spec.tensor)
            self.room.append(room)
            self.exact.append(label)
            self.forms.append(label)
            self.families.append(number(kind))
            self.is_boundary.append(True)
        return range(start, len(self.nodes))

    def _add_function(
        self,
        room: int,
        name: str,
        function: Function,
        labeller: Labeller,
        values: Mapping[str, LazyTensor],
    ) -> None:
        start = len(self.nodes)
        prefix = f"{name}/"
        unique: dict[str, Node] = {}
        for node in function.nodes:
            unique.setdefault(node.name, node)
        self.arguments.append(self._add_boundary(room, prefix, "argument", function.inputs))
        self.raw += [[] for _ in function.inputs]
        index = {spec.tensor: start + at for at, spec in enumerate(function.inputs)}
        nodes = list(unique.values())
        first = len(self.nodes)
        self._add_nodes(room, prefix, nodes, labeller, values)
        self._wire(first, index, nodes, room)
        self.results.append(self._add_boundary(room, prefix, "result", function.outputs))
        for spec in function.outputs:
            text = function.returns.get(spec.tensor, "")
            self.raw.append([(*self._edge(text, index), 0)])
        waits = [self._edge(f"^{item}", index)[0] for item in function.control_returns.values()]
        if waits:
            self._add_boundary(room, prefix, "waits", [_WAITS])
            self.raw.append([(item, -1, -1) for item in sorted(waits) if item >= 0])
        self.spans.append((start, len(self.nodes)))

    def _wire(self, first: int, index: dict[str, int], nodes: Sequence[Node], room: int) -> None:
        for at, node in enumerate(nodes, first):
            index.setdefault(node.name, at)
        for node in nodes:
            edges: list[Edge] = []
            slot = 0
            for text in node.inputs:
                producer = index.get(text)
                if producer is None and not room and text[-2:] == ":0":
                    producer = index.get(text[:-2])
                if producer is not None:
                    edges.append((producer, 0, slot))
                    slot += 1
                    continue
                producer, port = self._edge(text, index)
                if port == -1:
                    if producer >= 0:
                        edges.append((producer, -1, -1))
                else:
                    edges.append((producer, port, slot))
                    slot += 1
            self.raw.append(edges)

    def _edge(self, text: str, index: Mapping[str, int]) -> tuple[int, int]:
        """Producer and port of an input as it is written."""
        ref = TensorRef.parse(text)
        producer = index.get(ref.node, NOWHERE)
        if ref.control:
            return producer, -1
        if not ref.arg or producer < 0:
            return producer, ref.port
        node = self.nodes[producer]
        ports = output_ports(node) if node is not None else None
        if ports is not None and ref.arg in ports:
            return producer, ports[ref.arg][0] + ref.port
        known = zlib.crc32(ref.arg.encode("utf-8", "surrogatepass")) & 0xFFFF
        return producer, _UNKNOWN_PORT + known * 64 + ref.port

    def _see_through(self) -> None:
        """Fill ``through``, ``ins`` and ``outs``."""
        count = len(self.nodes)
        ops = ["" if node is None else node.op for node in self.nodes]
        through = [
            op in SEEN_THROUGH and len(edges) == 1 and edges[0][1] >= 0 and edges[0][0] >= 0
            for op, edges in zip(ops, self.raw, strict=True)
        ]
        for number_, edges in enumerate(self.raw):
            flow = ops[number_] in CONTROL_FLOW
            for producer, port, _ in edges:
                if producer < 0:
                    continue
                if port == -1 or flow:
                    through[producer] = False
                if ops[producer] in CONTROL_FLOW:
                    through[number_] = False
        self.through = through
        origin: dict[int, tuple[int, int]] = {}
        if True in through:
            self._find_origins(origin)
        self.outs = [[] for _ in range(count)]
        outs = self.outs
        for number_, edges in enumerate(self.raw):
            own = edges
            if origin and not through[number_]:
                for at, (producer, port, slot) in enumerate(edges):
                    if producer >= 0 and through[producer]:
                        outs[producer].append((number_, slot, port))
                        if own is edges:
                            own = list(edges)
                        own[at] = (*origin[producer], slot)
            self.ins.append(own)
            for producer, port, slot in own:
                if producer >= 0:
                    outs[producer].append((number_, slot, port))

    def _find_origins(self, origin: dict[int, tuple[int, int]]) -> None:
        """What stands behind each node that is seen through; those on a cycle no longer are."""
        through = self.through
        for start, seen in enumerate(through):
            if not seen or start in origin:
                continue
            path = []
            on_path = set()
            at, port = start, 0
            while through[at] and at not in origin and at not in on_path:
                path.append(at)
                on_path.add(at)
                at, port, _ = self.raw[at][0]
            if through[at] and at in on_path:
                for item in path:
                    through[item] = False
                continue
            found = origin.get(at, (at, port))
            for item in path:
                origin[item] = found


def _functions_of(node: Node) -> list[tuple[str, str]]:
    """What of a node may name a function, with the name: its op, and attributes; those of a list
    by position.
    """
    attrs = node.attrs
    holding = getattr(attrs, "holding", None)
    items = holding("func", ()) if holding else sorted(attrs.items(), key=lambda item: item[0])
    found = [(_AS_OP, node.op)]
    for key, value in items:
        for at, one in enumerate(value if isinstance(value, list) else [value]):
            name = getattr(one, "name", None)
            if name is not None and hasattr(one, "attrs"):
                found.append((f"{key}{at}", name))
    return found


def fingerprint(table: Table) -> tuple[int, int, int]:
    """Which of two sides goes first is told by this: it looks at all that a table holds."""
    names = zlib.crc32("\0".join(table.names).encode("utf-8", "surrogatepass"))
    wires = [0]
    for edges in table.raw:
        for producer, port, slot in edges:
            wires.append(hash((producer, port, slot)))
    return len(table), names, hash((tuple(table.exact), tuple(wires)))


def base_name(function: str) -> str:
    """A function's name without what TensorFlow counts on: ``__inference_call_123`` is ``call``."""
    return _NUMBER.sub("", _GENERATED.sub("", function))


_WAITS = TensorSpec(tensor=":waits", dtype=DType(0), shape=UNKNOWN_SHAPE)
"""Stands for a body's control results: what has to be done before it is."""
