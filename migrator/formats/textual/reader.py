"""Messages from text to the wire's encoding, large values left where they are.

Most of a text is settled by one look at a field (``FIELD``); what that does not match, comments,
lists, strings with escapes, goes through ``Scanner.head``.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Callable

from migrator.formats.messages import SPAN_FIELD
from migrator.formats.spans import INLINE
from migrator.formats.textual.faults import Fault, check_text, misfit, twice, unclosed, wanted
from migrator.formats.textual.large_tensor import LargeTensor
from migrator.formats.textual.looks import FIELD, PLAIN, WHOLE
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
from migrator.formats.wire import bytes_field, varint
from migrator.limits import TRUST_HINT, Limits

_BLOCKS = 4096
_BLOCK_BYTES = 512
_CLOSING = {b"{": b"}", b"<": b">"}
_ENDS = (CLOSE, END)

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

        One loop with its state in locals, as a call for each field would cost as much as the
        field. Whatever else moves the scanner ends at the loop's last line, which catches up.
        """
        scan = self._scan
        if depth > self._limits.depth:
            deep = f"messages nested deeper than {self._limits.depth}"
            raise Fault(scan.base + scan.pos, deep, TRUST_HINT, limit=True)
        fields = table.fields
        match = FIELD.match
        data, pos, safe = scan.data, scan.pos, scan.safe
        begin = scan.base + pos
        tensor = LargeTensor(begin) if table.lazy and close else None
        seen = counted = 0
        counts: dict[TextField, int] = {}
        while True:
            if pos > safe:
                scan.pos = pos
                scan.refill()
                data, pos, safe = scan.data, 0, scan.safe
                self._keep(len(out) - counted)
                counted = len(out)
            if tensor is not None:
                found = self._run(tensor, fields, data, pos, out)
                counted = min(counted, len(out))
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
                kind, name, value = self._head(fields)
                data, pos, safe = scan.data, scan.pos, scan.safe
            field = fields.get(name)
            if field is None:
                if kind in _ENDS:  # they have no name
                    if value != close:
                        raise unclosed(self._begin(look), value, close)
                    break
                field = UNKNOWN
                if kind == OPEN and table.name == "Any" and name[:1] == b"[" and b"/" in name:
                    self._any(name, out, depth)
                    data, pos, safe = scan.data, scan.pos, scan.safe
                    continue
            elif field.bit:
                if seen & field.bit:
                    raise twice(self._begin(look), field)
                seen |= field.bit
            if kind == WORD:
                known = field.known.get(value)
                out += self._word(field, value, look) if known is None else known
                if look is not None:
                    continue
                scan.behind()
            elif kind == PLAIN:
                if field.what == TEXT:
                    if not value.isascii():
                        check_text(value, scan.base + pos, field)
                elif field.what != BYTES:
                    if field.what != ANYTHING:
                        raise misfit(self._at(look, kind) - 1, b'"', wanted(field), field)
                    continue
                out += field.tag
                if len(value) < 128:
                    out.append(len(value))
                else:
                    out += varint(len(value))
                out += value
                continue
            elif kind == STRING:
                self._string(field, out, tensor)
                scan.behind()
            elif kind == LIST:
                scan.pos = pos
                self._list(field, name, out, depth, tensor)
            else:
                if field.what < MESSAGE:
                    raise misfit(self._at(look, kind), value, wanted(field), field)
                index = -1
                if field.repeated:
                    index = counts[field] = counts.get(field, -1) + 1
                scan.pos = pos
                counted += self._submessage(field, out, value, depth, index, name)
            data, pos, safe = scan.data, scan.pos, scan.safe
        scan.pos = pos
        bracket = pos - 1 if look is None else look.start(CLOSE)
        if tensor is not None and tensor.dropped and self._mark is not None:
            tensor.reduce(out)
            out += bytes_field(SPAN_FIELD, self._mark(begin, scan.base + bracket + 1 - begin, -1))
        if len(out) > counted:
            self._keep(len(out) - counted)
        if listed:  # what comes next is the list's
            scan.pos = bracket + 1
        elif look is None and kind == CLOSE:
            scan.behind()

    def _head(self, fields: dict[bytes, TextField]) -> tuple[int, bytes, bytes]:
        """What comes, its name and value or bracket, where a look at the field did not tell."""
        kind, name, value, colon = self._scan.head()
        if kind == LIST and not colon and fields.get(name, UNKNOWN).what < MESSAGE:
            self._scan.fault("':'")
        return kind, name, value

    def _begin(self, look: re.Match[bytes] | None) -> int:
        """Where in the file a field begins that a look, or without one the scanner, found."""
        return self._scan.begin if look is None else self._scan.base + look.start()

    def _at(self, look: re.Match[bytes] | None, group: int) -> int:
        """Where its value does."""
        return self._scan.at if look is None else self._scan.base + look.start(group)

    def _run(
        self,
        tensor: LargeTensor,
        fields: dict[bytes, TextField],
        data: bytes,
        pos: int,
        out: bytearray,
    ) -> int:
        """Where a run of numbers ends that begins at ``pos``, if one does. They are taken, or
        left in the file where the tensor is large."""
        if self._mark is not None:
            if self._scan.base + pos - tensor.begin <= INLINE:
                return pos if not tensor.dropped else self._runs.fields(fields, data, pos, None)
            tensor.drop(out)
        return self._runs.fields(fields, data, pos, None if tensor.dropped else out)

    def _word(self, field: TextField, word: bytes, look: re.Match[bytes] | None) -> bytes:
        """The encoding of a number or a name that the field does not know yet."""
        if field.what == ANYTHING:
            return b""
        try:
            return field.word(word)
        except ValueError as error:
            raise misfit(self._at(look, WORD), word, f"{error}", field) from None

    def _submessage(
        self,
        field: TextField,
        out: bytearray,
        bracket: bytes,
        depth: int,
        index: int,
        name: bytes,
        listed: bool = False,
    ) -> int:
        """Append a message that begins behind ``bracket``, where the scanner is. How many of its
        bytes are counted by now: none where it was read before, word for word the same."""
        block = None
        if field.alike and bracket == b"{" and not listed:
            scan = self._scan
            whole = WHOLE.match(scan.data, scan.pos)
            if whole is not None:
                block = (field, whole[0])
                encoded = self._blocks.get(block)
                if encoded is not None:
                    out += encoded
                    scan.pos = whole.end()
                    return 0
        inner = bytearray()
        try:
            self._message(field.table, inner, _CLOSING[bracket], depth + 1, listed)
        except Fault as fault:
            step = ascii(name.decode("latin-1"))[1:-1] if field is UNKNOWN else field.name
            fault.path.append(step if index < 0 or field is UNKNOWN else f"{step}[{index}]")
            raise
        if field.what != MESSAGE:
            return 0
        head = field.tag + varint(len(inner))
        out += head
        out += inner
        if block and len(block[1]) < _BLOCK_BYTES and len(self._blocks) < _BLOCKS:
            self._blocks[block] = head + inner
        return len(head) + len(inner)

    def _any(self, name: bytes, out: bytearray, depth: int) -> None:
        """``[type.googleapis.com/tensorflow.X] { }`` in an Any stands for its two fields."""
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

    def _string(self, field: TextField, out: bytearray, tensor: LargeTensor | None) -> None:
        """Append the string that the scanner is before, unless it is left in the file."""
        scan = self._scan
        begin = scan.base + scan.pos
        if field.what not in (BYTES, TEXT, ANYTHING):
            raise misfit(begin, scan.data[scan.pos : scan.pos + 1], wanted(field), field)
        if field.what == ANYTHING or (tensor is not None and tensor.dropped):
            scan.string(-1)
            return
        leaves = self._mark is not None and (tensor is not None or field.lazy)
        room = None if self._room is None else self._room - self._kept
        value, size, end = scan.string(INLINE if leaves else room, measured=field.lazy)
        if value is None:
            if not leaves:
                self._keep(size)
            if field.lazy and self._mark is not None:
                # An empty value keeps the oneof set; the mark says where the bytes are.
                mark = self._mark(begin, end - begin, size)
                out += field.tag + b"\0" + bytes_field(SPAN_FIELD, mark)
            if tensor is not None:
                tensor.dropped = True
            return
        if field.what == TEXT and not value.isascii():
            check_text(value, begin, field)
        out += field.tag
        out += varint(len(value))
        out += value

    def _list(
        self, field: TextField, name: bytes, out: bytearray, depth: int, tensor: LargeTensor | None
    ) -> None:
        """Append what is in ``[a, b]``, but for what is left in the file of a large tensor."""
        scan = self._scan
        begin = scan.base + scan.pos
        if not field.repeated:
            raise misfit(begin, b"[", wanted(field), field)
        scan.pos += 1
        if scan.skip() == 93:
            scan.pos += 1
            scan.behind()
            return
        index = 0
        counted = len(out)
        while True:
            if tensor is not None and (
                tensor.dropped or (self._mark is not None and scan.base + scan.pos - begin > INLINE)
            ):
                tensor.drop(out)
            self._keep(max(0, len(out) - counted))
            counted = len(out)
            byte = scan.skip()
            if byte >= 0 and byte in b"{<":
                if field.what < MESSAGE:
                    raise misfit(scan.base + scan.pos, bytes((byte,)), wanted(field), field)
                scan.pos += 1
                bracket = bytes((byte,))
                counted += self._submessage(field, out, bracket, depth, index, name, listed=True)
            elif byte in (34, 39):
                self._string(field, out, tensor)
            else:
                if byte == 91 and field is UNKNOWN:
                    scan.fault("a value")
                self._number(field, out, tensor)
            index += 1
            byte = scan.skip()
            if byte == 93:
                scan.pos += 1
                break
            if byte != 44:
                scan.fault("',' or ']'")
            scan.pos += 1
        scan.behind()

    def _number(self, field: TextField, out: bytearray, tensor: LargeTensor | None) -> None:
        """Append a list's next number or name, and the run of numbers before it."""
        scan = self._scan
        dropped = tensor is not None and tensor.dropped
        self._runs.items(field, None if dropped else out)
        at = scan.base + scan.pos
        word = scan.word()
        if field.what == ANYTHING or (dropped and field.what == NUMBER):
            return
        try:
            out += field.word(word)
        except ValueError as error:
            raise misfit(at, word, f"{error}", field) from None

    def _keep(self, count: int) -> None:
        self._kept += count
        if self._room is not None and self._kept > self._room:
            more = self._limits.skeleton_bytes - self._room
            self._limits.check("skeleton_bytes", self._kept + more, where=self._scan.source.name)
