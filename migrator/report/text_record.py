"""Plans, migrations and verifications as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from migrator.auditing.facts.blocker_codes import rule_code
from migrator.migration.plan import Blocker, Endpoint, Plan, Step
from migrator.migration.readiness import BLOCKED, CHANGES, NEEDS_YOU, READY, readiness_of
from migrator.migration.record import MigrationRecord
from migrator.report.escape import shown, size
from migrator.report.table import table
from migrator.report.text import bullets
from migrator.verification.bisect import Bisection
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
_READINESS = {
    READY: "ready to migrate",
    CHANGES: "ready to migrate, with changes that migrate makes itself",
    NEEDS_YOU: "needs you: it can be migrated when what is missing is decided or supplied",
    BLOCKED: "cannot be migrated as it stands",
}


def plan_text(plan: Plan) -> str:
    """What would be done, and what blocks."""
    state = _READINESS[readiness_of(plan).verdict]
    largest = max((item.subgraph for item in plan.signatures), key=lambda item: len(item.nodes))
    kept = f"{len(largest.nodes):,} of {plan.nodes:,} nodes"
    held = sum(item.value.nbytes for item in plan.held if item.value is not None)
    parts = [
        f"{shown(plan.source.path)}: {state}",
        *(
            _endpoints(
                item.key,
                {entry.name: entry for entry in item.inputs},
                {entry.name: entry for entry in item.outputs},
            )
            for item in plan.signatures
        ),
        bullets("Blocked by", map(_blocker, plan.blockers)),
        _explained(plan.blockers),
        bullets("Steps", _steps(plan.steps)),
        f"Keeps {kept}, {size(largest.constant_bytes + held)} of weights as {plan.weights} "
        f"({plan.weights_reason})",
        bullets("Note", map(shown, plan.notes)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _blocker(item: Blocker) -> str:
    rule = rule_code(item.code)
    mark = f"[{rule}] " if rule else ""
    place = f" (node {shown(item.node)})" if item.node else ""
    fix = f"\n    {shown(item.fix)}" if item.fix else ""
    return f"{mark}{shown(item.text, 1000)}{place}{fix}"


def _explained(blockers: Iterable[Blocker]) -> str:
    rules = dict.fromkeys(filter(None, (rule_code(item.code) for item in blockers)))
    if not rules:
        return ""
    return "What they mean: " + ", ".join(f"`migrator explain {rule}`" for rule in rules)


def migrate_text(record: MigrationRecord) -> str:
    """What became of a migration."""
    found = record.verification
    where = shown(record.dest) if record.dest else "nothing was put in place"
    failed = "" if record.passed else "FAILED: "
    parts = [
        f"{failed}{shown(record.source.path)} -> {where}",
        f"Verdict: {verdict_line(found)}",
        _stages(found),
        *(_endpoints(key, item.inputs, item.outputs) for key, item in record.signatures.items()),
        _cases(found),
        f"Weights: {record.weights} ({record.weights_reason})",
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
        _stages(found),
        _cases(found),
        "" if found.bisection is None else _bisection(found.bisection),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _bisection(found: Bisection) -> str:
    """Where two models part."""
    parting = found.parting
    if parting is None:
        return "No inner node was found where they part"
    far = parting.comparison.max_abs
    lines = [
        f"They part at {shown(parting.node)} ({shown(parting.op)})"
        + (f", by {far:.3g}" if far is not None else ""),
        *(
            f"  input {shown(item.tensor)}: "
            + ("not compared" if item.comparison is None else item.comparison.verdict)
            for item in parting.inputs
        ),
    ]
    if parting.suspects:
        lines.append(f"  not in both: {', '.join(map(shown, parting.suspects))}")
    end = "" if found.settled else "; the search was cut short"
    lines.append(f"  ({found.compared} tensors compared in {found.rounds} rounds{end})")
    return "\n".join(lines)


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
        if case.stage and case.stage != found.stages[0].name and case.verdict == BITWISE:
            continue  # the first stage shows the cases, the others what is not as in it
        inputs = ", ".join(f"{shown(name)} {list(dims)}" for name, dims in case.inputs.items())
        stage = "" if not found.stages or case.stage == found.stages[0].name else case.stage
        name = ": ".join(filter(None, (stage, case.signature, case.name)))
        if not case.outputs:
            rows.append((name, inputs, "", case.verdict, ""))
        for output, item in case.outputs.items():
            far = "" if item.max_abs is None else f"{item.max_abs:.3g}"
            rows.append((shown(name), inputs, shown(output), item.verdict, far))
            name = inputs = ""
    return table(rows, ("case", "inputs", "output", "verdict", "max abs")) if rows else ""


def _stages(found: Verification) -> str:
    """What was held against the original, where that is more than one thing."""
    if len(found.stages) < 2:
        return ""
    return bullets(
        "Held against the original", (f"{item.name}: {item.verdict}" for item in found.stages)
    )


def _endpoints(key: str, inputs: Mapping[str, Endpoint], outputs: Mapping[str, Endpoint]) -> str:
    rows = [
        (side, shown(name), shown(item.tensor), str(item.dtype or "?"), str(item.shape))
        for side, items in (("in", inputs), ("out", outputs))
        for name, item in items.items()
    ]
    return f"Signature {shown(key)}\n" + table(rows, ("", "name", "from", "dtype", "shape"))


def _steps(steps: Iterable[Step]) -> list[str]:
    return [shown(step.text) + (f" ({step.count:,})" if step.count > 1 else "") for step in steps]
