"""What a verification found. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrator.model.brief import brief

if TYPE_CHECKING:
    from migrator.verification.bisect import Bisection

BITWISE = "bitwise"
WITHIN_TOLERANCE = "within_tolerance"
MISMATCH = "mismatch"
NOT_RUN = "not_run"
NOT_COMPARABLE = "not_comparable"
"""Of one output: it is random, so two runs need not agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputComparison:
    """One output on one case. Differences are over finite elements; None where none is numeric."""

    verdict: str
    max_abs: float | None
    max_rel: float | None
    reason: str = ""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """One set of inputs: their shapes by name, and how each output came out."""

    name: str
    about: str
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, OutputComparison]
    verdict: str
    reason: str = ""
    signature: str = ""
    stage: str = ""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One of the things that were held against the original: ``name`` says which."""

    name: str
    verdict: str
    max_abs: float | None
    max_rel: float | None
    reason: str = ""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """``verdict`` is the worst over all cases: bitwise, within_tolerance, mismatch or not_run."""

    verdict: str
    cases: tuple[CaseResult, ...]
    max_abs: float | None
    max_rel: float | None
    reason: str = ""
    stages: tuple[Stage, ...] = ()
    bisection: Bisection | None = None
    """Where the two part, if that was searched for."""

    __repr__ = brief

    @property
    def passed(self) -> bool:
        return self.verdict in (BITWISE, WITHIN_TOLERANCE)


def not_run(reason: str) -> Verification:
    """A verification that did not take place, and why."""
    return Verification(verdict=NOT_RUN, cases=(), max_abs=None, max_rel=None, reason=reason)
