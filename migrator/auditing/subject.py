"""Subject: one source as the rules see it, everything in it indexed once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from migrator.auditing.callgraph.reach import Reach
from migrator.auditing.callgraph.served import Served
from migrator.auditing.contents.bodies import Body, Place, Unread, find_bodies
from migrator.auditing.contents.nested import Budget
from migrator.auditing.strings.own_checkpoint import Checkpoints
from migrator.auditing.strings.sources import Sources
from migrator.errors import LimitError, MigratorError, NeedsDecision
from migrator.formats.keras.facts import KerasFacts
from migrator.graph.wiring import Wiring
from migrator.inspection.endpoints import Endpoints, find_endpoints
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.model.graph import Node
from migrator.model.model import MetaGraph, Model

if TYPE_CHECKING:
    from migrator.migration.plan import Plan

_MOST_PLANNED = 50_000_000
"""Signatures times nodes: a plan looks at the graph once for each."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Planned:
    """What planning the migration gave: one of the three."""

    plan: Plan | None = None
    decision: NeedsDecision | None = None
    error: MigratorError | None = None
    """The plan cannot be made at all."""


class Subject:
    """One source. Rules read it and change nothing; what costs is worked out on first use.

    Exactly one of ``model`` and ``keras`` is there.
    """

    def __init__(
        self,
        path: str,
        *,
        model: Model | None = None,
        keras: KerasFacts | None = None,
        file: str = "",
        size: int = 0,
        limits: Limits = DEFAULT_LIMITS,
        faces: tuple[str, ...] = (),
    ) -> None:
        self.path = path
        """As findings name it."""
        self.file = Path(file or path)
        """The file that was read."""
        self.model = model
        self.keras = keras
        self.bytes = model.source.bytes if model is not None else size
        self.limits = limits
        self.faces = faces
        """What the file can be taken for, in words, where that is more than one thing."""

    @property
    def format(self) -> str:
        """The contract's name of the source's format."""
        if self.model is not None:
            return self.model.source.format
        return self.keras.format if self.keras is not None else ""

    @property
    def kind(self) -> str:
        """The same whether the file is binary or text."""
        return self.format.removesuffix("_text")

    @property
    def folder(self) -> Path | None:
        """The SavedModel folder or hub module that the file lies in, None for a single file."""
        if self.kind in ("saved_model", "hub_module"):
            return self.file.parent
        return None

    @property
    def meta_graphs(self) -> tuple[MetaGraph, ...]:
        return self.model.meta_graphs if self.model is not None else ()

    @cached_property
    def bodies(self) -> tuple[Body, ...]:
        """Every graph and function body of every meta graph, and what constants hide."""
        return self._read_bodies[0]

    def top_levels(self) -> Iterator[Body]:
        """The graph of each meta graph, without functions."""
        return (body for body in self.bodies if body.holder is None and body.function is None)

    def bodies_in(self, meta: MetaGraph) -> tuple[Body, ...]:
        """Those of one meta graph, its top level first."""
        return self._by_meta.get(id(meta), ())

    @cached_property
    def _by_meta(self) -> Mapping[int, tuple[Body, ...]]:
        found: dict[int, list[Body]] = {}
        for body in self.bodies:
            found.setdefault(id(body.meta), []).append(body)
        return {key: tuple(bodies) for key, bodies in found.items()}

    @cached_property
    def unread(self) -> tuple[Unread, ...]:
        """Strings that may hold a graph, and that were not looked into."""
        return self._read_bodies[1]

    @cached_property
    def _read_bodies(self) -> tuple[tuple[Body, ...], tuple[Unread, ...]]:
        budget = Budget()
        unread: list[Unread] = []
        found = [body for meta in self.meta_graphs for body in find_bodies(meta, budget, unread)]
        return tuple(found), tuple(unread)

    @cached_property
    def by_op(self) -> Mapping[str, list[Place]]:
        """Op -> its places, in the order of the file. Linear, made once."""
        found: dict[str, list[Place]] = {}
        for body in self.bodies:
            for node in body.nodes:
                found.setdefault(node.op, []).append(Place(body, node))
        return found

    def places(self, ops: Iterable[str]) -> Iterator[Place]:
        """Every place of one of ``ops``, op by op; those of a set by name."""
        by_op = self.by_op
        for op in sorted(ops) if isinstance(ops, Set) else ops:
            yield from by_op.get(op, ())

    def reached(self, place: Place) -> tuple[str, ...]:
        """How a place is reached, the gravest first; see ``Reach.of``."""
        return self._reaches[id(place.body.meta)].of(place)

    @cached_property
    def _reaches(self) -> Mapping[int, Reach]:
        return {id(meta): Reach(meta, self.bodies_in(meta)) for meta in self.meta_graphs}

    @cached_property
    def served(self) -> Served:
        """What the signatures, or a bare graph's outputs, need."""
        return Served(self)

    @cached_property
    def sources(self) -> Sources:
        """Where the strings come from that nodes are given; see ``arguments.constant_texts``."""
        return Sources(self)

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """What saving and restoring ops are for; see ``own_checkpoint.checkpoint_use``."""
        return Checkpoints(self)

    @cached_property
    def planned(self) -> Planned:
        """The plan of a migration by default options, or why there is none."""
        if self.model is None:
            return Planned()
        sizes = (len(meta.signatures) * len(meta.graph.nodes) for meta in self.meta_graphs)
        work = max(sizes, default=0)
        if work > _MOST_PLANNED:  # a file can name any number of signatures
            return Planned(error=LimitError("has too many signatures of a large graph to plan"))
        # The largest part of the package, which only this needs.
        from migrator.migration.planning import plan

        try:
            return Planned(plan=plan(self.model, limits=self.limits))
        except NeedsDecision as decision:
            return Planned(decision=decision)
        except MigratorError as error:
            return Planned(error=error)

    @cached_property
    def kept(self) -> frozenset[Node]:
        """Nodes of the source that the planned migration keeps; empty without a plan.

        Rewritten nodes are others: ask by name where it matters.
        """
        found = self.planned.plan
        if found is None:
            return frozenset()
        return frozenset(node for item in found.signatures for node in item.subgraph.nodes)

    def wiring(self, meta: MetaGraph) -> Wiring:
        """The edges of a meta graph's top level, worked out once."""
        if id(meta) not in self._wirings:
            self._wirings[id(meta)] = Wiring(meta.graph)
        return self._wirings[id(meta)]

    @cached_property
    def _wirings(self) -> dict[int, Wiring]:
        return {}

    def endpoints(self, meta: MetaGraph) -> Endpoints:
        """Inputs and outputs that the shape of the graph suggests."""
        return find_endpoints(meta)
