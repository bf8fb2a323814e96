"""One verdict on every model: ready, ready with changes, needs you, blocked, or unknown."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from migrator.auditing.opening import open_subject
from migrator.auditing.subject import Subject
from migrator.errors import (
    BlockedError,
    FormatError,
    MigratorError,
    NeedsDecision,
    NoSuchTensor,
    UnsupportedFormat,
    UsageError,
)
from migrator.migration.plan import Blocker, Step
from migrator.migration.readiness import (
    BLOCKED,
    CHANGES,
    HARMLESS,
    NEEDS_YOU,
    OBSTACLES,
    READY,
    UNKNOWN,
    VERDICTS,
    Readiness,
    assess,
    judge,
)
from tests.commands import environment, run
from tests.corpus import SAMPLES, Sample, sample
from tests.schemas import parsed

Capture = pytest.CaptureFixture[str]


def verdict_on(subject: Subject) -> Readiness:
    planned = subject.planned
    return assess(
        plan=planned.plan, decision=planned.decision, error=planned.error, keras=subject.keras
    )


def blocker(code: str) -> Blocker:
    return Blocker(code=code, text=f"text of {code}", node="n", fix="fix")


EXIT_CODES = {READY: {0}, CHANGES: {0}, BLOCKED: {2}, NEEDS_YOU: {2, 3}, UNKNOWN: {2}}


@pytest.mark.parametrize("item", SAMPLES, ids=str)
def test_verdict_agrees_with_what_plan_says(item: Sample, capsys: Capture) -> None:
    found = verdict_on(open_subject(item.path))
    done = run(capsys, "plan", item.path, "--format", "json")
    assert done.code in EXIT_CODES[found.verdict]
    if found.options:
        assert done.code == 3
    if done.out:
        told = parsed(done.out)
        assert told["readiness"]["verdict"] == found.verdict
        assert told["readiness"]["options"] == list(found.options)
        texts = [item["text"] for item in told["readiness"]["reasons"]]
        assert texts == [item.text for item in found.reasons]
    if found.verdict not in (READY, UNKNOWN):
        assert found.reasons


@pytest.mark.parametrize(
    ("name", "verdict", "code"),
    [
        ("tf1.15.5/mlp", READY, ""),
        ("tf1.15.5/devices", READY, ""),
        ("tf1.15.5/sm_variables_resource", READY, ""),
        ("tf1.15.5/rnn_while", CHANGES, "functional_loops"),
        ("tf1.15.5/sm_table_v1", CHANGES, "replace_op"),
        ("tf1.15.5/placeholder_default", CHANGES, "keep_default"),
        ("tf1.15.5/keep_prob", NEEDS_YOU, "undecided_endpoints"),
        ("tf1.15.5/refused_table", NEEDS_YOU, "table"),
        ("tf1.15.5/refused_python", BLOCKED, "python"),
        ("tf1.15.5/refused_op", BLOCKED, "removed_op"),
        ("tf1.15.5/keras2_conv", UNKNOWN, "loaded_first"),
    ],
)
def test_fixtures_stand_where_they_should(name: str, verdict: str, code: str) -> None:
    found = verdict_on(open_subject(sample(name).path))
    assert found.verdict == verdict
    assert code in {item.code for item in found.reasons} or not code
    if verdict == READY:
        assert found.reasons == ()


def test_options_of_an_open_question_can_be_pasted(capsys: Capture) -> None:
    """What the verdict offers is what makes it ready."""
    path = sample("tf1.15.5/keep_prob").path
    found = verdict_on(open_subject(path))
    words = [word for option in found.options for word in shlex.split(option)]
    done = run(capsys, "plan", path, *words, "--format", "json")
    assert done.code == 0
    assert parsed(done.out)["readiness"]["verdict"] in (READY, CHANGES)


def test_open_tags_are_told_from_open_endpoints() -> None:
    tags = assess(decision=NeedsDecision("holds 2", options=["--tag-set a", "--tag-set b"]))
    assert (tags.verdict, tags.reasons[0].code) == (NEEDS_YOU, "undecided_tags")
    assert tags.options == ("--tag-set a", "--tag-set b")
    ends = assess(decision=NeedsDecision("open", options=["--input x:0"]))
    assert ends.reasons[0].code == "undecided_endpoints"


def test_checkpoint_alone_is_weights_without_a_graph() -> None:
    index = sample("tf1.15.5/mg_train").path.with_suffix(".index")
    found = verdict_on(open_subject(index))
    assert found.verdict == UNKNOWN
    assert found.reasons[0].text == "it is weights without a graph"
    assert ".meta" in found.reasons[0].fix


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (UsageError("has no outputs", where="m: signature 'x'"), NEEDS_YOU),
        (NoSuchTensor("there is no node 'a'", where="m: signature 'x'"), NEEDS_YOU),
        (FormatError("is damaged", where="m"), BLOCKED),
        (MigratorError("cannot be read"), BLOCKED),
        (BlockedError("is not loaded", blockers=["l: a Lambda layer"]), BLOCKED),
        (UnsupportedFormat("is a tflite, which holds no graph to migrate"), UNKNOWN),
    ],
)
def test_errors_have_a_verdict_and_a_reason(error: MigratorError, verdict: str) -> None:
    found = assess(error=error)
    assert found.verdict == verdict
    assert found.reasons[0].text
    assert not found.reasons[0].text.startswith("m: ")


def test_nothing_known_is_unknown() -> None:
    assert assess() == Readiness(verdict=UNKNOWN)


@pytest.mark.parametrize("code", sorted(OBSTACLES))
def test_one_blocker_gives_its_own_verdict(code: str) -> None:
    found = judge([blocker(code)], [])
    assert found.verdict == OBSTACLES[code]
    assert [item.code for item in found.reasons] == [code]


def test_what_really_blocks_comes_first_and_decides() -> None:
    found = judge([blocker("unfed"), blocker("cycle"), blocker("table")], [])
    assert found.verdict == BLOCKED
    assert [item.code for item in found.reasons] == ["cycle", "unfed", "table"]


def test_a_blocker_that_nobody_classified_blocks() -> None:
    assert judge([blocker("of_tomorrow")], []).verdict == BLOCKED


def test_steps_of_one_kind_are_one_reason() -> None:
    steps = [
        Step(code="prune", text="nodes are left out", count=7),
        Step(code="replace_op", text="A is replaced by B", count=1200),
        Step(code="replace_op", text="C is replaced by D"),
        *(Step(code="fold_feed", text=f"x{n} is fixed") for n in range(7)),
    ]
    found = judge([], steps)
    assert found.verdict == CHANGES
    assert [item.code for item in found.reasons] == ["replace_op", "fold_feed"]
    assert found.reasons[0].text == "A is replaced by B (1,200); C is replaced by D"
    assert found.reasons[1].text.endswith("and 2 more")


def test_harmless_steps_leave_it_ready() -> None:
    found = judge([], [Step(code=code, text="t", count=3) for code in HARMLESS])
    assert found == Readiness(verdict=READY)


def test_every_verdict_is_one_of_the_five() -> None:
    assert set(EXIT_CODES) == set(VERDICTS)


def test_text_names_rule_and_verdict(capsys: Capture) -> None:
    done = run(capsys, "plan", sample("tf1.15.5/refused_python").path)
    assert done.code == 2
    assert ": cannot be migrated as it stands\n" in done.out
    assert "- [B105] PyFunc calls" in done.out
    assert "`migrator explain B105`" in done.out
    done = run(capsys, "plan", sample("tf1.15.5/refused_table").path)
    assert ": needs you: " in done.out
    assert "[B206]" in done.out


def test_planning_imports_no_rules(tmp_path: Path) -> None:
    """The rule's code of a blocker is known without what would slow every plan down."""
    code = (
        "import json, sys; from migrator.cli.main import main; "
        "code = main(sys.argv[1:]); "
        "print(json.dumps([m for m in sys.modules if m.startswith('migrator.auditing')]))"
    )
    path = sample("tf1.15.5/refused_python").path
    done = subprocess.run(
        [sys.executable, "-c", code, "plan", str(path), "--output-file", str(tmp_path / "p")],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert sorted(loaded) == [
        "migrator.auditing",
        "migrator.auditing.facts",
        "migrator.auditing.facts.blocker_codes",
    ]
