"""Names from a file, made harmless for where they are shown."""

from __future__ import annotations

_MOST = 200
_LONG_JOINED = 80
_OBJECT_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


def shown(name: str, most: int = _MOST) -> str:
    """``name`` with everything that does not print written as an escape, cut when very long.

    Keeps terminal sequences, line breaks, bidirectional marks and the like from acting.
    """
    text = name
    if not name.isprintable():
        text = "".join(char if char.isprintable() else _escape(char) for char in name)
    if len(text) > most:
        note = f"...({len(name):,} characters)..."
        tail = most // 4  # the end of a name, or of an error, tells the most
        text = text[: most - tail - len(note)] + note + text[-tail:]
    return text


def shown_joined(name: str) -> str:
    """``shown`` for a column: of a long name that a converter joined of many the first and the
    last, and how many stand between them."""
    first, *between = name.split(";")
    if len(name) <= _LONG_JOINED or len(between) < 2:
        return shown(name)
    return f"{shown(first)};({len(between) - 1:,} more);{shown(between[-1])}"


def _escape(char: str) -> str:
    code = ord(char)
    if code < 256:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def many(count: int, noun: str, several: str = "") -> str:
    """``1 node``, ``2 nodes``; ``several`` is a plural that is made in another way."""
    return f"{count:,} {noun if count == 1 else several or f'{noun}s'}"


def shown_variable(name: str) -> str:
    """A variable's name without what ends every key of a checkpoint of objects."""
    return shown(name.removesuffix(_OBJECT_SUFFIX) or name)


def size(count: int) -> str:
    """Bytes for a reader: ``3.4 MB`` (decimal units)."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{count:,} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")
