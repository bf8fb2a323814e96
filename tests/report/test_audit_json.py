"""An audit as JSON: by its schema, and nothing of it is lost or invented."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped,unused-ignore]
import pytest

from migrator.auditing.finding import SEVERITIES
from migrator.auditing.policy.baseline import baseline_text
from migrator.report.json_audit import audit_result
from migrator.report.json_v1 import dumps
from tests.report.audits import ALL_SEVERITIES, AUDITS, NASTY, RULES
from tests.schemas import FILES, parsed, schema, validate


@pytest.mark.parametrize("verb", ["audit", "explain", *FILES])
def test_schemas_are_sound(verb: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(verb))
    assert schema(verb)["$schema"].endswith("2020-12/schema")


def test_every_audit_validates(result: dict[str, Any]) -> None:
    validate(result)


@pytest.mark.parametrize("name", AUDITS)
def test_a_result_is_the_same_after_a_journey_through_a_file(name: str) -> None:
    made = audit_result(AUDITS[name], rules=RULES)
    text = dumps(made)
    assert text.isascii()
    assert json.loads(text) == made


def test_counts_are_those_of_the_findings(result: dict[str, Any]) -> None:
    for label in SEVERITIES:
        count = sum(item["severity"] == label for item in result["findings"])
        assert result["summary"][label] == count
        assert count == sum(model["summary"][label] for model in result["models"])
    sources = {model["source"] for model in result["models"]}
    assert {item["location"]["source"] for item in result["findings"]} <= sources
    verdicts = [model["readiness"]["verdict"] for model in result["models"] if model["readiness"]]
    assert result["readiness"] == {key: verdicts.count(key) for key in result["readiness"]}


def test_rules_are_those_that_found_something(result: dict[str, Any]) -> None:
    assert set(result["rules"]) == {item["code"] for item in result["findings"]}


def test_skipped_sources_and_failed_rules_are_told() -> None:
    result = audit_result(ALL_SEVERITIES, rules=RULES)
    assert [(item["source"], item["rule"]) for item in result["skipped"]] == [
        ("zoo/broken.pb", ""),
        ("zoo/a.pb", "H901"),
    ]


def test_what_json_does_not_know_becomes_text() -> None:
    result = audit_result(NASTY, rules=RULES)
    detail = next(item["detail"] for item in result["findings"] if "raw" in item["detail"])
    assert detail["ratio"] == "nan"
    assert detail["raw"][0] == "\\xff\x1b"


def test_without_a_list_of_rules_the_registry_describes_them() -> None:
    assert audit_result(ALL_SEVERITIES)["rules"] == {}, "S901 and the like are not in the registry"


def test_no_key_may_be_missing_and_unknown_ones_are_welcome(results: dict[str, Any]) -> None:
    full = copy.deepcopy(results["all severities"])
    for holder in (
        full,
        full["findings"][0],
        full["findings"][0]["location"],
        full["skipped"][0],
        full["summary"],
        full["readiness"],
        full["models"][0],
        full["models"][0]["readiness"],
        full["models"][0]["readiness"]["reasons"][0],
        full["rules"]["S901"],
        full["rules"]["S901"]["sections"],
    ):
        for key in list(holder):
            kept = holder.pop(key)
            with pytest.raises((AssertionError, KeyError)):
                validate(full)
            holder[key] = kept
        holder["added_later"] = ["anything"]
        validate(full)


@pytest.mark.parametrize("name", sorted(AUDITS.keys() - {"nasty"}))  # no path of a file holds a NUL
def test_a_baseline_of_every_audit_validates(name: str, tmp_path: Path) -> None:
    found = parsed(baseline_text(AUDITS[name], tmp_path / "baseline.json"))
    assert sum(map(len, found["models"].values())) == len(AUDITS[name].findings)
