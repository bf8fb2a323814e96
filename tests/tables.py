"""A writer of checkpoints that shares no code with migrator: tables, snappy, shards, slices.

It writes whatever it is told, sound or not. Source of the layouts: LevelDB's table format,
snappy's format description, and the public message definitions of TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests import wire

MAGIC = bytes.fromhex("57fb808b247547db")
NUMBERS = {
    "float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "complex64": 8,
    "int64": 9, "bool": 10, "bfloat16": 14, "uint16": 17, "complex128": 18, "float16": 19,
    "uint32": 22, "uint64": 23, "int4": 29,
}  # fmt: skip
Extent = tuple[int, int] | None
"""Start and length of a slice in one dimension; None for all of it."""


def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 * (value & 1))
        table.append(value)
    return table


_CRC = _crc_table()


def crc(data: bytes) -> int:
    """CRC-32C, a byte at a time."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _CRC[value % 256 ^ byte] ^ value // 256
    return value ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    value = crc(data)
    return (((value >> 15) | (value << 17)) + 0xA282EAD8) % (1 << 32)


def literal(data: bytes) -> bytes:
    """A snappy element that gives ``data`` as it is, its length in as few bytes as it takes."""
    length = len(data) - 1
    if length < 60:
        return bytes([length * 4]) + data
    size = (length.bit_length() + 7) // 8
    return bytes([(59 + size) * 4]) + length.to_bytes(size, "little") + data


def copy(offset: int, length: int, kind: int) -> bytes:
    """A snappy element that repeats what was written ``offset`` bytes ago."""
    if kind == 1:
        return bytes([1 | (length - 4) << 2 | offset >> 8 << 5, offset & 255])
    return bytes([kind | (length - 1) << 2]) + offset.to_bytes(2 if kind == 2 else 4, "little")


def snappy_literal(data: bytes) -> bytes:
    return wire.varint(len(data)) + (literal(data) if data else b"")


def snappy(data: bytes) -> bytes:
    """Greedy: the last place with the same four bytes is copied from, by each kind in turn."""
    out = bytearray(wire.varint(len(data)))
    seen: dict[bytes, int] = {}
    start = index = 0
    while index < len(data):
        word = data[index : index + 4]
        before = seen.get(word) if len(word) == 4 else None
        seen[word] = index
        if before is None:
            index += 1
            continue
        length = 4
        while length < 60 and data[index + length : index + length + 1] == (
            data[before + length : before + length + 1] or b"?"
        ):
            length += 1
        offset = index - before
        if start < index:
            out += literal(data[start:index])
        if offset < 1 << 11 and length < 12:
            out += copy(offset, length, 1)
        else:
            out += copy(offset, length, 2 if offset < 1 << 16 and length % 2 else 3)
        index += length
        start = index
    if start < len(data):
        out += literal(data[start:])
    return bytes(out)


Compression = Callable[[bytes], bytes] | None


def entries_block(entries: Sequence[tuple[bytes, bytes]], restart: int = 16) -> bytes:
    """Entries with the prefixes that they share left out but at each ``restart``-th one."""
    out = bytearray()
    restarts = []
    last = b""
    for index, (key, value) in enumerate(entries):
        shared = 0
        if index % restart == 0:
            restarts.append(len(out))
        else:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        out += wire.varint(shared) + wire.varint(len(key) - shared) + wire.varint(len(value))
        out += key[shared:] + value
        last = key
    restarts = restarts or [0]
    return bytes(out) + b"".join(n.to_bytes(4, "little") for n in [*restarts, len(restarts)])


def stored_block(data: bytes, compression: Compression = None) -> bytes:
    """A block as it lies in the file, with what follows it."""
    body = data if compression is None else compression(data)
    kind = b"\0" if compression is None else b"\1"
    return body + kind + masked(body + kind).to_bytes(4, "little")


def table(
    entries: Iterable[tuple[bytes, bytes]],
    *,
    in_block: int = 1000,
    restart: int = 16,
    compression: Compression = None,
) -> bytes:
    """A table of ``entries``, which are sorted."""
    pending = sorted(entries)
    out = bytearray()
    handles = []

    def add(data: bytes, compression: Compression) -> bytes:
        block = stored_block(data, compression)
        handle = wire.varint(len(out)) + wire.varint(len(block) - 5)
        out.extend(block)
        return handle

    for start in range(0, len(pending), in_block):
        part = pending[start : start + in_block]
        handles.append((part[-1][0] + b"\0", add(entries_block(part, restart), compression)))
    meta = add(entries_block([]), None)
    index = add(entries_block(handles, 1), compression)
    return bytes(out) + (meta + index).ljust(40, b"\0") + MAGIC


def header(shards: int = 1, *, endianness: int = 0, version: bytes = b"\x08\x01") -> bytes:
    """A BundleHeader."""
    found = wire.number(1, shards)
    return found + (wire.number(2, endianness) if endianness else b"") + wire.block(3, version)


def entry(
    dtype: int,
    shape: Sequence[int],
    *,
    shard: int = 0,
    offset: int = 0,
    size: int = 0,
    checksum: int = 0,
    slices: Iterable[Sequence[Extent]] = (),
) -> bytes:
    """A BundleEntryProto."""
    found = wire.number(1, dtype) + wire.block(2, wire.shape(shape))
    found += wire.number(3, shard) + wire.number(4, offset) + wire.number(5, size)
    found += wire.tag(6, 5) + checksum.to_bytes(4, "little")
    for extents in slices:
        parts = (b"" if e is None else wire.number(1, e[0]) + wire.number(2, e[1]) for e in extents)
        found += wire.block(7, b"".join(wire.block(1, part) for part in parts))
    return found


def _ordered_signed(value: int) -> bytes:
    """OrderedCode's signed numbers, from the ranges that each length covers."""
    for size in range(1, 11):
        if -(1 << 7 * size - 1) <= value < 1 << 7 * size - 1:
            bits = f"{value % (1 << 8 * size):0{8 * size}b}"
            turned = [("1" if bit == "0" else "0") for bit in bits[:size]]
            return int("".join(turned) + bits[size:], 2).to_bytes(size, "big")
    raise ValueError(value)


def slice_key(name: bytes, extents: Sequence[Extent]) -> bytes:
    """The key under which a slice lies."""
    escaped = b"".join({0: b"\0\xff", 255: b"\xff\0"}.get(byte, bytes([byte])) for byte in name)
    count = b"\1" + bytes([len(extents)]) if extents else b"\0"
    found = b"\0" + escaped + b"\0\1" + count
    for extent in extents:
        start, length = (0, -1) if extent is None else extent
        found += _ordered_signed(start) + _ordered_signed(length)
    return found


def string_bytes(values: Sequence[bytes]) -> tuple[bytes, int]:
    """How strings lie in a shard, and their masked checksum."""
    lengths = b"".join(len(value).to_bytes(4, "little") for value in values)
    check = masked(lengths).to_bytes(4, "little")
    body = b"".join(wire.varint(len(value)) for value in values) + check + b"".join(values)
    return body, masked(lengths + check + b"".join(values))


def array_bytes(array: np.ndarray[Any, Any]) -> tuple[int, bytes, int]:
    """Type number, stored bytes and masked checksum of an array; objects are byte strings."""
    if array.dtype == object:
        body, checksum = string_bytes([bytes(item) for item in array.ravel()])
        return 7, body, checksum
    body = array.astype(array.dtype.newbyteorder("<")).tobytes()
    return NUMBERS[array.dtype.name], body, masked(body)


@dataclass
class Writer:
    """Gathers tensors over shards; ``write`` makes the files."""

    shards: int = 1
    entries: dict[bytes, bytes] = field(default_factory=dict)
    data: dict[int, bytearray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.data = {shard: bytearray() for shard in range(self.shards)}

    def add(self, key: str | bytes, array: np.ndarray[Any, Any], shard: int = 0) -> None:
        """A whole tensor."""
        dtype, body, checksum = array_bytes(array)
        name = key if isinstance(key, bytes) else key.encode()
        self.entries[name] = entry(
            dtype,
            array.shape,
            shard=shard,
            offset=len(self.data[shard]),
            size=len(body),
            checksum=checksum,
        )
        self.data[shard] += body

    def add_slices(
        self,
        key: str,
        array: np.ndarray[Any, Any],
        slices: Sequence[Sequence[Extent]],
        shards: Sequence[int] = (),
    ) -> None:
        """A partitioned tensor, its slices in the order given."""
        name = key.encode()
        for index, extents in enumerate(slices):
            cut = tuple(slice(None) if e is None else slice(e[0], e[0] + e[1]) for e in extents)
            shard = shards[index] if shards else 0
            self.add(slice_key(name, extents), np.array(array[cut], order="C"), shard)
        number = 7 if array.dtype == object else NUMBERS[array.dtype.name]
        self.entries[name] = entry(number, array.shape, slices=slices)

    def write(self, prefix: Path, **how: Any) -> Path:
        """Write ``PREFIX.index`` and the shards; ``how`` as for ``table``."""
        index = table([(b"", header(self.shards)), *self.entries.items()], **how)
        Path(f"{prefix}.index").write_bytes(index)
        for shard, data in self.data.items():
            shard_file(prefix, shard, self.shards).write_bytes(data)
        return prefix


def shard_file(prefix: Path, shard: int = 0, count: int = 1) -> Path:
    return Path(f"{prefix}.data-{shard:05d}-of-{count:05d}")
