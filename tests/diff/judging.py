"""How a matching, and a whole comparison, does against the truth of ``scramble``.

Nodes that can stand for one another in their own graph count as one, so that a matching is right
where it is an isomorphism, whichever twin it took.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from migrator.diffing.canonical import Labeller
from migrator.diffing.changes import node_changes
from migrator.diffing.compare import compare
from migrator.diffing.counterparts import Counterparts
from migrator.diffing.hashes import whole_hashes
from migrator.diffing.matching import Matching, match_models
from migrator.diffing.options import DiffOptions
from migrator.diffing.result import RENAMED, Match, NodeChange
from migrator.diffing.side import Side
from migrator.diffing.table import Table
from migrator.model.graph import Graph
from migrator.model.model import MetaGraph, Model, Source
from tests.diff.scramble import Truth


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a matching does against the truth. Shares from 0 to 1."""

    right: float
    """Of the pairs that there should be, how many were found (or a twin of them)."""
    precision: float
    recall: float
    """Of the reported changes: added, removed, changed, rewired."""
    found: int
    wanted: int


def judge(left: Graph, right: Graph, matching: Matching, truth: Truth) -> Verdict:
    """Hold the pairs and the changes that follow from them against the truth."""
    one, other = _Side(left), _Side(right)
    found = {pair.left: pair.right for pair in matching.pairs}
    wanted_pairs = Counter((one.classes[a], other.classes[b]) for a, b in truth.pairs.items())
    found_pairs = Counter((one.classes[a], other.classes[b]) for a, b in found.items())
    good = (wanted_pairs & found_pairs).total()
    reported = _changes(one, other, found)
    true = _changes(one, other, truth.pairs)
    same = (reported & true).total()
    return Verdict(
        right=good / max(1, len(truth.pairs)),
        precision=same / reported.total() if reported else 1.0,
        recall=same / true.total() if true else 1.0,
        found=reported.total(),
        wanted=true.total(),
    )


class _Side:
    def __init__(self, graph: Graph) -> None:
        table = Table(graph, Labeller(), {})
        whole = whole_hashes(table, table.exact)
        self.table = table
        self.index = {name: at for at, name in enumerate(table.names)}
        self.classes = {
            name: (whole.below[at], whole.above[at]) for at, name in enumerate(table.names)
        }


def _changes(left: _Side, right: _Side, pairs: Mapping[str, str]) -> Counter[tuple[Any, ...]]:
    """Every change by kind and by the classes of its nodes."""
    one, other = left.table, right.table
    image = {left.index[a]: right.index[b] for a, b in pairs.items()}
    _map_boundaries(one, other, image)
    found: Counter[tuple[Any, ...]] = Counter()
    for a, name in enumerate(one.names):
        if one.is_boundary[a]:
            continue
        b = image.get(a, -1)
        if b < 0:
            found["removed", left.classes[name]] += 1
            continue
        if one.exact[a] != other.exact[b]:
            found["changed", left.classes[name], right.classes[other.names[b]]] += 1
        ours = [(image.get(item, -1), port, slot) for item, port, slot in one.raw[a]]
        theirs = list(other.raw[b])
        if sorted(ours) != sorted(theirs):
            found["rewired", left.classes[name], right.classes[other.names[b]]] += 1
    hit = set(image.values())
    for b, name in enumerate(other.names):
        if b not in hit and not other.is_boundary[b]:
            found["added", right.classes[name]] += 1
    return found


def _map_boundaries(one: Table, other: Table, image: dict[int, int]) -> None:
    """Arguments and results go with their functions; functions with most of their nodes."""
    votes: dict[int, Counter[int]] = {}
    for a, b in image.items():
        votes.setdefault(one.room[a], Counter())[other.room[b]] += 1
    for room, counter in votes.items():
        to = counter.most_common(1)[0][0]
        for ours, theirs in (
            (one.arguments[room], other.arguments[to]),
            (one.results[room], other.results[to]),
        ):
            image.update(zip(ours, theirs, strict=False))


def is_isomorphism(left: Graph, right: Graph, matching: Matching) -> bool:
    """Whether the pairs are all nodes, of equal labels, and keep every edge."""
    one, other = _Side(left), _Side(right)
    pairs = {pair.left: pair.right for pair in matching.pairs}
    return not matching.left_only and not matching.right_only and not _changes(one, other, pairs)


def matched(left: Graph, right: Graph, **options: Any) -> Matching:
    return match_models(MetaGraph(graph=left), MetaGraph(graph=right), **options)


def bare(graph: Graph) -> Model:
    """A model of the graph alone."""
    source = Source(path="graph.pb", bytes=0, format="graph_def")
    return Model(source=source, meta_graphs=(MetaGraph(graph=graph),))


@dataclass(frozen=True, kw_only=True)
class Reported:
    """What a comparison tells of nodes, against what the true pairs say: numbers of changes, each
    a kind with its nodes. ``wrong`` are told and not true, ``missed`` true and not told.
    """

    told: int
    true: int
    both: int
    wrong: tuple[NodeChange, ...] = ()
    missed: tuple[NodeChange, ...] = ()


class Tally:
    """Several models together."""

    def __init__(self) -> None:
        self.told = self.true = self.both = 0

    def add(self, item: Reported) -> None:
        self.told += item.told
        self.true += item.true
        self.both += item.both

    @property
    def precision(self) -> float:
        return self.both / self.told

    @property
    def recall(self) -> float:
        return self.both / self.true


def judge_report(left: Graph, right: Graph, truth: Truth) -> Reported:
    """Hold the changes that ``compare`` tells against those that follow from the true pairs."""
    found = compare(bare(left), bare(right)).nodes
    matching = Matching(
        pairs=tuple(
            Match(left=one, right=other, confidence=1.0, why="")
            for one, other in truth.pairs.items()
        ),
        left_only=tuple(truth.removed),
        right_only=tuple(truth.added),
        functions=truth.functions,
    )
    sides = Side(MetaGraph(graph=left)), Side(MetaGraph(graph=right))
    wanted = node_changes(Counterparts(*sides, matching), {}, DiffOptions()).items
    one, other = _Side(left).classes, _Side(right).classes

    def key(item: NodeChange) -> tuple[Any, ...]:
        return item.kind, one.get(item.left), other.get(item.right)

    told = Counter(key(item) for item in found if item.kind != RENAMED)
    true = Counter(key(item) for item in wanted if item.kind != RENAMED)
    both = told & true
    spare = told - true
    wrong = [item for item in found if item.kind != RENAMED and spare[key(item)] > 0]
    lacking = true - told
    missed = [item for item in wanted if item.kind != RENAMED and lacking[key(item)] > 0]
    return Reported(
        told=told.total(),
        true=true.total(),
        both=both.total(),
        wrong=tuple(wrong),
        missed=tuple(missed),
    )
