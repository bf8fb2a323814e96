"""``migrator explain`` and ``migrator report``."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from migrator.auditing.facts.blocker_codes import RULE_CODES
from migrator.auditing.registry import all_rules
from tests.commands import run
from tests.corpus import sample
from tests.schemas import parsed

Capture = pytest.CaptureFixture[str]


def test_a_rule_is_explained_by_code_and_by_name(capsys: Capture) -> None:
    for rule in all_rules():
        done = run(capsys, "explain", rule.code.lower())
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith(f"{rule.code} {rule.name}")
        for head in rule.sections:
            assert head in done.out
        assert run(capsys, "explain", rule.name) == done


@pytest.mark.parametrize("code", RULE_CODES)
def test_the_blockers_of_a_plan_are_explained(code: str, capsys: Capture) -> None:
    done = run(capsys, "explain", code)
    assert done.code == 0
    assert done.out.startswith(RULE_CODES[code])


def test_all_rules_are_listed(capsys: Capture) -> None:
    done = run(capsys, "explain")
    assert (done.code, done.err) == (0, "")
    for rule in all_rules():
        assert rule.code in done.out
    family = run(capsys, "explain", "health").out
    assert "H101" in family
    assert "S101" not in family


def test_rules_come_as_json_and_markdown(capsys: Capture) -> None:
    found = parsed(run(capsys, "explain", "--format", "json").out)
    assert set(found["rules"]) == {rule.code for rule in all_rules()}
    one = parsed(run(capsys, "explain", "S101", "--format", "json").out)
    assert set(one["rules"]) == {"S101"}
    assert run(capsys, "explain", "--format", "markdown").out.startswith("# ")


@pytest.mark.parametrize("word", ["S10l", "python-functoin", "unknown_opp", "healt"])
def test_an_unknown_rule_is_refused_with_the_nearest(word: str, capsys: Capture) -> None:
    done = run(capsys, "explain", word)
    assert (done.code, done.out) == (2, "")
    assert "did you mean" in done.err


def saved(capsys: Capture, folder: Path) -> Path:
    path = folder / "result.json"
    models = [sample(f"tf1.15.5/{name}").path for name in ("mlp", "sm_table")]
    assert run(capsys, "audit", *models, "--format", "json", "-o", path).code == 0
    return path


@pytest.mark.parametrize("form", ["text", "html", "sarif", "json"])
def test_a_saved_result_is_drawn_as_the_audit_draws_it(
    form: str, capsys: Capture, tmp_path: Path
) -> None:
    path = saved(capsys, tmp_path)
    models = [sample(f"tf1.15.5/{name}").path for name in ("mlp", "sm_table")]
    first = run(capsys, "audit", *models, "--format", form)
    again = run(capsys, "report", path, "--format", form)
    assert (again.code, again.err) == (0, "")
    assert again.out == first.out


def test_the_name_of_the_page_says_what_to_draw(capsys: Capture, tmp_path: Path) -> None:
    path = saved(capsys, tmp_path)
    for name, start in (("a.html", "<!doctype"), ("a.sarif", "{"), ("a.txt", "")):
        assert run(capsys, "report", path, "-o", tmp_path / name).code == 0
        assert (tmp_path / name).read_text(encoding="utf-8").lower().startswith(start)
    assert run(capsys, "report", path, "-o", tmp_path / "a.html").code == 2


def test_a_result_comes_from_standard_input(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = saved(capsys, tmp_path).read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert "2 models" in run(capsys, "report", "-").out


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is no result of migrator"),
        ("{}", "is no result of migrator"),
        ('{"schema": "migrator.verify/1"}', "migrator.verify/1"),
        ('{"schema": "migrator.audit/2"}', "did you mean migrator.audit/1"),
        ('{"schema": "migrator.audit/1"}', "is no whole result"),
        ('{"schema": "migrator.audit/1", "models": 3, "findings": [1]}', "is no whole result"),
    ],
)
@pytest.mark.parametrize("form", ["text", "html", "sarif"])
def test_what_is_no_result_is_refused(
    data: str, why: str, form: str, capsys: Capture, tmp_path: Path
) -> None:
    path = tmp_path / "result.json"
    path.write_text(data)
    done = run(capsys, "report", path, "--format", form)
    assert (done.code, done.out) == (2, "")
    assert why in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("key", ["models", "findings", "skipped", "rules", "summary"])
@pytest.mark.parametrize("value", [None, 3, "x", [3], {"a": 3}], ids=str)
@pytest.mark.parametrize("form", ["text", "html", "sarif"])
def test_a_result_with_a_part_of_another_kind_is_no_crash(
    key: str, value: object, form: str, capsys: Capture, tmp_path: Path
) -> None:
    path = saved(capsys, tmp_path)
    found = json.loads(path.read_text())
    found[key] = value
    path.write_text(json.dumps(found))
    assert run(capsys, "report", path, "--format", form).code in (0, 2)
