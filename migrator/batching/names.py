"""Names of models: folders below DEST, good on every file system, none inside another."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence

RESERVED = frozenset(("ledger.jsonl", "batch.json", "batch.csv", "index.html"))
"""What lies in DEST beside the models' folders. What begins with a dot is never a model's."""
_ODD = frozenset('<>:"|?*\\')
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)")
"""Files that Windows takes for devices, whatever their suffix."""
_PART, _WHOLE = 100, 400
"""Bytes of one folder's name and of a whole name that we make."""
_SPARE = 28
"""A name that a user writes, or that got a number, may be so much longer."""
_HASH = 8


def safe_name(text: str) -> str:
    """``text`` (a relative path with ``/``) as a name.

    What some file system does not take is written as ``%XX``, its bytes in UTF-8; what is too long
    is cut and ends with ``~`` and a hash of all of it.
    """
    parts = [_escaped(part, "%") for part in text.split("/") if part not in ("", ".")]
    return _joined([_cut(part, _PART) for part in parts] or ["model"])


def name_fault(name: str) -> str:
    """What is wrong with a name that a user wrote; empty for a good one."""
    parts = name.split("/")
    if not name or not name.strip("/"):
        return "is empty"
    if name.startswith("/") or ".." in parts:
        return "leaves DEST: a name is a path below it"
    if any(_escaped(part, "") != part for part in parts) or not all(parts):
        return f"is not a name on every file system; write {safe_name(name)!r}"
    if parts[0].casefold() in RESERVED:
        return "is a file that batch writes itself"
    if any(_size(part) > _PART + _SPARE for part in parts) or _size(name) > _WHOLE + _SPARE:
        return f"is longer than {_PART} bytes for a folder, {_WHOLE} for all; cut it"
    return ""


def folded(name: str) -> str:
    """The same for names that some file system takes for the same."""
    plain = unicodedata.normalize("NFC", name).casefold()
    return unicodedata.normalize("NFC", plain)


def ancestors(name: str) -> list[str]:
    """The folders that ``name`` lies in, the outermost first: ``a`` and ``a/b`` for ``a/b/c``."""
    parts = name.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def unique_names(wanted: Sequence[str], taken: Iterable[str] = ()) -> list[str]:
    """``wanted``, names as ``safe_name`` makes them, with a number where one is taken.

    None of the result and of ``taken`` is the same as another, or lies inside of another, on any
    file system; the same names always get the same numbers.
    """
    fixed = list(taken)
    leaves = {folded(name) for name in fixed}
    moved: dict[str, str] = {}
    names = [_clear(name, leaves, moved) for name in wanted]
    folders = {folded(item) for name in (*fixed, *names) for item in ancestors(name)}
    natural = {folded(name) for name in names}
    counts: dict[str, int] = {}
    found = []
    for name in names:
        key, free = folded(name), name
        if key in leaves or key in folders:
            number = counts.get(key, 1)
            while (key := folded(free)) in leaves or key in folders or key in natural:
                number += 1
                free = f"{name}-{number}"
            counts[folded(name)] = number
        leaves.add(key)
        found.append(free)
    return found


def _clear(name: str, leaves: set[str], moved: dict[str, str]) -> str:
    """``name`` with another folder in the place of each that is a model itself."""
    *folders, leaf = name.split("/")
    place = ""
    for folder in folders:
        own = f"{place}{folder}"
        key = folded(own)
        if key not in moved:
            moved[key] = own
            number = 1
            while folded(moved[key]) in leaves:
                number += 1
                moved[key] = f"{own}-{number}"
        place = f"{moved[key]}/"
    return place + leaf


def _escaped(part: str, more: str) -> str:
    """One folder's name with ``%XX`` for what is odd in it, ``more`` characters included."""
    if part == "..":
        return "%2E%2E"
    chars = [_hex(char) if char in _ODD or char in more else char for char in part]
    chars = [char if char.isprintable() else _hex(char) for char in chars]
    if not chars:
        return part
    if part[0] in ". " or _DEVICES.match(part.casefold()):
        chars[0] = _hex(part[0])
    if part[-1] in ". ":
        chars[-1] = _hex(part[-1])
    return "".join(chars)


def _hex(char: str) -> str:
    for errors in ("strict", "surrogateescape", "surrogatepass"):
        try:
            return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", errors))
        except UnicodeEncodeError:
            continue
    raise AssertionError("unreachable")


def _cut(part: str, most: int) -> str:
    if _size(part) <= most:
        return part
    head = part.encode()[: most - _HASH - 1].decode(errors="ignore")
    return re.sub(r"(?:%[0-9A-F]?|[ .])\Z", "", head) + "~" + _digest(part)


def _joined(parts: list[str]) -> str:
    """As one name; of what is too long only the end, below a folder that stands for the rest."""
    if parts[0].casefold() in RESERVED:
        parts = [_hex(parts[0][0]) + parts[0][1:], *parts[1:]]
    name = "/".join(parts)
    if _size(name) <= _WHOLE:
        return name
    kept: list[str] = []
    room = _WHOLE - _HASH - 2
    for part in reversed(parts):
        room -= _size(part) + 1
        if room < 0:
            break
        kept.insert(0, part)
    return "/".join([f"~{_digest(name)}", *kept])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH]


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
