"""Endpoints with the shapes that the graph gives them, where it does not say so itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from migrator.graph.wiring import Wiring
from migrator.inspection.candidates import Candidate, Control, Endpoints
from migrator.model.graph import Graph
from migrator.model.tensors import Shape
from migrator.shapes.facts import meet

_MOST = 10_000
"""Nodes that are looked at, nearest to the endpoints first. The rest counts as unknown."""

_Item = TypeVar("_Item", Candidate, Control)


def with_shapes(endpoints: Endpoints, graph: Graph, wiring: Wiring) -> Endpoints:
    """``endpoints`` with unknown shapes worked out. For what is shown, not for what is decided."""
    groups = (
        endpoints.inputs,
        endpoints.outputs,
        endpoints.controls,
        endpoints.options,
        endpoints.alternatives,
    )
    wanted = [item.tensor for group in groups for item in group if _is_open(item.shape)]
    if not wanted:
        return endpoints
    from migrator.shapes.propagate import propagate

    shapes = propagate(graph, wiring=wiring, wanted=wanted, most=_MOST)

    def shaped(items: tuple[_Item, ...]) -> tuple[_Item, ...]:
        return tuple(
            replace(
                item,
                shape=Shape(meet(item.shape.dims, shapes.shape(item.tensor).dims)),
                dtype=item.dtype if item.dtype is not None else shapes.dtype(item.tensor),
            )
            if _is_open(item.shape)
            else item
            for item in items
        )

    return replace(
        endpoints,
        inputs=shaped(endpoints.inputs),
        outputs=shaped(endpoints.outputs),
        controls=shaped(endpoints.controls),
        options=shaped(endpoints.options),
        alternatives=shaped(endpoints.alternatives),
    )


def _is_open(shape: Shape) -> bool:
    return shape.dims is None or None in shape.dims
