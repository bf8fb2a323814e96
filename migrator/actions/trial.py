"""The proof of a migration: all signatures of the original against each form of the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from migrator.actions.faces import Face
from migrator.actions.proof import Check, tamer_for
from migrator.errors import WorkerError
from migrator.runtime.client import Child, ChildLimits
from migrator.verification.cases import Case
from migrator.verification.encoded import picture_cases
from migrator.verification.judge import judge, merge_signatures, merge_stages
from migrator.verification.process import Outcomes, SideProcess
from migrator.verification.result import Verification, not_run
from migrator.verification.rows import join_rows, split_rows
from migrator.verification.sides import SavedModelSide, Side


class Trial:
    """Starts the references of all signatures at once, in one process; ``against`` runs others.

    A context manager: at its end the processes are gone. Where a reference cannot be run at all,
    its ``fallback`` is (by signature; made when it is needed). Raises UsageError or FormatError
    for ``Check.data`` that does not fit.
    """

    def __init__(
        self,
        faces: Mapping[str, Face],
        check: Check,
        work: Path,
        limits: ChildLimits,
        *,
        fallback: Callable[[str], Side] | None = None,
    ) -> None:
        self._faces = faces
        self._check = check
        self._work = work
        self.limits = limits
        self._fallback = fallback
        self._expected: Mapping[str, Outcomes] | None = None
        self._number = 0
        self.peak_rss_bytes = 0
        self._stack = ExitStack()
        self._cases = {key: check.cases(face) for key, face in faces.items()}
        self._asked = {
            key: split_rows(cases, faces[key].by_row) if faces[key].by_row else cases
            for key, cases in self._cases.items()
        }
        sides = {key: face.side for key, face in faces.items()}
        try:
            self._references = self._start("reference", sides, self._asked)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Trial:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _start(
        self,
        name: str,
        sides: Mapping[str, Side],
        cases: Mapping[str, Sequence[Case]],
    ) -> dict[str, SideProcess]:
        """Hand all sides to one child, each begun when the one before it is done."""
        child = self._stack.enter_context(Child(self.limits))
        started = {}
        for number, (key, side) in enumerate(sides.items()):
            process = SideProcess(side, self._work, f"{name}-{number}", self.limits, child=child)
            process.start(cases[key])
            started[key] = process
        return started

    def expected(self) -> Mapping[str, Outcomes]:
        """What the references gave, by signature. Raises WorkerError."""
        if self._expected is None:
            try:
                self._expected = self._gathered(self._references)
            except WorkerError as error:
                if self._fallback is None or error.stopped:
                    raise
                self._stack.close()
                make = self._fallback
                sides = {key: make(key) for key in self._faces}
                found = self._gathered(self._start("fallback", sides, self._asked))
                self._expected = {
                    key: replace(item, why=f"the original does not run: {error.what}", own=True)
                    for key, item in found.items()
                }
            self._stack.close()  # its memory is free for the candidates
        return self._expected

    def _gathered(self, processes: Mapping[str, SideProcess]) -> Mapping[str, Outcomes]:
        first = {key: process.wait() for key, process in processes.items()}
        found = {}
        for key, process in processes.items():
            face = self._faces[key]
            if face.by_row:
                found[key] = join_rows(first[key], self._cases[key], face.by_row)
                continue
            tamer = tamer_for(face, self._check.seed) if self._check.data is None else None
            found[key] = process.add_tamer(first[key], tamer)
        self._count(found)
        return found

    def _count(self, found: Mapping[str, Outcomes]) -> None:
        peaks = [item.peak_rss_bytes for item in found.values()]
        self.peak_rss_bytes = max(self.peak_rss_bytes, *peaks)

    def pictures(
        self, made: Mapping[str, tuple[SavedModelSide, SavedModelSide, Mapping[str, str]]]
    ) -> Verification:
        """Hold signatures that take encoded pictures against those that take their pixels.

        ``made`` is, by signature: the side that takes pixels, the one that takes pictures, and
        the inputs in question with the range of their pixels. Raises WorkerError.
        """
        judged = {}
        tolerance = self._check.tolerance
        for key, (plain, encoded, ranges) in made.items():
            pairs = [picture_cases(case, ranges) for case in self.expected()[key].taken]
            found = []
            for side, cases in zip((plain, encoded), zip(*pairs, strict=True), strict=True):
                self._number += 1
                process = self._start(f"pictures-{self._number}", {key: side}, {key: cases})
                found.append(process[key].wait())
                self._stack.close()
            judged[key] = judge(
                found[0],
                found[1],
                tolerance,
                random=self._faces[key].random,
                outputs=self._faces[key].outputs,
            )
        return merge_signatures(judged)

    def _candidate(
        self, sides: Mapping[str, Side], taken: Mapping[str, Sequence[Case]]
    ) -> dict[str, SideProcess]:
        running = {key: side for key, side in sides.items() if taken[key]}
        self._number += 1
        return self._start(f"candidate-{self._number}", running, taken) if running else {}

    def against(
        self,
        stages: Mapping[str, Mapping[str, Side]],
        pictures: Mapping[str, tuple[SavedModelSide, SavedModelSide, Mapping[str, str]]]
        | None = None,
        *,
        together: bool = False,
    ) -> Verification:
        """Run each stage (name -> signature -> side) on the cases that the references took, and
        hold ``pictures`` against pixels; the stages at once with ``together``.

        Raises WorkerError.
        """
        expected = self.expected()
        for key, face in self._faces.items():
            if face.relaxed:
                return not_run(
                    f"{key}: --shape frees a size that the original fixes, so what the result does "
                    "at others cannot be compared (--no-verify goes on without)"
                )
        tolerance = self._check.tolerance
        taken = {key: item.taken for key, item in expected.items()}
        judged: dict[str, Verification] = {}
        started: dict[str, dict[str, SideProcess]] = {}
        if together:  # else one at a time: each holds all weights
            started = {name: self._candidate(sides, taken) for name, sides in stages.items()}
        for name, sides in stages.items():
            processes = started[name] if together else self._candidate(sides, taken)
            found = {key: process.wait() for key, process in processes.items()}
            if not together:
                self._stack.close()
            if found:
                self._count(found)
            judged[name] = merge_signatures(
                {
                    key: judge(
                        expected[key],
                        found.get(key, expected[key]),
                        tolerance,
                        random=self._faces[key].random,
                        outputs=self._faces[key].outputs,
                    )
                    for key in sides
                }
            )
        self._stack.close()
        if pictures:
            judged["encoded pictures"] = self.pictures(pictures)
        return merge_stages(judged)
