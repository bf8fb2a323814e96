"""``compare``: two models, and everything that is another on the right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from types import MappingProxyType

from migrator.collector import collector_paused
from migrator.diffing.asked import check_scope, within
from migrator.diffing.by_weights import compare_by_weights
from migrator.diffing.changes.assets import Assets
from migrator.diffing.changes.endpoints import endpoint_changes
from migrator.diffing.changes.nodes import node_changes
from migrator.diffing.changes.signatures import (
    called,
    function_changes,
    other_changes,
    signature_changes,
)
from migrator.diffing.counterparts import Counterparts
from migrator.diffing.matching.match import match_models
from migrator.diffing.options import DiffOptions
from migrator.diffing.result import (
    ADDED,
    KINDS,
    REMOVED,
    Diff,
    NodeChange,
    ScopeRename,
    SignatureChange,
)
from migrator.diffing.sameness.migration_record import find_record
from migrator.diffing.sameness.outputs import Outputs
from migrator.diffing.sameness.settled import settled, without_detours
from migrator.diffing.sameness.verdict import Case, is_one_model, judge
from migrator.diffing.side import Side
from migrator.diffing.telling.facts import Facts
from migrator.diffing.telling.headline import headline
from migrator.diffing.telling.reasons import explain
from migrator.diffing.weights.of_layers import LayerWeights
from migrator.diffing.weights.reading import Files, Store
from migrator.diffing.weights.values import DIFFERENT, EQUAL, UNKNOWN, WeightReport, compare_weights
from migrator.errors import MigratorError, UsageError
from migrator.formats.checkpoint import Checkpoint, checkpoint_place, open_checkpoint
from migrator.model.model import MetaGraph, Model

_DEFAULTS = DiffOptions()


def _quietly(stage: str) -> None:
    """For callers who do not want to hear of progress."""


def compare(
    left: Model,
    right: Model,
    *,
    options: DiffOptions = _DEFAULTS,
    progress: Callable[[str], None] = _quietly,
) -> Diff:
    """How ``right`` differs from ``left``; ``progress`` hears what is being done.

    Of models with several meta graphs those of ``options.tag_set`` are compared, else the first
    that have the same tags. Raises UsageError where there is no such meta graph, signature or
    scope, and MigratorError where a weight's file is damaged.
    """
    with collector_paused():
        return _compare(left, right, options, progress)


def _compare(
    left: Model, right: Model, options: DiffOptions, progress: Callable[[str], None]
) -> Diff:
    if not are_of_one_kind(left, right):
        progress("comparing weights")
        return compare_by_weights(left, right, _metas(left, right, options), options)
    ours, theirs = choose(left, right, options.tag_set)
    files = Files()
    sides = Side(ours), Side(theirs)
    stores = (
        Store(sides[0], _checkpoint(left, options), files),
        Store(sides[1], _checkpoint(right, options), files),
    )
    progress("matching nodes")
    matching = match_models(
        ours,
        theirs,
        ignore=options.ignore,
        left_values=stores[0].variables(),
        right_values=stores[1].variables(),
    )
    both = Counterparts(*sides, matching)
    outputs = Outputs(both)
    told = _Told(both, outputs, options)
    progress("comparing weights")
    layers = LayerWeights(both, (left, right), files, options) if _is_keras(left) else None
    weights = _with_layers(compare_weights(both, *stores, options), layers)
    progress("telling what changed")
    changes = node_changes(both, weights.status, options)
    record = find_record(left, right)
    assets = Assets(left, ours), Assets(right, theirs)
    verdict = judge(
        Case(
            models=(left, right),
            metas=(ours, theirs),
            stores=stores,
            files=files,
            both=both,
            outputs=outputs,
            assets=assets,
            changes=changes,
            weights=weights,
            layers=layers,
            record=record,
            options=options,
        )
    )
    if verdict.shown:
        is_migrated = record is not None and record.fits
        matching = settled(matching, *sides, verdict.shown, is_migrated=is_migrated)
        both = Counterparts(*sides, matching)
        outputs = Outputs(both, verdict.ends)
        layers = LayerWeights(both, (left, right), files, options) if layers is not None else None
        weights = _with_layers(compare_weights(both, *stores, options), layers)
        changes = without_detours(
            node_changes(both, weights.status, options), frozenset(verdict.shown), both
        )
    changes = explain(changes, both, outputs, record, verdict)
    nodes = tuple(item for item in changes.items if told.holds(item.left, item.right))
    functions = () if options.ignores("functions") else function_changes(both, nodes, options)
    # What belongs to no scope is told of whole models alone.
    is_part = bool(options.only)
    is_bare = is_part or options.ignores("signatures")
    signatures = () if is_bare else _signatures(both, options)
    is_bare = is_part or options.ignores("versions")
    others = () if is_bare else other_changes(left, right, both, assets)
    weights = replace(
        weights,
        changes=tuple(item for item in weights.changes if told.holds(item.left, item.right)),
        status={pair: word for pair, word in weights.status.items() if told.holds(*pair)},
    )
    found = Diff(
        left=left.source,
        right=right.source,
        identical=False,
        same_computation=verdict.is_same and not verdict.is_open,
        headline=(),
        nodes=nodes,
        scopes=() if options.ignores("names") else tuple(filter(told.touches, both.scopes)),
        weights=weights.changes,
        signatures=tuple(signatures),
        functions=tuple(item for item in functions if told.holds_name(item.left, item.right)),
        others=tuple(others),
        matches=matching.pairs,
        counts=MappingProxyType(_counts(both, nodes, weights)),
        ignored=options.ignore,
        only=options.only,
    )
    is_known = (
        options.ignores("weights")
        or UNKNOWN not in weights.status.values()
        or is_one_model(left, right)
    )
    found = replace(found, identical=is_known and is_empty(found))
    facts = Facts(
        diff=found,
        both=both,
        outputs=outputs,
        weights=weights,
        record=record,
        nodes=tuple(item for item in nodes if item.kind in (ADDED, REMOVED) and not item.why),
        verdict=verdict,
    )
    return replace(found, headline=headline(facts))


def _signatures(both: Counterparts, options: DiffOptions) -> Iterator[SignatureChange]:
    metas = both.left.meta, both.right.meta
    if any(called(meta) or meta.declared is None for meta in metas):
        return signature_changes(both, options)
    return endpoint_changes(*metas, options)


def are_of_one_kind(left: Model, right: Model) -> bool:
    """Whether both have graphs whose nodes can be held against each other."""
    has_graphs = bool(left.meta_graphs and right.meta_graphs)
    return has_graphs and left.source.family == right.source.family


def _metas(
    left: Model, right: Model, options: DiffOptions
) -> tuple[MetaGraph | None, MetaGraph | None]:
    """The meta graphs of two models whose nodes are not compared."""
    if left.meta_graphs and right.meta_graphs:
        return choose(left, right, options.tag_set)
    ours, theirs = (
        None
        if not model.meta_graphs
        else _serving(model)
        if options.tag_set is None
        else _tagged(model, options.tag_set)
        for model in (left, right)
    )
    return ours, theirs


def _is_keras(model: Model) -> bool:
    return model.source.family == "keras"


def _with_layers(report: WeightReport, layers: LayerWeights | None) -> WeightReport:
    return report if layers is None else layers.added_to(report)


class _Told:
    """What of the differences was asked for. Raises UsageError for a scope that holds nothing."""

    def __init__(self, both: Counterparts, outputs: Outputs, options: DiffOptions) -> None:
        self._both = both
        self._only = options.only
        self._needed: tuple[set[str], set[str]] | None = None
        if options.signature:
            self._needed = outputs.of_signature(options.signature)
        if options.only:
            sides = (both.left, both.right)
            names = {name for side in sides for name in side.nodes}
            names |= {side.local(name) for side in sides for name in side.nodes}
            for scope in options.only:
                check_scope(scope, names)

    def holds(self, one: str, other: str) -> bool:
        """Whether a node of either name lies in the scopes, and is needed by the signature."""
        if self._needed is not None and one not in self._needed[0] and other not in self._needed[1]:
            return False
        return not self._only or self.holds_name(one, other) or self._holds_local(one, other)

    def holds_name(self, one: str, other: str) -> bool:
        """Whether one of the names that are not empty lies in the scopes."""
        return any(name and within(name, self._only) for name in (one, other))

    def _holds_local(self, one: str, other: str) -> bool:
        """The same without the names of bodies."""
        names = [self._both.left.local(one)] if one else []
        names += [self._both.right.local(other)] if other else []
        return any(within(name, self._only) for name in names)

    def touches(self, scope: ScopeRename) -> bool:
        """Whether a renamed scope lies in those that were asked for, or one of them in it."""
        if not self._only or self.holds_name(scope.left, scope.right):
            return True
        names = [name for name in (scope.left, scope.right) if name]
        return any(within(only, names) for only in self._only)


def _counts(
    both: Counterparts, nodes: tuple[NodeChange, ...], weights: WeightReport
) -> dict[str, int]:
    kinds = Counter(item.kind for item in nodes)
    status = Counter(weights.status.values())
    return {
        "left_nodes": len(both.left.nodes),
        "right_nodes": len(both.right.nodes),
        "matched": len(both.to_right),
        **{kind: kinds[kind] for kind in KINDS},
        "weights": len(weights.status),
        "weights_equal": status[EQUAL],
        "weights_different": status[DIFFERENT],
        "weights_unknown": status[UNKNOWN],
    }


def is_empty(diff: Diff) -> bool:
    """Whether nothing is another on the right."""
    return not (
        diff.nodes
        or diff.scopes
        or diff.weights
        or diff.signatures
        or diff.functions
        or diff.others
    )


def choose(
    left: Model, right: Model, tag_set: Collection[str] | None
) -> tuple[MetaGraph, MetaGraph]:
    """The meta graphs to compare. Raises UsageError for a tag set that a side does not have."""
    if tag_set is not None:
        # A bare graph has no tags to choose by.
        return _tagged(left, tag_set), _tagged(right, tag_set)
    theirs = {frozenset(meta.tags): meta for meta in reversed(right.meta_graphs)}
    common = [meta for meta in left.meta_graphs if frozenset(meta.tags) in theirs]
    common.sort(key=lambda meta: set(meta.tags) != {"serve"})
    if common:
        return common[0], theirs[frozenset(common[0].tags)]
    return _serving(left), _serving(right)


def _tagged(model: Model, tag_set: Collection[str]) -> MetaGraph:
    if len(model.meta_graphs) == 1 and not model.meta_graphs[0].tags:
        return model.meta_graphs[0]
    for meta in model.meta_graphs:
        if sorted(meta.tags) == sorted(tag_set):
            return meta
    known = "; ".join(",".join(meta.tags) or "(none)" for meta in model.meta_graphs)
    raise UsageError(
        f"has no meta graph with tags {','.join(tag_set)}; it has: {known}", where=model.source.path
    )


def _serving(model: Model) -> MetaGraph:
    return min(model.meta_graphs, key=lambda meta: "serve" not in meta.tags)


def _checkpoint(model: Model, options: DiffOptions) -> Checkpoint | None:
    """The checkpoint with the weights; None where there is none that can be read."""
    prefix = checkpoint_place(model)
    if prefix is None:
        return None
    try:
        return open_checkpoint(prefix, options.limits)
    except MigratorError:
        return None
