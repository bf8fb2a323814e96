"""The sorted table that a checkpoint's index is: keys and values in checksummed blocks.

Blocks are prefix-compressed and may be snappy-compressed as a whole; a block of handles says
where they lie, and a footer where that block is.

Source of the layout: LevelDB's public table format.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrator.errors import FormatError, LimitError
from migrator.formats.checkpoint.crc32c import crc32c, masked
from migrator.formats.checkpoint.snappy import decompress
from migrator.limits import Limits, trust_hint
from migrator.places.source import ByteSource

FOOTER = 48
MAGIC = bytes.fromhex("57fb808b247547db")
TRAILER = 5
"""After each block: a byte that names its compression, and its checksum."""
_WIDEST = 4
"""Bytes of memory that each character of a text takes where one is outside of the basic plane."""
_SHARED = 64
_SLACK = 16 << 20
"""Keys may come to so many times the file's size, and to so much in a small file: what they share
with the key before them is left out of it, and twenty times is much."""


def most_keys(size: int, limits: Limits) -> int:
    """How much memory the keys of a table of ``size`` bytes may take."""
    return min(limits.skeleton_bytes, _SHARED * size + _SLACK)


def held(key: bytes) -> int:
    """The memory that a key takes at most, as text."""
    return len(key) if key.isascii() else _WIDEST * len(key)


def too_many_keys(source: ByteSource, limits: Limits) -> LimitError:
    most = most_keys(source.size, limits)
    bound = most == limits.skeleton_bytes
    return LimitError(
        f"its keys take more than {most:,} bytes" + ("" if bound else ", far more than the file"),
        where=source.name,
        hint=trust_hint("skeleton_bytes") if bound else "is the file damaged?",
    )


def read_table(source: ByteSource, limits: Limits) -> Iterator[tuple[bytes, bytes]]:
    """Every key with its value, in the order of the keys.

    Work and memory stay linear in the file's size: blocks must follow each other, and the keys
    together stay under ``most_keys``. Raises FormatError, LimitError.
    """
    size = source.size
    footer = source.read(size - FOOTER, FOOTER) if size >= FOOTER else b""
    if footer[-len(MAGIC) :] != MAGIC:
        raise FormatError(
            "does not end as a checkpoint's index does",
            where=source.name,
            hint="is the file truncated?",
        )
    place = f"{source.name}: footer"
    _, _, index = read_handle(footer, 0, place)
    offset, length, _ = read_handle(footer, index, place)
    blocks = read_block(source, offset, length, "the checkpoint's block of handles", limits)
    most = most_keys(size, limits)
    behind = spent = 0
    last: bytes | None = None
    place = f"{source.name}: the checkpoint's block of handles"
    for _, value in entries(blocks, place):
        start, length, _ = read_handle(value, 0, place)
        if start < behind:
            raise FormatError(
                f"the block at byte {start:,} starts before byte {behind:,}, where the one in "
                "front of it ends",
                where=source.name,
                hint="is the file damaged?",
            )
        behind = start + length + TRAILER
        where = f"{source.name}: the checkpoint's block at byte {start:,}"
        block = read_block(source, start, length, "the checkpoint's block", limits)
        for key, item in entries(block, where):
            if last is not None and key <= last:
                raise FormatError(f"its keys are out of order at {ascii(key)[:200]}", where=where)
            last = key
            spent += held(key)
            if spent > most:
                raise too_many_keys(source, limits)
            yield key, item


def block_place(source: ByteSource, offset: int, what: str) -> str:
    """How errors name a block."""
    return f"{source.name}: {what} at byte {offset:,}"


def read_block(source: ByteSource, offset: int, length: int, what: str, limits: Limits) -> bytes:
    """One block, checked and decompressed."""
    where = block_place(source, offset, what)
    limits.check("skeleton_bytes", length, where=where)
    if offset + length + TRAILER > source.size - FOOTER:
        raise FormatError(
            f"its {length:,} bytes pass the end of the table (byte {source.size - FOOTER:,})",
            where=where,
            hint="is the file truncated?",
        )
    data = source.read(offset, length + TRAILER)
    stored = int.from_bytes(data[length + 1 :], "little")
    found = masked(crc32c(memoryview(data)[: length + 1]))
    if stored != found:
        raise FormatError(
            f"its checksum is {found:08x}, the file says {stored:08x}",
            where=where,
            hint="is the file damaged? copy it again",
        )
    kind = data[length]
    if kind == 0:
        return data[:length]
    if kind != 1:
        raise FormatError(f"is compressed in an unknown way ({kind})", where=where)
    try:
        plain = decompress(data[:length])
    except FormatError as error:
        raise error.at(where) from None
    limits.check("skeleton_bytes", len(plain), where=where)
    return plain


def entries(block: bytes, where: str) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a block."""
    end = len(block) - 4
    restarts = int.from_bytes(block[-4:], "little") if end >= 0 else 0
    end -= 4 * restarts
    if end < 0:
        raise FormatError(
            f"its {len(block):,} bytes hold no {restarts:,} restart points", where=where
        )
    key = b""
    index = 0
    while index < end:
        # Three numbers; nearly all are of one byte.
        shared = block[index]
        index += 1
        if shared > 127:
            shared, index = read_varint(block, index - 1, end, where)
        fresh, index = read_varint(block, index, end, where)
        length = block[index]
        index += 1
        if length > 127:
            length, index = read_varint(block, index - 1, end, where)
        behind = index + fresh
        if shared > len(key) or behind + length > end:
            raise FormatError(f"the entry that ends at its byte {index:,} is broken", where=where)
        key = key[:shared] + block[index:behind]
        index = behind + length
        yield key, block[behind:index]


def read_handle(data: bytes, index: int, where: str) -> tuple[int, int, int]:
    """Offset and size of a block, and the index behind them."""
    offset, index = read_varint(data, index, len(data), where)
    size, index = read_varint(data, index, len(data), where)
    return offset, size, index


def read_varint(data: bytes, index: int, end: int, where: str) -> tuple[int, int]:
    value = 0
    for shift, after in enumerate(range(index, min(index + 10, end))):
        value |= (data[after] & 127) << 7 * shift
        if data[after] < 128:
            return value, after + 1
    raise FormatError(f"there is no number at its byte {index:,}", where=where)
