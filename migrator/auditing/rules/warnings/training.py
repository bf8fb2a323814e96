"""Warnings about what training left behind and no call needs."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.auditing.contents.bodies import Place
from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.rules.listing import op_words, plural, summed
from migrator.auditing.subject import Subject
from migrator.inspection.vocabulary import LOSS_OPS
from migrator.migration.passes.residue import SUMMARIES
from migrator.ops.state import VARIABLE_OPS

OPTIMISERS = ("Apply", "ResourceApply", "SparseApply", "ResourceSparseApply")
"""What ops that take a step of training begin with."""
_AVERAGE = "/ExponentialMovingAverage"


@rule(
    code="W301",
    name="training-residue",
    severity=Severity.INFO,
    family="warning",
    looks_at=("gradients", "optimizer steps", "losses"),
    since="0.1",
)
def training_residue(subject: Subject) -> Iterator[Issue]:
    """Training left in the file

    What it detects: gradients, optimizer steps and losses that no result needs.

    Why it matters: they make the file larger and slower to load, may hold ops that TensorFlow 2
    no longer has, and mislead tools that take every loose end for an output.

    How to fix: Nothing to do: `migrate` keeps only what the results need.

    Limits: optimizer slots and initialisers are not counted; they go as well.
    """
    kinds = {op: kind for op in subject.by_op if (kind := _training_kind(op))}
    for graph in subject.served.graphs:
        found: dict[str, list[Place]] = {}
        for op, kind in kinds.items():
            left = [
                item
                for item in subject.places((op,))
                if item.body.meta is graph.meta and not (item.body.depth or graph.has(item))
            ]
            found.setdefault(kind, []).extend(left)
        words = [plural(len(found[kind]), kind, _KINDS[kind]) for kind in _KINDS if found.get(kind)]
        every = [place for kind in _KINDS for place in found.get(kind, ())]
        if every:
            yield Issue(
                message=f"left over from training: {', '.join(words)}",
                place=every[0],
                detail=summed(every),
            )


_KINDS = {
    "gradient op": "gradient ops",
    "optimizer step": "optimizer steps",
    "loss or metric": "losses or metrics",
}


def _training_kind(op: str) -> str:
    if op.startswith(OPTIMISERS):
        return "optimizer step"
    if op in LOSS_OPS:
        return "loss or metric"
    if op.endswith(("Grad", "GradV2", "GradV3")) or "BackpropFilter" in op:
        return "gradient op"
    return ""


@rule(
    code="W302",
    name="summaries",
    severity=Severity.INFO,
    family="warning",
    looks_at=sorted(SUMMARIES),
    since="0.1",
)
def summaries(subject: Subject) -> Iterator[Issue]:
    """Summaries for TensorBoard

    What it detects: ops that write or make summaries.

    Why it matters: they serve nobody outside of training; some open files when they run.

    How to fix: Nothing to do: `migrate` leaves them out unless one is asked for as an output.

    Limits: where a summary writes to is the security rules' matter.
    """
    for graph in subject.served.graphs:
        places = [
            item
            for item in subject.places(sorted(SUMMARIES))
            if item.body.meta is graph.meta and not item.body.depth
        ]
        if places:
            yield Issue(
                message=f"{plural(len(places), 'summary op')} ({op_words(places)})",
                place=places[0],
                detail=summed(places),
            )


@rule(
    code="W307",
    name="averages-not-served",
    severity=Severity.LOW,
    confidence="medium",
    family="warning",
    looks_at=sorted(VARIABLE_OPS),
    since="0.1",
)
def averages_not_served(subject: Subject) -> Iterator[Issue]:
    """Moving averages of the weights that nothing reads

    What it detects: variables called NAME/ExponentialMovingAverage that no result needs, while
    the results read NAME itself.

    Why it matters: whoever kept averages mostly wanted them for inference. This export serves the
    raw weights, which usually are a little worse.

    How to fix: If the averages were meant, export again with a saver that maps each variable to its
    average (`variables_to_restore()`), and migrate that.

    Limits: told by name; averages that serve another purpose look alike.
    """
    for graph in subject.served.graphs:
        variables = [
            place
            for place in subject.places(sorted(VARIABLE_OPS))
            if place.body.meta is graph.meta and place.body.function is None
        ]
        averages = [place for place in variables if place.node.name.endswith(_AVERAGE)]
        unread = [
            place
            for place in averages
            if place.node.name.removesuffix(_AVERAGE) in graph.names and not graph.has(place)
        ]
        if unread:
            yield Issue(
                message=f"{plural(len(unread), 'moving average')} unread, the raw weights served",
                place=unread[0],
                detail=summed(unread),
            )
