"""The bytes of one entry, as they lie in a shard, to values."""

from __future__ import annotations

from typing import Any

from migrator.errors import FormatError, LimitError
from migrator.formats.checkpoint.crc32c import crc32c, masked
from migrator.formats.checkpoint.entries import Entry
from migrator.formats.checkpoint.shards import Shards
from migrator.limits import Limits
from migrator.model.tensors import FileSpan, Shape

_PART = 4 << 20
"""Bytes that are read at a time where only their checksum is wanted."""


def span_of(shards: Shards, key: str, entry: Entry) -> FileSpan | None:
    """Where on disk the raw bytes of a numeric entry lie, as many as its type and shape take.

    None where its shard is not on disk.

    Raises MigratorError where they do not fit or are not there.
    """
    expected = _bytes(entry, _where(shards, key, entry))
    span = shards.span(key, entry)
    if entry.size != expected:
        raise FormatError(
            f"its entry states {entry.size:,} bytes, {entry.dtype} of shape "
            f"{Shape(entry.shape)} takes {expected:,}",
            where=_where(shards, key, entry),
        )
    return span


def _where(shards: Shards, key: str, entry: Entry) -> str:
    return f"{shards.path(entry.shard)}: {ascii(key)[:300]}"


def _bytes(entry: Entry, where: str) -> int:
    """Bytes that the type and shape of an entry take."""
    count = Shape(entry.shape).elements
    if count is None:
        raise FormatError(f"no tensor has the shape {str(Shape(entry.shape))[:200]}", where=where)
    if not entry.dtype.itemsize:
        raise FormatError(f"{entry.dtype} has no values to read", where=where)
    return count * entry.dtype.itemsize


def read_numeric(
    shards: Shards, key: str, entry: Entry, limits: Limits, first: int = 0, rows: int | None = None
) -> Any:
    """The array of an entry of fixed element size, or ``rows`` of it from row ``first`` on."""
    import numpy as np

    where = _where(shards, key, entry)
    span_of(shards, key, entry)
    offset, length, shape = entry.offset, entry.size, entry.shape
    if rows is not None:
        row = length // shape[0] if shape[0] else 0
        offset, length, shape = offset + first * row, rows * row, (rows, *shape[1:])
    if length > limits.tensor_bytes:
        raise LimitError(
            f"takes {length:,} bytes, the limit is {limits.tensor_bytes:,}", where=where
        )
    raw = np.empty(length, np.uint8)
    if length:
        shards.read_into(entry.shard, offset, raw.data)
    return shaped(little(raw, entry, where), shape, where)


def little(raw: Any, entry: Entry, where: str) -> Any:
    """``raw`` little-endian bytes as a flat array of the entry's type."""
    try:
        kind = entry.dtype.numpy()
    except TypeError as error:
        raise FormatError(str(error), where=where) from None
    stored = kind.newbyteorder("<") if kind.byteorder != "|" else kind
    return raw.view(stored).astype(kind, copy=False)


def shaped(array: Any, shape: tuple[int, ...], where: str) -> Any:
    try:
        return array.reshape(shape)
    except ValueError as error:  # more dimensions, or larger ones, than numpy has
        raise FormatError(
            f"its shape is none that an array can have: {error}", where=where
        ) from None


def read_strings(shards: Shards, key: str, entry: Entry, limits: Limits) -> Any:
    """An object array of bytes: the lengths, their checksum, then all strings in one run."""
    import numpy as np

    where = _where(shards, key, entry)
    raw, lengths, index = _string_lengths(shards, key, entry, limits)
    array = np.empty(len(lengths), dtype=object)
    for slot, length in enumerate(lengths):
        array[slot] = raw[index : index + length]
        index += length
    return shaped(array, entry.shape, where)


def _string_lengths(
    shards: Shards, key: str, entry: Entry, limits: Limits
) -> tuple[bytes, list[int], int]:
    """The raw bytes of a string entry, the length of each string, and where the first one is."""
    where = _where(shards, key, entry)
    count = Shape(entry.shape).elements
    shards.check(key, entry)
    if count is None or count + 4 > entry.size:
        raise FormatError(
            f"{entry.size:,} bytes hold no strings of shape {str(Shape(entry.shape))[:200]}",
            where=where,
        )
    if entry.size > limits.tensor_bytes:
        raise LimitError(
            f"takes {entry.size:,} bytes, the limit is {limits.tensor_bytes:,}", where=where
        )
    raw = shards.read(entry.shard, entry.offset, entry.size)
    lengths: list[int] = []
    index, end = 0, len(raw) - 4
    for _ in range(count):
        value = shift = 0
        byte = 128
        while byte > 127:
            if index >= end or shift > 63:
                raise FormatError(
                    f"the length of string {len(lengths):,} is broken "
                    f"(byte {entry.offset + index:,})",
                    where=where,
                )
            byte = raw[index]
            value |= (byte & 127) << shift
            shift += 7
            index += 1
        lengths.append(value)
    expected = index + 4 + sum(lengths)
    if expected != len(raw):
        raise FormatError(f"its strings take {expected:,} bytes, it has {len(raw):,}", where=where)
    stored = int.from_bytes(raw[index : index + 4], "little")
    found = masked(crc32c(_fixed(lengths)))
    if stored != found:
        raise FormatError(
            f"the lengths of its strings have checksum {found:08x}, the file says {stored:08x} "
            f"(byte {entry.offset + index:,})",
            where=where,
            hint="is the file damaged? copy it again",
        )
    return raw, lengths, index + 4


def _fixed(lengths: list[int]) -> bytes:
    """The lengths in the form that is checksummed: four bytes each, eight for those past them."""
    return b"".join([length.to_bytes(4 if length < 1 << 32 else 8, "little") for length in lengths])


def verify_entry(shards: Shards, key: str, entry: Entry, limits: Limits) -> int:
    """Read all of an entry and compare its checksum; the number of bytes read.

    Raises FormatError where it is another one, MigratorError for a missing or short shard.
    """
    if entry.dtype.kind == "s":
        raw, lengths, index = _string_lengths(shards, key, entry, limits)
        crc = crc32c(memoryview(raw)[index - 4 :], crc32c(_fixed(lengths)))
    else:
        shards.check(key, entry)
        crc = 0
        buffer = memoryview(bytearray(min(_PART, entry.size)))
        for start in range(0, entry.size, _PART):
            part = buffer[: entry.size - start]
            shards.read_into(entry.shard, entry.offset + start, part)
            crc = crc32c(part, crc)
    if masked(crc) != entry.crc:
        raise FormatError(
            f"its {entry.size:,} bytes at byte {entry.offset:,} have checksum "
            f"{masked(crc):08x}, the index says {entry.crc:08x}",
            where=_where(shards, key, entry),
            hint="is the file damaged? copy it again",
        )
    return entry.size
