"""Models that harm nobody: no rule of any family may call one of them high."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.auditing.engine import run_rules
from migrator.auditing.finding import Finding, Severity
from migrator.auditing.opening import open_subject
from migrator.auditing.registry import all_rules
from tests.corpus import FIXTURES, SAMPLES, Sample

_SAID_RIGHTLY = {
    "refused_python": "S101",
}
"""Fixture -> the rule that is right about it: a graph that calls Python calls Python."""


def _grave(path: Path) -> list[Finding]:
    rules = [rule for rule in all_rules() if not rule.deep]
    findings, skipped = run_rules(open_subject(path), rules)
    assert not skipped
    return [item for item in findings if item.severity >= Severity.HIGH]


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_harmless_fixture_has_no_grave_finding(sample: Sample) -> None:
    expected = _SAID_RIGHTLY.get(sample.folder.name)
    found = _grave(sample.path)
    assert {item.code for item in found} == ({expected} if expected else set()), [
        (item.code, item.location.node, item.message) for item in found
    ]


@pytest.mark.parametrize(
    "path",
    sorted([*FIXTURES.glob("removed_ops/*.pb"), *FIXTURES.glob("dtypes/*.pb")]),
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_graph_of_constants_and_old_ops_has_no_grave_finding(path: Path) -> None:
    assert not _grave(path)


def test_own_checkpoint_and_own_assets_are_not_worth_a_look() -> None:
    """These models read only their own; a second saver, as Estimators leave one, is low."""
    quiet = {"S201", "S202", "S203", "S204", "S205", "S206", "S207"}
    for name in ("sm_estimator", "sm_table_vocabulary", "sm_tags", "sm2_tables", "hub_text"):
        for sample in SAMPLES:
            if sample.folder.name == name:
                rules = [rule for rule in all_rules() if rule.code in quiet]
                findings, _ = run_rules(open_subject(sample.path), rules)
                grave = [item.message for item in findings if item.severity > Severity.LOW]
                assert not grave, str(sample)
