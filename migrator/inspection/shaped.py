"""Endpoints with the shapes that the graph gives them, where it does not say so itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from migrator.graph.wiring import Wiring
from migrator.inspection.candidates import Candidate, Control, Endpoints
from migrator.model.graph import Graph
from migrator.model.tensors import TensorRef

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
    wanted = [
        item.tensor
        for group in groups
        for item in group
        if item.shape.dims is None and not _is_source(graph, item.tensor)
    ]
    if not wanted:
        return endpoints
    from migrator.shapes.propagate import propagate

    shapes = propagate(graph, wiring=wiring, wanted=wanted, most=_MOST)

    def shaped(items: tuple[_Item, ...]) -> tuple[_Item, ...]:
        return tuple(
            replace(
                item,
                shape=shapes.shape(item.tensor),
                dtype=item.dtype if item.dtype is not None else shapes.dtype(item.tensor),
            )
            if item.shape.dims is None
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


def _is_source(graph: Graph, tensor: str) -> bool:
    """Whether only its own attributes can tell a tensor's shape, and have not."""
    node = graph.by_name.get(TensorRef.parse(tensor).node)
    return node is None or not node.inputs
