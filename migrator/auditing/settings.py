"""What an audit is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from migrator.errors import UsageError
from migrator.limits import DEFAULT_LIMITS, Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """Options of an audit. Rules are named by code, beginning of a code, name or family.

    Raises UsageError for numbers that make no sense.
    """

    select: Sequence[str] = ()
    """Only these rules; all where it is empty."""
    ignore: Sequence[str] = ()
    deep: bool = False
    """Also the rules that read weights."""
    exclude: Sequence[str] = ()
    """Patterns (see ``PathGlobs``) of folders that are not entered and files that are not read."""
    per_path_ignores: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Pattern -> rules whose findings are kept back in the models that it fits."""
    baseline: str = ""
    """File of findings that are known and kept back."""
    jobs: int | None = None
    """Processes; None for as many as there are cores."""
    timeout: float | None = None
    """Seconds for one model. What passes it is skipped."""
    memory_limit: int | None = None
    """Bytes of memory for one model. What needs more is skipped."""
    limits: Limits = DEFAULT_LIMITS

    def __post_init__(self) -> None:
        if isinstance(self.select, str) or isinstance(self.ignore, str):
            raise UsageError("select and ignore are lists of rules, not one text")
        if isinstance(self.exclude, str):
            raise UsageError("exclude is a list of patterns, not one text")
        if self.jobs is not None and self.jobs < 1:
            raise UsageError(f"{self.jobs} jobs", hint="give one or more")
        if self.timeout is not None and not 0 < self.timeout < float("inf"):
            raise UsageError(f"a timeout of {self.timeout} s", hint="give seconds above zero")
        if self.memory_limit is not None and self.memory_limit <= 0:
            raise UsageError(
                f"a memory limit of {self.memory_limit} bytes", hint="give more than zero"
            )
