"""An audit as SARIF: valid by the official schema, and what GitHub's code scanning asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from migrator.report import sarif
from migrator.report.json_audit import audit_result
from migrator.report.sarif import location_of, sarif_result
from tests.report.audits import HOSTILE, RULES, Audit, Severity, finding, model
from tests.sarif import sarif_schema, validate_sarif


def run_of(log: dict[str, Any]) -> dict[str, Any]:
    (run,) = log["runs"]
    return run  # type: ignore[no-any-return]


def drawn(*models: Any) -> dict[str, Any]:
    return run_of(sarif_result(audit_result(Audit(models=models), rules=RULES)))


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def test_the_schema_is_the_official_one_and_refuses_what_is_wrong() -> None:
    assert sarif_schema()["title"].endswith("(SARIF) Version 2.1.0 JSON Schema")
    with pytest.raises(AssertionError, match="runs"):
        validate_sarif({"version": "2.1.0"})


def test_every_audit_validates(result: dict[str, Any]) -> None:
    validate_sarif(sarif_result(result))


def test_every_finding_is_a_result_of_a_described_rule(result: dict[str, Any]) -> None:
    run = run_of(sarif_result(result))
    rules = run["tool"]["driver"]["rules"]
    assert len(run["results"]) == len(result["findings"])
    assert len({rule["id"] for rule in rules}) == len(rules)
    for item in run["results"]:
        assert rules[item["ruleIndex"]]["id"] == item["ruleId"]
        artifact = item["locations"][0]["physicalLocation"]["artifactLocation"]
        assert run["artifacts"][artifact["index"]]["location"]["uri"] == artifact["uri"]


def test_what_github_requires_is_there_and_not_empty(result: dict[str, Any]) -> None:
    log = sarif_result(result)
    assert log["$schema"] and log["version"] == "2.1.0"
    run = run_of(log)
    assert run["tool"]["driver"]["name"] == "migrator"
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?", run["tool"]["driver"]["semanticVersion"])
    for rule in run["tool"]["driver"]["rules"]:
        assert 0 < len(rule["id"]) <= 255 and 0 < len(rule["name"]) <= 255
        for key in ("shortDescription", "fullDescription"):
            assert 0 < len(rule[key]["text"]) <= 1024
        assert rule["help"]["text"] and rule["help"]["markdown"]
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")
        assert len(rule["properties"]["tags"]) <= 10
        assert rule["properties"]["precision"] in ("very-high", "high", "medium", "low")
    for item in run["results"]:
        assert item["message"]["text"]
        (place,) = item["locations"]
        assert place["physicalLocation"]["artifactLocation"]["uri"]
        region = place["physicalLocation"]["region"]
        assert set(region) == {"startLine", "startColumn", "endLine", "endColumn"}
        assert item["partialFingerprints"]["primaryLocationLineHash"]


def test_security_rules_alone_have_a_security_severity(results: dict[str, Any]) -> None:
    run = run_of(sarif_result(results["all severities"]))
    for rule in run["tool"]["driver"]["rules"]:
        properties = rule["properties"]
        assert ("security" in properties["tags"]) == rule["id"].startswith("S")
        assert ("security-severity" in properties) == rule["id"].startswith("S")


@pytest.mark.parametrize(
    ("severity", "rule", "level", "low", "high"),
    [
        (Severity.CRITICAL, "S901/critical", "error", 9.01, 10.0),
        (Severity.HIGH, "S901", "error", 7.0, 8.9),
        (Severity.MEDIUM, "S901/medium", "warning", 4.0, 6.9),
        (Severity.LOW, "S901/low", "note", 0.1, 3.9),
        (Severity.INFO, "S901/info", "note", 0.1, 3.9),
    ],
)
def test_a_finding_shows_with_its_own_severity(
    severity: Severity, rule: str, level: str, low: float, high: float
) -> None:
    run = drawn(model(findings=(finding(severity=severity),)))
    (item,), (described,) = run["results"], run["tool"]["driver"]["rules"]
    assert item["ruleId"] == described["id"] == rule
    assert item["level"] == described["defaultConfiguration"]["level"] == level
    assert low <= float(described["properties"]["security-severity"]) <= high


def test_findings_at_several_nodes_of_a_file_are_told_apart() -> None:
    run = drawn(model(findings=tuple(finding(node=f"n{index}") for index in range(5))))
    marks = {item["partialFingerprints"]["primaryLocationLineHash"] for item in run["results"]}
    assert len(marks) == 5


def test_a_result_says_where_in_the_graph_it_lies() -> None:
    run = drawn(model(findings=(finding(function="body", meta_graph="serve", argument="/x"),)))
    (item,) = run["results"]
    (place,) = item["locations"][0]["logicalLocations"]
    assert place["name"] == "scope/WriteFile"
    assert place["fullyQualifiedName"] == "serve::body::scope/WriteFile"
    assert "Node scope/WriteFile, in function body." in item["message"]["text"]
    assert item["properties"]["detail"] == {"argument": "/x"}


def test_no_string_acts_on_whatever_shows_it(results: dict[str, Any]) -> None:
    for text in strings(sarif_result(results["nasty"])):
        assert all(char == "\n" or char.isprintable() for char in text)
        text.encode("utf-8")


def test_names_make_no_links_in_messages(results: dict[str, Any]) -> None:
    run = run_of(sarif_result(results["nasty"]))
    notes = run["invocations"][0]["toolExecutionNotifications"]
    assert any("[click]" in item["message"]["text"] for item in run["results"])
    for item in [*run["results"], *notes]:
        assert "](" not in item["message"]["text"]


URI = re.compile(r"(file:///)?(?:[A-Za-z0-9\-._~/]|%[0-9A-F]{2})+")


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:20])
def test_uris_of_hostile_paths_are_encoded(name: str) -> None:
    uri = location_of(name)["uri"]
    assert URI.fullmatch(uri)
    if ".." not in name and "\ud800" not in name and "//" not in name:
        assert unquote_to_bytes(uri).decode("utf-8", "surrogateescape") == name


@pytest.mark.parametrize(
    ("path", "uri", "is_based"),
    [
        ("models/a.pb", "models/a.pb", True),
        ("./models//a b.pb", "models/a%20b.pb", True),
        ("c:odd.pb", "c%3Aodd.pb", True),
        ("..hidden/a.pb", "..hidden/a.pb", True),
        ("../other/a.pb", "../other/a.pb", False),
        ("/data/100%/a#1.pb", "file:///data/100%25/a%231.pb", False),
        ("//data/a.pb", "file:///data/a.pb", False),
        ("ä.pb", "%C3%A4.pb", True),
    ],
)
def test_relative_paths_stay_relative_to_the_root(path: str, uri: str, is_based: bool) -> None:
    found = location_of(path)
    assert found["uri"] == uri
    assert ("uriBaseId" in found) == is_based


def test_what_was_skipped_is_a_notification(results: dict[str, Any]) -> None:
    (call,) = run_of(sarif_result(results["all severities"]))["invocations"]
    assert call["executionSuccessful"] is True
    texts = [item["message"]["text"] for item in call["toolExecutionNotifications"]]
    assert texts == [
        "zoo/broken.pb was not audited: is no model",
        "zoo/a.pb was not audited: rule H901: the rule failed: KeyError",
    ]


def test_past_githubs_bound_the_worst_results_stay(
    results: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sarif, "MOST_RESULTS", 100)
    log = sarif_result(results["thousand"])
    validate_sarif(log)
    run = run_of(log)
    assert len(run["results"]) == 100
    assert sum(item["level"] == "error" for item in run["results"]) == 11
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert "1,410 of 1,510 results were left out" in note["message"]["text"]


def test_a_rule_that_the_result_does_not_describe_is_named(results: dict[str, Any]) -> None:
    log = sarif_result({**results["all severities"], "rules": {}})
    validate_sarif(log)
    assert {rule["name"] for rule in run_of(log)["tool"]["driver"]["rules"]} >= {"WritesAFile"}
