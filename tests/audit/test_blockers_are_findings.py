"""The plan's blockers are the audit's medium findings of the blocker family, one for one."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from migrator.auditing.engine import run_rules
from migrator.auditing.facts.blocker_codes import RULE_CODES
from migrator.auditing.finding import Finding, Severity
from migrator.auditing.opening import open_subject
from migrator.auditing.registry import all_rules, find_rule
from migrator.auditing.rule import Rule
from migrator.auditing.subject import Planned, Subject
from migrator.migration import readiness
from migrator.migration.obstacles import find_obstacle
from migrator.migration.passes.deprecated import REPLACEMENTS
from migrator.migration.planning import plan
from migrator.migration.readiness import BLOCKED, NEEDS_YOU, OBSTACLES
from migrator.model.graph import Node
from migrator.model.model import Model
from migrator.ops.contrib import contrib_part
from migrator.ops.registry import op_facts
from tests import wire
from tests.corpus import DTYPE_SETS, ROOT, SAMPLES, Sample
from tests.handmade import model, op, placeholder, read_graph, unary
from tests.migration.test_blockers import CASES

SOURCES = ROOT / "migrator"
_OPS = json.loads((SOURCES / "ops/ops.json").read_bytes())["ops"]
DEPRECATED = [name for name, row in _OPS.items() if "d" in row and "x" not in row]
CONTRIB = json.loads((SOURCES / "ops/contrib.json").read_bytes())["ops"]
FREEZE_ALONE = {"iterator", "queue", "runtime", "state"}
"""Codes that only freezing a TensorFlow 2 model meets: no plan has them."""
NO_PLAN = {"keras_refused", "plan_failed", "undecided_endpoints"}


def blocker_rules() -> list[Rule]:
    return [rule for rule in all_rules() if rule.family == "blocker"]


def audited(subject: Subject) -> tuple[Finding, ...]:
    findings, skipped = run_rules(subject, blocker_rules())
    assert not skipped
    return findings


def place_of(finding: Finding) -> str:
    if "node" in finding.detail:
        return str(finding.detail["node"])
    where = finding.location
    return f"{where.function}/{where.node}" if where.function else where.node


def assert_same(subject: Subject) -> None:
    """The plan's blockers, and nothing else, are at medium and above."""
    findings = audited(subject)
    grave = [item for item in findings if item.severity >= Severity.MEDIUM]
    assert all(item.severity == Severity.MEDIUM for item in grave)
    planned = subject.planned
    if planned.plan is None:
        assert {item.name.replace("-", "_") for item in grave} <= NO_PLAN
        return
    told = sorted((item.name.replace("-", "_"), place_of(item)) for item in grave)
    assert told == sorted((item.code, item.node) for item in planned.plan.blockers)
    for item in grave:
        (blocker, *_) = [
            other
            for other in planned.plan.blockers
            if (other.code, other.node) == (item.name.replace("-", "_"), place_of(item))
        ]
        assert item.code == RULE_CODES[blocker.code]
        assert item.message in {other.text for other in planned.plan.blockers}
        assert item.fix == blocker.fix or not blocker.fix


@pytest.mark.parametrize("item", SAMPLES, ids=str)
def test_blockers_of_fixtures_are_their_findings(item: Sample) -> None:
    assert_same(open_subject(item.path))


@pytest.mark.parametrize("path", DTYPE_SETS, ids=lambda path: path.stem)
def test_blockers_of_graphs_of_constants_are_their_findings(path: Path) -> None:
    assert_same(open_subject(path))


@pytest.mark.parametrize("code", sorted(CASES))
def test_blockers_of_graphs_made_for_them_are_their_findings(code: str) -> None:
    nodes = [placeholder("x"), *CASES[code], unary("y", "Relu", "mid")]
    subject = Subject("m.pb", model=model(*nodes))
    assert_same(subject)
    if subject.planned.plan is not None:
        assert code in {item.code for item in subject.planned.plan.blockers}


def test_a_blocker_inside_of_a_function_is_found_there() -> None:
    body = wire.function(
        "f", {"a": 1}, {"b": 1}, [wire.node("in/deep", "PyFunc", ["a"])], {"b": "in/deep:output:0"}
    )
    found = model(
        placeholder("x"),
        op("mid", "PartitionedCall", "x", f=wire.Call("f"), Tin=[wire.F], Tout=[wire.F]),
        unary("y", "Relu", "mid"),
        functions=(body,),
    )
    subject = Subject("m.pb", model=found)
    assert_same(subject)
    (finding,) = [item for item in audited(subject) if item.severity == Severity.MEDIUM]
    assert (finding.location.function, finding.location.node) == ("f", "in/deep")
    assert finding.detail["op"] == "PyFunc"


def test_a_blocker_of_the_graph_as_a_whole_has_no_node() -> None:
    found: Model = read_graph(
        wire.graph([placeholder("x"), unary("y", "Relu", "x")], min_consumer=9999)
    )
    subject = Subject("m.pb", model=found)
    (finding,) = audited(subject)
    assert (finding.code, finding.severity) == ("B310", Severity.MEDIUM)
    assert finding.location.node == ""


def made_codes() -> Iterator[tuple[str, str]]:
    """(module, code) of every blocker that the sources make: read off their syntax."""
    for path in sorted(SOURCES.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call) or getattr(call.func, "id", "") != "Blocker":
                continue
            (value,) = [item.value for item in call.keywords if item.arg == "code"]
            if isinstance(value, ast.Constant):
                yield path.name, value.value
            else:  # a variable: whatever strings of that kind the module knows
                yield from ((path.name, code) for code in _computed(tree))


def _computed(tree: ast.Module) -> Iterator[str]:
    """First items of (code, text, fix), keys of a table of such, and what ``code`` is set to."""
    for node in ast.walk(tree):
        values: list[Any] = []
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            values = node.value.elts[:1] if len(node.value.elts) == 3 else []
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "code":
            values = [node.value]
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_WHY":
            values = list(node.value.keys) if isinstance(node.value, ast.Dict) else []
        for value in values:
            parts = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
            yield from (item.value for item in parts if isinstance(item, ast.Constant))


def test_the_sources_are_read_aright() -> None:
    found = {code for _, code in made_codes()}
    assert {"cycle", "python", "deprecated_op", "no_kernel", "iterator", "state"} <= found
    assert {"table", "too_large", "control_flow", "variable_missing"} <= found


def test_every_blocker_of_the_sources_is_classified() -> None:
    found = {code for _, code in made_codes()}
    assert found == set(OBSTACLES)
    assert set(OBSTACLES.values()) == {BLOCKED, NEEDS_YOU}


def test_every_blocker_of_a_plan_has_the_rule_of_its_name() -> None:
    assert set(RULE_CODES) == (set(OBSTACLES) - FREEZE_ALONE) | NO_PLAN
    names = {rule.name: rule.code for rule in blocker_rules()}
    assert len(set(RULE_CODES.values())) == len(RULE_CODES)
    for blocker, code in RULE_CODES.items():
        assert names[blocker.replace("_", "-")] == code


def test_every_op_of_contrib_is_replaced_or_named_with_its_part() -> None:
    told = set()
    for name in CONTRIB:
        if name in REPLACEMENTS or ((facts := op_facts(name)) and not facts.last_release):
            continue
        code, text, _ = find_obstacle(Node("n", name, (), "", {})) or ("", "", "")
        assert code == "removed_op"
        assert f"(of {contrib_part(name)})" in text
        told.add(contrib_part(name))
    assert {"tf.contrib.kafka", "tf.contrib.boosted_trees", "tf.contrib.tensor_forest"} <= told


@pytest.mark.parametrize("name", sorted(DEPRECATED))
def test_every_deprecated_op_is_told_with_its_version(name: str) -> None:
    """As a blocker, or as what migrate replaces."""
    nodes = [placeholder("x"), unary("y", "Relu", "x"), op("old", name, "x")]
    subject = Subject("m.pb", model=model(*nodes))
    subject.planned = Planned(plan=plan(model(*nodes), inputs=["x"], outputs=["y"]))
    findings, _ = run_rules(subject, [find_rule("B103")])
    (finding,) = findings
    facts = op_facts(name)
    assert facts is not None
    assert finding.detail["since"] == facts.deprecated_at
    assert (finding.severity, finding.detail["op"]) == (Severity.INFO, name)
    assert ("migrate puts" in finding.message) == (name in REPLACEMENTS)


def test_reasons_without_a_plan_are_named_as_their_rules() -> None:
    assert {
        readiness.KERAS_REFUSED,
        readiness.PLAN_FAILED,
        readiness.UNDECIDED_ENDPOINTS,
    } == NO_PLAN
