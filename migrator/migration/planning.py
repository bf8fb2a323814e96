"""``plan``: what migrating a source takes, worked out without TensorFlow."""

from __future__ import annotations

import os
from collections.abc import Sequence

from migrator.errors import MigratorError, UnsupportedFormat
from migrator.formats.load import load
from migrator.graph.wiring import Wiring
from migrator.inspection.notable import notable_ops
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.migration.obstacles import find_blockers
from migrator.migration.plan import Plan, Step
from migrator.migration.resolve import Choice, resolve
from migrator.migration.subgraph import cut_subgraph
from migrator.model.model import Model
from migrator.model.tensors import TensorRef


def plan(
    source: str | os.PathLike[str] | Model,
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    feeds: Sequence[str] = (),
    limits: Limits = DEFAULT_LIMITS,
) -> Plan:
    """Plan the migration of a frozen graph. Runs nothing, needs no TensorFlow.

    ``inputs`` and ``outputs`` are ``TENSOR`` or ``NAME=TENSOR``, ``feeds`` are ``TENSOR=VALUE``,
    as on the command line. What stands in the way is in ``Plan.blockers``.

    Raises NeedsDecision where the endpoints are open, UnsupportedFormat for a source that is no
    GraphDef, and what ``load`` raises.
    """
    model = source if isinstance(source, Model) else load(source, limits=limits)
    where = model.source.path
    if model.source.format != "graph_def":
        raise UnsupportedFormat(
            "is a SavedModel; this version migrates frozen graphs (GraphDef .pb files)",
            where=where,
            hint="`migrator inspect` and `migrator verify` read it",
        )
    graph = model.graph
    wiring = Wiring(graph)
    choice = Choice(inputs=inputs, outputs=outputs, feeds=feeds)
    try:
        resolved = resolve(graph, wiring, choice)
    except MigratorError as error:
        raise error.at(where) from None
    subgraph, steps = cut_subgraph(graph, resolved)
    renames = [
        Step(code="rename", text=f"{item.tensor} is called {item.name!r} in the signature")
        for item in (*resolved.inputs, *resolved.outputs)
        if item.name != TensorRef.parse(item.tensor).node
    ]
    return Plan(
        source=model.source,
        nodes=len(graph.nodes),
        inputs=resolved.inputs,
        outputs=resolved.outputs,
        feeds=resolved.feeds,
        steps=(*steps, *renames),
        blockers=find_blockers(subgraph, resolved.inputs, resolved.outputs),
        notes=tuple(notable_ops({node.op for node in subgraph.nodes})),
        weights="constants",
        subgraph=subgraph,
    )
