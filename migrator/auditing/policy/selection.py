"""Which rules run: chosen by code, by the beginning of a code, by name or by family."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from migrator.auditing.registry import all_rules, unknown_rule
from migrator.auditing.rule import FAMILIES, Rule
from migrator.errors import UsageError, did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The rules that run, in the registry's order, and what the user should know of the choice."""

    rules: tuple[Rule, ...]
    notes: tuple[str, ...] = ()

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(rule.code for rule in self.rules)


def select_rules(
    select: Sequence[str] = (), ignore: Sequence[str] = (), *, deep: bool = False
) -> Selection:
    """What ``select`` chooses (all rules where it is empty) without what ``ignore`` does.

    A rule that reads weights runs with ``deep`` alone; one that was asked for by its own code or
    name and does not run is noted. Raises UsageError for words that choose nothing.
    """
    left_out = {rule.code for word in ignore for rule in rules_called(word)}
    own = {rule.code for word in select for rule in rules_called(word) if _is_own(word, rule)}
    chosen = {rule.code for word in select for rule in rules_called(word)}
    rules = [
        rule
        for rule in all_rules()
        if (rule.code in chosen or not select) and rule.code not in left_out
    ]
    waiting = [] if deep else [rule for rule in rules if rule.deep]
    notes = [
        f"{rule.code} ({rule.name}) reads weights and does not run without --deep"
        for rule in waiting
        if rule.code in own
    ]
    running = tuple(rule for rule in rules if rule not in waiting)
    if not running and not notes:
        notes.append("no rule is left to run")
    return Selection(rules=running, notes=tuple(notes))


def rules_called(word: str) -> tuple[Rule, ...]:
    """The rules that ``word`` means: ``S101``, ``S1``, ``S``, ``security`` or a rule's name.

    Upper and lower case are one. Raises UsageError that names the nearest.
    """
    text = word.strip()
    found = tuple(
        rule
        for rule in all_rules()
        if _is_own(text, rule)
        or rule.family == text.lower()
        or (text and rule.code.startswith(text.upper()))
    )
    if found or text.lower() in FAMILIES:
        return found
    near = did_you_mean(text, FAMILIES)
    if near:
        raise UsageError(f"no rule or family is called {text!r}", hint=near)
    raise unknown_rule(text)


def faults_in(words: Iterable[str]) -> list[UsageError]:
    """An error for each word that chooses no rule."""
    faults = []
    for word in words:
        try:
            rules_called(word)
        except UsageError as error:
            faults.append(error)
    return faults


def _is_own(word: str, rule: Rule) -> bool:
    return word.strip().upper() == rule.code or word.strip().lower() == rule.name
