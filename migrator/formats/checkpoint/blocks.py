"""How a checkpoint's sorted table is laid out: keys and values in checksummed blocks.

Blocks are prefix-compressed and may be snappy-compressed as a whole; a block of handles says
where they lie, and a footer where that block is.

Source of the layout: LevelDB's public table format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from migrator.errors import FormatError, LimitError
from migrator.formats.checkpoint.crc32c import crc32c, masked
from migrator.formats.checkpoint.snappy import decompress
from migrator.formats.magic import TABLE_END
from migrator.limits import Limits, trust_hint
from migrator.places.source import ByteSource

FOOTER = 48
TRAILER = 5
"""After each block: a byte that names its compression, and its checksum."""
HANDLES = "the checkpoint's block of handles"
BLOCK = "the checkpoint's block"
_WIDEST = 4
"""Bytes of memory that each character of a text takes where one is outside of the basic plane."""
_SHARED = 64
_SLACK = 16 << 20
"""Keys may come to so many times the file's size, and to so much in a small file: what they share
with the key before them is left out of it, and twenty times is much."""

_WINDOW = 4 << 10
_NUMBERS = 30
"""The most bytes that the three numbers before a key take."""


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


def read_handles(source: ByteSource, limits: Limits) -> Iterator[tuple[bytes, int, int]]:
    """(last key, offset, length) of each block of entries, as footer and block of handles say.

    Blocks must follow each other, so that work stays linear in the file's size. Raises
    FormatError, LimitError.
    """
    size = source.size
    footer = source.read(size - FOOTER, FOOTER) if size >= FOOTER else b""
    if not footer.endswith(TABLE_END):
        raise FormatError(
            "does not end as a checkpoint's table does",
            where=source.name,
            hint="is the file truncated?",
        )
    place = f"{source.name}: footer"
    _, _, index = read_handle(footer, 0, place)
    offset, length, _ = read_handle(footer, index, place)
    handles = read_block(source, offset, length, HANDLES, limits)
    place = f"{source.name}: {HANDLES}"
    behind = 0
    for key, value in entries(handles, place):
        start, length, _ = read_handle(value, 0, place)
        if start < behind:
            raise FormatError(
                f"the block at byte {start:,} starts before byte {behind:,}, where the one in "
                "front of it ends",
                where=source.name,
                hint="is the file damaged?",
            )
        _check_end(source, start, length, block_place(source, start, BLOCK))
        behind = start + length + TRAILER
        yield key, start, length


def block_place(source: ByteSource, offset: int, what: str) -> str:
    """How errors name a block."""
    return f"{source.name}: {what} at byte {offset:,}"


def read_block(source: ByteSource, offset: int, length: int, what: str, limits: Limits) -> bytes:
    """One block, checked and decompressed."""
    where = block_place(source, offset, what)
    limits.check("skeleton_bytes", length, where=where)
    _check_end(source, offset, length, where)
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


def _check_end(source: ByteSource, offset: int, length: int, where: str) -> None:
    if offset + length + TRAILER > source.size - FOOTER:
        raise FormatError(
            f"its {length:,} bytes pass the end of the table (byte {source.size - FOOTER:,})",
            where=where,
            hint="is the file truncated?",
        )


def entries(block: bytes, where: str) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a block."""
    end = _entries_end(len(block), block[-4:], where)
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


def entry_spots(
    read: Callable[[int, int], bytes], size: int, where: str
) -> Iterator[tuple[bytes, int, int]]:
    """(key, start and length of its value) for each entry of a block of ``size`` bytes.

    The block may stay in its file: ``read(start, length)`` gives parts of it, and those of values
    are not asked for.
    """
    end = _entries_end(size, read(size - 4, 4) if size >= 4 else b"", where)
    key = b""
    window, begin, index = b"", 0, 0
    while index < end:
        if index + min(_NUMBERS, end - index) > begin + len(window):
            window, begin = read(index, min(_WINDOW, end - index)), index
        shared, at = read_varint(window, index - begin, len(window), where)
        fresh, at = read_varint(window, at, len(window), where)
        length, at = read_varint(window, at, len(window), where)
        start = begin + at + fresh
        if shared > len(key) or start + length > end:
            raise FormatError(f"the entry at its byte {index:,} is broken", where=where)
        whole = at + fresh <= len(window)
        key = key[:shared] + (window[at : at + fresh] if whole else read(begin + at, fresh))
        yield key, start, length
        index = start + length


def _entries_end(size: int, tail: bytes, where: str) -> int:
    """Where a block's entries end: before its restart points, whose count ``tail`` says."""
    restarts = int.from_bytes(tail, "little")
    end = size - 4 - 4 * restarts
    if end < 0:
        raise FormatError(f"its {size:,} bytes hold no {restarts:,} restart points", where=where)
    return end


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
