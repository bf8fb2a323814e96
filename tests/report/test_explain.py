"""Rules explained, in each format."""

from __future__ import annotations

import json
import re

import pytest

from migrator.auditing.rule import HEADINGS
from migrator.report.audit_parts import sentence
from migrator.report.explain import explain_list, explain_result, explain_text, rules_markdown
from migrator.report.json_v1 import dumps
from tests.report.audits import RULES
from tests.schemas import validate


@pytest.mark.parametrize("width", [60, 88, 120])
def test_a_rule_is_explained_in_full_and_fits(width: int) -> None:
    for rule in RULES:
        text = explain_text(rule, width=width)
        assert text.startswith(f"{rule.code} {rule.name}: {rule.title}\n")
        assert max(map(len, text.splitlines())) <= width
        words = text.split()
        for head in HEADINGS:
            assert f"\n{head}\n" in text
            wanted = rule.sections[head].split()
            assert any(words[at : at + len(wanted)] == wanted for at in range(len(words)))


def test_sections_begin_like_sentences() -> None:
    assert sentence("ops that read") == "Ops that read"
    assert sentence("float64 where") == "float64 where"
    assert sentence("`migrate` does") == "`migrate` does"
    assert sentence("") == ""


def test_the_list_goes_by_family_and_names_every_rule() -> None:
    text = explain_list(reversed(RULES))
    places = [text.index(f"{rule.code} ") for rule in RULES]
    assert places == sorted(places)
    assert all(title in text for title in ("Security", "Migration blockers", "Health"))


def test_json_validates_and_survives_a_file() -> None:
    result = explain_result(RULES)
    validate(result)
    assert json.loads(dumps(result)) == result
    assert list(result["rules"]) == [rule.code for rule in RULES]
    assert result["rules"]["S901"]["fix"] == "Take writes-a-file out and export the model anew."


def test_markdown_has_a_section_for_each_rule_and_links_that_lead_there() -> None:
    text = rules_markdown(RULES)
    for rule in RULES:
        heading = f"### {rule.code} {rule.name}"
        assert text.count(heading + "\n") == 1
        section = text[text.index(heading) :].partition("\n## ")[0].partition("\n### ")[0]
        for head in HEADINGS:
            assert f"**{head}.** " in section
    anchors = {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ")).lower().replace(" ", "-")
        for line in text.splitlines()
        if line.startswith("#")
    }
    links = set(re.findall(r"\]\(#([^)]+)\)", text))
    assert len(links) == len(RULES)
    assert links <= anchors


def test_markdown_tables_are_not_broken() -> None:
    rows = [line for line in rules_markdown(RULES).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5, 7}
