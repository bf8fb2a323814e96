from __future__ import annotations

import json
from pathlib import Path

import pytest

from migrator.batching.job.failures import failure_of, kind_of
from migrator.batching.job.places import root_of, working_folder
from migrator.batching.task import (
    Outcome,
    Task,
    name_clashes,
    ordered_steps,
    outcome_from_json,
    task_from_json,
)
from migrator.errors import NeedsDecision, UsageError
from migrator.migration.planning import keras_refused


def task(**values: object) -> Task:
    told = {"name": "a/b", "source": "zoo/a/b.pb", "dest": "/out/a/b", **values}
    return Task(**told)  # type: ignore[arg-type]


def test_a_task_survives_json() -> None:
    made = task(
        inputs=("x=a:0",),
        tag_set=("serve", "gpu"),
        choice={"weights": "variables", "shapes": ["x=1,2"]},
        timeout=None,
    )
    assert task_from_json(json.loads(json.dumps(made.to_json()))).to_json() == made.to_json()


def test_an_outcome_survives_json() -> None:
    made = Outcome(name="a", source="s", dest="d", seconds={"plan": 0.5}, signatures=("x",))
    assert outcome_from_json(json.loads(json.dumps(made.to_json()))) == made


@pytest.mark.parametrize(
    "name", ["", "/etc", "../up", "a/../b", "a//b", "a\nb", ".hidden", "ledger.jsonl", "a" * 300]
)
def test_a_name_that_leaves_its_place_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        task(name=name)


def test_the_fingerprint_is_of_what_changes_the_result() -> None:
    first = task()
    # Steps are held against those that were done.
    same = task(timeout=1.0, memory_limit=1, source="elsewhere", steps=("inspect",))
    assert same.fingerprint == first.fingerprint
    for values in (
        {"feeds": ("a=1",)},
        {"rtol": 0.1},
        {"choice": {"weights": "constants"}},
        {"tag_set": ()},
    ):
        assert task(**values).fingerprint != first.fingerprint


def test_steps_come_in_their_order_and_unknown_ones_are_refused() -> None:
    assert ordered_steps(["verify", "inspect", "migrate"]) == ("inspect", "migrate", "verify")
    with pytest.raises(UsageError, match="'guess'"):
        ordered_steps(["guess"])
    with pytest.raises(UsageError, match="nothing is made"):
        ordered_steps(["plan", "verify"])


def test_options_that_are_none_are_refused() -> None:
    with pytest.raises(UsageError, match="wieghts"):
        task(choice={"wieghts": "auto"})


def test_names_that_are_the_same_or_lie_inside_one_another() -> None:
    assert name_clashes(["a", "b", "c/d"]) == []
    assert name_clashes(["a", "a"]) == [("a", "a")]
    assert name_clashes(["a/b/c", "a"]) == [("a", "a/b/c")]


def test_work_is_done_beside_the_folder_that_it_ends_in() -> None:
    made = task()
    assert root_of(made) == Path("/out")
    assert working_folder(made).parent == Path("/out/.work")
    assert working_folder(made) != working_folder(task(name="a-b", dest="/out/a-b"))
    remote = task(dest="s3://bucket/a/b")
    assert working_folder(remote, Path("/tmp/slot")).parent == Path("/tmp/slot")


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (["--output y", "--output z"], "endpoints"),
        (["--feed a=1", "--output y"], "endpoints"),
        (["--feed a=1"], "feeds"),
        (["--tag-set serve", "--tag-set serve,gpu"], "tag_set"),
        (["--tag-set='-odd'"], "tag_set"),
        (["--signature x"], "signature"),
        ([], "endpoints"),
    ],
)
def test_what_is_open_is_told_by_the_options_to_paste(options: list[str], kind: str) -> None:
    assert kind_of(options) == kind


def test_a_refused_keras_file_is_told_by_its_rule() -> None:
    found = failure_of(keras_refused(["layer 'a' is a Lambda layer"], "m.h5"), "m.h5")
    assert (found.outcome, found.rules) == ("blocked", ("B313",))
    assert "Lambda" in found.reason


def test_a_question_without_options_says_what_to_do() -> None:
    asked = NeedsDecision("it has no signatures", hint="export it again", where="m")
    assert failure_of(asked, "m").reason == "it has no signatures; export it again"
    pasted = NeedsDecision("two of them", options=["--tag-set a"], hint="choose:", where="m")
    assert failure_of(pasted, "m").reason == "two of them"
