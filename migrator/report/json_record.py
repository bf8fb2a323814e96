"""Plans, migrations and verifications as JSON objects by the contract."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from migrator.auditing.facts.blocker_codes import rule_code
from migrator.migration.plan import Blocker, Endpoint, Feed, Plan, Step
from migrator.migration.readiness import judge, open_question, readiness_of
from migrator.migration.record import MigrationRecord
from migrator.report.json_readiness import readiness_json
from migrator.report.json_v1 import Json, envelope, source
from migrator.verification.bisect import Bisection
from migrator.verification.result import CaseResult, OutputComparison, Verification


def plan_result(plan: Plan) -> Json:
    """What ``migrator plan`` tells. ``outcome`` is ``ready`` or ``blocked``."""
    return {
        **envelope("plan"),
        "outcome": "blocked" if plan.blockers else "ready",
        "readiness": readiness_json(readiness_of(plan)),
        "source": source(plan.source),
        "signatures": {
            item.key: {
                "source_key": item.source_key or None,
                "method_name": item.method_name,
                "inputs": {entry.name: _endpoint(entry) for entry in item.inputs},
                "outputs": {entry.name: _endpoint(entry) for entry in item.outputs},
            }
            for item in plan.signatures
        },
        "feeds": _feeds(plan.feeds),
        "weights": plan.weights,
        "weights_reason": plan.weights_reason,
        "control_flow": plan.control_flow,
        "steps": _steps(plan.steps),
        "blockers": [_blocker(item) for item in plan.blockers],
        "notes": list(plan.notes),
        "nodes": {"source": plan.nodes, "kept": kept_nodes(plan)},
    }


def kept_nodes(plan: Plan) -> int:
    """Nodes of the largest signature's graph, of all signatures together at most."""
    return max(len(item.subgraph.nodes) for item in plan.signatures)


def decision_result(verb: str, path: str, what: str, options: Iterable[str]) -> Json:
    """An open question as a result: what is open, and the options to paste."""
    pasted = list(options)
    return {
        **envelope(verb),
        "outcome": "needs_decision",
        "readiness": readiness_json(open_question(what, pasted)),
        "source": {"path": path},
        "reason": what,
        "options": pasted,
    }


def migrate_result(record: MigrationRecord) -> Json:
    """What ``migrator migrate`` tells, and keeps inside of the result."""
    return {
        **envelope("migrate"),
        "outcome": record.outcome,
        "readiness": readiness_json(judge((), record.steps)),
        "source": {**source(record.source), "sha256": record.sha256},
        "dest": record.dest or None,
        "signatures": {
            key: {
                "source_key": item.source_key or None,
                "method_name": item.method_name,
                "inputs": _endpoints(item.inputs),
                "outputs": _endpoints(item.outputs),
            }
            for key, item in record.signatures.items()
        },
        "feeds": _feeds(record.feeds),
        "steps": _steps(record.steps),
        "notes": list(record.notes),
        "weights": record.weights,
        "weights_reason": record.weights_reason,
        "verification": verification(record.verification),
        "seconds": record.seconds,
        "peak_rss_bytes": record.peak_rss_bytes,
        "versions": dict(record.versions),
    }


def verify_result(reference: str, candidate: str, found: Verification) -> Json:
    """What ``migrator verify`` tells."""
    return {
        **envelope("verify"),
        "reference": reference,
        "candidate": candidate,
        **verification(found),
    }


def verification(found: Verification) -> Json:
    return {
        "verdict": found.verdict,
        "max_abs": number(found.max_abs),
        "max_rel": number(found.max_rel),
        "reason": found.reason,
        "stages": [
            {
                "name": stage.name,
                "verdict": stage.verdict,
                "max_abs": number(stage.max_abs),
                "max_rel": number(stage.max_rel),
                "reason": stage.reason,
            }
            for stage in found.stages
        ],
        "cases": [_case(case) for case in found.cases],
        **({} if found.bisection is None else {"bisection": _bisection(found.bisection)}),
    }


def _bisection(found: Bisection) -> Json:
    parting = found.parting
    return {
        "compared": found.compared,
        "rounds": found.rounds,
        "settled": found.settled,
        "parting": None
        if parting is None
        else {
            "node": parting.node,
            "op": parting.op,
            "tensor": parting.tensor,
            "candidate": parting.candidate,
            **_output(parting.comparison),
            "inputs": [
                {
                    "tensor": item.tensor,
                    "verdict": None if item.comparison is None else item.comparison.verdict,
                }
                for item in parting.inputs
            ],
            "suspects": list(parting.suspects),
        },
    }


def number(value: float | None) -> float | None:
    """JSON has no infinity; a difference that is not finite has no number either."""
    return value if value is None or math.isfinite(value) else None


def _case(case: CaseResult) -> Json:
    return {
        "name": case.name,
        "about": case.about,
        "signature": case.signature or None,
        "stage": case.stage or None,
        "verdict": case.verdict,
        "reason": case.reason,
        "inputs": {name: list(shape) for name, shape in case.inputs.items()},
        "outputs": {name: _output(item) for name, item in case.outputs.items()},
    }


def _output(item: OutputComparison) -> Json:
    return {
        "verdict": item.verdict,
        "max_abs": number(item.max_abs),
        "max_rel": number(item.max_rel),
        "reason": item.reason,
    }


def _endpoints(items: Mapping[str, Endpoint]) -> Json:
    return {name: _endpoint(item) for name, item in items.items()}


def _endpoint(item: Endpoint) -> Json:
    return {
        "tensor": item.tensor,
        "source_tensor": item.tensor,
        "dtype": item.dtype.name if item.dtype is not None else None,
        "shape": item.shape.as_list(),
    }


def _feeds(feeds: Iterable[Feed]) -> list[dict[str, Any]]:
    return [
        {"tensor": feed.tensor, "dtype": feed.dtype.name, "value": _value(feed.value)}
        for feed in feeds
    ]


def _value(value: Any) -> Any:
    """A fed value; JSON has no word for what is not finite, so these are strings."""
    if isinstance(value, list):
        return [_value(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _steps(steps: Iterable[Step]) -> list[Json]:
    return [{"code": step.code, "text": step.text, "count": step.count} for step in steps]


def _blocker(item: Blocker) -> Json:
    return {
        "code": item.code,
        "rule": rule_code(item.code),
        "text": item.text,
        "node": item.node,
        "fix": item.fix,
    }
