"""A summary with what each of its meta graphs costs to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from migrator.errors import UsageError
from migrator.inspection.cost import estimate
from migrator.inspection.summary import MetaGraphSummary, Summary
from migrator.model.model import MetaGraph, Model
from migrator.model.tensors import Shape, TensorRef


def with_costs(model: Model, summary: Summary, given: Mapping[str, Shape] | None = None) -> Summary:
    """``summary``, which was made of ``model``, with a cost for each meta graph it tells of.

    ``given``: shapes of inputs, by the name of a tensor or of a signature's input. Raises
    UsageError for a name that no meta graph has.
    """
    used: set[str] = set()
    graphs = {meta.tags: meta for meta in model.meta_graphs}
    found = []
    for meta in summary.meta_graphs:
        feeds = _feeds(meta, graphs[meta.tags], given or {}, used)
        found.append(replace(meta, cost=estimate(graphs[meta.tags], _outputs(meta), feeds)))
    for name in given or {}:
        if name not in used:
            raise UsageError(
                f"--shape names {name!a}, which is no tensor and no input of a signature",
                where=summary.source.path,
            )
    return replace(summary, meta_graphs=tuple(found))


def _feeds(
    meta: MetaGraphSummary, graph: MetaGraph, given: Mapping[str, Shape], used: set[str]
) -> dict[str, Shape]:
    """``given`` by the names of tensors, as far as this meta graph has them."""
    found = {}
    for name, shape in given.items():
        tensors = [
            signature.inputs[name].tensor
            for signature in meta.signatures.values()
            if name in signature.inputs and signature.inputs[name].tensor
        ]
        if not tensors and TensorRef.parse(name).node in graph.graph.by_name:
            tensors = [name]
        if tensors:
            used.add(name)
        found.update(dict.fromkeys(tensors, shape))
    return found


def _outputs(meta: MetaGraphSummary) -> tuple[str, ...]:
    """The tensors that a run gives, none where that is open."""
    if meta.signatures:
        return tuple(
            name
            for signature in meta.signatures.values()
            for spec in signature.outputs.values()
            for name in ([spec.tensor] if spec.tensor else spec.parts)
        )
    ends = meta.graph.endpoints
    return tuple(item.tensor for item in ends.outputs) if ends.decided else ()
