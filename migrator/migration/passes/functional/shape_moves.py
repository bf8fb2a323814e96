"""Shapes of what ops make that move values about: reshape, slice, join, part, index."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.migration.passes.functional.items import Item
from migrator.shapes.facts import MOST_VALUES, Dims, Fact, meet, sizes


def fill(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact(sizes(facts[0]))]


def reshape(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims = sizes(facts[1])
    wanted = facts[1].values
    old = facts[0].dims
    if dims is None:
        return ()
    if old is not None and None not in old and dims.count(None) == 1 and wanted is not None:
        known, total = 1, 1
        for size in dims:
            known *= 1 if size is None else size
        for size in old:
            total *= size or 0
        if -1 in wanted and known:
            dims = tuple(total // known if size is None else size for size in dims)
    values = facts[0].values
    fits = values is not None and len(dims) <= 1 and (dims == () or dims == (len(values),))
    return [Fact(dims, values if fits else None)]


def expand(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims, axis = facts[0].dims, (facts[1].values or (None,))[0]
    if dims is None or axis is None or not -len(dims) - 1 <= axis <= len(dims):
        return ()
    at = axis if axis >= 0 else axis + len(dims) + 1
    return [Fact((*dims[:at], 1, *dims[at:]), facts[0].values if dims == () else None)]


def squeeze(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims = facts[0].dims
    axes = item.attrs.get("squeeze_dims")
    if dims is None or (not axes and None in dims):
        return ()
    gone = (
        {axis % len(dims) for axis in axes}
        if axes
        else {k for k, size in enumerate(dims) if size == 1}
    )
    left = tuple(size for k, size in enumerate(dims) if k not in gone)
    return [Fact(left, facts[0].values)] if len(left) <= 1 else [Fact(left)]


def concat(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    last = item.op == "ConcatV2"
    axis_fact, parts = (facts[-1], facts[:-1]) if last else (facts[0], facts[1:])
    axis = (axis_fact.values or (None,))[0]
    known = [part.dims for part in parts if part.dims is not None]
    if not known or len({len(dims) for dims in known}) != 1:
        return ()
    rank = len(known[0])
    if axis is None or not -rank <= axis < rank:
        return [Fact((None,) * rank)]
    dims: Dims | None = known[0]
    for other in known[1:]:
        dims = meet(dims, other)
    assert dims is not None
    sizes = [None if part.dims is None else part.dims[axis] for part in parts]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    at = axis % rank
    values = None
    small = rank == 1 and total is not None and total <= MOST_VALUES
    if small and all(part.values is not None for part in parts):
        values = tuple(value for part in parts for value in part.values or ())
    return [Fact((*dims[:at], total, *dims[at + 1 :]), values)]


def pack(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims: Dims | None = None
    for fact in facts:
        dims = meet(dims, fact.dims)
    axis = item.attrs.get("axis", 0)
    if dims is None or not isinstance(axis, int) or not -len(dims) - 1 <= axis <= len(dims):
        return ()
    at = axis if axis >= 0 else axis + len(dims) + 1
    values = None
    if dims == () and len(facts) <= MOST_VALUES:
        values = tuple((fact.values or (None,))[0] for fact in facts)
    return [Fact((*dims[:at], len(facts), *dims[at:]), values)]


def unpack(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims, axis, count = facts[0].dims, item.attrs.get("axis", 0), item.attrs.get("num")
    if dims is None or not isinstance(axis, int) or not isinstance(count, int):
        return ()
    at = axis % len(dims)
    return [Fact((*dims[:at], *dims[at + 1 :]))] * min(count, 1 << 12)


def split(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    axis, dims = (facts[0].values or (None,))[0], facts[1].dims
    count = item.attrs.get("num_split")
    if dims is None or not isinstance(count, int) or count < 1:
        return ()
    if axis is None or not -len(dims) <= axis < len(dims):
        return [Fact((None,) * len(dims))] * min(count, 1 << 12)
    at = axis % len(dims)
    size = dims[at]
    part = None if size is None else size // count
    return [Fact((*dims[:at], part, *dims[at + 1 :]))] * min(count, 1 << 12)


def split_sizes(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims, sizes, axis = facts[0].dims, facts[1].values, (facts[2].values or (None,))[0]
    count = item.attrs.get("num_split")
    if dims is None or axis is None or not isinstance(count, int) or count > 1 << 12:
        return ()
    at = axis % len(dims)
    if sizes is None or len(sizes) != count:
        sizes = (None,) * count
    return [Fact((*dims[:at], None if size == -1 else size, *dims[at + 1 :])) for size in sizes]


def transpose(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims, order = facts[0].dims, facts[1].values
    if dims is None:
        return [Fact(sizes(Fact(facts[1].dims)))]
    if order is None or None in order or len(order) != len(dims):
        return [Fact((None,) * len(dims))]
    return [Fact(tuple(dims[axis] for axis in order if axis is not None))]


def strided_slice(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims, begin, end, step = facts[0].dims, *(fact.values for fact in facts[1:4])
    masks = {
        key: item.attrs.get(key, 0)
        for key in ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    }
    if dims is None or begin is None or end is None or step is None:
        return ()
    if masks["ellipsis_mask"] or len(begin) > len(dims) or not len(begin) == len(end) == len(step):
        return ()
    if masks["new_axis_mask"]:
        return ()
    found: list[int | None] = []
    kept: list[slice | int | None] = []
    for k, size in enumerate(dims):
        if k >= len(begin):
            found.append(size)
            continue
        bit = 1 << k
        first, last, by = begin[k], end[k], step[k]
        if masks["shrink_axis_mask"] & bit:
            kept.append(first)
            continue
        part = None
        from_start, to_end = masks["begin_mask"] & bit, masks["end_mask"] & bit
        if by is not None and (first is not None or from_start) and (last is not None or to_end):
            part = slice(None if from_start else first, None if to_end else last, by)
        kept.append(part)
        found.append(None if part is None or size is None else len(range(size)[part]))
        if part == slice(None, None, 1):
            found[-1] = size
    values = facts[0].values
    if values is None or len(dims) != 1 or len(kept) != 1 or kept[0] is None:
        return [Fact(tuple(found))]
    if isinstance(kept[0], slice):
        return [Fact(tuple(found), values[kept[0]])]
    return [Fact((), (values[kept[0]],))]


def slice_(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims, begin, size = facts[0].dims, facts[1].values, facts[2].values
    if size is None:
        return [Fact(None if dims is None else (None,) * len(dims))]
    found = []
    for k, want in enumerate(size):
        whole, first = dims[k] if dims else None, begin[k] if begin else None
        rest = None if whole is None or first is None else whole - first
        found.append(rest if want == -1 else want)
    return [Fact(tuple(found))]


def gather(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims, indices = facts[0].dims, facts[1].dims
    axis = (facts[2].values or (None,))[0] if len(facts) > 2 else 0
    batched = item.attrs.get("batch_dims", 0)
    if dims is None or indices is None or axis is None or batched:
        return ()
    at = axis % len(dims)
    values = None
    if facts[0].values is not None and facts[1].values is not None and len(dims) == 1:
        picks = facts[1].values
        if len(indices) <= 1:
            values = tuple(None if k is None else facts[0].values[k] for k in picks)
    return [Fact((*dims[:at], *indices, *dims[at + 1 :]), values)]


def embedding(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    return [Fact((*facts[1].dims, *facts[0].dims[1:]))] if facts[0].dims and facts[1].dims else ()


def tile(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims, times = facts[0].dims, facts[1].values
    if dims is None:
        return ()
    if times is None:
        return [Fact((None,) * len(dims))]
    sizes = zip(dims, times, strict=True)
    return [Fact(tuple(None if a is None or b is None else a * b for a, b in sizes))]


def range_(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    start, limit, delta = ((fact.values or (None,))[0] for fact in facts)
    if start is None or limit is None or delta is None or not delta:
        return [Fact((None,))]
    count = max(0, -((start - limit) // delta))
    values = tuple(range(start, limit, delta)) if count <= MOST_VALUES else None
    return [Fact((count,), values)]


def shape(item: Item, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims = facts[0].dims
    return [Fact((None,))] if dims is None else [Fact((len(dims),), dims)]
