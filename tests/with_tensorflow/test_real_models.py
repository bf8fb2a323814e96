"""Real legacy models from the package index: inspected, migrated, verified."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.actions.migrate import migrate
from migrator.actions.verify import verify
from migrator.errors import NeedsDecision
from migrator.formats.load import load
from migrator.inspection.summary import GraphSummary, summarize
from migrator.model.tensors import Shape

from .conftest import real_models

pytestmark = pytest.mark.real_model
TAGGERS = ("ner", "seg", "pos")


@pytest.fixture(scope="module")
def models() -> dict[str, Path]:
    found: dict[str, Path] = real_models().real_models()
    return found


def _graph(path: Path) -> GraphSummary:
    return summarize(load(path)).meta_graphs[0].graph


def test_mobilenet_has_one_data_input(models: dict[str, Path]) -> None:
    graph = _graph(models["mobilenet"])
    assert graph.endpoints.decided
    assert [item.tensor for item in graph.endpoints.inputs] == ["input:0"]
    assert [item.tensor for item in graph.endpoints.outputs] == ["final_result:0"]
    assert (graph.nodes, graph.parameters) == (560, 4_256_893)


def test_mobilenet_migrates_bitwise(models: dict[str, Path], tmp_path: Path) -> None:
    record = migrate(models["mobilenet"], tmp_path / "out")
    assert record.verification.verdict == "bitwise"
    signature = record.signatures["serving_default"]
    assert signature.inputs["input"].shape == Shape((1, 224, 224, 3))
    assert set(signature.outputs) == {"final_result"}
    assert verify(models["mobilenet"], tmp_path / "out", seed=7).verdict == "bitwise"


@pytest.mark.parametrize("name", TAGGERS)
def test_tagger_asks_with_the_right_candidates(models: dict[str, Path], name: str) -> None:
    endpoints = _graph(models[name]).endpoints
    assert not endpoints.decided
    assert [item.tensor for item in endpoints.inputs] == ["char_inputs:0", "lengths:0"]
    assert [(item.tensor, item.suggested) for item in endpoints.controls] == [("dropout:0", "1.0")]
    outputs = {item.tensor for item in endpoints.outputs}
    assert outputs == {"project/logits:0", "crf_loss/transitions:0"}
    with pytest.raises(NeedsDecision) as raised:
        migrate(models[name], "never-made")
    assert "--feed dropout:0=1.0" in raised.value.options


@pytest.mark.parametrize("name", TAGGERS)
def test_tagger_migrates_bitwise_and_keeps_its_dimensions_free(
    models: dict[str, Path], name: str, tmp_path: Path
) -> None:
    record = migrate(
        models[name],
        tmp_path / "out",
        inputs=["char_inputs", "lengths"],
        outputs=["logits=project/logits", "transitions=crf_loss/transitions"],
        feeds=["dropout=1.0"],
    )
    assert record.verification.verdict == "bitwise", record.verification.reason
    signature = record.signatures["serving_default"]
    assert signature.inputs["char_inputs"].shape == Shape((None, None))
    assert signature.inputs["lengths"].shape == Shape((None,))
    assert signature.outputs["logits"].tensor == "project/logits:0"
    batches = {case.inputs["char_inputs"] for case in record.verification.cases}
    assert len(batches) == 3


def test_estimator_saved_model_inspects(models: dict[str, Path]) -> None:
    summary = summarize(load(models["guesslang"]))
    (meta,) = summary.meta_graphs
    assert meta.tags == ("serve",)
    assert set(meta.signatures) == {"classification", "predict", "serving_default"}
    assert meta.graph.nodes == 445 and meta.graph.functions == 14


def test_tf2_saved_model_inspects_and_equals_itself(models: dict[str, Path]) -> None:
    summary = summarize(load(models["basic_pitch"]))
    (meta,) = summary.meta_graphs
    assert meta.tensorflow_version == "2.4.1"
    assert meta.graph.functions == 104
    assert set(meta.signatures["serving_default"].outputs) == {"contour", "note", "onset"}
    assert verify(models["basic_pitch"], models["basic_pitch"]).verdict == "bitwise"
