"""The result of ``migrator audit`` as a JSON object; every other report is drawn from it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from migrator.auditing.finding import (
    Audit,
    AuditedModel,
    Finding,
    Skipped,
    count_severities,
)
from migrator.auditing.registry import all_rules
from migrator.auditing.rule import HEADINGS, Rule
from migrator.migration.readiness import VERDICTS
from migrator.report.json_readiness import readiness_json
from migrator.report.json_v1 import Json, envelope

SECTIONS = dict(zip(HEADINGS, ("detects", "matters", "fix", "limits"), strict=True))
"""Heading of a rule's docstring -> its key."""


def audit_result(audit: Audit, *, rules: Iterable[Rule] | None = None) -> Json:
    """The whole result; ``rules`` are those that it may name, all of the registry by default."""
    findings = audit.findings
    found = {item.code for item in findings}
    known = all_rules() if rules is None else rules
    verdicts = Counter(item.readiness.verdict for item in audit.models if item.readiness)
    return {
        **envelope("audit"),
        "deep": audit.deep,
        "findings": [_finding(item) for item in findings],
        "skipped": [_skipped(item) for item in audit.all_skipped],
        "summary": count_severities(findings),
        "accepted": audit.accepted,
        "readiness": {verdict: verdicts[verdict] for verdict in VERDICTS},
        "models": [_model(item) for item in audit.models],
        "rules": {item.code: rule_object(item) for item in known if item.code in found},
    }


def rule_object(rule: Rule) -> Json:
    """A rule without its check."""
    return {
        "name": rule.name,
        "family": rule.family,
        "severity": rule.severity.label,
        "confidence": rule.confidence,
        "title": rule.title,
        "looks_at": list(rule.looks_at),
        "since": rule.since,
        "deep": rule.deep,
        "fix": rule.fix,
        "sections": {key: rule.sections[head] for head, key in SECTIONS.items()},
    }


def _finding(item: Finding) -> Json:
    place = item.location
    return {
        "code": item.code,
        "name": item.name,
        "family": item.family,
        "severity": item.severity.label,
        "confidence": item.confidence,
        "message": item.message,
        "location": {
            "source": place.source,
            "meta_graph": place.meta_graph,
            "function": place.function,
            "node": place.node,
            "attr": place.attr,
        },
        "detail": _plain(item.detail),
        "fix": item.fix,
        "fingerprint": item.fingerprint,
    }


def _skipped(item: Skipped) -> Json:
    return {"source": item.source, "reason": item.reason, "rule": item.rule}


def _model(item: AuditedModel) -> Json:
    return {
        "source": item.source,
        "format": item.format,
        "bytes": item.bytes,
        "nodes": item.nodes,
        "tensorflow_version": item.tensorflow_version,
        "readiness": None if item.readiness is None else readiness_json(item.readiness),
        "summary": count_severities(item.findings),
    }


def _plain(value: Any) -> Any:
    """What JSON holds: lists for sequences, text for a number that is not finite and the like."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return str(value)
