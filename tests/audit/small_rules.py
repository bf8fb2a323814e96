"""A few rules of our own, to test what chooses and uses rules apart from the real ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from migrator.auditing import registry
from migrator.auditing.finding import Severity
from migrator.auditing.policy import selection
from migrator.auditing.rule import Issue, Rule, rule
from migrator.auditing.subject import Subject

SEVERITIES = {"S": Severity.HIGH, "B": Severity.MEDIUM, "W": Severity.LOW, "H": Severity.INFO}
FAMILIES = {"S": "security", "B": "blocker", "W": "warning", "H": "health"}


def make(code: str, name: str, op: str, *, deep: bool = False) -> Rule:
    """A rule that finds every node of one op."""

    def check(subject: Subject) -> Iterator[Issue]:
        for place in subject.places((op,)):
            yield Issue(message=f"{place.node.name!r} is a {op}", place=place)

    check.__doc__ = f"{op} is there.\n\n" + "\n".join(
        f"{head}: it." for head in ("What it detects", "Why it matters", "How to fix", "Limits")
    )
    facts: Any = {"severity": SEVERITIES[code[0]], "family": FAMILIES[code[0]]}
    return rule(code=code, name=name, looks_at=(op,), since="0.4", deep=deep, **facts)(check)


RULES = (
    make("S101", "reads-files", "ReadFile"),
    make("S102", "writes-files", "WriteFile"),
    make("S201", "python", "PyFunc"),
    make("B101", "removed-op", "Removed"),
    make("W101", "placeholder", "Placeholder"),
    make("H101", "no-op", "NoOp"),
    make("H901", "constant", "Const", deep=True),
)


@pytest.fixture
def small_rules(monkeypatch: pytest.MonkeyPatch) -> tuple[Rule, ...]:
    """The registry holds ``RULES`` and nothing else."""
    monkeypatch.setattr(registry, "all_rules", lambda: RULES)
    monkeypatch.setattr(selection, "all_rules", lambda: RULES)
    return RULES
