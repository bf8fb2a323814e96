"""Two bare checkpoints: variables by key, without a graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from types import MappingProxyType

from migrator.diffing.asked import check_scope, within
from migrator.diffing.options import DiffOptions
from migrator.diffing.result import Change, Diff, Match, WeightChange
from migrator.diffing.sameness.verdict import is_one_model
from migrator.diffing.weights.reading import Files, Value
from migrator.diffing.weights.values import DIFFERENT, EQUAL, UNKNOWN, Budget, compare_values
from migrator.formats.checkpoint import Checkpoint, checkpoint_place, open_checkpoint
from migrator.model.model import Model


def compare_checkpoints(left: Model, right: Model, options: DiffOptions) -> Diff:
    """How the variables of ``right`` differ from those of ``left``.

    Raises MigratorError for an index that cannot be read.
    """
    ours, theirs = _open(left, options), _open(right, options)
    files = Files()
    budget = Budget.of(options)
    changes: list[WeightChange] = []
    matches = []
    status: Counter[str] = Counter()
    unread: dict[str, None] = {}
    for scope in options.only:
        check_scope(scope, [*ours.variables, *theirs.variables])
    keys = [key for key in ours.variables if within(key, options.only)]
    new = [key for key in theirs.variables if key not in ours.variables]
    for key in keys:
        one = Value(ours.tensors[key], files, checkpoint=ours, key=key)
        if key not in theirs.variables:
            changes.append(_change(key, "", "removed", one))
            continue
        matches.append(Match(left=key, right=key, confidence=1.0, why="name"))
        other = Value(theirs.tensors[key], files, checkpoint=theirs, key=key)
        if one.tensor.shape != other.tensor.shape:
            changes.append(_change(key, key, "shape", one))
            continue
        found = compare_values(one, other, options, budget, unread)
        status[found.status] += 1
        kind = "dtype" if one.tensor.dtype != other.tensor.dtype else "values"
        if kind == "dtype" or found.status not in (EQUAL, UNKNOWN):
            changes.append(found.change(key, key, kind, one.tensor.elements))
    for key in new:
        if within(key, options.only):
            value = Value(theirs.tensors[key], files, checkpoint=theirs, key=key)
            changes.append(_change("", key, "added", value))
    if options.ignores("weights"):
        changes = [item for item in changes if item.kind not in ("added", "removed")]
    others = []
    if len(ours.variables) and ours.shards != theirs.shards and not options.ignores("versions"):
        others.append(Change(field="shards", left=ours.shards, right=theirs.shards))
    counts = {
        "left_nodes": 0,
        "right_nodes": 0,
        "matched": 0,
        "weights": len(matches),
        "weights_equal": status[EQUAL],
        "weights_different": status[DIFFERENT],
        "weights_unknown": status[UNKNOWN],
    }
    is_known = options.ignores("weights") or not status[UNKNOWN] or is_one_model(left, right)
    return Diff(
        left=left.source,
        right=right.source,
        identical=is_known and not changes and not others,
        same_computation=is_known and not changes,
        headline=_headline(changes, counts, tuple(unread)),
        nodes=(),
        weights=tuple(changes),
        others=tuple(others),
        matches=tuple(matches),
        counts=MappingProxyType(counts),
        ignored=options.ignore,
        only=options.only,
    )


def _open(model: Model, options: DiffOptions) -> Checkpoint:
    prefix = checkpoint_place(model)
    assert prefix is not None  # it was read from there
    return open_checkpoint(prefix, options.limits)


def _change(one: str, other: str, kind: str, value: Value) -> WeightChange:
    return WeightChange(left=one, right=other, kind=kind, elements=value.tensor.elements)


def _headline(
    changes: list[WeightChange], counts: dict[str, int], unread: tuple[str, ...]
) -> tuple[str, ...]:
    kinds = Counter(item.kind for item in changes)
    lines = []
    if not changes:
        known = "the same values" if not counts["weights_unknown"] else "no difference found"
        lines.append(f"the same variables; {known}")
    elif kinds.keys() == {"values"}:
        return (
            f"the same variables; {len(changes):,} of {counts['weights']:,} have other values",
            *_unseen(counts, unread),
        )
    else:
        lines.append("other variables")
    for kind, text in (
        ("added", "added"),
        ("removed", "removed"),
        ("shape", "of another shape"),
        ("dtype", "of another type"),
        ("values", "with other values"),
    ):
        if kinds[kind]:
            noun = "variable" if kinds[kind] == 1 else "variables"
            lines.append(f"{kinds[kind]:,} {noun} {text}")
    return (*lines, *_unseen(counts, unread))


def _unseen(counts: dict[str, int], unread: tuple[str, ...]) -> Iterator[str]:
    """What was not looked at."""
    if counts["weights_unknown"]:
        yield f"{counts['weights_unknown']:,} not compared: add --weights"
    yield from (f"not read: {text}" for text in unread[:3])
