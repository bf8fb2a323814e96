"""All comparisons of the benchmark."""

from __future__ import annotations

from bench_parts.auditing import audits
from bench_parts.batching import batches
from bench_parts.case import Case
from bench_parts.diffing import diffs
from bench_parts.growing import growing
from bench_parts.inspecting import inspections
from bench_parts.migrating import migrations
from bench_parts.small import small


def cases(scale: float = 1.0) -> tuple[Case, ...]:
    """The cases, with made models of ``scale`` times their full size."""
    return (
        small(),
        *inspections(scale),
        *growing(scale),
        *audits(scale),
        *migrations(scale),
        *diffs(scale),
        *batches(scale),
    )
