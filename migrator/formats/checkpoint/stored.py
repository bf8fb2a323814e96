"""Version 2: the bytes of one entry, as they lie in a shard, to values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from migrator.errors import FormatError
from migrator.formats.checkpoint.crc32c import crc32c, masked
from migrator.formats.checkpoint.entries import Index, IndexEntry, key_bytes
from migrator.formats.checkpoint.regions import slice_key
from migrator.formats.checkpoint.shards import Shards
from migrator.formats.checkpoint.values import (
    array_bytes,
    check_size,
    fixed_lengths,
    little,
)
from migrator.formats.tensors import shaped
from migrator.limits import Limits
from migrator.model.tensors import FileSpan, Shape

_NAMED = 5
"""So many keys are named in a warning."""
_PART = 4 << 20
"""Bytes that are read at a time where only their checksum is wanted."""


class ShardValues:
    """The values of a version 2 checkpoint, in its shards."""

    def __init__(self, shards: Shards, index: Index, limits: Limits) -> None:
        self._shards = shards
        self._index = index
        self._limits = limits
        self.count = shards.count

    def path(self, shard: int) -> str:
        return self._shards.path(shard)

    def base(self, shard: int) -> str:
        return self._shards.base(shard)

    def total_bytes(self) -> int:
        shards = self._shards
        return sum(shards.size(shard) for shard in self._used() if shards.is_there(shard))

    def _used(self) -> set[int]:
        """The files that hold something: the index may tell of any number of others."""
        return {entry.shard for _, entry in self._held()}

    def missing(self) -> list[str]:
        shards, used = self._shards, self._used()
        return [shards.base(shard) for shard in sorted(used) if not shards.is_there(shard)]

    def faults(self) -> list[str]:
        """Entries that pass the end of their shard, one line for each shard."""
        sizes: dict[int, int | None] = {}
        late: dict[int, list[str]] = {}
        for key, entry in self._held():
            if entry.dtype.kind == "h":  # left out anyway
                continue
            if entry.shard not in sizes:
                there = self._shards.is_there(entry.shard)
                sizes[entry.shard] = self._shards.size(entry.shard) if there else None
            size = sizes[entry.shard]
            if size is not None and entry.offset + entry.size > size:
                late.setdefault(entry.shard, []).append(key)
        return [
            f"{self._shards.place(shard).base} ends at byte {sizes[shard]:,}, and "
            f"{len(keys):,} entries of the index pass it: "
            + ", ".join(ascii(key)[:100] for key in keys[:_NAMED])
            + (" ..." if len(keys) > _NAMED else "")
            for shard, keys in sorted(late.items())
        ]

    def _held(self) -> Iterator[tuple[str, IndexEntry]]:
        """Every entry with bytes of its own."""
        index = self._index
        for key, entry in index.tensors.items():
            if not entry.slices:
                yield key, entry
                continue
            name = key_bytes(key)
            for extents in entry.slices:
                yield key, index.slices[slice_key(name, extents)]

    def stored_bytes(self, key: str, entry: IndexEntry) -> int:
        return entry.size

    def span(self, key: str, entry: IndexEntry) -> FileSpan | None:
        if not entry.dtype.itemsize:
            return None
        return self._span(key, entry)

    def read(self, key: str, entry: IndexEntry, first: int = 0, rows: int | None = None) -> Any:
        if entry.dtype.kind == "s":
            return self._strings(key, entry)
        return self._numbers(key, entry, first, rows)

    def check(self, key: str, entry: IndexEntry) -> None:
        if entry.dtype.kind == "s":
            self._shards.check(key, entry)
        else:
            self._span(key, entry)

    def checksum(self, key: str, entry: IndexEntry) -> int:
        return entry.crc

    def _where(self, key: str, entry: IndexEntry) -> str:
        return f"{self.path(entry.shard)}: {ascii(key)[:300]}"

    def _span(self, key: str, entry: IndexEntry) -> FileSpan | None:
        """Where on disk the raw bytes of a numeric entry lie; None where its shard is not there.

        Raises MigratorError where they do not fit type and shape, or end too early.
        """
        where = self._where(key, entry)
        expected = array_bytes(entry, where)
        span = self._shards.span(key, entry)
        if entry.size != expected:
            raise FormatError(
                f"its entry states {entry.size:,} bytes, {entry.dtype} of shape "
                f"{Shape(entry.shape)} takes {expected:,}",
                where=where,
            )
        return span

    def _numbers(self, key: str, entry: IndexEntry, first: int, rows: int | None) -> Any:
        """The array of an entry of fixed element size, or ``rows`` of it from row ``first`` on."""
        import numpy as np

        where = self._where(key, entry)
        self._span(key, entry)
        offset, length, shape = entry.offset, entry.size, entry.shape
        if rows is not None:
            row = length // shape[0] if shape[0] else 0
            offset, length, shape = offset + first * row, rows * row, (rows, *shape[1:])
        check_size(length, self._limits, where)
        raw = np.empty(length, np.uint8)
        if length:
            self._shards.read_into(entry.shard, offset, raw.data)
        if rows is None:
            self._compare(crc32c(raw.data), key, entry)
        return shaped(little(raw, entry, where), shape, where)

    def _strings(self, key: str, entry: IndexEntry) -> Any:
        """An object array of bytes: the lengths, their checksum, then all strings in one run."""
        import numpy as np

        texts = self.texts(key, entry)
        array = np.empty(len(texts), dtype=object)
        array[:] = texts
        return shaped(array, entry.shape, self._where(key, entry))

    def texts(self, key: str, entry: IndexEntry) -> list[bytes]:
        raw, lengths, index = self._string_lengths(key, entry)
        self._compare(_of_strings(raw, lengths, index), key, entry)
        found = []
        for length in lengths:
            found.append(raw[index : index + length])
            index += length
        return found

    def _string_lengths(self, key: str, entry: IndexEntry) -> tuple[bytes, list[int], int]:
        """The raw bytes of a string entry, the length of each string, and where the first is."""
        where = self._where(key, entry)
        count = Shape(entry.shape).elements
        self._shards.check(key, entry)
        if count is None or count + 4 > entry.size:
            raise FormatError(
                f"{entry.size:,} bytes hold no strings of shape {str(Shape(entry.shape))[:200]}",
                where=where,
            )
        check_size(entry.size, self._limits, where)
        raw = self._shards.read(entry.shard, entry.offset, entry.size)
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
            raise FormatError(
                f"its strings take {expected:,} bytes, it has {len(raw):,}", where=where
            )
        stored = int.from_bytes(raw[index : index + 4], "little")
        found = masked(crc32c(fixed_lengths(lengths)))
        if stored != found:
            raise FormatError(
                f"the lengths of its strings have checksum {found:08x}, the file says {stored:08x} "
                f"(byte {entry.offset + index:,})",
                where=where,
                hint="is the file damaged? copy it again",
            )
        return raw, lengths, index + 4

    def verify(self, key: str, entry: IndexEntry) -> int:
        """Read all of an entry and compare its checksum; the number of bytes read.

        Raises FormatError where it is another one, MigratorError for a missing or short shard.
        """
        if entry.dtype.kind == "s":
            crc = _of_strings(*self._string_lengths(key, entry))
        else:
            self._shards.check(key, entry)
            crc = 0
            buffer = memoryview(bytearray(min(_PART, entry.size)))
            for start in range(0, entry.size, _PART):
                part = buffer[: entry.size - start]
                self._shards.read_into(entry.shard, entry.offset + start, part)
                crc = crc32c(part, crc)
        self._compare(crc, key, entry)
        return entry.size

    def _compare(self, crc: int, key: str, entry: IndexEntry) -> None:
        """Raise FormatError where the bytes of an entry have another checksum than it says."""
        if masked(crc) != entry.crc:
            raise FormatError(
                f"its {entry.size:,} bytes at byte {entry.offset:,} have checksum "
                f"{masked(crc):08x}, the index says {entry.crc:08x}",
                where=self._where(key, entry),
                hint="is the file damaged? copy it again",
            )


def _of_strings(raw: bytes, lengths: list[int], index: int) -> int:
    """The checksum of a string entry: of its lengths in a fixed form, and of what follows them."""
    return crc32c(memoryview(raw)[index - 4 :], crc32c(fixed_lengths(lengths)))
