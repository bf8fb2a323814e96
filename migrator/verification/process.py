"""One side of a verification in a process of its own, and what it gave."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from migrator.arrays import load_arrays, save_arrays
from migrator.errors import WorkerError
from migrator.runtime.client import Child, ChildLimits
from migrator.verification.cases import Case
from migrator.verification.sides import Side

ENOUGH = 2
"""With fewer cases than this that a model takes, tamer ones are tried as well."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcomes:
    """What a side gave: arrays by ``CASE/NAME``, and the cases that it refused.

    ``ran`` says what was run, ``why`` why that and not the whole.
    """

    cases: tuple[Case, ...]
    results: Mapping[str, Any]
    errors: Mapping[str, str]
    ran: str
    why: str
    peak_rss_bytes: int
    seconds: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Case -> seconds of its first call and of the further ones that were asked for."""
    load_seconds: float | None = None
    own: bool = False
    """Where the original could not be run, and our own reading of it was: that proves nothing."""
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def taken(self) -> list[Case]:
        """The cases that it did not refuse."""
        return [case for case in self.cases if case.name not in self.errors]


class SideProcess:
    """Runs one side. A context manager: at its end the process is gone.

    With ``child`` it runs in that one, beside others, and leaves it alive.
    """

    def __init__(
        self,
        side: Side,
        work: Path,
        name: str,
        limits: ChildLimits,
        *,
        child: Child | None = None,
    ) -> None:
        self._side = side
        self._cases: tuple[Case, ...] = ()
        self._inputs = work / f"{name}-cases.npz"
        self._results = work / f"{name}-results.npz"
        self._owned = child is None
        self._child = Child(limits) if child is None else child

    def __enter__(self) -> SideProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._owned:
            self._child.close()

    def turn_to(self, side: Side) -> None:
        """Run ``side`` from now on, in the same process."""
        self._side = side

    def ask(self, task: str, **arguments: Any) -> dict[str, Any]:
        """Another task in the same process, before or between runs. Raises WorkerError."""
        return self._child.run(task, **arguments)

    def start(self, cases: Sequence[Case], *, repeat: int = 0) -> None:
        """Hand the cases over; ``wait`` waits for what they give.

        Each is called ``repeat`` more times, for their seconds alone.
        """
        self._cases = tuple(cases)
        # One without inputs too.
        arrays: dict[str, Any] = {f"{case.name}/": repeat for case in cases}
        for case in cases:
            arrays |= {f"{case.name}/{name}": value for name, value in case.arrays.items()}
        save_arrays(self._inputs, arrays)
        self._side.start(self._child, self._inputs, self._results)

    def wait(self) -> Outcomes:
        """Wait for what was started. Raises WorkerError."""
        try:
            outcome = self._child.finish()
        except WorkerError as error:
            raise error.at(f"running {self._side.path}") from None
        return Outcomes(
            cases=self._cases,
            results=load_arrays(self._results),
            errors=outcome["errors"],
            ran=outcome["ran"],
            why=outcome["why"],
            peak_rss_bytes=outcome["peak_rss_bytes"],
            seconds=outcome["case_seconds"],
            load_seconds=outcome.get("load_seconds"),
            versions=outcome["versions"],
        )

    def wait_for_enough(self, tamer: Callable[[], Sequence[Case]] | None) -> Outcomes:
        """``wait``, and where hardly a case was taken, run those of ``tamer`` as well."""
        return self.add_tamer(self.wait(), tamer)

    def add_tamer(self, first: Outcomes, tamer: Callable[[], Sequence[Case]] | None) -> Outcomes:
        """``first``, and what the cases of ``tamer`` gave where hardly one of its was taken."""
        if tamer is None or len(first.taken) >= min(ENOUGH, len(first.cases)):
            return first
        self.start(tamer())
        second = self.wait()
        return replace(
            second,
            cases=(*first.cases, *second.cases),
            results={**first.results, **second.results},
            errors={**first.errors, **second.errors},
            ran=first.ran,
            why=first.why,
            peak_rss_bytes=max(first.peak_rss_bytes, second.peak_rss_bytes),
        )
