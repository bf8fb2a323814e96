"""Every list of nodes that a model holds: graphs, function bodies, graphs inside of constants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from migrator.auditing.contents.nested import Budget, Nested, find_nested
from migrator.model.graph import Function, Graph, Node
from migrator.model.model import MetaGraph

_DEEPEST = 4
"""Graphs inside of constants of graphs inside of constants: more are told, not followed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Body:
    """The nodes of one graph or function, and where they lie."""

    meta: MetaGraph = field(repr=False)
    graph: Graph = field(repr=False)
    """The graph whose library the nodes call: the meta graph's own, or the nested one."""
    function: Function | None = field(repr=False, default=None)
    """None for a top-level graph."""
    holder: Place | None = field(repr=False, default=None)
    """The node whose constant holds the graph; None for the meta graph's own."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        return tuple(self.graph.nodes if self.function is None else self.function.nodes)

    @property
    def meta_graph(self) -> str:
        """Tags, as a location names them."""
        return ",".join(self.meta.tags)

    @property
    def label(self) -> str:
        """As ``Location.function`` names it: empty for a meta graph's top level."""
        inner = self.function.name if self.function is not None else ""
        if self.holder is None:
            return inner
        outer = self.holder.body.label
        node = f"{outer}/{self.holder.node.name}" if outer else self.holder.node.name
        return f"{node}!{inner}"

    @property
    def depth(self) -> int:
        """0 for the model's own graphs, 1 for a graph inside of one's constant, ..."""
        return 0 if self.holder is None else self.holder.body.depth + 1


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A node and the body that it lies in."""

    body: Body
    node: Node


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unread:
    """A string that may hold a graph and was not looked into."""

    place: Place
    attr: str
    reason: str
    certain: bool
    """It feeds an op that would run it as a graph."""


def find_bodies(
    meta: MetaGraph, budget: Budget | None = None, unread: list[Unread] | None = None
) -> Iterator[Body]:
    """The top level, then each function, then what is nested in their constants. Bounded.

    Holders come before what they hold, a top level before its functions. Strings that were not
    looked into are put into ``unread``.
    """
    budget = budget or Budget()
    waiting = list(_of_graph(meta, meta.graph, None))
    waiting.reverse()
    while waiting:
        body = waiting.pop()
        yield body
        for item in find_nested(body.nodes, budget):
            place = Place(body, item.node)
            reason = _why_not(body, item)
            if reason or item.graph is None:
                if unread is not None:
                    unread.append(
                        Unread(place=place, attr=item.attr, reason=reason, certain=item.certain)
                    )
                continue
            waiting.extend(reversed(list(_of_graph(meta, item.graph, place))))


def _why_not(body: Body, item: Nested) -> str:
    if item.graph is not None and body.depth >= _DEEPEST:
        return f"lies in {_DEEPEST} graphs that lie in constants of each other"
    return item.reason


def _of_graph(meta: MetaGraph, graph: Graph, holder: Place | None) -> Iterator[Body]:
    yield Body(meta=meta, graph=graph, holder=holder)
    for function in graph.functions.values():
        yield Body(meta=meta, graph=graph, function=function, holder=holder)
