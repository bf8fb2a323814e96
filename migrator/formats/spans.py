"""Marks in a skeleton for what was left in the file, and what such a mark stands for."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from migrator.places.source import ByteSource

INLINE = 4096
"""Payloads up to this many bytes are copied, larger ones may be left in the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What was left in the file: its encoding, as it would stand on the wire, is read when asked
    for."""

    size: int
    """Bytes of it: of a tensor as the file has it, of a string as it reads."""
    read: Callable[[], bytes]
    wire: tuple[int, int] | None = None
    """Offset and length of the encoding itself, None where the file has it in another form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """Tells the marks that we left in a skeleton from look-alikes in a hostile file.

    A mark carries a key drawn anew for each reading, so a file cannot forge one.
    """

    source: ByteSource
    key: bytes

    def mark(self, offset: int, length: int) -> bytes:
        return self.key + struct.pack("<QQ", offset, length)

    def find(self, mark: bytes) -> Payload | None:
        """What ``mark`` stands for, None where it is not one of ours."""
        if len(mark) != len(self.key) + 16 or not mark.startswith(self.key):
            return None
        offset, length = struct.unpack("<QQ", mark[len(self.key) :])
        return Payload(
            size=length,
            read=partial(self.source.read, offset, length),
            wire=(offset, length),
        )
