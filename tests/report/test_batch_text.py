"""A batch as text: what became of the models, what was left out, how to go on."""

from __future__ import annotations

from typing import Any

import pytest

from migrator.report.batch_left_out import kind_of, left_out
from migrator.report.batch_parts import tflite_of
from migrator.report.html_batch import batch_html
from migrator.report.text_batch import batch_text
from tests.batch import made
from tests.batch.made import HOSTILE
from tests.report.batches import ZOO, Json, page_data, result
from tests.report.test_html_audit import Page


def test_text_tells_outcomes_reasons_and_how_to_go_on() -> None:
    models = [
        *(made.outcome(f"d{n}") for n in range(3)),
        made.outcome("t", verdict="within_tolerance"),
        made.needs_decision("n"),
        made.blocked("b"),
        made.failed("f", "timeout"),
        made.failed("g", "timeout"),
    ]
    text = batch_text(result(models, ran=8, seconds=120.0), page="/srv/out/index.html")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "4 of 8 models done, 4 not."
    assert lines[1].startswith("2 min 0 s with 4 jobs, 4.0 models a minute; ")
    assert "3 Bit for bit the same" in lines
    assert "1 The same within tolerance" in lines
    assert "1 Which tensors are the inputs and outputs: n" in lines
    assert "1 Unknown op (B101): b" in lines
    assert "2 Out of time: f, g" in lines
    assert "migrator batch decided.yaml --dest /srv/out" in lines
    assert "migrator batch /srv/zoo --dest /srv/out --retry failed" in lines
    text = batch_text(result(models, kept=40, others=2))
    assert "; 42 from before; " in text
    assert lines[-1] == "All of it: /srv/out/index.html"


@pytest.mark.parametrize(
    ("models", "run", "first"),
    [
        ([], {}, "No model was brought through."),
        ([made.outcome("a")], {}, "1 model, done."),
        ([made.outcome("a"), made.outcome("b")], {}, "All of 2 models done."),
        (
            [made.outcome("a")],
            {"interrupted": True, "unfinished": 7},
            "1 model, done. Interrupted with 7 to go.",
        ),
        (
            [made.failed("a")],
            {"unfinished": 1200},
            "0 of 1 model done, 1 not. 1,200 more were not begun.",
        ),
    ],
)
def test_first_line_says_how_it_ended(models: list[Json], run: Json, first: str) -> None:
    assert batch_text(result(models, **run)).splitlines()[0] == first


def test_text_of_a_large_batch_stays_short_and_harmless() -> None:
    models = [{**made.failed(f"x{n}"), "cause": f"cause {n}"} for n in range(500)]
    text = batch_text(result([*ZOO, *models]))
    assert len(text.splitlines()) < 60
    assert not [char for char in text if not char.isprintable() and char != "\n"]
    assert max(map(len, text.splitlines())) <= 130
    assert "for 500 more reasons" in text


def test_color_only_where_it_is_asked_for() -> None:
    assert "\x1b[31m" in batch_text(result([made.blocked("b")]), color=True)
    assert "\x1b" not in batch_text(result())


def test_sources_of_the_command_are_quoted_for_a_shell() -> None:
    text = batch_text(result([made.failed("f")], sources=["my zoo"], dest="o;rm"))
    assert "migrator batch 'my zoo' --dest 'o;rm' --retry failed" in text


SKIPPED = {
    "phone/k.tflite": "is a TFLite model already",
    "phone/l.tflite": "is a TFLite model already",
    "a/graph.pbtxt": "is a graph as text, which is not read",
    "a/w.index": "is weights without a graph",
    "a/labels.pbtxt": "is a text file, starting 'x'; a model is binary",
    "b/secret": "cannot be opened: Permission denied",
    "old": "holds the results of a batch",
    "odd": "is a fish; not a model",
}
LEFT_OUT = [{"source": source, "reason": reason} for source, reason in SKIPPED.items()]


def test_text_tells_what_was_left_out_by_kind() -> None:
    run = {"skipped": LEFT_OUT[:4], "left_out": 4}
    text = batch_text(result([made.outcome("a")], **run), page="index.html")
    line = "4 left out: 2 TFLite, 1 text graph, 1 file of weights alone; the page names them"
    assert line in text.splitlines()
    assert "left out" not in batch_text(result([made.outcome("a")], skipped=[], left_out=0))
    text = batch_text(result([], skipped=LEFT_OUT, left_out=1200))
    assert "1,200 left out: 2 TFLite, 1 text graph" in text and "1,193 more;" in " ".join(
        text.split()
    )
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("reason", [*HOSTILE, "", "x" * 5000, "is a", ": ; ,"])
def test_any_reason_has_a_short_kind(reason: str) -> None:
    kind = kind_of(reason)
    assert 0 < len(kind) <= 60 and kind.isprintable()


@pytest.mark.parametrize("told", [None, -7, "x", [7, None, {}], {"a": 1}, [{"reason": "x"}]])
def test_damaged_lists_of_what_was_left_out_are_taken_as_they_are(told: Any) -> None:
    assert left_out({"skipped": told, "left_out": told}).line() == ""
    assert Page(batch_html(result([], skipped=told))).elements


def test_page_names_what_was_left_out_and_stays_bounded() -> None:
    many = [{"source": "s" * 9000, "reason": f"{n} {'r' * 9000}"} for n in range(5000)]
    text = batch_html(result([], skipped=many, left_out=5000))
    told = page_data(text)["left_out"]
    assert told["count"] == 5000 and len(told["files"]) == 1000
    assert len(text) < 2_000_000
    page = batch_html(result([made.outcome("a")], skipped=LEFT_OUT, left_out=8))
    files = [row[0] for row in page_data(page)["left_out"]["files"]]
    assert files == [*SKIPPED]
    assert "8 left out: 2 TFLite" in page.partition("<noscript>")[2].partition("</noscript>")[0]


def tflite(outcome: str, verdict: str = "not_run", **more: Any) -> Json:
    return {"outcome": outcome, "bytes": 1000, "verdict": verdict, **more}


@pytest.mark.parametrize(
    ("told", "state"),
    [
        (None, ""),
        ("text", ""),
        (tflite("converted", "bitwise"), "bitwise"),
        (tflite("converted", "within_tolerance"), "within_tolerance"),
        (tflite("converted"), "converted"),
        (tflite("converted_unverified"), "unverified"),
        (tflite("failed", "mismatch"), "failed"),
        (tflite("other"), "other"),
    ],
)
def test_a_conversion_is_told_by_outcome_and_verdict(told: Any, state: str) -> None:
    assert tflite_of({"tflite": told}) == state


def test_text_tells_what_became_of_conversions() -> None:
    models = [
        *(made.outcome(f"u{n}", tflite=tflite("converted_unverified")) for n in range(7)),
        made.outcome("w", tflite=tflite("converted", "within_tolerance")),
    ]
    lines = batch_text(result(models)).splitlines()
    assert (
        "TFLite: 7 converted, but not compared, 1 the same within tolerance (8.0 kB); "
        "the models' pages say why"
    ) in lines
    assert "TFLite" not in batch_text(result([made.outcome("a")]))


@pytest.mark.parametrize(
    ("steps", "word"),
    [
        (["inspect"], "Inspected"),
        (["inspect", "audit"], "Audited"),
        (["inspect", "audit", "plan"], "Planned"),
        (["tflite"], "TFLite alone"),
        (["inspect", "audit", "plan", "migrate"], "Not verified"),
    ],
)
def test_what_was_not_asked_for_is_not_missed(steps: list[str], word: str) -> None:
    seconds = dict.fromkeys(steps, 0.0)
    size = 7 if "migrate" in steps else 0
    for told in (steps, []):  # by what was asked for, or else by what took time
        model = made.outcome("a", verdict="", seconds=seconds, result_bytes=size, steps=told)
        text = batch_text(result([model]))
        assert f"   1 {word}" in text.splitlines()
        found = page_data(batch_html(result([model])))
        status = found["statuses"][found["models"]["status"][0]]
        assert (status, word) == ("done", "Not verified") or found["looked"] == word


def test_page_marks_models_of_earlier_runs() -> None:
    finished = ["2025-01-01T00:00:00.5+00:00", made.stamp(-1), made.stamp(3), "", "soon", None]
    models = [made.outcome(f"m{n}", finished=text) for n, text in enumerate(finished)]
    told = page_data(batch_html(result(models)))["models"]["earlier"]
    assert told == [1, 1, 0, 0, 0, 0]
    assert not any(page_data(batch_html(result(models, started="")))["models"]["earlier"])
