"""Open endpoints that need no decision: whatever is chosen, the model's values are not there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from migrator.errors import MigratorError
from migrator.migration.obstacles import version_blockers
from migrator.migration.plan import PREDICT, SERVING, Plan
from migrator.migration.resolve import OpenEndpoints, provisional
from migrator.migration.signatures import Asked
from migrator.model.graph import Graph
from migrator.ops.state import VARIABLE_OPS

_ANYWAY = frozenset(
    ("checkpoint_damaged", "min_consumer", "not_frozen", "variable_differs", "variable_missing")
)
"""Blockers that lie beside the graph: no feed and no other name lifts them."""
_MOST_OUTPUTS = 32
_MOST_NODES = 1_000_000
"""Nodes times plausible outputs: a plan looks at the graph once for each."""


def blocked_anyway(
    graph: Graph, open_: OpenEndpoints, plan: Callable[[Sequence[Asked]], Plan]
) -> Plan | None:
    """The plan of all that is plausible, with what blocks it; None where some answer may do.

    Each plausible output has to be blocked by itself. ``plan`` plans given signatures.
    """
    outputs = open_.outputs
    if not 0 < len(outputs) <= _MOST_OUTPUTS or len(outputs) * len(graph) > _MOST_NODES:
        return None
    if not any(node.op in VARIABLE_OPS for node in graph) and not [
        *version_blockers(graph.versions)
    ]:
        return None
    try:
        whole = _blocked(plan([_asked(graph, open_, outputs)]))
        if whole.blockers and len(outputs) > 1:
            alone = (_blocked(plan([_asked(graph, open_, [item])])) for item in outputs)
            if not all(found.blockers for found in alone):
                return None
    except MigratorError:
        return None  # one of the answers is an error, and its text says more
    if not whole.blockers:
        return None
    return replace(whole, notes=(f"{open_.what}; what blocks does so in any case", *whole.notes))


def _asked(graph: Graph, open_: OpenEndpoints, outputs: Sequence[str]) -> Asked:
    resolved = provisional(graph, open_, outputs)
    return Asked(key=SERVING, source_key="", method_name=PREDICT, resolved=resolved)


def _blocked(plan: Plan) -> Plan:
    return replace(plan, blockers=tuple(item for item in plan.blockers if item.code in _ANYWAY))
