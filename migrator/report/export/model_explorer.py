"""Model Explorer's graph collection: every meta graph that was asked for, bodies included."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

from migrator.report.explorer.files import text
from migrator.report.explorer.graphs import collect
from migrator.report.export.subject import Subject

_PART = 1 << 20


def model_explorer(subject: Subject) -> Iterator[str]:
    """The text in parts. The whole collection is in memory before the first."""
    metas = subject.metas
    if subject.function or not subject.whole:
        tags = (subject.function,) if subject.function else subject.meta.tags
        metas = (replace(subject.meta, graph=subject.as_graph(), tags=tags),)
    label = os.path.basename(subject.model.source.path.rstrip("/"))
    found = text(collect(metas, label).json)
    yield from (found[at : at + _PART] for at in range(0, len(found), _PART))
    yield "\n"
