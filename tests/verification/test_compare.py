"""When two arrays are the same: bit for bit, within a tolerance, or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from migrator.verification.compare import compare_arrays

NAN, INF = float("nan"), float("inf")
_FLOATS = arrays.arrays(np.float32, arrays.array_shapes(max_dims=3, max_side=4, min_side=0))


def verdict(left: Any, right: Any, rtol: float = 0.0, atol: float = 0.0) -> str:
    return compare_arrays(left, right, rtol=rtol, atol=atol).verdict


@given(_FLOATS)
def test_an_array_is_bitwise_itself(array: Any) -> None:
    assert verdict(array, array.copy()) == "bitwise"


@given(_FLOATS, st.floats(0, 1), st.floats(0, 1))
def test_the_verdict_agrees_with_numpy(array: Any, rtol: float, atol: float) -> None:
    with np.errstate(over="ignore"):
        moved = (array * np.float32(1.01)).astype(np.float32)
    found = verdict(array, moved, rtol, atol)
    left, right = array.astype(np.float64), moved.astype(np.float64)
    # Ours is relative to the reference, as numpy's is to its second argument.
    same = bool(np.allclose(right, left, rtol=rtol, atol=atol, equal_nan=True))
    assert (found != "mismatch") == same


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ([NAN], [NAN], "bitwise"),
        ([NAN], [1.0], "mismatch"),
        ([INF], [INF], "bitwise"),
        ([INF], [-INF], "mismatch"),
        ([INF], [3e38], "mismatch"),
        ([0.0], [-0.0], "within_tolerance"),
        ([1.0], [1.0 + 1e-7], "within_tolerance"),
        ([1.0], [1.1], "mismatch"),
    ],
)
def test_special_floats(left: list[float], right: list[float], expected: str) -> None:
    a, b = (np.array(values, np.float64) for values in (left, right))
    assert verdict(a, b, rtol=1e-6) == expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (complex(NAN, 1), complex(7, NAN), "mismatch"),
        (complex(NAN, 1), complex(NAN, 1), "bitwise"),
        (0j, complex(-0.0, 0.0), "within_tolerance"),
        (1 + 2j, 1 + 2.5j, "mismatch"),
    ],
)
def test_complex_numbers_by_their_parts(left: complex, right: complex, expected: str) -> None:
    assert verdict(np.array([left]), np.array([right]), rtol=1e-6) == expected


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.zeros(3, np.float32), np.zeros(3, np.float64)),
        (np.array([1, 2]), np.array([1, 3])),
        (np.array([True]), np.array([False])),
        (np.array([b"a"], object), np.array([b"b"], object)),
        (np.array([b"a\0"], object), np.array([b"a"], object)),
        (np.zeros(1, [("qint8", "i1")]), np.ones(1, [("qint8", "i1")])),
    ],
)
def test_what_must_be_equal_and_is_not(left: Any, right: Any) -> None:
    found = compare_arrays(left, right, rtol=1.0, atol=1.0)
    assert found.verdict == "mismatch"
    assert found.reason


def test_large_integers_are_compared_exactly() -> None:
    assert verdict(np.array([2**62]), np.array([2**62 + 1]), rtol=1.0) == "mismatch"
