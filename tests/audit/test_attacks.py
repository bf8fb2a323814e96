"""Attack models that real TensorFlow wrote: every op that attacks is found, with its argument."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from migrator.auditing.engine import run_rules
from migrator.auditing.finding import Finding, Severity
from migrator.auditing.opening import open_subject
from migrator.auditing.registry import all_rules, find_rule
from migrator.auditing.subject import Subject
from migrator.ops.dangerous import dangerous_ops, ops_of
from tests.audit.notation import read_model
from tests.corpus import FIXTURES

ATTACKS = FIXTURES / "attacks"
_HELPERS = {"ShardedFilename", "ShardedFilespec"}
"""They only build a string; what reads or writes by it is found."""
_UNBUILT = {
    "DTensorRestoreV2": "needs a mesh of devices",
    "SnapshotNestedDatasetReader": "takes other snapshots",
    "_HostSend": "as _Send",
    "_HostRecv": "as _Recv",
}


def _models() -> list[Any]:
    found = []
    for record in sorted(ATTACKS.glob("*/expected.json")):
        for item in json.loads(record.read_text()):
            name = f"{record.parent.name}-{item['model']}".replace("/", "-")
            found.append(pytest.param(record.parent / item["model"], item, id=name))
    return found


def _findings(path: Path) -> list[Finding]:
    rules = [rule for rule in all_rules() if rule.family == "security"]
    findings, skipped = run_rules(open_subject(path), rules)
    assert not skipped
    return list(findings)


@pytest.mark.parametrize(("path", "record"), _models())
def test_every_attack_is_found_by_its_op_with_its_argument(
    path: Path, record: dict[str, Any]
) -> None:
    by_node: dict[tuple[str, str], list[Finding]] = {}
    for finding in _findings(path):
        key = (finding.location.node.rpartition("/")[2], str(finding.detail.get("op")))
        by_node.setdefault(key, []).append(finding)
    at_load = record["reached"] == "load"
    least = Severity.CRITICAL if at_load else Severity.HIGH
    for wanted in record["find"]:
        found = by_node.get((wanted["node"].rpartition("/")[2], wanted["op"]), [])
        grave = [item for item in found if item.severity >= least]
        assert grave, (wanted, [(item.code, item.severity.label, item.message) for item in found])
        if wanted["argument"] is not None:
            told = [str(item.detail.get("argument")) for item in grave]
            assert any(wanted["argument"] in text for text in told), (wanted, told)
        assert any(record["reached"] in item.detail["reached"] for item in grave), (
            wanted,
            [item.detail["reached"] for item in grave],
        )


@pytest.mark.parametrize("position", ["nested", "nested_load"])
def test_a_hidden_graph_is_found_by_what_runs_it(position: str) -> None:
    (path,) = ATTACKS.glob(f"*/{position}/write*")
    (finding,) = (item for item in _findings(path) if item.code == "S401")
    assert finding.severity >= (Severity.CRITICAL if position == "nested_load" else Severity.HIGH)
    assert "WriteFile" in finding.detail["argument"]


def test_every_dangerous_op_is_built_somewhere() -> None:
    built = {
        find["op"]
        for record in ATTACKS.glob("*/expected.json")
        for item in json.loads(record.read_text())
        for find in item["find"]
    }
    assert set(dangerous_ops()) - _HELPERS - set(_UNBUILT) == built


def test_ops_of_every_group_are_built_in_every_position() -> None:
    (newest,) = ATTACKS.glob("tf2.*/expected.json")
    places: dict[str, set[str]] = {}
    for item in json.loads(newest.read_text()):
        places.setdefault(item["position"], set()).add(item["group"])
    groups = {"python", "read", "write", "dataset", "network", "process"}
    assert {key for key, found in places.items() if found == groups} == {
        "frozen",
        "cond",
        "cond_functional",
        "function",
        "load",
        "load_v2",
        "nested",
    }
    assert groups == {group for group in groups if ops_of(group)}


def test_many_mild_findings_do_not_push_a_grave_one_out() -> None:
    lines = ["name = Placeholder | dtype=:string shape=:[]", "x = Placeholder | dtype=:float"]
    lines += [f"r{number} = ReadFile name" for number in range(300)]
    lines += ['path = Const "/etc/passwd"', "evil = ReadFile path", "y = Tanh x | T=:float"]
    lines += ["signature serving_default: x=x:0 -> y=y:0"]
    subject = Subject("model.pb", model=read_model("\n".join(lines)))
    findings, _ = run_rules(subject, [find_rule("S201")])
    assert (findings[0].location.node, findings[0].severity) == ("evil", Severity.HIGH)
    assert len(findings) == 201
