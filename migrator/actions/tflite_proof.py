"""Does a TFLite file compute what the source computes? Runs both on the same inputs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from migrator.actions.faces import Face
from migrator.errors import WorkerError
from migrator.runtime.client import ChildLimits
from migrator.verification.cases import Case, make_cases, tamer_cases
from migrator.verification.judge import Tolerance, judge
from migrator.verification.process import Outcomes, SideProcess
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


class TFLiteProof:
    """Starts the reference at once; ``against`` runs the TFLite file in another process.

    ``samples`` are the user's own inputs; without them some are made. A context manager: at its
    end the processes are gone.
    """

    def __init__(
        self,
        reference: Face,
        check: TFLiteCheck,
        samples: Samples | None,
        work: Path,
        limits: ChildLimits,
    ) -> None:
        self._reference = reference
        self._check = check
        self._given = samples is not None
        self._work = work
        self._limits = limits
        self._expected: Outcomes | None = None
        self.peak_rss_bytes = 0
        cases: Sequence[Case]
        if samples is not None:
            cases = samples.cases(reference.inputs)
        else:
            cases = make_cases(reference.graph, reference.inputs, seed=check.seed)
        self._stack = ExitStack()
        self._process = SideProcess(reference.side, work, "reference", limits)
        self._stack.enter_context(self._process)
        try:
            self._process.start(cases)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> TFLiteProof:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def against(self, candidate: TFLiteSide) -> Verification:
        """Run the candidate on the cases that the reference took; may be called for several.

        Raises WorkerError where the reference fails, InterpreterError where the interpreter dies
        of the candidate or takes more than its time or memory.
        """
        if self._expected is None:
            self._expected = self._process.wait_for_enough(None if self._given else self._tamer)
            self._stack.close()  # its memory is free for the candidate
            self.peak_rss_bytes = self._expected.peak_rss_bytes
        expected = self._expected
        if not expected.taken:
            return self._check.judge(expected, expected, ())
        with SideProcess(candidate, self._work, "candidate", self._limits) as process:
            process.start(expected.taken)
            try:
                found = process.wait()
            except WorkerError as error:
                raise InterpreterError(
                    f"the TFLite interpreter could not run it: {error.what}", log=error.log
                ) from None
        self.peak_rss_bytes = max(self.peak_rss_bytes, found.peak_rss_bytes)
        return self._check.judge(expected, found, self._reference.random)

    def _tamer(self) -> Sequence[Case]:
        return tamer_cases(self._reference.graph, self._reference.inputs, seed=self._check.seed)
