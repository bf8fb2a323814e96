"""Blockers that lie beside the graph, or that no case in text can hold: each by its rule."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from migrator.auditing.engine import run_rules
from migrator.auditing.finding import Finding, Severity
from migrator.auditing.opening import open_subject
from migrator.auditing.registry import find_rule
from migrator.auditing.subject import Planned, Subject
from migrator.formats.keras.dangers import KerasDanger
from migrator.formats.keras.facts import KerasFacts
from migrator.migration.planning import plan
from migrator.migration.storage import weights
from tests import tables, wire
from tests.corpus import FROZEN, SAVED, Sample, sample
from tests.handmade import dense, model, op, placeholder, read_graph, read_saved_model, unary


def copied(name: str, base: Path) -> Path:
    """The model of a fixture in a folder of its own, with what belongs to it."""
    item = sample(name)
    shutil.copytree(item.folder, base / "model")
    return base / "model" / item.path.relative_to(item.folder)


def found(subject: Subject, code: str) -> list[Finding]:
    findings, skipped = run_rules(subject, [find_rule(code)])
    assert not skipped
    return list(findings)


def only(path: Path, code: str) -> Finding:
    (finding,) = found(open_subject(path), code)
    assert finding.severity == Severity.MEDIUM
    return finding


def shard(model: Path) -> Path:
    return next(model.glob("variables/*.data-*"))


def test_variables_folder_that_was_not_copied(tmp_path: Path) -> None:
    path = copied("tf1.15.5/sm_variables_resource", tmp_path)
    shutil.rmtree(path / "variables")
    findings = found(open_subject(path), "B201")
    assert {item.location.node for item in findings} >= {"net/hidden/kernel"}
    assert all(item.severity == Severity.MEDIUM for item in findings)
    assert "no checkpoint lies beside the graph" in findings[0].message


def test_value_of_another_shape(tmp_path: Path) -> None:
    path = copied("tf1.15.5/sm_variables_resource", tmp_path)
    shutil.rmtree(path / "variables")
    (path / "variables").mkdir()
    names = open_subject(path).model
    assert names is not None
    writer = tables.Writer()
    for node in names.graph.nodes:
        if node.op == "VarHandleOp":
            writer.add(node.name, np.zeros((9, 9), np.float32))
    writer.write(path / "variables" / "variables")
    findings = found(open_subject(path), "B202")
    assert findings
    assert all("shape [9, 9]" in item.message for item in findings)


@pytest.mark.parametrize("keep", [None, 40])
def test_checkpoint_with_a_shard_gone_or_cut(keep: int | None, tmp_path: Path) -> None:
    path = copied("tf1.15.5/sm_variables", tmp_path)
    if keep is None:
        shard(path).unlink()
    else:
        shard(path).write_bytes(shard(path).read_bytes()[:keep])
    finding = only(path, "B203")
    assert str(shard(path) if keep else "variables.data") in finding.message
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copytree(path, elsewhere / "model")
    assert only(elsewhere / "model", "B203").fingerprint == finding.fingerprint


def test_file_that_the_graph_reads_is_gone(tmp_path: Path) -> None:
    path = copied("tf1.15.5/sm_asset_tensor", tmp_path)
    shutil.rmtree(path / "assets")
    assert "scales.csv" in only(path, "B207").message


def test_vocabulary_of_a_table_is_gone(tmp_path: Path) -> None:
    path = copied("tf1.15.5/sm_table", tmp_path)
    (path / "assets" / "words.txt").unlink()
    assert "words.txt" in only(path, "B206").message


def test_constants_past_what_a_graph_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_LARGEST_GRAPH", 2_000)
    monkeypatch.setattr(weights, "AUTO_VARIABLES_FROM", 1 << 30)
    subject = Subject("m.pb", model=model(placeholder("x"), *dense("y", "x", 4, 500)))
    (finding,) = found(subject, "B208")
    assert "bytes of constants do not fit" in finding.message
    assert finding.location.node == ""


@pytest.mark.parametrize(
    ("versions", "count"),
    [({"min_consumer": 9999}, 1), ({"min_consumer": 12}, 0), ({"min_consumer": 2474}, 0)],
)
def test_graph_for_newer_readers(versions: dict[str, int], count: int) -> None:
    data = wire.graph([placeholder("x"), unary("y", "Relu", "x")], **versions)
    findings = found(Subject("m.pb", model=read_graph(data)), "B310")
    assert len(findings) == count
    assert all("9999" in item.message for item in findings)


def test_graph_for_newer_readers_whose_endpoints_are_open() -> None:
    nodes = [
        placeholder("x"),
        op("keep_prob", "Placeholder", dtype=wire.F, shape=wire.Dims(())),
        op("y", "RealDiv", "x", "keep_prob", T=wire.F),
    ]
    data = wire.graph(nodes, min_consumer=9999)
    subject = Subject("m.pb", model=read_graph(data))
    assert subject.planned.plan is not None  # blocked, whatever were decided
    (finding,) = found(subject, "B310")
    assert finding.severity == Severity.MEDIUM
    assert finding.message.startswith("the graph asks for a reader of version 9999")
    assert not found(subject, "B301")


def test_loops_that_are_kept_are_told_with_what_stood_in_the_way() -> None:
    """A Merge that joins no two branches of one condition is beyond what functions can say."""
    nodes = [
        placeholder("x"),
        op("p", "Placeholder", dtype=wire.B, shape=wire.Dims(())),
        op("q", "Placeholder", dtype=wire.B, shape=wire.Dims(())),
        op("s", "Switch", "x", "p", T=wire.F),
        op("t", "Switch", "x", "q", T=wire.F),
        unary("a", "Relu", "s:0"),
        unary("b", "Tanh", "t:1"),
        op("y", "Merge", "a", "b", T=wire.F, N=2),
    ]
    made = model(*nodes)
    subject = Subject("m.pb", model=made)
    subject.planned = Planned(plan=plan(made, inputs=["x", "p", "q"], outputs=["y"]))
    (finding,) = found(subject, "B311")
    assert finding.severity == Severity.INFO
    assert "control flow is kept" in finding.message


@pytest.mark.parametrize("item", [*FROZEN, *SAVED], ids=str)
def test_fixtures_that_become_functional_say_nothing(item: Sample) -> None:
    assert not found(open_subject(item.path), "B311")


def test_index_that_cannot_be_read_fails_the_plan(tmp_path: Path) -> None:
    path = copied("tf1.15.5/sm_variables", tmp_path)
    index = next(path.glob("variables/*.index"))
    index.write_bytes(index.read_bytes()[:40])
    finding = only(path, "B312")
    assert "table" in finding.message or "index" in finding.message
    assert str(index) in finding.detail["where"]


def test_signature_that_names_what_is_not_there() -> None:
    body = wire.graph([placeholder("x"), unary("y", "Relu", "x")])
    pair = wire.block(1, b"y") + wire.block(2, wire.block(1, b"gone:0") + wire.number(2, 1))
    signature = wire.block(1, b"serving_default") + wire.block(2, wire.block(2, pair))
    meta = wire.meta_graph(body, ["serve"], more=wire.block(5, signature))
    (finding,) = found(Subject("m", model=read_saved_model(wire.saved_model(meta))), "B312")
    assert "there is no node 'gone'" in finding.message


def test_a_bare_checkpoint_is_no_failed_plan() -> None:
    prefix = sample("tf1.15.5/mg_train").path.with_suffix(".index")
    subject = open_subject(prefix)
    assert subject.planned.error is not None
    assert not found(subject, "B312")


def keras(*dangers: KerasDanger) -> Subject:
    facts = KerasFacts(
        path="m.h5",
        format="keras_h5",
        keras_version="2.2.4",
        model_class="Sequential",
        layers=(),
        inputs=(),
        outputs=(),
        dangers=dangers,
    )
    return Subject("m.h5", keras=facts)


def test_keras_file_that_brings_code() -> None:
    dangers = [KerasDanger(layer=f"lambda_{n}", text="is a Lambda layer") for n in range(3)]
    (finding,) = found(keras(*dangers), "B313")
    assert finding.severity == Severity.MEDIUM
    assert finding.detail["nodes"] == ["lambda_0", "lambda_1", "lambda_2"]
    assert "2 more" in finding.message


def test_keras_file_of_plain_layers() -> None:
    assert not found(keras(), "B313")
