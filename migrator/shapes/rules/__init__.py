"""What shape an op gives, one rule an op, one module a family.

A rule takes an op and what is known of its inputs, and gives what is known of its outputs; those
missing are unknown. It may know less than is true, never something else.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.errors import MigratorError
from migrator.shapes.facts import Fact, sane
from migrator.shapes.rules import (
    arithmetic,
    elementwise,
    linear,
    moves,
    reductions,
    sizes,
    slices,
    windows,
)
from migrator.shapes.rules.reading import MOST_OUTPUTS, Op, Rule

RULES: dict[str, Rule] = {}
"""Of common ops; all of them once one was asked for that is not among these."""
for _family in (elementwise, arithmetic, linear, windows, reductions, sizes, moves, slices):
    RULES.update(_family.RULES)
_unasked = True


def rule_of(op: str) -> Rule | None:
    """The rule for an op, None where there is none."""
    global _unasked
    if _unasked and op not in RULES:
        from migrator.shapes.rules import images, others, parsing, state

        _unasked = False
        for family in (state, images, parsing, others):
            RULES.update(family.RULES)
    return RULES.get(op)


WRONG = (
    IndexError,
    TypeError,
    ValueError,
    KeyError,
    AttributeError,
    ArithmeticError,
    MigratorError,
    OSError,
)
"""What a rule may raise of an op with other inputs or attributes than it takes."""


def infer(op: Op, facts: Sequence[Fact], most: int = MOST_OUTPUTS) -> Sequence[Fact]:
    """Facts of an op's outputs; those missing are unknown, and all where there are more than
    ``most``. Raises nothing."""
    rule = rule_of(op.op)
    if rule is None:
        return ()
    try:
        found = rule(op, facts)
    except WRONG:
        return ()
    if len(found) > most:
        return ()
    for fact in found:
        if fact.dims and sane(fact.dims) is not fact.dims:
            return [_checked(item) for item in found]
    return found


def _checked(fact: Fact) -> Fact:
    dims = sane(fact.dims)
    return fact if dims is fact.dims else Fact(dims)
