"""The audit's HTML page as a file: self-contained, locked, inert, true to the result."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from html.parser import HTMLParser
from importlib import resources
from itertools import pairwise
from typing import Any

import pytest

from migrator.report import html_page
from migrator.report.html_audit import audit_html
from tests.report.audit_samples import HOSTILE, finding, hostile, model, result, rule, zoo

Json = dict[str, Any]
_ADDRESSES = ("src", "href", "srcset", "action", "formaction", "poster", "background", "ping")


class Page(HTMLParser):
    """The elements of a page; noscript's content counts, as where there is no JavaScript."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": []}
        self.text = ""
        self._open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in self.inside:
            self._open = tag
            self.inside[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = "" if tag == self._open else self._open

    def handle_data(self, data: str) -> None:
        if self._open:
            self.inside[self._open][-1] += data
        else:
            self.text += data

    @property
    def scripts(self) -> list[str]:
        """Those that run, in their order."""
        kinds = [attrs for tag, attrs in self.elements if tag == "script"]
        pairs = zip(kinds, self.inside["script"], strict=True)
        return [text for attrs, text in pairs if "type" not in attrs]

    @property
    def data(self) -> str:
        return self.inside["script"][1]

    @property
    def policy(self) -> dict[str, list[str]]:
        [found] = [
            attrs["content"]
            for _, attrs in self.elements
            if attrs.get("http-equiv") == "Content-Security-Policy"
        ]
        rows = [part.split() for part in (found or "").split(";")]
        return {row[0]: row[1:] for row in rows}


@pytest.mark.parametrize("made", [zoo(5, 40), hostile(), result([], [])])
def test_nothing_in_the_page_loads_anything(made: Json) -> None:
    page = Page(audit_html(made))
    addresses = {
        value for _, attrs in page.elements for key, value in attrs.items() if key in _ADDRESSES
    }
    assert addresses == {"data:,"}  # the icon: without one, a browser asks a server for it
    assert not [tag for tag, _ in page.elements if tag in ("iframe", "img", "object", "base")]
    for code in page.inside["style"]:
        assert not re.search(r"url\(|@import|https?:", code)
    for code in page.scripts:
        assert not re.search(r"https?:|fetch\(|XMLHttp|WebSocket|import\(|sendBeacon", code)


def test_scripts_never_turn_text_into_markup_or_code() -> None:
    for code in Page(audit_html(result([], []))).scripts:
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
            r"|DOMParser|createContextualFragment|setTimeout\(['\"`]",
            code,
        )


@pytest.mark.parametrize("made", [zoo(3, 10), hostile()])
def test_policy_names_the_hash_of_each_script_and_style_and_nothing_else(made: Json) -> None:
    page = Page(audit_html(made))
    policy = page.policy
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == [_hash(code) for code in page.scripts]
    assert policy["style-src"] == [_hash(code) for code in page.inside["style"]]
    assert len(page.scripts) == 2
    assert not [value for values in policy.values() for value in values if "unsafe" in value]
    assert policy["base-uri"] == policy["form-action"] == policy["trusted-types"] == ["'none'"]


def _hash(code: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


def test_policy_stands_before_everything_that_it_rules() -> None:
    tags = [
        attrs.get("http-equiv") or tag
        for tag, attrs in Page(audit_html(result([], []))).elements
    ]  # fmt: skip
    first = tags.index("Content-Security-Policy")
    assert set(tags[:first]) <= {"html", "head", "meta"}


def test_data_in_the_page_is_the_result() -> None:
    for made in (zoo(8, 60), hostile(), result([], [])):
        assert json.loads(Page(audit_html(made)).data) == made


def test_canonical_results_are_in_the_page_unchanged(result: Json) -> None:
    assert json.loads(Page(audit_html(result)).data) == result


def test_hostile_names_add_no_element_and_no_attribute() -> None:
    bad = Page(audit_html(hostile()))
    good = Page(audit_html(zoo(len(HOSTILE), 0)))
    assert Counter(tag for tag, _ in bad.elements) == Counter(tag for tag, _ in good.elements)
    assert {key for _, attrs in bad.elements for key in attrs} == {
        key for _, attrs in good.elements for key in attrs
    }


def test_source_holds_no_markup_from_names_and_nothing_unprintable() -> None:
    source = audit_html(hostile())
    source.encode("utf-8")
    for name in HOSTILE:
        if "<" in name:
            assert name not in source
    assert not [char for char in set(source) if not char.isprintable() and char != "\n"]
    assert Page(source).data.isascii()


def test_slots_in_names_are_not_filled() -> None:
    source = audit_html(hostile())
    assert "{{script}}{{data}}" in Page(source).text


def test_size_grows_in_line_with_the_findings() -> None:
    sizes = [len(audit_html(zoo(count, count * 20))) for count in (100, 200, 300, 400)]
    steps = [after - before for before, after in pairwise(sizes)]
    assert max(steps) < 1.15 * min(steps)
    made = zoo(400, 8000)
    assert sizes[-1] < 1.1 * len(json.dumps(made)) + 120_000


def test_values_that_json_lacks_become_text() -> None:
    found = finding("a.pb", "S101", detail={"count": float("nan"), "far": [float("inf")]})
    page = Page(audit_html(result([model("a.pb")], [found])))
    detail = json.loads(page.data, parse_constant=_refuse)["findings"][0]["detail"]
    assert detail == {"count": "nan", "far": ["inf"]}


def _refuse(word: str) -> None:
    raise AssertionError(word)


def test_summary_without_javascript_tells_the_counts_and_the_worst_first() -> None:
    harmless = [model(f"zoo/{index:04}.pb") for index in range(1500)]
    bad = model("zoo/evil.pb", "blocked")
    made = result([*harmless, bad], [finding("zoo/evil.pb", "S101")])
    text = re.sub(r"\s+", " ", Page(audit_html(made)).text)
    assert "1,501 models, 1 findings, 0 skipped" in text
    assert "Blocked1" in text.replace(" ", "")
    assert "Ready1,500" in text.replace(" ", "")
    assert text.index("zoo/evil.pb") < text.index("zoo/0000.pb")
    assert "The worst 100 of 1,501 models" in text


@pytest.mark.parametrize(
    "damaged",
    [
        {},
        {"models": None, "findings": {}, "skipped": 3, "rules": []},
        {"models": [None, 7, {}], "findings": [None, {}], "skipped": ["x"]},
        {"models": [{"source": 5, "readiness": {"verdict": ["ready"]}, "summary": {"high": "x"}}]},
        {"models": [{"source": None, "readiness": "ready", "summary": None, "bytes": -1}]},
        {"findings": [{"severity": {"a": 1}, "location": None, "detail": "text"}]},
        {"rules": {"S101": {**rule("S101"), "sections": None}}},
    ],
    ids=str,
)
def test_damaged_results_are_drawn_as_far_as_they_go(damaged: Json) -> None:
    assert json.loads(Page(audit_html(damaged)).data) == damaged


def test_templates_cannot_end_their_element() -> None:
    folder = resources.files("migrator.report").joinpath("templates")
    for item in folder.iterdir():
        if item.name.endswith((".js", ".css")):
            html_page._inline(item.read_text("utf-8"))
    with pytest.raises(ValueError, match="</SCRIPT"):
        html_page._inline("'</SCRIPT>'")
