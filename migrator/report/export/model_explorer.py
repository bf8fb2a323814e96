"""Model Explorer's graph collection: every meta graph that was asked for, bodies included."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

from migrator.report.explorer.graphs import collection_text
from migrator.report.export.subject import Subject


def model_explorer(subject: Subject) -> Iterator[str]:
    """The text in parts, ASCII only. Linear; one node is in memory at a time."""
    metas = subject.metas
    if subject.function or not subject.whole:
        tags = (subject.function,) if subject.function else subject.meta.tags
        metas = (replace(subject.meta, graph=subject.as_graph(), tags=tags),)
    label = os.path.basename(subject.model.source.path.rstrip("/"))
    yield from collection_text(metas, label)
    yield "\n"
