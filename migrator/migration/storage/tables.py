"""Lookup tables: what fills them, so that the result can hold it itself.

A table's node makes an empty table; some op of the model's initialisation fills it, from tensors,
from a text file among the assets, or from the checkpoint.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from migrator.errors import MigratorError
from migrator.formats.checkpoint import Checkpoint
from migrator.inspection.restores import Restored
from migrator.inspection.tracing import Tracer
from migrator.migration.plan import Blocker, Table
from migrator.migration.subgraph import with_nodes
from migrator.model.dtypes import DType
from migrator.model.graph import Function, Graph, Node
from migrator.model.model import Asset
from migrator.model.tensors import LazyTensor, TensorRef

STATIC, MUTABLE, DENSE = "static", "mutable", "dense"
KINDS = {
    "HashTable": STATIC,
    "HashTableV2": STATIC,
    "MutableHashTable": MUTABLE,
    "MutableHashTableV2": MUTABLE,
    "MutableHashTableOfTensors": MUTABLE,
    "MutableHashTableOfTensorsV2": MUTABLE,
    "MutableDenseHashTable": DENSE,
    "MutableDenseHashTableV2": DENSE,
}
_FROM_TENSORS = frozenset(
    ("InitializeTable", "InitializeTableV2", "LookupTableImport", "LookupTableImportV2")
)
_FROM_FILE = frozenset(("InitializeTableFromTextFile", "InitializeTableFromTextFileV2"))


class TableStore:
    """The tables of one meta graph, by the node that makes each.

    ``folders`` are where a text file may lie; none is read from anywhere else, whatever path a
    model names.
    """

    def __init__(
        self,
        tracer: Tracer,
        restored: Restored,
        checkpoint: Checkpoint | None,
        assets: Iterable[Asset],
        folders: Collection[Path],
    ) -> None:
        self._tracer = tracer
        self._restored = restored
        self._checkpoint = checkpoint
        self.keys: set[str] = set()
        """Keys of the checkpoint whose values were taken."""
        self._folders = tuple(folders)
        # A model may bring a link to somewhere else.
        self._root = self._folders[0].resolve() if self._folders else Path()
        if self._folders and self._folders[0].name == "assets":
            self._root = self._folders[0].parent.resolve()
        self._assets = {TensorRef.parse(item.tensor).node: item.filename for item in assets}
        self._fillers: dict[str, tuple[Function | None, Node]] = {}
        for function, node in tracer.nodes(_FROM_TENSORS | _FROM_FILE):
            refs = node.data_refs
            target = tracer.origin(function, refs[0]) if refs else None
            if target is not None and target.node.name not in restored.tables:
                self._fillers.setdefault(target.node.name, (function, node))
        self._assets |= dict(self._kept_paths())

    def _kept_paths(self) -> Iterator[tuple[str, str]]:
        """(variable, file name) for variables that hold a path: TensorFlow 2 keeps it in one."""
        for function, node in self._tracer.nodes(("AssignVariableOp",)):
            refs = node.data_refs
            target = self._tracer.origin(function, refs[0]) if len(refs) > 1 else None
            value = self._tracer.origin(function, refs[1]) if target is not None else None
            if value is None or target is None or value.function is not None:
                continue
            if value.node.name in self._assets:
                yield target.node.name, self._assets[value.node.name]

    def table(self, node: Node) -> Table | Blocker:
        """The table that ``node`` makes, with what fills it, or why it cannot be had."""
        key_dtype, value_dtype = node.attrs.get("key_dtype"), node.attrs.get("value_dtype")
        if not isinstance(key_dtype, DType) or not isinstance(value_dtype, DType):
            return _blocked(node, "its key and value types are not given")
        table = Table(
            name=node.name,
            node=node.name,
            kind=KINDS[node.op],
            key_dtype=key_dtype,
            value_dtype=value_dtype,
        )
        try:
            if table.kind == DENSE:
                found = self._dense_settings(node)
                if isinstance(found, Blocker):
                    return found
                table = replace(table, settings=found)
            if node.name in self._restored.tables and self._checkpoint is not None:
                keys, values = self._restored.tables[node.name]
                held = self._checkpoint.tensors
                if keys.key not in held or values.key not in held:
                    return _blocked(node, f"the checkpoint does not hold {keys.key!r}")
                self.keys |= {keys.key, values.key}
                return replace(table, keys=held[keys.key], values=held[values.key])
            if node.name not in self._fillers:
                return _blocked(node, "nothing in the model fills it")
            return self._filled(table, *self._fillers[node.name])
        except MigratorError as error:
            return _blocked(node, str(error))

    def _dense_settings(self, node: Node) -> Mapping[str, LazyTensor] | Blocker:
        """The keys that mark an empty and a deleted place, which are the node's inputs."""
        found = {}
        for name, ref in zip(("empty_key", "deleted_key"), node.data_refs, strict=False):
            value = self._tracer.constant(None, ref)
            if value is not None:
                found[name] = value
        if "empty_key" not in found:
            return _blocked(node, "its empty key is not a constant")
        return found

    def _filled(self, table: Table, function: Function | None, filler: Node) -> Table | Blocker:
        refs = filler.data_refs
        if filler.op in _FROM_FILE:
            file = self.file(function, refs[1]) if len(refs) > 1 else "no file is named"
            if isinstance(file, str):
                return _blocked(filler, f"of its vocabulary: {file}")
            names = ("key_index", "value_index", "vocab_size", "delimiter", "offset")
            defaults = (-2, -1, -1, b"\t", 0)
            settings = {
                name: filler.attrs.get(name, default)
                for name, default in zip(names, defaults, strict=True)
            }
            named = self._tracer.origin(function, refs[1])
            tensor = f"{named.node.name}:0" if named and named.function is None else ""
            return replace(table, file=str(file), file_tensor=tensor, settings=settings)
        found: list[LazyTensor | str] = []
        for ref in refs[1:3]:
            constant = self._tracer.constant(function, ref)
            if constant is None and function is not None:
                return _blocked(filler, "a function computes its keys or values")
            found.append(str(ref) if constant is None else constant)
        if len(found) < 2:
            return _blocked(filler, "its keys or values are not given")
        return replace(table, keys=found[0], values=found[1])

    def file(self, function: Function | None, ref: TensorRef) -> Path | str:
        """The file whose path ``ref`` holds, or why there is none."""
        found = self._tracer.origin(function, ref)
        if found is not None and found.node.op == "ReadVariableOp" and found.node.data_refs:
            found = self._tracer.origin(found.function, found.node.data_refs[0])
        if found is None:
            return "its path is computed"
        name = self._assets.get(found.node.name) if found.function is None else None
        if name is None:
            value = found.node.attrs.get("value")
            if not isinstance(value, LazyTensor) or value.dtype.kind != "s":
                return "its path is computed"
            names = list(value.numpy().reshape(-1)[:1])
            name = bytes(names[0]).decode("utf-8", "replace") if names else ""
        return self.asset(name)

    def asset(self, name: str) -> Path | str:
        """The file of that name beside the model, or why there is none."""
        base = name.replace("\\", "/").rsplit("/", 1)[-1]
        if base in ("", ".", ".."):
            return f"{name!r} names no file"
        for folder in self._folders:
            file = folder / base
            inside = folder.resolve().is_relative_to(self._root)
            if inside and file.is_file() and file.resolve().parent == folder.resolve():
                return file
        where = " or ".join(str(folder) for folder in self._folders)
        return f"{base!r} is not in {where} (the model says {name!r})"


def table_nodes(graph: Graph) -> list[Node]:
    """The nodes that make a lookup table."""
    return [node for node in graph.nodes if node.op in KINDS]


def take_tables(graph: Graph, tables: Iterable[Table]) -> tuple[Graph, Mapping[str, str]]:
    """Take the tables' nodes out; their handles come from outside then (tensor -> table)."""
    names = {table.node: table.name for table in tables}
    nodes = tuple(node for node in graph.nodes if node.name not in names)
    handles = {f"{node}:0": name for node, name in names.items()}
    return with_nodes(graph, nodes), handles


def _blocked(node: Node, reason: str) -> Blocker:
    return Blocker(
        code="table",
        text=f"the lookup table {node.name!r} cannot be filled: {reason}",
        node=node.name,
        fix="put the missing file there, name the looked-up tensor as an --input, or migrate the "
        "SavedModel that the graph came from",
    )
