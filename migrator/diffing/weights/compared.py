"""Weights by name compared: what both sides have, what one has alone, how far apart they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from migrator.diffing.asked import within
from migrator.diffing.options import DiffOptions
from migrator.diffing.result import WeightChange
from migrator.diffing.weights.named import Held, Named
from migrator.diffing.weights.pairing import Pair, Pairing
from migrator.diffing.weights.values import (
    EQUAL,
    UNKNOWN,
    Budget,
    Compared,
    Difference,
    WeightReport,
    compare_values,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedReport:
    """``report`` as of nodes, with the names of weights; ``turned`` counts those that are equal
    in another layout."""

    report: WeightReport
    pairs: tuple[Pair, ...]
    turned: int = 0

    def status(self) -> Counter[str]:
        return Counter(self.report.status.values())


def compare_named(
    left: Named,
    right: Named,
    options: DiffOptions,
    pair_first: Callable[[Pairing], None] | None = None,
) -> NamedReport:
    """All weights of both sides, those of ``options.only`` alone where it names scopes.

    ``pair_first`` pairs what is known to belong together from elsewhere.
    """
    budget = Budget.of(options)
    pairing = Pairing(left=left.weights, right=right.weights)
    if pair_first is not None:
        pair_first(pairing)
    pairing.by_name()
    pairing.by_value(options, budget)
    changes: list[WeightChange] = []
    status: dict[tuple[str, str], str] = {}
    unread: dict[str, None] = {}
    turned = unknown = 0
    to_right = {pair.left: pair for pair in pairing.pairs}
    for name, ours in left.weights.items():
        pair = to_right.get(name)
        if not within(name, options.only) and not (pair and within(pair.right, options.only)):
            continue
        if pair is None and name in left.beside and not right.beside:
            continue
        if pair is None:
            changes.append(_alone(name, "", "removed", ours))
            continue
        theirs = right.weights[pair.right]
        found = _compared(pair, ours, theirs, options, budget, unread)
        turned += bool(pair.layout)
        if found is None:
            if not options.ignores("shapes"):
                changes.append(_alone(name, pair.right, "shape", ours))
            continue
        status[name, pair.right] = found.status
        if found.status == UNKNOWN:
            unknown += ours.elements * ours.dtype.itemsize
        is_turned = ours.shape != theirs.shape and not options.ignores("shapes")
        kind = "dtype" if ours.dtype != theirs.dtype else "shape" if is_turned else "values"
        if kind != "values" or found.status not in (EQUAL, UNKNOWN):
            changes.append(found.change(name, pair.right, kind, ours.elements))
    partners = {pair.right for pair in pairing.pairs}
    changes += [
        _alone("", name, "added", held)
        for name, held in right.weights.items()
        if name not in partners
        and within(name, options.only)
        and not (name in right.beside and not left.beside)
    ]
    if options.ignores("weights"):
        changes = [item for item in changes if item.kind not in ("added", "removed")]
    return NamedReport(
        report=WeightReport(
            changes=tuple(changes),
            status=status,
            unread=tuple(unread),
            unknown_bytes=unknown,
        ),
        pairs=tuple(pairing.pairs),
        turned=turned,
    )


def _compared(
    pair: Pair,
    ours: Held,
    theirs: Held,
    options: DiffOptions,
    budget: Budget,
    unread: dict[str, None],
) -> Compared | None:
    """None where the shapes are others, and nothing is known of the values."""
    if pair.layout is not None:
        none = Difference(elements=ours.elements, different=0, max_abs=0.0, mean_abs=0.0)
        return Compared(status=EQUAL, difference=none)
    if ours.shape != theirs.shape and None not in (ours.shape.dims, theirs.shape.dims):
        return None
    return compare_values(ours.value, theirs.value, options, budget, unread)


def _alone(one: str, other: str, kind: str, held: Held) -> WeightChange:
    return WeightChange(left=one, right=other, kind=kind, elements=held.elements)
