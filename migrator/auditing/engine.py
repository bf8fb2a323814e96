"""Running the rules over one subject."""

from __future__ import annotations

import hashlib
import heapq
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from migrator.auditing.contents.bodies import Place
from migrator.auditing.finding import Finding, Location, Severity, Skipped
from migrator.auditing.rule import Issue, Rule
from migrator.auditing.subject import Subject
from migrator.errors import MigratorError

MOST_FINDINGS = 200
"""Findings of one rule in one model; one more says that there are others."""
_MANY = frozenset(("nodes", "functions"))
"""Details of an issue that tells of many places at once."""
_COUNTER = re.compile(r"_\d+(?=$|/|!)")


def run_rules(
    subject: Subject, rules: Iterable[Rule]
) -> tuple[tuple[Finding, ...], tuple[Skipped, ...]]:
    """What ``rules`` find, worst first, and those that failed. A failing rule hides no other."""
    findings: list[Finding] = []
    skipped: list[Skipped] = []
    for rule in rules:
        try:
            findings += _run(subject, rule)
        except MigratorError as error:
            skipped.append(Skipped(source=subject.path, rule=rule.code, reason=str(error)))
        except (Exception, RecursionError) as error:  # a rule's own fault: say so, go on
            reason = f"the rule failed: {type(error).__name__}: {error}"
            skipped.append(Skipped(source=subject.path, rule=rule.code, reason=reason))
    findings.sort(key=lambda item: (-item.severity, item.code))
    return tuple(findings), tuple(skipped)


def _run(subject: Subject, rule: Rule) -> list[Finding]:
    """The gravest are told: what is harmless and many must not push what is grave out."""
    ordered = heapq.nsmallest(
        MOST_FINDINGS + 1,
        enumerate(rule.check(subject)),
        key=lambda item: (-_severity(rule, item[1]), item[0]),
    )
    found = [_finding(subject, rule, issue) for _, issue in ordered[:MOST_FINDINGS]]
    if len(ordered) > MOST_FINDINGS:
        found.append(
            _finding(
                subject,
                rule,
                Issue(
                    message=f"and more of the same: the gravest {MOST_FINDINGS} are told",
                    severity=_severity(rule, ordered[-1][1]),
                    key="more",
                ),
            )
        )
    return found


def _severity(rule: Rule, issue: Issue) -> Severity:
    return rule.severity if issue.severity is None else issue.severity


def _finding(subject: Subject, rule: Rule, issue: Issue) -> Finding:
    location, detail = _place(subject, issue)
    return Finding(
        code=rule.code,
        name=rule.name,
        family=rule.family,
        severity=_severity(rule, issue),
        confidence=issue.confidence or rule.confidence,
        message=issue.message,
        location=location,
        detail=detail,
        fix=issue.fix or rule.fix,
        fingerprint=fingerprint(rule.code, _identity(location, issue), issue.key),
    )


def _place(subject: Subject, issue: Issue) -> tuple[Location, Mapping[str, Any]]:
    place: Place | None = issue.place
    if place is None:
        location = Location(source=subject.path, meta_graph=issue.meta_graph, attr=issue.attr)
        return location, dict(issue.detail)
    location = Location(
        source=subject.path,
        meta_graph=place.body.meta_graph,
        function=place.body.label,
        node=place.node.name,
        attr=issue.attr,
    )
    detail = {"op": place.node.op, "reached": list(subject.reached(place)), **issue.detail}
    return location, detail


def _identity(location: Location, issue: Issue) -> Location:
    """Where it is whatever order the nodes are written in: many nodes have no first one."""
    if _MANY.isdisjoint(issue.detail):
        return location
    return replace(location, function="", node="")


def fingerprint(code: str, location: Location, key: str) -> str:
    """What stays the same when a model is written again: no path, no byte, no function's number.

    TensorFlow 2 numbers its functions anew at every export; those numbers are left out.
    """
    parts = [
        code,
        location.meta_graph,
        _COUNTER.sub("", location.function),
        location.node,
        location.attr,
        key,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
