"""``freeze``: SavedModels and Keras files as frozen graphs that older runtimes can call."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.actions.freeze import freeze
from migrator.actions.migrate import migrate
from migrator.errors import BlockedError, NeedsDecision, UnsupportedFormat
from migrator.formats.load import load
from migrator.inspection.summary import control_flow, summarize
from migrator.migration.freezing.record import FreezeRecord
from migrator.model.dtypes import RESOURCE
from migrator.ops.registry import output_dtypes
from migrator.report.json_freeze import freeze_result
from migrator.report.json_v1 import dumps
from migrator.report.text_freeze import freeze_text
from tests.commands import run, spawn
from tests.corpus import KERAS, Sample, sample
from tests.schemas import parsed

from .conftest import load_fixture
from .test_keras import needs_its_keras

SOURCES = {
    "tf2.21.0/keras_export": "serving_default",
    "tf2.21.0/sm_functions": "serving_default",
    "tf1.15.5/sm_variables": "serving_default",
    "tf1.15.5/sm_variables_resource": "serving_default",
    "tf1.15.5/sm_tags": None,
}


def values(file: Path, found: FreezeRecord, inputs: dict[str, Any]) -> dict[str, Any]:
    """The frozen graph's outputs, by TensorFlow alone."""
    import tensorflow as tf

    graph_def = tf.compat.v1.GraphDef()
    graph_def.ParseFromString(file.read_bytes())
    (signature,) = found.signatures.values()
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        tf.graph_util.import_graph_def(graph_def, name="")
        feed = {signature.inputs[name].tensor: value for name, value in inputs.items()}
        fetches = {name: item.tensor for name, item in signature.outputs.items()}
        got: dict[str, Any] = session.run(fetches, feed)
    return got


def assert_pure(file: Path) -> None:
    graph = load(file).graph
    assert not graph.functions
    assert not any(RESOURCE in (output_dtypes(node) or ()) for node in graph.nodes)
    assert not any(node.device for node in graph.nodes)
    assert control_flow(node.op for node in graph.nodes) in ("none", "v1")


@pytest.mark.parametrize(("name", "signature"), SOURCES.items())
def test_fixtures_freeze_bitwise_and_give_what_their_makers_gave(
    name: str, signature: str | None, tmp_path: Path
) -> None:
    fixture = load_fixture(name)
    dest = tmp_path / "frozen.pb"
    found = freeze(fixture.model, dest, signature=signature)
    assert found.passed
    assert found.verification.verdict == "bitwise"
    assert os.listdir(tmp_path) == ["frozen.pb"]
    assert dest.stat().st_size == found.dest_bytes
    assert_pure(dest)
    (frozen,) = found.signatures.values()
    assert {name: item.tensor for name, item in frozen.inputs.items()} == {
        name: f"{name}:0" for name in frozen.inputs
    }
    for sides in fixture.cases().values():
        got = values(dest, found, sides["in"])
        for output, expected in sides["out"].items():
            np.testing.assert_allclose(got[output], expected, rtol=1e-5, atol=1e-6)
    parsed(dumps(freeze_result(found)))
    assert found.missing["1.15.5"] == {}


def test_inspect_decides_and_migrate_brings_it_back(tmp_path: Path) -> None:
    fixture = load_fixture("tf2.21.0/keras_export")
    found = freeze(fixture.model, tmp_path / "frozen.pb")
    endpoints = summarize(load(tmp_path / "frozen.pb")).meta_graphs[0].graph.endpoints
    assert endpoints.decided
    assert [item.tensor for item in endpoints.inputs] == ["image:0"]
    assert [item.tensor for item in endpoints.outputs] == ["output_0:0"]
    assert "conv/kernel" in load(tmp_path / "frozen.pb").graph.by_name
    back = migrate(tmp_path / "frozen.pb", tmp_path / "back")
    assert back.passed
    assert "image:0" in freeze_text(found)


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    source = load_fixture("tf2.21.0/sm_functions").model
    for name in ("a.pb", "b.pb"):
        freeze(source, tmp_path / name, verify=False)
    assert (tmp_path / "a.pb").read_bytes() == (tmp_path / "b.pb").read_bytes()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """SavedModels made by TensorFlow 2 here."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("made")
    rows = tf.TensorSpec([None, 4], tf.float32, name="x")

    class Model(tf.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.w = tf.Variable(tf.reshape(tf.range(16.0), (4, 4)) / 16, name="w")
            self.count = tf.Variable(0, name="count", trainable=False)

        @tf.function(input_signature=[rows])  # type: ignore[untyped-decorator, unused-ignore]
        def flow(self, x: Any) -> dict[str, Any]:
            total, steps = tf.zeros_like(x), tf.constant(0)
            while steps < 3:
                inner = tf.constant(0)
                while inner < steps:
                    total += tf.matmul(x, self.w)
                    inner += 1
                if tf.reduce_sum(x) > 0:
                    total = tf.tanh(total) + x
                steps += 1
            which = tf.cast(tf.reduce_sum(tf.sign(x)) > 0, tf.int32)
            return {"x": total, "case": tf.switch_case(which, [lambda: 1, lambda: 2])}

        @tf.function(input_signature=[rows])  # type: ignore[untyped-decorator, unused-ignore]
        def words(self, x: Any) -> dict[str, Any]:
            return {"text": tf.strings.as_string(x), "sum": tf.reduce_sum(x)}

        @tf.function(input_signature=[rows])  # type: ignore[untyped-decorator, unused-ignore]
        def counting(self, x: Any) -> dict[str, Any]:
            self.count.assign_add(1)
            return {"y": x + tf.cast(self.count, tf.float32)}

    model = Model()
    paths = {}
    for name in ("flow", "words", "counting"):
        paths[name] = folder / name
        tf.saved_model.save(model, str(paths[name]), signatures=getattr(model, name))
    paths["two"] = folder / "two"
    tf.saved_model.save(model, str(paths["two"]), signatures={"a": model.flow, "b": model.words})
    return paths


def test_loops_and_conditions_are_lowered_and_names_told_apart(
    made: dict[str, Path], tmp_path: Path
) -> None:
    found = freeze(made["flow"], tmp_path / "f.pb")
    assert found.verification.verdict == "bitwise"
    assert_pure(tmp_path / "f.pb")
    (signature,) = found.signatures.values()
    assert signature.inputs["x"].tensor == "x:0"
    assert signature.outputs["x"].tensor == "x_output:0"
    import tensorflow as tf

    given = np.linspace(-1, 2, 8, dtype=np.float32).reshape(2, 4)
    expected = tf.saved_model.load(str(made["flow"])).signatures["serving_default"](
        x=tf.constant(given)
    )
    got = values(tmp_path / "f.pb", found, {"x": given})
    for name, value in expected.items():
        np.testing.assert_array_equal(got[name], value.numpy())
    assert load(tmp_path / "f.pb").graph.by_name["w"].op == "Const"


def test_strings_come_out(made: dict[str, Path], tmp_path: Path) -> None:
    assert freeze(made["words"], tmp_path / "f.pb").verification.verdict == "bitwise"


def test_state_is_refused(made: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(BlockedError) as caught:
        freeze(made["counting"], tmp_path / "f.pb")
    assert "state" in caught.value.blockers[0]
    assert os.listdir(tmp_path) == []


def test_one_of_several_signatures_must_be_chosen(
    made: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(NeedsDecision) as caught:
        freeze(made["two"], tmp_path / "f.pb")
    assert set(caught.value.options) == {"--signature a", "--signature b"}
    asked = run(capsys, "freeze", made["two"], tmp_path / "f.pb", "--format", "json")
    assert asked.code == 3
    assert parsed(asked.out)["outcome"] == "needs_decision"
    found = freeze(made["two"], tmp_path / "f.pb", signature="b", verify=False)
    assert set(found.signatures) == {"b"}
    assert found.verification.verdict == "not_run"


def test_an_older_runtime_is_served_or_refused(made: dict[str, Path], tmp_path: Path) -> None:
    source = load_fixture("tf2.21.0/keras_export").model
    found = freeze(source, tmp_path / "f.pb", for_runtime="1.4")
    assert found.verification.verdict == "bitwise"
    assert found.missing["1.4.1"] == {}
    assert "AddV2" not in {node.op for node in load(tmp_path / "f.pb").graph.nodes}
    with pytest.raises(BlockedError) as caught:
        freeze(made["flow"], tmp_path / "g.pb", for_runtime="1.4")
    assert any("_SwitchN" in line for line in caught.value.blockers)


@pytest.mark.parametrize("item", [item for item in KERAS if item.name.startswith("tf2.")], ids=str)
def test_keras_files_freeze(item: Sample, tmp_path: Path) -> None:
    needs_its_keras(item)
    found = freeze(item.path, tmp_path / "f.pb")
    assert found.passed
    assert found.source.format == item.kind
    assert_pure(tmp_path / "f.pb")
    for sides in load_fixture(item.name).cases().values():
        got = values(tmp_path / "f.pb", found, sides["in"])
        np.testing.assert_allclose(got["scores"], sides["out"]["scores"], rtol=1e-5, atol=1e-6)


def test_tables_and_frozen_graphs_are_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(BlockedError) as caught:
        freeze(sample("tf1.15.5/sm_table").path, tmp_path / "f.pb")
    assert "table" in caught.value.blockers[0]
    with pytest.raises(UnsupportedFormat, match="GraphDef already"):
        freeze(sample("tf1.15.5/mlp").path, tmp_path / "f.pb")
    assert os.listdir(tmp_path) == []


def test_command_line_tells_and_leaves_nothing_behind(tmp_path: Path) -> None:
    source = str(load_fixture("tf2.21.0/sm_functions").model.resolve())
    words = ["freeze", source, "f.pb", "--signature", "choose"]
    done = spawn([*words, "--format", "json"], cwd=tmp_path, timeout=200)
    assert done.code == 0, done.err
    result = parsed(done.out)
    assert result["dest"] == {"path": "f.pb", "bytes": (tmp_path / "f.pb").stat().st_size}
    assert result["signatures"]["choose"]["inputs"]["x"]["tensor"] == "x:0"
    refused = spawn(words, cwd=tmp_path)
    assert refused.code == 2
    assert "--overwrite" in refused.err
    wrong = spawn([*words[:3], "--overwrite", "--signature", "gone"], cwd=tmp_path)
    assert wrong.code == 2
    assert "'gone'" in wrong.err
    odd = spawn([*words, "--overwrite", "--for-runtime", "0.9"], cwd=tmp_path)
    assert odd.code == 2
    assert "1.15.5" in odd.err
    folder = spawn(["freeze", source, "."], cwd=tmp_path)
    assert folder.code == 2
    assert os.listdir(tmp_path) == ["f.pb"]
    assert json.loads(done.out)["min_consumer"] >= 0
