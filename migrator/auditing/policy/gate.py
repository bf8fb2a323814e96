"""When an audit fails: which findings and which verdicts are too bad to go on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from migrator.auditing.finding import SEVERITIES, Audit, Severity
from migrator.errors import UsageError, did_you_mean
from migrator.migration.readiness import BLOCKED, NEEDS_YOU

NEVER = "never"
_VERDICTS = {BLOCKED: frozenset((BLOCKED,)), NEEDS_YOU: frozenset((BLOCKED, NEEDS_YOU))}
_VERDICT_WORDS = {BLOCKED: "blocked", NEEDS_YOU: "needing you"}
FAIL_ON = (*SEVERITIES, NEVER, *_VERDICTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What fails an audit: a finding from ``severity`` on, a model of one of ``verdicts``."""

    severity: Severity | None = Severity.HIGH
    verdicts: frozenset[str] = frozenset()
    strict: bool = False
    """Something that could not be audited fails it too."""

    def fails(self, audit: Audit) -> bool:
        """Whether ``audit`` does not pass."""
        return bool(self.failures(audit))

    def failures(self, audit: Audit) -> tuple[str, ...]:
        """What keeps ``audit`` from passing, such as ``2 findings at high or above``."""
        found = []
        if (least := self.severity) is not None:
            count = sum(item.severity >= least for item in audit.findings)
            found.append((count, "finding", f"at {least.label} or above"))
        for verdict in sorted(self.verdicts):
            count = sum(
                model.readiness is not None and model.readiness.verdict == verdict
                for model in audit.models
            )
            found.append((count, "model", _VERDICT_WORDS[verdict]))
        if self.strict:
            found.append((len(audit.all_skipped), "item", "not audited (--strict)"))
        return tuple(
            f"{count:,} {noun}{'s' * (count != 1)} {what}" for count, noun, what in found if count
        )


def parse_gate(words: Iterable[str], *, strict: bool = False) -> Gate:
    """A gate from ``high``, ``never``, ``blocked``, ``needs_you`` or several of these.

    The mildest severity counts; ``needs_you`` holds ``blocked`` too. Only what is named fails.
    Raises UsageError for other words, for none, and for ``never`` beside others.
    """
    named = _named(words)
    severities = [Severity[word.upper()] for word in named if word in SEVERITIES]
    verdicts = [_VERDICTS[word] for word in named if word in _VERDICTS]
    return Gate(
        severity=min(severities) if severities else None,
        verdicts=frozenset().union(*verdicts),
        strict=strict,
    )


def _named(words: Iterable[str]) -> Sequence[str]:
    named = [word.strip().lower().replace("-", "_") for word in words]
    for word in named:
        if word not in FAIL_ON:
            hint = did_you_mean(word, FAIL_ON) or f"one of {', '.join(FAIL_ON)}"
            raise UsageError(f"nothing to fail on is called {word!r}", hint=hint)
    if not named:
        raise UsageError("nothing to fail on is named", hint=f"one of {', '.join(FAIL_ON)}")
    if NEVER in named and len(set(named)) > 1:
        raise UsageError(f"{NEVER!r} and {min(set(named) - {NEVER})!r} contradict each other")
    return named
