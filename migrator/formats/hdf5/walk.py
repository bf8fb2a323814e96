"""Reading an HDF5 file's metadata, without its library: what Keras and h5py write by themselves.

Source: the HDF5 file format specification, version 3.0.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass
from struct import unpack_from
from typing import Any

from migrator.errors import FormatError, LimitError, MigratorError
from migrator.formats.hdf5 import headers
from migrator.formats.hdf5.groups import read_links
from migrator.formats.hdf5.headers import Message, NotPlain, read_dims, read_messages
from migrator.formats.hdf5.heap import REFERENCE, Heap
from migrator.formats.hdf5.pages import UNDEFINED, Pages
from migrator.formats.hdf5.tree import (
    LISTED_ATTRIBUTES,
    PLAIN_ATTRIBUTES,
    Attribute,
    Dataset,
    Group,
    Link,
)
from migrator.formats.hdf5.types import ElementType, element_type
from migrator.formats.magic import HDF5
from migrator.limits import Limits
from migrator.places.source import ByteSource

MOST_TEXT = 64 << 20
"""Bytes of an attribute, a model's configuration among them."""
_FIRST_BLOCK = 512
_ITEM_BYTES = 8
"""What a list takes for each item, the item itself apart."""
_OBJECT_BYTES = 500
"""What a group or a data set takes in memory, about."""
_GROUP_MARKS = frozenset((headers.SYMBOLS, headers.LINK_INFO, headers.LINK, headers.GROUP_INFO))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hdf5File:
    """``warnings`` name what is damaged and left out. ``heap`` reads texts of data sets."""

    root: Group
    warnings: tuple[str, ...]
    heap: Heap | None
    base: int = 0
    """Where in the source the file's byte 0 lies."""


def walk(source: ByteSource, limits: Limits) -> Hdf5File:
    """Read all groups, the known attributes and where each data set lies.

    Raises NotPlain for a file that only h5py may know, FormatError for one that is damaged at
    its root, LimitError. Damage in one object is a warning.
    """
    try:
        return _Walk(source, limits).file()
    except MigratorError as error:
        raise error if error.where else error.at(source.name) from None


def _start(source: ByteSource) -> int | None:
    """Where the file begins: at byte 0, 512, 1,024, 2,048, ..."""
    start = 0
    while start + len(HDF5) <= source.size:
        if source.read(start, len(HDF5)) == HDF5:
            return start
        start = start * 2 or _FIRST_BLOCK
    return None


class _Walk:
    def __init__(self, source: ByteSource, limits: Limits) -> None:
        start = _start(source)
        if start is None:
            raise FormatError("is no HDF5 file", where=source.name)
        self._source = source
        self._limits = limits
        self._warnings: list[str] = []
        self._damaged = 0
        self._count = 0
        self._kept = 0
        try:
            base, self._root, end = _superblock(source, start)
        except struct.error:
            raise FormatError(
                "cannot be read as HDF5: its first block is cut off", where=source.name
            ) from None
        self._pages = Pages(source, base)
        self._heap = Heap(self._pages)
        if end > source.size:
            self._warnings.append(
                f"is cut off: it has {source.size:,} bytes of {end:,}, "
                "and what lies behind is missing"
            )

    def file(self) -> Hdf5File:
        root = self._tree()
        self._heap.begin()
        if self._damaged:
            self._warnings.append(f"{self._damaged:,} parts are damaged and left out")
        return Hdf5File(
            root=root, warnings=tuple(self._warnings), heap=self._heap, base=self._pages.base
        )

    def _tree(self) -> Group:
        """All objects, each read once; groups that lie in themselves become circles."""
        known: dict[int, Link] = {}
        waiting: list[tuple[dict[str, Link], list[Message], str, int]] = []

        def make(address: int, path: str, depth: int) -> Link:
            if address in known:
                return known[address]
            messages = read_messages(self._pages, address)
            self._keep(_OBJECT_BYTES)
            kinds = {message.kind for message in messages}
            if headers.LAYOUT in kinds:
                known[address] = self._dataset(messages, address)
            elif kinds & _GROUP_MARKS:
                if depth > self._limits.depth:
                    raise FormatError(f"lies deeper than {self._limits.depth:,} groups")
                links: dict[str, Link] = {}
                known[address] = Group(attrs=self._attributes(messages), links=links)
                waiting.append((links, messages, path, depth))
            else:
                known[address] = None
            return known[address]

        try:
            root = make(self._root, "", 0)
        except (FormatError, struct.error, IndexError) as error:
            raise FormatError(
                f"cannot be read as HDF5: its root group is damaged: {_said(error)}",
                where=self._source.name,
            ) from None
        if not isinstance(root, Group):
            raise FormatError(
                "cannot be read as HDF5: its root is no group", where=self._source.name
            )
        while waiting:
            links, messages, path, depth = waiting.pop()
            try:
                for name, target in read_links(self._pages, messages, self._counted):
                    self._keep(sys.getsizeof(f"{path}/{name}") + sys.getsizeof(name))
                    if "/" in name or name in ("", "."):  # no path could lead there
                        self._damage(path or "/", FormatError(f"a link is called {name[:100]!a}"))
                        continue
                    if not isinstance(target, int):
                        links[name] = target
                        self._keep(sys.getsizeof(target.target))
                        continue
                    try:
                        links[name] = make(target, f"{path}/{name}", depth + 1)
                    except (FormatError, struct.error, IndexError) as error:
                        self._damage(f"{path}/{name}", error)
            except (FormatError, struct.error, IndexError) as error:
                self._damage(path or "/", error)
        return root

    def _counted(self) -> None:
        self._count += 1
        if self._count % 4096 == 0 and self._source.deadline is not None:
            self._source.deadline.check(self._source.name)
        if self._count > self._limits.variables:
            self._limits.check("variables", self._count, where=self._source.name)

    def _keep(self, size: int) -> None:
        self._kept += size
        if self._kept > self._limits.skeleton_bytes:
            self._limits.check("skeleton_bytes", self._kept, where=self._source.name)

    def _damage(self, path: str, error: Exception) -> None:
        self._damaged += 1
        if self._damaged <= 3:
            self._warnings.append(f"{ascii(path)[1:-1][:300]}: {_said(error)}")

    def _attributes(self, messages: list[Message]) -> dict[str, Attribute]:
        found: dict[str, Attribute] = {}
        for message in messages:
            if message.kind == headers.ATTRIBUTES:
                body = message.plain()
                at = 4 if body[1:2] and body[1] & 1 else 2
                if unpack_from("<Q", body, at)[0] != UNDEFINED:
                    raise NotPlain("attributes in a heap")
            elif message.kind == headers.ATTRIBUTE:
                item = self._attribute(message)
                if item is not None:
                    found[item[0]] = item[1]
        return found

    def _attribute(self, message: Message) -> tuple[str, Attribute] | None:
        """A known attribute; None for others, and for what is no text and no number."""
        body = message.plain()
        version, flags, *sizes = unpack_from("<BBHHH", body)
        at = 9 if version == 3 else 8
        pad = 8 if version == 1 else 1

        def part(size: int) -> bytes:
            nonlocal at
            data = body[at : at + size]
            at += -(-size // pad) * pad
            return data

        name = part(sizes[0]).partition(b"\0")[0].decode("utf-8", "replace")
        if not _is_known(name):
            return None
        if version not in (1, 2, 3) or (version > 1 and flags):
            raise NotPlain("attributes of another form")
        kind, dims = element_type(part(sizes[1])), read_dims(part(sizes[2]))
        value = self._attribute_value(kind, dims, body[at:])
        return None if value is None else (name, value)

    def _attribute_value(
        self, kind: ElementType, dims: tuple[int, ...] | None, data: bytes
    ) -> Attribute | None:
        if dims is None or (kind.text == "" and (not kind.dtype.is_integer or dims)):
            return None
        count = 1
        for size in dims:
            count *= size
        if count and not kind.size:
            raise FormatError("an attribute of texts that have no length")
        if count * kind.size > len(data):
            raise FormatError("an attribute passes the end of its object header")
        if not kind.text:
            order: Any = "big" if kind.is_big_endian else "little"
            return int.from_bytes(data[: kind.size], order, signed=kind.dtype.kind == "i")
        items: list[str] = []
        total = 0
        for number in range(count):
            raw = data[number * kind.size : (number + 1) * kind.size]
            if kind.text == "variable":
                if kind.size != REFERENCE:
                    raise NotPlain("references of another size")
                raw = self._heap.get(raw, most=MOST_TEXT)
            else:
                raw = trimmed(raw, kind.padding)
            total += len(raw)
            if total > MOST_TEXT:
                raise LimitError(
                    f"an attribute takes more than {MOST_TEXT:,} bytes", where=self._source.name
                )
            items.append(raw.decode("utf-8", "replace"))
            self._keep(_ITEM_BYTES + sys.getsizeof(items[-1]))
        return tuple(items) if dims else items[0]

    def _dataset(self, messages: list[Message], header: int) -> Dataset:
        kind: ElementType | None = None
        dims: tuple[int, ...] | None = None
        layout = b""
        fill = b""
        is_elsewhere = has_space = False
        for message in messages:
            if message.kind == headers.TYPE:
                kind = element_type(message.plain())
            elif message.kind == headers.SPACE:
                dims, has_space = read_dims(message.plain()), True
            elif message.kind == headers.LAYOUT:
                layout = message.plain()
            elif message.kind == headers.FILL:
                fill = _fill(message.plain()) or fill
            elif message.kind == headers.OLD_FILL:
                body = message.plain()
                fill = fill or body[4 : 4 + unpack_from("<I", body)[0]]
            elif message.kind == headers.ELSEWHERE:
                is_elsewhere = True
        if kind is None or not has_space:
            raise FormatError("a data set without a type or a shape")
        attrs = self._attributes(messages)
        if is_elsewhere:
            return Dataset(type=kind, dims=dims, storage="elsewhere", address=header, attrs=attrs)
        version, storage = unpack_from("<BB", layout)
        if version not in (3, 4, 5):
            raise NotPlain("layouts of old versions")
        if storage == 0:
            (size,) = unpack_from("<H", layout, 2)
            return Dataset(
                type=kind, dims=dims, storage="inline", stored=size, fill=layout[4 : 4 + size],
                address=header, attrs=attrs,
            )  # fmt: skip
        if storage == 1:
            address, size = unpack_from("<QQ", layout, 2)
            return Dataset(
                type=kind,
                dims=dims,
                storage="contiguous",
                address=header,
                offset=None if address == UNDEFINED else address + self._pages.base,
                stored=0 if address == UNDEFINED else size,
                fill=fill,
                attrs=attrs,
            )
        if storage == 2:
            return Dataset(type=kind, dims=dims, storage="chunked", address=header, attrs=attrs)
        return Dataset(
            type=kind,
            dims=dims,
            storage="elsewhere" if storage == 3 else "unknown",
            address=header,
            attrs=attrs,
        )


def _is_known(attribute: str) -> bool:
    """Whether an attribute of that name is read."""
    return attribute in PLAIN_ATTRIBUTES or attribute.rstrip("0123456789") in LISTED_ATTRIBUTES


def trimmed(raw: bytes, padding: int) -> bytes:
    """A fixed text without what fills it."""
    if padding == 0:
        return raw.partition(b"\0")[0]
    bare = raw.rstrip(b"\0")
    return bare.rstrip(b" ") if padding == 2 else bare


def _superblock(source: ByteSource, start: int) -> tuple[int, int, int]:
    """(base, address of the root group, address of the end)."""
    data = source.read(start, min(128, source.size - start))
    version = data[8] if len(data) > 8 else 255
    if version in (0, 1):
        widths = data[13:15]
        at = 24 if version == 0 else 28
        base, _, end, _ = unpack_from("<QQQQ", data, at)
        (root,) = unpack_from("<Q", data, at + 40)
    elif version in (2, 3):
        widths = data[9:11]
        base, _, end, root = unpack_from("<QQQQ", data, 12)
    else:
        raise FormatError(f"is HDF5 of version {version}, which is not known", where=source.name)
    if widths != b"\x08\x08":
        raise NotPlain("addresses of another width")
    if base != start:
        raise NotPlain("a file behind something else")
    return base, root, end


def _fill(body: bytes) -> bytes:
    """What stands where nothing was written; empty for zeros."""
    version = body[0]
    if version in (1, 2):
        if version == 2 and not body[3]:
            return b""
        (size,) = unpack_from("<i", body, 4)
        return body[8 : 8 + max(size, 0)]
    if version == 3 and body[1] & 32:
        (size,) = unpack_from("<I", body, 2)
        return body[6 : 6 + size]
    return b""


def _said(error: Exception) -> str:
    return error.what if isinstance(error, MigratorError) else "is cut off"
