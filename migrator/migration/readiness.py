"""Readiness: whether a model can be migrated as it stands, and what is missing if not.

One verdict for all who ask: ``plan`` and ``migrate`` tell it, and so does the audit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migrator.errors import (
    BlockedError,
    MigratorError,
    NeedsDecision,
    NoSuchTensor,
    UnsupportedFormat,
    UsageError,
)
from migrator.migration.plan import Blocker, Plan, Step
from migrator.model.brief import brief

if TYPE_CHECKING:
    from migrator.formats.keras.facts import KerasFacts

READY = "ready"
CHANGES = "ready_with_changes"
NEEDS_YOU = "needs_you"
BLOCKED = "blocked"
UNKNOWN = "unknown"
VERDICTS = (BLOCKED, NEEDS_YOU, CHANGES, READY, UNKNOWN)
"""The worst first. ``unknown``: not a format that a plan can be made for without loading it."""

OBSTACLES: Mapping[str, str] = {
    "asset_missing": NEEDS_YOU,
    "assignment": NEEDS_YOU,
    "checkpoint_damaged": NEEDS_YOU,
    "control_flow": NEEDS_YOU,
    "cycle": BLOCKED,
    "dangling_input": BLOCKED,
    "deprecated_op": BLOCKED,
    "duplicate_name": BLOCKED,
    "handle_input": NEEDS_YOU,
    "handle_output": NEEDS_YOU,
    "iterator": BLOCKED,
    "min_consumer": BLOCKED,
    "no_kernel": BLOCKED,
    "not_frozen": NEEDS_YOU,
    "output_lost": NEEDS_YOU,
    "pipeline": NEEDS_YOU,
    "python": BLOCKED,
    "queue": BLOCKED,
    "removed_op": BLOCKED,
    "runtime": BLOCKED,
    "state": BLOCKED,
    "table": NEEDS_YOU,
    "too_large": NEEDS_YOU,
    "unfed": NEEDS_YOU,
    "unknown_op": NEEDS_YOU,
    "variable_differs": NEEDS_YOU,
    "variable_missing": NEEDS_YOU,
}
"""Code of a blocker -> whether a user can lift it with what goes with the model: by an option
that names a tensor, a value or a file, or by a file that was left behind (``needs_you``). What
takes another model, or a part cut off that computes something, is ``blocked``."""

HARMLESS = frozenset(
    (
        "copy_assets",
        "keep_variables",
        "prune",
        "rename",
        "strip_colocation",
        "strip_devices",
    )
)
"""Codes of steps that change nothing of what is computed, nor of how."""

UNDECIDED_ENDPOINTS = "undecided_endpoints"
UNDECIDED_TAGS = "undecided_tags"
PLAN_FAILED = "plan_failed"
KERAS_REFUSED = "keras_refused"
NO_GRAPH = "no_graph"
LOADED_FIRST = "loaded_first"
"""Codes of reasons that are no blocker of a plan, as there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason for a verdict. ``code`` is that of the blocker or the step."""

    code: str
    text: str
    node: str = ""
    fix: str = ""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """A verdict and its reasons: the blockers, what to decide or supply, or the changes."""

    verdict: str
    reasons: tuple[Reason, ...] = ()
    options: tuple[str, ...] = ()
    """What to paste, where a decision is needed; the most plausible first."""

    __repr__ = brief


def assess(
    *,
    plan: Plan | None = None,
    decision: NeedsDecision | None = None,
    error: MigratorError | None = None,
    keras: KerasFacts | None = None,
) -> Readiness:
    """The verdict on what planning gave: a plan, an open question, or an error.

    ``keras`` is what is known of a Keras file, whose graph nobody has seen yet. The first that is
    there counts; ``unknown`` where nothing is.
    """
    if plan is not None:
        return readiness_of(plan)
    if decision is not None:
        return open_question(decision.what, decision.options, decision.hint)
    if error is not None:
        return _failed(error)
    if keras is not None:
        return _of_keras(keras)
    return Readiness(verdict=UNKNOWN)


def readiness_of(plan: Plan) -> Readiness:
    """The verdict on a plan: its blockers are the reasons, or else its changes."""
    return judge(plan.blockers, plan.steps)


def judge(blockers: Iterable[Blocker], steps: Iterable[Step]) -> Readiness:
    """The verdict on blockers and steps, those of a plan or of what became of it.

    Reasons: what really blocks first, then what the user can lift; without any blocker the steps
    that change something, those of one kind as one.
    """
    found = tuple(blockers)
    stuck = [item for item in found if OBSTACLES.get(item.code, BLOCKED) == BLOCKED]
    if found:
        rest = [item for item in found if OBSTACLES.get(item.code, BLOCKED) != BLOCKED]
        return Readiness(
            verdict=BLOCKED if stuck else NEEDS_YOU,
            reasons=tuple(map(_blocker, [*stuck, *rest])),
        )
    changes = _changes(steps)
    return Readiness(verdict=CHANGES if changes else READY, reasons=changes)


def open_question(what: str, options: Sequence[str], hint: str = "") -> Readiness:
    """The verdict where several answers are plausible: the options to paste.

    ``hint`` says what to do where there are none.
    """
    tags = any(item.startswith("--tag-set") for item in options)
    fix = "choose one of the options" if tags else "choose among the options, and paste them"
    if hint and not options:
        fix = hint
    reason = Reason(
        code=UNDECIDED_TAGS if tags else UNDECIDED_ENDPOINTS,
        text=what,
        fix=fix,
    )
    return Readiness(verdict=NEEDS_YOU, reasons=(reason,), options=tuple(options))


def _blocker(item: Blocker) -> Reason:
    return Reason(code=item.code, text=item.text, node=item.node, fix=item.fix)


def _changes(steps: Iterable[Step]) -> tuple[Reason, ...]:
    merged: dict[str, list[Step]] = {}
    for step in steps:
        if step.code not in HARMLESS:
            merged.setdefault(step.code, []).append(step)
    return tuple(Reason(code=code, text=_text(found)) for code, found in merged.items())


_MOST_TEXTS = 5


def _text(steps: Sequence[Step]) -> str:
    """Steps of one kind in one sentence, each with how often it was done."""
    texts = [step.text + (f" ({step.count:,})" if step.count > 1 else "") for step in steps]
    more = len(texts) - _MOST_TEXTS
    return "; ".join(texts[:_MOST_TEXTS]) + (f"; and {more} more" if more > 0 else "")


def _failed(error: MigratorError) -> Readiness:
    if isinstance(error, UnsupportedFormat):
        bare = "checkpoint" in error.what
        text = "it is weights without a graph" if bare else error.what
        reason = Reason(code=NO_GRAPH, text=text, fix=error.hint)
        return Readiness(verdict=UNKNOWN, reasons=(reason,))
    if isinstance(error, BlockedError):
        reasons = [Reason(code=KERAS_REFUSED, text=item, fix=error.hint) for item in error.blockers]
        return Readiness(verdict=BLOCKED, reasons=tuple(reasons))
    # The model's own signature may be a bad one: another can be chosen.
    verdict = NEEDS_YOU if isinstance(error, UsageError | NoSuchTensor) else BLOCKED
    reason = Reason(code=PLAN_FAILED, text=_what(error), fix=error.hint)
    return Readiness(verdict=verdict, reasons=(reason,))


def _what(error: MigratorError) -> str:
    """What is wrong and where in the model; the file's own path is known."""
    inside = error.where.partition(": ")[2]
    return f"{inside}: {error.what}" if inside else error.what


def _of_keras(facts: KerasFacts) -> Readiness:
    if facts.dangers:
        return Readiness(
            verdict=BLOCKED,
            reasons=tuple(
                Reason(
                    code=KERAS_REFUSED,
                    text=f"{item.layer}: {item.text}",
                    fix="if you trust it, load it in Keras yourself and model.export(...) it",
                )
                for item in facts.dangers
            ),
        )
    text = "Keras makes its graph only when it is migrated; nothing stands against loading it"
    return Readiness(
        verdict=UNKNOWN, reasons=(Reason(code=LOADED_FIRST, text=text, fix="run migrate"),)
    )
