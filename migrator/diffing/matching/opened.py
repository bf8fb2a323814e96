"""Graphs with their calls seen into, and TensorFlow 1's loops and conditions as functions.

A graph frozen flat and one that calls its bodies compute alike; so do a loop of Enter and Exit and
a While. Both are brought to one form for matching, and every node keeps the name that it has in
the model: ``FUNCTION/NODE``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from migrator.diffing.numbered.labels import CONTROL_FLOW
from migrator.errors import MigratorError
from migrator.graph.inline import called_body, inline_calls
from migrator.migration.passes.functional import Unconvertible, functional_control_flow
from migrator.model.graph import Graph, Node
from migrator.model.tensors import TensorRef

FUNCTIONAL = frozenset(("While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase"))
CONDITIONS = frozenset(("If", "StatelessIf", "Case", "StatelessCase", "Switch", "Merge"))
_LARGEST = 50_000
"""Nodes of a graph whose loops are brought to another form."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opened:
    """A graph to match, and what its nodes are called in the model."""

    graph: Graph
    names: Mapping[str, str] = field(default_factory=dict)
    """Whole name in ``graph`` -> whole name in the model, where it is another; empty for a node
    that is in ``graph`` alone."""
    skip: frozenset[str] = frozenset()
    """Functions of ``graph`` that nothing calls any more."""
    calls: frozenset[str] = frozenset()
    """Calls that were seen into, by the names of the model."""
    flows: bool = False
    """TensorFlow 1's control flow was brought to functional form."""


def as_it_is(graph: Graph) -> Opened:
    return Opened(graph=graph)


def with_calls_open(graph: Graph, wanted: Collection[str]) -> Opened:
    """The top level with the bodies of ``wanted`` in the place of their calls, level by level."""
    opened = inline_calls(graph, lambda function: function.name in wanted)
    if opened is graph:
        return as_it_is(graph)
    places = _Places(graph)
    names: dict[str, str] = {}
    calls: set[str] = set()
    for node in opened.nodes:
        name, before = places.origin(node.name)
        if before is not None and before.op != node.op and called_body(before):
            calls.add(name)
            names[node.name] = ""
        elif name != node.name:
            names[node.name] = name
    skip = _reached(graph) - _reached(opened)
    return Opened(graph=opened, names=names, skip=frozenset(skip), calls=frozenset(calls))


class _Places:
    """Finds where a node came from that stands in a call's place."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._bodies: dict[str, dict[str, Node]] = {}

    def origin(self, name: str) -> tuple[str, Node | None]:
        """Whole name in the model, and the node. ``CALL/CALL/NODE`` is in the inner body."""
        nodes: Mapping[str, Node] = self._graph.by_name
        home = ""
        rest = name
        while rest not in nodes:
            at = rest.find("/")
            while at > 0 and self._body(nodes.get(rest[:at])) is None:
                at = rest.find("/", at + 1)
            if at <= 0:
                return name, None
            home = called_body(nodes[rest[:at]])
            nodes = self._body(nodes[rest[:at]]) or {}
            rest = rest[at + 1 :]
        return (f"{home}/{rest}" if home else rest), nodes[rest]

    def _body(self, call: Node | None) -> dict[str, Node] | None:
        name = "" if call is None else called_body(call)
        function = self._graph.functions.get(name)
        if function is None:
            return None
        if name not in self._bodies:
            self._bodies[name] = {node.name: node for node in reversed(function.nodes)}
        return self._bodies[name]


def _reached(graph: Graph) -> set[str]:
    """Functions that the top level calls, directly or through others."""
    found: set[str] = set()
    stack = [name for node in graph.nodes for name in node.called]
    while stack:
        name = stack.pop()
        function = graph.functions.get(name)
        if function is None or name in found:
            continue
        found.add(name)
        stack += [inner for node in function.nodes for inner in node.called]
    return found


def with_functional_control_flow(opened: Opened) -> Opened | None:
    """The graph with TensorFlow 1's loops and conditions as While and If; None where it has none,
    or where they cannot be brought to that form.
    """
    graph = opened.graph
    if len(graph) > _LARGEST or not has_dataflow_control(graph):
        return None
    read = {TensorRef.parse(text).node for node in graph.nodes for text in node.inputs}
    ends = [f"{node.name}:0" for node in graph.nodes if node.name not in read and node.inputs]
    try:
        made, _ = functional_control_flow(graph, {}, ends)
    except (Unconvertible, MigratorError, RecursionError):
        return None
    names = {}
    before = graph.by_name
    for node in made.nodes:
        old = before.get(node.name)
        if old is None or (old.op != node.op and old.op in CONTROL_FLOW):
            names[node.name] = ""
        elif node.name in opened.names:
            names[node.name] = opened.names[node.name]
    for name, function in made.functions.items():
        if name in graph.functions and function is graph.functions[name]:
            continue
        for node in function.nodes:
            old = before.get(node.name)
            known = opened.names.get(node.name, node.name)
            names[f"{name}/{node.name}"] = "" if old is None or old.op != node.op else known
    return Opened(graph=made, names=names, skip=opened.skip, calls=opened.calls, flows=True)


def has_dataflow_control(graph: Graph) -> bool:
    return any(node.op in CONTROL_FLOW for node in graph.nodes)


def has_functional_control(graph: Graph) -> bool:
    return any(node.op in FUNCTIONAL for node in graph.all_nodes())
