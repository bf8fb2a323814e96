"""An object at an address as a file that is read by positions."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import Any, Protocol

from migrator.errors import FormatError, StorageError
from migrator.places.addresses import shown
from migrator.places.faults import REFUSED
from migrator.places.source import ByteSource
from migrator.places.visit import Visit
from migrator.places.web import changed, strong

_MOST = 8 << 20
"""Bytes of a request: twice as many each time that reading goes straight on."""
_BLOCKS = 8
"""So many of the last answers are kept."""
_TAGS = ("ETag", "etag", "md5Hash", "generation", "VersionId", "LastModified", "Last-Modified")
_TAGS_MORE = ("last_modified", "updated", "mtime", "created")


class Shelf(Protocol):
    """The store that an object lies in."""

    visit: Visit
    is_http: bool

    @property
    def is_guarded(self) -> bool:
        """Whether each request is for the object that was told of, and for no other."""

    def info(self, address: str) -> dict[str, Any]: ...
    def fetch(self, address: str, told: dict[str, Any], start: int, end: int) -> bytes: ...
    def download(self, address: str) -> ByteSource: ...


class RemoteObject:
    """An object as a file: its last answers are kept, and a run of reads asks for more at once."""

    def __init__(self, shelf: Shelf, address: str, told: dict[str, Any], first: int) -> None:
        self._shelf = shelf
        self._first = first
        self._address = address
        self._told = told
        self._size: int = told["size"]
        self._tag = tag_of(told)
        self._position = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._ahead = first
        self._end = 0
        self._requests = 0
        self._whole: ByteSource | None = None

    def seek(self, position: int) -> None:
        self._position = position

    def read(self, count: int) -> bytes:
        at = self._position
        if self._whole is not None:
            data = self._whole.read(at, min(count, self._whole.size - at))
        else:
            data = self._kept(at, count) or self._fetched(at, count)
        self._position += len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._blocks.clear()

    def check_same(self) -> None:
        """Raise StorageError where it is another object by now; one request saw only one."""
        if self._requests < 2:
            return
        info = self._shelf.info(self._address)
        if info.get("size") != self._size or tag_of(info) != self._tag:
            raise changed(self._address)

    def _kept(self, at: int, count: int) -> bytes:
        for start, block in self._blocks.items():
            if start <= at < start + len(block):
                self._blocks.move_to_end(start)
                return block[at - start : at - start + count]
        return b""

    def _fetched(self, at: int, count: int) -> bytes:
        goes_on = self._end <= at <= self._end + self._ahead // 4
        self._ahead = min(self._ahead * 2, _MOST) if goes_on and self._requests else self._first
        want = min(max(count, self._ahead), _MOST, self._size - at)
        try:
            data = self._shelf.fetch(self._address, self._told, at, at + want)
        except StorageError as error:
            if error.kind != REFUSED or not self._shelf.is_http:
                raise
            return self._downloaded(at, count)
        self._requests += 1
        if len(data) > want:
            raise StorageError(
                f"gave {len(data):,} bytes where {want:,} were asked for",
                where=shown(self._address),
            )
        if len(data) < want:
            raise FormatError(
                f"shrank while it was read: {len(data):,} of {want:,} bytes came from byte {at:,} "
                f"of {self._size:,}",
                where=shown(self._address),
                hint="read it again",
            )
        if self._shelf.visit.deadline.is_lifted and not self._shelf.is_guarded:
            self.check_same()  # nobody else does any more
        self._end = at + want
        self._blocks[at] = data
        if len(self._blocks) > _BLOCKS:
            self._blocks.popitem(last=False)
        return data[:count]

    def _downloaded(self, at: int, count: int) -> bytes:
        """The server takes no ranges."""
        self._blocks.clear()
        self._whole = self._shelf.download(self._address)
        self._requests = 0
        if self._whole.size != self._size:
            raise StorageError(
                f"gave {self._whole.size:,} bytes, and said that it has {self._size:,}",
                where=shown(self._address),
            )
        return self._whole.read(at, count)


def tag_of(info: dict[str, Any]) -> str:
    """What changes with an object's content, said alike of it alone and in a listing; "" where the
    store says nothing."""
    value = next((info[key] for key in (*_TAGS, *_TAGS_MORE) if info.get(key)), "")
    text = str(value.timestamp() if isinstance(value, datetime) else value)
    return strong(text).strip('"')
