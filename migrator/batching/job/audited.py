"""One model audited, and what of the findings forbids running it where nobody looks on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from migrator.batching.job.failures import Stopped
from migrator.batching.task import BLOCKED
from migrator.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from migrator.auditing.finding import AuditedModel, Finding, Skipped

_LEFT_TO_THE_PLAN = frozenset(("read", "dataset", "python"))
"""Groups of ops: a training graph reads its data, and that is cut off; Python functions are not in
the file, and block the plan."""
_NOT_RUN = frozenset(("train", "init", "gradient", "save", "nothing"))
"""Ways to reach a node of which no migration makes use."""


def audited(
    path: str, source: str, limits: Limits = DEFAULT_LIMITS
) -> AuditedModel | Skipped | None:
    """What the audit says of the model file at ``path``, called ``source``, within ``limits``."""
    from migrator.auditing.discovery.discover import Found
    from migrator.auditing.examine import Order, examine
    from migrator.auditing.finding import AuditedModel
    from migrator.auditing.policy.selection import select_rules

    order = Order(codes=select_rules().codes, sketch=False, limits=limits)
    item = examine(Found(path=path, named=True, asked=True), order)
    if isinstance(item, AuditedModel) and path != source:
        return replace(item, source=path)
    return item


def check_trusted(item: AuditedModel | Skipped | None) -> None:
    """Raise Stopped for a model that would write, send or run what it should not, when it runs.

    A migration runs the original and the result to compare them, and children are no sandbox.
    """
    from migrator.auditing.finding import AuditedModel

    found = [one for one in item.findings if _acts(one)] if isinstance(item, AuditedModel) else []
    if not found:
        return
    worst = max(found, key=lambda one: one.severity)
    others = f"; and {len(found) - 1} more findings" if len(found) > 1 else ""
    raise Stopped(
        f"it is not run: {worst.message}{others}; where you trust it: --trust, or `trust: true` in "
        "a manifest",
        outcome=BLOCKED,
        readiness="blocked",
        rules=tuple(dict.fromkeys(one.code for one in found)),
    )


def _acts(one: Finding) -> bool:
    from migrator.auditing.finding import Severity

    if one.family != "security" or one.severity < Severity.HIGH:
        return False
    ways = {way.partition(":")[0] for way in one.detail.get("reached", ())}
    return one.detail.get("group") not in _LEFT_TO_THE_PLAN and not (ways and ways <= _NOT_RUN)
