"""What a run gave. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from migrator.model.brief import brief
from migrator.model.model import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds, measured inside of the process that runs the model.

    ``load`` is None where it was not told; ``first`` is the first call, which includes what a
    model does once; ``further`` are the calls after it.
    """

    load: float | None
    first: float
    further: tuple[float, ...] = ()

    __repr__ = brief

    @property
    def spread(self) -> tuple[float, float, float] | None:
        """Minimum, median and maximum of the further calls; None without any."""
        if not self.further:
            return None
        return min(self.further), median(self.further), max(self.further)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InputValue:
    """What an input was given, and from where."""

    array: Any = field(repr=False)
    origin: str

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunResult:
    """The outputs of one call, as numpy arrays by name; strings are object arrays of bytes."""

    source: Source
    signature: str | None
    """None for a graph, which has no signatures."""
    ran: str
    inputs: Mapping[str, InputValue]
    outputs: Mapping[str, Any] = field(repr=False)
    notes: tuple[str, ...]
    timing: Timing
    peak_rss_bytes: int
    versions: Mapping[str, str]

    __repr__ = brief
