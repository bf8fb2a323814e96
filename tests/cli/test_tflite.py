"""``migrator tflite`` without TensorFlow: what is refused before it is asked, and the reports."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped,unused-ignore]
import pytest

from migrator.migration.plan import Step
from migrator.migration.tflite.record import (
    CONVERTED,
    CONVERTED_UNVERIFIED,
    FAILED,
    Quantization,
    Scale,
    TFLiteOps,
    TFLiteRecord,
    TFLiteSignature,
    TFLiteTensor,
    no_ops,
)
from migrator.model.model import Source
from migrator.model.tensors import Shape
from migrator.report.json_record import decision_result
from migrator.report.json_tflite import tflite_result
from migrator.report.json_v1 import dumps
from migrator.report.text_tflite import tflite_text
from migrator.verification.result import (
    CaseResult,
    OutputComparison,
    Verification,
    not_run,
)
from tests.commands import run
from tests.corpus import sample
from tests.schemas import parsed, schema

Capture = pytest.CaptureFixture[str]
MLP = sample("tf1.15.5/mlp").path


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--quantize", "int8"], "--data FILE.npz"),
        (["--int8-io"], "--quantize int8"),
        (["--quantize", "dynamic", "--int8-io"], "--quantize int8"),
        (["--range-tolerance", "0.1"], "--quantize"),
        (["--quantize", "float16", "--range-tolerance", "-1"], "zero or more"),
        (["--rtol", "nan"], "zero or more"),
        (["--seed", "-3"], "a seed"),
        (["--quantize", "int3"], "invalid choice"),
    ],
)
def test_wrong_options_are_refused_at_once(
    words: list[str], told: str, tmp_path: Path, capsys: Capture
) -> None:
    done = run(capsys, "tflite", MLP, tmp_path / "m.tflite", *words)
    assert done.code == 2
    assert told in done.err
    assert os.listdir(tmp_path) == []


def test_a_file_in_the_way_is_kept(tmp_path: Path, capsys: Capture) -> None:
    dest = tmp_path / "m.tflite"
    dest.write_text("mine")
    done = run(capsys, "tflite", MLP, dest)
    assert (done.code, dest.read_text()) == (2, "mine")
    assert "--overwrite" in done.err


def test_a_folder_is_never_replaced(tmp_path: Path, capsys: Capture) -> None:
    done = run(capsys, "tflite", MLP, tmp_path, "--overwrite")
    assert done.code == 2
    assert "is a folder" in done.err


def test_the_source_is_never_replaced(tmp_path: Path, capsys: Capture) -> None:
    source = tmp_path / "m.pb"
    source.write_bytes(MLP.read_bytes())
    link = tmp_path / "link.pb"
    link.symlink_to(source)
    for dest in (source, link):
        done = run(capsys, "tflite", source, dest, "--overwrite")
        assert done.code == 2
        assert "is the source" in done.err
    assert source.read_bytes() == MLP.read_bytes()


def test_a_source_that_is_no_model_is_one_error(tmp_path: Path, capsys: Capture) -> None:
    source = tmp_path / "m.pb"
    source.write_bytes(b"\x89PNG\r\n\x1a\n")
    for path in (source, tmp_path / "nothing.pb"):
        done = run(capsys, "tflite", path, tmp_path / "m.tflite")
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("migrator: error: ")
    assert os.listdir(tmp_path) == ["m.pb"]


def tensor(**changes: Any) -> TFLiteTensor:
    plain = TFLiteTensor(
        tensor="serving_default_x:0", source_tensor="x:0", dtype="float32", shape=Shape((None, 4))
    )
    return replace(plain, **changes)


def record(**changes: Any) -> TFLiteRecord:
    output = OutputComparison(verdict="within_tolerance", max_abs=1e-7, max_rel=2e-7)
    case = CaseResult(
        name="case0",
        about="",
        inputs={"x": (2, 4)},
        outputs={"y": output},
        verdict="within_tolerance",
    )
    plain = TFLiteRecord(
        outcome=CONVERTED,
        reason="",
        source=Source(path="m.pb", bytes=7, format="graph_def"),
        dest="m.tflite",
        bytes=2364,
        quantization=Quantization(
            mode="none", integer_io=False, samples=0, tolerance=None, weight_bytes={"float32": 780}
        ),
        ops=TFLiteOps(builtin={"FULLY_CONNECTED": 2}, select={}, custom={}),
        signatures={
            "serving_default": TFLiteSignature(inputs={"x": tensor()}, outputs={"y": tensor()})
        },
        feeds=(),
        steps=(),
        notes=(),
        verification=Verification(
            verdict="within_tolerance", cases=(case,), max_abs=1e-7, max_rel=2e-7
        ),
        seconds=1.5,
        peak_rss_bytes=1 << 29,
        versions={"tensorflow": "2.21.0"},
    )
    return replace(plain, **changes)


UNVERIFIED = record(
    outcome=CONVERTED_UNVERIFIED,
    ops=TFLiteOps(builtin={"ADD": 1}, select={"FFT": 2}, custom={}),
    steps=(Step(code="select_ops", text="no built-in kernel for FFT", count=2),),
    verification=not_run("the interpreter installed here has no select ops (Flex)"),
)
REFUSED = record(
    outcome=FAILED,
    reason="the converter refuses it: no built-in kernel for DecodeJpeg",
    dest="",
    bytes=0,
    ops=no_ops(),
    signatures={},
    verification=not_run("there is no result"),
    versions={},
)
INTEGERS = record(
    quantization=Quantization(
        mode="int8",
        integer_io=True,
        samples=40,
        tolerance=0.1,
        weight_bytes={"int32": 92, "int8": 832},
    ),
    signatures={
        "serving_default": TFLiteSignature(
            inputs={"x": tensor(dtype="int8", scale=Scale(scale=0.0039, zero_point=-128))},
            outputs={"y": tensor()},
        )
    },
)


def test_the_schema_is_sound() -> None:
    jsonschema.Draft202012Validator.check_schema(schema("tflite"))


@pytest.mark.parametrize("item", [record(), UNVERIFIED, REFUSED, INTEGERS])
def test_results_validate(item: TFLiteRecord) -> None:
    result = parsed(dumps(tflite_result(item)))
    assert result["outcome"] == item.outcome
    assert (result["dest"] is None) == (item.dest == "")


def test_an_open_question_validates() -> None:
    parsed(dumps(decision_result("tflite", "m.pb", "open", ["--signature a"])))


@pytest.mark.parametrize("key", [*tflite_result(record())])
def test_no_key_may_be_missing(key: str) -> None:
    result = tflite_result(record())
    del result[key]
    with pytest.raises((AssertionError, KeyError)):
        parsed(dumps(result))


@pytest.mark.parametrize(
    "wrong",
    [
        {"outcome": "fine"},
        {"outcome": "failed", "reason": ""},
        {"outcome": "converted", "dest": None},
        {"ops": {"builtin": {"ADD": 0}, "select": {}, "custom": {}}},
        {"signatures": {}},
    ],
)
def test_contradictions_do_not_validate(wrong: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        parsed(dumps({**tflite_result(record()), **wrong}))


def test_text_says_that_nothing_was_proven_and_why() -> None:
    text = tflite_text(UNVERIFIED)
    assert "Converted, unverified" in text
    assert "no select ops (Flex)" in text
    assert "select (TensorFlow's own): FFT 2" in text


def test_text_of_a_refusal_names_the_op() -> None:
    text = tflite_text(REFUSED)
    assert "nothing was put in place" in text
    assert "FAILED: the converter refuses it: no built-in kernel for DecodeJpeg" in text


def test_text_tells_scales_and_the_measure_of_fewer_bits() -> None:
    text = tflite_text(INTEGERS)
    assert "int8 (x0.0039, zero -128)" in text
    assert "int8: what is within 0.1 of an output's range counts as the same" in text


def test_names_from_a_model_do_not_act_on_a_terminal() -> None:
    hostile = TFLiteOps(builtin={}, select={}, custom={"\x1b[2J": 1})
    text = tflite_text(record(ops=hostile, notes=("\x1b]0;x\x07",)))
    assert "\x1b" not in text and "\x07" not in text
