"""The record of a migration: what was done, to what, and how it was proven."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from migrator.migration.plan import Endpoint, Feed, Step
from migrator.model.brief import brief
from migrator.model.model import Source
from migrator.verification.result import Verification

MIGRATED = "migrated"
FAILED = "failed"

RECORD_PATH = "assets.extra/migrator.json"
"""Where the record lies inside of the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureRecord:
    """A signature of the result, with the source's tensor for each of its names."""

    method_name: str
    inputs: Mapping[str, Endpoint]
    outputs: Mapping[str, Endpoint]
    source_key: str = ""
    """The source's signature; empty for endpoints of a bare graph."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationRecord:
    """``outcome``: ``migrated`` or ``failed``. ``dest`` is empty where nothing was put in place."""

    outcome: str
    source: Source
    sha256: str
    dest: str
    signatures: Mapping[str, SignatureRecord]
    feeds: tuple[Feed, ...]
    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    weights: str
    """``variables`` or ``constants``; ``weights_reason`` says why."""
    weights_reason: str
    verification: Verification
    seconds: float
    peak_rss_bytes: int
    """Of the largest TensorFlow process."""
    versions: Mapping[str, str]

    __repr__ = brief

    @property
    def passed(self) -> bool:
        """True where the result is in place, proven or by request unproven."""
        return self.outcome == MIGRATED
