"""A manifest from its file: the format told, its tables read, its entries settled."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any

from migrator.batching.manifest.csv_tables import read_csv
from migrator.batching.manifest.faults import Faults, FileFaults
from migrator.batching.manifest.fields import cell_kinds, nearest
from migrator.batching.manifest.jsonl_tables import read_jsonl
from migrator.batching.manifest.settle import Check, Draft, drafts_in
from migrator.batching.manifest.tables import MOST_BYTES, TooMuch
from migrator.batching.manifest.toml_tables import read_toml
from migrator.batching.manifest.yaml_tables import read_yaml
from migrator.errors import MigratorError, UsageError, did_you_mean
from migrator.formats.checkpoint.locate import first_file, index_for
from migrator.formats.load import model_file
from migrator.formats.staging import archive_of
from migrator.places.addresses import is_remote
from migrator.places.place import LocalPlace

FORMATS = ("yaml", "toml", "csv", "jsonl")
_SUFFIXES = {
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}
_HEAD = 1 << 16
_MOST_SIBLINGS = 500
_TOML = re.compile(r"\[\[?[ \t]*[\w\"'.]+[ \t]*\]\]?|(?:manifest|\"manifest\")[ \t]*=")
_YAML = re.compile(r"(?:---|%YAML|(?:manifest|defaults|models?)[ \t]*:|-[ \t]+\{?[\w-]+[ \t]*:)")


def format_by_name(path: str) -> str:
    """The format that a file's suffix stands for, empty for none."""
    return _SUFFIXES.get(os.path.splitext(path)[1].lower(), "")


def format_by_content(path: str) -> str:
    """The format that the first line of a text file looks like, empty for none."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except (OSError, ValueError):
        return ""
    text = head.decode("utf-8-sig", "replace")
    if not text[:200].translate(dict.fromkeys(map(ord, "\t\r\n"), " ")).isprintable():
        return ""
    for line in text.split("\n"):
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        if word.startswith('{"'):
            return "jsonl"
        if _TOML.match(word):
            return "toml"
        if _YAML.match(word):
            return "yaml"
        cells = [cell.strip().strip('"') for cell in re.split("[,;\t]", word)]
        return "csv" if "source" in cells else ""
    return ""


def read_drafts(
    path: str, format: str, faults: Faults, *, check: Check | None = None
) -> list[Draft]:
    """The entries of one manifest; all that is wrong goes to ``faults``.

    ``check`` says what is wrong with a path that is named; ``path_fault`` where it is not given.
    """
    own = FileFaults(faults, path)
    before = own.count
    try:
        document = _READERS[format](_text(path), own)
        if document is None and own.count > before:
            return []
        if check is None:
            check = partial(_path_fault, own)
        return drafts_in(document, os.path.dirname(path), own, check)
    except TooMuch as error:
        own.add(str(error), error.line)
    except UsageError as error:
        own.add(str(error), 0)
    return []


def _text(path: str) -> str:
    """Raises UsageError."""
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise UsageError("is not a file")
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # a NUL in the path
        raise UsageError(f"is not a path: {error}") from None
    if len(data) > MOST_BYTES:
        raise UsageError(f"holds more than {MOST_BYTES:,} bytes", hint="make several manifests")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"is not UTF-8 (byte {error.start:,}, in line {line:,})") from None


def _csv(text: str, faults: FileFaults) -> Any:
    return read_csv(text, cell_kinds(), nearest, faults)


_READERS: dict[str, Callable[[str, FileFaults], Any]] = {
    "yaml": read_yaml,
    "toml": read_toml,
    "jsonl": read_jsonl,
    "csv": _csv,
}


def _path_fault(faults: FileFaults, key: str, path: str) -> str:
    return path_fault(key, path, hints=faults.hints)


def path_fault(key: str, path: str, *, hints: bool = True) -> str:
    """What is wrong with a file that a manifest names; empty where it is there.

    ``hints``: also what may be meant. Addresses are looked at when their turn comes.
    """
    if is_remote(path):
        return ""
    try:
        if key == "checkpoint":
            is_there = os.path.exists(path) or first_file(LocalPlace(path)) is not None
        elif key == "source":
            if os.path.isdir(path):
                model_file(path)
            is_there = os.path.exists(path) or _is_checkpoint(path) or archive_of(path) != ""
        else:
            is_there = os.path.isfile(path)
    except MigratorError as error:
        return f"{path!r} {error.what}" + (f"; {error.hint}" if error.hint else "")
    except (OSError, ValueError) as error:
        return f"{path!r} cannot be looked at: {error}"
    return "" if is_there else _missing(path, hints)


def _is_checkpoint(path: str) -> bool:
    return index_for(LocalPlace(path)) is not None


def _missing(path: str, hints: bool) -> str:
    """That nothing is there, and what may be meant."""
    folder, name = os.path.split(path)
    near = ""
    if hints and len(name) <= 200:
        near = did_you_mean(name, _siblings(folder or "."))
    return f"{path!r} does not exist" + (f"; {near}" if near else "")


def _siblings(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in islice(entries, _MOST_SIBLINGS))
    except OSError:
        return []
