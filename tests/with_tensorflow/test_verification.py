"""Verification of our verification: it says "the same" and "not the same" where it should."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from migrator.actions.migrate import migrate
from migrator.actions.proving import BY_LOADER
from migrator.actions.verify import verify
from migrator.cli.main import main
from migrator.errors import UsageError
from migrator.formats.encode import write_graph
from migrator.formats.load import load
from migrator.formats.tensors import constant_tensor
from tests.schemas import validate

from .conftest import load_fixture


@pytest.fixture(scope="module")
def mlp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The MLP, migrated."""
    dest = tmp_path_factory.mktemp("mlp") / "mlp"
    migrate(load_fixture("tf1.15.5/mlp").model, dest, verify=False)
    return dest


def _nudged(source: Path, target: Path, name: str, by: float) -> Path:
    """A copy of a graph with one weight moved."""
    graph = load(source).graph
    nodes = []
    for node in graph.nodes:
        if node.name == name:
            values = node.attrs["value"].numpy()
            values.reshape(-1)[0] += by
            tensor = constant_tensor(values, node.attrs["value"].dtype)
            node = replace(node, attrs={**node.attrs, "value": tensor})
        nodes.append(node)
    with target.open("wb") as file:
        write_graph(file, nodes, (), graph.versions)
    return target


def test_one_moved_weight_is_a_mismatch(mlp: Path, tmp_path: Path) -> None:
    other = _nudged(load_fixture("tf1.15.5/mlp").model, tmp_path / "other.pb", "logits/bias", 0.01)
    found = verify(other, mlp)
    assert found.verdict == "mismatch"
    assert found.max_abs is not None and 1e-4 < found.max_abs < 0.01


def test_a_weight_moved_by_little_is_within_tolerance(mlp: Path, tmp_path: Path) -> None:
    source = load_fixture("tf1.15.5/mlp").model
    other = _nudged(source, tmp_path / "other.pb", "logits/bias", 1e-6)
    found = verify(other, mlp, rtol=1e-3, atol=1e-3)
    assert found.verdict == "within_tolerance"
    assert verify(other, mlp, rtol=0.0, atol=0.0).verdict == "mismatch"


def test_graph_against_its_result_by_the_record(mlp: Path) -> None:
    assert verify(load_fixture("tf1.15.5/mlp").model, mlp).verdict == "bitwise"


def test_two_graphs(tmp_path: Path) -> None:
    old, new = (load_fixture(f"{release}/mlp").model for release in ("tf1.4.1", "tf1.15.5"))
    found = verify(old, new)
    assert found.verdict in ("bitwise", "within_tolerance", "mismatch")
    assert verify(new, new).verdict == "bitwise"


@pytest.mark.parametrize("name", ["sm_variables", "sm_variables_resource", "sm_table"])
def test_tf1_saved_model_against_itself(name: str) -> None:
    model = load_fixture(f"tf1.15.5/{name}").model
    assert verify(model, model).verdict == "bitwise"


def test_tf2_saved_model_against_itself() -> None:
    model = load_fixture("tf2.21.0/keras_export").model
    assert verify(model, model).verdict == "bitwise"


def test_names_that_do_not_match_are_an_error() -> None:
    with pytest.raises(UsageError, match="do not match by name"):
        verify(load_fixture("tf1.15.5/multi_io").model, load_fixture("tf1.15.5/rnn_while").model)


def test_exit_codes_and_json(mlp: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = load_fixture("tf1.15.5/mlp").model
    other = _nudged(source, tmp_path / "other.pb", "logits/bias", 0.01)
    assert main(["verify", str(source), str(mlp), "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    validate(result)
    assert result["schema"] == "migrator.verify/1" and result["verdict"] == "bitwise"
    assert main(["verify", str(other), str(mlp), "--format", "json"]) == 1
    result = json.loads(capsys.readouterr().out)
    validate(result)
    assert result["verdict"] == "mismatch"


def test_data_of_the_user(mlp: Path, tmp_path: Path) -> None:
    source = load_fixture("tf1.15.5/mlp").model
    data = tmp_path / "data.npz"
    np.savez(data, x=np.ones((7, 8)))
    found = verify(source, mlp, data=data)
    assert found.verdict == "bitwise"
    assert {case.inputs["x"] for case in found.cases} == {(7, 8)}
    assert [case.stage for case in found.cases] == list(BY_LOADER.values())


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": np.ones((1, 8))}, "which is no input"),
        ({}, "has no array for x"),
        ({"x": np.ones((1, 9))}, "has shape"),
        ({"x": np.array(["a"])}, "the input is float32|has shape"),
    ],
)
def test_data_that_does_not_fit(
    mlp: Path, tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    data = tmp_path / "data.npz"
    np.savez(data, **arrays)
    with pytest.raises(UsageError, match=message):
        verify(load_fixture("tf1.15.5/mlp").model, mlp, data=data)
