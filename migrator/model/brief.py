"""What a data class shows of itself at a prompt: one short line, whatever it holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from itertools import islice
from typing import Any

from migrator.errors import MigratorError

_TEXT = 80
_LINE = 400
_FEW = 3
_KEYS = 20
_MOST_DIGITS = 1 << 64


def brief(self: Any) -> str:
    """``Graph(nodes=<16>, versions=Versions(producer=27, min_consumer=12))``: for ``__repr__``.

    Names are escaped and cut, collections counted, what is empty is left out. Time and length are
    bounded: a notebook calls this on whatever a cell ends with, and a graph has a million nodes.
    """
    return _line(self, inner=True)


def brief_keys(kind: str, keys: Iterable[str]) -> str:
    """``WireAttrs(['T', 'dtype'])``: the same for a mapping that reads its values when asked."""
    found = [_text(key) for key in islice(keys, _KEYS + 1)]
    more = ", ..." if len(found) > _KEYS else ""
    return f"{kind}([{', '.join(found[:_KEYS])}{more}])"


def _line(item: Any, *, inner: bool) -> str:
    told = []
    for field in fields(item):
        if field.repr:
            text = _told(getattr(item, field.name), inner=inner)
            if text:
                told.append(f"{field.name}={text}")
    text = ", ".join(told)
    if len(text) > _LINE:
        text = text[:_LINE] + "..."
    return f"{type(item).__name__}({text})"


def _told(value: Any, *, inner: bool) -> str:
    """A value in a few words, empty for one that says nothing."""
    if value is None:
        return ""
    if isinstance(value, (str, bytes)):
        return _text(value)
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, (bool, float)):
        return repr(value)
    if isinstance(value, int):  # of hostile files: more digits than Python will write
        return _cut(str(value)) if -_MOST_DIGITS < value < _MOST_DIGITS else "..."
    if is_dataclass(value) and not isinstance(value, type):
        if not inner:
            return f"{type(value).__name__}(...)"
        own = type(value).__repr__
        return _line(value, inner=False) if own is brief else _cut(repr(value))
    if isinstance(value, (Mapping, Sequence, Set)):
        return _count(value)
    return f"<{type(value).__name__}>"


def _count(value: Mapping[Any, Any] | Sequence[Any] | Set[Any]) -> str:
    """Collections by their length; a few short words (tags) as they are."""
    try:
        count = len(value)
    except MigratorError:  # it reads its file only now, and that is damaged
        return "<?>"
    if not count:
        return ""
    if isinstance(value, tuple) and count <= _FEW and all(isinstance(v, (str, int)) for v in value):
        words = ", ".join(_told(item, inner=False) or repr(item) for item in value)
        return f"({words},)" if count == 1 else f"({words})"
    return f"<{count:,}>"


def _text(value: str | bytes) -> str:
    """As a literal of ASCII; what a long one ends with tells more than its middle."""
    if not value:
        return ""
    if len(value) <= _TEXT:
        return _cut(ascii(value))
    return f"{value[: _TEXT * 3 // 4]!a}...{value[-_TEXT // 4 :]!a}"


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT * 4 else text[: _TEXT * 4] + "..."
