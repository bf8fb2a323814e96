"""The task function as far as it goes without TensorFlow."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from migrator.batching.job import candidates
from migrator.batching.job.task_function import run, run_task
from migrator.batching.task import Outcome, Task
from migrator.errors import MigratorError
from tests import wire
from tests.batch.poison import sound, truncated, unknown_op
from tests.corpus import FIXTURES, sample
from tests.handmade import op, placeholder
from tests.schemas import validate

STEPS = ("inspect", "audit", "plan")


@pytest.fixture(autouse=True)
def dest(tmp_path: Path) -> Path:
    """DEST, which a run has made before its models come."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def made(tmp_path: Path, data: bytes | None, name: str = "model", **options: object) -> Outcome:
    source = tmp_path / f"{name}.pb"
    if data is not None:
        source.write_bytes(data)
    told = {"steps": STEPS, **options}
    dest = str(tmp_path / "out" / name)
    return run(Task(name=name, source=str(source), dest=dest, **told))  # type: ignore[arg-type]


def result(outcome: Outcome, name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((Path(outcome.dest) / name).read_text())
    return found


def test_each_step_leaves_its_result_in_the_folder(tmp_path: Path) -> None:
    found = made(tmp_path, sound())
    assert (found.outcome, found.format, found.readiness) == ("done", "graph_def", "ready")
    assert found.source_bytes == len(sound())
    for name in ("inspect.json", "audit.json", "plan.json", "outcome.json"):
        assert result(found, name)
    assert result(found, "outcome.json") == found.to_json()
    validate(found.to_json())
    assert "planned: ready" in (Path(found.dest) / "log.txt").read_text()
    assert (tmp_path / "out" / ".work").is_dir()
    assert not list((tmp_path / "out" / ".work").iterdir())


def test_a_file_that_is_cut_short_is_bad_input(tmp_path: Path) -> None:
    found = made(tmp_path, truncated())
    assert (found.outcome, found.cause) == ("failed", "bad_input")
    assert "truncated" in found.reason
    assert str(tmp_path) not in found.reason
    assert result(found, "audit.json")["skipped"]


def test_an_op_that_nobody_knows_blocks_and_is_told_by_its_rule(tmp_path: Path) -> None:
    found = made(tmp_path, unknown_op())
    assert (found.outcome, found.rules) == ("blocked", ("B101",))
    assert "OpOfNobody" in found.reason
    assert result(found, "plan.json")["outcome"] == "blocked"


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    found = made(tmp_path, None)
    assert (found.outcome, found.cause) == ("failed", "missing_source")
    assert (Path(found.dest) / "log.txt").exists()


def test_what_is_no_model_is_bad_input(tmp_path: Path) -> None:
    found = made(tmp_path, b"hello, world\n" * 100)
    assert (found.outcome, found.cause) == ("failed", "bad_input")


def test_an_option_that_the_model_does_not_bear_is_no_fault_of_its_file(tmp_path: Path) -> None:
    found = made(tmp_path, sound(), outputs=("y_of_another:0",))
    assert (found.outcome, found.cause) == ("failed", "error")
    assert "y_of_another" in found.reason


def test_open_endpoints_need_a_decision_with_candidates(tmp_path: Path) -> None:
    found = made(tmp_path, sample("tf1.15.5/two_towers").file.read_bytes())
    assert (found.outcome, found.cause, found.readiness) == ("needs_decision", "", "needs_you")
    assert found.decision is not None
    assert found.decision["kind"] == "endpoints"
    assert {"inputs", "outputs"} == set(found.decision["candidates"])
    assert found.decision["options"]
    assert result(found, "plan.json")["options"] == found.decision["options"]


def test_where_only_a_switch_is_open_its_value_is_what_is_asked_for(tmp_path: Path) -> None:
    found = made(tmp_path, sample("tf1.15.5/keep_prob").file.read_bytes())
    assert found.outcome == "needs_decision"
    assert found.decision is not None
    assert found.decision["kind"] == "feeds"
    assert any(text.startswith("--feed keep_prob") for text in found.decision["options"])


def test_weights_that_are_nowhere_are_told_before_any_question(tmp_path: Path) -> None:
    nodes = [
        placeholder("x"),
        op("training", "Placeholder", dtype=wire.B, shape=wire.Dims(())),
        op("w", "VariableV2", dtype=wire.F, shape=wire.Dims((4,))),
        op("y", "SomeOp", "x", "w", "training", T=wire.F),
    ]
    found = made(tmp_path, wire.graph(nodes))
    assert (found.outcome, found.rules, found.decision) == ("blocked", ("B201",), None)
    assert "no checkpoint lies beside the graph" in found.reason


def test_a_choice_of_meta_graphs_names_them(tmp_path: Path) -> None:
    metas = [wire.meta_graph(sound(), tags) for tags in (["train"], ["predict", "gpu"])]
    found = made(tmp_path, wire.saved_model(*metas))
    assert found.outcome == "needs_decision"
    assert found.decision is not None
    assert found.decision["kind"] == "tag_set"
    assert sorted(found.decision["candidates"]) == ["gpu,predict", "train"]


def test_of_names_without_end_an_outcome_holds_some(tmp_path: Path) -> None:
    tags = [f"{'t' * 30_000}{number}" for number in range(20)]
    found = made(tmp_path, wire.saved_model(*(wire.meta_graph(sound(), [tag]) for tag in tags)))
    assert found.decision is not None
    assert found.decision["kind"] == "tag_set"
    assert 0 < len(found.decision["candidates"]) == len(found.decision["options"]) < 20
    assert set(found.decision["candidates"]) < set(tags)
    assert len(json.dumps(found.to_json())) < 1 << 20


def test_of_endpoints_with_names_too_long_an_outcome_holds_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "_LONGEST_NAME", 3)
    found = made(tmp_path, sample("tf1.15.5/two_towers").file.read_bytes())
    assert found.decision is not None
    assert found.decision["candidates"] == {"inputs": [], "outputs": []}


def test_an_older_result_is_replaced_whole(tmp_path: Path) -> None:
    first = made(tmp_path, sound())
    (Path(first.dest) / "of_yesterday").touch()
    second = made(tmp_path, truncated())
    assert second.dest == first.dest
    assert not (Path(second.dest) / "of_yesterday").exists()
    assert not (Path(second.dest) / "plan.json").exists()


def test_a_folder_of_somebody_else_stays(tmp_path: Path) -> None:
    mine = tmp_path / "out" / "model" / "thesis.txt"
    mine.parent.mkdir(parents=True)
    mine.touch()
    found = made(tmp_path, sound())
    assert (found.outcome, found.cause) == ("failed", "storage")
    assert "not the result of a batch" in found.reason
    assert mine.exists()


def test_a_destination_that_takes_no_more_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("migrator.batching.job.steps.Job._write", full)
    found = made(tmp_path, sound())
    assert (found.outcome, found.cause) == ("failed", "storage")


def test_a_fault_of_our_own_is_one_models_failure_with_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr("migrator.batching.job.steps.Job._plan", broken)
    found = made(tmp_path, sound())
    assert (found.outcome, found.cause, found.reason) == ("failed", "error", "KeyError: 'oops'")
    assert "Traceback" in (Path(found.dest) / "log.txt").read_text()


def test_a_page_that_cannot_be_drawn_takes_nothing_from_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> str:
        raise ValueError("no")

    monkeypatch.setattr("migrator.report.html_batch_model.batch_model_html", broken)
    found = made(tmp_path, sound())
    assert found.outcome == "done"
    assert "cannot be drawn" in (Path(found.dest) / "log.txt").read_text()


def test_the_task_function_takes_and_gives_plain_data(tmp_path: Path) -> None:
    source = tmp_path / "model.pb"
    source.write_bytes(sound())
    task = Task(name="m", source=str(source), dest=str(tmp_path / "out" / "m"), steps=STEPS)
    found = json.loads(json.dumps(run_task(json.loads(json.dumps(task.to_json())))))
    assert found["outcome"] == "done"
    assert found["fingerprint"] == replace(task).fingerprint


# --- what is not run where nobody looks on

ALL = ("inspect", "audit", "plan", "migrate", "verify")
ATTACKS = FIXTURES / "attacks" / "tf2.21.0"


@pytest.fixture
def migrated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that came as far as being migrated; none is."""
    found: list[str] = []

    def migrate(path: str, made: Path, **options: object) -> None:
        found.append(path)
        raise MigratorError("far enough")

    monkeypatch.setattr("migrator.actions.migrate.migrate", migrate)
    return found


@pytest.mark.parametrize("kind", ["write", "network", "process"])
@pytest.mark.parametrize("steps", [ALL, ("migrate",)], ids=["all", "migrate"])
def test_a_model_that_acts_is_blocked_before_it_runs(
    kind: str, steps: tuple[str, ...], tmp_path: Path, migrated: list[str]
) -> None:
    found = made(tmp_path, (ATTACKS / "frozen" / f"{kind}.pb").read_bytes(), steps=steps)
    assert (found.outcome, found.verdict) == ("blocked", "")
    assert found.rules and all(code.startswith("S") for code in found.rules)
    assert "--trust" in found.reason
    assert not migrated


def test_one_that_acts_when_it_is_loaded_is_blocked_too(
    tmp_path: Path, migrated: list[str]
) -> None:
    source = ATTACKS / "load" / "write"
    told = Task(name="load", source=str(source), dest=str(tmp_path / "out/load"), steps=ALL)
    found = run(told)
    assert found.outcome == "blocked" and not migrated


def test_who_is_trusted_runs(tmp_path: Path, migrated: list[str]) -> None:
    data = (ATTACKS / "frozen" / "write.pb").read_bytes()
    ends = {"outputs": ("WriteFile",)}
    found = made(tmp_path, data, steps=("migrate",), trust=True, **ends)
    assert not [code for code in found.rules if code.startswith("S")]


def test_looking_at_one_that_acts_is_no_harm(tmp_path: Path) -> None:
    found = made(tmp_path, (ATTACKS / "frozen" / "write.pb").read_bytes())
    assert not [code for code in found.rules if code.startswith("S")]
    assert result(found, "audit.json")["findings"]


def test_one_that_only_reads_files_may_run(tmp_path: Path, migrated: list[str]) -> None:
    found = made(tmp_path, (ATTACKS / "frozen" / "read.pb").read_bytes(), steps=("migrate",))
    assert migrated and not found.rules


# --- names


def test_a_file_whose_name_is_no_text_is_done_like_any_other(tmp_path: Path) -> None:
    source = tmp_path / os.fsdecode(b"a\xffb\x1b[31m.pb")
    source.write_bytes(sound())
    told = Task(name="odd", source=str(source), dest=str(tmp_path / "out/odd"), steps=STEPS)
    found = run(told)
    assert found.outcome == "done"
    log = (Path(found.dest) / "log.txt").read_text(encoding="utf-8")
    assert not [char for char in log if not char.isprintable() and char != "\n"]
