"""Names and values as texts that a format can hold, and back.

XML cannot hold every character, and DOT keeps backslashes as they are. So a backslash is written
twice, and what cannot be written as ``\\x0b``, ``\\ud800``, ``\\U0001ffff``: different names stay
different, and ``unescaped`` gives each back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff\\\\]")
"""What XML 1.0 has no way to write, and the backslash."""
_NO_DOT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff\\\\]")
_BLANKS = re.compile("[\t\n\r\x7f-\x9f\u2028\u2029]")
_ESCAPE = re.compile(r"\\(?:\\|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")
_DOT_MOST = 2000


def escaped(text: str) -> str:
    """``text`` with what XML has no way to write as escapes. Not yet markup."""
    return _NO_XML.sub(_escape, text) if _NO_XML.search(text) else text


def unescaped(text: str) -> str:
    """What ``escaped`` was given. Any other text comes back as near as can be."""
    return _ESCAPE.sub(_character, text)


def xml(text: str) -> str:
    """``text`` for the inside of an element or of an attribute in double quotes.

    A parser makes other characters of line breaks and tabs unless they are written by number.
    """
    if _NO_XML.search(text):
        text = _NO_XML.sub(_escape, text)
    text = xml_ascii(text)
    return _BLANKS.sub(_by_number, text) if _BLANKS.search(text) else text


def xml_ascii(text: str) -> str:
    """The same for a text of printable ASCII characters, such as JSON, whose backslashes stay."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;")


def dot(text: str) -> str:
    """``text`` as a quoted string of DOT, which ``unescaped`` gives back once it is read.

    Such a string knows one escape, that of its own quote. Graphviz reads none that is longer than
    16 KiB, so a long one is written as a sum of short ones.
    """
    if _NO_DOT.search(text):
        text = _NO_DOT.sub(_escape, text)
    if len(text) <= _DOT_MOST:
        return '"' + text.replace('"', '\\"') + '"'
    parts = (text[at : at + _DOT_MOST] for at in range(0, len(text), _DOT_MOST))
    # A part that ends in half of an escaped backslash would escape its own quote.
    return " + ".join('"' + part.replace('"', '\\"') + '"' for part in _whole_escapes(parts))


def _whole_escapes(parts: Iterable[str]) -> Iterator[str]:
    """The same text in parts none of which ends between the two halves of ``\\\\``."""
    rest = ""
    for part in parts:
        part = rest + part
        half = (len(part) - len(part.rstrip("\\"))) % 2
        rest = part[len(part) - half :]
        yield part[: len(part) - half]
    if rest:
        yield rest


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    if char == "\\":
        return "\\\\"
    code = ord(char)
    if code < 256:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def _character(found: re.Match[str]) -> str:
    digits = found[1] or found[2] or found[3]
    code = int(digits, 16) if digits else ord("\\")
    return chr(code) if code <= 0x10FFFF else found[0]


def _by_number(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};"
