"""The data files of a checkpoint."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict

from migrator.errors import FormatError, MigratorError
from migrator.formats.checkpoint.entries import Entry
from migrator.formats.source import ByteSource
from migrator.model.tensors import FileSpan

_OPEN = 16
"""So many shards are held open; a checkpoint may have thousands."""


class Shards:
    """The files ``PREFIX.data-SSSSS-of-NNNNN``, opened when someone asks for bytes of theirs."""

    __slots__ = ("_lock", "_open", "_sizes", "count", "prefix")

    def __init__(self, prefix: str, count: int) -> None:
        self.prefix = prefix
        self.count = count
        self._open: OrderedDict[int, ByteSource] = OrderedDict()
        self._sizes: dict[int, int] = {}
        self._lock = threading.Lock()

    def path(self, shard: int) -> str:
        return f"{self.prefix}.data-{shard:05d}-of-{self.count:05d}"

    def size(self, shard: int) -> int:
        """Bytes of a shard. Raises MigratorError for one that is missing or not a file."""
        size = self._sizes.get(shard)
        if size is None:
            path = self.path(shard)
            try:
                size = self._sizes[shard] = os.stat(path).st_size
            except (OSError, ValueError) as error:
                missing = isinstance(error, FileNotFoundError)
                raise MigratorError(
                    f"shard {shard + 1:,} of {self.count:,} is missing"
                    if missing
                    else f"cannot be read: {error}",
                    where=path,
                    hint="copy every file of the checkpoint, the .index and all .data- ones",
                ) from None
        return size

    def span(self, key: str, entry: Entry) -> FileSpan:
        """Where the bytes of ``entry`` lie. Raises MigratorError for a missing or short shard."""
        size = self.size(entry.shard)
        if entry.offset + entry.size > size:
            raise FormatError(
                f"ends at byte {size:,}; {ascii(key)[:300]} takes {entry.size:,} bytes from byte "
                f"{entry.offset:,} to {entry.offset + entry.size:,}",
                where=self.path(entry.shard),
                hint="is the file truncated?",
            )
        return FileSpan(path=self.path(entry.shard), offset=entry.offset, length=entry.size)

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
                source = self._open[shard] = ByteSource.open(self.path(shard))
                if len(self._open) > _OPEN:
                    self._open.popitem(last=False)
            else:
                self._open.move_to_end(shard)
        return source
