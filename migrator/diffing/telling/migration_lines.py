"""What a headline says of two models one of which was migrated from the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from migrator._version import __version__
from migrator.diffing.result import NodeChange
from migrator.diffing.sameness.migration_record import Record
from migrator.diffing.sameness.verdict import Verdict
from migrator.diffing.telling.reasons import unexplained

_FIXING = frozenset(("fold_feed", "keep_default"))
"""Steps that fix an input: what is the same is so with that value alone."""
_FOLDING = frozenset(("fold_batch_norm", "fold_dropout"))
"""Steps that take layers out."""


def record_lines(record: Record, nodes: Iterable[NodeChange], verdict: Verdict) -> Iterator[str]:
    """Which side was migrated, whether its record speaks of all, and which inputs it fixed."""
    side = "right" if record.on_right else "left"
    origin = "the other" if record.fits else "a file of other content than the other"
    rest = len(unexplained(nodes, record))
    start = f"{side} was migrated from {origin}"
    if verdict.has_strayed and record.version == __version__:
        yield f"{start}, but its record does not lead to it: it was changed since, or by hand"
    elif verdict.has_strayed:
        yield f"{start}, but by another version of migrator, and this one does not get to it"
    elif not record.fits and not rest:
        yield f"{start}; what came and went is what its migration record says"
    elif not rest:
        yield f"{start}: nothing added or removed but what its migration record says"
    else:
        words = "1 node" if rest == 1 else f"{rest:,} nodes"
        yield f"{start}; its migration record does not say why {words} came or went"
    if verdict.is_same:
        for step in record.steps:
            if step.code in _FOLDING:
                yield f"{step.text} ({step.count:,})"
        fixed = [step.text for step in record.steps if step.code in _FIXING]
        if len(fixed) > 3:
            yield f"{len(fixed)} inputs are fixed"
        else:
            yield from fixed


def unseen_line(verdict: Verdict) -> str:
    """What was not compared as there was nothing to compare it with."""
    count = verdict.unseen
    words = "1 weight or table" if count == 1 else f"{count:,} weights and tables"
    return f"{words} not compared: the other model computes them when it is loaded"
