"""A file that holds what a user decided for one model: TOML or YAML.

Top-level keys are those of ``Spec``, each ``[[signature]]`` table has those of ``SignatureSpec``
(its ``source`` is written ``from``); in a shape -1 is an unknown size.
"""

from __future__ import annotations

import difflib
import importlib
import os
import re
import reprlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migrator.errors import UsageError

_MOST_BYTES = 4 << 20
_MOST_VALUES = 1 << 20
_MOST_DEPTH = 32
_UNKNOWN = -1
_MOST_SIZE = 1 << 63


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureSpec:
    """One signature of the result. ``inputs``, ``outputs``: name -> tensor. ``shapes``: input
    name -> sizes, None for an unknown one. ``feeds``: tensor -> a scalar or nested lists.

    ``source`` is the key of the source's signature that it is made from, "" for none.
    """

    name: str = "serving_default"
    source: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)
    decode_images: tuple[str, ...] = ()
    feeds: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a spec file says; None where it is silent."""

    weights: str | None = None
    control_flow: str | None = None
    optimize: bool | None = None
    rtol: float | None = None
    atol: float | None = None
    signatures: tuple[SignatureSpec, ...] = ()


_WORDS = {
    "weights": ("auto", "variables", "constants"),
    "control_flow": ("auto", "functional", "v1"),
}
_TOP = ("weights", "control_flow", "optimize", "rtol", "atol", "signature")
_SIGNATURE = ("name", "from", "inputs", "outputs", "shapes", "decode_images", "feeds")


def read_spec(path: str | os.PathLike[str]) -> Spec:
    """Read a spec file: YAML by its suffix (.yaml, .yml), else TOML.

    Raises UsageError for a file that cannot be read or parsed, a key that is none (the nearest
    one offered) and a value of the wrong type; each names the key.
    """
    where = os.fspath(path)
    try:
        with open(where, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror or error}", where=where) from None
    if len(data) > _MOST_BYTES:
        raise UsageError(f"holds more than {_MOST_BYTES:,} bytes, so it is no spec", where=where)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"is not UTF-8 (byte {error.start})", where=where) from None
    is_yaml = Path(where).suffix.lower() in (".yaml", ".yml")
    try:
        return parse_spec(_load_yaml(text) if is_yaml else load_toml(text))
    except UsageError as error:
        raise error.at(where) from None


def parse_spec(value: Any) -> Spec:
    """A Spec from what TOML or YAML hold. Raises UsageError that names the key."""
    table = _table(value, "", _TOP)
    for key, words in _WORDS.items():
        if key in table and table[key] not in words:
            raise _wrong(key, table[key], f"one of {', '.join(words)}")
    optimize = table.get("optimize")
    if optimize is not None and not isinstance(optimize, bool):
        raise _wrong("optimize", optimize, "true or false")
    rows = table.get("signature", [])
    if not isinstance(rows, list):
        raise _wrong("signature", rows, "a list of tables: write [[signature]]")
    signatures = tuple(_signature(row, f"signature[{index}]") for index, row in enumerate(rows))
    seen: set[str] = set()
    for index, item in enumerate(signatures):
        if item.name in seen:
            raise UsageError(f"there are two called {item.name!r}", where=f"signature[{index}]")
        seen.add(item.name)
    return Spec(
        weights=table.get("weights"),
        control_flow=table.get("control_flow"),
        optimize=optimize,
        rtol=_tolerance(table, "rtol"),
        atol=_tolerance(table, "atol"),
        signatures=signatures,
    )


def load_toml(text: str) -> Any:
    """What a TOML text holds. Raises UsageError."""
    for name in ("tomllib", "tomli"):  # the first is there from Python 3.11 on
        try:
            parser = importlib.import_module(name)
            break
        except ImportError:
            continue
    else:
        raise UsageError("TOML needs Python 3.11, or tomli", hint="pip install tomli")
    try:
        return parser.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"is not TOML: {_line(error)}") from None


def _load_yaml(text: str) -> Any:
    parser = importlib.import_module("yaml")  # ships no types
    try:
        return parser.safe_load(text)
    except (parser.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"is not YAML: {_line(error)}") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _signature(value: Any, where: str) -> SignatureSpec:
    table = _table(value, where, _SIGNATURE)
    shapes = _table(table.get("shapes", {}), f"{where}.shapes")
    feeds = _table(table.get("feeds", {}), f"{where}.feeds")
    images = table.get("decode_images", [])
    if not isinstance(images, list) or not all(isinstance(item, str) for item in images):
        raise _wrong(f"{where}.decode_images", images, "a list of input names")
    return SignatureSpec(
        name=_text(table, "name", where) or SignatureSpec().name,
        source=_text(table, "from", where),
        inputs=_texts(table, "inputs", where),
        outputs=_texts(table, "outputs", where),
        shapes={name: _sizes(item, f"{where}.shapes.{name}") for name, item in shapes.items()},
        decode_images=tuple(images),
        feeds={name: _value(item, f"{where}.feeds.{name}") for name, item in feeds.items()},
    )


def _table(value: Any, where: str, known: Collection[str] = ()) -> dict[str, Any]:
    """A table with text keys, of those ``known`` where any are given."""
    if value is None and not where:
        return {}  # an empty YAML file
    if not isinstance(value, dict):
        raise _wrong(where, value, "a table")
    for key in value:
        if not isinstance(key, str):
            raise _wrong(where, key, "text for a key")
        if known and key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"keys: {', '.join(known)}"
            raise UsageError(f"there is no key {key!r}", where=where, hint=hint)
    return value


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str) or (key in table and not value):
        raise _wrong(f"{where}.{key}", value, "a text")
    return value


def _texts(table: Mapping[str, Any], key: str, where: str) -> dict[str, str]:
    found = _table(table.get(key, {}), f"{where}.{key}")
    for name, value in found.items():
        if not isinstance(value, str) or not value:
            raise _wrong(f"{where}.{key}.{name}", value, "a tensor's name")
    return found


def _sizes(value: Any, where: str) -> tuple[int | None, ...]:
    if not isinstance(value, list):
        raise _wrong(where, value, "a list of sizes, -1 for an unknown one")
    for size in value:
        is_size = isinstance(size, int) and not isinstance(size, bool)
        if size is not None and not (is_size and _UNKNOWN <= size < _MOST_SIZE):
            raise _wrong(where, size, "a size, or -1 for an unknown one")
    return tuple(None if size in (None, _UNKNOWN) else size for size in value)


def _value(value: Any, where: str) -> Any:
    """A scalar or nested lists of such. A level at a time; YAML may name one list many times."""
    level = [value]
    for _ in range(_MOST_DEPTH):
        scalars = [item for item in level if not isinstance(item, list)]
        for item in scalars:
            if not isinstance(item, (bool, int, float, str)):
                raise _wrong(where, item, "true, false, a number, a text, or lists of these")
        inner = [item for item in level if isinstance(item, list)]
        if not inner:
            return value
        if sum(map(len, inner)) > _MOST_VALUES:
            raise UsageError(f"holds more than {_MOST_VALUES:,} values", where=where)
        level = [leaf for item in inner for leaf in item]
    raise UsageError(f"is nested more than {_MOST_DEPTH} deep", where=where)


def _tolerance(table: Mapping[str, Any], key: str) -> float | None:
    value = table.get(key)
    if value is None:
        return None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= value < float("inf"):
        raise _wrong(key, value, "a number, zero or more")
    return float(value)


def _wrong(where: str, value: Any, expected: str) -> UsageError:
    return UsageError(f"{reprlib.repr(value)}; expected {expected}", where=where)


def spec_text(spec: Spec, *, comments: Mapping[str, Sequence[str]] | None = None) -> str:
    """``spec`` as TOML, which ``read_spec`` reads back to the same.

    ``comments`` stand as such above what they are about: "" (the file), ``inputs``, ``outputs``
    and ``feeds`` of the first signature. So candidates that were not taken can be shown.
    """
    notes = comments or {}
    lines = [_comment(line) for line in notes.get("", ())]
    for key in ("weights", "control_flow", "optimize", "rtol", "atol"):
        value = getattr(spec, key)
        if value is not None:
            lines.append(f"{key} = {_toml(value)}")
    for index, item in enumerate(spec.signatures):
        lines += ["", "[[signature]]", f"name = {_toml(item.name)}"]
        if item.source:
            lines.append(f"from = {_toml(item.source)}")
        if item.decode_images:
            lines.append(f"decode_images = {_toml(list(item.decode_images))}")
        shapes = {
            name: [_UNKNOWN if size is None else size for size in sizes]
            for name, sizes in item.shapes.items()
        }
        tables: dict[str, Mapping[str, Any]] = {
            "inputs": item.inputs,
            "outputs": item.outputs,
            "shapes": shapes,
            "feeds": item.feeds,
        }
        for key, table in tables.items():
            above = notes.get(key, ()) if index == 0 else ()
            if table or above:
                lines += ["", f"[signature.{key}]", *map(_comment, above)]
                lines += [f"{_key(name)} = {_toml(value)}" for name, value in table.items()]
    return "\n".join(lines).lstrip("\n") + "\n"


def _comment(text: str) -> str:
    return "# " + "".join(char if char.isprintable() else "?" for char in text)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _toml(value: Any) -> str:
    """A scalar or list as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, (int, float)):
        return repr(value)
    return '"' + "".join(map(_escaped, str(value))) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return char if char.isprintable() else f"\\U{ord(char):08x}"
