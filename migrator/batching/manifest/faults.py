"""What is wrong with manifests and sources: gathered, then told all at once."""

from __future__ import annotations

from dataclasses import dataclass

from migrator.errors import ManyFaults
from migrator.report.escape import shown

_IN_MESSAGE = 20
_KEPT = 1000
_HINTED = 200


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Fault:
    """``line`` is 0 where a whole file, or a source on the command line, is meant."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.text}" if place else self.text


class ManifestError(ManyFaults):
    """Everything that is wrong with what a batch was given."""


class Faults:
    """Faults so far; of very many only the first are kept, and all are counted."""

    def __init__(self) -> None:
        self._kept: list[Fault] = []
        self.count = 0

    def add(self, text: str, *, file: str = "", line: int = 0) -> None:
        self.count += 1
        if len(self._kept) < _KEPT:
            self._kept.append(Fault(file=shown(file, 1000), line=line, text=shown(text, 500)))

    def check(self) -> None:
        """Raise ManifestError where there are any."""
        if self.count:
            told = [str(item) for item in sorted(self._kept)]
            more = [f"and {self.count - _IN_MESSAGE:,} more"] if self.count > _IN_MESSAGE else []
            head = f"{self.count:,} faults: " if self.count > 1 else ""
            what = head + "; ".join([*told[:_IN_MESSAGE], *more])
            raise ManifestError(what, faults=told, count=self.count)


class FileFaults:
    """The faults of one file."""

    def __init__(self, faults: Faults, file: str) -> None:
        self._faults = faults
        self.file = file

    @property
    def count(self) -> int:
        return self._faults.count

    @property
    def hints(self) -> bool:
        """Whether it is still worth the time to say what may be meant."""
        return self._faults.count < _HINTED

    def add(self, text: str, line: int) -> None:
        self._faults.add(text, file=self.file, line=line)
