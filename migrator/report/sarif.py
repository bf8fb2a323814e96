"""An audit as SARIF 2.1.0, as GitHub's code scanning and the like take it.

A model is no text: a result lies on the first line of its file, and in its message and its logical
locations in the graph. GitHub reads the severity of a *rule*, so a rule whose findings differ in
severity appears once for each: ``S101``, ``S101/critical``.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from migrator.report.audit_parts import SEVERITIES, place_text, reached_text, sentence, verdict_of
from migrator.report.escape import shown
from migrator.report.json_v1 import Json

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MOST_RESULTS = 25_000
"""GitHub refuses a file with more in one run; the worst are kept."""
_LEVELS = {
    "critical": "error",
    "high": "error",
    "medium": "warning",
    "low": "note",
    "info": "note",
}
_SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.5", "info": "0.5"}
"""GitHub: over 9.0 is critical, from 7.0 high, from 4.0 medium, from 0.1 low."""
_PROBLEMS = {"error": "error", "warning": "warning", "note": "recommendation"}
_ROOT = "%SRCROOT%"
_TITLES = {
    "detects": "What it detects",
    "matters": "Why it matters",
    "fix": "How to fix",
    "limits": "Limits",
}
_DESCRIPTION = 1024
"""Characters of a description that GitHub takes."""
_LONGEST = 1000
_DEEPEST = 6
_SKIPPED = "not-audited"
_TRUNCATED = "results-left-out"


def sarif_result(result: Json) -> Json:
    """The log object with one run. What it holds of names is escaped, URIs are encoded."""
    findings = sorted(result["findings"], key=lambda item: SEVERITIES.index(item["severity"]))
    kept = findings[:MOST_RESULTS]
    files = {model["source"]: index for index, model in enumerate(result["models"])}
    ids = sorted({_rule_id(item, result) for item in kept})
    index_of = {name: index for index, name in enumerate(ids)}
    notes = [_notification(item) for item in result["skipped"]]
    if len(findings) > len(kept):
        notes.append(_truncated(len(findings), len(kept)))
    run: Json = {
        "tool": {
            "driver": {
                "name": "migrator",
                "version": result["migrator"],
                "semanticVersion": _semantic(result["migrator"]),
                "rules": [_rule(name, kept, result) for name in ids],
                "notifications": [
                    _descriptor(_SKIPPED, "A source was not audited, or a rule failed on it"),
                    _descriptor(_TRUNCATED, "Results were left out, as there are too many"),
                ],
            }
        },
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": notes}],
        "originalUriBaseIds": {
            _ROOT: {"description": {"text": "The folder in which the audit was run."}}
        },
        "artifacts": [_artifact(model) for model in result["models"]],
        "columnKind": "unicodeCodePoints",
        "results": [_result(item, result, index_of, files) for item in kept],
        "properties": {"deep": result["deep"], "accepted": result["accepted"]},
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def location_of(source: str) -> Json:
    """``artifactLocation`` of a path. A relative one lies in the folder of the run."""
    try:
        path = source.encode("utf-8", "surrogateescape")
    except UnicodeError:
        path = source.encode("utf-8", "replace")
    whole = posixpath.normpath(path)
    if whole.startswith(b"/"):
        return {"uri": "file:///" + quote(whole.lstrip(b"/"), safe="/")}
    found: Json = {"uri": quote(whole, safe="/")}
    if whole != b".." and not whole.startswith(b"../"):
        found["uriBaseId"] = _ROOT
    return found


def _rule_id(item: Json, result: Json) -> str:
    usual = result["rules"].get(item["code"], {}).get("severity", item["severity"])
    code = str(item["code"])
    return code if item["severity"] == usual else f"{code}/{item['severity']}"


def _rule(name: str, findings: Sequence[Json], result: Json) -> Json:
    """A ``reportingDescriptor``; all that is said of a rule comes from its docstring."""
    code, _, severity = name.partition("/")
    rule = result["rules"].get(code) or _unknown(next(x for x in findings if x["code"] == code))
    severity = severity or rule["severity"]
    level = _LEVELS[severity]
    properties: Json = {
        "tags": ["model", rule["family"]],
        "precision": rule["confidence"],
        "problem.severity": _PROBLEMS[level],
    }
    if rule["family"] == "security":
        properties["security-severity"] = _SCORES[severity]
    sections = {_TITLES[key]: _paragraphs(sentence(text)) for key, text in rule["sections"].items()}
    return {
        "id": name,
        "name": "".join(part.capitalize() for part in rule["name"].split("-")),
        "shortDescription": {"text": _cut(rule["title"])},
        "fullDescription": {"text": _cut(sections.get("What it detects") or rule["title"])},
        "help": {
            "text": "\n\n".join(f"{head}\n{text}" for head, text in sections.items())
            or _cut(rule["title"]),
            "markdown": "\n\n".join(f"### {head}\n\n{text}" for head, text in sections.items())
            or _cut(rule["title"]),
        },
        "defaultConfiguration": {"level": level},
        "properties": properties,
    }


def _unknown(item: Json) -> Json:
    """A finding of a rule that the result does not describe."""
    return {
        **{key: item[key] for key in ("name", "family", "severity", "confidence")},
        "title": item["name"],
        "sections": {},
    }


def _result(item: Json, result: Json, index_of: dict[str, int], files: dict[str, int]) -> Json:
    rule, source = _rule_id(item, result), item["location"]["source"]
    artifact = location_of(source)
    if source in files:
        artifact["index"] = files[source]
    found: Json = {
        "ruleId": rule,
        "ruleIndex": index_of[rule],
        "level": _LEVELS[item["severity"]],
        "message": {"text": _message(item)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": artifact,
                    "region": {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 1},
                },
                **_logical(item),
            }
        ],
        "properties": {
            "severity": item["severity"],
            "confidence": item["confidence"],
            "family": item["family"],
            "detail": _escaped(item["detail"]),
            "fix": shown(item["fix"], _LONGEST),
        },
    }
    if item["fingerprint"]:
        mark = shown(item["fingerprint"])
        # GitHub tells results of one file apart by the first of them alone.
        found["partialFingerprints"] = {"primaryLocationLineHash": mark, "migrator/v1": mark}
    return found


def _message(item: Json) -> str:
    """What was found, where in the graph, and the remedy, as plain sentences."""
    parts = [shown(item["message"], _LONGEST)]
    place = "; ".join(filter(None, (place_text(item), reached_text(item))))
    if place:
        parts.append(sentence(place))
    if item["fix"]:
        parts.append(shown(item["fix"], _LONGEST))
    text = " ".join(part if part.endswith((".", "!", "?")) else f"{part}." for part in parts)
    return text.replace("](", "] (")  # a name must not make a link of a viewer's


def _logical(item: Json) -> Json:
    place = item["location"]
    parts = [place["meta_graph"], place["function"], place["node"], place["attr"]]
    if not any(parts[1:]):
        return {}
    kind = "member" if place["attr"] else "object" if place["node"] else "function"
    name = place["attr"] or place["node"] or place["function"]
    whole = "::".join(shown(part, _LONGEST) for part in parts if part)
    return {
        "logicalLocations": [
            {"name": shown(name, _LONGEST), "fullyQualifiedName": whole, "kind": kind}
        ]
    }


def _artifact(model: Json) -> Json:
    found: Json = {
        "location": location_of(model["source"]),
        "roles": ["analysisTarget"],
        "length": model["bytes"],
        "properties": {"format": shown(model["format"]), "nodes": model["nodes"]},
    }
    verdict = verdict_of(model)
    if verdict:
        found["properties"]["readiness"] = verdict
    return found


def _notification(item: Json) -> Json:
    rule = f"rule {shown(item['rule'])}: " if item["rule"] else ""
    reason = f"{shown(item['source'], _LONGEST)} was not audited: {rule}"
    text = reason + shown(item["reason"], _LONGEST)
    return {
        "descriptor": {"id": _SKIPPED, "index": 0},
        "level": "warning",
        "message": {"text": text.replace("](", "] (")},
        "locations": [{"physicalLocation": {"artifactLocation": location_of(item["source"])}}],
    }


def _truncated(found: int, kept: int) -> Json:
    text = f"{found - kept:,} of {found:,} results were left out, the least severe."
    return {
        "descriptor": {"id": _TRUNCATED, "index": 1},
        "level": "warning",
        "message": {"text": text},
    }


def _descriptor(name: str, text: str) -> Json:
    return {"id": name, "shortDescription": {"text": text}}


def _semantic(version: str) -> str:
    """``0.4`` and ``0.4.0.dev1`` as semantic versions."""
    match = re.match(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(.*)", version)
    if match is None:
        return "0.0.0"
    rest = ".".join(re.findall(r"[0-9A-Za-z]+", match[4]))
    base = f"{match[1]}.{match[2] or 0}.{match[3] or 0}"
    return f"{base}-{rest}" if rest else base


def _paragraphs(text: str) -> str:
    return "\n\n".join(shown(part, 10_000) for part in text.split("\n\n"))


def _cut(text: str) -> str:
    return shown(text.replace("\n\n", " "), _DESCRIPTION) or "?"


def _escaped(value: Any, depth: int = 0) -> Any:
    """JSON values with every name in them escaped."""
    if isinstance(value, str):
        return shown(value, _LONGEST)
    if depth >= _DEEPEST and isinstance(value, (dict, list)):
        return "..."
    if isinstance(value, dict):
        return {shown(key): _escaped(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item, depth + 1) for item in value]
    return value
