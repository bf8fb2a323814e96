"""The keys of a manifest: what each may hold, and how it comes into the form of an Entry."""

from __future__ import annotations

import json
import math
import os
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from migrator.batching.manifest.tables import Items, Table, plain
from migrator.batching.task import STEPS
from migrator.errors import UsageError, did_you_mean
from migrator.places.addresses import is_remote, local_path

_MOST_TEXT = 100_000
_MOST_FEED = 1 << 20
"""Characters of a feed's value."""
_MOST_NUMBER = 1 << 63
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SIZE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)


class Wrong(Exception):
    """A value that its key does not take; the text says what is wrong.

    ``line`` is 0 where that of the key will do.
    """

    def __init__(self, text: str, line: int = 0) -> None:
        super().__init__(text)
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What a value may need to know of the manifest."""

    folder: str


_Read = Callable[[Any, Where], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key. ``cell`` is what CSV cells hold, see ``csv_tables``."""

    read: _Read
    cell: str = "text"
    aliases: tuple[str, ...] = ()


def _text(value: Any, where: Where) -> str:
    if not isinstance(value, str):
        quoted = not isinstance(value, (Table, Items)) and value is not None
        raise Wrong(f"{_shown(value)}; expected a text" + (" (put it in quotes)" * quoted))
    if not value:
        raise Wrong("is empty")
    if len(value) > _MOST_TEXT:
        raise Wrong(f"has more than {_MOST_TEXT:,} characters")
    if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise Wrong(f"{_shown(value)} holds what no name or path can hold")
    return value


def _path(value: Any, where: Where) -> str:
    text = local_path(_text(value, where))
    return text if is_remote(text) else os.path.join(where.folder, text)


def _texts(value: Any, where: Where) -> tuple[str, ...]:
    """A list of texts, or one alone."""
    if not isinstance(value, Items):
        return (_text(value, where),)
    found = []
    for item, line in value:
        try:
            found.append(_text(item, where))
        except Wrong as fault:
            raise Wrong(str(fault), line) from None
    return tuple(found)


def _paths(value: Any, where: Where) -> tuple[str, ...]:
    return tuple(_path(text, where) for text in _texts(value, where))


def _pairs(value: Any, where: Where, read: _Read) -> tuple[str, ...]:
    """A list of ``NAME=VALUE``, or a table of these."""
    if not isinstance(value, Table):
        return _texts(value, where)
    found = []
    for name, item in value.values.items():
        try:
            found.append(f"{_text(name, where)}={read(item, where)}")
        except Wrong as fault:
            raise Wrong(f"{_shown(name)}: {fault}", value.line_of(name)) from None
    return tuple(found)


def _named(value: Any, where: Where) -> tuple[str, ...]:
    return _pairs(value, where, _text)


def _feeds(value: Any, where: Where) -> tuple[str, ...]:
    found = _pairs(value, where, _feed)
    for text in found:
        if "=" not in text:
            raise Wrong(f"{_shown(text)} has no value; write TENSOR=VALUE")
    return found


def _feed(value: Any, where: Where) -> str:
    """A scalar or nested lists of such, as ``--feed`` takes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, Table) or value is None:
        raise Wrong(f"{_shown(value)}; expected true, false, a number, a text, or lists of these")
    try:
        text = json.dumps(plain(value))
    except (TypeError, ValueError):
        raise Wrong(f"{_shown(value)} is no value for a tensor") from None
    if len(text) > _MOST_FEED:
        raise Wrong(f"has more than {_MOST_FEED:,} characters; feed less, or by an input")
    return text


def _shapes(value: Any, where: Where) -> tuple[str, ...]:
    from migrator.migration.signatures import parse_shapes

    found = _pairs(value, where, _sizes)
    try:
        parse_shapes(found)
    except UsageError as error:
        raise Wrong(f"{error.what}; {error.hint}") from None
    return found


def _sizes(value: Any, where: Where) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, Items):
        raise Wrong(f"{_shown(value)}; expected a list of sizes, null or -1 for an unknown one")
    words = []
    for size in value.values:
        is_size = isinstance(size, int) and not isinstance(size, bool)
        if size in (None, "?", -1):
            words.append("?")
        elif is_size and 0 <= size < _MOST_NUMBER:
            words.append(str(size))
        else:
            raise Wrong(f"{_shown(size)} is no size")
    return ",".join(words)


def _tags(value: Any, where: Where) -> str:
    if isinstance(value, Items):
        return ",".join(_texts(value, where))
    return "" if value == "" else _text(value, where)


def _steps(value: Any, where: Where) -> tuple[str, ...]:
    words = _texts(value, where)
    if isinstance(value, str):
        words = tuple(value.replace(",", " ").split())
    for number, word in enumerate(words):
        if word not in STEPS:
            line = value.lines[number] if isinstance(value, Items) else 0
            raise Wrong(f"there is no step {_shown(word)}; {_near(word, STEPS)}", line)
    return tuple(step for step in STEPS if step in words)


def _flag(value: Any, where: Where) -> bool:
    if not isinstance(value, bool):
        raise Wrong(f"{_shown(value)}; expected true or false")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Wrong(f"{_shown(value)}; expected a number")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _tolerance(value: Any, where: Where) -> float:
    number = _number(value)
    if not 0 <= number < math.inf:
        raise Wrong(f"{_shown(value)}; a tolerance is zero or more")
    return number


def _seconds(value: Any, where: Where) -> float:
    number = _number(value)
    if not 0 < number < math.inf:
        raise Wrong(f"{_shown(value)}; expected seconds above zero")
    return number


def _seed(value: Any, where: Where) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MOST_NUMBER:
        raise Wrong(f"{_shown(value)}; expected a whole number, zero or more")
    return value


def _bytes(value: Any, where: Where) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _MOST_NUMBER:
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    size = (
        0
        if match is None
        else float(match[1]) * (1024 if match[3] else 1000) ** (_UNITS[match[2].lower()])
    )
    if not 1 <= size < _MOST_NUMBER:
        raise Wrong(f"{_shown(value)}; expected a size such as 8GB or 500MiB")
    return int(size)


def _word(*known: str) -> _Read:
    def read(value: Any, where: Where) -> str:
        if not isinstance(value, str) or value not in known:
            raise Wrong(f"{_shown(value)}; one of {', '.join(known)}")
        return value

    return read


def _tflite(value: Any, where: Where) -> dict[str, Any] | bool:
    """False, or the arguments that are given."""
    if isinstance(value, bool):
        return {} if value else False
    if not isinstance(value, Table):
        raise Wrong(f"{_shown(value)}; expected true, false or a table")
    found: dict[str, Any] = {}
    for written, item in value.values.items():
        key = written.replace("-", "_")
        if key not in _TFLITE:
            near = _near(key, _TFLITE)
            raise Wrong(f"there is no key {_shown(written)}; {near}", value.line_of(written))
        argument, read = _TFLITE[key]
        try:
            found[argument] = read(item, where)
        except Wrong as fault:
            raise Wrong(f"{key}: {fault}", value.line_of(written)) from None
    return found


_TFLITE: Mapping[str, tuple[str, _Read]] = {
    "quantize": ("quantize", _word("none", "dynamic", "float16", "int8")),
    "int8_io": ("integer_io", _flag),
    "builtin_only": ("builtin_only", _flag),
    "allow_custom_ops": ("custom_ops", _flag),
    "range_tolerance": ("range_tolerance", _tolerance),
    "rtol": ("rtol", _tolerance),
    "atol": ("atol", _tolerance),
}
TFLITE_KEYS = {argument: key for key, (argument, _) in _TFLITE.items()}
"""Argument -> what a manifest calls it."""

KEYS: Mapping[str, Key] = {
    "name": Key(read=_text),
    "source": Key(read=_path),
    "inputs": Key(read=_named, cell="list", aliases=("input",)),
    "outputs": Key(read=_named, cell="list", aliases=("output",)),
    "feeds": Key(read=_feeds, cell="list", aliases=("feed",)),
    "signatures": Key(read=_named, cell="list", aliases=("signature",)),
    "tag_set": Key(read=_tags, cell="tags"),
    "rtol": Key(read=_tolerance, cell="number"),
    "atol": Key(read=_tolerance, cell="number"),
    "data": Key(read=_path),
    "seed": Key(read=_seed, cell="number"),
    "trust": Key(read=_flag, cell="flag"),
    "weights": Key(read=_word("auto", "variables", "constants")),
    "control_flow": Key(read=_word("auto", "functional", "v1")),
    "shapes": Key(read=_shapes, cell="list", aliases=("shape",)),
    "decode_images": Key(read=_named, cell="list"),
    "optimize": Key(read=_flag, cell="flag"),
    "op_libraries": Key(read=_paths, cell="list", aliases=("op_library",)),
    "checkpoint": Key(read=_path),
    "tflite": Key(read=_tflite, cell="table"),
    "steps": Key(read=_steps, cell="list"),
    "timeout": Key(read=_seconds, cell="number"),
    "memory_limit": Key(read=_bytes, cell="number"),
}
"""The canonical keys, in the order in which they are written."""
_CALLED = {alias: key for key, item in KEYS.items() for alias in item.aliases}


def canonical(written: str) -> str | None:
    """The key that is meant: hyphens and the command line's singular are taken; None for none."""
    key = written.replace("-", "_")
    key = _CALLED.get(key, key)
    return key if key in KEYS else None


def nearest(written: str) -> str:
    """A hint for a key that is none."""
    return _near(written.replace("-", "_"), KEYS)


def _near(word: str, known: Any) -> str:
    found = did_you_mean(word, known) if len(word) <= 100 else ""
    return found or f"one of {', '.join(known)}"


def cell_kinds() -> dict[str, str]:
    """Every way to write a key -> what CSV cells hold under it."""
    kinds = {key: item.cell for key, item in KEYS.items()}
    kinds |= {alias: kinds[key] for alias, key in _CALLED.items()}
    return kinds | {key.replace("_", "-"): kind for key, kind in kinds.items()}


def _shown(value: Any) -> str:
    if isinstance(value, Table):
        return "a table"
    if isinstance(value, Items):
        return "a list"
    return "nothing" if value is None else reprlib.repr(value)
