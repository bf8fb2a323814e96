"""All rules, by code. The modules that hold them are imported when first asked for."""

from __future__ import annotations

import importlib
from functools import cache

from migrator.auditing.rule import FAMILIES, Rule
from migrator.errors import UsageError, did_you_mean

MODULES = (
    "security.code",
    "security.files",
    "security.paths",
    "security.network",
    "security.hidden",
    "blockers.ops",
    "blockers.state",
    "blockers.endpoints",
    "blockers.graph",
    "blockers.model",
    "warnings.graph",
    "warnings.signatures",
    "warnings.serving",
    "warnings.targets",
    "warnings.inference",
    "warnings.training",
    "health.graph",
    "health.speed",
    "health.weights",
    "health.checkpoint",
    "health.files",
    "health.twins",
)
"""Modules of ``migrator.auditing.rules``; every ``Rule`` at their top level counts."""


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule, by family (as ``FAMILIES`` has them) and code."""
    found: dict[str, Rule] = {}
    for name in MODULES:
        module = importlib.import_module(f"migrator.auditing.rules.{name}")
        for value in vars(module).values():
            if not isinstance(value, Rule) or found.get(value.code) is value:
                continue
            if value.code in found or any(value.name == other.name for other in found.values()):
                raise ValueError(f"{value.code} {value.name}: there are two of it")
            found[value.code] = value
    families = list(FAMILIES)
    return tuple(sorted(found.values(), key=lambda item: (families.index(item.family), item.code)))


def find_rule(text: str) -> Rule:
    """The rule called ``text``, by code or name. Raises UsageError that names the nearest."""
    found = _by_name().get(text.lower())
    if found is None:
        raise unknown_rule(text)
    return found


@cache
def _by_name() -> dict[str, Rule]:
    return {key: item for item in all_rules() for key in (item.code.lower(), item.name)}


def unknown_rule(text: str) -> UsageError:
    """The error for a code, name or prefix that no rule has."""
    known = [*(item.code for item in all_rules()), *(item.name for item in all_rules())]
    return UsageError(
        f"no rule is called {text!r}",
        hint=did_you_mean(text, known) or "migrator explain lists all of them",
    )
