"""Every frozen fixture migrates, and the result computes what TensorFlow 1 itself computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.actions.migrate import migrate
from migrator.arrays import load_arrays, save_arrays
from migrator.migration.record import MigrationRecord
from migrator.report.json_record import migrate_result
from migrator.runtime.client import Child
from migrator.verification.compare import compare_arrays
from tests.schemas import validate

from .conftest import Fixture, frozen_fixtures, load_fixture

Migrated = tuple[Fixture, MigrationRecord, Path]


@pytest.fixture(scope="module", params=frozen_fixtures())
def migrated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Migrated:
    fixture = load_fixture(request.param)
    dest = tmp_path_factory.mktemp("migrated") / "model"
    return fixture, migrate(fixture.model, dest, **fixture.options()), dest


def test_is_bitwise_the_same(migrated: Migrated) -> None:
    _, record, dest = migrated
    assert record.outcome == "migrated"
    assert record.verification.verdict == "bitwise", record.verification.reason
    assert record.dest == str(dest)
    assert record.verification.cases


def test_signature_stands_for_the_true_endpoints(migrated: Migrated) -> None:
    fixture, record, _ = migrated
    signature = record.signatures["serving_default"]
    assert {item.tensor for item in signature.inputs.values()} == set(
        fixture.about["inputs"].values()
    )
    assert {item.tensor for item in signature.outputs.values()} == set(
        fixture.about["outputs"].values()
    )


def test_result_gives_what_tensorflow_1_gave(
    migrated: Migrated, runner: Child, tmp_path: Path
) -> None:
    fixture, record, dest = migrated
    signature = record.signatures["serving_default"]
    names = {}
    for kind, side in (("inputs", signature.inputs), ("outputs", signature.outputs)):
        own = {item.tensor: name for name, item in side.items()}
        names[kind] = {name: own[tensor] for name, tensor in fixture.about[kind].items()}
    cases = fixture.cases()
    found = _run(runner, dest, names, cases, tmp_path)
    tolerance = fixture.about.get("tolerance") or {}
    for case, sides in cases.items():
        for name, expected in sides["out"].items():
            compared = compare_arrays(
                expected,
                found[f"{case}/{name}"],
                rtol=tolerance.get("rtol", 1e-5),
                atol=tolerance.get("atol", 1e-6),
            )
            assert compared.verdict != "mismatch", (case, name, compared)


def _run(
    runner: Child,
    dest: Path,
    names: dict[str, dict[str, str]],
    cases: dict[str, dict[str, dict[str, Any]]],
    folder: Path,
) -> dict[str, Any]:
    arrays = {
        f"{case}/{name}": v for case, sides in cases.items() for name, v in sides["in"].items()
    }
    save_arrays(folder / "cases.npz", arrays)
    outcome = runner.run(
        "run_saved_model",
        path=str(dest),
        tags=None,
        signature="serving_default",
        **names,
        loaders=["tf2"],
        cases=str(folder / "cases.npz"),
        results=str(folder / "results.npz"),
    )
    assert outcome["errors"] == {}
    return load_arrays(folder / "results.npz")


def test_unknown_dimensions_stay_unknown(migrated: Migrated) -> None:
    fixture, record, _ = migrated
    free = [
        item
        for item in record.signatures["serving_default"].inputs.values()
        if item.shape.dims is None or None in item.shape.dims
    ]
    batches = {
        tuple(np.shape(value)) for case in fixture.cases().values() for value in case["in"].values()
    }
    assert free or len(batches) <= len(fixture.about["inputs"])


def test_record_lies_in_the_result(migrated: Migrated) -> None:
    _, record, dest = migrated
    kept = json.loads((dest / "assets.extra" / "migrator.json").read_text())
    validate(kept)
    assert kept == json.loads(json.dumps(migrate_result(record)))


def test_nothing_else_is_left_beside_it(migrated: Migrated) -> None:
    _, _, dest = migrated
    assert [entry.name for entry in dest.parent.iterdir()] == [dest.name]
