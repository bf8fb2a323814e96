"""Whether two models compute the same, and what shows it."""

from __future__ import annotations

from dataclasses import dataclass

from migrator.diffing.changes import NodeChanges
from migrator.diffing.counterparts import Counterparts
from migrator.diffing.options import DiffOptions
from migrator.diffing.record import Record
from migrator.diffing.replay import Replayed, replay
from migrator.diffing.sameness import Outputs, is_same_computation
from migrator.diffing.shown import Pairs, shows_same
from migrator.diffing.side import Tensor
from migrator.diffing.streams import Files, Store
from migrator.diffing.tables import Tables, same_table
from migrator.diffing.values import Budget, WeightReport
from migrator.diffing.worth import Worth, may_be_equal
from migrator.model.model import MetaGraph, Model

GRAPHS = "graphs"
REPLAY = "replay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Both models, and what was found out about them."""

    models: tuple[Model, Model]
    metas: tuple[MetaGraph, MetaGraph]
    stores: tuple[Store, Store]
    files: Files
    both: Counterparts
    outputs: Outputs
    changes: NodeChanges
    weights: WeightReport
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
    has_strayed: bool = False
    """The record's steps, done once more, lead to another graph than the migrated one."""

    @property
    def is_same(self) -> bool:
        return bool(self.shown_by)


def judge(case: Case) -> Verdict:
    """Whether both compute the same. What cannot be shown counts as different."""
    budget = Budget.of(case.options)
    left, right = (
        Worth(store, Tables(model, meta, store.checkpoint), case.options, budget)
        for model, meta, store in zip(case.models, case.metas, case.stores, strict=True)
    )

    found: list[tuple[str, str]] = []
    ends: list[tuple[Tensor, Tensor]] = []

    def shown(pairs: Pairs) -> bool:
        nodes = shows_same(
            case.both,
            pairs,
            same_weight=lambda one, other: may_be_equal(
                left, right, one, other, case.weights.status
            ),
            same_table=lambda one, other: same_table(left.table(one), right.table(other)),
            look_at_attributes=not case.options.ignores("attrs"),
        )
        if nodes is not None:
            found[:], ends[:] = nodes, pairs
        return nodes is not None

    if is_same_computation(case.both, case.outputs, case.changes, shown):
        return Verdict(shown_by=GRAPHS, shown=tuple(found), ends=tuple(ends))
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
    )
