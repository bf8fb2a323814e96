"""What a Keras file says of its model, and what in it must not be loaded."""

from __future__ import annotations

import json
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from migrator.errors import FormatError, LimitError, MigratorError
from migrator.formats import magic
from migrator.formats.keras import archive as archives
from migrator.formats.keras.dangers import find_dangers
from migrator.formats.keras.facts import KerasLayer, KerasTensor, keras_model_facts
from tests.corpus import KERAS, Sample


def layer(name: str, class_name: str = "Dense", **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, **config}, "name": name}


def functional(*layers: dict[str, Any], **more: Any) -> dict[str, Any]:
    entry = layer("x", "InputLayer", batch_shape=[None, 3], dtype="float32")
    config = {
        "name": "m",
        "layers": [entry, *layers],
        "input_layers": [["x", 0, 0]],
        "output_layers": [[layers[-1].get("name", "x") if layers else "x", 0, 0]],
    }
    return {"class_name": "Functional", "config": config, **more}


def archive(path: Path, config: Any, **members: str) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
        file.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        for name, text in members.items():
            file.writestr(name, text)
    return path


def told(config: dict[str, Any]) -> list[tuple[str, str]]:
    return [(item.layer, item.text) for item in find_dangers(config)]


@pytest.mark.parametrize("item", KERAS, ids=str)
def test_layers_and_names_of_every_fixture(item: Sample) -> None:
    pytest.importorskip("h5py")
    facts = keras_model_facts(item.path)
    assert facts.format == item.kind
    assert {part.name: part.class_name for part in facts.layers} == item.record["inspect"]["layers"]
    assert {part.name for part in facts.inputs} == set(item.inputs.values())
    assert {part.name for part in facts.outputs} == set(item.outputs.values())
    assert facts.dangers == ()
    assert facts.major == (2 if item.name.startswith("tf1.") else 3)


def test_an_archive_without_weights_needs_no_h5py(tmp_path: Path) -> None:
    facts = keras_model_facts(archive(tmp_path / "m.zip", functional(layer("d"))))
    assert (facts.format, facts.keras_version, facts.model_class) == (
        "keras_zip",
        "3.15.1",
        "Functional",
    )
    assert facts.layers[1] == KerasLayer(name="d", class_name="Dense")
    assert facts.inputs == (KerasTensor(name="x", dtype="float32", shape=(None, 3)),)
    assert facts.outputs == (KerasTensor(name="d"),)


def test_sequential_without_an_input_layer_names_its_own(tmp_path: Path) -> None:
    config = {
        "class_name": "Sequential",
        "config": [layer("a", batch_input_shape=[None, 4], dtype="float32"), layer("b")],
    }
    facts = keras_model_facts(archive(tmp_path / "m.keras", config))
    assert facts.inputs == (KerasTensor(name="a_input", dtype="float32", shape=(None, 4)),)
    assert facts.outputs == (KerasTensor(name="b"),)


@pytest.mark.parametrize(
    ("bad", "part"),
    [
        (layer("bad", "Lambda", function=["4wEA", None, None], module="__main__"), "Lambda"),
        (layer("bad", activation={"class_name": "__lambda__", "config": {}}), "Python code"),
        (layer("bad", "TFSMLayer", filepath="/tmp/other"), "another SavedModel"),
        (layer("bad", "StringLookup", vocabulary="/etc/passwd"), "'/etc/passwd'"),
        (layer("bad", "TextVectorization", idf_weights="w.txt"), "'w.txt'"),
        (layer("bad", "Mine>Attention"), "'Mine>Attention'"),
        ({**layer("bad"), "registered_name": "Mine>Dense"}, "'Mine>Dense'"),
        ({**layer("bad"), "module": "os.path"}, "'os.path'"),
        ({**layer("bad"), "module": "keras.utils"}, "'keras.utils'"),
        ({**layer("bad"), "module": "keras.src.saving.saving_lib"}, "saving_lib"),
        ({**layer("bad"), "module": "kerasx.layers"}, "'kerasx.layers'"),
        ({**layer("bad"), "module": "builtins"}, "'builtins'"),
        (layer("bad", "TFOpLambda", function="io.write_file"), "'io.write_file'"),
        (layer("bad", "TFOpLambda", function="load_op_library"), "'load_op_library'"),
        (layer("bad", "TFOpLambda", function="compat.v1.py_func"), "py_func"),
        (layer("bad", "TensorFlowOpLayer", node_def={"op": "WriteFile"}), "'WriteFile'"),
        (layer("bad", "TensorFlowOpLayer", node_def='name: "a"\nop: "ReadFile"'), "'ReadFile'"),
        (layer("bad", "TensorFlowOpLayer", node_def=7), "runs the op"),
    ],
)
def test_what_must_not_be_loaded_is_named_with_its_layer(bad: dict[str, Any], part: str) -> None:
    found = told(functional(layer("good"), bad))
    assert [place for place, _ in found] == ["bad"]
    assert part in found[0][1]
    wrapped = functional(layer("outer", "TimeDistributed", layer=bad))
    assert told(wrapped)[0][0] == "bad"


@pytest.mark.parametrize(
    "good",
    [
        {**layer("a"), "module": "keras.layers", "registered_name": None},
        {**layer("a"), "module": "keras.src.models.functional", "registered_name": "Functional"},
        {**layer("a"), "module": "keras.src.engine.functional"},
        layer("a", "TFOpLambda", function="math.multiply"),
        layer("a", "TFOpLambda", function="__operators__.add"),
        layer("a", "TFOpLambda", function="concat"),
        layer("a", "TFOpLambda", function="compat.v1.nn.softmax"),
        layer("a", "TensorFlowOpLayer", node_def={"op": "Tanh"}),
        layer("a", "StringLookup", vocabulary=["a", "b"]),
    ],
)
def test_layers_of_keras_itself_are_fine(good: dict[str, Any]) -> None:
    assert told(functional(good)) == []


def test_what_only_training_uses_is_left_aside() -> None:
    custom = {"loss": {"class_name": "Mine>Loss", "config": {}}}
    assert told(functional(layer("d"), compile_config=custom)) == []
    inner = {**functional(layer("e")), "compile_config": custom}
    assert told(functional(inner | {"name": "inner"}))  # an inner model would be compiled


def test_weights_alone_are_told_as_such(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_group("dense")["kernel"] = [1.0]
    with pytest.raises(FormatError, match="weights alone"):
        keras_model_facts(tmp_path / "w.h5")


def test_data_in_other_files_is_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(functional(layer("d")))
        file["away"] = h5py.ExternalLink("/etc/other.h5", "/x")
        inner = file.create_group("model_weights")
        inner["loop"] = file["/"]
        inner.create_dataset("raw", (4,), "u1", external=[("/etc/passwd", 0, 4)])
    facts = keras_model_facts(tmp_path / "m.h5")
    assert sorted((item.layer, item.text) for item in facts.dangers) == [
        ("/away", "links to another file"),
        ("/model_weights/raw", "keeps its data in another file"),
    ]


def test_member_that_leads_out_of_the_archive_is_refused(tmp_path: Path) -> None:
    file = archive(tmp_path / "m.keras", functional(layer("d")), **{"../../evil": "x"})
    assert [item.layer for item in keras_model_facts(file).dangers] == ["../../evil"]


@pytest.mark.parametrize(
    ("config", "part"),
    [("{", "no JSON"), ("[1]", "no JSON object"), ("[" * 100_000, "no JSON")],
)
def test_damaged_configuration(tmp_path: Path, config: str, part: str) -> None:
    with pytest.raises(FormatError, match=part):
        keras_model_facts(archive(tmp_path / "m.keras", config))


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"config": 3},
        {"config": {"layers": [None, 3, {}], "input_layers": 7, "output_layers": [[[]]]}},
        {"class_name": [], "config": {"layers": {}, "input_layers": {"a": [["x", 0, 0]]}}},
        functional({"class_name": 7, "config": {"name": 7}, "module": 7}),
    ],
)
def test_odd_configurations_are_read_as_far_as_they_go(tmp_path: Path, config: Any) -> None:
    facts = keras_model_facts(archive(tmp_path / "m.keras", config))
    assert facts.format == "keras_zip"


def test_other_files(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    (tmp_path / "a").write_bytes(b"no model")
    with pytest.raises(FormatError, match="neither HDF5 nor a zip"):
        keras_model_facts(tmp_path / "a")
    (tmp_path / "b").write_bytes(magic.HDF5 + b"\0" * 100)
    with pytest.raises(FormatError, match="as HDF5"):
        keras_model_facts(tmp_path / "b")
    (tmp_path / "c").write_bytes(b"PK\x03\x04" + b"\0" * 100)
    with pytest.raises(FormatError, match="zip archive"):
        keras_model_facts(tmp_path / "c")
    with zipfile.ZipFile(tmp_path / "d", "w") as file:
        file.writestr("other", "")
    with pytest.raises(FormatError, match=r"without config\.json"):
        keras_model_facts(tmp_path / "d")
    with pytest.raises(MigratorError, match="cannot be read"):
        keras_model_facts(tmp_path / "gone")


def test_a_configuration_that_unpacks_to_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MOST_CONFIG", 1000)
    with zipfile.ZipFile(tmp_path / "m", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", " " * 10_000)
    with pytest.raises(LimitError, match=r"config\.json"):
        keras_model_facts(tmp_path / "m")


def test_dangers_are_found_in_linear_time() -> None:
    deep: Any = {}
    for number in range(50_000):
        deep = {"class_name": "Wrap", "config": {"name": str(number), "layer": deep}}
    start = time.perf_counter()
    assert told({"config": deep}) == []
    assert time.perf_counter() - start < 5
