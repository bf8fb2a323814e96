"""Lookup tables of two models, by what fills them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from migrator.diffing.changes.attributes import is_same
from migrator.diffing.side import Side
from migrator.errors import MigratorError
from migrator.formats.beside import folder_of
from migrator.formats.checkpoint import Checkpoint
from migrator.inspection.restores import find_restored
from migrator.inspection.tracing import Tracer
from migrator.migration.plan import Table
from migrator.migration.storage.tables import TableStore
from migrator.model.model import MetaGraph, Model

_FILLS = re.compile(r"(?:InitializeTable|LookupTableImport)\w*\Z")
_LARGEST = 64 << 20
"""Bytes of a table or its file that are compared."""


class Tables:
    """The tables of one model, by the names of the nodes that make them."""

    def __init__(self, model: Model, meta: MetaGraph, checkpoint: Checkpoint | None) -> None:
        self._model = model
        self._meta = meta
        self._checkpoint = checkpoint

    @cached_property
    def _store(self) -> TableStore:
        tracer = Tracer(self._meta.graph)
        saver = self._meta.saver
        restored = find_restored(self._meta.graph, tracer, saver.restore_op if saver else "")
        folder = folder_of(self._model)
        folders = [folder / "assets"]
        if self._model.source.kind not in ("saved_model", "hub_module"):
            folders.insert(0, folder)
        return TableStore(tracer, restored, self._checkpoint, self._meta.assets, folders)

    def table(self, name: str) -> Table | None:
        """The table that a node of the top level makes; None where its content is not known."""
        node = self._meta.graph.by_name.get(name)
        found = self._store.table(node) if node is not None else None
        return found if isinstance(found, Table) else None


def with_fillers(side: Side, needed: set[str]) -> set[str]:
    """``needed`` nodes with those that fill the tables among them before the first run."""
    if not needed or not any(_FILLS.match(op) for op in side.ops):
        return needed
    starts = [
        name
        for name, node in side.nodes.items()
        if _FILLS.match(node.op)
        and name not in needed
        and (data := side.inputs(name)[0])
        and side.origin(data[0])[0] in needed
    ]
    return needed | side.closure(starts)


def same_table(one: Table | None, other: Table | None) -> bool:
    """Whether two tables are of one kind and hold the same."""
    if one is None or other is None:
        return False
    if (one.kind, one.key_dtype, one.value_dtype) != (
        other.kind,
        other.key_dtype,
        other.value_dtype,
    ):
        return False
    if not _same_settings(one.settings, other.settings):
        return False
    if one.file or other.file:
        return bool(one.file and other.file) and _same_file(Path(one.file), Path(other.file))
    return _entries(one) is not None and _entries(one) == _entries(other)


def _same_settings(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)


def _entries(table: Table) -> dict[Any, bytes | list[bytes]] | None:
    """Key -> value, in no order; None where either is computed or too large."""
    keys, values = table.keys, table.values
    if isinstance(keys, str) or isinstance(values, str):
        return None
    if max(keys.nbytes, values.nbytes) > _LARGEST:
        return None
    try:
        names = keys.numpy().reshape(-1).tolist()
        rows = values.numpy()
    except MigratorError:
        return None
    if not rows.ndim or len(rows) != len(names):
        return None
    is_text = values.dtype.kind == "s"
    return {
        name: row.reshape(-1).tolist() if is_text and hasattr(row, "reshape") else _bytes(row)
        for name, row in zip(names, rows, strict=True)
    }


def _bytes(row: Any) -> Any:
    return row.tobytes() if hasattr(row, "tobytes") else row


def _same_file(one: Path, other: Path) -> bool:
    try:
        if one.stat().st_size != other.stat().st_size or one.stat().st_size > _LARGEST:
            return False
        return one.read_bytes() == other.read_bytes()
    except OSError:
        return False
