"""Real models that people shipped harm nobody: the audit may not call one of them high."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.auditing.engine import run_rules
from migrator.auditing.finding import Severity
from migrator.auditing.opening import open_subject
from migrator.auditing.registry import all_rules

pytestmark = pytest.mark.real_model


@pytest.fixture(scope="module")
def models() -> dict[str, Path]:
    from tests.with_tensorflow.conftest import real_models

    found: dict[str, Path] = real_models().real_models()
    return found


def test_no_real_model_has_a_grave_finding(models: dict[str, Path]) -> None:
    rules = [rule for rule in all_rules() if not rule.deep]
    for name, path in models.items():
        findings, skipped = run_rules(open_subject(path), rules)
        assert not skipped, name
        grave = [item for item in findings if item.severity >= Severity.HIGH]
        assert not grave, (name, [(item.code, item.message) for item in grave])
