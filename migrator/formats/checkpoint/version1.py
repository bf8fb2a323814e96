"""Version 1 checkpoints: tables that hold the values themselves, one file or one for each shard.

The key ``""`` holds a SavedTensorSlices message that lists every tensor and its slices; the other
keys each hold one slice, as a TensorProto without type and shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from migrator.errors import FormatError, MigratorError, UnsupportedFormat
from migrator.formats.checkpoint.entries import (
    OUR_VERSION,
    Index,
    IndexEntry,
    key_bytes,
    key_text,
    read_extents,
)
from migrator.formats.checkpoint.locate import OLD_SHARD
from migrator.formats.checkpoint.regions import Extents, elements, resolved, slice_key, whole
from migrator.formats.checkpoint.table import Table
from migrator.formats.messages import message_class
from migrator.formats.tensors import listed_values
from migrator.limits import Limits
from migrator.model.dtypes import DType
from migrator.model.tensors import Shape
from migrator.places.place import Place
from migrator.places.source import ByteSource

_META = b"\x0a"
"""The tag of SavedTensorSlices.meta, which no header of version 2 starts with: there it would be
the varint num_shards."""
_MOST_SHARDS = 4096


def is_version_1(value: bytes) -> bool:
    """Whether ``value``, that of the key ``""``, is of version 1."""
    return value[:1] == _META


def starts_as_version_1(source: ByteSource, limits: Limits) -> bool:
    """Whether a table is a version 1 checkpoint, told without reading its first block whole.

    False for one that is damaged or compressed: reading on tells.
    """
    try:
        return Table(source, limits).starts_with(b"", _META)
    except MigratorError:
        return False


def shard_places(place: Place) -> list[Place]:
    """The files of the checkpoint that the file or the pattern ``place`` belongs to, in order."""
    found = _shard(place)
    if found is None:
        return [place]
    name, count = found["prefix"], found["count"]
    return [place.sibling(f"{name}-{shard:05d}-of-{count}") for shard in range(int(count))]


def _shard(place: Place) -> re.Match[str] | None:
    found = OLD_SHARD.match(place.base)
    return found if found is not None and 0 < int(found["count"]) <= _MOST_SHARDS else None


def read_version_1(tables: list[Table | None], limits: Limits) -> tuple[Index, list[MigratorError]]:
    """The tensors of the files that are there, by key, and what is wrong with single files.

    Raises what is wrong where there is only one file, or none is sound.
    """
    parts: dict[bytes, tuple[DType, tuple[int, ...], list[tuple[Extents, int]]]] = {}
    problems: list[MigratorError] = []
    sound = count = 0
    for shard, table in enumerate(tables):
        if table is None:
            continue
        try:
            for name, dtype, shape, listed in _listed(table, limits):
                held = parts.setdefault(name, (dtype, shape, []))
                if held[:2] != (dtype, shape):
                    raise _broken(table, name, "is of another type or shape in another shard")
                held[2].extend((item, shard) for item in listed)
                count += len(listed)
                if not count & 0xFFF:
                    limits.check("variables", count, where=table.source.name)
        except MigratorError as error:
            problems.append(error)
        else:
            sound += 1
    if problems and not sound:
        raise problems[0]
    limits.check("variables", count + len(parts))
    index = Index(shards=len(tables), tensors={}, slices={})
    for name in sorted(parts):
        dtype, shape, slices = parts[name]
        try:
            _add(index, name, dtype, shape, slices)
        except FormatError as error:
            problems.append(error)
    return index, problems


def _add(
    index: Index,
    name: bytes,
    dtype: DType,
    shape: tuple[int, ...],
    slices: list[tuple[Extents, int]],
) -> None:
    """Enter one tensor with its slices. Raises FormatError."""
    where = ascii(key_text(name))[:300]
    if not slices:
        raise FormatError("is listed without a slice", where=where)
    entries = {}
    for extents, shard in slices:
        try:
            box = resolved(extents, shape)
        except FormatError as error:
            raise error.at(where) from None
        key = slice_key(name, extents)
        if key in entries:
            raise FormatError("one of its slices is listed twice", where=where)
        size = elements(box) * dtype.itemsize
        part = tuple(length for _, length in box)
        entries[key] = IndexEntry(dtype, part, shard, 0, size, 0, (), key)
        if box == whole(shape) and len(slices) == 1:
            index.tensors[key_text(name)] = entries[key]
            return
    index.slices.update(entries)
    index.tensors[key_text(name)] = IndexEntry(
        dtype, shape, slices[0][1], 0, 0, 0, tuple(extents for extents, _ in slices)
    )


def _listed(
    table: Table, limits: Limits
) -> Iterator[tuple[bytes, DType, tuple[int, ...], list[Extents]]]:
    """What one file lists."""
    from google.protobuf.message import DecodeError

    first = table.first()
    where = table.source.name
    if first is None or first[0] != b"" or not is_version_1(first[1]):
        raise FormatError("is a table, but not of a version 1 checkpoint: no header", where=where)
    try:
        meta = message_class("SavedTensorSlices").FromString(first[1]).meta
    except DecodeError:
        raise FormatError("the checkpoint's header is not well-formed", where=where) from None
    limits.check("variables", len(meta.tensor), where=where)
    if meta.versions.min_consumer > OUR_VERSION:
        raise UnsupportedFormat(
            f"is a checkpoint for readers of version {meta.versions.min_consumer:,} and later",
            where=where,
        )
    for item in meta.tensor:
        shape = tuple([dim.size for dim in item.shape.dim])
        if item.shape.unknown_rank or any(size < 0 for size in shape):
            raise _broken(table, item.name, "has no full shape")
        if Shape(shape).elements is None:
            raise _broken(table, item.name, f"no tensor has the shape {str(Shape(shape))[:200]}")
        yield item.name, DType(item.type), shape, [read_extents(part) for part in item.slice]


def _broken(table: Table, name: bytes, what: str) -> FormatError:
    return FormatError(what, where=f"{table.source.name}: entry {ascii(key_text(name))[:300]}")


def table_key(key: str, entry: IndexEntry) -> bytes:
    """The key that the value of ``entry``, a tensor called ``key`` or a part of it, lies under."""
    return entry.stored or slice_key(key_bytes(key), tuple((0, None) for _ in entry.shape))


def decoded(data: bytes, entry: IndexEntry, where: str) -> Any:
    """The flat array of a SavedTensorSlices message that holds one slice."""
    from google.protobuf.message import DecodeError

    try:
        message = message_class("SavedTensorSlices").FromString(data).data.data
    except DecodeError:
        raise FormatError("its value is not well-formed", where=where) from None
    try:
        kind = entry.dtype.numpy()
    except TypeError as error:
        raise FormatError(str(error), where=where) from None
    values = listed_values(message, entry.dtype, kind)
    count = Shape(entry.shape).elements
    if len(values) != count:
        raise FormatError(
            f"holds {len(values):,} values, shape {list(entry.shape)} takes {count:,}", where=where
        )
    return values
