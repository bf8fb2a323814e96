"""A batch as pages: nothing loads anything, nothing in a name acts."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from migrator.report.csv_batch import batch_csv
from migrator.report.html_batch import batch_html
from migrator.report.html_batch_model import MOST_SCENE, batch_model_html
from migrator.report.text_batch import batch_text
from tests.batch import made
from tests.batch.made import HOSTILE
from tests.report.batches import Json, page_data, result
from tests.report.test_html_audit import Page


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


def test_model_page_tells_what_lies_in_its_folder() -> None:
    record = {
        "steps": [{"code": "prune", "text": "7 nodes go", "count": 7}],
        "verification": {"verdict": "bitwise", "cases": [{"name": "zeros"}]},
        "seconds": 3,
    }
    finding = {"code": "W101", "severity": "low", "message": "old loops", "location": {}}
    found = page_data(
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
    found = page_data(text)
    assert len(text) < 8_000_000
    assert found["scene"] is None and "inspect" in found["drawing"]
    assert found["more_findings"] == 5000 - len(found["findings"]) > 0
    assert len(found["log"]) < 10_000 and any(
        "characters: log.txt" in line for line in found["log"]
    )


def test_name_that_leaves_the_folder_gets_no_link_up() -> None:
    assert [
        page_data(batch_model_html({"name": name}))["up"] for name in ("", "..", "a/../b", "/a")
    ] == [""] * 4


def test_model_page_holds_the_conversion_and_its_reason() -> None:
    told = {"outcome": "failed", "reason": "no kernel", "ops": {"select": {}}, "notes": ["n"]}
    found = page_data(batch_model_html(made.outcome("a"), tflite=told))
    assert found["tflite"] == {"outcome": "failed", "reason": "no kernel", "notes": ["n"]}
    assert page_data(batch_model_html(made.outcome("a")))["tflite"] == {}


@pytest.mark.parametrize("model", [made.failed("a", cause) for cause in made.FAILED])
def test_advice_of_a_models_own_page_sends_nobody_there(model: Json) -> None:
    advice = page_data(batch_model_html(model))["advice"]
    assert advice and "model's page" not in advice and "Each model" not in advice
