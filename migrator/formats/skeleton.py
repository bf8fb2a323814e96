"""The lazy reading of a protobuf file: walk the tags, leave large payloads where they are.

``read_skeleton`` copies every small field as it stands, descends into messages larger than
``INLINE`` and, in place of a large tensor or byte string, leaves a mark that says where in the
file it lies. The copy (the skeleton) is small and protobuf parses it; so a graph of 3 GB, past
protobuf's own 2 GiB limit, reads in the time that its structure takes.

Source of the wire format: protobuf's public encoding guide.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from migrator.errors import FormatError, LimitError
from migrator.formats.messages import SPAN_FIELD, children, field_names, message_class, repeated
from migrator.formats.spans import INLINE, Spans
from migrator.formats.window import Window
from migrator.formats.wire import (
    END_GROUP,
    FIXED32,
    FIXED64,
    LENGTH,
    START_GROUP,
    VARINT,
    bytes_field,
    tag,
    varint,
)
from migrator.limits import Limits, trust_hint
from migrator.places.source import ByteSource

_PART = 1 << 20
"""Bytes that are copied at once."""
_LAZY = {"TensorProto"}
"""Messages that stay in the file as a whole when they are large."""
_LAZY_BYTES = {("AttrValue", 2)}
"""Byte fields that do."""
_ONE_FIELD = {"AttrValue": None, "map:AttrValue": 2, "map:TensorProto": 2}
"""Messages whose parts a parser merges where they come twice: the one field that has to come once
(None: that may come at all) for anything in there to be left in the file."""
_HEADER = {1, 2}
"""What is kept of a lazy TensorProto: dtype and shape."""


def read_skeleton(source: ByteSource, message: str, limits: Limits) -> tuple[Any, Spans]:
    """Parse ``source`` as ``message`` with its large payloads left in the file.

    Raises FormatError with the path and the byte where the encoding breaks, LimitError where
    nesting or size pass ``limits``.
    """
    from google.protobuf.message import DecodeError

    spans = Spans(source=source, key=os.urandom(8))
    walker = _Walker(source, spans, limits)
    out = bytearray()
    walker.copy(message, 0, source.size, out, (), 0)
    try:
        return message_class(message).FromString(bytes(out)), spans
    except DecodeError:
        # protobuf gives no place: walk again, into the small fields too.
        strict = _Walker(source, spans, limits, inline=0)
        strict.copy(message, 0, source.size, bytearray(), (), 0)
        raise FormatError(
            "is not a well-formed message (wrong type of a field, or text that is not UTF-8)",
            where=source.name,
            hint="is the file damaged?",
        ) from None


class _Walker:
    def __init__(
        self, source: ByteSource, spans: Spans, limits: Limits, inline: int = INLINE
    ) -> None:
        self._source = source
        self._spans = spans
        self._limits = limits
        self._inline = inline
        self._window = Window(source)
        self._kept = 0

    def copy(
        self, message: str, start: int, end: int, out: bytearray, path: tuple[Any, ...], depth: int
    ) -> None:
        """Append the skeleton of ``message`` at [start, end) to ``out``."""
        if depth > self._limits.depth:
            raise LimitError(
                f"messages nested deeper than {self._limits.depth} (byte {start:,})",
                where=f"{self._source.name}: {_path(path)}",
                hint=trust_hint("depth"),
            )
        if message in _ONE_FIELD and self._merges(start, end, _ONE_FIELD[message], path):
            self._flush(start, end, out)
            return
        window = self._window
        known = children(message)
        indexed = repeated(message)
        counts: dict[int, int] = {}
        position = start
        run = start  # start of the fields since `run` that go over as they are
        inline = self._inline
        data = b""
        first = last = 0  # what of the file `data` is; nothing after others have moved the window
        while position < end:
            if first <= position and position + 20 <= last:
                index = position - first
            else:
                index = window.at(position, 20)
                data, first, last = window.data, window.start, window.end
            key = data[index]
            after = index + 1
            if key > 127:
                key, after = self._varint(index, path)
            field, wire = key >> 3, key & 7
            if wire == LENGTH:
                if after >= len(data):
                    self._fail(position, path, message, field, counts, "has no length")
                length = data[after]
                after += 1
                if length > 127:
                    more = data[after] if after < len(data) else 128
                    if more < 128:  # two bytes, as most nodes have
                        length += (more - 1) << 7
                        after += 1
                    else:
                        length, after = self._varint(after - 1, path)
                payload = first + after
                stop = payload + length
                if stop > end:
                    self._fail(
                        position,
                        path,
                        message,
                        field,
                        counts,
                        f"length {length:,} passes the end of its message at byte {end:,}",
                    )
                if field in indexed:
                    counts[field] = counts.get(field, -1) + 1
                if length > inline or field not in known:
                    self._flush(run, position, out)
                    here = (*path, (message, field, counts.get(field)))
                    self._large(message, field, payload, stop, out, here, depth, known)
                    run = stop
                    last = 0
                position = stop
                continue
            if wire == VARINT:
                _, after = self._varint(after, path)
                position = first + after
            elif wire == FIXED64:
                position = first + after + 8
            elif wire == FIXED32:
                position = first + after + 4
            elif wire == START_GROUP and field:  # an unknown field, as all groups are
                self._flush(run, position, out)
                position = run = self._behind_group(position, end, path)
                last = 0
            else:
                self._fail(position, path, message, field, counts, f"wire type {wire} is not used")
            if field == 0:
                self._fail(position, path, message, field, counts, "field number 0 is not allowed")
            if position > end:
                self._fail(position, path, message, field, counts, "passes the end of its message")
        self._flush(run, position, out)

    def _behind_group(self, start: int, end: int, path: tuple[Any, ...]) -> int:
        """Where the group that starts at ``start`` has come to its end."""
        depth = 0
        for position, wire, stop in self._fields(start, end, path):
            depth += (wire == START_GROUP) - (wire == END_GROUP)
            if depth <= 0:
                return stop
            if depth > self._limits.depth:
                raise LimitError(
                    f"groups nested deeper than {self._limits.depth} (byte {position:,})",
                    where=f"{self._source.name}: {_path(path)}",
                )
        raise FormatError(
            f"a group without an end (byte {start:,})",
            where=f"{self._source.name}: {_path(path)}",
            hint="is the file damaged?",
        )

    def _merges(self, start: int, end: int, once: int | None, path: tuple[Any, ...]) -> bool:
        """True where a field of [start, end) comes a second time."""
        window = self._window
        count = 0
        try:
            for position, _, _ in self._fields(start, end, path):
                key, _ = self._varint(window.at(position, 20), path)
                count += once is None or key >> 3 == once
                if count > 1:
                    return True
        except FormatError:
            pass  # the walk itself says where and what
        return False

    def _fields(
        self, start: int, end: int, path: tuple[Any, ...]
    ) -> Iterator[tuple[int, int, int]]:
        """(start, wire type, end) of each field; a group's marks are fields of their own."""
        window = self._window
        position = start
        while position < end:
            index = window.at(position, 20)
            key, after = self._varint(index, path)
            wire = key & 7
            length = {FIXED64: 8, FIXED32: 4}.get(wire, 0)
            if wire in (LENGTH, VARINT):
                value, after = self._varint(after, path)
                length = value if wire == LENGTH else 0
            stop = window.start + after + length
            if stop > end or wire > FIXED32:
                raise FormatError(
                    f"a field that passes the end of its message (byte {position:,})",
                    where=f"{self._source.name}: {_path(path)}",
                    hint="is the file truncated?",
                )
            yield position, wire, stop
            position = stop

    def _large(
        self,
        message: str,
        field: int,
        start: int,
        stop: int,
        out: bytearray,
        path: tuple[Any, ...],
        depth: int,
        known: dict[int, str | None],
    ) -> None:
        if field not in known:
            if field == 0:
                raise FormatError(
                    f"field number 0 is not allowed (byte {start:,})",
                    where=f"{self._source.name}: {_path(path[:-1])}",
                )
            return  # nothing of ours: debug info, documentation, newer fields
        child = known[field]
        if child is None:
            if (message, field) in _LAZY_BYTES and stop - start > INLINE:
                # An empty value keeps the oneof set; the mark says where the bytes are.
                out += (
                    tag(field)
                    + b"\0"
                    + bytes_field(SPAN_FIELD, self._spans.mark(start, stop - start))
                )
            else:
                out += tag(field) + varint(stop - start)
                self._flush(start, stop, out)
            return
        inner = bytearray()
        if child in _LAZY and stop - start > INLINE:
            self._header(child, start, stop, inner, path)
            inner += bytes_field(SPAN_FIELD, self._spans.mark(start, stop - start))
        else:
            self.copy(child, start, stop, inner, path, depth + 1)
        self._keep(16)
        out += tag(field) + varint(len(inner)) + inner

    def _header(
        self, message: str, start: int, end: int, out: bytearray, path: tuple[Any, ...]
    ) -> None:
        """Copy dtype and shape of a lazy tensor; its writers put them first."""
        window = self._window
        seen = 0
        position = start
        while position < end and seen != len(_HEADER):
            index = window.at(position, 20)
            key, after = self._varint(index, path)
            field, wire = key >> 3, key & 7
            if wire == LENGTH:
                length, after = self._varint(after, path)
                stop = window.start + after + length
            elif wire == VARINT:
                _, after = self._varint(after, path)
                stop = window.start + after
            elif wire in (FIXED64, FIXED32):
                stop = window.start + after + (8 if wire == FIXED64 else 4)
            else:
                self._fail(position, path, message, field, {}, f"wire type {wire} is not used")
            if stop > end:
                self._fail(
                    position, path, message, field, {}, f"passes the end of its message ({end:,})"
                )
            if field in _HEADER:
                seen += 1
                self._flush(position, stop, out)
            position = stop

    def _flush(self, start: int, stop: int, out: bytearray) -> None:
        """Copy file bytes [start, stop) as they are."""
        if stop <= start:
            return
        self._keep(stop - start)
        while start < stop:
            part = min(stop - start, _PART)
            if self._window.start <= start and start + part <= self._window.end:
                index = start - self._window.start
                out += self._window.data[index : index + part]
            else:
                out += self._source.read(start, part)
            start += part

    def _keep(self, count: int) -> None:
        self._kept += count
        if self._kept > self._limits.skeleton_bytes:
            self._limits.check("skeleton_bytes", self._kept, where=self._source.name)

    def _varint(self, index: int, path: tuple[Any, ...]) -> tuple[int, int]:
        """The number at ``index`` of the window, and the index behind it. Ten bytes at most."""
        data = self._window.data
        value = shift = 0
        for after in range(index, min(index + 10, len(data))):
            byte = data[after]
            value |= (byte & 127) << shift
            if byte < 128:
                return value & 0xFFFFFFFFFFFFFFFF, after + 1
            shift += 7
        place = f"{self._source.name}: {_path(path)}" if path else self._source.name
        byte = self._window.start + index
        if len(data) - index >= 10:
            raise FormatError(
                f"a number runs past 10 bytes (byte {byte:,})",
                where=place,
                hint="is this a TensorFlow model?",
            )
        raise FormatError(
            f"ends inside a number (byte {byte:,})", where=place, hint="is the file truncated?"
        )

    def _fail(
        self,
        position: int,
        path: tuple[Any, ...],
        message: str,
        field: int,
        counts: dict[int, int],
        what: str,
    ) -> Any:
        index = counts.get(field, -1) + 1 if field in repeated(message) else None
        here = (*path, (message, field, index))
        cut = "passes the end" in what or what == "has no length"
        hint = "is the file truncated?" if cut else "is the file damaged?"
        raise FormatError(
            f"{what} (byte {position:,})", where=f"{self._source.name}: {_path(here)}", hint=hint
        )


def _path(path: tuple[Any, ...]) -> str:
    """``graph_def.node[17].attr[0].value`` from (message, field, index) steps."""
    parts = []
    for message, field, index in path:
        name = field_names(message).get(field, f"field {field}")
        parts.append(name if index is None else f"{name}[{index}]")
    return ".".join(parts) or "top level"
