"""A plan's outputs with the shapes that the graph gives them, where it does not say so itself."""

from __future__ import annotations

from dataclasses import replace

from migrator.migration.plan import Plan, SignaturePlan
from migrator.model.graph import Graph
from migrator.shapes.propagate import propagate

_MOST = 10_000
"""Nodes that are looked at, nearest to the outputs first. The rest counts as unknown."""


def with_known_shapes(plan: Plan) -> Plan:
    """``plan`` as it is shown. Outputs only: what an input takes is part of what is made."""
    return replace(
        plan, signatures=tuple(_with_shapes(plan.graph, item) for item in plan.signatures)
    )


def _with_shapes(graph: Graph, signature: SignaturePlan) -> SignaturePlan:
    wanted = [item.tensor for item in signature.outputs if item.shape.dims is None]
    if not wanted:
        return signature
    given = {item.tensor: item.shape for item in signature.inputs if item.shape.dims is not None}
    shapes = propagate(graph, given, wanted=wanted, most=_MOST)
    return replace(
        signature,
        outputs=tuple(
            replace(item, shape=shapes.shape(item.tensor)) if item.shape.dims is None else item
            for item in signature.outputs
        ),
    )
