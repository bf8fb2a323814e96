"""The first fields of a protobuf message, without its schema."""

from __future__ import annotations

from migrator.errors import FormatError
from migrator.formats.wire import read_varint
from migrator.places.source import ByteSource

Field = tuple[int, int, int, int]
"""Number, wire type, start and end of its payload."""
_WINDOW = 4096
_TOP_FIELDS = 64
"""So many fields are looked at; the parser then reads them all."""


def fields_until_damage(
    source: ByteSource, start: int, end: int
) -> tuple[list[Field], FormatError | None]:
    """The first fields in [start, end).

    With what is wrong behind them, where the bytes are no protobuf encoding. A field that is cut
    off is the last one.
    """
    fields: list[Field] = []
    position = window = start
    data = b""
    try:
        while position < end and len(fields) < _TOP_FIELDS:
            if position + 24 > window + len(data):
                window = position
                data = source.read(position, min(_WINDOW, end - position))
            tag, after = varint(data, position - window)
            number, wire = tag >> 3, tag & 7
            if number == 0 or wire in (3, 4, 6, 7):
                raise FormatError(f"byte {position:,} starts no protobuf field")
            if wire == 0:
                _, after = varint(data, after)
                begin = stop = window + after
            elif wire == 2:
                length, after = varint(data, after)
                begin = window + after
                stop = begin + length
            else:
                begin = window + after
                stop = begin + (8 if wire == 1 else 4)
            fields.append((number, wire, begin, stop))
            if stop > end:
                raise FormatError(f"the field at byte {position:,} passes the end")
            position = stop
        if not fields:
            raise FormatError("no field")
    except FormatError as error:
        # Who keeps it in a frame makes a circle with the frames that it came through, and what
        # they read; nobody collects those while an archive of many files is looked through.
        return fields, error.with_traceback(None)
    return fields, None


def varint(data: bytes, index: int) -> tuple[int, int]:
    """The number at ``index`` and the index after it. Raises FormatError (without a place)."""
    try:
        return read_varint(data, index)
    except ValueError as error:
        raise FormatError(str(error)) from None
