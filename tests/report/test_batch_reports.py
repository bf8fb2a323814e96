"""A batch as JSON, CSV, text and HTML: nothing lost, nothing invented, nothing in a name acts."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, overload

import pytest

from migrator.batching.executors.local import LocalExecutor
from migrator.batching.manifest.entry import task_arguments
from migrator.batching.manifest.faults import Faults
from migrator.batching.manifest.planning import plan_manifest
from migrator.batching.manifest.reading import read_drafts
from migrator.batching.manifest.sources import read_entries
from migrator.batching.run.batch import batch
from migrator.batching.task import Outcome, outcome_from_json
from migrator.report.batch_entry import candidates, entry, entry_lines
from migrator.report.batch_left_out import kind_of, left_out
from migrator.report.batch_parts import OUTCOMES, tflite_of
from migrator.report.csv_batch import COLUMNS, batch_csv
from migrator.report.html_batch import batch_html
from migrator.report.html_batch_model import MOST_SCENE, batch_model_html
from migrator.report.json_batch import batch_chunks, batch_result
from migrator.report.text_batch import batch_text
from tests.batch import made
from tests.batch.made import HOSTILE, RUN
from tests.corpus import FIXTURES
from tests.report.test_html_audit import Page
from tests.schemas import schema, validate

Json = dict[str, Any]
ZOO = made.zoo(600)


def result(models: Sequence[Json] = ZOO, **run: Any) -> Json:
    return batch_result(models, run={**RUN, **run})


# ---- JSON


def test_made_outcomes_are_what_the_batch_writes() -> None:
    assert set(made.outcome("a")) == {item.name for item in fields(Outcome)}
    for item in (made.outcome("a"), made.needs_decision("b"), made.blocked("c"), made.failed("d")):
        assert outcome_from_json(item).to_json() == item


def test_results_and_models_validate() -> None:
    validate(result())
    for model in ZOO:
        validate(model)
    validate(result([]))


def test_both_schemas_say_the_same_of_a_model() -> None:
    whole, one = schema("batch")["$defs"]["model"], schema("batch-model")
    assert whole == {key: one[key] for key in whole}


@pytest.mark.parametrize(
    "wrong",
    [
        made.outcome("a", cause="error"),
        made.outcome("a", outcome="finished"),
        {**made.needs_decision("a"), "decision": None},
        made.failed("a", reason=""),
        made.outcome("a", source_bytes=-1),
    ],
)
def test_outcomes_that_contradict_themselves_do_not_validate(wrong: Json) -> None:
    with pytest.raises(AssertionError):
        validate(wrong)


def test_latest_outcome_of_a_name_counts_and_names_are_in_order() -> None:
    lines = [made.failed("b"), made.outcome("c"), made.failed("a"), made.outcome("b")]
    found = result(lines)
    assert [item["name"] for item in found["models"]] == ["a", "b", "c"]
    assert found["totals"]["outcome"] == {**dict.fromkeys(OUTCOMES, 0), "done": 2, "failed": 1}
    assert found["totals"]["cause"] == {"error": 1}


def test_totals_are_those_of_the_models() -> None:
    totals = result()["totals"]
    assert totals["models"] == len(ZOO) == sum(totals["outcome"].values())
    assert totals["outcome"] == {key: sum(m["outcome"] == key for m in ZOO) for key in OUTCOMES}
    assert totals["cause"] == Counter(m["cause"] for m in ZOO if m["outcome"] == "failed")
    kinds = Counter(m["decision"]["kind"] for m in ZOO if m["decision"])
    assert totals["decision"] == kinds
    assert totals["bytes"]["source"] == sum(m["source_bytes"] for m in ZOO)
    assert totals["bytes"]["results"] == sum(m["result_bytes"] for m in ZOO)
    done = [m for m in ZOO if m["outcome"] == "done"]
    assert totals["bytes"]["source_of_results"] == sum(m["source_bytes"] for m in done)
    spent = sum(sum(m["seconds"].values()) for m in ZOO)
    assert totals["seconds"]["total"] == pytest.approx(spent, abs=0.01)
    assert totals["tried_again"] == sum(m["attempts"] > 1 for m in ZOO)
    assert totals["findings"]["low"] == sum(m["findings"]["low"] for m in ZOO)


def test_text_in_pieces_is_the_result_with_a_line_a_model() -> None:
    text = "".join(batch_chunks(ZOO, run=RUN))
    assert json.loads(text) == result()
    assert sum('"name":' in line for line in text.splitlines()) == len(ZOO)
    assert text.isascii()


def test_number_that_json_does_not_know_costs_no_result() -> None:
    odd = made.outcome("a", seconds={"migrate": float("nan")})
    text = "".join(batch_chunks([odd], run=RUN))
    assert json.loads(text, parse_constant=pytest.fail)["totals"]["seconds"]["total"] == 0


class OnDemand(Sequence[Json]):
    """Outcomes that are made when asked for, as read from a file; how many live at most."""

    class Kept(dict[str, Any]):
        alive = 0
        most = 0

        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            OnDemand.Kept.alive += 1
            OnDemand.Kept.most = max(OnDemand.Kept.most, OnDemand.Kept.alive)

        def __del__(self) -> None:
            OnDemand.Kept.alive -= 1

    def __len__(self) -> int:
        return 300

    @overload
    def __getitem__(self, at: int) -> Json: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Json]: ...
    def __getitem__(self, at: int | slice) -> Any:
        if not isinstance(at, int) or not 0 <= at < len(self):
            raise IndexError
        return self.Kept(made.outcome(f"m{at:03}"))


def test_writing_and_drawing_hold_few_outcomes_at_a_time() -> None:
    models = OnDemand()
    OnDemand.Kept.most = 0
    assert sum(map(len, batch_chunks(models, run=RUN))) > 100_000
    assert "m299" in batch_html({**result([]), "models": models})
    assert 1 <= OnDemand.Kept.most <= 4


# ---- CSV


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_a_row_a_model_with_its_numbers() -> None:
    models = [
        made.outcome("a", tflite={"outcome": "converted", "bytes": 5, "verdict": "bitwise"}),
        made.blocked("b"),
    ]
    first, second = rows(batch_csv(result(models)))
    assert tuple(first) == COLUMNS
    assert (first["name"], first["verdict"], first["source_bytes"]) == ("a", "bitwise", "1200000")
    assert float(first["seconds"]) == pytest.approx(0.78)
    assert (first["verify_seconds"], first["tflite_bytes"], first["low"]) == ("0.3", "5", "2")
    assert (second["outcome"], second["why"]) == ("blocked", "B101")


def test_no_cell_of_the_csv_begins_as_a_formula() -> None:
    starts = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
    spaced = [made.outcome(f"{lead}=1+1", reason=lead) for lead in (" ", "'", '"', "\t", "\u00a0")]
    text = batch_csv(result([*(made.failed(name, reason=name) for name in HOSTILE), *spaced]))
    found = rows(text)
    assert len(found) == len(HOSTILE) + len(spaced)
    for row in found:
        for cell in row.values():
            assert not cell.startswith(starts)
            assert (
                not re.search(rf"^[\s'\"]+[{re.escape(''.join(starts))}]", cell) or cell[0] == "'"
            )
    assert "'=1+1" in {row["name"] for row in found}


def test_semicolon_starts_no_formula_where_it_parts_the_cells() -> None:
    names = ["a;=1+1", 'b"; "=cmd|x', "c;@SUM(A1)", "plain;name"]
    text = batch_csv(result([made.outcome(name) for name in names]))
    for line in text.splitlines():
        for cell in line.split(";")[1:]:
            assert not cell.lstrip("\" '").startswith(("=", "+", "-", "@")) or "'" in cell[:4]
    assert "plain;name" in {row["name"] for row in rows(text)}


def test_csv_holds_no_control_character_but_its_line_ends() -> None:
    text = batch_csv(result())
    assert not [char for char in set(text) - {"\r", "\n"} if not char.isprintable()]
    assert text.count("\n") == len(ZOO) + 1


# ---- text


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
    told = data(text)["left_out"]
    assert told["count"] == 5000 and len(told["files"]) == 1000
    assert len(text) < 2_000_000
    page = batch_html(result([made.outcome("a")], skipped=LEFT_OUT, left_out=8))
    files = [row[0] for row in data(page)["left_out"]["files"]]
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
        found = data(batch_html(result([model])))
        status = found["statuses"][found["models"]["status"][0]]
        assert (status, word) == ("done", "Not verified") or found["looked"] == word


def test_page_marks_models_of_earlier_runs() -> None:
    finished = ["2025-01-01T00:00:00.5+00:00", made.stamp(-1), made.stamp(3), "", "soon", None]
    models = [made.outcome(f"m{n}", finished=text) for n, text in enumerate(finished)]
    told = data(batch_html(result(models)))["models"]["earlier"]
    assert told == [1, 1, 0, 0, 0, 0]
    assert not any(data(batch_html(result(models, started="")))["models"]["earlier"])


# ---- entries of a manifest


def read(text: str) -> Any:
    return pytest.importorskip("yaml").safe_load(text)


@pytest.mark.parametrize("name", HOSTILE)
def test_entries_hold_any_name_and_nothing_else(name: str) -> None:
    decision = {
        "options": ["--input image:0", "--output='x y:0'", "--feed t:0=false"],
        "candidates": sure("image:0", "x y:0", "t:0"),
    }
    found = read(entry(name, f"/a/{name}.pb", entry_lines(decision)))
    told = {"inputs": ["image:0"], "outputs": ["x y:0"], "feeds": None}
    assert found == [{"name": name, "source": f"/a/{name}.pb", **told}]


def sure(*tensors: str, score: float = 0.9) -> list[Json]:
    return [{"tensor": tensor, "score": score} for tensor in tensors]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_tensors_add_nothing_to_an_entry(name: str) -> None:
    asked = shlex.join(["--output", name])
    told = [{"tensor": name, "score": 0.9, "reasons": [name], "dtype": name}]
    for decision in ({"options": [asked], "candidates": told}, {"options": [asked, name]}):
        [found] = read(entry("n", "s", entry_lines(decision)))
        assert set(found) <= {"name", "source", "outputs"}
        assert found.get("outputs") in (None, [name], [f"{name}:0"])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ["--tag-set serve,gpu", "--tag-set train"],
            ['# tag_set: ["serve,gpu"]', '# tag_set: ["train"]'],
        ),
        (["--signature a", "--signature=b"], ['# signatures: ["a"]', '# signatures: ["b"]']),
        (["--input=-odd:0"], ["inputs:", '  # - "-odd:0"']),
        (["name them with --input"], ["# name them with --input"]),
        (["--output 'unclosed"], ["# --output 'unclosed"]),
        (["--output"], ["# --output"]),
        (["--weights auto"], ["# --weights auto"]),
    ],
)
def test_what_is_open_becomes_a_comment_to_take_in(options: list[str], told: list[str]) -> None:
    assert entry_lines({"options": options}) == told


def test_what_the_rules_are_sure_of_is_plain_and_each_tensor_stands_once() -> None:
    outputs = [*sure("score:0"), *sure("Mean:0", "score:0", score=0.45)]
    options = ["--input x:0", "--output score:0", "--output Mean:0", "--output score:0"]
    decision = {
        "kind": "endpoints",
        "candidates": {"inputs": sure("x:0"), "outputs": outputs},
        "options": options,
    }
    assert entry_lines(decision) == [
        "inputs:",
        '  # - "x:0"',  # other outputs may need others
        "outputs:",
        '  - "score:0"',
        '  # - "Mean:0"',
    ]
    assert [item.text for item in candidates(decision)] == ["x:0", "score:0", "Mean:0"]
    assert candidates(decision)[1].score == 0.9
    decision["options"] = ["--input x:0", "--output score:0", "--feed t:0=false"]
    assert entry_lines(decision) == [
        *("inputs:", '  - "x:0"', "outputs:", '  - "score:0"', "feeds:", '  # - "t:0=false"')
    ]


def test_more_options_than_an_entry_holds_are_counted() -> None:
    lines = entry_lines({"options": [f"--output t{n}:0" for n in range(100)]})
    assert len(lines) == 62
    assert lines[-1] == "# and 40 more"


def test_entry_of_every_fixture_that_needs_a_decision_reads_back(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    models = [item for item in planned(tmp_path) if item["outcome"] == "needs_decision"]
    assert len(models) > 5
    pasted = "".join(
        entry(item["name"], item["source"], entry_lines(item["decision"])) for item in models
    )
    for number, text in enumerate((pasted, pasted.replace("# - ", "- "))):
        file = tmp_path / f"decided{number}.yaml"
        file.write_text(f"models:\n{text}", "utf-8")
        found = read_entries([str(file)])
        assert [item.name for item in found] == [item["name"] for item in models]
    again = tmp_path / "again.yaml"
    again.write_text(plan_manifest([tmp_path / "decided0.yaml"], jobs=1), "utf-8")
    found = [*read_entries([str(again)]), *read_entries([str(tmp_path / "decided0.yaml")])]
    assert {item.name for item in found} == {item["name"] for item in models}
    known = {item.name: item for item in found}
    for item in models:
        options = item["decision"]["options"]
        for tensor in known[item["name"]].outputs:
            assert f"--output {tensor}" in options


def planned(folder: Path) -> Sequence[Json]:
    """Outcomes of all fixtures, planned."""
    with LocalExecutor(2, warm=False) as executor:
        sources = [FIXTURES / name for name in ("tf1.4.1", "tf1.15.5", "tf2.21.0")]
        steps = ("inspect", "plan")
        return batch(sources, folder / "out", steps=steps, executor=executor).models


def test_entries_are_read_back_as_a_manifest(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    faults = Faults()
    models = [made.needs_decision(f"team/{n}", item) for n, item in enumerate(made.DECISIONS)]
    pasted = "".join(
        entry(item["name"], item["source"], entry_lines(item["decision"])) for item in models
    )
    file = tmp_path / "decided.yaml"
    file.write_text(f"models:\n{pasted}", "utf-8")
    drafts = read_drafts(str(file), "yaml", faults, check=lambda key, path: "")
    faults.check()
    endpoints, tags, feeds = (task_arguments(draft.entry) for draft in drafts)
    assert endpoints["inputs"] == ("image:0",) and endpoints["outputs"] == ("probabilities:0",)
    assert not tags.get("tag_set") and not feeds.get("feeds")
    assert [draft.entry.source for draft in drafts] == [item["source"] for item in models]


# ---- HTML


def pages() -> Iterator[tuple[str, str]]:
    yield "zoo", batch_html(result())
    yield "empty", batch_html(result([]))
    for model in made.zoo(40):
        yield model["name"], batch_model_html(model, log=model["name"] * 3, files=("log.txt",))


@pytest.fixture(scope="module")
def drawn() -> list[tuple[str, Page]]:
    return [(name, Page(text)) for name, text in pages()]


def test_nothing_in_the_pages_loads_anything(drawn: list[tuple[str, Page]]) -> None:
    for _, page in drawn:
        tags = {tag for tag, _ in page.elements}
        assert not tags & {"iframe", "img", "object", "base", "form"}
        assert {attrs["href"] for tag, attrs in page.elements if "href" in attrs} == {"data:,"}
        for code in page.scripts:
            assert not re.search(r"https?:|fetch\(|XMLHttp|WebSocket|import\(|sendBeacon", code)
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", code)
            assert not re.search(r"\beval\(|new Function|DOMParser|setTimeout\(['\"`]", code)


def test_policy_names_each_script_and_style_and_nothing_else(drawn: list[tuple[str, Page]]) -> None:
    for _, page in drawn:
        assert page.policy["default-src"] == ["'none'"]
        assert page.policy["script-src"] == [_hash(code) for code in page.scripts]
        assert page.policy["style-src"] == [_hash(code) for code in page.inside["style"]]


def _hash(code: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


def test_names_add_no_element_to_a_page(drawn: list[tuple[str, Page]]) -> None:
    bad, good = (
        Counter(tag for tag, _ in Page(batch_html(result(models))).elements)
        for models in (made.zoo(len(HOSTILE)), made.zoo(len(HOSTILE), hostile=False))
    )
    assert bad == good
    ones = [page for name, page in drawn if name in HOSTILE]
    assert len(ones) == len(HOSTILE)
    counts = [Counter(tag for tag, _ in page.elements) for page in ones]
    assert all(count == counts[0] for count in counts)


def test_page_without_script_tells_counts_and_what_is_not_done() -> None:
    models = [made.outcome("fine"), made.failed("gone", "missing_source")]
    text = Page(batch_html(result(models))).text
    assert "gone" in text and "no such file" in text and "The source is not there" in text
    assert "Failed" in text


def test_page_of_many_models_is_small() -> None:
    five, ten = (len(batch_html(result(made.zoo(n, hostile=False)))) for n in (1000, 2000))
    assert ten - five < 250 * 1000  # bytes of a thousand models


DAMAGED: list[Any] = [
    {},
    {"models": None, "totals": 3, "run": []},
    {"models": [1, None, "x", [], {}]},
    {"models": {"a": 1}},
    {"models": [{"name": 3, "outcome": [], "seconds": 7, "findings": "x", "decision": 1}]},
    {"models": [{"outcome": "needs_decision", "decision": {"candidates": {"a": 1}, "options": 2}}]},
    {"models": [{"outcome": "failed", "cause": ["x"], "seconds": {"migrate": 1e400, "a": -1}}]},
    {"models": [{"outcome": "blocked", "rules": [7], "reason": None, "tflite": []}]},
    {"totals": {"seconds": {"total": "x"}, "bytes": {"results": "y"}}, "run": {"sources": [None]}},
]


@pytest.mark.parametrize("damaged", DAMAGED)
def test_damaged_results_are_drawn_as_far_as_they_go(damaged: Json) -> None:
    assert Page(batch_html(damaged)).elements
    assert batch_text(damaged)
    assert batch_csv(damaged).startswith('"name"')
    assert Page(
        batch_html({**damaged, "run": {"skipped": [damaged], "left_out": damaged}})
    ).elements
    for model in damaged.get("models") or ():
        if isinstance(model, dict):
            assert Page(batch_model_html(model)).elements


# ---- one model


def data(text: str) -> Json:
    found: Json = json.loads(Page(text).data)
    return found


def test_model_page_tells_what_lies_in_its_folder() -> None:
    record = {
        "steps": [{"code": "prune", "text": "7 nodes go", "count": 7}],
        "verification": {"verdict": "bitwise", "cases": [{"name": "zeros"}]},
        "seconds": 3,
    }
    finding = {"code": "W101", "severity": "low", "message": "old loops", "location": {}}
    found = data(
        batch_model_html(
            made.outcome("a/b"),
            inspect={"meta_graphs": [{"graph": {"nodes": 5}}], "warnings": []},
            audit={"findings": [finding]},
            plan={"steps": [], "blockers": []},
            record=record,
            scene={"names": []},
            log="one\ntwo\n",
            files=("log.txt", "saved_model", "/etc/passwd"),
        )
    )
    assert found["record"]["verification"]["cases"] == [{"name": "zeros"}]
    assert found["findings"] == [finding]
    assert found["inspect"]["meta_graphs"][0]["graph"]["nodes"] == 5
    assert found["log"] == ["one", "two"]
    assert found["files"] == ["saved_model", "log.txt"]
    assert found["up"] == "../../index.html"
    assert found["scene"] == {"names": []}


def test_model_page_stays_small_whatever_the_model_holds() -> None:
    many = {f"op{n}" * 50: n for n in range(20_000)}
    deep: Any = "end"
    for _ in range(500):
        deep = [deep]
    finding = {"code": "W101", "severity": "low", "message": "m" * 100_000, "location": {"x": deep}}
    text = batch_model_html(
        made.failed("a", reason="r" * 1_000_000),
        inspect={"meta_graphs": [{"graph": {"ops": many}, "signatures": many}] * 50},
        audit={"findings": [finding] * 5000},
        plan={"blockers": [{"text": "t" * 10_000}] * 5000},
        record={"verification": {"cases": [{"outputs": many}] * 50}},
        scene={"names": ["n" * 100] * (MOST_SCENE // 100)},
        log="line of the log\n" * 1_000_000,
    )
    found = data(text)
    assert len(text) < 8_000_000
    assert found["scene"] is None and "inspect" in found["drawing"]
    assert found["more_findings"] == 5000 - len(found["findings"]) > 0
    assert len(found["log"]) < 10_000 and any(
        "characters: log.txt" in line for line in found["log"]
    )


def test_name_that_leaves_the_folder_gets_no_link_up() -> None:
    assert [
        data(batch_model_html({"name": name}))["up"] for name in ("", "..", "a/../b", "/a")
    ] == [""] * 4


def test_model_page_holds_the_conversion_and_its_reason() -> None:
    told = {"outcome": "failed", "reason": "no kernel", "ops": {"select": {}}, "notes": ["n"]}
    found = data(batch_model_html(made.outcome("a"), tflite=told))
    assert found["tflite"] == {"outcome": "failed", "reason": "no kernel", "notes": ["n"]}
    assert data(batch_model_html(made.outcome("a")))["tflite"] == {}


@pytest.mark.parametrize("model", [made.failed("a", cause) for cause in made.FAILED])
def test_advice_of_a_models_own_page_sends_nobody_there(model: Json) -> None:
    advice = data(batch_model_html(model))["advice"]
    assert advice and "model's page" not in advice and "Each model" not in advice
