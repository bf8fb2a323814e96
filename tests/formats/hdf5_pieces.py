"""HDF5 files put together from pieces, for what its library would never write."""

from __future__ import annotations

import struct

NOWHERE = (1 << 64) - 1
LINK_INFO = struct.pack("<BBQQ", 0, 0, NOWHERE, NOWHERE)


class Pieces:
    """A file of version 0. ``add`` gives the address of a piece."""

    def __init__(self) -> None:
        self._data = bytearray(96)

    def add(self, data: bytes) -> int:
        self._data += bytes(-len(self._data) % 8)
        at = len(self._data)
        self._data += data
        return at

    def done(self, root: int) -> bytes:
        head = (
            b"\x89HDF\r\n\x1a\n" + bytes([0, 0, 0, 0, 0, 8, 8, 0]) + struct.pack("<HHI", 4, 16, 0)
        )
        head += struct.pack("<QQQQ", 0, NOWHERE, len(self._data), NOWHERE)
        head += struct.pack("<QQ24x", 0, root)
        self._data[: len(head)] = head
        return bytes(self._data)


def message(kind: int, body: bytes) -> bytes:
    body = padded(body)
    return struct.pack("<HH4x", kind, len(body)) + body


def header(*messages: bytes) -> bytes:
    data = b"".join(messages)
    return struct.pack("<BxHII4x", 1, len(messages), 1, len(data)) + data


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


def fixed_text(size: int) -> bytes:
    return struct.pack("<B3xI", 0x13, size)


def any_text() -> bytes:
    whole = struct.pack("<B3sI", 0x19, b"\1\0\0", 16)
    return whole + struct.pack("<B3xIHH", 0x10, 1, 0, 8)


def byte_type() -> bytes:
    return struct.pack("<B3xIHH", 0x10, 1, 0, 8)


def space(*dims: int) -> bytes:
    return struct.pack("<BBBxI", 1, len(dims), 0, 0) + struct.pack(f"<{len(dims)}Q", *dims)


def attribute(name: str, kind: bytes, dims: bytes, data: bytes) -> bytes:
    called = name.encode() + b"\0"
    sizes = struct.pack("<BxHHH", 1, len(called), len(kind), len(dims))
    return message(12, sizes + padded(called) + padded(kind) + padded(dims) + data)


def link(name: bytes, address: int) -> bytes:
    return message(6, b"\1\1" + struct.pack("<H", len(name)) + name + struct.pack("<Q", address))


def never_written(kind: bytes, *dims: int) -> bytes:
    """The messages of a data set without values."""
    nowhere = bytes([3, 1]) + struct.pack("<QQ", NOWHERE, 0)
    return message(3, kind) + message(1, space(*dims)) + message(8, nowhere)


def table(file: Pieces, names: bytes, offsets: list[int], target: int) -> bytes:
    """The message of an old group, of which each link's name begins somewhere in ``names``."""
    heap = file.add(b"HEAP" + struct.pack("<4xQQQ", len(names), NOWHERE, file.add(names)))
    entries = b"".join(struct.pack("<QQ24x", offset, target) for offset in offsets)
    node = file.add(b"SNOD\1\0" + struct.pack("<H", len(offsets)) + entries)
    tree = b"TREE\0\0" + struct.pack("<HQQQQQ", 1, NOWHERE, NOWHERE, 0, node, 0)
    return message(17, struct.pack("<QQ", file.add(tree), heap))
