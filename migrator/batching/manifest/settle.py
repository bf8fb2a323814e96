"""From a document's tables to entries: keys, defaults, what contradicts itself, what is missing."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from migrator.batching.manifest.checks import contradictions
from migrator.batching.manifest.entry import Entry
from migrator.batching.manifest.faults import FileFaults
from migrator.batching.manifest.fields import KEYS, Where, Wrong, canonical, nearest
from migrator.batching.manifest.tables import MOST_MODELS, Items, Table
from migrator.batching.names import name_fault, safe_name
from migrator.errors import did_you_mean
from migrator.formats.names import SAVED_MODEL_FILES

_VERSION = 1
_TOP = ("manifest", "defaults", "models")
_OPTIONS: Mapping[str, Any] = {
    "weights": "auto",
    "control_flow": "auto",
    "shapes": (),
    "decode_images": (),
    "optimize": False,
    "op_libraries": (),
    "checkpoint": "",
}
"""Fields of ``Choice`` that go to ``Entry.options``, and their defaults."""
_KEPT = (
    *("inputs", "outputs", "feeds", "signatures", "tag_set", "rtol", "atol", "data", "seed"),
    *("trust", "steps", "timeout", "memory_limit"),
)
_TFLITE = {"quantize": "none", "integer_io": False, "builtin_only": False, "custom_ops": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An entry that may have no name yet: then ``wanted`` is what its source suggests."""

    entry: Entry
    wanted: str = ""


Check = Callable[[str, str], str]
"""From a key (source, data ...) and its path to what is wrong with it; empty for nothing."""


def drafts_in(document: Any, folder: str, faults: FileFaults, check: Check) -> list[Draft]:
    """The entries of a document. What is wrong goes to ``faults``; its entry has but a name.

    Relative paths are taken from ``folder``.
    """
    if isinstance(document, Items):
        document = Table(
            line=document.line, values={"models": document}, lines={"models": document.line}
        )
    if not isinstance(document, Table):
        faults.add("holds no models; write `models:` and a list of them", 1)
        return []
    where = Where(folder=folder)
    table = _top(document, faults)
    defaults = _defaults(table, where, faults, check)
    models = table.values.get("models")
    if models is None and not {"models", "manifest"}.isdisjoint(table.values):
        return []  # all of them are comments
    if not isinstance(models, Items):
        faults.add("models: expected a list", table.line_of("models"))
        return []
    if len(models.values) > MOST_MODELS:
        faults.add(f"holds more than {MOST_MODELS:,} models; make several of it", models.line)
        return []
    found = []
    for item, line in models:
        draft = _draft(item, line, defaults, where, faults, check)
        if draft is not None:
            found.append(draft)
    return found


def _top(document: Table, faults: FileFaults) -> Table:
    """The keys of the whole, ``model`` taken for ``models``."""
    found = Table(line=document.line)
    for written, value in document.values.items():
        key = "models" if written == "model" else written
        line = document.line_of(written)
        if key == "$schema":
            continue
        if key not in _TOP:
            near = did_you_mean(key, _TOP) if len(key) < 100 and faults.hints else ""
            faults.add(f"there is no key {key!r}; {near or 'keys: ' + ', '.join(_TOP)}", line)
        elif key in found.values:
            faults.add("models stands here twice, as model and as models", line)
        else:
            found.put(key, value, line)
    version = found.values.get("manifest", _VERSION)
    if isinstance(version, bool) or version != _VERSION:
        told = version if isinstance(version, (int, float, str)) else "what is no number"
        line = found.line_of("manifest")
        faults.add(f"manifest: {told!r}; this version reads manifest: {_VERSION}", line)
    return found


def _defaults(table: Table, where: Where, faults: FileFaults, check: Check) -> dict[str, Any]:
    """What holds for all models; nothing where it is wrong, so that this is told once."""
    value = table.values.get("defaults")
    if value is None:
        return {}
    if not isinstance(value, Table):
        faults.add("defaults: expected a table", table.line_of("defaults"))
        return {}
    before = faults.count
    found = _fields(value, where, faults)
    for key in ("name", "source"):
        if key in found:
            faults.add(f"{key}: is each model's own, so it is no default", _line(value, key))
    given = {key: item for key, item in found.items() if item is not None}
    _check(value, given, given, faults, check)
    return given if faults.count == before else {}


def _draft(
    item: Any,
    line: int,
    defaults: Mapping[str, Any],
    where: Where,
    faults: FileFaults,
    check: Check,
) -> Draft | None:
    if isinstance(item, str):  # only its source
        item = Table(line=line, values={"source": item}, lines={"source": line})
    if not isinstance(item, Table):
        faults.add("expected a table with source, or a source alone", line)
        return None
    before = faults.count
    own = _fields(item, where, faults)
    if own.get("source") is None and not any(canonical(key) == "source" for key in item.values):
        faults.add("has no source", line)
    values = _merged(defaults, own)
    _check(item, values, own, faults, check)
    name = values.get("name", "")
    if name and (fault := name_fault(name)):
        faults.add(f"name: {name!r} {fault}", _line(item, "name"))
    if faults.count > before or "source" not in values:
        return Draft(entry=Entry(name=name, source="", file=faults.file, line=line))
    entry = _entry(values, faults.file, line)
    return Draft(entry=entry, wanted="" if name else name_of(entry.source, where.folder))


def _check(
    table: Table,
    values: Mapping[str, Any],
    own: Mapping[str, Any],
    faults: FileFaults,
    check: Check,
) -> None:
    """Contradictions among ``values``, and the files that ``own`` names."""
    for key in ("source", "data", "checkpoint", "op_libraries"):
        value = own.get(key) or ()
        for path in (value,) if isinstance(value, str) else value:
            if text := check(key, path):
                faults.add(f"{key}: {text}", _line(table, key))
    for key, text in contradictions(values):
        faults.add(text, _line(table, key))


def _line(table: Table, key: str) -> int:
    """Of a key however it is written; of the model where it has none (a default is meant)."""
    for written, line in table.lines.items():
        if canonical(written) == key:
            return line
    return table.line


def _fields(table: Table, where: Where, faults: FileFaults) -> dict[str, Any]:
    """The good values in the form of an entry, None for what says that it is unset."""
    found: dict[str, Any] = {}
    for written, value in table.values.items():
        key = canonical(written)
        line = table.line_of(written)
        if key is None:
            hint = f"; {nearest(written)}" if faults.hints else ""
            faults.add(f"there is no key {written!r}{hint}", line)
        elif key in found:
            faults.add(f"{key}: stands here twice, the second time as {written!r}", line)
        elif value is None:
            found[key] = None
        else:
            try:
                found[key] = KEYS[key].read(value, where)
            except Wrong as fault:
                faults.add(f"{key}: {fault}", fault.line or line)
    return found


def _merged(defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """What the model says, and where it is silent the defaults; without what is unset."""
    values = {**defaults, **own}
    options, asked = defaults.get("tflite"), own.get("tflite")
    if isinstance(options, dict) and isinstance(asked, dict):
        values["tflite"] = {**options, **asked}
    return {key: value for key, value in values.items() if value is not None}


def _entry(values: Mapping[str, Any], file: str, line: int) -> Entry:
    options = {
        key: values[key] for key, plain in _OPTIONS.items() if values.get(key, plain) != plain
    }
    asked = values.get("tflite")
    tflite = None
    if isinstance(asked, dict):
        tflite = {key: item for key, item in asked.items() if item != _TFLITE.get(key)}
    elif asked is None and "tflite" in values.get("steps", ()):
        tflite = {}
    kept = {key: values[key] for key in _KEPT if key in values}
    return Entry(
        name=values.get("name", ""),
        source=values["source"],
        options=options,
        tflite=tflite,
        file=file,
        line=line,
        **kept,
    )


_SUFFIXES = (".pbtxt", ".pb", ".meta", ".hdf5", ".h5", ".keras", ".tflite", ".index")


def name_of(source: str, folder: str) -> str:
    """The name that a source suggests: its path below ``folder``, else its last part alone."""
    path = os.path.normpath(source) if "://" not in source else source.rstrip("/")
    below = os.path.relpath(path, folder or ".") if "://" not in source else ""
    if not below or below == os.curdir or below.startswith(os.pardir):
        whole = path if "://" in source else os.path.abspath(path)
        below = os.path.basename(whole)
    return safe_name(stem(below.replace(os.sep, "/")))


def stem(path: str) -> str:
    """``path`` without the suffix of a model, and as its folder for a SavedModel's file."""
    folder, _, name = path.rpartition("/")
    if name in SAVED_MODEL_FILES and folder:
        return folder
    for suffix in _SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return path[: -len(suffix)]
    return path
