"""A side in another form that computes the same: control flow as functions, or calls opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from migrator.diffing.matching.opened import (
    Opened,
    as_it_is,
    with_calls_open,
    with_functional_control_flow,
)
from migrator.diffing.side import Side
from migrator.errors import MigratorError
from migrator.migration.passes.functional import Unconvertible
from migrator.migration.passes.tensor_lists import tensor_lists
from migrator.model.graph import Graph, Node
from migrator.model.tensors import TensorRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Formed:
    """A side in one of its forms, and what its nodes are called in the model."""

    side: Side
    names: Mapping[str, str] = field(default_factory=dict)

    def name(self, name: str) -> str:
        """The name in the model; empty for a node that is only there in this form."""
        return self.names.get(name, name)


def functional(side: Side, *, with_lists: bool) -> Formed:
    """With TensorFlow 1's control flow as functions, and its arrays as lists where asked for, as
    far as that can be done.
    """
    found = with_functional_control_flow(as_it_is(side.meta.graph))
    if found is None:
        return Formed(side=side)
    return _formed(side, _with_lists(found) if with_lists else found)


def _with_lists(found: Opened) -> Opened:
    before = {name: node.op for name, node in _named(found.graph)}
    read = {TensorRef.parse(text).node for node in found.graph.nodes for text in node.inputs}
    ends = [f"{node.name}:0" for node in found.graph.nodes if node.name not in read and node.inputs]
    try:
        graph, _ = tensor_lists(found.graph, {}, ends)
    except (Unconvertible, MigratorError):
        return found
    names = dict(found.names)
    for name, node in _named(graph):
        if before.get(name) != node.op:
            names[name] = ""
    return replace(found, graph=graph, names=names)


def _named(graph: Graph) -> Iterator[tuple[str, Node]]:
    for node in graph.nodes:
        yield node.name, node
    for function in graph.functions.values():
        for node in function.nodes:
            yield f"{function.name}/{node.name}", node


def flat(side: Side) -> Formed:
    """With the bodies of all calls in their place: then what waits for what can be followed."""
    return _formed(side, with_calls_open(side.meta.graph, frozenset(side.meta.graph.functions)))


def _formed(side: Side, found: Opened) -> Formed:
    return Formed(side=Side(replace(side.meta, graph=found.graph)), names=found.names)
