"""``tflite`` on real models: what comes out, that it computes the same, and what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.actions.tflite import tflite
from migrator.arrays import load_arrays, save_arrays
from migrator.errors import MigratorError, UsageError, WorkerError
from migrator.formats.encode import write_graph
from migrator.formats.tensors import constant_tensor
from migrator.migration.options import Choice
from migrator.migration.tflite.record import TFLiteRecord
from migrator.model.dtypes import FLOAT32, INT32
from migrator.model.graph import Node, Versions
from migrator.model.tensors import Shape
from migrator.report.json_tflite import tflite_result
from migrator.report.json_v1 import dumps
from migrator.runtime.client import Child
from tests.schemas import parsed

from .conftest import FIXTURES, load_fixture


def convert(source: str | Path, dest: Path, **options: Any) -> TFLiteRecord:
    record = tflite(source, dest, **options)
    parsed(dumps(tflite_result(record)))
    return record


def called(child: Child, path: Path, arrays: Mapping[str, Any], outputs: list[str]) -> Any:
    """What the interpreter gives for one set of inputs, by name."""
    cases, results = path.with_suffix(".cases"), path.with_suffix(".results")
    save_arrays(cases, {f"a/{name}": value for name, value in arrays.items()})
    outcome = child.run(
        "run_tflite",
        path=str(path),
        signature="serving_default",
        inputs={name: name for name in arrays},
        outputs={name: name for name in outputs},
        cases=str(cases),
        results=str(results),
    )
    assert outcome["errors"] == {}
    return {key.partition("/")[2]: value for key, value in load_arrays(results).items()}


@pytest.mark.parametrize(
    "name",
    [
        "tf1.4.1/mlp",
        "tf1.15.5/conv_bn",
        "tf1.15.5/embedding",
        "tf1.15.5/multi_io",
        "tf1.15.5/nested_while",
        "tf1.15.5/function_call",
    ],
)
def test_fixtures_become_built_in_ops_and_give_what_tensorflow_1_gave(
    name: str, tmp_path: Path, runner: Child
) -> None:
    fixture = load_fixture(name)
    dest = tmp_path / "m.tflite"
    record = convert(fixture.model, dest, **fixture.options())
    assert record.outcome == "converted", record
    assert not record.ops.select and not record.ops.custom
    assert record.bytes == dest.stat().st_size
    inputs = [case.inputs for case in record.verification.cases]
    assert len(inputs) >= 2 and inputs[0] != inputs[1]  # several shapes
    for case in fixture.cases().values():
        found = called(runner, dest, case["in"], list(case["out"]))
        for key, expected in case["out"].items():
            np.testing.assert_allclose(found[key], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "keys"),
    [("keras_export", ["serving_default"]), ("sm_functions", ["serving_default", "choose"])],
)
def test_saved_models_keep_their_signatures(name: str, keys: list[str], tmp_path: Path) -> None:
    source = FIXTURES / "tf2.21.0" / name / "saved_model"
    record = convert(source, tmp_path / "m.tflite", choice=Choice(signatures=keys))
    assert record.outcome == "converted"
    assert list(record.signatures) == keys
    if len(keys) > 1:
        told = {case.signature for case in record.verification.cases}
        assert told == set(keys)


def test_a_loop_with_a_tensor_array_is_built_in_ops(tmp_path: Path) -> None:
    record = convert(load_fixture("tf1.15.5/while_plain").model, tmp_path / "m.tflite")
    assert record.outcome == "converted", record
    assert "WHILE" in record.ops.builtin and not record.ops.select


def test_a_recurrent_net_is_built_in_ops_once_its_batch_is_fixed(tmp_path: Path) -> None:
    model = load_fixture("tf1.15.5/rnn_while").model
    free = convert(model, tmp_path / "free.tflite")
    if free.ops.select:
        assert any("--shape" in note for note in free.notes)
    choice = Choice(shapes=["sequence=1,?,3", "lengths=1"])
    record = convert(model, tmp_path / "m.tflite", choice=choice)
    assert record.outcome == "converted", record
    assert not record.ops.select
    lengths = {case.inputs["sequence"] for case in record.verification.cases}
    assert len(lengths) >= 2 and {shape[0] for shape in lengths} == {1}


def test_signatures_of_tensorflow_1_are_converted_together(tmp_path: Path) -> None:
    source = FIXTURES / "tf1.15.5/sm_variables/saved_model"
    record = convert(source, tmp_path / "m.tflite")
    assert record.outcome == "converted", record
    assert len(record.signatures) == 3


def test_keras_files_are_held_against_keras(tmp_path: Path) -> None:
    record = convert(FIXTURES / "tf2.21.0/keras_h5/model.h5", tmp_path / "m.tflite")
    assert record.outcome == "converted", record
    assert record.source.format == "keras_h5"


def test_a_missing_kernel_that_shows_only_in_a_run_is_no_mismatch(tmp_path: Path) -> None:
    source = FIXTURES / "tf1.15.5/sm_table/saved_model"
    record = convert(source, tmp_path / "m.tflite")
    assert record.outcome == "converted_unverified"
    assert dict(record.ops.select) == {"StringToHashBucketFast": 1}


def test_an_activation_that_the_converter_loses_comes_back(tmp_path: Path) -> None:
    # Its first result drops the Relu of a branch: seen with TensorFlow 2.21.
    record = convert(load_fixture("tf1.15.5/cond").model, tmp_path / "m.tflite")
    assert record.outcome == "converted"
    if "BATCH_MATMUL" not in record.ops.builtin:
        assert "unfold_matmul" in [step.code for step in record.steps]


def test_ops_without_a_built_in_kernel_are_named_and_unproven(tmp_path: Path) -> None:
    dest = tmp_path / "m.tflite"
    record = convert(load_fixture("tf1.15.5/image_string").model, dest)
    assert record.outcome == "converted_unverified"
    assert record.verification.verdict == "not_run"
    assert "Flex" in record.verification.reason
    assert dict(record.ops.select) == {"DecodeJpeg": 1}
    assert "DecodeJpeg" in next(s.text for s in record.steps if s.code == "select_ops")
    assert dest.stat().st_size == record.bytes


def test_built_in_only_refuses_them_and_leaves_nothing(tmp_path: Path) -> None:
    model = load_fixture("tf1.15.5/image_string").model
    record = convert(model, tmp_path / "m.tflite", builtin_only=True)
    assert record.outcome == "failed"
    assert "DecodeJpeg" in record.reason
    assert os.listdir(tmp_path) == []


def data(folder: Path, rows: int = 40) -> str:
    random = np.random.default_rng(0)
    file = folder / "data.npz"
    np.savez(file, image=random.random((rows, 12, 12, 3), dtype=np.float32))
    return str(file)


@pytest.mark.parametrize("mode", ["dynamic", "float16", "int8"])
def test_fewer_bits_stay_within_the_stated_share(mode: str, tmp_path: Path) -> None:
    record = convert(
        load_fixture("tf1.15.5/conv_bn").model,
        tmp_path / "m.tflite",
        quantize=mode,
        data=data(tmp_path) if mode == "int8" else None,
    )
    assert record.outcome == "converted"
    assert record.quantization.mode == mode
    assert record.quantization.tolerance
    weights = record.quantization.weight_bytes
    if mode == "dynamic":  # all of its weights are small ones
        assert any("no weight became int8" in note for note in record.notes)
    elif mode == "float16":
        assert set(weights) == {"float16", "int32"}
    else:
        assert set(weights) == {"int8", "int32"}
        assert record.quantization.samples == 40
        assert [case.inputs["image"][0] for case in record.verification.cases] == [1, 16]


def test_integer_inputs_and_outputs_are_verified_in_real_numbers(tmp_path: Path) -> None:
    record = convert(
        load_fixture("tf1.15.5/conv_bn").model,
        tmp_path / "m.tflite",
        quantize="int8",
        data=data(tmp_path),
        integer_io=True,
    )
    assert record.outcome == "converted"
    signature = record.signatures["serving_default"]
    (image,), (output,) = signature.inputs.values(), signature.outputs.values()
    assert (image.dtype, output.dtype) == ("int8", "int8")
    assert image.scale is not None and output.scale is not None
    assert image.scale.scale == pytest.approx(1 / 255, rel=0.05)  # of inputs from 0 to 1


def test_fewer_bits_than_the_tolerance_allows_are_a_mismatch(tmp_path: Path) -> None:
    dest = tmp_path / "out" / "m.tflite"
    options = {
        "quantize": "int8",
        "data": data(tmp_path),
        "range_tolerance": 1e-6,
    }
    model = load_fixture("tf1.15.5/conv_bn").model
    record = convert(model, dest, **options)
    assert (record.outcome, record.verification.verdict) == ("failed", "mismatch")
    assert not dest.parent.exists()
    record = convert(model, dest, **options, keep_mismatch=True)
    assert record.outcome == "failed"
    assert os.listdir(dest.parent) == ["m.tflite"]


def test_data_that_does_not_fit_is_told_of(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", image=np.zeros((4, 9, 9, 3), np.float32))
    with pytest.raises(UsageError, match="shape"):
        tflite(
            load_fixture("tf1.15.5/conv_bn").model,
            tmp_path / "m.tflite",
            data=tmp_path / "data.npz",
        )
    assert os.listdir(tmp_path) == ["data.npz"]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel with what converters trip over, one signature each."""
    import tensorflow as tf

    class Odd(tf.Module):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.weights = tf.Variable([1.0, 2.0])
            self.count = tf.Variable(0.0)
            keys = tf.constant(["a", "b"])
            entries = tf.lookup.KeyValueTensorInitializer(keys, tf.constant([5, 6], tf.int64))
            self.table = tf.lookup.StaticHashTable(entries, -1)

        @tf.function(
            autograph=False,
            input_signature=[
                tf.TensorSpec([None, 2], name="x"),
                tf.TensorSpec([], tf.bool, name="unused"),
            ],
        )
        def ends(self, x, unused):  # type: ignore[no-untyped-def]
            return {"same": x, "fixed": tf.constant([3.0]), "class": x * self.weights}

        @tf.function(
            autograph=False, input_signature=[tf.TensorSpec([None], tf.string, name="words")]
        )
        def table_(self, words):  # type: ignore[no-untyped-def]
            return {"ids": self.table.lookup(words), "words": words}

        @tf.function(autograph=False, input_signature=[tf.TensorSpec([2], name="x")])
        def state(self, x):  # type: ignore[no-untyped-def]
            self.count.assign_add(1.0)
            return {"y": x + self.count}

        @tf.function(autograph=False, input_signature=[tf.TensorSpec(None, name="x")])
        def rank(self, x):  # type: ignore[no-untyped-def]
            return {"y": tf.tanh(x) + 1.0}

        @tf.function(autograph=False, input_signature=[tf.TensorSpec([None, 4], name="x")])
        def custom(self, x):  # type: ignore[no-untyped-def]
            return {"y": tf.linalg.svd(tf.reshape(x, [-1, 2, 2]))[0]}

    module = Odd()
    folder = tmp_path_factory.mktemp("odd") / "saved_model"
    calls = {
        name: getattr(module, name).get_concrete_function()
        for name in ("ends", "table_", "state", "rank", "custom")
    }
    tf.saved_model.save(module, str(folder), signatures=calls)
    return folder


@pytest.mark.parametrize("key", ["ends", "table_", "state", "rank"])
def test_odd_signatures_convert_and_agree(key: str, odd: Path, tmp_path: Path) -> None:
    record = convert(odd, tmp_path / "m.tflite", choice=Choice(signatures=[key]))
    assert record.outcome == "converted", (record.reason, record.verification)
    assert not record.ops.select


def test_ops_that_no_runtime_has_are_kept_on_request(odd: Path, tmp_path: Path) -> None:
    dest = tmp_path / "m.tflite"
    refused = convert(odd, dest, choice=Choice(signatures=["custom"]))
    assert refused.outcome == "failed"
    assert "Svd" in refused.reason
    kept = convert(odd, dest, choice=Choice(signatures=["custom"]), custom_ops=True)
    assert kept.outcome == "converted_unverified"
    assert dict(kept.ops.custom) == {"Svd": 1}


def noisy(folder: Path) -> Path:
    """x plus unseeded noise: no two runs agree."""
    shape = {"dtype": INT32, "value": constant_tensor([4], INT32)}
    nodes = [
        Node("x", "Placeholder", (), "", {"dtype": FLOAT32, "shape": Shape((4,))}),
        Node("shape", "Const", (), "", shape),
        Node("noise", "RandomUniform", ("shape",), "", {"dtype": FLOAT32, "T": INT32}),
        Node("y", "Add", ("x", "noise"), "", {"T": FLOAT32}),
    ]
    file = folder / "noisy.pb"
    with file.open("wb") as stream:
        write_graph(stream, nodes, (), Versions(producer=27))
    return file


def test_what_is_random_throughout_is_not_called_proven(tmp_path: Path) -> None:
    record = convert(noisy(tmp_path), tmp_path / "m.tflite")
    assert (record.outcome, record.verification.verdict) == ("failed", "not_run")
    assert "random" in record.reason
    assert os.listdir(tmp_path) == ["noisy.pb"]


def test_a_limit_ends_the_work_and_leaves_nothing(tmp_path: Path) -> None:
    model = load_fixture("tf1.15.5/mlp").model
    for limit in ({"timeout": 0.2}, {"memory_limit": 50_000_000}):
        with pytest.raises(WorkerError):
            tflite(model, tmp_path / "m.tflite", **limit)  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == []


def test_an_interpreter_that_dies_is_an_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from migrator.actions import tflite as action

    damaged = action._Job._convert

    def damage(job: Any, *words: Any, **named: Any) -> Any:
        attempt = damaged(job, *words, **named)
        job._made.write_bytes(b"\x1c\0\0\0TFL3" + b"\xff" * 600)
        return attempt

    monkeypatch.setattr(action._Job, "_convert", damage)
    record = tflite(load_fixture("tf1.15.5/mlp").model, tmp_path / "m.tflite")
    assert record.outcome == "failed"
    assert "interpreter could not run it" in record.reason
    assert os.listdir(tmp_path) == []


def test_the_command_tells_in_json_and_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.commands import run

    dest = tmp_path / "m.tflite"
    done = run(capsys, "tflite", load_fixture("tf1.15.5/mlp").model, dest, "--format", "json")
    assert (done.code, done.err) == (0, "")
    result = json.loads(done.out)
    assert result["dest"] == {"path": str(dest), "bytes": dest.stat().st_size}
    assert result["signatures"]["serving_default"]["inputs"]["x"]["source_tensor"] == "x:0"
    coarse = ("--quantize", "float16", "--range-tolerance", "1e-9")
    model = load_fixture("tf1.15.5/conv_bn").model
    failed = run(capsys, "tflite", model, tmp_path / "n.tflite", *coarse)
    assert failed.code == 1
    assert "NOT the same" in failed.out
    image = load_fixture("tf1.15.5/image_string").model
    refused = run(capsys, "tflite", image, tmp_path / "i.tflite", "--builtin-only")
    assert refused.code == 2
    assert os.listdir(tmp_path) == ["m.tflite"]


def test_errors_are_of_one_tree() -> None:
    from migrator.actions.tflite_proof import InterpreterError

    assert issubclass(InterpreterError, MigratorError)
