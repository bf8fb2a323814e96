"""Verdicts of many: cases, outputs that chance decides, signatures, stages."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest

from migrator.verification.cases import Case
from migrator.verification.judge import Tolerance, judge, merge_signatures, merge_stages
from migrator.verification.process import Outcomes
from migrator.verification.result import (
    BITWISE,
    MISMATCH,
    NOT_COMPARABLE,
    NOT_RUN,
    WITHIN_TOLERANCE,
    CaseResult,
    OutputComparison,
    Verification,
    not_run,
)

BEST_FIRST = (BITWISE, WITHIN_TOLERANCE, NOT_RUN, MISMATCH)


def outcomes(
    results: dict[str, Any], errors: dict[str, str] | None = None, *, why: str = ""
) -> Outcomes:
    names = dict.fromkeys([*(key.split("/")[0] for key in results), *(errors or {})])
    cases = tuple(Case(name=name, about="", arrays={"x": np.zeros((2, 3))}) for name in names)
    return Outcomes(
        cases=cases, results=results, errors=errors or {}, ran="it", why=why, peak_rss_bytes=0
    )


def floats(*values: float) -> Any:
    return np.array(values, dtype=np.float32)


def judged(left: dict[str, Any], right: dict[str, Any], *random: str) -> Verification:
    return judge(outcomes(left), outcomes(right), Tolerance(), random=random)


# --- outputs that a random op reaches


def test_a_random_output_that_differs_is_told_and_no_mismatch() -> None:
    left = {"a/y": floats(1), "a/noise": floats(1)}
    found = judged(left, {"a/y": floats(1), "a/noise": floats(2)}, "noise")
    assert found.verdict == BITWISE
    assert "random, not comparable: noise" in found.reason
    (case,) = found.cases
    assert case.outputs["noise"].verdict == NOT_COMPARABLE
    assert case.outputs["noise"].max_abs == 1.0
    assert found.max_abs == 0.0  # of what can be compared


def test_a_random_output_that_agrees_counts() -> None:
    found = judged({"a/noise": floats(1)}, {"a/noise": floats(1)}, "noise")
    assert (found.verdict, found.reason) == (BITWISE, "")


def test_a_random_output_does_not_hide_another_that_differs() -> None:
    left = {"a/y": floats(1), "a/noise": floats(1)}
    found = judged(left, {"a/y": floats(2), "a/noise": floats(2)}, "noise")
    assert found.verdict == MISMATCH
    assert "output 'y'" in found.reason


@pytest.mark.parametrize(
    "other", [floats(1).astype(np.float64), floats(1).reshape(1, 1), np.array([b"a"], dtype=object)]
)
def test_chance_changes_no_type_and_no_rank(other: Any) -> None:
    assert judged({"a/noise": floats(2)}, {"a/noise": other}, "noise").verdict == MISMATCH


def test_chance_may_change_how_many_there_are() -> None:
    left = {"a/noise": floats(1, 2), "a/y": floats(1)}
    found = judged(left, {"a/noise": floats(1), "a/y": floats(1)}, "noise")
    assert found.verdict == BITWISE


def test_a_random_output_that_is_not_given_is_a_mismatch() -> None:
    assert judged({"a/noise": floats(1)}, {"b/noise": floats(1)}, "noise").verdict == MISMATCH


def test_where_all_is_random_nothing_is_proven() -> None:
    left = {"a/noise": floats(1), "b/noise": floats(1)}
    found = judged(left, {"a/noise": floats(2), "b/noise": floats(2)}, "noise")
    assert found.verdict == NOT_RUN
    assert not found.passed
    assert "every output is random" in found.reason


def test_one_case_in_which_chance_has_no_say_is_a_proof() -> None:
    """Dropout whose keep_prob is 1 in one of the cases."""
    left = {"a/y": floats(1), "b/y": floats(1)}
    found = judged(left, {"a/y": floats(1), "b/y": floats(2)}, "y")
    assert found.verdict == BITWISE
    assert found.passed


# --- what was run


def test_a_case_that_only_the_result_refuses_is_a_mismatch() -> None:
    found = judge(
        outcomes({"a/y": floats(1), "b/y": floats(1)}),
        outcomes({"a/y": floats(1)}, {"b": "bad shape"}),
        Tolerance(),
    )
    assert found.verdict == MISMATCH
    assert "refuses what the original takes: bad shape" in found.reason


def test_what_stood_in_for_the_original_is_said() -> None:
    reference = outcomes({"a/y": floats(1)}, why="it does not load")
    found = judge(reference, outcomes({"a/y": floats(1)}), Tolerance())
    assert found.verdict == BITWISE
    assert "of the original, it was run (it does not load)" in found.reason


def test_an_original_that_refuses_everything_proves_nothing() -> None:
    refused = outcomes({}, {"a": "no such word", "b": "no such word"})
    found = judge(refused, refused, Tolerance())
    assert found.verdict == NOT_RUN
    assert "no such word" in found.reason and "--data" in found.reason


# --- signatures and stages


def verification(verdict: str, *, difference: float | None = 0.0, reason: str = "") -> Verification:
    if verdict == NOT_RUN:
        return not_run(reason or "nothing ran")
    output = OutputComparison(verdict=verdict, max_abs=difference, max_rel=difference)
    case = CaseResult(name="a", about="", inputs={}, outputs={"y": output}, verdict=verdict)
    return Verification(
        verdict=verdict, cases=(case,), max_abs=difference, max_rel=difference, reason=reason
    )


@pytest.mark.parametrize("merge", [merge_signatures, merge_stages])
@pytest.mark.parametrize("order", list(permutations(BEST_FIRST, 2)))
def test_the_worst_verdict_stands_in_whatever_order(merge: Any, order: tuple[str, str]) -> None:
    found = merge({f"k{index}": verification(verdict) for index, verdict in enumerate(order)})
    assert found.verdict == max(order, key=BEST_FIRST.index)
    assert found.passed == (found.verdict in (BITWISE, WITHIN_TOLERANCE))


@pytest.mark.parametrize("merge", [merge_signatures, merge_stages])
def test_differences_are_the_largest(merge: Any) -> None:
    found = merge(
        {
            "a": verification(WITHIN_TOLERANCE, difference=1e-6),
            "b": verification(WITHIN_TOLERANCE, difference=3e-6),
            "c": verification(BITWISE, difference=None),
        }
    )
    assert (found.max_abs, found.max_rel) == (3e-6, 3e-6)


@pytest.mark.parametrize("merge", [merge_signatures, merge_stages])
def test_without_numbers_there_is_no_difference(merge: Any) -> None:
    parts = {key: verification(BITWISE, difference=None) for key in "ab"}
    assert merge(parts).max_abs is None


def test_cases_say_which_signature_and_which_stage_they_belong_to() -> None:
    stage = merge_signatures({"one": verification(BITWISE), "two": verification(BITWISE)})
    alone = merge_signatures({"one": verification(BITWISE)})
    found = merge_stages({"kept": stage, "saved": alone})
    assert [(case.stage, case.signature) for case in found.cases] == [
        ("kept", "one"),
        ("kept", "two"),
        ("saved", "one"),
    ]


def test_reasons_name_the_signature_where_there_are_several() -> None:
    found = merge_signatures(
        {"one": verification(BITWISE), "two": verification(MISMATCH, reason="y differs")}
    )
    assert found.reason == "two: y differs"
    alone = merge_signatures({"one": verification(MISMATCH, reason="y differs")})
    assert alone.reason == "y differs"


def test_each_stage_keeps_its_own_verdict() -> None:
    found = merge_stages(
        {
            "constants kept": verification(BITWISE),
            "saved": verification(WITHIN_TOLERANCE, difference=2e-6, reason="rounding"),
        }
    )
    assert [(stage.name, stage.verdict, stage.max_abs) for stage in found.stages] == [
        ("constants kept", BITWISE, 0.0),
        ("saved", WITHIN_TOLERANCE, 2e-6),
    ]
    assert found.verdict == WITHIN_TOLERANCE


def test_a_reason_that_all_stages_share_is_said_once() -> None:
    parts = {key: verification(BITWISE, reason="two cases refused") for key in ("kept", "saved")}
    assert merge_stages(parts).reason == "two cases refused"
