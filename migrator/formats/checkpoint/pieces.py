"""A tensor, or a region of it, put together from what a checkpoint stores of it."""

from __future__ import annotations

from typing import Any, NamedTuple

from migrator.errors import FormatError, LimitError
from migrator.formats.checkpoint.entries import Index, IndexEntry, key_bytes
from migrator.formats.checkpoint.regions import (
    Region,
    elements,
    intersection,
    resolved,
    run,
    slice_key,
    whole,
)
from migrator.formats.checkpoint.values import Values
from migrator.limits import Limits
from migrator.model.dtypes import DType
from migrator.model.tensors import FileSpan


class Piece(NamedTuple):
    """A stored part, and what of it is asked for; both in the whole tensor's coordinates."""

    entry: IndexEntry
    box: Region
    wanted: Region


def find_pieces(index: Index, key: str, region: Region, where: str) -> list[Piece]:
    """What is stored of ``region``, in the order of the boxes.

    Raises FormatError where slices pass the tensor's shape or do not add up to the region.
    """
    entry = index.tensors[key]
    if not entry.slices:
        box = whole(entry.shape)
        return [Piece(entry, box, region)]
    found = []
    name = key_bytes(key)
    for extents in entry.slices:
        part = index.slices[slice_key(name, extents)]
        try:
            box = resolved(extents, entry.shape)
        except FormatError as error:
            raise error.at(where) from None
        if tuple(length for _, length in box) != part.shape:
            raise FormatError(
                f"a slice of shape {[length for _, length in box]} is stored with shape "
                f"{list(part.shape)}",
                where=where,
            )
        wanted = intersection(box, region)
        if wanted is not None:
            found.append(Piece(part, box, wanted))
    stored = sum(elements(piece.wanted) for piece in found)
    if stored != elements(region):
        raise FormatError(
            f"its {len(entry.slices):,} slices hold {stored:,} elements of "
            f"{[list(item) for item in region]}, which has {elements(region):,}",
            where=where,
            hint="slices are missing, or overlap",
        )
    found.sort(key=lambda piece: piece.wanted)
    return found


def _split_axis(pieces: list[Piece], region: Region) -> int | None:
    """The one axis along which ``pieces``, in order, cover ``region``; None for a true mosaic."""
    axes = {
        axis
        for piece in pieces
        for axis, (part, all_) in enumerate(zip(piece.wanted, region, strict=True))
        if part != all_
    }
    if len(axes) > 1:
        return None
    if not axes:
        return 0 if len(pieces) == 1 else None
    (axis,) = axes
    position = region[axis][0]
    for piece in pieces:
        start, length = piece.wanted[axis]
        if start != position:
            return None
        position += length
    return axis


def find_span(values: Values, key: str, pieces: list[Piece], region: Region) -> FileSpan | None:
    """The one run of bytes that ``region`` is, row by row; None where there is no such run.

    Raises MigratorError for a missing or short shard.
    """
    if not pieces or not pieces[0].entry.dtype.itemsize:
        return None
    first = pieces[0]
    if len(pieces) == 1 and first.wanted == first.box:
        return values.span(key, first.entry)
    if _split_axis(pieces, region) is None:
        return None
    spans: list[FileSpan] = []
    for piece in pieces:
        position = run(piece.wanted, piece.box)
        if position is None or (len(pieces) > 1 and run(piece.wanted, region) is None):
            return None
        stored = values.span(key, piece.entry)
        if stored is None:
            return None
        itemsize = piece.entry.dtype.itemsize
        span = FileSpan(
            path=stored.path,
            offset=stored.offset + position * itemsize,
            length=elements(piece.wanted) * itemsize,
            source=stored.source,
        )
        last = spans[-1] if spans else None
        if last and (last.path, last.offset + last.length) != (span.path, span.offset):
            return None
        spans.append(span)
    return FileSpan(
        path=spans[0].path,
        offset=spans[0].offset,
        length=sum(span.length for span in spans),
        source=spans[0].source,
    )


def assemble(
    values: Values,
    key: str,
    dtype: DType,
    pieces: list[Piece],
    region: Region,
    limits: Limits,
    where: str,
) -> Any:
    """The array of ``region``, read piece by piece. Raises FormatError, LimitError."""
    import numpy as np

    if len(pieces) == 1:
        return _read(values, key, pieces[0])
    shape = tuple(length for _, length in region)
    size = elements(region) * (dtype.itemsize or 8)
    if size > limits.tensor_bytes:
        raise LimitError(f"takes {size:,} bytes, the limit is {limits.tensor_bytes:,}", where=where)
    try:
        array = np.empty(shape, dtype.numpy())
        seen = np.zeros(shape, bool) if _split_axis(pieces, region) is None else None
    except (TypeError, ValueError) as error:
        raise FormatError(str(error), where=where) from None
    if seen is not None:
        for piece in pieces:
            place = _within(piece.wanted, region)
            if seen[place].any():
                raise FormatError(
                    f"two of its slices overlap at {[list(item) for item in piece.wanted]}",
                    where=where,
                )
            seen[place] = True
    for piece in pieces:
        array[_within(piece.wanted, region)] = _read(values, key, piece)
    return array


def _within(wanted: Region, region: Region) -> tuple[slice, ...]:
    """Where ``wanted`` lies in an array of ``region``."""
    return tuple(
        slice(start - origin, start - origin + length)
        for (start, length), (origin, _) in zip(wanted, region, strict=True)
    )


def _read(values: Values, key: str, piece: Piece) -> Any:
    """The wanted part of a piece; of a numeric one no more rows are read than it spans."""
    entry, box, wanted = piece
    if entry.dtype.kind == "s" or not box:
        array = values.read(key, entry)
        rest = box
    else:
        first, rows = wanted[0][0] - box[0][0], wanted[0][1]
        array = values.read(key, entry, first, rows if rows != box[0][1] else None)
        rest = (wanted[0], *box[1:])
    if rest == wanted:
        return array
    cut = tuple(
        slice(start - origin, start - origin + length)
        for (start, length), (origin, _) in zip(wanted, rest, strict=True)
    )
    return array[cut].copy()
