"""Keys of a plan's lookup tables, for inputs to hit."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from migrator.errors import MigratorError
from migrator.migration.plan import Table
from migrator.model.dtypes import DType
from migrator.model.tensors import LazyTensor

_MOST = 256
_MOST_BYTES = 1 << 20
_WHOLE_LINE, _LINE_NUMBER = -2, -1


def sample_keys(tables: Iterable[Table], dtype: DType) -> tuple[Any, ...]:
    """Up to some hundred keys of that type, as bytes or numbers."""
    found: list[Any] = []
    for table in tables:
        if table.key_dtype.base == dtype.base:
            found += islice(_keys(table), _MOST)
    return tuple(found)


def _keys(table: Table) -> Iterable[Any]:
    if table.file:
        return _keys_of_file(table)
    if not isinstance(table.keys, LazyTensor) or table.keys.nbytes > _MOST_BYTES:
        return ()
    try:
        return [item if isinstance(item, bytes) else item.item() for item in _flat(table.keys)]
    except MigratorError:
        return ()


def _flat(keys: LazyTensor) -> Any:
    return keys.numpy().reshape(-1)[:_MOST]


def _keys_of_file(table: Table) -> Iterable[Any]:
    column = table.settings["key_index"]
    delimiter = table.settings["delimiter"] or b"\t"
    with open(table.file, "rb") as file:
        lines = file.read(_MOST_BYTES).splitlines()[:_MOST]
    for number, line in enumerate(lines):
        if column == _LINE_NUMBER:
            yield number
            continue
        text = line if column == _WHOLE_LINE else _column(line, delimiter, column)
        if table.key_dtype.kind == "s":
            yield text
        elif text.strip().lstrip(b"-").isdigit():
            yield int(text)


def _column(line: bytes, delimiter: bytes, column: int) -> bytes:
    parts = line.split(delimiter)
    return parts[column] if 0 <= column < len(parts) else line
