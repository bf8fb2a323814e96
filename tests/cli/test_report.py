"""``migrator report``: saved comparisons and summaries, drawn again (audits: ``test_explain``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from migrator.report.saved import flaw
from tests.commands import run
from tests.corpus import sample

PAIRS = {
    "graphs": [sample(f"tf1.15.5/{name}").path for name in ("mlp", "conv_bn")],
    "equal": [sample("tf1.15.5/mlp").path] * 2,
    "saved models": [sample(f"tf{it}/sm_variables").path for it in ("1.4.1", "1.15.5")],
    "checkpoints": [
        sample(f"tf{it}/sm_variables").path / "variables" / "variables"
        for it in ("1.4.1", "1.15.5")
    ],
}
Capture = pytest.CaptureFixture[str]
Json = dict[str, Any]


@pytest.fixture
def saved(capsys: Capture, tmp_path: Path) -> Json:
    return made(capsys, tmp_path, "saved models")


def made(capsys: Capture, folder: Path, name: str) -> Json:
    path = folder / "result.json"
    run(capsys, "diff", *PAIRS[name], "--format", "json", "--overwrite", "-o", path)
    found: Json = json.loads(path.read_text())
    return found


def again(capsys: Capture, folder: Path, result: object, form: str) -> Any:
    path = folder / "changed.json"
    path.write_text(json.dumps(result))
    return run(capsys, "report", path, "--format", form)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_a_saved_comparison_is_drawn_as_diff_draws_it(
    name: str, form: str, capsys: Capture, tmp_path: Path
) -> None:
    result = made(capsys, tmp_path, name)
    done = again(capsys, tmp_path, result, form)
    assert (done.code, done.err) == (0, "")
    assert done.out == run(capsys, "diff", *PAIRS[name], "--format", form).out


@pytest.mark.parametrize("name", PAIRS)
def test_the_page_of_a_saved_comparison_says_how_to_get_a_picture(
    name: str, capsys: Capture, tmp_path: Path
) -> None:
    done = again(capsys, tmp_path, made(capsys, tmp_path, name), "html")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("<!doctype html>")
    assert '"scenes":[]' in done.out
    assert ("LEFT RIGHT --format html" in done.out) == (name != "checkpoints")


def test_a_saved_summary_is_a_page(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "inspect.json"
    run(capsys, "inspect", PAIRS["graphs"][0], "--format", "json", "-o", path)
    done = run(capsys, "report", path, "-o", tmp_path / "page.html")
    assert (done.code, done.out, done.err) == (0, "", "")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "inspect MODEL --format html" in page
    assert '"schema":"migrator.inspect/1"' in page


def test_several_summaries_are_no_page(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "inspect.json"
    run(capsys, "inspect", *PAIRS["graphs"], "--format", "json", "-o", path)
    done = run(capsys, "report", path, "--format", "html")
    assert done.code == 2
    assert "holds 2 models" in done.err


def test_a_format_that_the_verb_does_not_have_is_named_with_those_that_it_has(
    saved: Json, capsys: Capture, tmp_path: Path
) -> None:
    done = again(capsys, tmp_path, saved, "sarif")
    assert (done.code, done.out) == (2, "")
    assert "result of migrator diff is not drawn as sarif" in done.err
    assert "text, html, markdown, json" in done.err


def test_the_name_of_the_file_chooses_markdown(
    saved: Json, capsys: Capture, tmp_path: Path
) -> None:
    (tmp_path / "saved.json").write_text(json.dumps(saved))
    assert run(capsys, "report", tmp_path / "saved.json", "-o", tmp_path / "a.md").code == 0
    assert (tmp_path / "a.md").read_text("utf-8").startswith("### ")


@pytest.mark.parametrize("form", ["text", "markdown", "html", "json"])
@pytest.mark.parametrize("value", [None, 3, "x", [3], {"a": 3}, [[]], [{}], True], ids=str)
def test_a_part_of_another_kind_is_one_clear_error(
    value: object, form: str, saved: Json, capsys: Capture, tmp_path: Path
) -> None:
    for key in ("left", "nodes", "scopes", "weights", "counts", "headline", "summary", "others"):
        done = again(capsys, tmp_path, {**saved, key: value}, form)
        if value == {"a": 3} and key == "counts":
            assert done.code == 0
            continue
        assert (done.code, done.out) == (2, ""), (key, value)
        assert "is no whole result of migrator diff: " in done.err
        assert len(done.err.splitlines()) == 1


def test_the_error_names_the_place(saved: Json) -> None:
    assert flaw(saved, "diff") == ""
    assert flaw({**saved, "nodes": [{"kind": "added"}]}, "diff") == "nodes[0] lacks 'left'"
    saved["nodes"][0]["confidence"] = "high"
    assert flaw(saved, "diff") == "nodes[0].confidence is not a number"
    assert flaw({**saved, "nodes": []}, "diff") == ""
    assert flaw([], "diff") == "the result is not an object"


def test_deep_and_endless_values_are_no_crash(saved: Json, capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    for deep in ("[" * 900 + "]" * 900, '{"a":' * 900 + "1" + "}" * 900, "9" * 4000, "1e999"):
        change = {"field": "attr a", "left": "@", "right": None}
        text = json.dumps({**saved, "others": [change], "nodes": []})
        path.write_text(text.replace('"@"', deep))
        for form in ("text", "markdown", "html", "json"):
            done = run(capsys, "report", path, "--format", form)
            assert done.code in (0, 2), done.err
            assert "Traceback" not in done.err


def test_lone_surrogates_are_no_crash(saved: Json, capsys: Capture, tmp_path: Path) -> None:
    saved["left"]["path"] = "\ud800"
    for form in ("text", "markdown", "html", "json"):
        done = again(capsys, tmp_path, saved, form)
        assert (done.code, done.err) == (0, ""), form
        done.out.encode()


def test_every_schema_takes_what_its_verb_makes(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    for verb, *words in (
        ("inspect", PAIRS["graphs"][0]),
        ("inspect", *PAIRS["saved models"]),
        ("inspect", PAIRS["checkpoints"][0]),
        ("audit", *PAIRS["graphs"]),
    ):
        run(capsys, verb, *words, "--format", "json", "-o", path, "--overwrite")
        found = json.loads(path.read_text())
        assert flaw(found, verb) == ""
        for key in list(found):
            if key not in ("schema", "migrator", "warnings"):
                wrong = flaw({**found, key: 3.5}, verb)
                assert wrong.startswith(key) or not wrong


# --- batches


@pytest.fixture
def batch(capsys: Capture, tmp_path: Path) -> Path:
    """batch.json of two models, one of them damaged."""
    whole = sample("tf1.15.5/mlp").file.read_bytes()
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "whole.pb").write_bytes(whole)
    (tmp_path / "zoo" / "cut.pb").write_bytes(whole[:-20])
    run(capsys, "batch", tmp_path / "zoo", "--dest", tmp_path / "out", "--steps", "inspect", "-q")
    return tmp_path / "out" / "batch.json"


@pytest.mark.parametrize(("form", "name"), [("csv", "batch.csv"), ("html", "index.html")])
def test_a_batch_is_drawn_again_as_the_run_drew_it(
    form: str, name: str, batch: Path, capsys: Capture
) -> None:
    again = batch.parent / f"again.{form}"
    done = run(capsys, "report", batch, "-o", again)
    assert (done.code, done.err) == (0, "")
    assert again.read_text() == (batch.parent / name).read_text()


@pytest.mark.parametrize(("form", "name"), [("csv", "batch.csv"), ("html", "index.html")])
def test_models_of_a_batch_come_by_name_whichever_ended_first(
    form: str, name: str, capsys: Capture, tmp_path: Path
) -> None:
    zoo, out = tmp_path / "zoo", tmp_path / "out"
    zoo.mkdir()
    whole = sample("tf1.15.5/mlp").file.read_bytes()
    for file, data in (("b.pb", whole), ("a.pb", whole[:-20])):  # of two readiness values
        (zoo / file).write_bytes(data)
        run(capsys, "batch", zoo, "--dest", out, "--steps", "inspect", "-q")
    again = out / f"again.{form}"
    assert run(capsys, "report", out / "batch.json", "-o", again).code == 0
    assert again.read_text() == (out / name).read_text()


def test_a_batch_as_text_says_what_is_done_and_what_is_not(batch: Path, capsys: Capture) -> None:
    done = run(capsys, "report", batch)
    assert done.code == 0
    assert "1 of 2 models done" in done.out
    assert "cut" in done.out.partition("Failed")[2]


def test_a_batch_s_page_elsewhere_links_to_where_the_models_pages_are(
    batch: Path, capsys: Capture, tmp_path: Path
) -> None:
    (tmp_path / "web").mkdir()
    page = tmp_path / "web" / "page.html"
    assert run(capsys, "report", batch, "-o", page).code == 0
    assert '"pages": "../out/"' in page.read_text().replace('":"', '": "')
    printed = run(capsys, "report", batch, "--format", "html").out
    assert '"pages": null' in printed.replace('":null', '": null')


def test_a_batch_with_a_part_of_another_kind_is_named(batch: Path, capsys: Capture) -> None:
    result = json.loads(batch.read_text())
    result["models"][1]["seconds"] = 3
    done = again(capsys, batch.parent, result, "html")
    assert done.code == 2
    assert "models[1].seconds is not an object" in done.err
