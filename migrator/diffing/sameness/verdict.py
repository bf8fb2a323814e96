"""Whether two models compute the same, and what shows it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from migrator.diffing.changes.assets import Assets, asset_changes
from migrator.diffing.changes.attributes import quantisation_changes
from migrator.diffing.changes.loading import Loading
from migrator.diffing.changes.nodes import NodeChanges
from migrator.diffing.changes.signatures import same_results
from migrator.diffing.counterparts import Counterparts
from migrator.diffing.options import DiffOptions
from migrator.diffing.sameness.by_graphs import Pairs, shows_same
from migrator.diffing.sameness.by_replay import Replayed, replay
from migrator.diffing.sameness.holdings import Worth, may_be_equal
from migrator.diffing.sameness.lookups import Tables, same_table
from migrator.diffing.sameness.migration_record import Record
from migrator.diffing.sameness.outputs import Outputs
from migrator.diffing.side import Tensor
from migrator.diffing.weights.of_layers import LayerWeights
from migrator.diffing.weights.reading import Files, Store
from migrator.diffing.weights.values import EQUAL, UNKNOWN, Budget, WeightReport
from migrator.errors import MigratorError
from migrator.model.model import MetaGraph, Model
from migrator.model.tensors import LazyTensor
from migrator.places.source import ByteSource

GRAPHS = "graphs"
REPLAY = "replay"
_NAMES = frozenset(("name", "scope", "device"))
"""What of a node may be another, and its graph is still the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Both models, and what was found out about them."""

    models: tuple[Model, Model]
    metas: tuple[MetaGraph, MetaGraph]
    stores: tuple[Store, Store]
    files: Files
    both: Counterparts
    outputs: Outputs
    assets: tuple[Assets, Assets]
    changes: NodeChanges
    weights: WeightReport
    layers: LayerWeights | None
    record: Record | None
    options: DiffOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``shown_by``: ``graphs`` as they are, ``replay`` of the migration's record, or nothing."""

    shown_by: str = ""
    shown: tuple[tuple[str, str], ...] = ()
    """Nodes of both sides that were found to be the same on the way."""
    ends: tuple[tuple[Tensor, Tensor], ...] = ()
    """Outputs of both sides that are the same."""
    unseen: int = 0
    """Weights and tables whose content had nothing to be compared with."""
    is_open: bool = False
    """Values that were not compared were taken for equal."""
    has_strayed: bool = False
    """The record's steps, done once more, lead to another graph than the migrated one."""

    @property
    def is_same(self) -> bool:
        return bool(self.shown_by)


def judge(case: Case) -> Verdict:
    """Whether both compute the same. What cannot be shown counts as different."""
    budget = Budget.of(case.options)
    left, right = (
        Worth(
            store,
            Tables(model, meta, store.checkpoint),
            assets,
            Loading(meta),
            case.files,
            case.options,
            budget,
        )
        for model, meta, store, assets in zip(
            case.models, case.metas, case.stores, case.assets, strict=True
        )
    )

    found: list[tuple[str, str]] = []
    ends: list[tuple[Tensor, Tensor]] = []

    def shown(pairs: Pairs) -> bool:
        nodes = shows_same(
            case.both,
            pairs,
            same_input=case.outputs.ends.are_one_input,
            same_weight=lambda one, other: (
                means_the_same(case.both, one, other)
                and may_be_equal(left, right, one, other, case.weights.status)
            ),
            same_table=lambda one, other: same_table(left.table(one), right.table(other)),
            look_at_attributes=not case.options.ignores("attrs"),
        )
        if case.layers is not None and not case.layers.hold(nodes or ()):
            nodes = None
        if nodes is not None:
            found[:], ends[:] = nodes, pairs
        return nodes is not None

    is_one = _are_one_graph(case, left.loading, right.loading)
    if is_one or case.outputs.are_one(shown):
        is_open = (is_one and UNKNOWN in case.weights.status.values()) or right.is_open
        is_open = is_open or (case.layers is not None and case.layers.is_open)
        is_open = is_open and not right.ignores_weights and not is_one_model(*case.models)
        return Verdict(shown_by=GRAPHS, shown=tuple(found), ends=tuple(ends), is_open=is_open)
    record = case.record
    if record is None or not record.is_proof:
        return Verdict()
    on_right = record.on_right
    made = replay(record.data, case.models[not on_right], case.metas[not on_right].tags)
    if made is None:
        return Verdict()
    sides, worths = (case.both.left, case.both.right), (left, right)
    replayed = Replayed(made, sides[not on_right], sides[on_right], worths[on_right], case.files)
    if not replayed.leads_here():
        return Verdict(has_strayed=True)
    return Verdict(
        shown_by=REPLAY,
        shown=tuple(pair if on_right else pair[::-1] for pair in replayed.shown),
        ends=tuple(pair if on_right else pair[::-1] for pair in replayed.ends),
        unseen=len(replayed.unseen),
        is_open=worths[on_right].is_open,
    )


def means_the_same(both: Counterparts, one: str, other: str) -> bool:
    """Whether the integers of two TFLite constants stand for numbers in the same way."""
    ours, theirs = both.left.nodes.get(one), both.right.nodes.get(other)
    if ours is None or theirs is None or ours.op != theirs.op:
        return True
    return not any(quantisation_changes(ours, theirs))


def _are_one_graph(case: Case, left: Loading, right: Loading) -> bool:
    """Whether the pairs are all there is, down to what waits for what: no need to walk then."""
    both = case.both
    is_one = (
        not both.matching.left_only
        and not both.matching.right_only
        and all(change.field in _NAMES for item in case.changes.items for change in item.changes)
        and all(word in (EQUAL, UNKNOWN) for word in case.weights.status.values())
        and not case.weights.changes
    )
    if not is_one or not case.outputs.correspond:
        return False
    if [both.to_right.get(name) for name in left.ops] != [*right.ops]:
        return False
    if any(not same_results(both, one, other) for one, other in both.functions.items()):
        return False
    return not any(asset_changes(*case.assets))


def is_one_model(left: Model, right: Model) -> bool:
    """Whether a model is held against itself: what cannot be read of it is equal all the same."""
    if left is right:
        return True
    places = left.place, right.place
    if any(place is not None and place.path is None for place in places):
        return str(places[0]) == str(places[1])
    try:
        is_one = Path(left.source.path).samefile(right.source.path)
        return is_one and _files(left) == _files(right)
    except (OSError, ValueError, MigratorError):
        return False


def _files(model: Model) -> set[tuple[int, ...] | None]:
    """Those on disk that its weights were found in when it was read.

    Raises MigratorError where one was changed since: it is another model by now.
    """
    nodes = (node for meta in model.meta_graphs for node in meta.graph.all_nodes())
    values = chain(model.variables.values(), (node.attrs.get("value") for node in nodes))
    found: dict[int, ByteSource] = {}
    for value in values:
        span = None
        with suppress(MigratorError):  # what is not there is not there for either
            span = value.place() if isinstance(value, LazyTensor) else None
        if span is not None and span.source is not None:
            found.setdefault(id(span.source), span.source)
    for source in found.values():
        source.check_same()
    return {source.identity() for source in found.values()}
