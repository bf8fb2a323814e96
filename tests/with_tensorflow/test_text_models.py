"""Models as text against TensorFlow itself: what it parses from them, and what the verbs do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.formats.load import load
from migrator.model.dtypes import data_type_number
from migrator.model.tensors import LazyTensor
from tests.formats.texts import PAIRS, TWINS, name_of, plain_model

from .conftest import FIXTURES, load_fixture


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "migrator", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


def _as_text(binary: Path, text: Path, message: Any) -> None:
    from google.protobuf import text_format

    message.ParseFromString(binary.read_bytes())
    text.write_text(text_format.MessageToString(message))


def _graph_text(binary: Path, text: Path) -> Path:
    import tensorflow as tf

    _as_text(binary, text, tf.compat.v1.GraphDef())
    return text


def test_names_of_data_types_are_tensorflows_own() -> None:
    from tensorflow.core.framework.types_pb2 import DataType

    assert {name: data_type_number(name) for name, _ in DataType.items()} == dict(DataType.items())


@pytest.mark.parametrize(
    "path", sorted((FIXTURES / "dtypes").glob("*.pb")), ids=lambda path: path.stem
)
def test_every_form_of_every_dtype_is_the_same_as_text(path: Path, tmp_path: Path) -> None:
    text = load(_graph_text(path, tmp_path / "model.pbtxt"))
    assert plain_model(text) == plain_model(load(path))
    assert len(text.graph.nodes) > 200


@pytest.mark.parametrize(
    "pair", [pair for pair in PAIRS if pair[1].name == "graph.pb"], ids=name_of
)
def test_constants_equal_those_that_tensorflow_parses(pair: tuple[Path, Path]) -> None:
    import tensorflow as tf
    from google.protobuf import text_format

    theirs = text_format.Parse(pair[0].read_text(), tf.compat.v1.GraphDef())
    graph = load(pair[0]).graph
    for node in theirs.node:
        if node.op == "Const":
            ours = graph.by_name[node.name].attrs["value"]
            assert isinstance(ours, LazyTensor)
            expected = tf.make_ndarray(node.attr["value"].tensor)
            np.testing.assert_array_equal(ours.numpy(), expected)


def test_a_graph_as_text_is_migrated_and_proven(tmp_path: Path) -> None:
    text = _graph_text(load_fixture("tf1.15.5/while_plain").model, tmp_path / "graph.pbtxt")
    done = _run("migrate", text, tmp_path / "out", "--format", "json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["verification"]["verdict"] == "bitwise"
    assert result["source"]["format"] == "graph_def_text"
    again = _run("verify", text, tmp_path / "out", "--format", "json")
    assert again.returncode == 0, again.stderr
    ran = _run("run", text, "--generate")
    assert ran.returncode == 0, ran.stderr


def test_a_saved_model_as_text_is_migrated_run_and_verified(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(TWINS / "tf1.15.5" / "text", folder)
    done = _run("migrate", folder, tmp_path / "out", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verification"]["verdict"] == "bitwise"
    assert _run("verify", folder, tmp_path / "out").returncode == 0
    ran = _run("run", folder, "--generate")
    assert ran.returncode == 0, ran.stderr
    frozen = _run("freeze", folder, tmp_path / "frozen.pb")
    assert frozen.returncode == 0, frozen.stderr


def test_a_meta_graph_as_text_is_migrated_with_its_checkpoint(tmp_path: Path) -> None:
    for file in (TWINS / "tf1.15.5").glob("model.ckpt*"):
        if file.suffix != ".meta":
            shutil.copy(file, tmp_path)
    done = _run(
        *("migrate", tmp_path / "model.ckpt.meta.pbtxt", tmp_path / "out", "--format", "json"),
        *("--input", "x:0", "--output", "y:0"),
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["verification"]["verdict"] == "bitwise"


def test_a_text_beside_the_binary_that_tensorflow_would_load_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(TWINS / "tf1.15.5" / "text", folder)
    shutil.copy(TWINS / "tf1.15.5" / "binary" / "saved_model.pb", folder)
    done = _run("migrate", folder / "saved_model.pbtxt", tmp_path / "out")
    assert done.returncode == 2
    assert "saved_model.pb lies beside it" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("verb", ["inspect", "audit", "plan"])
def test_verbs_say_of_a_text_what_they_say_of_its_twin(verb: str, tmp_path: Path) -> None:
    binary = load_fixture("tf1.15.5/while_plain").model
    text = _graph_text(binary, tmp_path / "graph.pbtxt")
    results = []
    for path in (text, binary):
        done = _run(verb, path, "--format", "json")
        assert done.returncode == 0, done.stderr
        results.append(done.stdout.replace(str(path), "MODEL"))
    differing = [
        (one, other)
        for one, other in zip(*(item.splitlines() for item in results), strict=True)
        if one != other
    ]
    words = ('"bytes"', '"format"', '"sha256"', '"seconds"', '"size"', '"elapsed')
    assert [pair for pair in differing if not pair[0].strip().startswith(words)] == []


def test_a_text_is_identical_to_its_twin(tmp_path: Path) -> None:
    binary = load_fixture("tf1.15.5/mlp").model
    text = _graph_text(binary, tmp_path / "graph.pbtxt")
    done = _run("diff", binary, text)
    assert done.stdout.rstrip().endswith("\n\nIdentical")
