"""Every frozen fixture migrates, and the result computes what TensorFlow 1 itself computed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from migrator.actions.migrate import migrate
from migrator.actions.proving import BY_LOADER
from migrator.migration.record import MigrationRecord
from migrator.report.json_record import migrate_result
from migrator.runtime.client import Child
from tests.schemas import validate

from .conftest import Fixture, frozen_fixtures, load_fixture
from .replaying import Replay, replay

Migrated = tuple[Fixture, MigrationRecord, Path]


@pytest.fixture(scope="module", params=frozen_fixtures())
def migrated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, warm: None
) -> Migrated:
    fixture = load_fixture(request.param)
    dest = tmp_path_factory.mktemp("migrated") / "model"
    return fixture, migrate(fixture.model, dest, **fixture.options()), dest


def test_is_bitwise_the_same(migrated: Migrated) -> None:
    _, record, dest = migrated
    assert record.outcome == "migrated"
    verdicts = {stage.name: stage.verdict for stage in record.verification.stages}
    if "fold_branches" in {step.code for step in record.steps}:
        # A session fuses what stands together once the branches are gone: the last bit may part.
        assert verdicts.pop(BY_LOADER["tf1"]) in ("bitwise", "within_tolerance")
    assert set(verdicts.values()) == {"bitwise"}, record.verification.reason
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


@pytest.mark.parametrize("loader", ["tf2", "tf1"])
def test_result_gives_what_tensorflow_1_gave(
    migrated: Migrated, runner: Child, tmp_path: Path, loader: str
) -> None:
    fixture, record, dest = migrated
    outputs = fixture.about["outputs"]
    given = Replay(
        key="serving_default",
        file="cases.npz",
        inputs=fixture.about["inputs"],
        outputs={n: t for n, t in outputs.items() if n not in fixture.about.get("random", ())},
    )
    replay(runner, dest, record, fixture, given, loader=loader, folder=tmp_path)


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
