"""How a matching, and a whole comparison, does against the truth of ``scramble``.

Nodes that can stand for one another in their own graph count as one, so that a matching is right
where it is an isomorphism, whichever twin it took. Who these are, and what differs where the true
pairs hold, ``oracle`` tells from the nodes alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from migrator.diffing.compare import compare
from migrator.diffing.matching.match import Matching, match_models
from migrator.diffing.result import RENAMED, NodeChange
from migrator.model.graph import Graph
from migrator.model.model import MetaGraph, Model, Source
from tests.diff.oracle import classes, facts, hidden_rewiring, raw_changes
from tests.diff.scramble import Truth

Key = tuple[str, int | None, int | None]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a matching does against the truth. Shares from 0 to 1."""

    right: float
    """Of the pairs that there should be, how many were found (or a twin of them)."""
    precision: float
    recall: float
    """Of the changes that follow from the pairs: added, removed, changed, rewired."""
    found: int
    wanted: int


class _Classes:
    """The classes of both graphs, each for itself."""

    def __init__(self, left: Graph, right: Graph) -> None:
        self.facts = facts(left), facts(right)
        self.left, self.right = (classes(item) for item in self.facts)

    def key(self, kind: str, left: str, right: str) -> Key:
        return kind, self.left.get(left), self.right.get(right)

    def keys(self, found: Iterable[tuple[str, str, str]]) -> Counter[Key]:
        return Counter(self.key(*item) for item in found)


def judge(left: Graph, right: Graph, matching: Matching, truth: Truth) -> Verdict:
    """Hold the pairs and the changes that follow from them against the truth."""
    known = _Classes(left, right)
    found = {pair.left: pair.right for pair in matching.pairs}
    wanted_pairs = known.keys(("", *item) for item in truth.pairs.items())
    good = (wanted_pairs & known.keys(("", *item) for item in found.items())).total()
    reported = known.keys(raw_changes(*known.facts, found, matching.functions))
    true = known.keys(raw_changes(*known.facts, truth.pairs, truth.functions))
    same = (reported & true).total()
    return Verdict(
        right=good / max(1, len(truth.pairs)),
        precision=same / reported.total() if reported else 1.0,
        recall=same / true.total() if true else 1.0,
        found=reported.total(),
        wanted=true.total(),
    )


def is_isomorphism(left: Graph, right: Graph, matching: Matching) -> bool:
    """Whether the pairs are all nodes, of equal labels, and keep every edge."""
    pairs = {pair.left: pair.right for pair in matching.pairs}
    return not raw_changes(facts(left), facts(right), pairs, matching.functions)


def matched(left: Graph, right: Graph, **options: Any) -> Matching:
    return match_models(MetaGraph(graph=left), MetaGraph(graph=right), **options)


def bare(graph: Graph) -> Model:
    """A model of the graph alone."""
    source = Source(path="graph.pb", bytes=0, format="graph_def")
    return Model(source=source, meta_graphs=(MetaGraph(graph=graph),))


@dataclass(frozen=True, kw_only=True)
class Reported:
    """What a comparison tells of nodes, against what is true: numbers of changes, each a kind with
    its nodes. ``wrong`` are told and not true, ``missed`` true and not told.
    """

    told: int
    true: int
    both: int
    wrong: tuple[NodeChange, ...] = ()
    missed: tuple[tuple[str, str, str], ...] = ()
    edits: Counter[str]
    """Kind of edit that was made -> how many were."""
    found: Counter[str]
    """Kind of edit -> how many of them are told, as the kind of change that they are."""


class Tally:
    """Several models together."""

    def __init__(self) -> None:
        self.told = self.true = self.both = 0
        self.edits: Counter[str] = Counter()
        self.found: Counter[str] = Counter()

    def add(self, item: Reported | Tally) -> None:
        self.told += item.told
        self.true += item.true
        self.both += item.both
        self.edits += item.edits
        self.found += item.found

    @property
    def precision(self) -> float:
        return self.both / self.told

    @property
    def recall(self) -> float:
        return self.both / self.true

    @property
    def shares(self) -> dict[str, float]:
        """Kind of edit -> how many of those made are told."""
        return {kind: self.found[kind] / count for kind, count in self.edits.items()}


TOLD_AS = {
    "op": "changed",
    "attribute": "changed",
    "wiring": "rewired",
    "added": "rewired",
    "removed": "removed",
}
"""Kind of edit -> the change of the node that had it (of an added node, the one that reads it)."""


def judge_report(left: Graph, right: Graph, truth: Truth) -> Reported:
    """Hold the changes that ``compare`` tells against those that were made.

    A pair has one kind, the gravest. Of one that only reads past an identity that went, either
    way of telling is right.
    """
    known = _Classes(left, right)
    items = [item for item in compare(bare(left), bare(right)).nodes if item.kind != RENAMED]
    sides = *known.facts, truth.pairs, truth.functions
    every = raw_changes(*sides)
    changed = {item[1:] for item in every if item[0] == "changed"}
    every = {item for item in every if item[0] != "rewired" or item[1:] not in changed}
    free = known.keys(every & hidden_rewiring(*sides))
    true = known.keys(every)
    told = Counter(known.key(item.kind, item.left, item.right) for item in items)
    # What may be left out counts neither way, where it is left out.
    true -= free - (told & free)
    both = told & true
    made = _made(known, truth, changed)
    edits = Counter({kind: keys.total() for kind, keys in made.items()})
    found = Counter({kind: (keys & told).total() for kind, keys in made.items()})
    spare, lacking = told - true, true - told
    return Reported(
        told=told.total(),
        true=true.total(),
        both=both.total(),
        wrong=tuple(i for i in items if spare[known.key(i.kind, i.left, i.right)] > 0),
        missed=tuple(item for item in sorted(every) if lacking[known.key(*item)] > 0),
        edits=edits,
        found=found,
    )


def _made(known: _Classes, truth: Truth, changed: set[tuple[str, ...]]) -> dict[str, Counter[Key]]:
    """Kind of edit -> what the report should say of each node that had one."""
    return {
        kind: known.keys(
            (
                "changed" if (name, truth.pairs.get(name, "")) in changed else TOLD_AS[kind],
                name,
                truth.pairs.get(name, ""),
            )
            for name in names
        )
        for kind, names in truth.edited.items()
    }
