"""What a child needs to carry out a plan, as files in a working folder and plain data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from migrator.actions.faces import write_subgraph
from migrator.arrays import save_arrays
from migrator.errors import LimitError
from migrator.migration.plan import IMAGES, Endpoint, Plan, SignaturePlan, Subgraph, Table, Weight
from migrator.model.dtypes import DType
from migrator.model.tensors import LazyTensor
from migrator.verification.sides import PlannedSide

_UNPACKED = 256 << 20
_GROWTH = 64


class Payload:
    """Writes what a plan's child tasks read. Weights stay in their own files where they can."""

    def __init__(self, plan: Plan, work: Path) -> None:
        self._plan = plan
        self._work = work
        self._number = 0
        self._packed = work / "weights.bin"
        self._weights = [self.weight(item) for item in plan.held]
        self._tables = [self._table(item) for item in plan.tables]
        self._assets = {name: str(file) for name, file in plan.files.items()}
        self._initial = None if plan.initial is None else self._computed(plan.initial)

    def rewrite_task(self, dest: Path) -> dict[str, Any]:
        """What ``rewrite`` takes."""
        return {
            "signatures": [self._signature(item, item.subgraph) for item in self._plan.signatures],
            "weights": self._weights,
            "tables": self._tables,
            "assets": self._assets,
            "initial": self._initial,
            "dest": str(dest),
        }

    def planned_side(self, signature: SignaturePlan, subgraph: Subgraph) -> PlannedSide:
        """One signature, as ``run_planned`` calls it without saving it."""
        used = {*subgraph.handles.values(), *subgraph.weights.values()}
        task = {
            "signature": self._signature(signature, subgraph),
            "weights": [row for row in self._weights if row["name"] in used],
            "tables": self._tables,
            "assets": self._assets,
            "initial": self._initial,
        }
        return PlannedSide(path=self._plan.source.path, task=task)

    def _signature(self, signature: SignaturePlan, subgraph: Subgraph) -> dict[str, Any]:
        self._number += 1
        graph = write_subgraph(subgraph, self._work / f"graph-{self._number}.pb")
        return {
            "key": signature.key,
            "method_name": signature.method_name,
            "graph": str(graph),
            "inputs": _endpoints(signature.inputs),
            "outputs": _endpoints(signature.outputs),
            "taken": _taken(subgraph),
            "decode_images": dict(signature.decode_images),
            "pictures_key": f"{signature.key}{IMAGES}",
        }

    def _computed(self, subgraph: Subgraph) -> dict[str, Any]:
        """The graph of values that are computed once, and the tensors to compute."""
        tensors = [item.computed for item in self._plan.held]
        for table in self._plan.tables:
            tensors += [item for item in (table.keys, table.values) if isinstance(item, str)]
        graph = write_subgraph(subgraph, self._work / "initial.pb")
        return {
            "graph": str(graph),
            "tensors": list(dict.fromkeys(filter(None, tensors))),
            "taken": _taken(subgraph),
        }

    def weight(self, weight: Weight) -> dict[str, Any]:
        """A variable to be, and where its bytes are."""
        return {
            "name": weight.name,
            "trainable": weight.trainable,
            **self._array(weight.value or weight.computed, weight.dtype),
        }

    def _array(self, value: LazyTensor | str, dtype: DType) -> dict[str, Any]:
        """Where the array lies: in its own file, packed into one of ours, or yet to compute."""
        if isinstance(value, str):
            return {"dtype": dtype.name, "computed": value}
        dims = [dim or 0 for dim in value.shape.dims or ()]
        row: dict[str, Any] = {"dtype": value.dtype.base.name, "shape": dims}
        place = value.place()
        if place is not None and place.length == value.nbytes:
            return {**row, "path": place.path, "offset": place.offset, "length": place.length}
        if value.nbytes > _UNPACKED and value.nbytes > _GROWTH * value.stored_bytes:
            raise LimitError(
                f"a value of {value.nbytes:,} bytes is made of {value.stored_bytes:,}",
                hint="no real weight repeats one number that often",
            )
        array = value.numpy()
        if value.dtype.kind == "s":
            self._number += 1
            file = self._work / f"strings-{self._number}.npz"
            save_arrays(file, {"value": array})
            return {**row, "path": str(file), "entry": "value"}
        with self._packed.open("ab") as packed:
            offset = packed.tell()
            length = packed.write(array.tobytes())
        return {**row, "path": str(self._packed), "offset": offset, "length": length}

    def _table(self, table: Table) -> dict[str, Any]:
        settings = {
            key: self._array(value, value.dtype) if isinstance(value, LazyTensor) else _plain(value)
            for key, value in table.settings.items()
        }
        return {
            "name": table.name,
            "kind": table.kind,
            "key_dtype": table.key_dtype.name,
            "value_dtype": table.value_dtype.name,
            "file": table.file,
            "keys": None if table.file else self._array(table.keys, table.key_dtype),
            "values": None if table.file else self._array(table.values, table.value_dtype),
            "settings": settings,
        }


def _taken(subgraph: Subgraph) -> dict[str, dict[str, str]]:
    return {
        "weights": dict(subgraph.weights),
        "handles": dict(subgraph.handles),
        "tables": dict(subgraph.tables),
        "assets": dict(subgraph.assets),
    }


def _plain(value: Any) -> Any:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _endpoints(items: Iterable[Endpoint]) -> list[dict[str, Any]]:
    return [
        {
            "name": item.name,
            "tensor": item.tensor,
            "dtype": item.dtype.name if item.dtype is not None else None,
            "shape": item.shape.as_list(),
        }
        for item in items
    ]
