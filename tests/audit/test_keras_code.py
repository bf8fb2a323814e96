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
from migrator.formats.keras_code import telling_names
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
