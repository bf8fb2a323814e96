"""The cost of a model as JSON."""

from __future__ import annotations

from typing import Any

from migrator.inspection.cost import Cost


def cost_json(cost: Cost) -> dict[str, Any]:
    """As ``schemas/inspect.json`` has it."""
    return {
        "multiply_adds": cost.multiply_adds,
        "counted_nodes": cost.counted,
        "by_op": dict(cost.by_op),
        "element_operations": cost.element_operations,
        "uncounted": dict(cost.uncounted),
        "batch_assumed_for": list(cost.batch_of),
        "open_inputs": {name: shape.as_list() for name, shape in cost.open_inputs.items()},
        "function_bodies": cost.bodies,
        "loops": cost.loops,
        "outputs": list(cost.outputs),
        "dearest": [
            {
                "node": item.node,
                "op": item.op,
                "multiply_adds": item.multiply_adds,
                "shape": item.shape.as_list(),
            }
            for item in cost.dearest
        ],
        "reason": cost.reason or None,
    }
