"""The shipped schemas: sound, strict about what the contract promises, and open to more keys."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from typing import Any

import jsonschema  # type: ignore[import-untyped,unused-ignore]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator._version import __version__
from migrator.errors import NeedsDecision
from migrator.inspection.summary import summarize
from migrator.migration.planning import plan
from migrator.migration.record import FAILED, MIGRATED, MigrationRecord, SignatureRecord
from migrator.model.model import Source
from migrator.report import json_v1
from migrator.report.json_record import (
    decision_result,
    migrate_result,
    plan_result,
    verify_result,
)
from migrator.verification.result import (
    NOT_COMPARABLE,
    CaseResult,
    OutputComparison,
    Stage,
    Verification,
    not_run,
)
from tests.corpus import FROZEN, PROTOBUF, Sample, sample
from tests.schemas import VERBS, parsed, schema, validate

MLP = sample("tf1.15.5/mlp")


def inspected(item: Sample) -> dict[str, Any]:
    return json_v1.inspect_result([summarize(item.model())])


def verification(verdict: str, difference: float | None = 0.5) -> Verification:
    output = OutputComparison(verdict=verdict, max_abs=difference, max_rel=difference)
    noise = OutputComparison(verdict=NOT_COMPARABLE, max_abs=difference, max_rel=difference)
    case = CaseResult(
        name="batch 2",
        about="random",
        inputs={"x": (2, 4)},
        outputs={"y": output, "noise": noise},
        verdict=verdict,
        signature="serving_default",
        stage="saved",
    )
    stage = Stage(name="saved", verdict=verdict, max_abs=difference, max_rel=difference)
    return Verification(
        verdict=verdict,
        cases=(case,),
        max_abs=difference,
        max_rel=difference,
        stages=(stage,),
    )


def record(found: Verification, *, outcome: str = MIGRATED, dest: str = "out") -> MigrationRecord:
    planned = plan(MLP.model())
    signature = SignatureRecord(
        method_name="tensorflow/serving/predict",
        inputs={item.name: item for item in planned.inputs},
        outputs={item.name: item for item in planned.outputs},
        source_key="predict",
    )
    return MigrationRecord(
        outcome=outcome,
        source=Source(path="m.pb", bytes=7, format="graph_def"),
        sha256="0" * 64,
        dest=dest,
        signatures={"serving_default": signature},
        feeds=planned.feeds,
        steps=planned.steps,
        notes=planned.notes,
        weights=planned.weights,
        weights_reason=planned.weights_reason,
        verification=found,
        seconds=1.25,
        peak_rss_bytes=1 << 30,
        versions={"migrator": __version__, "tensorflow": "2.21.0"},
    )


@pytest.mark.parametrize("verb", VERBS)
def test_schemas_are_sound(verb: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(verb))
    assert schema(verb)["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize("item", PROTOBUF, ids=str)
def test_inspect_of_every_fixture_validates(item: Sample) -> None:
    parsed(json_v1.dumps(inspected(item)))


def test_inspect_of_several_is_a_list_of_such_objects() -> None:
    result = json_v1.inspect_result([summarize(item.model()) for item in PROTOBUF])
    validate(result)
    assert [item["source"]["path"] for item in result["results"]] == [
        str(item.file) for item in PROTOBUF
    ]
    for item in result["results"]:
        validate(item)


@pytest.mark.parametrize("item", FROZEN, ids=str)
def test_plans_of_every_frozen_fixture_validate(item: Sample) -> None:
    try:
        result = plan_result(plan(item.model()))
        assert result["outcome"] == "ready"
    except NeedsDecision as decision:
        result = decision_result("plan", str(item.path), decision.what, decision.options)
    parsed(json_v1.dumps(result))


def test_blocked_plans_validate() -> None:
    residue = sample("tf1.15.5/is_training_residue")
    found = plan(
        residue.model(),
        inputs=["x"],
        outputs=["bn/cond_1/AssignMovingAvg"],
        feeds=["is_training=true"],
    )
    result = plan_result(found)
    assert result["outcome"] == "blocked"
    parsed(json_v1.dumps(result))


@pytest.mark.parametrize("difference", [None, 0.0, 0.5, math.inf, math.nan])
@pytest.mark.parametrize("verdict", ["bitwise", "within_tolerance", "mismatch"])
def test_migrate_and_verify_results_validate(verdict: str, difference: float | None) -> None:
    found = verification(verdict, difference)
    outcome, dest = (FAILED, "") if verdict == "mismatch" else (MIGRATED, "out")
    migrated = parsed(json_v1.dumps(migrate_result(record(found, outcome=outcome, dest=dest))))
    verified = parsed(json_v1.dumps(verify_result("a", "b", found)))
    assert migrated["dest"] == (dest or None)
    assert verified["verdict"] == migrated["verification"]["verdict"] == verdict


def test_results_that_were_not_verified_validate() -> None:
    found = not_run("not asked for (--no-verify)")
    parsed(json_v1.dumps(migrate_result(record(found))))
    parsed(json_v1.dumps(verify_result("a", "b", found)))


def test_decisions_validate_for_both_verbs() -> None:
    for verb in ("plan", "migrate"):
        parsed(json_v1.dumps(decision_result(verb, "m.pb", "open", ["--input x:0"])))


def objects(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every object in a result, with the way to it."""
    if isinstance(value, dict):
        yield path, value
        for key, item in value.items():
            yield from objects(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from objects(item, (*path, index))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


RESULTS = [
    inspected(MLP),
    inspected(sample("tf1.15.5/is_training")),
    inspected(sample("tf1.15.5/sm_table")),
    plan_result(plan(MLP.model())),
    migrate_result(record(verification("mismatch"), outcome=FAILED, dest="")),
    verify_result("a", "b", verification("bitwise")),
]
_BY_NAME = (
    *("ops", "signatures", "inputs", "outputs", "objects", "versions"),
    *("keys", "classes", "defaults", "weights_by_dtype"),
)
"""Objects whose keys are names and not the contract's."""


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result["schema"])
def test_unknown_keys_are_welcome_everywhere(result: dict[str, Any]) -> None:
    for path, _ in objects(result):
        if path and path[-1] in _BY_NAME:
            continue
        more = copy.deepcopy(result)
        at(more, path)["added_later"] = {"any": ["thing"]}
        validate(more)


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result["schema"])
def test_no_key_may_be_missing(result: dict[str, Any]) -> None:
    for path, found in objects(result):
        if path and path[-1] in _BY_NAME:
            continue
        for key in found:
            less = copy.deepcopy(result)
            del at(less, path)[key]
            with pytest.raises((AssertionError, KeyError)):
                validate(less)


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result["schema"])
def test_no_value_may_change_its_type(result: dict[str, Any]) -> None:
    for path, found in objects(result):
        for key in found:
            other = copy.deepcopy(result)
            text = isinstance(found[key], str) or found[key] is None
            at(other, path)[key] = {"wrong": []} if text else "wrong"
            with pytest.raises((AssertionError, KeyError)):
                validate(other)


@given(st.text())
def test_results_are_ascii_whatever_a_name_holds(name: str) -> None:
    text = json_v1.dumps(decision_result("plan", name, name or "x", [name or "x"]))
    assert text.isascii()
    assert all(char == "\n" or char.isprintable() for char in text)
    assert json.loads(text)["source"]["path"] == name
