"""What a model keeps outside of its graph, made in TensorFlow: variables, tables, files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from migrator.arrays import load_arrays
from migrator.runtime.planned import import_graph, read_planned


def read_array(tf: Any, row: dict[str, Any]) -> Any:
    """The array that ``row`` describes: raw bytes of a file, or an entry of an array file.

    ``row`` holds ``dtype`` and ``shape``, and ``path``, ``offset`` and ``length`` or ``path`` and
    ``entry``.
    """
    import numpy as np

    if "entry" in row:
        return _arrays(row["path"])[row["entry"]]
    with open(row["path"], "rb") as file:
        file.seek(row["offset"])
        data = np.fromfile(file, dtype=np.uint8, count=row["length"])
    numpy_type = np.dtype(tf.as_dtype(row["dtype"]).as_numpy_dtype)
    return data.view(numpy_type).reshape(row["shape"])


@lru_cache(maxsize=1)
def _arrays(path: str) -> dict[str, Any]:
    return load_arrays(Path(path))


class Holdings:
    """The variables, tables and files of one result, each made once and found by its name."""

    def __init__(
        self,
        tf: Any,
        *,
        weights: Iterable[dict[str, Any]],
        tables: Iterable[dict[str, Any]],
        assets: dict[str, str],
        initial: dict[str, Any] | None,
    ) -> None:
        self._tf = tf
        self._computed: dict[str, Any] = {}
        self.assets = {name: tf.saved_model.Asset(path) for name, path in assets.items()}
        self.tables: dict[str, Any] = {}
        rows = list(weights)
        read = [row for row in rows if "computed" not in row]
        self.variables = {row["name"]: self._variable(row) for row in read}
        if initial is not None:
            self._computed = self._compute(initial)
        for row in rows:
            if "computed" in row:
                self.variables[row["name"]] = self._variable(row)
        self.tables |= {row["name"]: self._table(row) for row in tables}

    def tensors(self, row: dict[str, dict[str, str]]) -> dict[str, Any]:
        """What stands in for the tensors of a graph under construction, by their names."""
        capture = self._tf.compat.v1.get_default_graph().capture
        found = {t: self.variables[name].read_value() for t, name in row["weights"].items()}
        found |= {t: capture(self.variables[name].handle) for t, name in row["handles"].items()}
        found |= {
            t: capture(self.tables[name].resource_handle) for t, name in row["tables"].items()
        }
        found |= {t: capture(self.assets[name].asset_path) for t, name in row["assets"].items()}
        return found

    def root(self) -> Any:
        """A module that holds them all, as a loaded result shows them."""
        tf = self._tf

        # Properties of tf.Module otherwise, which a loaded result would not have.
        plain = {"variables": None, "trainable_variables": None}
        root: Any = type("Root", (tf.Module,), plain)()
        root.variables = list(self.variables.values())
        root.trainable_variables = [item for item in root.variables if item.trainable]
        root.tables = list(self.tables.values())
        root.files = list(self.assets.values())
        return root

    def _compute(self, row: dict[str, Any]) -> dict[str, Any]:
        """The values of tensors that a graph without inputs computes."""
        tf, tensors = self._tf, row["tensors"]
        graph_def = read_planned(tf, row["graph"])

        def imported() -> list[Any]:
            return import_graph(tf, graph_def, self.tensors(row["taken"]), tensors)

        wrapped = tf.compat.v1.wrap_function(imported, [])
        return dict(zip(tensors, wrapped(), strict=True))

    def _value(self, row: dict[str, Any]) -> Any:
        tf = self._tf
        if "computed" in row:
            return self._computed[row["computed"]]
        return tf.constant(read_array(tf, row), dtype=tf.as_dtype(row["dtype"]))

    def _variable(self, row: dict[str, Any]) -> Any:
        tf = self._tf
        name = re.sub(r"[^A-Za-z0-9_.\\/>-]", "_", row["name"])
        name = name if re.match(r"[A-Za-z0-9.]", name) else f"v{name}"
        return tf.Variable(self._value(row), trainable=row["trainable"], name=name)

    def _table(self, row: dict[str, Any]) -> Any:
        tf = self._tf
        key_type, value_type = tf.as_dtype(row["key_dtype"]), tf.as_dtype(row["value_dtype"])
        if row["file"]:
            settings = row["settings"]
            size = settings["vocab_size"]
            initializer = tf.lookup.TextFileInitializer(
                row["file"],
                key_dtype=key_type,
                key_index=settings["key_index"],
                value_dtype=value_type,
                value_index=settings["value_index"],
                vocab_size=size if size > 0 else None,
                delimiter=settings["delimiter"],
                value_index_offset=settings["offset"],
            )
            return tf.lookup.StaticHashTable(initializer, _zero(tf, value_type))
        keys, values = self._value(row["keys"]), self._value(row["values"])
        if row["kind"] == "static":
            initializer = tf.lookup.KeyValueTensorInitializer(keys, values)
            return tf.lookup.StaticHashTable(initializer, _zero(tf, value_type))
        nothing = tf.zeros(values.shape[1:], value_type) if value_type != tf.string else ""
        if row["kind"] == "dense":
            # Arrays, not tensors: saving makes the table anew in a graph.
            empty, deleted = (read_array(tf, row["settings"][key]) for key in _MARKS)
            table = tf.lookup.experimental.DenseHashTable(
                key_type, value_type, nothing, empty_key=empty, deleted_key=deleted
            )
            keys = tf.reshape(keys, [keys.shape[0], -1])  # as such a table exports them
        else:
            table = tf.lookup.experimental.MutableHashTable(key_type, value_type, nothing)
        # What a dense table exports holds its empty places too, which only an import takes.
        tf.raw_ops.LookupTableImportV2(table_handle=table.resource_handle, keys=keys, values=values)
        return table


_MARKS = ("empty_key", "deleted_key")


def _zero(tf: Any, dtype: Any) -> Any:
    return tf.constant("") if dtype == tf.string else tf.zeros((), dtype)
