"""Ops that take a part: by ranges, or by indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from migrator.shapes.facts import Dims, Fact, meet, scalar, sizes
from migrator.shapes.rules.reading import MOST_OUTPUTS, Op, Table, axis_in, named, number

_T = TypeVar("_T")
_Pick = slice | int | None


def strided_slice(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """Source of the masks' meaning: the documentation of ``tf.strided_slice``."""
    fact, (begin, end, step) = facts[0], _specs(facts[1:4])
    dims = fact.dims
    masks = {
        key: number(op, key, 0)
        for key in ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    }
    if dims is None or begin is None or end is None or step is None:
        return ()
    parts = len(begin)
    dots = next((k for k in range(parts) if masks["ellipsis_mask"] >> k & 1), parts)
    added = sum(masks["new_axis_mask"] >> k & 1 for k in range(parts) if k != dots)
    rest = len(dims) - (parts - added - (dots < parts))
    if rest < 0:
        raise ValueError("more ranges than dimensions")
    found: list[int | None] = []
    picks: list[_Pick] = []
    axis = 0
    for k in range(parts):
        bit = 1 << k
        if k == dots:
            found += dims[axis : axis + rest]
            picks += [slice(None)] * rest
            axis += rest
            continue
        if masks["new_axis_mask"] & bit:
            found.append(1)
            continue
        if masks["shrink_axis_mask"] & bit:
            picks.append(begin[k])
            axis += 1
            continue
        size, by = dims[axis], step[k]
        first = None if masks["begin_mask"] & bit else begin[k]
        last = None if masks["end_mask"] & bit else end[k]
        told = (first is not None or masks["begin_mask"] & bit) and (
            last is not None or masks["end_mask"] & bit
        )
        part = slice(first, last, by) if told and by else None
        picks.append(part)
        found.append(None if part is None or size is None else len(range(size)[part]))
        axis += 1
    if dots == parts:
        found += dims[axis:]
    if len(dims) != 1 or len(picks) > 1 or added:
        return [Fact(tuple(found))]
    pick: _Pick = picks[0] if picks else slice(None)
    return [Fact(tuple(found), _picked(fact.values, pick), _picked(fact.reals, pick))]


def _specs(facts: Sequence[Fact]) -> tuple[Dims | None, Dims | None, Dims | None]:
    """Begin, end and step; what is unknown of one of a known length is None in its places."""
    lengths = {len(fact.values) for fact in facts if fact.values is not None}
    lengths |= {fact.dims[0] for fact in facts if fact.dims and fact.dims[0] is not None}
    if len(lengths) != 1:
        return None, None, None
    length = lengths.pop()
    if length > 64:
        return None, None, None
    begin, end, step = (
        fact.values if fact.values is not None else (None,) * length for fact in facts
    )
    return begin, end, step


def _picked(values: tuple[_T, ...] | None, pick: _Pick) -> tuple[_T, ...] | None:
    if values is None or pick is None:
        return None
    return values[pick] if isinstance(pick, slice) else (values[pick],)


def slice_(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    fact = facts[0]
    dims, begin, lengths = fact.dims, facts[1].values, facts[2].values
    if lengths is None:
        known = meet(sizes(Fact(facts[1].dims)), sizes(Fact(facts[2].dims)))
        return [Fact((None,) * len(dims) if dims is not None else known)]
    found: list[int | None] = []
    for k, length in enumerate(lengths):
        whole = dims[k] if dims is not None else None
        first = begin[k] if begin is not None else None
        rest = None if whole is None or first is None else whole - first
        if length == -1 and first == 0:
            rest = whole
        found.append(rest if length == -1 else length)
    values = None
    if len(found) == 1 and begin is not None and begin[0] is not None and found[0] is not None:
        values = _picked(fact.values, slice(begin[0], begin[0] + found[0]))
    return [Fact(tuple(found), values)]


def gather(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims, indices = facts[0].dims, facts[1].dims
    axis = scalar(facts[2]) if len(facts) > 2 else 0
    batched = number(op, "batch_dims", 0)
    if indices is None:
        return ()
    if dims is None:
        return ()
    if batched < 0:
        batched += len(indices)
    if not 0 <= batched <= len(indices):
        raise ValueError("no such batch")
    if axis is None:
        return [Fact((None,) * (len(dims) - 1 + len(indices) - batched))]
    at = axis_in(axis, len(dims))
    front = meet(dims[:batched], indices[:batched]) or ()
    found = (*front, *dims[batched:at], *indices[batched:], *dims[at + 1 :])
    picks = facts[1].values
    if len(dims) != 1 or picks is None or len(indices) > 1:
        return [Fact(found)]
    table = facts[0].values
    values = None
    if table is not None:
        values = tuple([None if k is None or k < 0 else table[k] for k in picks])
    return [Fact(found, values)]


def gather_rows(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """ResourceGather: rows of the variable that a handle stands for."""
    table, indices = facts[0].held, facts[1].dims
    dims = table[0] if table else facts[0].dims  # while it is being migrated: the table itself
    batched = number(op, "batch_dims", 0)
    if not dims or indices is None:
        return ()
    if batched == 0:
        return [Fact((*indices, *dims[1:]))]
    if not 0 < batched <= len(indices) or batched >= len(dims):
        return ()
    front = meet(dims[:batched], indices[:batched]) or ()
    return [Fact((*front, *indices[batched:], *dims[batched + 1 :]))]


def gather_nd(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims, indices = facts[0].dims, facts[1].dims
    if op.op.startswith("Resource"):
        dims = facts[0].held[0] if facts[0].held else None
    if dims is None or not indices or indices[-1] is None or indices[-1] > len(dims):
        return ()
    return [Fact((*indices[:-1], *dims[indices[-1] :]))]


def scatter_nd(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(sizes(facts[2]))]


def mask(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """Where: the places of what is true; how many is known at run time only."""
    dims = facts[0].dims
    return [Fact((None, None if dims is None else len(dims)))]


def unique(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims = facts[0].dims
    if op.op.endswith("V2") and dims is not None and len(dims) != 1:
        return ()
    return [Fact((None,)), Fact(dims if dims is not None else (None,)), Fact((None,))]


def differing(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact((None,)), Fact((None,))]


def partitioned(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    data, which = facts[0].dims, facts[1].dims
    parts = number(op, "num_partitions")
    if data is None or which is None:
        return ()
    return [Fact((None, *data[len(which) :]))] * min(parts, MOST_OUTPUTS)


def stitched(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    """DynamicStitch: rows put where indices say."""
    half = len(facts) // 2
    indices, data = facts[:half], facts[half:]
    rest: Dims | None = None
    for places, rows in zip(indices, data, strict=True):
        if places.dims is not None and rows.dims is not None:
            rest = meet(rest, rows.dims[len(places.dims) :])
    if rest is None:
        return ()
    if any(item.values is None or None in item.values for item in indices):
        return [Fact((None, *rest))]
    last = max(
        (place for item in indices for place in item.values or () if place is not None), default=-1
    )
    if rest or last >= 64:
        return [Fact((last + 1, *rest))]
    found: list[int | None] = [None] * (last + 1)
    for places, rows in zip(indices, data, strict=True):
        values = rows.values or (None,) * len(places.values or ())
        for place, value in zip(places.values or (), values, strict=True):
            found[place or 0] = value
    return [Fact((last + 1,), tuple(found))]


RULES: Table = {
    "StridedSlice": strided_slice,
    "Slice": slice_,
    **named("Gather GatherV2", gather),
    "ResourceGather": gather_rows,
    **named("GatherNd ResourceGatherNd", gather_nd),
    "ScatterNd": scatter_nd,
    **named("Where WhereV2", mask),
    **named("Unique UniqueV2 UniqueWithCounts UniqueWithCountsV2", unique),
    "ListDiff": differing,
    "DynamicPartition": partitioned,
    **named("DynamicStitch ParallelDynamicStitch", stitched),
}
