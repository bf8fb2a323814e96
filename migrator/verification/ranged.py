"""The verdict on a model of fewer bits: differences as a share of each output's range."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from migrator.verification.judge import Tolerance, judge
from migrator.verification.process import Outcomes
from migrator.verification.result import NOT_COMPARABLE, CaseResult, Verification

_RANGE_OF_ZERO = 1e-6
"""Of an output that is zero throughout."""


def judge_by_range(
    reference: Outcomes, candidate: Outcomes, share: float, *, random: Collection[str] = ()
) -> Verification:
    """Compare as ``judge`` does, with ``share`` of an output's range as its absolute tolerance.

    Integers, bools and strings must be equal. Differences in the result are of the outputs' own
    size, as everywhere.
    """
    names = dict.fromkeys(key.partition("/")[2] for key in reference.results)
    ranges = {name: output_range(reference, name) or _RANGE_OF_ZERO for name in names}
    scaled = judge(
        _divided(reference, ranges),
        _divided(candidate, ranges),
        Tolerance(rtol=0.0, atol=share),
        random=random,
    )
    cases = tuple(_own_size(case, ranges) for case in scaled.cases)
    differences = [
        output.max_abs
        for case in cases
        for output in case.outputs.values()
        if output.max_abs is not None and output.verdict != NOT_COMPARABLE
    ]
    return replace(scaled, cases=cases, max_abs=max(differences, default=None))


def output_range(outcomes: Outcomes, name: str) -> float:
    """From the smallest to the largest finite value of output ``name`` over all cases.

    Where it has a single value, that value's size; 0 where it has no finite real number.
    """
    import numpy as np

    low, high = np.inf, -np.inf
    for key, value in outcomes.results.items():
        array = np.asarray(value)
        if key.partition("/")[2] != name or array.dtype.kind != "f":
            continue
        finite = array[np.isfinite(array)].astype(np.float64)
        low = min(low, float(finite.min(initial=np.inf)))
        high = max(high, float(finite.max(initial=-np.inf)))
    if low > high:
        return 0.0
    return high - low or abs(high)


def _divided(outcomes: Outcomes, ranges: Mapping[str, float]) -> Outcomes:
    """Each real output by its range; the types stay, so that a wrong one is still told."""
    import numpy as np

    found: dict[str, Any] = {}
    for key, value in outcomes.results.items():
        array = np.asarray(value)
        size = ranges.get(key.partition("/")[2], 1.0)
        if array.dtype.kind == "f":
            array = (array.astype(np.float64) / size).astype(array.dtype)
        found[key] = array
    return replace(outcomes, results=found)


def _own_size(case: CaseResult, ranges: Mapping[str, float]) -> CaseResult:
    outputs = {
        name: output
        if output.max_abs is None
        else replace(output, max_abs=output.max_abs * ranges[name])
        for name, output in case.outputs.items()
    }
    return replace(case, outputs=outputs)
