"""Blockers of a model as a whole: what it asks for, and why there is no plan for it."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.auditing.finding import Severity
from migrator.auditing.rule import Issue, rule
from migrator.auditing.rules.blockers.blocking import (
    OUTSIDE,
    PENDING,
    planned_issues,
)
from migrator.auditing.subject import Subject
from migrator.errors import UnsupportedFormat
from migrator.migration.obstacles import version_blockers


@rule(
    code="B310",
    name="min-consumer",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["GraphDef versions: min_consumer, bad_consumers"],
    since="0.1",
)
def min_consumer(subject: Subject) -> Iterator[Issue]:
    """A graph that asks for a newer TensorFlow

    What it detects: a graph whose `min_consumer` is above the version that the newest covered
    TensorFlow reads, or that names this very version among its `bad_consumers`.

    Why it matters: TensorFlow refuses the graph before it looks at any node.

    How to fix: Use a TensorFlow that is at least as new as the one that the graph was made for,
    and a release of this tool that covers it.

    Limits: the number says what the writer asked for, not what the graph needs. Versions far above
    any TensorFlow's are a sign of a damaged or forged file.
    """
    yield from planned_issues(subject, "min_consumer")
    plan = subject.planned.plan
    for body in subject.top_levels():
        if plan is not None and body.graph is plan.graph:
            continue
        for item in version_blockers(body.graph.versions):
            yield Issue(
                message=f"{item.text}; {PENDING if plan is None else OUTSIDE}",
                meta_graph=body.meta_graph,
                severity=Severity.LOW if plan is None else Severity.INFO,
                fix=item.fix,
                key="elsewhere",
            )


@rule(
    code="B312",
    name="plan-failed",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["the plan as a whole"],
    since="0.1",
)
def plan_failed(subject: Subject) -> Iterator[Issue]:
    """No plan can be made at all

    What it detects: an error while the migration is planned: a signature that names a tensor that
    does not exist, or has no outputs; a checkpoint that cannot be read; a graph past the limits.

    Why it matters: migrate stops at the same place with the same words.

    How to fix: What the message names is wrong in the model itself; choose another signature with
    `--signature`, name the endpoints, or get the file again.

    Limits: only the first error is known. What cannot be migrated by its nature, such as a bare
    checkpoint or a TFLite file, is no error.
    """
    error = subject.planned.error
    if error is not None and not isinstance(error, UnsupportedFormat):
        yield Issue(message=error.what, detail={"where": error.where}, fix=error.hint)


@rule(
    code="B313",
    name="keras-refused",
    severity=Severity.MEDIUM,
    family="blocker",
    looks_at=["layers of .h5 and .keras files"],
    since="0.1",
)
def keras_refused(subject: Subject) -> Iterator[Issue]:
    """A Keras file that migrate does not load

    What it detects: a Keras model with layers that bring Python code, name modules, files or
    classes of their maker's own, for which migrate refuses to load it.

    Why it matters: Keras would run or import what the file names while it loads it. Without
    loading there is no graph to migrate.

    How to fix: If you trust the file, load it in Keras yourself and `model.export(...)` it, then
    migrate the SavedModel. Better still, replace the layers by ones of Keras itself.

    Limits: the configuration is read, nothing is loaded. What each layer would do is the security
    rules' matter.
    """
    dangers = subject.keras.dangers if subject.keras is not None else ()
    if dangers:
        layers = list(dict.fromkeys(item.layer for item in dangers))
        first = dangers[0]
        more = f", and {len(dangers) - 1} more like it" if len(dangers) > 1 else ""
        yield Issue(
            message=f"it is not loaded: layer {first.layer!r} {first.text}{more}",
            detail={"count": len(dangers), "nodes": layers[:10]},
        )
