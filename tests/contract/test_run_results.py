"""What ``run`` gives, drawn as text, JSON and .npz: from results made by hand."""

from __future__ import annotations

import copy
import io
import json
import math
from collections.abc import Mapping
from typing import Any

import ml_dtypes  # type: ignore[import-untyped,unused-ignore]
import numpy as np
import pytest

from migrator.errors import UsageError
from migrator.model.model import Source
from migrator.report.array_values import summary, top_classes
from migrator.report.json_record import decision_result
from migrator.report.json_run import MOST_VALUES, run_result
from migrator.report.json_v1 import dumps
from migrator.report.npz_run import npz_bytes
from migrator.report.text_run import run_text
from migrator.verification.run_result import InputValue, RunResult, Timing
from tests.fuzz.survive import assert_harmless
from tests.schemas import parsed, validate


def result(outputs: Mapping[str, Any], *, further: tuple[float, ...] = ()) -> RunResult:
    return RunResult(
        source=Source(path="m/saved_model.pb", bytes=7, format="saved_model"),
        signature="serving_default",
        ran="the SavedModel, by the tf2 loader",
        inputs={"x": InputValue(array=np.ones((1, 2), np.float32), origin="x.npy")},
        outputs=outputs,
        notes=("a note",),
        timing=Timing(load=0.5, first=0.25, further=further),
        peak_rss_bytes=1 << 29,
        versions={"tensorflow": "2.21.0"},
    )


OUTPUTS: dict[str, Any] = {
    "scalar": np.float32(1.5),
    "odd": np.array([math.nan, math.inf, -math.inf, 1], np.float32),
    "large": np.arange(MOST_VALUES + 1, dtype=np.int64),
    "strings": np.array([b"a\x1b[31m", b"\xff\xfe"], dtype=object),
    "flags": np.array([[True, False]]),
    "complex": np.array([1 + 2j]),
    "bfloat": np.ones((2, 2), ml_dtypes.bfloat16),
    "quantised": np.array([1, 2], np.int8).astype(np.dtype([("qint8", np.int8)])),
    "empty": np.zeros((0, 3), np.float32),
    "probabilities": np.full((2, 10), 0.1, np.float32),
}


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("full", [False, True])
def test_every_kind_of_output_validates(name: str, full: bool) -> None:
    array = np.asarray(OUTPUTS[name])
    found = parsed(dumps(run_result(result({name: array}), full=full)))["outputs"][name]
    assert found["shape"] == list(array.shape)
    assert found["complete"] is (full or name != "large")
    assert (found["values"] is None) is not found["complete"]


def test_what_is_not_finite_is_text_and_counted() -> None:
    found = run_result(result({"odd": OUTPUTS["odd"]}))["outputs"]["odd"]
    assert found["values"] == ["NaN", "Infinity", "-Infinity", 1.0]
    assert (found["min"], found["max"], found["mean"], found["not_finite"]) == (1, 1, 1, 3)


def test_dtypes_have_tensorflows_names() -> None:
    outputs = run_result(result({k: np.asarray(v) for k, v in OUTPUTS.items()}))["outputs"]
    names = {name: item["dtype"] for name, item in outputs.items()}
    assert names["strings"] == "string"
    assert names["bfloat"] == "bfloat16"
    assert names["quantised"] == "qint8"
    assert names["complex"] == "complex128"
    assert outputs["strings"]["values"] == ["a\x1b[31m", {"b64": "//4="}]


def test_timings_are_in_both_forms() -> None:
    found = result({}, further=(0.004, 0.001, 0.002))
    seconds = run_result(found)["seconds"]
    assert seconds["load"] == 0.5
    assert seconds["further"] == {"calls": 3, "min": 0.001, "median": 0.002, "max": 0.004}
    assert "3 further calls: median 2 ms, 1 ms to 4 ms" in run_text(found)
    assert run_result(result({}))["seconds"]["further"] is None
    assert "further" not in run_text(result({}))


def test_decisions_validate() -> None:
    parsed(dumps(decision_result("run", "m", "open", ["--signature a"])))


def test_no_key_of_a_result_may_be_missing() -> None:
    whole = run_result(result({"y": np.ones(3, np.float32)}, further=(1.0,)))
    validate(whole)
    for path in ((), ("source",), ("inputs", "x"), ("outputs", "y"), ("seconds",)):
        place: Any = whole
        for step in path:
            place = place[step]
        for key in place:
            less = copy.deepcopy(whole)
            inner: Any = less
            for step in path:
                inner = inner[step]
            del inner[key]
            with pytest.raises((AssertionError, KeyError)):
                validate(less)


def test_text_shows_small_outputs_whole_and_large_ones_in_short() -> None:
    text = run_text(result({"y": np.arange(6).reshape(2, 3), "large": OUTPUTS["large"]}))
    assert "[[0 1 2]\n     [3 4 5]]" in text
    assert "large: int64 [1001], 0 to 1000, mean 500" in text
    assert "..." in text
    whole = run_text(result({"large": OUTPUTS["large"]}), full=True)
    assert " 500 " in whole
    assert "..." not in whole


def test_text_is_harmless_whatever_the_outputs_hold() -> None:
    text = run_text(result({"\x1b[2Jname": OUTPUTS["strings"]}), full=True)
    assert_harmless(text)
    assert "\\x1b[31m" in text


def test_scores_of_classes_show_the_best() -> None:
    scores = np.full((1, 1000), 1e-4, np.float32)
    scores[0, [7, 500]] = [0.7, 0.2]
    assert [index for index, _ in top_classes("y", scores)[0]] == [7, 500, 0, 1, 2]
    assert "highest: 7 (0.7), 500 (0.2)" in run_text(result({"y": scores}))
    logits = np.array([1.0, 9.5, -3.0, 2.0], np.float32)
    assert top_classes("y", logits) == []
    assert [index for index, _ in top_classes("my_logits", logits)[0]] == [1, 3, 0, 2]


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("detection_classes", np.array([[3.0, 1.0, 2.0]])),
        ("scores", np.array([[1.0, math.nan, 0.0]])),
        ("scores", np.zeros((0, 5))),
        ("scores", np.zeros((2, 2, 5))),
        ("scores", np.array([1, 2, 3])),
    ],
)
def test_what_is_no_row_of_scores_has_no_best(name: str, array: Any) -> None:
    assert top_classes(name, array) == []


def test_a_summary_is_of_the_finite_numbers() -> None:
    found = summary(np.array([1, 3, math.inf], ml_dtypes.bfloat16))
    assert (found.low, found.high, found.mean, found.not_finite) == (1, 3, 2, 1)
    assert summary(np.array([math.nan])).low is None
    assert summary(np.array([True])).low is None
    assert summary(np.array([3e38, 3e38], np.float32)).mean == pytest.approx(3e38)


def test_npz_holds_every_kind_without_pickle() -> None:
    outputs = {name: np.asarray(array) for name, array in OUTPUTS.items()}
    outputs |= {"file": np.ones(1), "a/b": np.ones(2)}
    with np.load(io.BytesIO(npz_bytes(outputs)), allow_pickle=False) as found:
        assert set(found.files) == set(outputs)
        assert found["strings"].tolist() == [b"a\x1b[31m", b"\xff\xfe"]
        assert found["bfloat"].dtype == np.float32
        assert found["quantised"].tolist() == [1, 2]
        for name in ("scalar", "odd", "large", "flags", "complex", "empty"):
            np.testing.assert_array_equal(found[name], outputs[name])


def test_npz_refuses_what_numpy_would_cut() -> None:
    with pytest.raises(UsageError, match="zero byte"):
        npz_bytes({"y": np.array([b"a\0"], dtype=object)})


def test_json_is_ascii() -> None:
    text = dumps(run_result(result({"ü": np.array(["ü".encode()], dtype=object)})))
    assert text.isascii()
    assert json.loads(text)["outputs"]["ü"]["values"] == ["ü"]
