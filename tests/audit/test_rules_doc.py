"""What the rules say of themselves, and docs/rules.md, which is made of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from migrator.auditing.finding import CONFIDENCES, Severity
from migrator.auditing.registry import all_rules
from migrator.auditing.rule import FAMILIES, HEADINGS, Rule
from migrator.report.explain import rules_markdown

DOC = Path(__file__).parent.parent.parent / "docs" / "rules.md"

each_rule = pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)


def test_the_document_is_made_of_the_rules() -> None:
    written = DOC.read_text(encoding="utf-8")
    assert written == rules_markdown(all_rules()), "run scripts/make_rules_doc.py"


@each_rule
def test_a_title_is_a_short_line(rule: Rule) -> None:
    assert 8 <= len(rule.title) < 80
    assert not rule.title.endswith((".", ":", ";"))
    assert rule.title[0].isalnum() or rule.title[0] == "`"


@each_rule
def test_the_short_remedy_is_one_sentence(rule: Rule) -> None:
    assert len(rule.fix) < 200
    assert rule.fix.endswith((".", "!", "?"))
    assert "\n" not in rule.fix
    assert not re.search(r"\b(e\.g|i\.e|etc)\.$", rule.fix), "cut in the middle of a sentence"


@each_rule
def test_sections_are_sentences_for_a_reader(rule: Rule) -> None:
    for head in HEADINGS:
        text = rule.sections[head]
        assert 20 <= len(text) <= 1500, head
        assert text.endswith((".", "`", ")")), head
        assert text.count("`") % 2 == 0, head
        assert "TODO" not in text


@each_rule
def test_metadata_are_of_the_known_words(rule: Rule) -> None:
    assert rule.code[0] == FAMILIES[rule.family]
    assert rule.confidence in CONFIDENCES
    assert rule.looks_at
    assert re.fullmatch(r"\d+\.\d+(\.\d+)?", rule.since)


@each_rule
def test_severities_keep_to_the_policy(rule: Rule) -> None:
    """Only what attacks is high; what stops a migration is medium at most."""
    if rule.family != "security":
        assert rule.severity <= Severity.MEDIUM


def test_codes_and_names_are_unique() -> None:
    rules = all_rules()
    assert len({rule.code for rule in rules}) == len({rule.name for rule in rules}) == len(rules)
    assert {rule.family for rule in rules} == set(FAMILIES)
