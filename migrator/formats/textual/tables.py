"""The table of messages, made ready for reading text by it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from migrator.formats.messages import Field, fields, is_message
from migrator.formats.textual.numbers import PACKED, encoder, wire_type
from migrator.formats.wire import LENGTH, tag

_REMEMBERED = 512
"""Encodings of words kept for each field: types, sizes and flags come again and again."""
_SHORT = 64
_LAZY = {"TensorProto"}
_LAZY_BYTES = {("AttrValue", "s")}
_ALIKE = {"map:AttrValue", "TensorShapeProto", "Dim"}
"""Messages that are often small and often the same."""
_OURS = "tensorflow."

NUMBER, BYTES, TEXT, MESSAGE, ANYTHING = range(5)
"""What a field holds; ANYTHING is of a field that the table does not have."""


class TextField:
    """One field: how what stands for it in text becomes what stands for it on the wire."""

    __slots__ = (
        "_encode",
        "_table",
        "alike",
        "bit",
        "kind",
        "known",
        "lazy",
        "name",
        "oneof",
        "packs",
        "repeated",
        "tag",
        "what",
    )

    def __init__(self, message: str, field: Field, bit: int) -> None:
        self.name = field.name
        self.kind = field.kind
        self.repeated = field.repeated
        self.oneof = field.oneof
        self.bit = bit
        self.what = _what(field)
        self.tag = tag(field.number, wire_type(field.kind) if self.what == NUMBER else LENGTH)
        self.packs = tag(field.number) if field.repeated and field.kind in PACKED else b""
        self.lazy = (message, field.name) in _LAZY_BYTES
        self.alike = field.kind in _ALIKE
        self.known: dict[bytes, bytes] = {}
        self._encode: Callable[[bytes], bytes] | None = (
            encoder(field.kind) if self.what == NUMBER else None
        )
        self._table: Table | None = None

    @property
    def table(self) -> Table:
        """Of the message that it holds; not made before it is needed, as messages hold themselves
        at last."""
        if self._table is None:
            self._table = table(self.kind)
        return self._table

    def word(self, word: bytes) -> bytes:
        """Tag and value. Raises ValueError that says what was expected."""
        if self._encode is None:
            raise ValueError("a string" if self.what in (BYTES, TEXT) else "'{'")
        found = self.tag + self._encode(word)
        if len(self.known) < _REMEMBERED and len(word) < _SHORT:
            self.known[word] = found
        return found


class Table:
    """A message: its fields by the names that they have in text."""

    __slots__ = ("fields", "lazy", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.lazy = name in _LAZY
        self.fields: dict[bytes, TextField] = {}
        bits: dict[str, int] = {}
        for field in fields(name):
            # What comes once has a bit; the members of a oneof have one together.
            bit = 0
            if not field.repeated:
                bit = bits.setdefault(field.oneof or f".{field.name}", 1 << len(bits))
            self.fields[field.name.encode()] = TextField(name, field, bit)


def _what(field: Field) -> int:
    if not field.scalar:
        return MESSAGE
    return {"bytes": BYTES, "string": TEXT}.get(field.kind, NUMBER)


@cache
def table(name: str) -> Table:
    return Table(name)


class _Unknown(TextField):
    """Of all fields that the table does not have: anything may stand there."""

    def __init__(self) -> None:
        super().__init__("", Field(1, "", "bytes", True, ""), 0)
        self.what = ANYTHING

    @property
    def table(self) -> Table:
        return NOTHING


def _nothing() -> Table:
    made = Table.__new__(Table)
    made.name, made.lazy, made.fields = "", False, {}
    return made


NOTHING = _nothing()
"""A message of which nothing is known."""
UNKNOWN = _Unknown()


def named_type(name: bytes) -> Table:
    """The message that ``[type.googleapis.com/tensorflow.NAME]`` calls for, if we know it."""
    _, slash, kind = name.strip(b"[]").decode("latin-1").rpartition("/")
    short = kind.removeprefix(_OURS)
    return table(short) if slash and kind.startswith(_OURS) and is_message(short) else NOTHING
