"""Escapes in the strings of a text."""

from __future__ import annotations

import codecs
import re

# What C code for Python strings does not read as protobuf does.
_UNUSUAL = re.compile(
    rb"\\(?:[4-7][0-7]{2}|x(?![0-9a-fA-F]{2})|[^0-7abfnrtvx\\'\"]|\Z)",
)
_ESCAPE = re.compile(
    rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?"
    rb"|U([0-9a-fA-F]{8})|(.)|\Z)",
    re.DOTALL,
)
_PLAIN = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
    b"?": b"?",
    b"\\": b"\\",
    b"'": b"'",
    b'"': b'"',
}
_LONGEST = 12
_HIGH = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\Z")


def unescape(text: bytes) -> bytes:
    """The bytes that a string stands for. Raises ValueError for an escape that is none."""
    # First the doubled ones: then each backslash that is left begins an escape.
    text = text.replace(b"\\\\", b"\\134")
    if _UNUSUAL.search(text) is None:
        plain: bytes = codecs.escape_decode(text)[0]
        return plain
    return _ESCAPE.sub(_one, text)


def _one(match: re.Match[bytes]) -> bytes:
    octal, hexed, short, low, long, other = match.groups()
    if octal is not None:
        return bytes((int(octal, 8) & 255,))
    if hexed is not None:
        return bytes((int(hexed, 16),))
    if other is not None or (short is None and long is None):
        if other in _PLAIN:
            return _PLAIN[other]
        raise ValueError(f"an escape that is none: {match[0].decode('latin-1')!a}")
    code = int(short or long, 16)
    if low is not None:
        if 0xD800 <= code < 0xDC00:
            code = 0x10000 + (code - 0xD800 << 10) + int(low, 16) - 0xDC00
        else:
            raise ValueError("half of a surrogate pair")
    if 0xD800 <= code < 0xE000 or code > 0x10FFFF:
        raise ValueError(f"a character that is none: {match[0].decode('latin-1')!a}")
    return chr(code).encode()


def safe_cut(data: bytes, start: int) -> int:
    """The last place in ``data`` at which no escape is cut; ``data[start:]`` begins behind one."""
    end = len(data)
    slash = data.rfind(b"\\", max(start, end - _LONGEST))
    if slash < 0:
        return end
    first = slash
    while first > start and data[first - 1] == 92:
        first -= 1
    if (slash - first) % 2:  # a doubled one
        return end
    high = _HIGH.search(data, max(start, slash - 6), slash)
    return high.start() if high else slash
