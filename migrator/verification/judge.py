"""The verdict: what two sides gave on the same cases, compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from migrator.verification.cases import Case
from migrator.verification.compare import compare_arrays
from migrator.verification.process import Outcomes
from migrator.verification.result import (
    BITWISE,
    MISMATCH,
    WITHIN_TOLERANCE,
    CaseResult,
    OutputComparison,
    Verification,
    not_run,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What still counts as the same: ``atol + rtol * |reference|``."""

    rtol: float = 1e-5
    atol: float = 1e-6


def judge(reference: Outcomes, candidate: Outcomes, tolerance: Tolerance) -> Verification:
    """Compare case by case. A case that the reference refused is told of and proves nothing."""
    cases = [_case(case, reference, candidate, tolerance) for case in reference.taken]
    if not cases:
        first = next(iter(reference.errors.values()), "no case was run")
        return not_run(
            f"the original refused every generated input ({first}); give real ones with --data"
        )
    order = (BITWISE, WITHIN_TOLERANCE, MISMATCH)
    worst = max(cases, key=lambda item: order.index(item.verdict))
    compared = [output for case in cases for output in case.outputs.values()]
    reasons = [worst.reason] if worst.reason else []
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


def _case(case: Case, reference: Outcomes, candidate: Outcomes, tolerance: Tolerance) -> CaseResult:
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
            outputs[name] = compare_arrays(
                value, candidate.results[key], rtol=tolerance.rtol, atol=tolerance.atol
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
