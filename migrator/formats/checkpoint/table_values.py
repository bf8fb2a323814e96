"""Version 1: the values of a checkpoint, in the blocks of its tables."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any, NamedTuple

from migrator.errors import FormatError, MigratorError
from migrator.formats.checkpoint.crc32c import crc32c, masked
from migrator.formats.checkpoint.entries import IndexEntry
from migrator.formats.checkpoint.table import Found, Table
from migrator.formats.checkpoint.values import (
    array_bytes,
    check_size,
    fixed_lengths,
    little,
)
from migrator.formats.checkpoint.version1 import decoded, table_key
from migrator.formats.tensors import shaped
from migrator.formats.wire import LENGTH, VARINT, read_varint
from migrator.limits import Limits
from migrator.model.tensors import FileSpan
from migrator.places.place import Place

_OPEN = 16
"""So many tables are held open; a checkpoint may have thousands."""
_PART = 4 << 20
_FIELDS = {1: 5, 2: 6, 8: 9, 18: 12}
"""Types whose packed list in a TensorProto is the array's own bytes -> the number of its field."""
_INNER = (2, 3)
"""SavedTensorSlices.data, SavedSlice.data."""
_HEAD = 24
_MOST_FIELDS = 16


class _Run(NamedTuple):
    """Where the array's own bytes lie in the value of a key."""

    offset: int
    length: int


class TableValues:
    """The values of a version 1 checkpoint.

    A block's checksum is compared when a value in it is first read whole; a part of a large value
    is read without that. Safe to use from several threads.
    """

    def __init__(self, places: list[Place], limits: Limits) -> None:
        self._places = places
        self._limits = limits
        self._open: OrderedDict[int, Table] = OrderedDict()
        self._lock = threading.RLock()
        self.count = len(places)

    def path(self, shard: int) -> str:
        return str(self._places[shard])

    def base(self, shard: int) -> str:
        return self._places[shard].base

    def total_bytes(self) -> int:
        return sum(place.size() for place in self._places if place.is_file())

    def missing(self) -> list[str]:
        if self.count == 1:  # it is open
            return []
        return [place.base for place in self._places if not place.is_file()]

    def faults(self) -> list[str]:
        return []

    def adopt(self, shard: int, table: Table) -> None:
        """Use a table that is open already."""
        with self._lock:
            self._open[shard] = table
            if len(self._open) > _OPEN:
                self._open.popitem(last=False)

    def stored_bytes(self, key: str, entry: IndexEntry) -> int:
        if entry.dtype.itemsize:
            return entry.size
        try:
            return self._found(key, entry)[1].length
        except MigratorError:  # whoever reads it hears of it
            return 0

    def span(self, key: str, entry: IndexEntry) -> FileSpan | None:
        with self._lock:
            table, found = self._found(key, entry)
            run = self._run(table, found, key, entry)
            disk = None if run is None else table.on_disk(found, run.offset)
            if run is None or disk is None:
                return None
            return FileSpan(
                path=disk.path, offset=disk.offset, length=run.length, source=disk.source
            )

    def read(self, key: str, entry: IndexEntry, first: int = 0, rows: int | None = None) -> Any:
        import numpy as np

        where = self._where(key, entry)
        with self._lock:
            table, found = self._found(key, entry)
            run = self._run(table, found, key, entry)
            if run is None:
                check_size(max(found.length, entry.size), self._limits, where)
                table.check_block(found.block)
                array = shaped(decoded(table.read(found), entry, where), entry.shape, where)
                return array if rows is None else array[first : first + rows]
            offset, length, shape = run.offset, run.length, entry.shape
            if rows is not None:
                row = length // shape[0] if shape[0] else 0
                offset, length, shape = offset + first * row, rows * row, (rows, *shape[1:])
            check_size(length, self._limits, where)
            raw = np.empty(length, np.uint8)
            table.read_into(found, offset, raw.data, check=rows is None)
        return shaped(little(raw, entry, where), shape, where)

    def texts(self, key: str, entry: IndexEntry) -> list[bytes]:
        return [bytes(item) for item in self.read(key, entry).ravel()]

    def check(self, key: str, entry: IndexEntry) -> None:
        with self._lock:
            table, found = self._found(key, entry)
            self._run(table, found, key, entry)

    def verify(self, key: str, entry: IndexEntry) -> int:
        """Compare the checksum of the block, once for all values in it, and see that the value
        fits its type and shape."""
        with self._lock:
            table, found = self._found(key, entry)
            table.check_block(found.block)
            if self._run(table, found, key, entry) is None:
                where = self._where(key, entry)
                check_size(max(found.length, entry.size), self._limits, where)
                decoded(table.read(found), entry, where)
            return found.length

    def checksum(self, key: str, entry: IndexEntry) -> int:
        with self._lock:
            table, found = self._found(key, entry)
            run = self._run(table, found, key, entry)
            crc = 0
            if run is not None:
                for start in range(0, run.length, _PART):
                    size = min(_PART, run.length - start)
                    crc = crc32c(table.read(found, run.offset + start, size), crc)
                return masked(crc)
        array = self.read(key, entry)
        if entry.dtype.kind != "s":
            kind = array.dtype
            if kind.byteorder not in "|<":
                array = array.astype(kind.newbyteorder("<"), copy=False)
            return masked(crc32c(array.tobytes()))
        texts = array.ravel().tolist()
        lengths = fixed_lengths([len(text) for text in texts])
        stored = masked(crc32c(lengths)).to_bytes(4, "little")
        return masked(crc32c(b"".join([stored, *texts]), crc32c(lengths)))

    def _where(self, key: str, entry: IndexEntry) -> str:
        return f"{self.path(entry.shard)}: {ascii(key)[:300]}"

    def _table(self, shard: int) -> Table:
        table = self._open.get(shard)
        if table is None:
            table = Table(self._places[shard].open(), self._limits)
            self.adopt(shard, table)
        else:
            self._open.move_to_end(shard)
        return table

    def _found(self, key: str, entry: IndexEntry) -> tuple[Table, Found]:
        with self._lock:
            table = self._table(entry.shard)
            found = table.find(table_key(key, entry))
        if found is None:
            raise FormatError(
                "is listed in the header, and its value is not there",
                where=self._where(key, entry),
                hint="is the file damaged? copy it again",
            )
        return table, found

    def _run(self, table: Table, found: Found, key: str, entry: IndexEntry) -> _Run | None:
        """Where the array's own bytes lie, None where they are encoded (integers, strings).

        Raises FormatError where they are not as many as type and shape take.
        """
        field = _FIELDS.get(entry.dtype.base)
        if not entry.dtype.itemsize and entry.dtype.kind != "s":
            array_bytes(entry, self._where(key, entry))  # says what is wrong
        run: _Run | None = _Run(0, found.length)
        for number in (*_INNER, field):
            run = None if run is None or number is None else _only(table, found, run, number)
        if run is not None and run.length != array_bytes(entry, self._where(key, entry)):
            raise FormatError(
                f"holds {run.length:,} bytes of values, {entry.dtype} of shape "
                f"{list(entry.shape)} takes {array_bytes(entry, self._where(key, entry)):,}",
                where=self._where(key, entry),
            )
        return run


def _only(table: Table, found: Found, outer: _Run, number: int) -> _Run | None:
    """The payload of the field ``number``; None where it comes not once, or among too many."""
    position, end = outer.offset, outer.offset + outer.length
    inner: _Run | None = None
    for _ in range(_MOST_FIELDS):
        if position >= end:
            return inner
        head = table.read(found, position, min(_HEAD, end - position))
        try:
            tag, after = read_varint(head, 0)
            value, after = read_varint(head, after)
        except ValueError:
            return None
        if tag & 7 not in (VARINT, LENGTH):
            return None
        length = value if tag & 7 == LENGTH else 0
        if position + after + length > end:
            return None
        if tag >> 3 == number:
            if inner is not None or tag & 7 != LENGTH:
                return None
            inner = _Run(position + after, length)
        position += after + length
    return None
