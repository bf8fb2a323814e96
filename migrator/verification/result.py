"""What a verification found. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BITWISE = "bitwise"
WITHIN_TOLERANCE = "within_tolerance"
MISMATCH = "mismatch"
NOT_RUN = "not_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputComparison:
    """One output on one case. Differences are over finite elements; None where none is numeric."""

    verdict: str
    max_abs: float | None
    max_rel: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """One set of inputs: their shapes by name, and how each output came out."""

    name: str
    about: str
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, OutputComparison]
    verdict: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """``verdict`` is the worst over all cases: bitwise, within_tolerance, mismatch or not_run."""

    verdict: str
    cases: tuple[CaseResult, ...]
    max_abs: float | None
    max_rel: float | None
    reason: str = ""

    @property
    def passed(self) -> bool:
        return self.verdict in (BITWISE, WITHIN_TOLERANCE)


def not_run(reason: str) -> Verification:
    """A verification that did not take place, and why."""
    return Verification(verdict=NOT_RUN, cases=(), max_abs=None, max_rel=None, reason=reason)
