"""Messages from text to the wire's encoding, large values left where they are.

Most of a text is settled by one look at a field (``_FIELD``); what that does not match, comments,
lists, strings with escapes, goes through ``Scanner.head``.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Callable

from migrator.formats.messages import SPAN_FIELD
from migrator.formats.spans import INLINE
from migrator.formats.textual.faults import Fault, check_text, misfit, twice, unclosed, wanted
from migrator.formats.textual.runs import Runs
from migrator.formats.textual.scan import (
    CLOSE,
    END,
    LIST,
    OPEN,
    STRING,
    WORD,
    Scanner,
)
from migrator.formats.textual.tables import (
    ANYTHING,
    BYTES,
    MESSAGE,
    NUMBER,
    TEXT,
    UNKNOWN,
    Table,
    TextField,
    named_type,
)
from migrator.formats.wire import FIXED32, FIXED64, LENGTH, VARINT, bytes_field, read_varint, varint
from migrator.limits import TRUST_HINT, Limits

_WS = rb"[ \t\n\r\f\v]{0,256}"
# Each part is bounded and begins with what the one before it cannot hold, so a look takes a time
# that does not grow. The groups are: 1 name, 2 string, 3 word, 4 and 5 opening, 6 closing.
_FIELD = re.compile(
    rb"(?:([A-Za-z_]\w{0,63})WS(?::WS(?:"
    rb'"([^"\\\n]{0,1000})"WS(?!["\'#\s])|(-?[.\w][-+.\w]{0,62})(?![-+.\w])WS|([{<])WS)|([{<])WS)'
    rb"|([}>])WS)[,;]?WS".replace(b"WS", _WS)
)
_PART = rb"[^{}<>\[\]\"'#]{0,120}(?:\"[^\"\\\n]{0,64}\"[^{}<>\[\]\"'#]{0,64})?"
_BLOCK = _PART
for _times in (b"{0,6}", b"{0,2}", b"?"):
    _BLOCK = _PART + rb"(?:\{" + _BLOCK + rb"\}" + _PART + rb")" + _times
_WHOLE = re.compile(_BLOCK + rb"\}WS[,;]?WS".replace(b"WS", _WS))
"""The rest of a small message, with those in it: most attributes are word for word alike."""
_BLOCKS = 4096
_BLOCK_BYTES = 512
_CLOSING = {b"{": b"}", b"<": b">"}
_ENDS = (CLOSE, END)
_HEADER = {1, 2}
"""What is kept of a tensor that is left in the file: dtype and shape."""

Mark = Callable[[int, int, int], bytes]
"""A mark for what lies at (offset, length) and, where it is a string, its size; -1 for messages."""


class Reader:
    """Reads one message's text.

    Without ``mark`` nothing is left in the file. ``room`` is how many bytes may be kept, None for
    any number.
    """

    def __init__(
        self, scanner: Scanner, limits: Limits, mark: Mark | None, room: int | None
    ) -> None:
        self._scan = scanner
        self._limits = limits
        self._mark = mark
        self._room = room
        self._kept = 0
        self._runs = Runs(scanner)
        self._blocks: dict[tuple[TextField, bytes], bytes] = {}

    def read(self, message: Table, close: bytes = b"") -> bytearray:
        """The encoding of ``message``, whose text begins where the scanner is and goes to
        ``close``, or to the end of it all.

        Raises FormatError with path, line and column where the text breaks; LimitError.
        """
        out = bytearray()
        try:
            if not close and self._scan.source.read(0, min(3, self._scan.source.size)) == BOM_UTF8:
                self._scan.base = len(BOM_UTF8)
            self._message(message, out, close, 0)
        except Fault as fault:
            raise fault.told(self._scan.source) from None
        return out

    def _message(
        self, table: Table, out: bytearray, close: bytes, depth: int, listed: bool = False
    ) -> None:
        """Append the fields of a message to ``out``, up to and past its closing bracket, and past
        a separator unless it is ``listed``.

        One loop with its state in locals: a call for each field would cost as much as the field.
        """
        scan = self._scan
        if depth > self._limits.depth:
            deep = f"messages nested deeper than {self._limits.depth}"
            raise Fault(scan.base + scan.pos, deep, TRUST_HINT, limit=True)
        fields = table.fields
        match = _FIELD.match
        data, pos, safe = scan.data, scan.pos, scan.safe
        begin = scan.base + pos
        runs = table.lazy and close != b""  # of tensors: values in long runs
        dropped = False  # some of a tensor's values were left in the file
        least = INLINE  # so long, what is kept of it is reduced to its header
        seen = counted = 0
        counts: dict[TextField, int] = {}
        while True:
            if pos > safe:
                scan.pos = pos
                scan.refill()
                data, pos, safe = scan.data, 0, scan.safe
                self._keep(len(out) - counted)
                counted = len(out)
            if runs:
                if self._mark is not None and scan.base + pos - begin > INLINE:
                    dropped = True
                    if len(out) > least:
                        least = _keep_header(out)
                        counted = min(counted, len(out))
                if dropped or self._mark is None:
                    found = self._runs.fields(fields, data, pos, None if dropped else out)
                    if found != pos:
                        pos = found
                        continue
            look = match(data, pos)
            if look is not None:
                kind = look.lastindex or 0
                name, value = look.group(1, kind)
                pos = look.end()
            else:
                scan.pos = pos
                kind, name, value, colon = scan.head()
                data, pos, safe = scan.data, scan.pos, scan.safe
                if kind == LIST and not colon and fields.get(name, UNKNOWN).what < MESSAGE:
                    scan.fault("':'")
            if kind in _ENDS:
                if value != close:
                    at = scan.begin if look is None else scan.base + look.start()
                    raise unclosed(at, value, close)
                break
            field = fields.get(name)
            if field is None:
                field = self._unknown(table, name, kind, out, depth)
                if field is None:  # a type in brackets, taken as a whole
                    data, pos, safe = scan.data, scan.pos, scan.safe
                    continue
            elif field.bit:
                if seen & field.bit:
                    raise twice(scan.begin if look is None else scan.base + look.start(), field)
                seen |= field.bit
            what = field.what
            if kind == WORD:
                known = field.known.get(value)
                if known is None:
                    if what == ANYTHING:
                        known = b""
                    else:
                        try:
                            known = field.word(value)
                        except ValueError as error:
                            at = scan.at if look is None else scan.base + look.start(WORD)
                            raise misfit(at, value, f"{error}", field) from None
                out += known
                if look is None:
                    scan.behind()
                    data, pos, safe = scan.data, scan.pos, scan.safe
            elif kind == 2:
                if what == TEXT:
                    if not value.isascii():
                        check_text(value, scan.base + pos, field)
                elif what != BYTES:
                    if what == ANYTHING:
                        continue
                    assert look is not None
                    raise misfit(scan.base + look.start(2) - 1, b'"', wanted(field), field)
                out += field.tag
                if len(value) < 128:
                    out.append(len(value))
                else:
                    out += varint(len(value))
                out += value
            elif kind == STRING:
                kept = self._string(field, out, dropped or what == ANYTHING, runs)
                dropped = dropped or (runs and not kept)
                scan.behind()
                data, pos, safe = scan.data, scan.pos, scan.safe
            elif kind == LIST:
                scan.pos = pos
                kept = self._list(field, name, out, depth, dropped, runs, least)
                dropped = dropped or not kept
                data, pos, safe = scan.data, scan.pos, scan.safe
            else:
                if what < MESSAGE:
                    at = scan.at if look is None else scan.base + look.start(kind)
                    raise misfit(at, value, wanted(field), field)
                index = -1
                if field.repeated:
                    index = counts[field] = counts.get(field, -1) + 1
                before = len(out)
                block = None
                if field.alike and value == b"{":
                    whole = _WHOLE.match(data, pos)
                    if whole is not None:
                        block = (field, whole[0])
                        encoded = self._blocks.get(block)
                        if encoded is not None:
                            out += encoded
                            pos = whole.end()
                            continue
                scan.pos = pos
                self._inner(field, out, value, depth, index, name)
                data, pos, safe = scan.data, scan.pos, scan.safe
                counted += len(out) - before
                if block and len(block[1]) < _BLOCK_BYTES and len(self._blocks) < _BLOCKS:
                    self._blocks[block] = bytes(out[before:])
        bracket = pos - 1 if look is None else look.start(CLOSE)
        if dropped and self._mark is not None:
            _keep_header(out)
            out += bytes_field(SPAN_FIELD, self._mark(begin, scan.base + bracket + 1 - begin, -1))
        self._keep(max(0, len(out) - counted))
        scan.pos = pos
        if listed:  # what comes next is the list's
            scan.pos = bracket + 1
        elif look is None and kind == CLOSE:
            scan.behind()

    def _inner(
        self,
        field: TextField,
        out: bytearray,
        bracket: bytes,
        depth: int,
        index: int,
        name: bytes,
        listed: bool = False,
    ) -> None:
        """Append a message that begins behind ``bracket``."""
        inner = bytearray()
        try:
            self._message(field.table, inner, _CLOSING[bracket], depth + 1, listed)
        except Fault as fault:
            step = ascii(name.decode("latin-1"))[1:-1] if field is UNKNOWN else field.name
            fault.path.append(step if index < 0 or field is UNKNOWN else f"{step}[{index}]")
            raise
        if field.what == MESSAGE:
            out += field.tag
            out += varint(len(inner))
            out += inner

    def _unknown(
        self, table: Table, name: bytes, kind: int, out: bytearray, depth: int
    ) -> TextField | None:
        """What to do with a field that the table does not have; None where it is done.

        ``[type.googleapis.com/tensorflow.X] { }`` in an Any stands for its two fields.
        """
        if table.name != "Any" or not name.startswith(b"[") or b"/" not in name or kind != OPEN:
            return UNKNOWN
        scan = self._scan
        close = _CLOSING[scan.data[scan.pos - 1 : scan.pos]]
        room = None if self._room is None else self._room - self._kept
        reader = Reader(scan, self._limits, None, room)
        inner = bytearray()
        try:
            reader._message(named_type(name), inner, close, depth + 1)
        except Fault as fault:
            fault.path.append(ascii(name.decode("latin-1"))[1:-1])
            raise
        out += bytes_field(1, name[1:-1]) + bytes_field(2, bytes(inner))
        return None

    def _string(self, field: TextField, out: bytearray, dropped: bool, tensor: bool) -> bool:
        """Append the string that the scanner is before; False where it was left in the file."""
        scan = self._scan
        begin = scan.base + scan.pos
        if field.what not in (BYTES, TEXT, ANYTHING):
            raise misfit(begin, scan.data[scan.pos : scan.pos + 1], wanted(field), field)
        if dropped:
            scan.string(-1)
            return field.what == ANYTHING
        leaves = self._mark is not None and (tensor or field.lazy)
        room = None if self._room is None else self._room - self._kept
        value, size, end = scan.string(INLINE if leaves else room, measured=field.lazy)
        if value is None:
            if not leaves:
                self._keep(size)
            if field.lazy and self._mark is not None:
                # An empty value keeps the oneof set; the mark says where the bytes are.
                mark = self._mark(begin, end - begin, size)
                out += field.tag + b"\0" + bytes_field(SPAN_FIELD, mark)
            return False
        if field.what == TEXT and not value.isascii():
            check_text(value, begin, field)
        out += field.tag
        out += varint(len(value))
        out += value
        return True

    def _list(
        self,
        field: TextField,
        name: bytes,
        out: bytearray,
        depth: int,
        dropped: bool,
        tensor: bool,
        least: int,
    ) -> bool:
        """Append what is in ``[a, b]``; False where something was left in the file."""
        scan = self._scan
        begin = scan.base + scan.pos
        if not field.repeated:
            raise misfit(begin, b"[", wanted(field), field)
        scan.pos += 1
        if scan.skip() == 93:
            scan.pos += 1
            scan.behind()
            return not dropped
        index = 0
        counted = len(out)
        while True:
            dropped = dropped or (
                tensor and self._mark is not None and scan.base + scan.pos - begin > INLINE
            )
            if dropped and len(out) > least:
                least = _keep_header(out)
            self._keep(max(0, len(out) - counted))
            counted = len(out)
            byte = scan.skip()
            if byte >= 0 and byte in b"{<":
                if field.what < MESSAGE:
                    raise misfit(scan.base + scan.pos, bytes((byte,)), wanted(field), field)
                scan.pos += 1
                before = len(out)
                self._inner(field, out, bytes((byte,)), depth, index, name, listed=True)
                counted += len(out) - before
            elif byte in (34, 39):
                dropped = not self._string(field, out, dropped, tensor) or dropped
            else:
                if byte == 91 and field is UNKNOWN:
                    scan.fault("a value")
                self._runs.items(field, None if dropped else out)
                at = scan.base + scan.pos
                word = scan.word()
                if field.what != ANYTHING and not (dropped and field.what == NUMBER):
                    try:
                        out += field.word(word)
                    except ValueError as error:
                        raise misfit(at, word, f"{error}", field) from None
            index += 1
            byte = scan.skip()
            if byte == 93:
                scan.pos += 1
                break
            if byte != 44:
                scan.fault("',' or ']'")
            scan.pos += 1
        scan.behind()
        return not dropped

    def _keep(self, count: int) -> None:
        self._kept += count
        if self._room is not None and self._kept > self._room:
            more = self._limits.skeleton_bytes - self._room
            self._limits.check("skeleton_bytes", self._kept + more, where=self._scan.source.name)


def _keep_header(out: bytearray) -> int:
    """Reduce a tensor's fields to dtype and shape. So long they should be before the next time:
    twice what stays, as a header may be long itself."""
    kept = bytearray()
    view = bytes(out)
    index = 0
    while index < len(view):
        key, after = read_varint(view, index)
        wire = key & 7
        if wire == VARINT:
            _, after = read_varint(view, after)
        elif wire == LENGTH:
            length, after = read_varint(view, after)
            after += length
        else:
            after += {FIXED32: 4, FIXED64: 8}[wire]
        if key >> 3 in _HEADER:
            kept += view[index:after]
        index = after
    out[:] = kept
    return 2 * len(kept) + INLINE
