"""A model's weights: which constants of a graph can become variables, and whether they should.

Kernels see other constant folding then, so a lifted model agrees within rounding only; left in
place it agrees bit for bit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from migrator.migration.plan import CONSTANTS, VARIABLES, Blocker, Weight
from migrator.migration.subgraph import with_nodes
from migrator.model.graph import Graph
from migrator.model.tensors import LazyTensor

LIFT_FROM = 1024
"""Bytes from which on a floating constant is a weight; below it is a parameter of the maths."""
_LIFT_INTEGERS_FROM = 1 << 20
"""Smaller integers may be shapes and axes, which shape inference has to read."""
AUTO_VARIABLES_FROM = 64 << 20
"""Bytes of constants from which on ``auto`` makes variables (docs/weights.md has the figures)."""
_LARGEST_GRAPH = (1 << 31) - (1 << 20)
_STATISTICS = {
    "FusedBatchNorm": (3, 4),
    "FusedBatchNormV2": (3, 4),
    "FusedBatchNormV3": (3, 4),
    "BatchNormWithGlobalNormalization": (1, 2),
}
_STATISTIC_NAMES = ("moving_mean", "moving_variance", "running_mean", "running_var")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A graph without what was taken out of it. ``values`` and ``handles``: tensor -> weight."""

    graph: Graph
    values: Mapping[str, str]
    handles: Mapping[str, str]


def liftable(
    graph: Graph, keep: Collection[str], were_variables: Mapping[str, Weight] | None = None
) -> list[Weight]:
    """The constants of a graph that are weights: floating, large enough, without any input.

    One with a control input belongs to a branch or a loop, and stays there. Those that
    ``were_variables`` (by node) of the source are variables again, whatever their size.
    """
    known = were_variables or {}
    fixed = _statistics(graph)
    found = []
    for node in graph.nodes:
        value = node.attrs.get("value") if node.op == "Const" and not node.inputs else None
        if not isinstance(value, LazyTensor) or f"{node.name}:0" in keep:
            continue
        was = known.get(node.name)
        if was is None and not _is_weight(value):
            continue
        found.append(
            Weight(
                name=node.name if was is None else was.name,
                node=node.name,
                dtype=value.dtype,
                shape=value.shape,
                trainable=_may_train(node.name, value, fixed) if was is None else was.trainable,
                value=value,
            )
        )
    return found


def _may_train(name: str, value: LazyTensor, fixed: Collection[str]) -> bool:
    """Whether an optimizer should move a constant, of which nothing says so."""
    return (
        value.dtype.is_floating
        and name not in fixed
        and not any(word in name for word in _STATISTIC_NAMES)
    )


def _is_weight(value: LazyTensor) -> bool:
    if value.dtype.is_floating:
        return value.nbytes >= LIFT_FROM
    return value.dtype.kind in "iuc" and value.nbytes >= _LIFT_INTEGERS_FROM


def _statistics(graph: Graph) -> set[str]:
    """Nodes that are a batch normalisation's mean or variance: not for an optimizer to move."""
    found = set()
    for node in graph.nodes:
        slots = _STATISTICS.get(node.op, ())
        refs = node.data_refs if slots else ()
        for slot in slots:
            name = refs[slot].node if slot < len(refs) else ""
            found.add(name)
            behind = graph.by_name.get(name)
            if behind is not None and behind.op == "Identity" and behind.data_refs:
                found.add(behind.data_refs[0].node)
    return found


def lift(graph: Graph, weights: Iterable[Weight]) -> Taken:
    """Take constants out; their values come from variables then."""
    names = {weight.node: weight.name for weight in weights}
    nodes = tuple(node for node in graph.nodes if node.name not in names)
    values = {f"{node}:0": name for node, name in names.items()}
    return Taken(graph=with_nodes(graph, nodes), values=values, handles={})


def choose_weights(
    asked: str, *, source_has_variables: bool, constant_bytes: int
) -> tuple[str, str]:
    """(``variables`` or ``constants``, the reason in words)."""
    if asked in (VARIABLES, CONSTANTS):
        return asked, "asked for"
    if source_has_variables:
        return VARIABLES, "the source holds variables"
    if constant_bytes >= AUTO_VARIABLES_FROM:
        return VARIABLES, f"{constant_bytes:,} bytes of constants load slowly and take memory"
    return CONSTANTS, "few enough to stay constants, bit for bit"


def constants_too_large(constant_bytes: int) -> Blocker | None:
    """Why so many bytes of constants cannot be saved, None where they can."""
    if constant_bytes <= _LARGEST_GRAPH:
        return None
    return Blocker(
        code="too_large",
        text=f"{constant_bytes:,} bytes of constants do not fit into one GraphDef of at most 2 GiB",
        node="",
        fix="keep the weights as variables: --weights variables",
    )
