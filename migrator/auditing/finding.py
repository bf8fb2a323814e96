"""What an audit says: pure data, drawn by ``report``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from migrator.model.brief import brief

if TYPE_CHECKING:
    from migrator.migration.readiness import Readiness


class Severity(IntEnum):
    """How much a finding matters to who would run or migrate the model; the worst is highest."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def label(self) -> str:
        """``critical``, ``high``, ..."""
        return self.name.lower()


SEVERITIES = tuple(item.label for item in sorted(Severity, reverse=True))
"""Labels, the worst first."""
CONFIDENCES = ("high", "medium", "low")


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a finding lies. What does not apply is empty."""

    source: str
    """Path of the file that was read."""
    meta_graph: str = ""
    """Its tags, comma-separated."""
    function: str = ""
    """Function body; a graph inside of a constant is ``NODE!``, its functions ``NODE!FUNCTION``."""
    node: str = ""
    attr: str = ""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a rule found in one source."""

    code: str
    name: str
    family: str
    severity: Severity
    confidence: str
    """That it is what it seems: ``high``, ``medium`` or ``low``."""
    message: str
    location: Location
    detail: Mapping[str, Any] = field(default_factory=dict)
    """JSON values: ``op``, ``argument``, ``reached`` (how the place is reached), ``count``, ..."""
    fix: str = ""
    fingerprint: str = ""
    """Hash of what was found and where in the model, without the file's path or bytes."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Something that was not audited: a file that cannot be read, or a rule that failed on one."""

    source: str
    reason: str
    rule: str = ""
    """Code of the rule that failed; empty where the source itself could not be read."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedModel:
    """Everything that was found out about one source."""

    source: str
    format: str
    bytes: int
    """Of the model file itself."""
    nodes: int = 0
    """Function bodies included."""
    tensorflow_version: str = ""
    readiness: Readiness | None = None
    """None where it was not asked for, or makes no sense (a bare checkpoint)."""
    findings: tuple[Finding, ...] = ()
    """Worst first."""
    skipped: tuple[Skipped, ...] = ()
    """Rules that failed on it."""
    sketch: Mapping[str, str] = field(default_factory=dict)
    """Hashes that tell near-duplicates in a tree: ``graph``, ``weights``, ``names``, ``file``."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """The result of one audit over all its paths."""

    models: tuple[AuditedModel, ...]
    skipped: tuple[Skipped, ...] = ()
    """Sources that could not be read; rules that failed are in their model."""
    accepted: int = 0
    """Findings that a baseline or an ignore rule kept back."""
    deep: bool = False

    __repr__ = brief

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Of all models, in their order."""
        return tuple(finding for model in self.models for finding in model.findings)

    @property
    def all_skipped(self) -> tuple[Skipped, ...]:
        """Sources that could not be read, then rules that failed."""
        return (*self.skipped, *(item for model in self.models for item in model.skipped))


def count_severities(findings: Sequence[Finding]) -> dict[str, int]:
    """Label -> number of findings, all labels, the worst first."""
    counts = dict.fromkeys(SEVERITIES, 0)
    for finding in findings:
        counts[finding.severity.label] += 1
    return counts
