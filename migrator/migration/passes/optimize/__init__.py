"""Optional optimisation of an inference graph (``--optimize``).

Each pass works alone; ``optimize`` runs them until nothing changes. They are for inference:
gradients that StopGradient held back, and weights of equal content, do not stay apart.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from migrator.migration.passes.optimize.batch_norm import fold_batch_norm
from migrator.migration.passes.optimize.constants import fold_constants
from migrator.migration.passes.optimize.duplicates import merge_duplicates
from migrator.migration.passes.optimize.edges import drop_dead
from migrator.migration.passes.optimize.identities import remove_identities
from migrator.migration.plan import Step
from migrator.model.graph import Graph
from migrator.model.tensors import TensorSpec

__all__ = [
    "fold_batch_norm",
    "fold_constants",
    "merge_duplicates",
    "optimize",
    "remove_identities",
]

_PASSES = (remove_identities, fold_constants, fold_batch_norm, merge_duplicates)
_MOST_ROUNDS = 8
"""Each round is linear. Real graphs are done after three or four."""


def optimize(
    graph: Graph, given: Mapping[str, TensorSpec], keep: Collection[str]
) -> tuple[Graph, tuple[Step, ...]]:
    """Run all passes in turn until none finds anything, at most ``_MOST_ROUNDS`` times.

    Must come before weights are taken out of the graph: only constants fold. Function bodies are
    left as they are. Steps of one kind are counted together.
    """
    if graph.duplicates:
        return graph, ()
    counts: dict[tuple[str, str], int] = {}
    found = drop_dead(graph, given, keep)
    for _ in range(_MOST_ROUNDS):
        before = found
        for rewrite in _PASSES:
            found, steps = rewrite(found, given, keep)
            for step in steps:
                key = (step.code, step.text)
                counts[key] = counts.get(key, 0) + step.count
        if found is before:
            break
    return found, tuple(
        Step(code=code, text=text, count=count) for (code, text), count in counts.items()
    )
