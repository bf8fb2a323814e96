"""The scene: a graph's tree of scopes, with what each shows when it is open, as compact JSON.

========  ===========================================================================
key       value
========  ===========================================================================
ops       op names; ``sorts``: what sort of work each does (see ``sorts``)
names     of each cell; of a node in a body: ``FUNCTION/NODE``
op        of each cell, an index of ``ops``
attrs     of each cell, an index of ``texts``: key, value, key, value ...
inputs    of each cell: the producer for its output 0, [producer, port], or -1 - producer
          for a control edge
hosts     {cell: the cell that shows it} for those that are not drawn themselves
values    cells that are constants, variables and readings of them
badges    {cell: short text} of constants and variables
shapes    {cell: shape of its output 0, declared or worked out; its type where declared}
ends      {cell: "in" or "out"} of what the model is fed and asked for
calls     {cell: [attribute, function, scope that shows the body]...}
served    of a TensorFlow 2 model: the scope that shows the body of its default signature
kinds     {cell: kind of change}; ``befores``: {cell: [name, op, texts, names of inputs]},
          with null for what is as it was (a comparison's)
scopes    [label, parent, kind, cell or -1, index of layouts, items], item: cell, -1 - scope
layouts   [items, ports in, ports out, parts, edges, hints] (see ``layers``; edges flat)
========  ===========================================================================

Linear in the graph: every drawn cell is in one scope, no scope shows more than ``grouping.WIDE``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from migrator.collector import collector_paused
from migrator.diffing.asked import layer_of
from migrator.diffing.result import Diff
from migrator.drawing.cells import MAIN, Cells, Edge, cells_of
from migrator.drawing.details import attributes, badge, dims_text, output_shape
from migrator.drawing.folding import VALUES, Folding, ends_of, readers_of
from migrator.drawing.layers import Layers, layers_of, load_igraph
from migrator.drawing.levels import Level, levels_of, wires_of
from migrator.drawing.sorts import sort_of
from migrator.drawing.tree import Tree, tree_of
from migrator.drawing.two import REMOVED, Pairing, merged, moves
from migrator.inspection.unsigned import callable_signatures
from migrator.model.graph import Node
from migrator.model.model import MetaGraph
from migrator.model.tensors import TensorRef
from migrator.shapes.propagate import propagate

Json = dict[str, Any]
_FAR = 32
"""Calls and readings between a value and what uses it."""
_MOST_SHAPED = 30_000
"""Cells up to which shapes are worked out: each makes the page larger."""
_PASSED = 8
"""Identities between a call and the output that it gives."""
_LONGEST = 400
"""Characters of a name."""


def picture_scene(meta: MetaGraph, *, statuses: Mapping[str, str] | None = None) -> Json:
    """One graph. ``statuses`` colours nodes by name (of bodies: ``FUNCTION/NODE``) with kinds.

    Raises MigratorError without igraph. Near linear; reads small constants only.
    """
    with collector_paused():
        cells = cells_of(meta.graph)
        if statuses:
            for number, name in enumerate(cells.names):
                cells.kinds[number] = statuses.get(name, "")
        return _scene(cells, (meta,), {}, shown=meta)


def pair_scene(left: MetaGraph, right: MetaGraph, pairing: Pairing) -> Json:
    """Two graphs laid out together. Raises MigratorError without igraph."""
    with collector_paused():
        before = cells_of(left.graph)
        cells = merged(before, cells_of(right.graph), pairing)
        return _scene(cells, (left, right), moves(before, cells), shown=right)


def diff_scene(left: MetaGraph, right: MetaGraph, diff: Diff) -> Json:
    """Two graphs as ``diff`` has matched them. Raises MigratorError without igraph."""
    kinds = [(item.kind, item.left, item.right) for item in diff.nodes]
    told = {item[1:] for item in kinds}
    names = [meta.graph.names() for meta in (left, right)]
    for weight in diff.weights:
        if not weight.left or not weight.right or (weight.left, weight.right) in told:
            continue
        # Of a Keras file weights are no nodes: their layer has changed.
        pair = layer_of(weight.left, names[0]), layer_of(weight.right, names[1])
        pair = pair if all(pair) else (weight.left, weight.right)
        if pair not in told:
            told.add(pair)
            kinds.append(("changed", *pair))
    pairs = [(item.left, item.right) for item in diff.matches]
    return pair_scene(left, right, Pairing(pairs=pairs, kinds=kinds))


def _scene(
    cells: Cells,
    metas: tuple[MetaGraph, ...],
    moved: Mapping[tuple[int, str], str],
    *,
    shown: MetaGraph,
) -> Json:
    """``shown``: the one whose nodes the cells are, but for what was removed."""
    igraph = load_igraph()
    ends = ends_of(metas)
    marked = {
        number: ends[cells.locals[number]]
        for number in cells.areas[MAIN].members
        if cells.locals[number] in ends
    }
    folding = Folding(cells, readers_of(cells), set(marked))
    drawn = [host == number for number, host in enumerate(folding.hosts)]
    served = _served(cells, shown) if len(metas) == 1 else None
    tree = tree_of(cells, drawn, moved, served)
    levels = levels_of(cells, tree, wires_of(cells, folding, tree), set(marked))
    layouts = _Interned()
    scopes: list[Any] = []
    known: dict[tuple[Any, ...], int] = {}
    for number, level in enumerate(levels):
        if level is None:
            scopes.append(None)
            continue
        key = (len(level.items), level.entries, level.exits, level.edges, level.hints)
        index = known.get(key)
        if index is None:
            layout = _layout(level, layers_of(level, igraph, of=len(levels)))
            index = known[key] = layouts.add(repr(layout), layout)
        scopes.append(
            [
                tree.labels[number],
                tree.parents[number],
                tree.kinds[number],
                tree.calls[number],
                index,
                level.items,
            ]
        )
    found = _told(cells, folding, tree, scopes, layouts.values)
    found |= {"ends": marked, "shapes": _shapes(cells, shown)}
    scope = 0 if served is None else _shows(cells, tree, served)
    return found | {"served": scope} if scope > 0 else found


def _served(cells: Cells, meta: MetaGraph) -> int | None:
    """The area of the body that a TensorFlow 2 model's default signature calls."""
    keys = callable_signatures(meta) if meta.object_graph is not None else []
    if not keys:
        return None
    key = "serving_default" if "serving_default" in keys else keys[0]
    specs = meta.signatures[key].outputs.values()
    wanted = {TensorRef.parse(name).node for spec in specs for name in (spec.tensor, *spec.parts)}
    for number in cells.areas[MAIN].members:
        if cells.locals[number] not in wanted:
            continue
        for _ in range(_PASSED):
            inputs = [producer for producer, port in cells.inputs[number] if port != -1]
            if number in cells.calls or len(inputs) != 1:
                break
            number = inputs[0]
        for _, area in cells.calls.get(number, ()):
            return area
    return None


def _layout(level: Level, layers: Layers) -> list[Any]:
    edges = [number for edge in layers.edges for number in edge]
    hints = [number for hint in layers.hints for number in hint]
    return [len(level.items), level.entries, level.exits, layers.parts, edges, hints]


def _shapes(cells: Cells, meta: MetaGraph) -> dict[int, str]:
    """As the graph declares them; where it does not, worked out."""
    found = map(output_shape, cells.nodes, cells.specs)
    told = {number: shape for number, shape in enumerate(found) if shape}
    # Formats that declare their endpoints have layers for nodes, or another runtime's operators.
    if meta.declared is not None or len(cells) > _MOST_SHAPED:
        return told
    shapes = propagate(meta.graph)
    for number, node in enumerate(cells.nodes):
        if node is None or node.op == "Const" or cells.kinds[number] == REMOVED or number in told:
            continue
        area = cells.areas[cells.homes[number]].name
        shape = shapes.shape(TensorRef(cells.locals[number]), area)
        if shape.dims is not None:
            told[number] = dims_text(shape)
    return told


class _Interned:
    """Values that come again and again, by number."""

    __slots__ = ("numbers", "values")

    def __init__(self) -> None:
        self.numbers: dict[Any, int] = {}
        self.values: list[Any] = []

    def add(self, key: Any, value: Any) -> int:
        number = self.numbers.setdefault(key, len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return number


def _told(
    cells: Cells,
    folding: Folding,
    tree: Tree,
    scopes: Sequence[Any],
    layouts: Sequence[Any],
) -> Json:
    ops, texts = _Interned(), _Interned()
    own = [texts.add(said, said) for said in map(attributes, cells.nodes, cells.specs)]
    op = [ops.add(name, name) for name in cells.ops]
    found: Json = {
        "names": [_cut(name) for name in cells.names],
        "op": op,
        "attrs": own,
        "inputs": [[_edge(edge) for edge in inputs] for inputs in cells.inputs],
        "hosts": {number: host for number, host in enumerate(folding.hosts) if host != number},
        "values": sorted(folding.values),
        "badges": {
            number: said
            for number in sorted(folding.values)
            if (said := badge(_held(cells, folding, number)))
        },
        "calls": {
            number: [
                [key, _cut(cells.areas[area].name), _shows(cells, tree, area)]
                for key, area in calls
            ]
            for number, calls in cells.calls.items()
        },
        "scopes": scopes,
        "layouts": layouts,
    }
    if cells.left is not None or any(cells.kinds):
        found["kinds"] = {number: kind for number, kind in enumerate(cells.kinds) if kind}
        found["befores"] = _befores(cells, ops, texts, op, own)
    found["ops"] = ops.values
    found["sorts"] = [sort_of(name) for name in ops.values]
    found["texts"] = texts.values
    return found


def _held(cells: Cells, folding: Folding, number: int) -> Node | None:
    """The node of a value; for an argument, of what is given for it."""
    for _ in range(_FAR):
        node = cells.nodes[number]
        if node is None:
            number = folding.given.get(number, -1)
        elif node.op not in VALUES and cells.inputs[number]:
            number = cells.inputs[number][0][0]
        else:
            return node
        if number not in folding.values:
            return None
    return None


def _edge(edge: Edge) -> int | tuple[int, int]:
    producer, port = edge
    if port == -1:
        return -1 - producer
    return edge if port else producer


def _shows(cells: Cells, tree: Tree, area: int) -> int:
    """The scope where a body is drawn, -1 for an empty one."""
    places = (tree.places[number] for number in cells.areas[area].members)
    place = next((place for place in places if place >= 0), -1)
    while place > 0 and tree.kinds[place] not in ("body", "call"):
        place = tree.parents[place]
    return place


def _befores(
    cells: Cells, ops: _Interned, texts: _Interned, op: list[int], own: list[int]
) -> dict[int, list[Any]]:
    """What each matched cell was, where that is something else."""
    left = cells.left
    found: dict[int, list[Any]] = {}
    if left is None:
        return found
    for number, before in enumerate(cells.befores):
        if before < 0:
            continue
        name = left.names[before]
        kind = ops.add(left.ops[before], left.ops[before])
        said = attributes(left.nodes[before], left.specs[before])
        text = texts.add(said, said)
        old = [(left.names[producer], port) for producer, port in left.inputs[before]]
        now = [(cells.names[producer], port) for producer, port in cells.inputs[number]]
        row = [
            _cut(name) if name != cells.names[number] else None,
            kind if kind != op[number] else None,
            text if text != own[number] else None,
            [_tensor(*edge) for edge in old] if old != now else None,
        ]
        if any(item is not None for item in row):
            found[number] = row
    return found


def _tensor(name: str, port: int) -> str:
    if port == -1:
        return f"^{_cut(name)}"
    return f"{_cut(name)}:{port}" if port else _cut(name)


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 100]}…{name[-99:]}"
