"""A moving window on text, and the parts of a text that one look at it does not settle."""

from __future__ import annotations

import re
from typing import NoReturn

from migrator.formats.textual.faults import Fault
from migrator.formats.textual.strings import safe_cut, unescape
from migrator.places.source import ByteSource

SLACK = 8192
"""So much text is visible behind a position, or all that there is."""
LONGEST = 4096
"""Characters of a name or a number. A double in full takes some 1,100."""
_FIRST_WINDOW = 64 << 10
_WINDOW = 1 << 20

WORD, OPEN, CLOSE, STRING, LIST, END = 3, 4, 6, 7, 8, 9
"""What ``Scanner.head`` finds; the numbers of groups in the reader's own look."""

_SPACE = re.compile(rb"[ \t\n\r\f\v]*")
_WORD = re.compile(rb"[-+.\w]*")
_NAME = re.compile(rb"[A-Za-z_]\w*|\d+")
_FAR = frozenset(b"%c" % byte for byte in b" \t\n\r\f\v#")
_BRACKETED = re.compile(rb"\[[ \t\n\r\f\v]*([-%\w./~!$&()*+,;= \t\n\r\f\v]{1,1000})\]")


class Scanner:
    """Text of ``source`` from ``start`` to ``end``, a window at a time.

    The window's text is ``data``, from byte ``base`` of the file on; ``pos`` is where we are in it.
    Up to ``safe`` there is ``SLACK`` text behind a position, or all there is.
    """

    __slots__ = ("_size", "at", "base", "begin", "data", "end", "final", "pos", "safe", "source")

    def __init__(self, source: ByteSource, start: int = 0, end: int | None = None) -> None:
        self.source = source
        self.end = source.size if end is None else end
        self._size = _FIRST_WINDOW // 2
        self.base = start
        self.data = b""
        self.pos = 0
        self.begin = self.at = start
        """Where in the file the field begins that ``head`` came to, and where its value does."""
        self.safe = -1
        self.final = False

    def refill(self) -> None:
        """Move the window so that it begins where we are."""
        self.base += self.pos
        self.pos = 0
        self._size = min(self._size * 2, _WINDOW)
        length = max(0, min(self._size, self.end - self.base))
        self.data = self.source.read(self.base, length)
        self.final = self.base + length >= self.end
        self.safe = length if self.final else length - SLACK

    def fault(self, expected: str, hint: str = "") -> NoReturn:
        """Raise a Fault that says what stands here."""
        found = self._shown()
        if not hint and found == "the end of the file":
            hint = "is the file truncated?"
        raise Fault(self.base + self.pos, f"found {found}, expected {expected}", hint)

    def _shown(self) -> str:
        if self.pos > self.safe:
            self.refill()
        rest = self.data[self.pos : self.pos + 40]
        if not rest:
            return "the end of the file"
        word = _WORD.match(rest)
        text = word[0] if word and word[0] else rest[:1]
        return ascii(text.decode("utf-8", "replace"))

    def skip(self) -> int:
        """Go past spaces and comments. The byte that stands there, -1 at the end."""
        while True:
            space = _SPACE.match(self.data, self.pos)
            assert space is not None
            self.pos = space.end()
            if self.pos >= len(self.data):
                if self.final:
                    return -1
                self.refill()
            elif self.data[self.pos] == 35:  # '#'
                self._comment()
            else:
                if self.pos > self.safe:
                    self.refill()
                return self.data[self.pos]

    def _comment(self) -> None:
        while True:
            line = self.data.find(b"\n", self.pos)
            if line >= 0:
                self.pos = line + 1
                return
            self.pos = len(self.data)
            if self.final:
                return
            self.refill()

    def head(self) -> tuple[int, bytes, bytes, bool]:
        """The next field as far as its value: what comes, the field's name, the value or bracket,
        and whether a colon stood before it.

        A name in brackets (an extension, a type) comes with them. Of STRING and LIST nothing of
        the value is taken.
        """
        if self.pos > self.safe:
            self.refill()
        # The reader's own look takes a separator, unless much or a comment stands before it.
        is_far = self.data[self.pos : self.pos + 1] in _FAR
        byte = self.skip()
        if byte >= 0 and byte in b",;" and is_far:
            self.pos += 1
            byte = self.skip()
        self.begin = self.at = self.base + self.pos
        if byte < 0:
            return END, b"", b"", False
        if byte in b"}>":
            self.pos += 1
            return CLOSE, b"", bytes((byte,)), False
        if byte == 91:
            found = _BRACKETED.match(self.data, self.pos)
            if found is None:
                self.fault("a field's name", "a name in brackets has no end")
            name = b"[" + b"".join(found[1].split()) + b"]"
        else:
            found = _NAME.match(self.data, self.pos, self.pos + LONGEST)
            if found is None:
                self.fault("a field's name or a closing bracket")
            name = found[0]
        self.pos = found.end()
        byte = self.skip()
        colon = byte == 58
        if colon:
            self.pos += 1
            byte = self.skip()
        self.at = self.base + self.pos
        if byte >= 0 and byte in b"{<":
            self.pos += 1
            return OPEN, name, bytes((byte,)), colon
        if byte == 91:
            return LIST, name, b"", colon
        if not colon:
            self.fault("':' or '{'")
        if byte in (34, 39):
            return STRING, name, b"", colon
        return WORD, name, self.word(), colon

    def word(self) -> bytes:
        """A number or a name. Raises Fault where none stands."""
        minus = b""
        if self.data[self.pos : self.pos + 1] == b"-":
            minus = b"-"
            self.pos += 1
            self.skip()
        found = _WORD.match(self.data, self.pos, self.pos + LONGEST + 1)
        if found is None or not found[0]:
            self.fault("a value")
        if len(found[0]) > LONGEST:
            raise Fault(self.base + self.pos, f"a value of more than {LONGEST:,} characters")
        self.pos = found.end()
        return minus + found[0]

    def behind(self) -> None:
        """Go past what may stand between a field and the next."""
        byte = self.skip()
        if byte >= 0 and byte in b",;":
            self.pos += 1
            self.skip()

    def string(self, most: int | None, *, measured: bool = False) -> tuple[bytes | None, int, int]:
        """The string that begins here, with those that follow on it: adjacent ones are one.

        Its bytes, None where they are more than ``most``; how many they are (where they are more,
        only if ``measured``); and the byte of the file behind it.
        """
        parts: list[bytes] | None = []
        size = 0
        begin = self.base + self.pos
        while True:
            quote = self.data[self.pos : self.pos + 1]
            self.pos += 1
            whole = False
            while not whole:
                chunk, whole = self._chunk(quote, begin)
                if parts is None and not measured:
                    continue
                if b"\\" in chunk:
                    try:
                        chunk = unescape(chunk)
                    except ValueError as error:
                        raise Fault(begin, f"a string with {error}") from None
                size += len(chunk)
                if most is not None and size > most:
                    parts = None
                elif parts is not None:
                    parts.append(chunk)
            end = self.base + self.pos
            if self.skip() not in (34, 39):
                break
        if parts is None:
            return None, size, end
        return parts[0] if len(parts) == 1 else b"".join(parts), size, end

    def _chunk(self, quote: bytes, begin: int) -> tuple[bytes, bool]:
        """What the window has of a string, and whether that was its end."""
        data, start = self.data, self.pos
        stop = data.find(quote, start)
        while stop > start and data[stop - 1] == 92:
            slashes = stop - 1
            while slashes > start and data[slashes - 1] == 92:
                slashes -= 1
            if (stop - slashes) % 2 == 0:
                break
            stop = data.find(quote, stop + 1)
        cut = stop if stop >= 0 else len(data) if self.final else safe_cut(data, start)
        if data.find(b"\n", start, cut) >= 0 or (stop < 0 and self.final):
            hint = "is the file truncated?" if self.final and b"\n" not in data[start:] else ""
            raise Fault(begin, f"a string without its closing {quote.decode()}", hint)
        chunk = data[start:cut]
        if stop >= 0:
            self.pos = stop + 1
            if self.pos > self.safe:
                self.refill()
            return chunk, True
        self.pos = cut
        self.refill()
        return chunk, False
