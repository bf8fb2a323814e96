"""What is wrong with a text, and how it is told: path, line and column, found and expected."""

from __future__ import annotations

import re

from migrator.errors import FormatError, LimitError
from migrator.formats.textual.tables import MESSAGE, NUMBER, TextField
from migrator.places.source import ByteSource

_WINDOW = 1 << 20
_SHOWN = 40
_PATH = 240
_LONGEST = 4096
_WORD = re.compile(rb"[-+.\w]+")


class Fault(Exception):
    """What is wrong, and at which byte of the file. ``path`` grows from the inside out."""

    def __init__(self, position: int, what: str, hint: str = "", *, limit: bool = False) -> None:
        super().__init__(what)
        self.position = position
        self.what = what
        self.hint = hint
        self.limit = limit
        self.path: list[str] = []

    def told(self, source: ByteSource) -> FormatError | LimitError:
        """The same for a person. Reads the file up to there."""
        line, column = _line_and_column(source, self.position)
        path = ".".join(reversed(self.path))
        if len(path) > _PATH:
            path = f"{path[: _PATH // 2]}...{path[-_PATH // 2 :]}"
        where = f"{source.name}: {path}: " if path else f"{source.name}: "
        where += f"line {line:,}, column {column:,}"
        if self.limit:
            return LimitError(self.what, where=where, hint=self.hint)
        hint = self.hint or ("is the file truncated?" if self._is_last(source) else "")
        return FormatError(self.what, where=where, hint=hint or "is the file damaged?")

    def _is_last(self, source: ByteSource) -> bool:
        """Whether the file ends in the word that is wrong."""
        rest = source.size - self.position
        return rest <= _LONGEST and bool(_WORD.fullmatch(source.read(self.position, rest)))


def misfit(position: int, found: bytes, expected: str, field: TextField) -> Fault:
    """A value that is none of its field's."""
    shown = ascii(found[:_SHOWN].decode("utf-8", "replace"))
    return _of(field, Fault(position, f"found {shown}, expected {expected}"))


def twice(position: int, field: TextField) -> Fault:
    """A field that comes once at most came again."""
    what = "is given twice"
    if field.oneof:
        what += f" (or another of what {field.oneof!r} may be)"
    return _of(field, Fault(position, what))


def unclosed(position: int, found: bytes, close: bytes) -> Fault:
    """Another end than that of the message: a wrong bracket, or that of the file."""
    expected = f"{close.decode()!r} or a field's name" if close else "a field's name"
    if not found:
        what = f"found the end of the file, expected {expected}"
        return Fault(position, what, "is the file truncated?")
    return Fault(position, f"found {found.decode()!r}, expected {expected}")


def wanted(field: TextField) -> str:
    """What a field's value begins with, in words."""
    if field.what == MESSAGE:
        return "'{'"
    if field.what == NUMBER:
        words = {"bool": "true or false", "DataType": "a data type such as DT_FLOAT"}
        return words.get(field.kind, "a number")
    return "a string"


def check_text(value: bytes, position: int, field: TextField) -> None:
    """Raise Fault for a string that is no UTF-8."""
    try:
        value.decode()
    except UnicodeDecodeError:
        what = "found bytes that are no UTF-8, expected text"
        raise _of(field, Fault(position, what)) from None


def _of(field: TextField, fault: Fault) -> Fault:
    fault.path.append(field.name)
    return fault


def _line_and_column(source: ByteSource, position: int) -> tuple[int, int]:
    """Where the byte at ``position`` stands for a person, both counted from 1."""
    line, begin, at = 1, 0, 0
    while at < position:
        data = source.read(at, min(_WINDOW, position - at))
        line += data.count(b"\n")
        last = data.rfind(b"\n")
        if last >= 0:
            begin = at + last + 1
        at += len(data)
    tail = source.read(begin, min(position - begin, _WINDOW)).decode("utf-8", "replace")
    return line, (len(tail) if position - begin <= _WINDOW else position - begin) + 1
