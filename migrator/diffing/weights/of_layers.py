"""The weights of Keras layers: a file of Keras keeps them beside its graph, by layer."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from migrator.diffing.counterparts import Counterparts
from migrator.diffing.options import DiffOptions
from migrator.diffing.side import Side
from migrator.diffing.weights.compared import NamedReport, compare_named
from migrator.diffing.weights.named import Named, named_weights, plain
from migrator.diffing.weights.pairing import NAME, Pair, Pairing
from migrator.diffing.weights.reading import Files
from migrator.diffing.weights.values import EQUAL, UNKNOWN, WeightReport
from migrator.inspection.layer_weights import is_called_again, scope_name
from migrator.model.model import MetaGraph, Model


class LayerWeights:
    """Both sides' weights, compared layer by layer as the nodes are matched."""

    def __init__(
        self,
        both: Counterparts,
        models: tuple[Model, Model],
        files: Files,
        options: DiffOptions,
    ) -> None:
        self._both = both
        self._options = options
        metas: tuple[MetaGraph, MetaGraph] = both.left.meta, both.right.meta
        left, right = (
            named_weights(model, meta, files, options)
            for model, meta in zip(models, metas, strict=True)
        )
        self._named = left, right
        self._owned = (
            _owned(both.left, models[0], left),
            _owned(both.right, models[1], right),
        )
        self.is_open = False
        """Whether values that were not compared were taken for equal by ``hold``."""

    @cached_property
    def compared(self) -> NamedReport:
        return compare_named(*self._named, self._options, self._by_layer)

    def added_to(self, report: WeightReport) -> WeightReport:
        """The weights of the graphs' nodes, and these."""
        own = self.compared.report
        return WeightReport(
            changes=(*report.changes, *own.changes),
            status={**report.status, **own.status},
            unread=(*report.unread, *own.unread),
            unknown_bytes=report.unknown_bytes + own.unknown_bytes,
        )

    def hold(self, pairs: Iterable[tuple[str, str]]) -> bool:
        """Whether the layers of these pairs of nodes have equal weights, one by one."""
        status = self.compared.report.status
        for one, other in pairs:
            ours = self._owned[0].get(self._layer(self._both.left, one), ())
            theirs = self._owned[1].get(self._layer(self._both.right, other), ())
            if len(ours) != len(theirs):
                return False
            for names in _alike(ours, theirs):
                found = status.get(names)
                if found == UNKNOWN:
                    self.is_open = True
                elif found != EQUAL:
                    return False
        return True

    def _by_layer(self, pairing: Pairing) -> None:
        for match in self._both.matching.pairs:
            ours = self._owned[0].get(match.left, ())
            theirs = self._owned[1].get(match.right, ())
            for one, other in _alike(ours, theirs):
                pairing.add(Pair(left=one, right=other, why=NAME, confidence=match.confidence))

    @staticmethod
    def _layer(side: Side, name: str) -> str:
        """The node of a layer's first call."""
        node = side.nodes.get(name)
        return name.rpartition("/call_")[0] if node and is_called_again(node) else name


def _alike(ours: Iterable[str], theirs: Iterable[str]) -> list[tuple[str, str]]:
    """The weights of two layers by the last part of their names, else in their order."""
    ours, theirs = list(ours), list(theirs)
    ends = [[plain(name).rpartition("/")[2] for name in names] for names in (ours, theirs)]
    if len(set(ends[0])) == len(ours) and sorted(ends[0]) == sorted(ends[1]):
        there = dict(zip(ends[1], theirs, strict=True))
        return [(name, there[end]) for name, end in zip(ours, ends[0], strict=True)]
    return list(zip(ours, theirs, strict=False)) if len(ours) == len(theirs) else []


def _owned(side: Side, model: Model, named: Named) -> dict[str, list[str]]:
    """Node of a layer -> its weights: those that lie below it by name, and in no layer below."""
    found: dict[str, list[str]] = {}
    for name in named.weights:
        path = scope_name(model, name)
        while path and path not in side.nodes:
            path = path.rpartition("/")[0]
        if path:
            found.setdefault(path, []).append(name)
    return found
