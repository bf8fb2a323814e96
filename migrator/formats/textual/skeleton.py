"""``read_text``: a text file as the skeleton that ``formats.skeleton`` makes of a binary one."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from functools import partial
from typing import Any

from migrator.errors import FormatError
from migrator.formats.messages import message_class
from migrator.formats.spans import Payload, Spans
from migrator.formats.textual.faults import Fault
from migrator.formats.textual.reader import Reader
from migrator.formats.textual.scan import Scanner
from migrator.formats.textual.tables import table
from migrator.limits import Limits
from migrator.places.source import ByteSource

_MARK = struct.Struct("<QQq")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSpans(Spans):
    """Marks for tensors and strings that were left as text."""

    limits: Limits

    def text_mark(self, offset: int, length: int, size: int) -> bytes:
        return self.key + _MARK.pack(offset, length, size)

    def find(self, mark: bytes) -> Payload | None:
        if len(mark) != len(self.key) + _MARK.size or not mark.startswith(self.key):
            return None
        offset, length, size = _MARK.unpack(mark[len(self.key) :])
        read = _read_string if size >= 0 else _read_tensor
        return Payload(
            size=size if size >= 0 else length,
            read=partial(read, self.source, self.limits, offset, length),
        )


def read_text(source: ByteSource, message: str, limits: Limits) -> tuple[Any, Spans]:
    """Parse the text ``source`` as ``message`` with its large payloads left in the file.

    Raises FormatError with the path, the line and the column where the text breaks, LimitError
    where nesting or size pass ``limits``.
    """
    from google.protobuf.message import DecodeError

    spans = TextSpans(source=source, key=os.urandom(8), limits=limits)
    out = Reader(Scanner(source), limits, spans.text_mark, limits.skeleton_bytes).read(
        table(message)
    )
    try:
        return message_class(message).FromString(bytes(out)), spans
    except DecodeError:  # what we encode is well-formed: this is protobuf's own bound on size
        raise FormatError("holds more than protobuf takes", where=source.name) from None


def _read_tensor(source: ByteSource, limits: Limits, offset: int, length: int) -> bytes:
    """The serialised TensorProto of text that begins behind its bracket and ends with one."""
    end = offset + length
    close = source.read(end - 1, 1)
    reader = Reader(Scanner(source, offset, end), limits, None, None)
    return bytes(reader.read(table("TensorProto"), close))


def _read_string(source: ByteSource, limits: Limits, offset: int, length: int) -> bytes:
    scanner = Scanner(source, offset, offset + length)
    scanner.refill()
    try:
        value, _, _ = scanner.string(None)
    except Fault:  # it was read once: the file has changed
        value = None
    if value is None:
        raise FormatError("changed while it was read", where=source.name)
    return value
