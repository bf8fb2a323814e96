"""The verdict: what two sides gave on the same cases, compared."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from migrator.verification.cases import Case
from migrator.verification.compare import compare_arrays
from migrator.verification.process import Outcomes
from migrator.verification.result import (
    BITWISE,
    MISMATCH,
    NOT_COMPARABLE,
    NOT_RUN,
    WITHIN_TOLERANCE,
    CaseResult,
    OutputComparison,
    Stage,
    Verification,
    not_run,
)

ORDER = (BITWISE, WITHIN_TOLERANCE, NOT_RUN, MISMATCH)
"""Verdicts, the best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What still counts as the same: ``atol + rtol * |reference|``."""

    rtol: float = 1e-5
    atol: float = 1e-6
    by_largest: bool = False
    """Relative to the largest element of an output: for weights that moved (see compare)."""


def judge(
    reference: Outcomes,
    candidate: Outcomes,
    tolerance: Tolerance,
    *,
    random: Collection[str] = (),
    outputs: Collection[str] = (),
) -> Verification:
    """Compare case by case. A case that the reference refused is told of and proves nothing.

    ``outputs`` must all have been given. Outputs named in ``random`` need not agree: where they
    do not, that is told and no mismatch.
    """
    cases = [
        _case(case, reference, candidate, tolerance, random, outputs) for case in reference.taken
    ]
    if not cases:
        first = next(iter(reference.errors.values()), "no case was run")
        return not_run(
            f"the original refused every generated input ({first}); give real ones with --data"
        )
    worst = max(cases, key=lambda item: ORDER.index(item.verdict))
    compared = [
        output
        for case in cases
        for output in case.outputs.values()
        if output.verdict != NOT_COMPARABLE
    ]
    if not compared and any(case.outputs for case in cases):
        return not_run(
            "every output is random, so two runs cannot be compared (--no-verify goes on without)"
        )
    if not compared and worst.verdict != MISMATCH:
        return not_run("the original gave none of the outputs, so nothing was compared")
    if reference.own and worst.verdict != MISMATCH:
        return not_run(
            f"TensorFlow does not run the original ({reference.why}), so only our own reading of "
            "it could be compared; --no-verify goes on without a proof"
        )
    reasons = [worst.reason] if worst.reason else []
    apart = {
        name
        for case in cases
        for name, output in case.outputs.items()
        if output.verdict == NOT_COMPARABLE
    }
    if apart:
        reasons.append(f"random, not comparable: {', '.join(sorted(apart))}")
    if reference.errors:
        first = next(iter(reference.errors.values()))
        count = len(reference.errors)
        reasons.append(f"the original refused {count} of the generated cases ({first})")
    if reference.why:
        reasons.append(f"of the original, {reference.ran} was run ({reference.why})")
    if candidate.why:
        reasons.append(f"of the result, {candidate.ran} was run ({candidate.why})")
    if worst.verdict != MISMATCH and (dull := _dull(reference)):
        reasons.append(dull)
    return Verification(
        verdict=worst.verdict,
        cases=tuple(cases),
        max_abs=_largest([output.max_abs for output in compared]),
        max_rel=_largest([output.max_rel for output in compared]),
        reason="; ".join(reasons),
    )


def _case(
    case: Case,
    reference: Outcomes,
    candidate: Outcomes,
    tolerance: Tolerance,
    random: Collection[str],
    expected: Collection[str],
) -> CaseResult:
    import numpy as np

    inputs = {name: tuple(np.shape(value)) for name, value in case.arrays.items()}
    if case.name in candidate.errors:
        return CaseResult(
            name=case.name,
            about=case.about,
            inputs=inputs,
            outputs={},
            verdict=MISMATCH,
            reason=f"{case.name}: the result refuses what the original takes: "
            f"{candidate.errors[case.name]}",
        )
    outputs: dict[str, OutputComparison] = {}
    prefix = f"{case.name}/"
    for key, value in reference.results.items():
        if not key.startswith(prefix):
            continue
        name = key[len(prefix) :]
        if key not in candidate.results:
            outputs[name] = OutputComparison(
                verdict=MISMATCH, max_abs=None, max_rel=None, reason="is not given"
            )
        else:
            other = candidate.results[key]
            found = compare_arrays(
                value,
                other,
                rtol=tolerance.rtol,
                atol=tolerance.atol,
                by_largest=tolerance.by_largest,
            )
            if found.verdict == MISMATCH and name in random and _alike(value, other):
                found = replace(found, verdict=NOT_COMPARABLE)
            outputs[name] = found
    for name in expected:
        outputs.setdefault(
            name,
            OutputComparison(
                verdict=MISMATCH, max_abs=None, max_rel=None, reason="the original does not give it"
            ),
        )
    verdicts = [output.verdict for output in outputs.values()]
    verdict = next((v for v in (MISMATCH, WITHIN_TOLERANCE) if v in verdicts), BITWISE)
    reason = "; ".join(
        f"{case.name}: output {name!r}: {output.reason}"
        for name, output in outputs.items()
        if output.verdict == MISMATCH
    )
    return CaseResult(
        name=case.name,
        about=case.about,
        inputs=inputs,
        outputs=outputs,
        verdict=verdict,
        reason=reason,
    )


def _alike(left: Any, right: Any) -> bool:
    """True for arrays of one type and rank: chance explains what else is between them."""
    import numpy as np

    return np.asarray(left).dtype == np.asarray(right).dtype and np.ndim(left) == np.ndim(right)


def merge_signatures(found: Mapping[str, Verification]) -> Verification:
    """One verification of all signatures: its verdict is the worst."""
    if len(found) == 1:
        ((key, only),) = found.items()
        return replace(only, cases=tuple(replace(case, signature=key) for case in only.cases))
    return _merge(
        [
            replace(
                item,
                cases=tuple(replace(case, signature=key) for case in item.cases),
                reason=f"{key}: {item.reason}" if item.reason else "",
            )
            for key, item in found.items()
        ]
    )


def merge_stages(found: Mapping[str, Verification]) -> Verification:
    """One verification of all stages: its verdict is the worst."""
    stages = tuple(
        Stage(
            name=name,
            verdict=item.verdict,
            max_abs=item.max_abs,
            max_rel=item.max_rel,
            reason=item.reason,
        )
        for name, item in found.items()
    )
    merged = _merge(
        [
            replace(item, cases=tuple(replace(case, stage=name) for case in item.cases))
            for name, item in found.items()
        ]
    )
    return replace(merged, stages=stages)


def _merge(found: Sequence[Verification]) -> Verification:
    worst = max(found, key=lambda item: ORDER.index(item.verdict))
    return Verification(
        verdict=worst.verdict,
        cases=tuple(case for item in found for case in item.cases),
        max_abs=_largest([item.max_abs for item in found]),
        max_rel=_largest([item.max_rel for item in found]),
        reason="; ".join(dict.fromkeys(item.reason for item in found if item.reason)),
    )


def _dull(reference: Outcomes) -> str:
    """A warning where agreeing proves little: nothing came out, or nothing but NaN."""
    import numpy as np

    if not any(np.size(array) for array in reference.results.values()):
        return "no output has a single element: give real inputs with --data"
    floats = [a for a in reference.results.values() if np.asarray(a).dtype.kind in "fc"]
    if floats and all(np.size(a) and bool(np.all(np.isnan(a))) for a in floats):
        return "every output is NaN: give real inputs with --data"
    return ""


def _largest(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if known else None
