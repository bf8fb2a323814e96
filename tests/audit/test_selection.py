"""Which rules run, by code, beginning of a code, name and family; and what fails an audit."""

from __future__ import annotations

import pytest

from migrator.auditing.finding import (
    Audit,
    AuditedModel,
    Finding,
    Location,
    Severity,
    Skipped,
)
from migrator.auditing.policy.gate import parse_gate
from migrator.auditing.policy.selection import select_rules
from migrator.errors import UsageError
from migrator.migration.readiness import BLOCKED, NEEDS_YOU, READY, Readiness
from tests.audit.small_rules import RULES
from tests.audit.small_rules import small_rules as small_rules

pytestmark = pytest.mark.usefixtures("small_rules")
ALL = [rule.code for rule in RULES]
SHALLOW = [rule.code for rule in RULES if not rule.deep]


@pytest.mark.parametrize(
    ("select", "ignore", "codes"),
    [
        ((), (), SHALLOW),
        (("S101",), (), ["S101"]),
        (("s101",), (), ["S101"]),
        (("S1",), (), ["S101", "S102"]),
        (("S",), (), ["S101", "S102", "S201"]),
        (("security",), (), ["S101", "S102", "S201"]),
        (("Blocker", "python"), (), ["S201", "B101"]),
        (("H101", "S201"), (), ["S201", "H101"]),
        ((), ("S", "no-op"), ["B101", "W101"]),
        (("S",), ("S1",), ["S201"]),
        (("S101",), ("S",), []),
        ((" python ",), (), ["S201"]),
    ],
)
def test_rules_are_chosen_by_code_beginning_name_and_family(
    select: tuple[str, ...], ignore: tuple[str, ...], codes: list[str]
) -> None:
    assert list(select_rules(select, ignore).codes) == codes


def test_rules_that_read_weights_run_when_asked_to_be_deep_alone() -> None:
    assert list(select_rules(deep=True).codes) == ALL
    assert select_rules(("health",)).codes == ("H101",)
    assert select_rules(("health",)).notes == ()
    asked = select_rules(("H901",))
    assert asked.codes == ()
    (note,) = asked.notes
    assert "--deep" in note
    assert "H901" in note
    assert select_rules(("H901",), deep=True) == select_rules(("constant",), deep=True)


def test_nothing_left_to_run_is_noted() -> None:
    assert select_rules(("S",), ("S",)).notes == ("no rule is left to run",)


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("S10l", "S101"),
        ("S999", "S"),
        ("pyhton", "python"),
        ("securty", "security"),
        ("", "migrator explain"),
        ("*", "migrator explain"),
        ("read-files", "reads-files"),
    ],
)
def test_a_word_that_chooses_nothing_is_refused_with_the_nearest(word: str, near: str) -> None:
    for arguments in ((word,), ()), ((), (word,)):
        with pytest.raises(UsageError) as caught:
            select_rules(*arguments)
        assert near in str(caught.value)


def found(severity: Severity | None = None, verdict: str = READY, *, failed: bool = False) -> Audit:
    location = Location(source="a.pb")
    finding = Finding(
        code="S101",
        name="x",
        family="security",
        severity=severity or Severity.INFO,
        confidence="high",
        message="",
        location=location,
    )
    model = AuditedModel(
        source="a.pb",
        format="graph_def",
        bytes=1,
        readiness=Readiness(verdict=verdict),
        findings=() if severity is None else (finding,),
        skipped=(Skipped(source="a.pb", reason="it", rule="S101"),) if failed else (),
    )
    return Audit(models=(model,))


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("bound", Severity)
def test_a_severity_fails_from_itself_on(severity: Severity, bound: Severity) -> None:
    gate = parse_gate([bound.label])
    assert gate.fails(found(severity)) == (severity >= bound)
    assert not gate.fails(found())


def test_never_lets_all_findings_pass() -> None:
    assert not parse_gate(["never"]).fails(found(Severity.CRITICAL, BLOCKED))


@pytest.mark.parametrize(
    ("word", "verdict", "fails"),
    [
        ("blocked", BLOCKED, True),
        ("blocked", NEEDS_YOU, False),
        ("needs_you", BLOCKED, True),
        ("needs-you", NEEDS_YOU, True),
        ("needs_you", READY, False),
        ("high", BLOCKED, False),
    ],
)
def test_readiness_fails_where_it_is_named(word: str, verdict: str, fails: bool) -> None:
    assert parse_gate([word]).fails(found(verdict=verdict)) == fails


def test_only_what_is_named_fails() -> None:
    assert not parse_gate(["blocked"]).fails(found(Severity.CRITICAL))
    both = parse_gate(["blocked", "critical", "high"])
    assert both.fails(found(Severity.HIGH))
    assert both.fails(found(verdict=BLOCKED))
    assert not both.fails(found(Severity.MEDIUM))


def test_what_was_skipped_fails_where_that_is_asked_for() -> None:
    assert parse_gate(["high"], strict=True).fails(found(failed=True))
    assert not parse_gate(["high"]).fails(found(failed=True))


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["hihg"], "high"),
        (["Hgih", "blocked"], "high"),
        ([], "critical"),
        (["never", "high"], "contradict"),
        (["1"], "needs_you"),
    ],
)
def test_words_that_fail_nothing_are_refused(words: list[str], near: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_gate(words)
    assert near in str(caught.value)
