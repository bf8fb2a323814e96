"""A verification under way: the reference runs while the candidate may still be in the making."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from migrator.actions.faces import Face
from migrator.errors import UsageError
from migrator.runtime.client import ChildLimits
from migrator.verification.cases import Case, make_cases, tamer_cases
from migrator.verification.data import data_case
from migrator.verification.judge import Tolerance, judge
from migrator.verification.process import SideProcess
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

    @property
    def tolerance(self) -> Tolerance:
        return Tolerance(rtol=self.rtol, atol=self.atol, by_largest=self.by_largest)


class Proof:
    """Starts the reference at once, in its own process; ``against`` runs the candidate in another.

    A context manager: at its end the processes are gone. Raises UsageError or FormatError for
    ``Check.data`` that does not fit.
    """

    def __init__(self, reference: Face, check: Check, work: Path, limits: ChildLimits) -> None:
        self._reference = reference
        self._check = check
        self._work = work
        self._limits = limits
        self._stack = ExitStack()
        self.peak_rss_bytes = 0
        cases = self._cases()
        self._process = SideProcess(reference.side, work, "reference", limits)
        self._stack.enter_context(self._process)
        try:
            self._process.start(cases)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Proof:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _cases(self) -> Sequence[Case]:
        face, check = self._reference, self._check
        if check.data is not None:
            return [data_case(os.fspath(check.data), face.inputs)]
        return make_cases(face.graph, face.inputs, seed=check.seed)

    def _tamer(self) -> Sequence[Case]:
        return tamer_cases(self._reference.graph, self._reference.inputs, seed=self._check.seed)

    def against(self, candidate: Side) -> Verification:
        """Run the candidate on the cases that the reference took, and judge. Raises WorkerError."""
        generated = self._check.data is None
        expected = self._process.wait_for_enough(self._tamer if generated else None)
        self._stack.close()  # its memory is free for the candidate
        self.peak_rss_bytes = expected.peak_rss_bytes
        tolerance = self._check.tolerance
        if not expected.taken:
            return judge(expected, expected, tolerance)
        with SideProcess(candidate, self._work, "candidate", self._limits) as process:
            process.start(expected.taken)
            found = process.wait()
        self.peak_rss_bytes = max(self.peak_rss_bytes, found.peak_rss_bytes)
        return judge(expected, found, tolerance)
