"""Keras files: exported by Keras as SavedModels that compute what Keras computes."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.actions.keras import is_keras, keras_to_saved_model
from migrator.arrays import load_arrays, save_arrays
from migrator.errors import BlockedError, FormatError
from migrator.formats.keras.facts import keras_model_facts
from migrator.formats.load import load
from migrator.runtime.client import Child, ChildLimits
from tests.corpus import KERAS, Sample, sample

from .conftest import load_fixture

LIMITS = ChildLimits(timeout=200)


def needs_its_keras(item: Sample) -> None:
    """Skip where no Keras is installed that is meant to read the file."""
    if item.name.startswith("tf1."):
        if importlib.util.find_spec("tf_keras") is None:
            pytest.skip("tf_keras, which reads what Keras 2 wrote, is not installed")
        return
    wrote = keras_model_facts(item.path).keras_version.split(".")[:2]
    reads = importlib.metadata.version("keras").split(".")[:2]
    if [int(part) for part in reads] < [int(part) for part in wrote]:
        pytest.skip("the file was written by a newer Keras than is installed")


def _cases(item: Sample) -> dict[str, dict[str, dict[str, Any]]]:
    return load_fixture(item.name).cases()


@pytest.mark.parametrize("item", KERAS, ids=str)
def test_every_keras_fixture_gives_what_its_maker_gave(
    item: Sample, tmp_path: Path, runner: Child
) -> None:
    needs_its_keras(item)
    assert is_keras(item.path)
    found = keras_to_saved_model(item.path, tmp_path, LIMITS, runner)
    assert found.used.startswith("tf_keras 2" if item.name.startswith("tf1.") else "keras 3")
    assert dict(found.inputs) == item.inputs
    assert dict(found.outputs) == item.outputs
    signature = load(found.path).meta_graphs[0].signatures["serving_default"]
    assert set(signature.inputs) == set(item.inputs)
    assert set(signature.outputs) == set(item.outputs)

    cases = _cases(item)
    given = {
        f"{case}/{name}": value
        for case, sides in cases.items()
        for name, value in sides["in"].items()
    }
    save_arrays(tmp_path / "cases.npz", given)
    names = {"inputs": {name: name for name in item.inputs}}
    names["outputs"] = {name: name for name in item.outputs}
    files = {"cases": str(tmp_path / "cases.npz")}
    runs: dict[str, tuple[str, dict[str, Any]]] = {
        "keras": ("run_keras", {"path": str(item.path)}),
        "saved": (
            "run_saved_model",
            {
                "path": str(found.path),
                "tags": None,
                "signature": "serving_default",
                "loaders": ["tf2"],
            },
        ),
    }
    for run, (task, arguments) in runs.items():
        results = tmp_path / f"{run}.npz"
        outcome = runner.run(task, **arguments, **names, **files, results=str(results))
        assert outcome["errors"] == {}
        arrays = load_arrays(results)
        for case, sides in cases.items():
            for name, expected in sides["out"].items():
                got = arrays[f"{case}/{name}"]
                np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6, err_msg=run)


def test_variables_keep_names_and_trainable_flags(tmp_path: Path, runner: Child) -> None:
    item = sample("tf2.21.0/keras_h5")
    needs_its_keras(item)
    found = keras_to_saved_model(item.path, tmp_path, LIMITS, runner)
    objects = load(found.path).meta_graphs[0].object_graph
    assert objects is not None
    flags = {variable.name: variable.trainable for variable in objects.variables}
    assert flags["conv/kernel"] and flags["bn/gamma"]
    assert not flags["bn/moving_mean"] and not flags["bn/moving_variance"]


def over_unknown_steps(keras: Any) -> Any:
    """TimeDistributed in a model, and in a model of that model, with and without a mask."""
    frames = keras.Input((None, 4), name="frames")
    inner = keras.Model(frames, keras.layers.TimeDistributed(keras.layers.Dense(3))(frames))
    words = keras.Input((None,), dtype="int32", name="words")
    masked = keras.layers.Embedding(9, 4, mask_zero=True)(words)
    each = keras.layers.TimeDistributed(keras.layers.Dense(4), name="each")(masked)
    last = keras.layers.LSTM(2, return_sequences=True)(each)  # takes the mask
    parts = [last, inner(keras.layers.Embedding(9, 4)(words))]
    return keras.Model(words, keras.layers.Concatenate()(parts))


def test_layers_over_an_unknown_number_of_time_steps_go_over_all_of_them(
    tmp_path: Path, runner: Child
) -> None:
    keras = pytest.importorskip("keras")
    if int(keras.__version__.partition(".")[0]) < 3:
        pytest.skip("Keras 2 does it otherwise")
    model = over_unknown_steps(keras)
    model.save(tmp_path / "m.keras")
    words = np.asarray([[1, 2, 3, 0, 0], [4, 5, 0, 0, 0], [1, 1, 2, 8, 7]], np.int32)
    expected = model(words).numpy()
    found = keras_to_saved_model(tmp_path / "m.keras", tmp_path, LIMITS, runner)
    save_arrays(tmp_path / "cases.npz", {"case/words": words})
    outcome = runner.run(
        "run_saved_model",
        path=str(found.path),
        tags=None,
        signature="serving_default",
        loaders=["tf2"],
        inputs={"words": "words"},
        outputs={"y": next(iter(found.outputs))},
        cases=str(tmp_path / "cases.npz"),
        results=str(tmp_path / "results.npz"),
    )
    assert outcome["errors"] == {}
    got = load_arrays(tmp_path / "results.npz")["case/y"]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    if len(found.steps) > 1:  # a release of Keras that traces it wrongly
        assert found.steps[1].code == "mend_keras"
        assert "'each'" in found.steps[1].text and found.used in found.steps[1].text


def test_a_file_that_its_own_keras_cannot_read_again_says_what_to_do(
    tmp_path: Path, runner: Child
) -> None:
    h5py = pytest.importorskip("h5py")
    layers = [{"class_name": "NotEqual", "config": {"name": "not_equal"}}]
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(
            {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
        )
        file.attrs["keras_version"] = "3.9.0"
    with pytest.raises(FormatError) as caught:
        keras_to_saved_model(tmp_path / "m.h5", tmp_path, LIMITS, runner)
    assert "save the model as .keras where it is made" in caught.value.hint


def test_a_lambda_layer_is_refused_before_keras_sees_it(tmp_path: Path, runner: Child) -> None:
    h5py = pytest.importorskip("h5py")
    mark = tmp_path / "ran"
    config = {
        "class_name": "Sequential",
        "config": {
            "name": "m",
            "layers": [
                {
                    "class_name": "Lambda",
                    "config": {
                        "name": "sneaky",
                        "function": f"open({str(mark)!r}, 'w')",
                        "function_type": "function",
                        "module": "os",
                        "batch_input_shape": [None, 3],
                    },
                }
            ],
        },
    }
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.4.0"
    with pytest.raises(BlockedError) as caught:
        keras_to_saved_model(tmp_path / "m.h5", tmp_path, LIMITS, runner)
    assert caught.value.blockers[0].startswith("sneaky: is a Lambda layer")
    assert not mark.exists()


def test_weights_alone_and_unknown_layers_are_told(tmp_path: Path, runner: Child) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_group("dense")
    with pytest.raises(FormatError, match="weights alone"):
        keras_to_saved_model(tmp_path / "w.h5", tmp_path, LIMITS, runner)
    layers = [{"class_name": "NoSuchLayer", "config": {"name": "odd"}}]
    with h5py.File(tmp_path / "u.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(
            {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
        )
        file.attrs["keras_version"] = "3.1.0"
    with pytest.raises(FormatError, match="no Keras here reads it") as caught:
        keras_to_saved_model(tmp_path / "u.h5", tmp_path, LIMITS, runner)
    assert "NoSuchLayer" in str(caught.value)
