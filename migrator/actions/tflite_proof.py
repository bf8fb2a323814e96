"""Does a TFLite file compute what the source computes? Runs both on the same inputs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from migrator.actions.faces import Face
from migrator.actions.proof import Reference, tamer_for
from migrator.errors import WorkerError
from migrator.runtime.client import ChildLimits
from migrator.verification.cases import make_cases
from migrator.verification.judge import Tolerance, judge
from migrator.verification.process import Outcomes
from migrator.verification.ranged import judge_by_range
from migrator.verification.representative import Samples
from migrator.verification.result import Verification
from migrator.verification.tflite_side import TFLiteSide


@dataclass(frozen=True, slots=True, kw_only=True)
class TFLiteCheck:
    """What counts as the same: a share of the output's range, or without one rtol and atol."""

    rtol: float
    atol: float
    share: float | None
    seed: int

    def judge(
        self, reference: Outcomes, candidate: Outcomes, random: Collection[str]
    ) -> Verification:
        """The verdict by this measure. Outputs named in ``random`` need not agree."""
        if self.share is not None:
            return judge_by_range(reference, candidate, self.share, random=random)
        tolerance = Tolerance(rtol=self.rtol, atol=self.atol)
        return judge(reference, candidate, tolerance, random=random)


class InterpreterError(WorkerError):
    """The interpreter did not survive the model."""


class TFLiteProof(Reference):
    """A reference, and the verdict on TFLite files that are held ``against`` it.

    ``samples`` are the user's own inputs; without them some are made.
    """

    def __init__(
        self,
        reference: Face,
        check: TFLiteCheck,
        samples: Samples | None,
        work: Path,
        limits: ChildLimits,
    ) -> None:
        self._check = check
        self._random = reference.random
        if samples is not None:
            super().__init__(reference, samples.cases(reference.inputs), work, limits)
            return
        cases = make_cases(reference.graph, reference.inputs, seed=check.seed)
        tamer = tamer_for(reference, check.seed)
        super().__init__(reference, cases, work, limits, tamer=tamer)

    def against(self, candidate: TFLiteSide) -> Verification:
        """Run the candidate on the cases that the reference took; may be called for several.

        Raises WorkerError where the reference fails, InterpreterError where the interpreter dies
        of the candidate or takes more than its time or memory.
        """
        expected = self.outcomes()
        if not expected.taken:
            return self._check.judge(expected, expected, ())
        try:
            found = self.run(candidate)
        except WorkerError as error:
            raise InterpreterError(
                f"the TFLite interpreter could not run it: {error.what}", log=error.log
            ) from None
        return self._check.judge(expected, found, self._random)
