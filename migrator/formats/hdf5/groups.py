"""The links of a group, however they are stored.

Source: the HDF5 file format specification, version 3.0: "Disk Format Level 1" and "Link Message".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import unpack_from

from migrator.errors import FormatError
from migrator.formats.hdf5.headers import (
    LINK,
    LINK_INFO,
    SYMBOLS,
    Message,
    NotPlain,
)
from migrator.formats.hdf5.pages import UNDEFINED, Pages
from migrator.formats.hdf5.tree import External, Soft

_ENTRY = 40
_MOST_LEVELS = 64
_MOST_NAME = 1 << 16
_IS_SOFT = 2


def read_links(
    pages: Pages, messages: list[Message], count: Callable[[], None]
) -> Iterator[tuple[str, int | Soft | External]]:
    """(name, address of an object or where else it leads), each announced by a call of ``count``.

    Raises FormatError; NotPlain for links in a heap.
    """
    for message in messages:
        if message.kind == SYMBOLS:
            body = message.plain()
            if len(body) < 16:
                raise FormatError("a group's symbol table is cut off")
            tree, heap = unpack_from("<QQ", body)
            yield from _symbols(pages, tree, heap, count)
        elif message.kind == LINK_INFO:
            body = message.plain()
            at = 10 if body[1:2] and body[1] & 1 else 2
            if len(body) < at + 8:
                raise FormatError("a group's link info is cut off")
            if unpack_from("<Q", body, at)[0] != UNDEFINED:
                raise NotPlain("links in a heap")
        elif message.kind == LINK:
            count()
            yield _link(message.plain())


def _symbols(
    pages: Pages, tree: int, heap: int, count: Callable[[], None]
) -> Iterator[tuple[str, int | Soft | External]]:
    head = pages.read(heap, 32)
    if head[:4] != b"HEAP":
        raise FormatError(f"no heap of names at byte {heap:,}")
    size, _, start = unpack_from("<QQQ", head, 8)

    def text(offset: int) -> str:
        if offset >= size:
            raise FormatError(f"a name lies at byte {offset:,} of a heap of {size:,}")
        most = min(_MOST_NAME, size - offset)
        step = 64
        while True:
            data = pages.read(start + offset, min(step, most))
            if (end := data.find(b"\0")) >= 0:
                return data[:end].decode("utf-8", "surrogateescape")
            if step >= most:
                raise FormatError(f"a name of more than {most:,} bytes")
            step *= 16

    for address in _leaves(pages, tree):
        head = pages.read(address, 8)
        if head[:4] != b"SNOD":
            raise FormatError(f"no symbol table node at byte {address:,}")
        (entries,) = unpack_from("<H", head, 6)
        data = pages.read(address + 8, entries * _ENTRY)
        pages.take(8 + len(data))
        for at in range(0, len(data), _ENTRY):
            name, target, kind = unpack_from("<QQI", data, at)
            count()
            if kind == _IS_SOFT:
                (where,) = unpack_from("<I", data, at + 24)
                yield text(name), Soft(target=text(where))
            else:
                yield text(name), target


def _leaves(pages: Pages, tree: int) -> Iterator[int]:
    """Addresses of the symbol table nodes under the node of a B-tree at ``tree``."""
    seen = set()
    stack = [(tree, _MOST_LEVELS)]
    while stack:
        address, bound = stack.pop()
        if address in seen:
            raise FormatError(f"the B-tree node at byte {address:,} lies under itself")
        seen.add(address)
        head = pages.read(address, 24)
        level, entries = head[5], int.from_bytes(head[6:8], "little")
        if head[:4] != b"TREE" or head[4] != 0 or level >= bound:
            raise FormatError(f"no B-tree node of a group at byte {address:,}")
        pages.take(len(head) + 16 * entries)
        if not entries:
            continue
        keys = pages.read(address + 24, 16 * entries)
        children = [unpack_from("<Q", keys, at + 8)[0] for at in range(0, len(keys), 16)]
        if level:
            stack += [(child, level) for child in reversed(children)]
        else:
            yield from children


def _link(body: bytes) -> tuple[str, int | Soft | External]:
    if len(body) < 4 or body[0] != 1:
        raise FormatError("a link message is not well-formed")
    flags, at = body[1], 2
    kind = 0
    if flags & 8:
        kind, at = body[at], at + 1
    at += (8 if flags & 4 else 0) + (1 if flags & 16 else 0)
    width = 1 << (flags & 3)
    size = int.from_bytes(body[at : at + width], "little")
    at += width
    name = body[at : at + size].decode("utf-8", "surrogateescape")
    at += size
    if kind == 0:
        if len(body) < at + 8:
            raise FormatError("a link message is cut off")
        return name, unpack_from("<Q", body, at)[0]
    if len(body) < at + 2:
        raise FormatError("a link message is cut off")
    (size,) = unpack_from("<H", body, at)
    value = body[at + 2 : at + 2 + size]
    if kind == 1:
        return name, Soft(target=value.decode("utf-8", "surrogateescape"))
    if kind == 64:
        file, _, target = value[1:].partition(b"\0")
        return name, External(
            file=file.decode("utf-8", "surrogateescape"),
            target=target.rstrip(b"\0").decode("utf-8", "surrogateescape"),
        )
    raise NotPlain(f"links of kind {kind}")
