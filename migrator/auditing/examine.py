"""One model from its file to everything that was found out about it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from migrator.auditing.discovery.discover import Found, reason_of
from migrator.auditing.engine import run_rules
from migrator.auditing.finding import AuditedModel, Skipped
from migrator.auditing.opening import open_subject
from migrator.auditing.registry import find_rule
from migrator.auditing.subject import Subject
from migrator.auditing.twins.sketch import sketch
from migrator.collector import collector_paused
from migrator.errors import FormatError, MigratorError, UnsupportedFormat
from migrator.formats.staging import staged
from migrator.limits import DEFAULT_LIMITS, Limits, bounded_time
from migrator.migration.readiness import PLAN_FAILED, UNKNOWN, Readiness, Reason, assess


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is done with each model. Goes to other processes, so it holds names, not rules."""

    codes: tuple[str, ...]
    deep: bool = False
    sketch: bool = True
    """Work out what tells near-duplicates in a tree."""
    limits: Limits = DEFAULT_LIMITS


def examine(found: Found, order: Order) -> AuditedModel | Skipped | None:
    """Audit one model. None for a file that only looked like one from its first bytes.

    Raises nothing but what stops the program: a file that cannot be read is Skipped.
    """
    try:
        with _bounded(found, order), collector_paused():
            return _examine(found, order)
    except (FormatError, UnsupportedFormat) as error:
        return _skipped(found, error) if found.named else None
    except MigratorError as error:
        return _skipped(found, error)
    except MemoryError:
        return Skipped(source=found.path, reason="needs more memory than there is for it")
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        return Skipped(source=found.path, reason=reason)
    except Exception as error:  # a reader's own fault: say so, go on
        reason = f"reading it failed: {type(error).__name__}: {error}"
        return Skipped(source=found.path, reason=reason)


def _bounded(found: Found, order: Order) -> AbstractContextManager[None]:
    """``Limits.seconds``; by default those rules that read all weights may take longer."""
    seconds = order.limits.seconds
    if order.deep and seconds == DEFAULT_LIMITS.seconds:
        return nullcontext()
    return bounded_time(seconds, where=found.path)


def _examine(found: Found, order: Order) -> AuditedModel | None:
    if not found.asked:  # a tree is of files, and those that are packed are not its models
        return _examined(found, found.path, order)
    with staged(found.path, order.limits) as copy:
        return _examined(found, copy.path, order)


def _examined(found: Found, path: str | os.PathLike[str], order: Order) -> AuditedModel | None:
    subject = open_subject(path, name=found.path, limits=order.limits)
    if not found.named and not _is_model(subject):
        return None
    findings, skipped = run_rules(subject, map(find_rule, order.codes))
    versions = (meta.tensorflow_version for meta in subject.meta_graphs)
    return AuditedModel(
        source=subject.path,
        format=subject.format,
        bytes=subject.bytes,
        nodes=sum(len(body.nodes) for body in subject.bodies),
        tensorflow_version=next(filter(None, versions), ""),
        readiness=_readiness(subject),
        findings=findings,
        skipped=skipped,
        sketch=_sketch(subject, order),
    )


def _is_model(subject: Subject) -> bool:
    """False for a message or an archive of another kind that could be read as a model."""
    if subject.keras is not None:
        return bool(subject.keras.layers or subject.keras.model_class)
    # Ops begin so; what calls the graph's own functions may not, but their bodies hold ops.
    return subject.format == "checkpoint" or any(op[:1].isupper() for op in subject.by_op)


def _readiness(subject: Subject) -> Readiness:
    try:
        planned = subject.planned
        return assess(
            plan=planned.plan,
            decision=planned.decision,
            error=planned.error,
            keras=subject.keras,
        )
    except Exception as error:  # a fault of the planner hides no finding
        text = f"planning it failed: {type(error).__name__}: {error}"
        return Readiness(verdict=UNKNOWN, reasons=(Reason(code=PLAN_FAILED, text=text),))


def _sketch(subject: Subject, order: Order) -> Mapping[str, str]:
    """What tells near-duplicates; nothing where the model does not let it be worked out."""
    if not order.sketch:
        return {}
    try:
        return sketch(subject, deep=order.deep)
    except Exception:
        return {}


def _skipped(found: Found, error: MigratorError) -> Skipped:
    return Skipped(source=found.path, reason=reason_of(error, found.path))
