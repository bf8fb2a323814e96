"""A checkpoint's sorted table: read whole, or asked for one key at a time.

A version 2 index is read whole. Version 1 checkpoints keep their values in such tables, and one
block may hold hundreds of MB: there blocks stay in the file until they are needed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from migrator.errors import FormatError
from migrator.formats.checkpoint.blocks import (
    BLOCK,
    HANDLES,
    block_place,
    entries,
    entry_spots,
    held,
    most_keys,
    read_block,
    read_handles,
    too_many_keys,
)
from migrator.formats.checkpoint.crc32c import crc32c, masked
from migrator.limits import Limits
from migrator.places.source import ByteSource, OnDisk

_HELD = 64 << 10
"""Uncompressed blocks up to so many bytes are read whole; larger ones stay in the file."""
_CHECKED = 16 << 20
"""A first block up to so many bytes is checked when the table is opened; larger ones when a value
of theirs is read."""
_KEPT = 8
"""So many blocks are remembered."""
_PART = 4 << 20


def read_table(source: ByteSource, limits: Limits) -> Iterator[tuple[bytes, bytes]]:
    """Every key with its value, in the order of the keys.

    Work and memory stay linear in the file's size: the keys together stay under ``most_keys``.
    Raises FormatError, LimitError.
    """
    most = most_keys(source.size, limits)
    spent = 0
    last: bytes | None = None
    for _, start, length in read_handles(source, limits):
        block = read_block(source, start, length, BLOCK, limits)
        where = block_place(source, start, BLOCK)
        for key, item in entries(block, where):
            if last is not None and key <= last:
                raise FormatError(f"its keys are out of order at {ascii(key)[:200]}", where=where)
            last = key
            spent += held(key)
            if spent > most:
                raise too_many_keys(source, limits)
            yield key, item


class Found(NamedTuple):
    """Where a value lies: the number of its block, and where in its plain bytes."""

    block: int
    start: int
    length: int


class _Block(NamedTuple):
    """``plain`` is None for one that stays in the file."""

    plain: bytes | None
    spots: dict[bytes, tuple[int, int]]


class Table:
    """An open table. Every method raises FormatError for damage, LimitError past ``limits``."""

    def __init__(self, source: ByteSource, limits: Limits) -> None:
        self.source = source
        self._limits = limits
        self._lasts: list[bytes] = []
        self._handles: list[tuple[int, int]] = []
        self._blocks: OrderedDict[int, _Block] = OrderedDict()
        self._checked: set[int] = set()
        spent = 0
        for key, start, length in read_handles(source, limits):
            spent += held(key)
            self._spend(spent)
            self._lasts.append(key)
            self._handles.append((start, length))
        if self._lasts != sorted(self._lasts):
            raise FormatError("its keys are out of order", where=f"{source.name}: {HANDLES}")

    def first(self) -> tuple[bytes, bytes] | None:
        """The first key and its value, None for an empty table."""
        if not self._handles:
            return None
        where = self._where(0)
        if self._is_held(0):
            plain = self._block(0).plain or b""
            return next(entries(plain, where), None)
        if self._handles[0][1] <= _CHECKED:
            self.check_block(0)
        for key, start, length in self._walk(0, None):
            self._limits.check("skeleton_bytes", length, where=where)
            return key, self.read(Found(0, start, length))
        return None

    def starts_with(self, key: bytes, value: bytes) -> bool:
        """Whether it starts with ``key`` and a value that starts with ``value``. Checks nothing;
        False for a first block that is compressed."""
        if not self._handles or self._kind(0):
            return False
        first = next(self._walk(0, None), None)
        if first is None or first[0] != key or first[2] < len(value):
            return False
        return self.source.read(self._handles[0][0] + first[1], len(value)) == value

    def find(self, key: bytes) -> Found | None:
        """Where the value of ``key`` lies, None where there is none."""
        number = bisect_left(self._lasts, key)
        if number == len(self._lasts):
            return None
        spot = self._block(number).spots.get(key)
        return None if spot is None else Found(number, *spot)

    def read(self, found: Found, offset: int = 0, length: int | None = None) -> bytes:
        """The value, or ``length`` bytes of it from ``offset`` on."""
        length = found.length - offset if length is None else length
        start = found.start + offset
        held = self._blocks.get(found.block)
        if held is not None and held.plain is not None:
            return held.plain[start : start + length]
        if self._is_held(found.block):
            plain = self._block(found.block).plain or b""
            return plain[start : start + length]
        return self.source.read(self._handles[found.block][0] + start, length)

    def read_into(self, found: Found, offset: int, buffer: memoryview, *, check: bool) -> None:
        """Fill ``buffer`` with the value's bytes from ``offset`` on.

        ``check``: see to it that the checksum of the block is right, in the same pass.
        """
        if self._is_held(found.block):
            buffer[:] = self.read(found, offset, len(buffer))
            return
        at = found.start + offset
        if not check or found.block in self._checked:
            self.source.read_into(self._handles[found.block][0] + at, buffer)
            return
        crc = self._passed(found.block, 0, at, 0)
        self.source.read_into(self._handles[found.block][0] + at, buffer)
        crc = crc32c(buffer, crc)
        behind = at + len(buffer)
        crc = self._passed(found.block, behind, self._handles[found.block][1] + 1, crc)
        self._compare(found.block, crc)

    def on_disk(self, found: Found, offset: int) -> OnDisk | None:
        """The file and the byte in it where the value's byte ``offset`` lies as it is; None where
        it lies nowhere so: a compressed block, an archive."""
        if self._kind(found.block):
            return None
        return self.source.on_disk(self._handles[found.block][0] + found.start + offset)

    def check_block(self, number: int) -> None:
        """Compare the block's checksum, unless that was done."""
        if number in self._checked:
            return
        if self._is_held(number):
            self._block(number)
        else:
            self._compare(number, self._passed(number, 0, self._handles[number][1] + 1, 0))

    def _passed(self, number: int, start: int, stop: int, crc: int) -> int:
        """``crc`` of what came before, with the bytes [start, stop) of a block after it."""
        base = self._handles[number][0]
        for at in range(start, stop, _PART):
            crc = crc32c(self.source.read(base + at, min(_PART, stop - at)), crc)
        return crc

    def _compare(self, number: int, crc: int) -> None:
        offset, length = self._handles[number]
        stored = int.from_bytes(self.source.read(offset + length + 1, 4), "little")
        if stored != masked(crc):
            raise FormatError(
                f"its checksum is {masked(crc):08x}, the file says {stored:08x}",
                where=self._where(number),
                hint="is the file damaged? copy it again",
            )
        self._checked.add(number)

    def _kind(self, number: int) -> int:
        """How a block is compressed, 0 for not at all."""
        offset, length = self._handles[number]
        return self.source.read(offset + length, 1)[0]

    def _is_held(self, number: int) -> bool:
        return self._handles[number][1] <= _HELD or self._kind(number) != 0

    def _where(self, number: int) -> str:
        return block_place(self.source, self._handles[number][0], BLOCK)

    def _block(self, number: int) -> _Block:
        found = self._blocks.get(number)
        if found is not None:
            self._blocks.move_to_end(number)
            return found
        offset, length = self._handles[number]
        plain = None
        if self._is_held(number):
            plain = read_block(self.source, offset, length, BLOCK, self._limits)
            self._checked.add(number)
            if len(plain) > _PART:  # one such at a time
                self._blocks.clear()
        spots: dict[bytes, tuple[int, int]] = {}
        spent = 0
        for key, start, size in self._walk(number, plain):
            spent += held(key)
            self._spend(spent)
            spots[key] = start, size
            if not len(spots) & 0xFFF:
                self._limits.check("variables", len(spots), where=self._where(number))
        self._blocks[number] = _Block(plain, spots)
        if len(self._blocks) > _KEPT:
            self._blocks.popitem(last=False)
        return self._blocks[number]

    def _walk(self, number: int, plain: bytes | None) -> Iterator[tuple[bytes, int, int]]:
        """(key, start and length of the value) of each entry of a block."""
        if plain is not None:
            text = plain
            return entry_spots(
                lambda start, size: text[start : start + size], len(text), self._where(number)
            )
        base, length = self._handles[number]
        source = self.source
        return entry_spots(
            lambda start, size: source.read(base + start, size), length, self._where(number)
        )

    def _spend(self, spent: int) -> None:
        if spent > most_keys(self.source.size, self._limits):
            raise too_many_keys(self.source, self._limits)
