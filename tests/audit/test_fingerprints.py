"""Fingerprints: what a baseline keys its findings by outlives how and where a model is written."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from migrator.auditing.engine import run_rules
from migrator.auditing.registry import all_rules
from migrator.auditing.subject import Subject
from tests.audit.notation import read_model
from tests.audit.test_cases import all_cases

_BY_ORDER = {"B306", "B307", "B308", "B309"}
"""Which endpoints are guessed, and which of two nodes of one name counts, hangs on the order."""


def _turned(text: str) -> str:
    """The same model with its nodes, and its functions, in the opposite order."""
    blocks: list[list[str]] = []
    for line in filter(str.strip, text.splitlines()):
        if line[0].isspace() and blocks and blocks[-1][0].startswith("def "):
            blocks[-1].append(line)
        else:
            blocks.append([line])
    return "\n".join(line for block in reversed(blocks) for line in block)


def _fingerprints(text: str) -> Counter[tuple[str, str]]:
    subject = Subject("model.pb", model=read_model(text))
    findings, skipped = run_rules(subject, all_rules())
    assert not skipped
    return Counter((finding.code, finding.fingerprint) for finding in findings)


@pytest.mark.parametrize(("code", "kind", "case"), all_cases())
def test_fingerprints_do_not_hang_on_the_order_of_nodes(
    code: str, kind: str, case: dict[str, Any]
) -> None:
    assert _fingerprints(case["model"]) == _fingerprints(_turned(case["model"]))
