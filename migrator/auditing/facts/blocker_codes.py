"""The rule that explains each kind of blocker, known without importing any rule."""

from __future__ import annotations

from collections.abc import Mapping

RULE_CODES: Mapping[str, str] = {
    "unknown_op": "B101",
    "removed_op": "B102",
    "deprecated_op": "B103",
    "no_kernel": "B104",
    "python": "B105",
    "variable_missing": "B201",
    "variable_differs": "B202",
    "checkpoint_damaged": "B203",
    "not_frozen": "B204",
    "assignment": "B205",
    "table": "B206",
    "asset_missing": "B207",
    "too_large": "B208",
    "undecided_endpoints": "B301",
    "unfed": "B302",
    "pipeline": "B303",
    "handle_input": "B304",
    "handle_output": "B305",
    "output_lost": "B306",
    "dangling_input": "B307",
    "duplicate_name": "B308",
    "cycle": "B309",
    "min_consumer": "B310",
    "control_flow": "B311",
    "plan_failed": "B312",
    "keras_refused": "B313",
}
"""Code of a blocker, or of a reason why there is no plan -> code of its rule, whose name is the
same in kebab case. What ``freeze`` alone meets has no rule."""


def rule_code(blocker: str) -> str | None:
    """The rule's code for a blocker's, None where there is none."""
    return RULE_CODES.get(blocker)
