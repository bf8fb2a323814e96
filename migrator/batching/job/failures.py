"""Why a model is not done: an exception as outcome, cause and reason."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migrator.batching.task import (
    BAD_INPUT,
    BLOCKED,
    ERROR,
    FAILED,
    MEMORY,
    MISSING_SOURCE,
    NEEDS_DECISION,
    SIGNAL,
    STORAGE,
)
from migrator.errors import (
    BlockedError,
    DestinationError,
    FormatError,
    LimitError,
    MigratorError,
    NeedsDecision,
    StorageError,
    TensorFlowMissing,
    UnsupportedFormat,
    WorkerError,
)
from migrator.files import is_full
from migrator.formats.names import SAVED_MODEL_FILES

if TYPE_CHECKING:
    from migrator.migration.plan import Plan

ENDPOINTS, TAG_SET, SIGNATURE, FEEDS = "endpoints", "tag_set", "signature", "feeds"
"""Kinds of a decision."""
GOES_ON = "run the same command again: it goes on where this run stopped"
"""The hint where a run has to stop for no fault of its models."""
_MOST = 2000
_MOST_WORDS = 1 << 18
"""Characters of a list in an outcome: a model may name any number of things of any length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What an exception comes to. ``is_ours``: a fault of this program, to show its traceback."""

    outcome: str = FAILED
    reason: str = ""
    cause: str = ""
    readiness: str = ""
    rules: tuple[str, ...] = ()
    decision: Mapping[str, Any] | None = None
    again: bool = False
    log: str = ""
    is_ours: bool = False


class Stopped(Exception):
    """The steps end here, for a reason that is no error of any of them."""

    def __init__(
        self,
        reason: str,
        cause: str = "",
        *,
        outcome: str = FAILED,
        readiness: str = "",
        rules: tuple[str, ...] = (),
    ) -> None:
        super().__init__(reason)
        self.failure = Failure(
            outcome=outcome, reason=one_line(reason), cause=cause, readiness=readiness, rules=rules
        )

    @classmethod
    def of_plan(cls, plan: Plan, readiness: str) -> Stopped:
        """For a plan with blockers."""
        from migrator.auditing.facts.blocker_codes import rule_code

        first, *more = plan.blockers
        place = f" (node {first.node!r})" if first.node and first.node not in first.text else ""
        text = f"{first.text}{place}"
        text += f"; {first.fix}" if first.fix else ""
        text += f"; and {len(more)} more" if more else ""
        codes = filter(None, (rule_code(item.code) for item in plan.blockers))
        rules = tuple(dict.fromkeys(codes))
        return cls(text, outcome=BLOCKED, readiness=readiness, rules=rules)


def failure_of(error: Exception, path: str) -> Failure:
    """What ``error`` means for the model at ``path``."""
    if isinstance(error, Stopped):
        return error.failure
    if isinstance(error, NeedsDecision):
        return Failure(
            outcome=NEEDS_DECISION,
            reason=_told(_without_options(error), path),
            readiness="needs_you",
            decision=_decision(error),
        )
    if isinstance(error, BlockedError):
        return _blocked(error)
    if isinstance(error, WorkerError):
        again = error.cause in (SIGNAL, MEMORY) and not error.stopped
        reason = _told(error, path)
        return Failure(reason=reason, cause=error.cause or ERROR, again=again, log=error.log)
    if isinstance(error, (DestinationError, TensorFlowMissing)):
        cause = STORAGE if isinstance(error, DestinationError) else ERROR
        return Failure(reason=one_line(str(error)), cause=cause)
    if isinstance(error, StorageError):
        cause = MISSING_SOURCE if error.kind == "missing" else STORAGE
        return Failure(reason=one_line(str(error)), cause=cause)
    if isinstance(error, MigratorError):
        is_input = isinstance(error, (FormatError, UnsupportedFormat, LimitError))
        return Failure(reason=_told(error, path), cause=BAD_INPUT if is_input else ERROR)
    if isinstance(error, MemoryError):
        reason = "reading it needs more memory than there is"
        return Failure(reason=reason, cause=MEMORY, again=True)
    if isinstance(error, OSError):
        cause = STORAGE if is_full(error) else ERROR
        return Failure(reason=one_line(str(error)), cause=cause)
    reason = one_line(f"{type(error).__name__}: {error}")
    return Failure(reason=reason, cause=ERROR, is_ours=True)


def _without_options(error: NeedsDecision) -> NeedsDecision:
    """The error without what introduces its options, which stand elsewhere."""
    hint = "" if error.options else error.hint
    return NeedsDecision(error.what, where=error.where, hint=hint)


def _decision(error: NeedsDecision) -> Mapping[str, Any]:
    kept = few(error.options)
    # What is settled stands among the options, to be pasted with the rest.
    kind = FEEDS if getattr(error, "only_feeds", False) else kind_of(kept)
    return {"kind": kind, "options": list(kept)}


def few(texts: Iterable[str]) -> tuple[str, ...]:
    """As many of ``texts`` as a line of the ledger has room for, none of them cut."""
    kept = []
    room = _MOST_WORDS
    for text in texts:
        room -= len(text)
        if room < 0:
            break
        kept.append(text)
    return tuple(kept)


def _blocked(error: BlockedError) -> Failure:
    import re

    from migrator.auditing.facts.blocker_codes import rule_code
    from migrator.migration.planning import KerasRefused
    from migrator.migration.readiness import KERAS_REFUSED

    first, *more = error.blockers or (error.what,)
    codes = [found[1] for text in error.blockers if (found := re.match(r"\[([A-Z]\d{3})\] ", text))]
    reason = re.sub(r"^\[[A-Z]\d{3}\] ", "", first) + (f"; and {len(more)} more" if more else "")
    if isinstance(error, KerasRefused):  # there is no plan then, whose blockers have codes
        codes = [code for code in [rule_code(KERAS_REFUSED)] if code]
    rules = tuple(dict.fromkeys(codes))
    return Failure(outcome=BLOCKED, reason=one_line(reason), readiness="blocked", rules=rules)


def kind_of(options: Iterable[str]) -> str:
    """What is open: ``endpoints``, ``tag_set``, ``signature`` or ``feeds``, by what to paste."""
    kinds = set()
    for option in options:
        words = shlex.split(option)[:1] or [""]
        kinds.add(words[0].partition("=")[0])
    for kind, sign in ((TAG_SET, "--tag-set"), (SIGNATURE, "--signature"), (FEEDS, "--feed")):
        if kinds == {sign}:
            return kind
    return ENDPOINTS


def _told(error: MigratorError, path: str) -> str:
    """The error without the source that stands beside it anyway."""
    text = str(error)
    for file in (*(f"{path}/{name}" for name in SAVED_MODEL_FILES), path):
        text = text.removeprefix(f"{file}: ").replace(f" {file}: ", ": ", 1)
    return one_line(text)


def one_line(text: str) -> str:
    """For a reason: no line breaks, and not without end."""
    short = " ".join(text.split())
    return short if len(short) <= _MOST else f"{short[:_MOST]}..."
