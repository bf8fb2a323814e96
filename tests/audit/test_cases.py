"""Every rule against its cases: what it must find, and what it must leave alone.

A file ``cases/CODE.toml`` holds tables ``[[pass]]`` and ``[[fail]]``, each with ``name``,
``reason`` (why that is right) and ``model`` (see ``notation``); a fail lists what is found in
``find``: tables of ``node``, ``function``, ``severity``, ``argument`` and the like, each a subset
of the finding. A pass may not yield a finding of the rule at all.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from migrator.auditing.engine import run_rules
from migrator.auditing.finding import Finding
from migrator.auditing.registry import all_rules, find_rule
from migrator.auditing.subject import Subject
from tests.audit.notation import read_model

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CASES = Path(__file__).parent / "cases"


def all_cases() -> list[Any]:
    """(code, "pass" or "fail", case) of every file."""
    found = []
    for file in sorted(CASES.glob("*.toml")):
        data = tomllib.loads(file.read_text(encoding="utf-8"))
        for kind in ("pass", "fail"):
            for case in data.get(kind, []):
                found.append(
                    pytest.param(file.stem, kind, case, id=f"{file.stem}-{kind}-{case['name']}")
                )
    return found


@pytest.mark.parametrize(("code", "kind", "case"), all_cases())
def test_rule_finds_what_its_case_says(code: str, kind: str, case: dict[str, Any]) -> None:
    assert case["reason"], "a case says why it is right"
    subject = Subject("model.pb", model=read_model(case["model"]))
    findings, skipped = run_rules(subject, [find_rule(code)])
    assert not skipped
    if kind == "pass":
        assert not findings, [finding.message for finding in findings]
        return
    left = list(findings)
    for wanted in case["find"]:
        match = next((item for item in left if _fits(item, wanted)), None)
        assert match is not None, (wanted, [_facts(item) for item in left])
        left.remove(match)
    assert not left, [_facts(item) for item in left]


def _fits(finding: Finding, wanted: dict[str, Any]) -> bool:
    facts = _facts(finding)
    return all(
        value in facts["message"] if key == "message" else facts.get(key) == value
        for key, value in wanted.items()
    )


def _facts(finding: Finding) -> dict[str, Any]:
    return {
        **finding.detail,
        "message": finding.message,
        "severity": finding.severity.label,
        "confidence": finding.confidence,
        "node": finding.location.node,
        "function": finding.location.function,
        "attr": finding.location.attr,
    }


def test_every_rule_has_a_passing_and_a_failing_case() -> None:
    """Rules on what no notation can hold (files, folders, weights) name their own test module."""
    lacking = []
    for rule in all_rules():
        file = CASES / f"{rule.code}.toml"
        data = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        if not (data.get("elsewhere") or (data.get("pass") and data.get("fail"))):
            lacking.append(rule.code)
    assert not lacking
