"""A verification under way: the reference runs while the candidate may still be in the making."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from migrator.actions.faces import Face
from migrator.errors import UsageError
from migrator.runtime.client import ChildLimits
from migrator.verification.cases import Case, make_cases, tamer_cases
from migrator.verification.data import data_case
from migrator.verification.judge import Tolerance, judge
from migrator.verification.process import Outcomes, SideProcess
from migrator.verification.result import Verification
from migrator.verification.sides import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How to verify: real inputs (path of an .npz) or generated ones, and what counts as same."""

    data: str | os.PathLike[str] | None = None
    rtol: float = 1e-5
    atol: float = 1e-6
    seed: int = 0
    by_largest: bool = False
    """Measure differences by the largest element of each output."""

    def __post_init__(self) -> None:
        for name, value in (("rtol", self.rtol), ("atol", self.atol)):
            if not 0 <= value < float("inf"):
                raise UsageError(f"--{name} {value}", hint="a tolerance is zero or more")
        if self.seed < 0:
            raise UsageError(f"--seed {self.seed}", hint="a seed is zero or more")

    def cases(self, face: Face) -> Sequence[Case]:
        """The user's inputs, or made ones. Raises UsageError or FormatError for the former."""
        if self.data is not None:
            return [data_case(os.fspath(self.data), face.inputs)]
        return make_cases(face.graph, face.inputs, seed=self.seed)

    @property
    def tolerance(self) -> Tolerance:
        return Tolerance(rtol=self.rtol, atol=self.atol, by_largest=self.by_largest)


Entered = TypeVar("Entered", bound="Reference")


class Reference:
    """One face that runs at once, in a process of its own, on cases that others run after it.

    With ``tamer`` it also runs tamer cases where it takes hardly one. A context manager: at its
    end the process is gone.
    """

    def __init__(
        self,
        face: Face,
        cases: Sequence[Case],
        work: Path,
        limits: ChildLimits,
        *,
        tamer: Callable[[], Sequence[Case]] | None = None,
    ) -> None:
        self._work = work
        self._limits = limits
        self._tamer = tamer
        self._expected: Outcomes | None = None
        self._stack = ExitStack()
        self.peak_rss_bytes = 0
        self._process = SideProcess(face.side, work, "reference", limits)
        self._stack.enter_context(self._process)
        try:
            self._process.start(cases)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self: Entered) -> Entered:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def outcomes(self) -> Outcomes:
        """What it gave; its process is gone then. Raises WorkerError."""
        if self._expected is None:
            self._expected = self._process.wait_for_enough(self._tamer)
            self._stack.close()  # its memory is free for the candidate
            self.peak_rss_bytes = self._expected.peak_rss_bytes
        return self._expected

    def run(self, candidate: Side) -> Outcomes:
        """What ``candidate`` gives on the cases that were taken. Raises WorkerError."""
        with SideProcess(candidate, self._work, "candidate", self._limits) as process:
            process.start(self.outcomes().taken)
            found = process.wait()
        self.peak_rss_bytes = max(self.peak_rss_bytes, found.peak_rss_bytes)
        return found


def tamer_for(face: Face, seed: int) -> Callable[[], Sequence[Case]]:
    """Makes the tamer cases of a face."""
    return partial(tamer_cases, face.graph, face.inputs, seed=seed)


class Proof(Reference):
    """A reference, and the verdict on what is held ``against`` it.

    Raises UsageError or FormatError for ``Check.data`` that does not fit.
    """

    def __init__(self, reference: Face, check: Check, work: Path, limits: ChildLimits) -> None:
        self._check = check
        tamer = tamer_for(reference, check.seed) if check.data is None else None
        super().__init__(reference, check.cases(reference), work, limits, tamer=tamer)

    def against(self, candidate: Side) -> Verification:
        """Run the candidate on the cases that the reference took, and judge. Raises WorkerError."""
        expected = self.outcomes()
        found = self.run(candidate) if expected.taken else expected
        return judge(expected, found, self._check.tolerance)
