"""Values of sparse tensors, spread over the dense shape.

A sparse tensor is a tree: each level is a dimension of the tensor, or of the blocks that it is cut
into, in the traversal order. A dense level has all its indices under each parent, a CSR level those
that its own vectors list. The leaves are the values of the buffer, in depth-first order; what no
leaf names is zero.

Source of the layout: "The Tensor Algebra Compiler" (Kjolstad et al., 2017), as TFLite's schema
changes it (``SparsityParameters`` in schema.fbs).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from migrator.formats.tflite.flat import Broken, Flat
from migrator.formats.tflite.schema import DIMENSION, INDEX_VECTOR, SPARSITY

_CSR = 1
_WIDTHS = {1: 4, 2: 2, 3: 1}
"""Bytes of an index by the type of its vector."""
_FORMS = {1: "<i4", 2: "<u2", 3: "u1"}
_CHUNK = 1 << 16
"""Entries that are spread at a time, so that indices stay small beside the values."""
_MOST_LEVELS = 128
"""Twice the dimensions that an array can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Level:
    """One level of the tree. An index below ``extent`` moves by ``stride`` dense elements; of a
    CSR level the vectors are there, of a dense one they are None."""

    extent: int
    stride: int
    segments: Any
    indices: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseLevel:
    """A level as the file has it: ``size`` of a dense one, places of the vectors of a CSR one."""

    part: str
    sparse: bool
    size: int
    vectors: tuple[tuple[int, int, int], ...]
    """(position, numbers, type) of the segments and of the indices."""


class Sparsity:
    """How the values of one tensor lie in its dense shape. Every index is checked."""

    __slots__ = ("_flat", "_levels", "count")

    def __init__(self, flat: Flat, at: int, dims: tuple[int, ...]) -> None:
        """``at``: the SparsityParameters, ``dims``: the dense shape. Raises Broken."""
        self._flat = flat
        order, blocks, rows = read_sparsity(flat, at)
        if len(dims) + len(blocks) != len(order) or len(rows) != len(order):
            raise Broken(
                f"{len(dims)} dimensions and {len(blocks)} of blocks make "
                f"{len(dims) + len(blocks)} levels, traversal_order names {len(order)} and "
                f"dim_metadata {len(rows)}",
                where="sparsity",
                hint="is the file damaged?",
            )
        self._levels = self._all(order, blocks, rows, dims)

    def _all(
        self,
        order: tuple[int, ...],
        blocks: tuple[int, ...],
        rows: list[SparseLevel],
        dims: tuple[int, ...],
    ) -> list[_Level]:
        rank = len(dims)
        if sorted(order[:rank]) != list(range(rank)) or sorted(order[rank:]) != list(
            range(rank, len(order))
        ):
            raise Broken(
                f"{list(order)} is no order of {rank} dimensions and {len(blocks)} of blocks",
                where="sparsity.traversal_order",
            )
        if len(set(blocks)) != len(blocks) or not all(0 <= item < rank for item in blocks):
            raise Broken(
                f"{list(blocks)} does not name dimensions of {rank}, each once",
                where="sparsity.block_map",
            )
        strides = [1] * rank
        for number in range(rank - 1, 0, -1):
            strides[number - 1] = strides[number] * dims[number]
        block_of = dict.fromkeys(range(rank), 1)
        for number, row in zip(order[rank:], rows[rank:], strict=True):
            if row.sparse:
                raise Broken("is sparse, and blocks are dense", where=f"{row.part}.format")
            block_of[blocks[number - rank]] = row.size
        found = []
        entries = 1  # at the level above
        for level, (number, row) in enumerate(zip(order, rows, strict=True)):
            if level < rank:
                block = block_of[number]
                extent = dims[number] // block if block else 0
                stride = strides[number] * block
            else:
                extent, stride = row.size, strides[blocks[number - rank]]
            made, entries = self._level(row, extent, stride, entries)
            found.append(made)
        self.count = entries
        return found

    def _level(self, row: SparseLevel, extent: int, stride: int, above: int) -> tuple[_Level, int]:
        """A level under ``above`` entries, and how many it has itself."""
        if not row.sparse:
            if row.size < 0 or row.size > extent:
                raise Broken(
                    f"is {row.size:,}, and the shape has room for {extent:,}",
                    where=f"{row.part}.dense_size",
                )
            made = _Level(extent=row.size, stride=stride, segments=None, indices=None)
            return made, above * row.size

        (at, count, kind), (indices_at, entries, indices_kind) = row.vectors
        where = f"{row.part}.array_segments"
        if count != above + 1:
            raise Broken(f"has {count:,} numbers, {above + 1:,} are expected", where=where)
        if entries > above * extent:
            raise Broken(
                f"has {entries:,} indices, and there is room for {above * extent:,}",
                where=f"{row.part}.array_indices",
            )
        segments = self._numbers(at, count, kind)
        if (
            segments[0] != 0
            or segments[-1] != entries
            or bool((segments[1:] < segments[:-1]).any())
        ):
            raise Broken(f"does not go from 0 up to its {entries:,} indices", where=where)
        indices = self._numbers(indices_at, entries, indices_kind)
        if entries and not 0 <= int(indices.min()) <= int(indices.max()) < extent:
            raise Broken(
                f"names {int(indices.min()):,} to {int(indices.max()):,} of {extent:,}",
                where=f"{row.part}.array_indices",
            )
        return _Level(extent=extent, stride=stride, segments=segments, indices=indices), entries

    def _numbers(self, at: int, count: int, kind: int) -> Any:
        import numpy as np

        raw = np.empty(count * _WIDTHS[kind], np.uint8)
        if count:
            self._flat.source.read_into(at, raw.data)
        return raw.view(_FORMS[kind])

    def spread(self, values: Any, dense: Any) -> None:
        """Put ``values``, ``count`` of them, where they belong in ``dense``: flat, and zero."""
        import numpy as np

        done = 0
        first = np.zeros(1, np.int64)
        for places in self._places(0, first, first):
            dense[places] = values[done : done + len(places)]
            done += len(places)

    def _places(self, depth: int, above: Any, places: Any) -> Iterator[Any]:
        """Dense places of the leaves under the entries ``above``, whose own are ``places``."""
        import numpy as np

        if self._flat.source.deadline is not None:
            self._flat.source.deadline.check(self._flat.source.name)
        if depth == len(self._levels):
            yield places
            return
        level = self._levels[depth]
        if level.segments is None and level.extent == 1:
            yield from self._places(depth + 1, above, places)
            return
        if level.segments is None:
            starts, counts = above * level.extent, np.full(len(above), level.extent, np.int64)
        else:
            starts = level.segments[above].astype(np.int64)
            counts = level.segments[above + 1].astype(np.int64) - starts
        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        before = starts - (ends - counts)
        for first in range(0, total, _CHUNK):
            stop = min(first + _CHUNK, total)
            low, high = np.searchsorted(ends, (first, stop - 1), side="right")
            part = slice(low, high + 1)
            taken = np.minimum(ends[part], stop) - np.maximum(ends[part] - counts[part], first)
            parent = np.repeat(np.arange(low, high + 1), taken)
            entry = np.arange(first, stop) + before[parent]
            index = entry - starts[parent] if level.indices is None else level.indices[entry]
            moved = places[parent] + index.astype(np.int64) * level.stride
            yield from self._places(depth + 1, entry, moved)


def read_sparsity(
    flat: Flat, at: int
) -> tuple[tuple[int, ...], tuple[int, ...], list[SparseLevel]]:
    """The traversal order, the dimension that each block dimension cuts, the levels as the file
    has them. Raises Broken."""
    order_at, blocks_at, levels_at = flat.table(SPARSITY, at, "sparsity")
    order = _bounded(flat, order_at, "sparsity.traversal_order")
    blocks = _bounded(flat, blocks_at, "sparsity.block_map")
    part = "sparsity.dim_metadata"
    start, count = flat.vector(levels_at, 4, part) if levels_at else (0, 0)
    if count > _MOST_LEVELS:
        raise Broken(f"has {count:,} levels, more than an array can have", where=part)
    rows = []
    for number in range(count):
        own = f"{part}[{number}]"
        form, size, *vectors = flat.table(DIMENSION, flat.follow(start + 4 * number, own), own)
        if form not in (0, _CSR):
            raise Broken(f"is {form}, neither dense (0) nor CSR (1)", where=f"{own}.format")
        places: tuple[tuple[int, int, int], ...] = ()
        if form == _CSR:
            places = (
                _index_vector(flat, vectors[0], vectors[1], f"{own}.array_segments"),
                _index_vector(flat, vectors[2], vectors[3], f"{own}.array_indices"),
            )
        rows.append(SparseLevel(part=own, sparse=form == _CSR, size=size, vectors=places))
    return order, blocks, rows


def _bounded(flat: Flat, at: int, part: str) -> tuple[int, ...]:
    if at and flat.vector(at, 4, part)[1] > _MOST_LEVELS:
        raise Broken("has more numbers than an array has dimensions", where=part)
    found: tuple[int, ...] = flat.numbers(at, "i", part)
    return found


def _index_vector(flat: Flat, kind: int, at: int, part: str) -> tuple[int, int, int]:
    """(position, numbers, type) of a vector of indices."""
    width = _WIDTHS.get(kind)
    if not at or width is None:
        raise Broken(
            f"is a vector of type {kind}, 1 to 3 are known" if at else "is missing", where=part
        )
    values_at = flat.table(INDEX_VECTOR, at, part)[0]
    start, count = flat.vector(values_at, width, part) if values_at else (0, 0)
    return start, count, kind
