"""``migrator run`` against what the release that made a fixture computed, and as a user sees it."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import migrator
from migrator.errors import UsageError, WorkerError
from migrator.formats.encode import write_graph
from migrator.model.dtypes import FLOAT32, UINT8
from migrator.model.graph import Node, Versions
from migrator.model.tensors import Shape
from migrator.verification.samples import sample_bytes
from tests.commands import environment
from tests.schemas import parsed

from .conftest import Fixture, load_fixture

NAMES = (
    "tf1.15.5/mlp",
    "tf1.15.5/image_png",
    "tf1.15.5/half_double",
    "tf1.15.5/sm_table",
    "tf1.15.5/sm_variables",
    "tf2.21.0/sm_functions",
    "tf2.21.0/keras_export",
)


def run(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "migrator", "run", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
    )


def close(fixture: Fixture, found: Any, expected: Any) -> None:
    if np.asarray(expected).dtype.kind in "OSU":
        assert found.astype("S").tolist() == np.asarray(expected).astype("S").tolist()
    else:
        np.testing.assert_allclose(found, expected, **fixture.about["tolerance"])


@pytest.mark.parametrize("name", NAMES)
def test_gives_what_the_release_that_made_it_computed(name: str) -> None:
    fixture = load_fixture(name)
    case = fixture.cases()["case1" if "case1" in fixture.cases() else "case0"]
    options: dict[str, Any] = fixture.options() if fixture.about["kind"] == "graph_def" else {}
    found = migrator.run(fixture.model, case["in"], **options)
    assert set(found.outputs) == set(case["out"])
    for output, expected in case["out"].items():
        assert found.outputs[output].shape == expected.shape
        close(fixture, found.outputs[output], expected)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("tf1.15.5/sm_variables", "classify"),
        ("tf1.15.5/sm_variables", "embed"),
        ("tf2.21.0/sm_functions", "choose"),
    ],
)
def test_every_signature_can_be_called(name: str, key: str) -> None:
    fixture = load_fixture(name)
    with np.load(fixture.folder / fixture.about["more_cases"][key]) as file:
        sides: dict[str, dict[str, Any]] = {"in": {}, "out": {}}
        for stored in file.files:
            case, side, tensor = stored.split("/", 2)
            if case == "case0":
                sides[side][tensor] = file[stored]
    found = migrator.run(fixture.model, sides["in"], signature=key)
    assert found.signature == key
    assert set(found.outputs) == set(sides["out"])
    for output, expected in sides["out"].items():
        close(fixture, found.outputs[output], expected)


def test_command_line_reads_npz_and_writes_npz(tmp_path: Path) -> None:
    fixture = load_fixture("tf1.15.5/sm_table")
    case = fixture.cases()["case0"]
    np.savez(tmp_path / "in.npz", words=case["in"]["words"].astype("S"))
    done = run(fixture.model, "--data", tmp_path / "in.npz", "-o", tmp_path / "out.npz")
    assert done.returncode == 0, done.stderr
    assert "Outputs" in done.stdout
    with np.load(tmp_path / "out.npz", allow_pickle=False) as out:
        assert set(out.files) == {"label", "scores"}
        for name in out.files:
            close(fixture, out[name], case["out"][name])
    assert sorted(os.listdir(tmp_path)) == ["in.npz", "out.npz"]


def test_json_in_and_out_and_its_outputs_are_inputs_again(tmp_path: Path) -> None:
    fixture = load_fixture("tf1.15.5/mlp")
    case = fixture.cases()["case0"]
    (tmp_path / "in.json").write_text(json.dumps({"x": case["in"]["x"].tolist()}))
    done = run(fixture.model, tmp_path / "in.json", "-o", tmp_path / "out.json", "--repeat", 5)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = parsed((tmp_path / "out.json").read_text())
    (output,) = found["outputs"].values()
    (expected,) = case["out"].values()
    close(fixture, np.array(output["values"], np.float32), expected)
    assert found["signature"] is None
    assert found["inputs"]["x"]["from"] == str(tmp_path / "in.json")
    seconds = found["seconds"]
    assert seconds["further"]["calls"] == 5
    assert 0 < seconds["further"]["min"] <= seconds["further"]["median"] <= seconds["first"] * 50
    assert seconds["load"] > 0


def test_a_file_for_the_only_string_input(tmp_path: Path) -> None:
    fixture = load_fixture("tf1.15.5/image_png")
    case = fixture.cases()["case0"]
    (tmp_path / "a.png").write_bytes(case["in"]["image_bytes"].item())
    done = run(fixture.model, "a.png", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    output = parsed(done.stdout)["outputs"]["softmax"]
    close(fixture, np.array(output["values"], np.float32), case["out"]["softmax"])
    assert len(output["top"]) == 1


def test_what_is_no_picture_is_refused_by_the_model(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    done = run(load_fixture("tf1.15.5/image_png").model, "a.png", cwd=tmp_path)
    assert done.returncode == 2
    assert "the model refuses these inputs: InvalidArgumentError" in done.stderr
    assert "Traceback" not in done.stderr


def test_made_up_inputs_are_noted_and_the_same_for_a_seed(tmp_path: Path) -> None:
    model = load_fixture("tf2.21.0/sm_functions").model
    first, again, other = (migrator.run(model, seed=seed, batch=4) for seed in (0, 0, 1))
    assert any("made-up values for" in note for note in first.notes)
    assert first.inputs["x"].array.shape == (4, 4)
    assert (first.outputs["y"] == again.outputs["y"]).all()
    assert (first.inputs["x"].array != other.inputs["x"].array).any()


def test_missing_inputs_are_made_up_to_go_with_the_given() -> None:
    fixture = load_fixture("tf1.15.5/rnn_while")
    spec = fixture.cases()["case0"]["in"]
    (ragged,) = [name for name, value in spec.items() if value.ndim == 1]
    others = {name: value for name, value in spec.items() if name != ragged}
    found = migrator.run(fixture.model, others, generate=True)
    size = next(iter(others.values())).shape[0]
    assert found.inputs[ragged].array.shape == (size,)
    assert found.inputs[ragged].origin == "made up"
    with pytest.raises(UsageError, match=f"no value is given for {ragged} "):
        migrator.run(fixture.model, others)


def test_outputs_of_a_signature_can_be_chosen() -> None:
    found = migrator.run(load_fixture("tf1.15.5/sm_table").model, outputs=["scores"])
    assert list(found.outputs) == ["scores"]


def image_model(path: Path, dtype: Any, shape: tuple[int | None, ...]) -> Path:
    """A graph that gives its picture back."""
    attrs = {"dtype": dtype, "shape": Shape(shape)}
    nodes = [
        Node("image", "Placeholder", (), "", attrs),
        Node("y", "Identity", ("image",), "", {"T": dtype}),
    ]
    with path.open("wb") as file:
        write_graph(file, nodes, (), Versions(producer=27))
    return path


ENDS: dict[str, Any] = {"inputs": ["image"], "outputs": ["y"]}


@pytest.fixture
def png(tmp_path: Path) -> Path:
    file = tmp_path / "cat.png"
    file.write_bytes(sample_bytes("DecodePng", np.random.default_rng(0)))
    return file


def pixels(file: Path) -> Any:
    """The 32 x 32 RGB pixels of an unfiltered PNG of one block, read by hand."""
    import zlib

    data = file.read_bytes()
    at = data.index(b"IDAT")
    (length,) = struct.unpack(">I", data[at - 4 : at])
    rows = np.frombuffer(zlib.decompress(data[at + 4 : at + 4 + length]), np.uint8)
    return rows.reshape(32, 1 + 32 * 3)[:, 1:].reshape(32, 32, 3)


def test_a_picture_is_given_as_it_is_to_uint8(tmp_path: Path, png: Path) -> None:
    model = image_model(tmp_path / "m.pb", UINT8, (None, None, None, 3))
    found = migrator.run(model, given=[str(png)], **ENDS)
    assert (found.outputs["y"] == pixels(png)[None]).all()
    assert found.notes == ()


def test_a_picture_is_scaled_for_floats_as_told_or_as_noted(tmp_path: Path, png: Path) -> None:
    model = image_model(tmp_path / "m.pb", FLOAT32, (None, None, None, 3))
    plain = migrator.run(model, given=[str(png)], **ENDS)
    np.testing.assert_allclose(plain.outputs["y"][0], pixels(png) / 255, atol=1e-6)
    assert any("pixels are given as 0..1" in note for note in plain.notes)
    told = migrator.run(model, given=[str(png)], **ENDS, scale="signed")
    np.testing.assert_allclose(told.outputs["y"][0], pixels(png) / 127.5 - 1, atol=1e-6)
    assert told.notes == ()


def test_pictures_are_resized_where_the_shape_is_fixed(tmp_path: Path, png: Path) -> None:
    model = image_model(tmp_path / "m.pb", UINT8, (None, 16, 8, 3))
    found = migrator.run(model, given=[str(png), str(png)], **ENDS)
    assert found.outputs["y"].shape == (2, 16, 8, 3)
    assert found.notes[0] == f"{png}: resized from 32 x 32 to 8 x 16"
    assert abs(float(found.outputs["y"].mean()) - float(pixels(png).mean())) < 8


def test_a_damaged_picture_is_one_clear_error(tmp_path: Path, png: Path) -> None:
    model = image_model(tmp_path / "m.pb", UINT8, (None, None, None, 3))
    png.write_bytes(png.read_bytes()[:60])
    with pytest.raises(UsageError, match=r"cat\.png: cannot be decoded: "):
        migrator.run(model, given=[str(png)], **ENDS)
    with pytest.raises(UsageError, match="is for float inputs"):
        png.write_bytes(sample_bytes("DecodePng", np.random.default_rng(0)))
        migrator.run(model, given=[str(png)], **ENDS, scale="0..1")


def test_values_that_the_model_refuses_are_told_in_its_words() -> None:
    fixture = load_fixture("tf1.15.5/embedding")
    case = fixture.cases()["case0"]["in"]
    (ids,) = [name for name, value in case.items() if value.ndim == 2]
    with pytest.raises(WorkerError, match="the model refuses these inputs: InvalidArgumentError"):
        migrator.run(fixture.model, {**case, ids: case[ids] + 10_000})


def test_a_run_that_takes_too_long_is_stopped() -> None:
    with pytest.raises(WorkerError, match=r"within 0\.2 s"):
        migrator.run(load_fixture("tf1.15.5/mlp").model, timeout=0.2)
