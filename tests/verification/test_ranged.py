"""Fewer bits: differences measured as a share of each output's range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from migrator.verification.cases import Case
from migrator.verification.process import Outcomes
from migrator.verification.ranged import judge_by_range, output_range


def outcomes(results: dict[str, Any], errors: dict[str, str] | None = None) -> Outcomes:
    names = dict.fromkeys([*(key.split("/")[0] for key in results), *(errors or {})])
    cases = tuple(Case(name=name, about="", arrays={"x": np.zeros((2, 3))}) for name in names)
    return Outcomes(
        cases=cases, results=results, errors=errors or {}, ran="", why="", peak_rss_bytes=0
    )


def verdict(left: dict[str, Any], right: dict[str, Any], share: float) -> str:
    return judge_by_range(outcomes(left), outcomes(right), share).verdict


def floats(*values: float) -> Any:
    return np.array(values, dtype=np.float32)


def test_the_range_spans_all_cases() -> None:
    found = outcomes({"a/y": floats(1, 3), "b/y": floats(-2, np.inf), "b/z": floats(90)})
    assert output_range(found, "y") == 5.0


def test_a_single_value_is_its_own_range() -> None:
    assert output_range(outcomes({"a/y": floats(-4, -4)}), "y") == 4.0


@pytest.mark.parametrize("value", [floats(np.nan), np.array([1, 9]), floats()])
def test_no_real_number_has_no_range(value: Any) -> None:
    assert output_range(outcomes({"a/y": value}), "y") == 0.0


@pytest.mark.parametrize(
    ("off", "share", "expected"),
    [
        (0.0, 0.1, "bitwise"),
        (0.9, 0.1, "within_tolerance"),
        (1.1, 0.1, "mismatch"),
        (1.1, 0.2, "within_tolerance"),
        (1e-3, 0.0, "mismatch"),
    ],
)
def test_a_share_of_the_range_is_allowed(off: float, share: float, expected: str) -> None:
    # The range is 10, whatever a single case holds of it.
    left = {"a/y": floats(0, 1), "b/y": floats(10)}
    assert verdict(left, {"a/y": floats(0, 1 + off), "b/y": floats(10)}, share) == expected


def test_each_output_has_its_own_range() -> None:
    left = {"a/large": floats(0, 1000), "a/small": floats(0, 1)}
    right = {"a/large": floats(0, 1010), "a/small": floats(0, 1.5)}
    found = judge_by_range(outcomes(left), outcomes(right), 0.1)
    assert found.verdict == "mismatch"
    (case,) = found.cases
    assert {name: item.verdict for name, item in case.outputs.items()} == {
        "large": "within_tolerance",
        "small": "mismatch",
    }
    assert found.max_abs == pytest.approx(10.0)
    assert "small" in found.reason and "large" not in found.reason


def test_integers_must_be_equal() -> None:
    left, right = np.array([0, 9]), np.array([0, 8])
    assert verdict({"a/y": left}, {"a/y": right}, 0.9) == "mismatch"
    assert verdict({"a/y": left}, {"a/y": left.copy()}, 0.0) == "bitwise"


def test_a_case_that_only_the_reference_takes_is_a_mismatch() -> None:
    left = outcomes({"a/y": floats(1), "a/z": floats(2)})
    found = judge_by_range(left, outcomes({}, {"a": "too large"}), 0.1)
    assert found.verdict == "mismatch"
    assert found.reason.count("too large") == 1


def test_a_reference_that_takes_nothing_proves_nothing() -> None:
    nothing = outcomes({}, {"a": "no"})
    found = judge_by_range(nothing, nothing, 0.1)
    assert found.verdict == "not_run"
    assert "no" in found.reason
