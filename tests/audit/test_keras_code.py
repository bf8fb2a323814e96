"""Python code in Keras files and in the Keras metadata of SavedModels (S102, S103)."""

from __future__ import annotations

import base64
import json
import marshal
import zipfile
from pathlib import Path
from typing import Any

import pytest

from migrator.auditing.engine import run_rules
from migrator.auditing.finding import Finding
from migrator.auditing.opening import open_subject
from migrator.auditing.registry import find_rule
from migrator.formats.keras.code import telling_names
from tests import wire
from tests.audit.notation import write_model

_MODEL = """
x = Placeholder | dtype=:float shape=:[-1]
y = Identity x | T=:float
signature serving_default: x=x:0 -> y=y:0
"""


def _code(text: str) -> str:
    """A function as Keras stores it. It is compiled, and never run."""
    code = compile(text, "<model>", "eval").co_consts[0]
    return base64.b64encode(marshal.dumps(code)).decode()


EVIL = _code("lambda x: __import__('os').system('id')")
TAME = _code("lambda x: tf.math.l2_normalize(x, axis=-1) * 2.0")


def _lambda(code: str) -> dict[str, Any]:
    return {
        "class_name": "Lambda",
        "config": {
            "name": "scale",
            "function": {"class_name": "__tuple__", "items": [code, None, None]},
            "function_type": "lambda",
        },
    }


def _saved_model(folder: Path, *metadata: dict[str, Any] | bytes) -> Path:
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(write_model(_MODEL)[0])
    nodes = [
        wire.block(4, "_tf_keras_layer")
        + wire.block(5, item if isinstance(item, bytes) else json.dumps(item))
        for item in metadata
    ]
    (folder / "keras_metadata.pb").write_bytes(b"".join(wire.block(1, node) for node in nodes))
    return folder


def _run(path: Path, code: str) -> list[Finding]:
    findings, skipped = run_rules(open_subject(path), [find_rule(code)])
    assert not skipped
    return list(findings)


def test_names_in_code_that_reach_out_are_told_and_others_are_not() -> None:
    assert telling_names([EVIL, None, None]) == ("__import__", "os", "system")
    assert telling_names({"class_name": "__lambda__", "config": {"code": EVIL}}) is not None
    assert telling_names(TAME) == ()


@pytest.mark.parametrize("function", ["", "not base64!", [], {}, None, 7, "AAAA", ["bm8gY29kZQ=="]])
def test_code_that_cannot_be_read_is_not_called_harmless(function: Any) -> None:
    assert telling_names(function) is None


def test_lambda_of_a_saved_model_that_names_os_is_high(tmp_path: Path) -> None:
    (finding,) = _run(_saved_model(tmp_path / "m", _lambda(EVIL)), "S103")
    assert finding.severity.label == "high"
    assert finding.detail["argument"] == "__import__, os, system"
    assert finding.detail["layer"] == "scale"


def test_lambda_of_a_saved_model_that_computes_is_medium(tmp_path: Path) -> None:
    (finding,) = _run(_saved_model(tmp_path / "m", _lambda(TAME)), "S103")
    assert finding.severity.label == "medium"


def test_a_layer_that_metadata_names_twice_is_told_once(tmp_path: Path) -> None:
    network = {"class_name": "Functional", "config": {"layers": [_lambda(EVIL)]}}
    assert len(_run(_saved_model(tmp_path / "m", network, _lambda(EVIL)), "S103")) == 1


def test_class_name_spelled_by_escapes_is_seen(tmp_path: Path) -> None:
    text = json.dumps(_lambda(EVIL)).replace("Lambda", "\\u004c\\u0061mbda")
    (finding,) = _run(_saved_model(tmp_path / "m", text.encode()), "S103")
    assert finding.severity.label == "high"


def test_other_layers_and_damaged_json_are_silent(tmp_path: Path) -> None:
    dense = {"class_name": "Dense", "config": {"name": "d", "units": 3}}
    folder = _saved_model(tmp_path / "m", dense, b'{"class_name": "Lambda"', b"\xff Lambda")
    assert _run(folder, "S103") == []


def test_metadata_that_is_no_protobuf_skips_the_rule_and_says_why(tmp_path: Path) -> None:
    folder = _saved_model(tmp_path / "m")
    (folder / "keras_metadata.pb").write_bytes(b"\xff\xff\xff")
    findings, skipped = run_rules(open_subject(folder), [find_rule("S103")])
    assert not findings
    assert "no Keras metadata" in skipped[0].reason


def _keras_zip(path: Path, *layers: dict[str, Any]) -> Path:
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.1.0"}))
    return path


@pytest.mark.parametrize(
    ("layer", "severity", "argument"),
    [
        (_lambda(EVIL), "critical", "__import__, os, system"),
        (_lambda(TAME), "critical", None),
        (
            {"class_name": "TFSMLayer", "config": {"name": "t", "filepath": "/etc/model"}},
            "high",
            "/etc/model",
        ),
        (
            {"class_name": "Dense", "module": "os", "config": {"name": "d"}},
            "high",
            "os",
        ),
        (
            {"class_name": "StringLookup", "config": {"name": "l", "vocabulary": "/etc/passwd"}},
            "high",
            "/etc/passwd",
        ),
        (
            {"class_name": "Mine>Layer", "config": {"name": "m"}},
            "medium",
            "Mine>Layer",
        ),
    ],
    ids=["lambda", "tame-lambda", "other-model", "module", "file", "class"],
)
def test_what_a_keras_file_would_load_is_told(
    tmp_path: Path, layer: dict[str, Any], severity: str, argument: str | None
) -> None:
    (finding,) = _run(_keras_zip(tmp_path / "m.keras", layer), "S102")
    assert finding.severity.label == severity
    assert finding.detail.get("argument") == argument


def test_plain_keras_file_is_silent(tmp_path: Path) -> None:
    dense = {"class_name": "Dense", "config": {"name": "d", "units": 3}}
    assert _run(_keras_zip(tmp_path / "m.keras", dense), "S102") == []


def test_hdf5_link_to_another_file_is_told_with_its_target(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "m.h5"
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": [_lambda(TAME)]}}
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file["weights"] = h5py.ExternalLink("/etc/other.h5", "/data")
    found = {item.detail["kind"]: item for item in _run(path, "S102")}
    assert found["link"].detail["argument"] == "/etc/other.h5"
    assert found["lambda"].severity.label == "critical"


def _worst(path: Path, code: str) -> str:
    return max(_run(path, code), key=lambda item: item.severity).severity.label


def test_many_harmless_layers_do_not_hide_one_that_runs_code(tmp_path: Path) -> None:
    custom = [
        {"class_name": f"Mine>Layer{n}", "config": {"name": f"c{n}"}, "module": "keras.layers"}
        for n in range(60)
    ]
    for number, layers in enumerate(([_lambda(EVIL), *custom], [*custom, _lambda(EVIL)])):
        assert _worst(_keras_zip(tmp_path / f"{number}.keras", *layers), "S102") == "critical"


@pytest.mark.parametrize(
    ("layer", "argument"),
    [
        (
            {
                "class_name": "layers.TFSMLayer",
                "module": "keras",
                "config": {"name": "t", "filepath": "/tmp/other"},
            },
            "/tmp/other",
        ),
        ({"class_name": "utils.get_file", "module": "keras", "config": {}}, "keras.utils"),
        ({"class_name": "load_model", "module": "keras.models", "config": {}}, "load_model"),
        (
            {"class_name": "function", "module": "keras", "config": "saving.load_model"},
            "keras.saving",
        ),
    ],
    ids=["class", "function", "loader", "named-function"],
)
def test_what_module_and_name_spell_together_is_told(
    tmp_path: Path, layer: dict[str, Any], argument: str
) -> None:
    (finding,) = _run(_keras_zip(tmp_path / "m.keras", layer), "S102")
    assert (finding.severity.label, finding.detail["argument"]) == ("high", argument)


def _compiled(path: Path, loss: Any) -> Path:
    config = {
        "class_name": "Sequential",
        "config": {"name": "s", "layers": [{"class_name": "Dense", "config": {"name": "d"}}]},
        "compile_config": {"loss": loss, "metrics": ["accuracy"]},
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    return path


@pytest.mark.parametrize(
    ("loss", "severity"),
    [
        ({"module": "os", "class_name": "system", "config": {}}, "high"),
        ({"class_name": "__lambda__", "config": {"code": EVIL}}, "critical"),
        ({"module": "my.losses", "class_name": "Mine", "config": {}}, "medium"),
        ({"module": "builtins", "class_name": "function", "config": "my_loss"}, None),
        ({"module": "keras.losses", "class_name": "Huber", "config": {"delta": 1.0}}, None),
        ("mse", None),
    ],
    ids=["module", "lambda", "own-module", "own-function", "keras", "name"],
)
def test_what_the_model_was_compiled_with_is_loaded_too(
    tmp_path: Path, loss: Any, severity: str | None
) -> None:
    path = _compiled(tmp_path / "m.keras", loss)
    assert [item.severity.label for item in _run(path, "S102")] == [severity] * bool(severity)
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {}})
        file.attrs["training_config"] = json.dumps({"loss": loss})
    found = _run(tmp_path / "m.h5", "S102")
    assert [item.severity.label for item in found] == [severity] * bool(severity)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_configuration_in_another_encoding_that_json_takes(tmp_path: Path, encoding: str) -> None:
    path = _keras_zip(tmp_path / "m.keras", _lambda(EVIL))
    with zipfile.ZipFile(path) as archive:
        text = archive.read("config.json").decode()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", text.encode(encoding))
    assert _worst(path, "S102") == "critical"


def test_archive_behind_other_bytes_is_read(tmp_path: Path) -> None:
    path = _keras_zip(tmp_path / "m.keras", _lambda(EVIL))
    path.write_bytes(b"GIF89a" + path.read_bytes())
    assert _worst(path, "S102") == "critical"


def _hdf5(path: Path, *layers: dict[str, Any], block: int = 0) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w", userblock_size=block) as file:
        config = {"class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}}
        file.attrs["model_config"] = json.dumps(config)
    return path


def test_hdf5_behind_a_block_of_other_bytes_is_read(tmp_path: Path) -> None:
    assert _worst(_hdf5(tmp_path / "m.h5", _lambda(EVIL), block=1024), "S102") == "critical"


def test_a_file_that_is_hdf5_and_an_archive_is_read_as_both(tmp_path: Path) -> None:
    zipped = _keras_zip(tmp_path / "z.zip", {"class_name": "Dense", "config": {"name": "d"}})
    archive = zipped.read_bytes()
    path = _hdf5(tmp_path / "m.h5", _lambda(EVIL), block=2048)
    data = path.read_bytes()
    path.write_bytes(
        archive.ljust(2048, b"\0") + data[2048:] + archive[archive.rindex(b"PK\5\6") :]
    )
    found = _run(path, "S102")
    assert {"critical", "high"} <= {item.severity.label for item in found}
    assert any("at once" in item.message for item in found)


@pytest.mark.parametrize(
    ("layer", "severity"),
    [
        ({"class_name": "TFOpLambda", "config": {"function": "io.write_file"}}, "high"),
        ({"class_name": "TFOpLambda", "config": {"function": "compat.v1.train.Saver"}}, "high"),
        ({"class_name": "TFOpLambda", "config": {"function": "keras.utils.get_file"}}, "high"),
        ({"class_name": "TFOpLambda", "config": {"function": "sparse.to_dense"}}, None),
        ({"class_name": "TFOpLambda", "config": {"function": "keras.backend.sum"}}, None),
        (
            {"class_name": "TensorFlowOpLayer", "config": {"node_def": 'op: "WriteFile"'}},
            "high",
        ),
        ({"class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}}, "high"),
        ({"class_name": "StringLookup", "config": {"vocabulary": "../../etc/passwd"}}, "high"),
        ({"class_name": "StringLookup", "config": {"vocabulary": "/home/u/.ssh/id"}}, "high"),
        ({"class_name": "StringLookup", "config": {"vocabulary": "/data/vocab.txt"}}, "medium"),
        ({"class_name": "StringLookup", "config": {"vocabulary": ["a", "b"]}}, None),
        ({"class_name": "Mine>Layer", "config": {"name": "m"}}, None),
    ],
)
def test_layers_that_keras_rebuilds_from_metadata(
    tmp_path: Path, layer: dict[str, Any], severity: str | None
) -> None:
    found = _run(_saved_model(tmp_path / "m", layer), "S103")
    assert [item.severity.label for item in found] == [severity] * bool(severity)


@pytest.mark.parametrize(
    "more",
    [
        {"output_shape": {"class_name": "__tuple__", "items": [EVIL, None, None]}},
        {"function": "system", "function_type": "function", "module": "os"},
        {"function": [_code("lambda x: np.load('x', allow_pickle=True)"), None, None]},
        {"function": [_code("lambda x: tf.print(x, output_stream='file:///x')"), None, None]},
        {"function": [_code("lambda g: g.gi_frame.f_builtins"), None, None]},
    ],
    ids=["output-shape", "function", "unpickling", "printing", "frames"],
)
def test_other_ways_out_of_a_lambda(tmp_path: Path, more: dict[str, Any]) -> None:
    layer = _lambda(TAME)
    layer["config"].update(more)
    assert _worst(_saved_model(tmp_path / "m", layer), "S103") == "high"


def test_a_shape_of_numbers_is_no_code(tmp_path: Path) -> None:
    layer = _lambda(TAME)
    layer["config"]["output_shape"] = {"class_name": "__tuple__", "items": [None, 3]}
    assert _worst(_saved_model(tmp_path / "m", layer), "S103") == "medium"
