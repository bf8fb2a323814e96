"""The data files of a checkpoint."""

from __future__ import annotations

import threading
from collections import OrderedDict

from migrator.errors import FormatError, MigratorError
from migrator.formats.checkpoint.entries import IndexEntry
from migrator.model.tensors import FileSpan
from migrator.places.place import Place
from migrator.places.source import ByteSource

_OPEN = 16
"""So many shards are held open; a checkpoint may have thousands."""


class Shards:
    """The files ``PREFIX.data-SSSSS-of-NNNNN``, opened when someone asks for bytes of theirs."""

    __slots__ = ("_lock", "_open", "_sizes", "count", "prefix")

    def __init__(self, prefix: Place, count: int) -> None:
        self.prefix = prefix
        self.count = count
        self._open: OrderedDict[int, ByteSource] = OrderedDict()
        self._sizes: dict[int, int] = {}
        self._lock = threading.Lock()

    def base(self, shard: int) -> str:
        """The last part of its name."""
        return f"{self.prefix.base}.data-{shard:05d}-of-{self.count:05d}"

    def place(self, shard: int) -> Place:
        return self.prefix.sibling(self.base(shard))

    def path(self, shard: int) -> str:
        """Its name, as errors show it."""
        return str(self.place(shard))

    def size(self, shard: int) -> int:
        """Bytes of a shard. Raises MigratorError for one that is missing or not a file."""
        size = self._sizes.get(shard)
        if size is None:
            place = self.place(shard)
            if not place.is_file():
                raise MigratorError(
                    f"shard {shard + 1:,} of {self.count:,} is missing",
                    where=str(place),
                    hint="copy every file of the checkpoint, the .index and all .data- ones",
                )
            size = self._sizes[shard] = place.size()
        return size

    def is_there(self, shard: int) -> bool:
        try:
            self.size(shard)
        except MigratorError:
            return False
        return True

    def check(self, key: str, entry: IndexEntry) -> None:
        """See that the bytes of ``entry`` are there. Raises MigratorError where they are not."""
        size = self.size(entry.shard)
        if entry.offset + entry.size > size:
            raise FormatError(
                f"ends at byte {size:,}; {ascii(key)[:300]} takes {entry.size:,} bytes from byte "
                f"{entry.offset:,} to {entry.offset + entry.size:,}",
                where=self.path(entry.shard),
                hint="is the file truncated?",
            )

    def span(self, key: str, entry: IndexEntry) -> FileSpan | None:
        """Where the bytes of ``entry`` lie on disk; None where the shard is not on disk.

        Raises MigratorError for a missing or short shard.
        """
        self.check(key, entry)
        path = self.place(entry.shard).path
        if path is None:
            return None
        source = self._open.get(entry.shard)
        return FileSpan(path=str(path), offset=entry.offset, length=entry.size, source=source)

    def read(self, shard: int, offset: int, length: int) -> bytes:
        """Bytes of a shard. Raises MigratorError where they are not there."""
        return self._source(shard).read(offset, length)

    def read_into(self, shard: int, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer``. Raises MigratorError where the bytes are not there."""
        self._source(shard).read_into(offset, buffer)

    def _source(self, shard: int) -> ByteSource:
        with self._lock:
            source = self._open.get(shard)
            if source is None:
                self.size(shard)
                source = self._open[shard] = self.place(shard).open()
                if len(self._open) > _OPEN:
                    self._open.popitem(last=False)
            else:
                self._open.move_to_end(shard)
        return source
