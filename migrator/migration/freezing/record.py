"""The record of a freeze: what was made, of what, and how it was proven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from migrator.migration.plan import Step
from migrator.migration.record import SignatureRecord
from migrator.model.brief import brief
from migrator.model.model import Source
from migrator.verification.result import Verification

FROZEN = "frozen"
FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeRecord:
    """``outcome``: ``frozen`` or ``failed``. ``dest`` is empty where nothing was put in place."""

    outcome: str
    source: Source
    dest: str
    dest_bytes: int
    """Of the frozen graph, in place or not."""
    signatures: Mapping[str, SignatureRecord]
    """The one that was frozen; its endpoints name tensors of the frozen graph."""
    source_tensors: Mapping[str, str]
    """The source's tensor for each name, inputs and outputs, as ``in/NAME`` and ``out/NAME``."""
    functions: tuple[str, ...]
    """Functions that could not be inlined."""
    min_consumer: int
    producer: int
    missing: Mapping[str, Mapping[str, str]]
    """Older release -> op -> why that release would refuse it; empty where it takes the graph."""
    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    verification: Verification
    seconds: float
    peak_rss_bytes: int
    """Of the largest TensorFlow process."""
    versions: Mapping[str, str]

    __repr__ = brief

    @property
    def passed(self) -> bool:
        """True where the result is in place, proven or by request unproven."""
        return self.outcome == FROZEN
