"""Which entry of the checkpoint fills which variable and table: read off the graph's restore ops.

A saver may store a variable under another name than its own (an average in the place of what it
averages), or a part of it; so names alone do not tell.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from migrator.graph.wiring import Wiring
from migrator.inspection.tracing import Tracer
from migrator.model.graph import Function, Graph, Node
from migrator.model.tensors import TensorRef
from migrator.ops.state import ASSIGN_OPS

_RESTORES = frozenset(("RestoreV2", "Restore", "RestoreSlice"))
_IMPORTS = frozenset(("LookupTableImport", "LookupTableImportV2"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredTensor:
    """A tensor of a checkpoint. ``part`` is empty for the whole, else as RestoreV2 writes a slice
    (``"100 20 0,50:0,20"``: shape, then start and length by dimension)."""

    key: str
    part: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """By node name: the entry of a variable; the entries of a table's keys and values."""

    variables: dict[str, RestoredTensor]
    tables: dict[str, tuple[RestoredTensor, RestoredTensor]]


def find_restored(graph: Graph, tracer: Tracer, restore_op: str = "") -> Restored:
    """Read the restore ops, those that ``restore_op`` (of the meta graph's saver) runs first."""
    found = Restored(variables={}, tables={})
    preferred = _cone(graph, restore_op)
    later = []
    for function, node in tracer.nodes(ASSIGN_OPS | _IMPORTS):
        if preferred is not None and function is None and node.name not in preferred:
            later.append((function, node))
        else:
            _note(tracer, function, node, found)
    for function, node in later:
        _note(tracer, function, node, found)
    return found


def _cone(graph: Graph, restore_op: str) -> Collection[str] | None:
    name = TensorRef.parse(restore_op).node.removeprefix("^") if restore_op else ""
    if name not in graph.by_name:
        return None
    wiring = Wiring(graph)
    return {graph.nodes[number].name for number in wiring.backward([wiring.index[name]])}


def _note(tracer: Tracer, function: Function | None, node: Node, found: Restored) -> None:
    refs = node.data_refs
    target = tracer.origin(function, refs[0]) if len(refs) > 1 else None
    if target is None or target.function is not None:
        return
    entries = [_entry(tracer, function, ref) for ref in refs[1:]]
    first = entries[0]
    if first is None:
        return
    if node.op in ASSIGN_OPS:
        found.variables.setdefault(target.node.name, first)
    elif len(entries) > 1 and (second := entries[1]) is not None:
        found.tables.setdefault(target.node.name, (first, second))


def _entry(tracer: Tracer, function: Function | None, ref: TensorRef) -> RestoredTensor | None:
    """The entry that ``ref`` was restored from, None where it was made in another way."""
    found = tracer.origin(function, ref)
    if found is None or found.node.op not in _RESTORES:
        return None
    refs = found.node.data_refs
    at = found.port if found.node.op == "RestoreV2" else 0
    texts = [
        _text(items[at]) if at < len(items) else ""
        for items in (tracer.texts(found.function, refs[slot : slot + 1]) for slot in (1, 2))
    ]
    return RestoredTensor(key=texts[0], part=texts[1]) if texts[0] else None


def _text(item: object) -> str:
    return item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)
