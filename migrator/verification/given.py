"""Values for a model's inputs as a user gives them: words of the command line, and files.

A word is ``[NAME=]VALUE``; VALUE is a file by its suffix, any file as ``@FILE``, or the value
itself as JSON. Everything is checked before TensorFlow starts; only pictures wait for it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from migrator.arrays import load_npz
from migrator.errors import FormatError, UsageError
from migrator.verification.cases import InputSpec
from migrator.verification.fitting import find_input, fitted, no_such_input
from migrator.verification.literals import parse_json
from migrator.verification.pictures import SUFFIXES, PictureForm, picture_form

_READ = frozenset((".npy", ".npz", ".json", ".txt", ".wav"))
_LITERAL = '[{"'
_SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Given:
    """A value for one input: ``array``, or the files of ``pictures`` that are still to be decoded.

    ``origin`` says where it came from.
    """

    name: str
    origin: str
    array: Any = field(default=None, repr=False)
    pictures: tuple[str, ...] = ()
    form: PictureForm | None = None


@dataclass(slots=True, kw_only=True)
class _Gathered:
    """What was read so far, and the notes that it left."""

    specs: Sequence[InputSpec]
    found: dict[str, Given] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def put(self, item: InputSpec, value: Any, origin: str) -> None:
        self.free(item, origin)
        array, note = fitted(item, value, where=origin)
        if note:
            self.notes.append(note)
        self.found[item.name] = Given(name=item.name, origin=origin, array=array)

    def free(self, item: InputSpec, origin: str) -> None:
        if item.name in self.found:
            raise UsageError(f"input {item.name!r} is given twice", where=origin)

    def named(self, name: str, where: str) -> InputSpec:
        item = find_input(self.specs, name)
        if item is None:
            raise no_such_input(self.specs, name, where=where)
        return item

    def only(self, where: str) -> InputSpec:
        """The input that is meant where none is named."""
        if len(self.specs) == 1:
            return self.specs[0]
        names = ", ".join(item.name for item in self.specs)
        raise UsageError(
            f"names no input, and the model has {len(self.specs)}: {names or 'none'}",
            where=where,
            hint="write NAME=VALUE" if self.specs else "",
        )


def read_given(
    specs: Sequence[InputSpec],
    words: Sequence[str] = (),
    *,
    data: str | None = None,
    values: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Given], tuple[str, ...]]:
    """Read the values in ``words``, in file ``data`` (.npz or .json) and in ``values`` (arrays or
    nested lists by name): what each input gets, and notes on what was changed to fit.

    Several files for one input (``x=a.png x=b.png``) make a batch.

    Raises UsageError for what does not fit or names no input, FormatError for a damaged file.
    """
    gathered = _Gathered(specs=specs)
    for name, value in (values or {}).items():
        gathered.put(gathered.named(name, "values"), value, f"values[{name!r}]")
    if data is not None:
        _existing(data, data)
        if not data.lower().endswith((".npz", ".json")):
            raise UsageError("is neither .npz nor .json", where=f"--data {data}")
        _read_file(gathered, None, data, data)
    files: dict[str, list[str]] = {}
    for word in words:
        name, text = _split(gathered, word)
        path = _path(text)
        if path is None:
            item = gathered.named(name, word) if name else None
            _put_text(gathered, item, text, _shorten(word))
            continue
        _existing(path, word)
        item = gathered.named(name, word) if name else None
        if Path(path).suffix.lower() in (".npy", ".npz", ".json"):
            _read_file(gathered, item, path, path)
        else:
            item = item or gathered.only(word)
            gathered.free(item, path)
            files.setdefault(item.name, []).append(path)
    for name, paths in files.items():
        _put_files(gathered, gathered.named(name, name), paths)
    return gathered.found, tuple(gathered.notes)


def _split(gathered: _Gathered, word: str) -> tuple[str, str]:
    """``NAME=VALUE`` as its two parts, NAME empty where there is none."""
    at = word.find("=")
    while at > 0:  # names may hold "=" too
        if find_input(gathered.specs, word[:at]) is not None:
            return word[:at], word[at + 1 :]
        at = word.find("=", at + 1)
    name, equals, text = word.partition("=")
    if not equals or word[:1] in _LITERAL or word[:1] == "@" or os.path.exists(word):
        return "", word
    return name, text


def _path(text: str) -> str | None:
    """The file that ``text`` names, None for a value."""
    if text.startswith("@"):
        return text[1:]
    suffix = Path(text).suffix.lower()
    if text[:1] not in _LITERAL and (suffix in _READ or suffix in SUFFIXES):
        return text
    return None


def _existing(path: str, word: str) -> None:
    if not os.path.exists(path):
        raise UsageError(
            "there is no such file", where=path, hint=_literally(word) if path != word else ""
        )
    if not os.path.isfile(path):
        raise UsageError("is no file", where=path)


def _literally(word: str) -> str:
    return "" if "@" in word else "a text that looks like a file is written as JSON, in quotes"


def _read_file(gathered: _Gathered, item: InputSpec | None, path: str, where: str) -> None:
    """One of the files that hold arrays; for all inputs where ``item`` is None."""
    suffix = Path(path).suffix.lower()
    if suffix == ".npy":
        item = item or gathered.only(where)
        gathered.put(item, _load_npy(path), path)
    elif suffix == ".npz":
        arrays = load_npz(path)
        if item is None:
            for name, array in arrays.items():
                gathered.put(gathered.named(name, path), array, path)
        elif item.name in arrays or len(arrays) == 1:
            gathered.put(item, arrays.get(item.name, next(iter(arrays.values()))), path)
        else:
            raise UsageError(
                f"holds {len(arrays)} arrays and none is called {item.name!r}", where=path
            )
    else:
        _put_json(gathered, item, parse_json(_bytes(path), where=path), path)


def _put_text(gathered: _Gathered, item: InputSpec | None, text: str, where: str) -> None:
    """A value on the command line: JSON, or for a string input any text."""
    if item is None and text[:1] == "{":
        _put_json(gathered, None, parse_json(text, where=where), where)
        return
    item = item or gathered.only(where)
    if item.dtype.kind == "s" and text[:1] not in _LITERAL:
        value: Any = text
    else:
        try:
            value = parse_json(text, where=where)
        except UsageError:
            if os.path.isfile(text):
                raise UsageError(
                    "is a file whose suffix says nothing", where=text, hint=f"write @{text}"
                ) from None
            raise UsageError(
                f"is neither a file nor a value of {item.dtype} as JSON", where=where
            ) from None
    gathered.put(item, value, where)


def _put_json(gathered: _Gathered, item: InputSpec | None, value: Any, where: str) -> None:
    """{name: value}, or what TensorFlow Serving takes; else the value of the only input."""
    if item is not None or not isinstance(value, dict) or set(value) == {"b64"}:
        gathered.put(item or gathered.only(where), value, where)
        return
    for key, unfold in (("instances", _columns), ("inputs", lambda found: found)):
        if key in value and find_input(gathered.specs, key) is None:
            value = unfold(value[key])
            break
    if not isinstance(value, dict):
        gathered.put(gathered.only(where), value, where)
        return
    for name, one in value.items():
        gathered.put(gathered.named(name, where), one, where)


def _columns(rows: Any) -> Any:
    """TensorFlow Serving's row format as one list for each input."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return rows
    if any(set(row) == {"b64"} for row in rows):
        return rows
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _put_files(gathered: _Gathered, item: InputSpec, paths: Sequence[str]) -> None:
    """Pictures, texts and other bytes; several for a batch."""
    origin = ", ".join(paths)
    if item.dtype.kind == "s":
        contents = [_bytes(path) for path in paths]
        is_text = all(path.lower().endswith(".txt") for path in paths)
        if is_text and item.shape.rank and len(paths) == 1:  # a line each
            contents = [line.removesuffix(b"\r") for line in contents[0].splitlines()]
            gathered.put(item, contents, origin)
        elif len(paths) == 1:
            gathered.put(item, contents[0], origin)
        else:
            gathered.put(item, contents, origin)
        return
    others = [path for path in paths if Path(path).suffix.lower() not in SUFFIXES]
    if others:
        raise UsageError(
            f"cannot be read as {item.dtype} for input {item.name!r}",
            where=others[0],
            hint="give .npy, .npz, .json or a picture",
        )
    form = picture_form(item, where=paths[0])
    dims = item.shape.dims
    if len(paths) > 1 and dims is not None and dims[0] not in (None, len(paths)):
        raise UsageError(
            f"are {len(paths)} pictures, input {item.name!r} takes {item.shape}", where=origin
        )
    gathered.found[item.name] = Given(
        name=item.name, origin=origin, pictures=tuple(paths), form=form
    )


def with_array(given: Given, array: Any) -> Given:
    """The same with its pictures decoded."""
    return replace(given, array=array)


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror or error}", where=path) from None


def _load_npy(path: str) -> Any:
    import numpy as np

    try:
        with open(path, "rb") as file:
            array = np.load(file, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            array.close()
            raise ValueError("it holds several arrays, as an .npz does")
        return array
    except Exception as error:  # numpy parses a damaged header as Python, and raises what that does
        raise FormatError(
            f"cannot be read as an .npy of plain values: {error}",
            where=path,
            hint="make it with np.save(FILE, array); object arrays are not read",
        ) from None


def _shorten(word: str) -> str:
    return word if len(word) <= _SHOWN else f"{word[:_SHOWN]}..."
