"""Plans, migrations and verifications as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from migrator.migration.plan import Endpoint, Plan, Step
from migrator.migration.record import MigrationRecord
from migrator.report.escape import shown, size
from migrator.report.text import bullets, table
from migrator.verification.result import (
    BITWISE,
    MISMATCH,
    NOT_RUN,
    WITHIN_TOLERANCE,
    Verification,
)

_VERDICTS = {
    BITWISE: "the same, bit for bit",
    WITHIN_TOLERANCE: "the same within tolerance",
    MISMATCH: "NOT the same",
    NOT_RUN: "not verified",
}


def plan_text(plan: Plan) -> str:
    """What would be done, and what blocks."""
    state = "cannot be migrated as it stands" if plan.blockers else "ready to migrate"
    kept = f"{len(plan.subgraph.nodes):,} of {plan.nodes:,} nodes"
    parts = [
        f"{shown(plan.source.path)}: {state}",
        _endpoints(
            {item.name: item for item in plan.inputs}, {item.name: item for item in plan.outputs}
        ),
        bullets("Blocked by", (_blocker(plan, index) for index in range(len(plan.blockers)))),
        bullets("Steps", _steps(plan.steps)),
        f"Keeps {kept}, {size(plan.subgraph.constant_bytes)} of weights as {plan.weights}",
        bullets("Note", map(shown, plan.notes)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _blocker(plan: Plan, index: int) -> str:
    item = plan.blockers[index]
    place = f" (node {shown(item.node)})" if item.node else ""
    fix = f"\n    {shown(item.fix)}" if item.fix else ""
    return f"{shown(item.text)}{place}{fix}"


def migrate_text(record: MigrationRecord) -> str:
    """What became of a migration."""
    found = record.verification
    where = shown(record.dest) if record.dest else "nothing was put in place"
    failed = "" if record.passed else "FAILED: "
    signature = record.signatures["serving_default"]
    parts = [
        f"{failed}{shown(record.source.path)} -> {where}",
        f"Verdict: {verdict_line(found)}",
        _endpoints(signature.inputs, signature.outputs),
        _cases(found),
        bullets("What was changed", _steps(record.steps)),
        bullets("Note", map(shown, record.notes)),
        f"{record.seconds:.1f} s, {size(record.peak_rss_bytes)} in the largest process, "
        f"TensorFlow {record.versions.get('tensorflow', '?')}",
    ]
    if not record.dest and found.verdict == MISMATCH:
        parts.append("--keep-mismatch keeps the result all the same")
    return "\n\n".join(part for part in parts if part) + "\n"


def verify_text(reference: str, candidate: str, found: Verification) -> str:
    """What a verification found."""
    parts = [
        f"{shown(reference)} against {shown(candidate)}",
        f"Verdict: {verdict_line(found)}",
        _cases(found),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def verdict_line(found: Verification) -> str:
    """The verdict in words, with how far apart the two were."""
    text = f"{found.verdict}: {_VERDICTS[found.verdict]}"
    if found.verdict in (WITHIN_TOLERANCE, MISMATCH) and found.max_abs is not None:
        text += f" (largest difference {found.max_abs:.3g}"
        text += f", relative {found.max_rel:.3g})" if found.max_rel is not None else ")"
    if found.reason:
        text += f"\n  {shown(found.reason, 1000)}"
    return text


def _cases(found: Verification) -> str:
    rows = []
    for case in found.cases:
        inputs = ", ".join(f"{shown(name)} {list(dims)}" for name, dims in case.inputs.items())
        if not case.outputs:
            rows.append((case.name, inputs, "", case.verdict, ""))
        for name, output in case.outputs.items():
            far = "" if output.max_abs is None else f"{output.max_abs:.3g}"
            rows.append((case.name, inputs, shown(name), output.verdict, far))
            inputs = ""
    return table(rows, ("case", "inputs", "output", "verdict", "max abs")) if rows else ""


def _endpoints(inputs: Mapping[str, Endpoint], outputs: Mapping[str, Endpoint]) -> str:
    rows = [
        (side, shown(name), shown(item.tensor), str(item.dtype or "?"), str(item.shape))
        for side, items in (("in", inputs), ("out", outputs))
        for name, item in items.items()
    ]
    return "Signature serving_default\n" + table(rows, ("", "name", "from", "dtype", "shape"))


def _steps(steps: Iterable[Step]) -> list[str]:
    return [shown(step.text) + (f" ({step.count:,})" if step.count > 1 else "") for step in steps]
