"""What the tests of the optimising passes share."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from migrator.migration.plan import Step
from migrator.model.dtypes import FLOAT32
from migrator.model.graph import Graph
from migrator.model.tensors import UNKNOWN_SHAPE, Shape, TensorSpec
from tests import handmade

OUTSIDE = {"x:0": TensorSpec(tensor="x:0", dtype=FLOAT32, shape=UNKNOWN_SHAPE)}


def graph(*nodes: bytes, **more: Any) -> Graph:
    return handmade.model(*nodes, **more).graph


def given(name: str, dims: tuple[int | None, ...] | None) -> Mapping[str, TensorSpec]:
    return {name: TensorSpec(tensor=name, dtype=FLOAT32, shape=Shape(dims))}


def wires(found: Graph) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Name -> op and inputs."""
    return {node.name: (node.op, node.inputs) for node in found.nodes}


def value(found: Graph, name: str) -> Any:
    return found.by_name[name].attrs["value"].numpy()


def counts(steps: Collection[Step]) -> dict[str, int]:
    return {step.code: step.count for step in steps}
