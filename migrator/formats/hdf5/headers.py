"""Object headers: the messages that say what a group or a data set is.

Source: the HDF5 file format specification, version 3.0, chapter IV.
"""

from __future__ import annotations

from struct import unpack_from
from typing import NamedTuple

from migrator.errors import FormatError, LimitError
from migrator.formats.hdf5.pages import UNDEFINED, Pages

SPACE, LINK_INFO, TYPE, OLD_FILL, FILL, LINK, ELSEWHERE, LAYOUT = 1, 2, 3, 4, 5, 6, 7, 8
GROUP_INFO, ATTRIBUTE, CONTINUED, SYMBOLS, ATTRIBUTES = 10, 12, 16, 17, 21
_MOST_BYTES = 64 << 20
_MOST_MESSAGES = 100_000
_IS_SHARED = 2


class NotPlain(Exception):
    """The file uses what is not read here; h5py may know it."""


class Message(NamedTuple):
    kind: int
    flags: int
    body: bytes

    def plain(self) -> bytes:
        """The body. Raises NotPlain where it lies elsewhere, for several objects at once."""
        if self.flags & _IS_SHARED:
            raise NotPlain("shared messages")
        return self.body


def read_messages(pages: Pages, address: int) -> list[Message]:
    """All messages of the object at ``address``. Raises FormatError, LimitError."""
    head = pages.read(address, min(64, pages.end - address) if address < pages.end else 64)
    found: list[Message] = []
    if head[:4] == b"OHDR":
        if len(head) < 20 or head[4] != 2:
            raise FormatError(f"no object header of a known version at byte {address:,}")
        flags = head[5]
        after = 6 + (16 if flags & 32 else 0) + (4 if flags & 16 else 0)
        width = 1 << (flags & 3)
        size = int.from_bytes(head[after : after + width], "little")
        chunks = [(address + after + width, size)]
        is_ordered, pad = bool(flags & 4), 4
    elif head[:1] == b"\1" and len(head) >= 16:
        (size,) = unpack_from("<I", head, 8)
        chunks = [(address + 16, size)]
        is_ordered, pad = False, 0
    else:
        raise FormatError(f"no object header at byte {address + pages.base:,}")
    total = 0
    seen = set()
    while chunks:
        start, size = chunks.pop(0)
        total += size
        if start in seen or len(found) > _MOST_MESSAGES:
            raise FormatError(f"the object header at byte {address:,} leads back into itself")
        if total > _MOST_BYTES:
            pages.read(start + size, 0)  # which says where it passes the end
            raise LimitError(
                f"an object header takes more than {_MOST_BYTES:,} bytes", where=pages.source.name
            )
        seen.add(start)
        data = pages.read(start, size)
        pages.take(size)
        if pad:
            chunks += _second(data, found, is_ordered)
        else:
            chunks += _first(data, found)
    return found


def _first(data: bytes, found: list[Message]) -> list[tuple[int, int]]:
    """Messages of version 1; gives where the header goes on."""
    more = []
    at = 0
    while at + 8 <= len(data):
        kind, size, flags = unpack_from("<HHB", data, at)
        body = data[at + 8 : at + 8 + size]
        if len(body) < size:
            raise FormatError("a message passes the end of its object header")
        at += 8 + size
        if kind == CONTINUED:
            more.append(_continued(body))
        elif kind:
            found.append(Message(kind, flags, body))
    return more


def _second(data: bytes, found: list[Message], is_ordered: bool) -> list[tuple[int, int]]:
    """Messages of version 2; a chunk after the first one has a mark and a checksum of its own."""
    more = []
    at = 0
    width = 6 if is_ordered else 4
    while at + width <= len(data):
        kind, size, flags = data[at], int.from_bytes(data[at + 1 : at + 3], "little"), data[at + 3]
        body = data[at + width : at + width + size]
        if len(body) < size:
            raise FormatError("a message passes the end of its object header")
        at += width + size
        if kind == CONTINUED:
            start, length = _continued(body)
            if length < 8:
                raise FormatError("an object header goes on in no room")
            more.append((start + 4, length - 8))
        elif kind:
            found.append(Message(kind, flags, body))
    return more


def _continued(body: bytes) -> tuple[int, int]:
    if len(body) < 16:
        raise FormatError("an object header is cut off")
    start, length = unpack_from("<QQ", body)
    if start == UNDEFINED:
        raise FormatError("an object header goes on nowhere")
    return start, length


def read_dims(body: bytes) -> tuple[int, ...] | None:
    """The extents in a dataspace message; None for a space that holds nothing."""
    if len(body) < 4 or body[0] not in (1, 2):
        raise FormatError("its dataspace is not well-formed")
    version, rank = body[0], body[1]
    if version == 2 and body[3] == 2:
        return None
    start = 8 if version == 1 else 4
    if rank > 32 or len(body) < start + 8 * rank:
        raise FormatError(f"its dataspace claims {rank} dimensions")
    return tuple(unpack_from(f"<{rank}Q", body, start))
