"""A frozen graph as runtimes want it: endpoints named after the signature, nothing left over.

Pure work on the graph that TensorFlow's own freezing left.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from migrator.errors import NoSuchTensor
from migrator.graph.wiring import Wiring
from migrator.migration.freezing.passthrough import without_passthroughs
from migrator.migration.plan import Step
from migrator.model.graph import Function, Graph, Node, index_nodes
from migrator.model.tensors import TensorRef, TensorSpec
from migrator.ops.registry import output_dtype

FEEDABLE = frozenset(("Placeholder", "PlaceholderV2", "PlaceholderWithDefault"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrozenGraph:
    """The graph to write, and its tensor for each name of the signature."""

    graph: Graph = field(repr=False)
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    steps: tuple[Step, ...]


def finish_frozen(
    graph: Graph,
    inputs: Mapping[str, TensorSpec],
    outputs: Mapping[str, str],
    weights: Mapping[str, str] | None = None,
) -> FrozenGraph:
    """``graph`` with a placeholder called after each input and a node after each output.

    ``inputs`` and ``outputs`` give the signature's name -> tensor of ``graph``; at an input that
    is no placeholder the graph is cut. ``weights`` is constant -> name of the variable that it
    was, which it gets where that is free. Other nodes of such names are renamed; an output called
    as an input is becomes ``NAME_output``. Devices, colocation, notes of TensorFlow's own passes
    and what no output needs are left out. Linear in nodes and edges.

    Raises NoSuchTensor for a tensor that is not there.
    """
    for tensor in (*(spec.tensor for spec in inputs.values()), *outputs.values()):
        if TensorRef.parse(tensor).node not in graph.by_name:
            raise NoSuchTensor(f"the frozen graph has no tensor {tensor!r}")
    ends = {name: TensorRef.parse(tensor) for name, tensor in outputs.items()}
    entries, exits = _names(inputs, ends)
    moved, cut, made = _placeholders(graph, inputs, entries)
    own = {ref.node for name, ref in ends.items() if _stands(ref, exits[name], moved, cut)}
    clashes = _clashes(graph, {*entries.values(), *exits.values()}, {*moved, *own})
    named = _weight_names(graph, weights or {}, {*entries.values(), *exits.values()})
    rename = _Rename(nodes={**named, **clashes, **moved}, cut=cut)
    nodes = [*made, *(rename.node(node) for node in graph.nodes)]
    nodes += [
        _identity(exits[name], ref, rename, graph.by_name)
        for name, ref in ends.items()
        if ref.node not in own
    ]
    nodes, residue = without_passthroughs(nodes, {*entries.values(), *exits.values()})
    nodes = _needed(graph, nodes, [*exits.values()], {*entries.values()})
    nodes = _in_order(nodes, entries.values(), exits.values())
    by_name, duplicates = index_nodes(nodes)
    count = len(entries) + len(exits)
    steps = [
        Step(code="name_endpoints", text="endpoints are called after the signature", count=count)
    ]
    if clashes:
        text = "nodes that had the name of an endpoint are renamed"
        steps.append(Step(code="rename_clash", text=text, count=len(clashes)))
    if residue:
        text = "identities and control edges that change nothing are left out"
        steps.append(Step(code="remove_residue", text=text, count=residue))
    return FrozenGraph(
        graph=replace(
            graph,
            nodes=nodes,
            by_name=by_name,
            duplicates=duplicates,
            functions=_called(graph, nodes),
        ),
        inputs={name: f"{entries[str(TensorRef.parse(s.tensor))]}:0" for name, s in inputs.items()},
        outputs={name: f"{exits[name]}:0" for name in outputs},
        steps=tuple(steps),
    )


def _names(
    inputs: Mapping[str, TensorSpec], ends: Mapping[str, TensorRef]
) -> tuple[dict[str, str], dict[str, str]]:
    """The node to be for each tensor that is an input, and for each output's name."""
    taken: set[str] = set()
    entries: dict[str, str] = {}
    for name, spec in inputs.items():
        tensor = str(TensorRef.parse(spec.tensor))
        if tensor not in entries:  # a signature may give one tensor two names
            entries[tensor] = _free(_node_name(name), taken, "")
    exits = {name: _free(_node_name(name), taken, "_output") for name in ends}
    return entries, exits


def _node_name(name: str) -> str:
    """``name`` as TensorFlow takes it for a node."""
    text = re.sub(r"[^A-Za-z0-9_.\\/>-]+", "_", name) or "tensor"
    return text if re.match(r"[A-Za-z0-9.]", text) else f"x{text}"


def _free(name: str, taken: set[str], suffix: str) -> str:
    free, number = name, 0
    while free in taken:
        number += 1
        free = f"{name}{suffix}" if suffix and number == 1 else f"{name}{suffix}_{number}"
    taken.add(free)
    return free


def _placeholders(
    graph: Graph, inputs: Mapping[str, TensorSpec], entries: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str], list[Node]]:
    """Placeholder -> its new name; other tensor -> the placeholder to take its place; these."""
    moved: dict[str, str] = {}
    cut: dict[str, str] = {}
    made: list[Node] = []
    for spec in inputs.values():
        ref = TensorRef.parse(spec.tensor)
        entry = entries[str(ref)]
        if ref.port == 0 and graph.by_name[ref.node].op in FEEDABLE:
            moved[ref.node] = entry
        elif str(ref) not in cut:
            cut[str(ref)] = entry
            attrs = {"dtype": spec.dtype.base, "shape": spec.shape}
            made.append(Node(entry, "Placeholder", (), "", attrs))
    return moved, cut, made


def _stands(ref: TensorRef, name: str, moved: Mapping[str, str], cut: Mapping[str, str]) -> bool:
    """True where the output has a node of its name already."""
    return ref.node == name and ref.port == 0 and ref.node not in moved and str(ref) not in cut


def _clashes(graph: Graph, wanted: Collection[str], fixed: Collection[str]) -> dict[str, str]:
    """A new name for every node that has one that is wanted, ``fixed`` ones apart."""
    found: dict[str, str] = {}
    taken = {*graph.by_name, *wanted}
    for name in graph.by_name:
        if name in wanted and name not in fixed:
            found[name] = _free(name, taken, "")
    return found


def _weight_names(
    graph: Graph, weights: Mapping[str, str], wanted: Collection[str]
) -> dict[str, str]:
    found: dict[str, str] = {}
    taken = {*graph.by_name, *wanted}
    for node, name in weights.items():
        if node in graph.by_name and node not in wanted:
            found[node] = _free(_node_name(name), taken, "")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rename:
    """``nodes``: node -> new name; ``cut``: tensor -> node that takes its place."""

    nodes: Mapping[str, str]
    cut: Mapping[str, str]

    def node(self, node: Node) -> Node:
        """The node under its new name, without device and notes."""
        attrs = node.attrs
        if not node.called:  # calls keep what tells how to call
            attrs = {key: attrs[key] for key in attrs if not key.startswith("_")}
        return Node(
            self.nodes.get(node.name, node.name),
            node.op,
            tuple(self.input(text) for text in node.inputs),
            "",
            attrs,
        )

    def input(self, text: str) -> str:
        if text in self.nodes and f"{text}:0" not in self.cut:
            return self.nodes[text]
        ref = TensorRef.parse(text)
        if ref.control:
            return f"^{self.nodes.get(ref.node, ref.node)}"
        name = self.cut.get(str(ref))
        if name is not None:
            return name
        name = self.nodes.get(ref.node, ref.node)
        return f"{name}:{ref.port}" if ref.port else name


def _identity(name: str, ref: TensorRef, rename: _Rename, by_name: Mapping[str, Node]) -> Node:
    dtype = output_dtype(by_name[ref.node], ref.port)
    if dtype is None:
        raise NoSuchTensor(f"the type of {str(ref)!r} in the frozen graph cannot be told")
    return Node(name, "Identity", (rename.input(str(ref)),), "", {"T": dtype.base})


def _needed(
    graph: Graph, nodes: Sequence[Node], outputs: Sequence[str], inputs: Collection[str]
) -> list[Node]:
    """What the outputs need, and the placeholders of the inputs whether they are needed or not."""
    by_name, duplicates = index_nodes(nodes)
    cut = replace(graph, nodes=nodes, by_name=by_name, duplicates=duplicates)
    cone = Wiring(cut).needed_for(outputs, ())
    return [node for number, node in enumerate(nodes) if number in cone or node.name in inputs]


def _in_order(nodes: Sequence[Node], inputs: Iterable[str], outputs: Iterable[str]) -> list[Node]:
    """Inputs first, then every node behind what it needs, loops' ways back apart.

    An order that the graph alone gives: TensorFlow's own differs from run to run.
    """
    by_name = {node.name: node for node in nodes}
    ordered: dict[str, None] = {}
    seen: set[str] = set()
    stack = [(name, False) for name in reversed([*inputs, *outputs])]
    while stack:
        name, done = stack.pop()
        if done:
            ordered[name] = None
        elif name not in seen and name in by_name:
            seen.add(name)
            stack.append((name, True))
            refs = by_name[name].refs
            stack.extend((ref.node, False) for ref in reversed(refs) if ref.node not in seen)
    return [by_name[name] for name in ordered]


def _called(graph: Graph, nodes: Iterable[Node]) -> dict[str, Function]:
    """The library functions that ``nodes`` call, directly or not."""
    found: set[str] = set()
    stack = [name for node in nodes for name in (*node.called, node.op)]
    while stack:
        name = stack.pop()
        function = graph.functions.get(name)
        if function is None or name in found:
            continue
        found.add(name)
        stack.append(function.gradient)
        stack += [called for node in function.nodes for called in (*node.called, node.op)]
    return {name: function for name, function in graph.functions.items() if name in found}
