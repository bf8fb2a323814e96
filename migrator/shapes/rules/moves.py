"""Ops that keep the values and change their places: reshape, transpose, join, part, repeat."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.shapes.facts import (
    MOST_VALUES,
    UNKNOWN,
    Dims,
    Fact,
    count,
    meet,
    scalar,
    sizes,
)
from migrator.shapes.rules.reading import (
    MOST_OUTPUTS,
    Op,
    Table,
    axis_in,
    named,
    number,
    numbers,
    shape,
)


def reshape(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    old = facts[0]
    dims = sizes(facts[1])
    if dims is None:
        return ()
    total = count(old.dims)
    if total is not None and dims.count(None) == 1:
        rest = count(tuple([1 if size is None else size for size in dims]))
        if rest and total % rest == 0:
            dims = tuple([total // rest if size is None else size for size in dims])
    if None in dims:
        return [Fact(dims)]
    elements = count(dims)
    fits = elements is not None and elements <= MOST_VALUES
    values = old.values if fits and old.values and len(old.values) == elements else None
    reals = old.reals if fits and old.reals and len(old.reals) == elements else None
    return [Fact(dims, values, reals)]


def expand(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    fact, axis = facts[0], scalar(facts[1])
    dims = fact.dims
    if dims is None:
        return ()
    if axis is None:
        return [Fact((None,) * (len(dims) + 1))]
    at = axis_in(axis, len(dims) + 1)
    return [Fact((*dims[:at], 1, *dims[at:]), fact.values, fact.reals)]


def squeeze(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    fact, axes = facts[0], numbers(op, "squeeze_dims", [])
    dims = fact.dims
    if dims is None or (not axes and None in dims):
        return ()
    if axes:
        gone = {axis_in(axis, len(dims)) for axis in axes}
    else:
        gone = {k for k, size in enumerate(dims) if size == 1}
    left = tuple([size for k, size in enumerate(dims) if k not in gone])
    return [Fact(left, fact.values, fact.reals)]


def transpose(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims, order = facts[0].dims, facts[1].values
    if dims is None:
        return [Fact(sizes(Fact(facts[1].dims)))]
    if order is None:
        return [Fact((None,) * len(dims) if len(dims) != 1 else dims)]
    if len(order) != len(dims):
        raise ValueError("another rank")
    moved = [None if axis is None else dims[axis_in(axis, len(dims))] for axis in order]
    values = facts[0].values if len(dims) <= 1 else None
    return [Fact(tuple(moved), values)]


def concat(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    last = op.op == "ConcatV2"
    axis_fact, parts = (facts[-1], facts[:-1]) if last else (facts[0], facts[1:])
    return [joined(parts, scalar(axis_fact))]


def joined(parts: Sequence[Fact], axis: int | None) -> Fact:
    """Tensors behind each other along ``axis``."""
    shapes = [part.dims for part in parts if part.dims is not None]
    if not shapes or len({len(dims) for dims in shapes}) != 1:
        return UNKNOWN
    rank = len(shapes[0])
    if axis is None:
        return Fact((None,) * rank)
    at = axis_in(axis, rank)
    dims: Dims | None = None
    for other in shapes:
        dims = meet(dims, other)
    assert dims is not None
    total: int | None = 0
    for part in parts:
        size = None if part.dims is None else part.dims[at]
        total = None if total is None or size is None else total + size
    values, reals = None, None
    if rank == 1 and total is not None and total <= MOST_VALUES:
        if all(part.values is not None for part in parts):
            values = tuple([value for part in parts for value in part.values or ()])
        elif all(part.reals is not None for part in parts):
            reals = tuple([value for part in parts for value in part.reals or ()])
    return Fact((*dims[:at], total, *dims[at + 1 :]), values, reals)


def concat_offset(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    axis = scalar(facts[0])
    offset: int | None = 0
    found = []
    for fact in facts[1:]:
        if axis is None or fact.values is None:
            found.append(Fact(fact.dims))
            offset = None
            continue
        at = axis_in(axis, len(fact.values))
        found.append(
            Fact(fact.dims, tuple([offset if k == at else 0 for k in range(len(fact.values))]))
        )
        size = fact.values[at]
        offset = None if offset is None or size is None else offset + size
    return found


def pack(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims: Dims | None = None
    for fact in facts:
        dims = meet(dims, fact.dims)
    if dims is None:
        return ()
    at = axis_in(number(op, "axis", 0), len(dims) + 1)
    values, reals = None, None
    if at == 0 and not [size for size in dims if size is None]:
        each = count(dims) or 0
        if each and each * len(facts) <= MOST_VALUES:
            if any(fact.values is not None for fact in facts):
                blank: Dims = (None,) * each
                values = tuple([v for fact in facts for v in fact.values or blank])
            elif all(fact.reals is not None for fact in facts):
                reals = tuple([v for fact in facts for v in fact.reals or ()])
    return [Fact((*dims[:at], len(facts), *dims[at:]), values, reals)]


def unpack(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    fact, parts = facts[0], number(op, "num")
    dims = fact.dims
    if dims is None:
        return ()
    at = axis_in(number(op, "axis", 0), len(dims))
    rest = (*dims[:at], *dims[at + 1 :])
    if fact.values is not None and len(dims) == 1 and len(fact.values) == parts:
        return [Fact((), (value,)) for value in fact.values]
    return [Fact(rest)] * min(parts, MOST_OUTPUTS)


def split(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    axis, fact, parts = scalar(facts[0]), facts[1], number(op, "num_split")
    dims = fact.dims
    if dims is None or parts < 1:
        return ()
    shown = min(parts, MOST_OUTPUTS)
    if axis is None:
        return [Fact((None,) * len(dims))] * shown
    at = axis_in(axis, len(dims))
    size = dims[at]
    part = None if size is None else size // parts
    if fact.values is not None and len(dims) == 1 and part:
        return [
            Fact((part,), fact.values[k * part : (k + 1) * part])
            for k in range(min(parts, MOST_VALUES))
        ]
    return [Fact((*dims[:at], part, *dims[at + 1 :]))] * shown


def split_sizes(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims, lengths, axis = facts[0].dims, facts[1].values, scalar(facts[2])
    parts = number(op, "num_split")
    if dims is None or not 1 <= parts <= MOST_OUTPUTS:
        return ()
    if axis is None:
        return [Fact((None,) * len(dims))] * parts
    at = axis_in(axis, len(dims))
    whole = dims[at]
    if parts == 1 and lengths is None:
        lengths = (whole,)
    if lengths is None or len(lengths) != parts:
        lengths = (None,) * parts
    if lengths.count(-1) == 1 and None not in lengths:  # takes what the others leave
        rest = None
        if whole is not None:
            rest = whole - sum(size for size in lengths if size is not None and size >= 0)
        lengths = tuple([rest if size == -1 else size for size in lengths])
    cut = [None if size is None or size < 0 else size for size in lengths]
    return [Fact((*dims[:at], size, *dims[at + 1 :])) for size in cut]


def tile(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    fact, times = facts[0], facts[1].values
    dims = fact.dims
    if dims is None:
        return [Fact(sizes(Fact(facts[1].dims)))]
    if times is None:
        return [Fact((None,) * len(dims))]
    pairs = zip(dims, times, strict=True)
    found = tuple([None if a is None or b is None else a * b for a, b in pairs])
    small = len(dims) == 1 and found[0] is not None and found[0] <= MOST_VALUES
    values = fact.values * (times[0] or 0) if small and fact.values is not None else None
    return [Fact(found, values)]


def pad(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims, around = facts[0].dims, facts[1].values
    if around is None:
        if dims is not None:
            return [Fact((None,) * len(dims))]
        rows = facts[1].dims
        return [Fact(sizes(Fact(rows[:1] if rows else None)))]
    if dims is None:
        return [Fact((None,) * (len(around) // 2))]
    if len(around) != 2 * len(dims):
        raise ValueError("another rank")
    found: list[int | None] = []
    for k, size in enumerate(dims):
        before, after = around[2 * k], around[2 * k + 1]
        bare = size is None or before is None or after is None
        found.append(None if bare else (size or 0) + (before or 0) + (after or 0))
    return [Fact(tuple(found))]


def space_to_depth(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    by = number(op, "block_size")
    dims = facts[0].dims
    channel, space = _layout(op)
    if dims is None:
        return [Fact((None,) * 4)]
    if len(dims) != 4 or by < 1:
        return ()
    found = list(dims)
    into_depth = op.op == "SpaceToDepth"
    for axis in (*space, channel):
        size = found[axis]
        grows = into_depth == (axis == channel)
        factor = by * by if axis == channel else by
        found[axis] = None if size is None else size * factor if grows else size // factor
    return [Fact(tuple(found))]


def _layout(op: Op) -> tuple[int, tuple[int, int]]:
    form = op.attrs.get("data_format") or b"NHWC"
    if form == b"NHWC":
        return 3, (1, 2)
    if form == b"NCHW":
        return 1, (2, 3)
    raise ValueError("no such layout")


def space_to_batch(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims = facts[0].dims
    if op.op == "SpaceToBatch":
        block: Dims | None = (number(op, "block_size"),) * 2
        around = facts[1].values
    else:
        block, around = facts[1].values, facts[2].values
    blocks = None if block is None else len(block)
    return _batched(dims, block, blocks, around, True)


def batch_to_space(op: Op, facts: Sequence[Fact]) -> Sequence[Fact]:
    dims = facts[0].dims
    if op.op == "BatchToSpace":
        block: Dims | None = (number(op, "block_size"),) * 2
        around = facts[1].values
    else:
        block, around = facts[1].values, facts[2].values
    blocks = None if block is None else len(block)
    return _batched(dims, block, blocks, around, False)


def _batched(
    dims: Dims | None,
    block: Dims | None,
    blocks: int | None,
    around: Dims | None,
    into_batch: bool,
) -> Sequence[Fact]:
    if dims is None:
        return ()
    if block is None or blocks is None:
        return [Fact((None,) * len(dims))]
    if around is None:
        around = (None,) * (2 * blocks)
    batch = dims[0]
    space: list[int | None] = []
    for k in range(blocks):
        size, by, first, last = dims[1 + k], block[k], around[2 * k], around[2 * k + 1]
        if by is not None and by < 1:
            raise ValueError("no block")
        if batch is not None and by is not None:
            batch = batch * by if into_batch else batch // by
        else:
            batch = None
        if size is None or by is None or first is None or last is None:
            space.append(None)
        else:
            space.append((size + first + last) // by if into_batch else size * by - first - last)
    return [Fact((batch, *space, *dims[1 + blocks :]))]


RULES: Table = {
    "Reshape": reshape,
    "QuantizedReshape": lambda op, facts: [*reshape(op, facts), Fact(()), Fact(())],
    "ExpandDims": expand,
    "Squeeze": squeeze,
    **named("Transpose ConjugateTranspose", transpose),
    **named("Concat ConcatV2", concat),
    "ConcatOffset": concat_offset,
    "Pack": pack,
    "ParallelConcat": lambda op, facts: [Fact(shape(op, "shape"))],
    "Unpack": unpack,
    "Split": split,
    "SplitV": split_sizes,
    "Tile": tile,
    **named("Pad PadV2 MirrorPad", pad),
    **named("SpaceToDepth DepthToSpace", space_to_depth),
    **named("SpaceToBatch SpaceToBatchND", space_to_batch),
    **named("BatchToSpace BatchToSpaceND", batch_to_space),
}
