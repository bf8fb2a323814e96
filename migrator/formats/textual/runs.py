"""Runs of plain numbers, many taken at once: the values of tensors, which most of a text is."""

from __future__ import annotations

import re

from migrator.formats.textual.numbers import packed
from migrator.formats.textual.scan import Scanner
from migrator.formats.textual.tables import UNKNOWN, TextField
from migrator.formats.wire import varint

_FIELDS = re.compile(
    rb"([a-z]\w{0,23}):[ \t]{1,8}[-.\w][-+.\w]{0,62}[ \t\r\n]{1,64}"
    rb"(?:\1:[ \t]{1,8}[-.\w][-+.\w]{0,62}[ \t\r\n]{1,64}){3,4096}"
)
_ITEMS = re.compile(rb"[-+.\w, \t\r\n]*")


class Runs:
    """Takes runs where the scanner is. One that holds an odd number is left to be read number by
    number, which tells what is wrong with it, and where."""

    def __init__(self, scanner: Scanner) -> None:
        self._scan = scanner
        self._singly = 0
        """Up to here in the file, numbers are read one by one."""

    def fields(
        self, fields: dict[bytes, TextField], data: bytes, pos: int, out: bytearray | None
    ) -> int:
        """Take a run of ``NAME: NUMBER`` of one name; where it ends. They are left out without
        ``out``."""
        if self._scan.base + pos < self._singly:
            return pos
        run = _FIELDS.match(data, pos)
        if run is None:
            return pos
        field = fields.get(run[1], UNKNOWN)
        if not field.repeated:
            return pos
        if out is not None and field is not UNKNOWN:
            text = run[0]
            try:
                if not field.packs:
                    raise ValueError
                payload = packed(field.kind, text.split()[1::2], text)
            except ValueError:
                self._singly = self._scan.base + run.end()
                return pos
            out += field.packs + varint(len(payload)) + payload
        return run.end()

    def items(self, field: TextField, out: bytearray | None) -> None:
        """Take as many numbers of a list as the window has, up to behind a comma. They are left
        out without ``out``."""
        scan = self._scan
        if not (out is None or field.packs) or scan.base + scan.pos < self._singly:
            return
        found = _ITEMS.match(scan.data, scan.pos)
        assert found is not None
        cut = scan.data.rfind(b",", scan.pos, found.end())
        if cut < 0:
            return
        text = scan.data[scan.pos : cut]
        words = text.split(b",")
        try:
            if any(len(word.split()) != 1 for word in words):
                raise ValueError
            if out is not None:
                payload = packed(field.kind, [word.strip() for word in words], text)
                out += field.packs + varint(len(payload)) + payload
        except ValueError:
            self._singly = scan.base + cut
            return
        scan.pos = cut + 1
        scan.skip()
