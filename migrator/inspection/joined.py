"""Which tensor of the checkpoint holds the value of which variable of a graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from migrator.errors import MigratorError
from migrator.formats.checkpoint import Checkpoint, checkpoint_place, open_checkpoint
from migrator.inspection.restores import Restored, RestoredTensor, find_restored
from migrator.inspection.spare import spare_handles
from migrator.inspection.tracing import Tracer
from migrator.model.model import MetaGraph, Model
from migrator.model.tensors import LazyTensor
from migrator.ops.state import VARIABLE_OPS, shared_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """A variable and the entry with its value; ``key`` is None where there is none.

    ``name`` is the variable's own name (``shared_name``, or the node's), ``part`` a slice of the
    entry as RestoreV2 writes it, empty for all of it.
    """

    node: str
    name: str
    key: str | None
    part: str = ""


def restored_by(meta: MetaGraph, tracer: Tracer | None = None) -> Restored:
    """What the meta graph's own restore ops say of its variables and tables."""
    restore_op = meta.saver.restore_op if meta.saver is not None else ""
    return find_restored(meta.graph, tracer or Tracer(meta.graph), restore_op)


def key_for(
    checkpoint: Checkpoint, entry: RestoredTensor | None, names: Iterable[str]
) -> str | None:
    """The key of a variable's value: the one that is restored, else by its names in turn.

    Raises MigratorError where the checkpoint's object graph cannot be read.
    """
    wanted = list(filter(None, names if entry is None else (entry.key,)))
    for name in wanted:
        if name in checkpoint.tensors:
            return name
    for name in wanted:
        key = checkpoint.names.get(name)
        if key is not None and key in checkpoint.tensors:
            return key
    return None


def joined_variables(
    meta: MetaGraph, checkpoint: Checkpoint, restored: Restored | None = None
) -> tuple[Join, ...]:
    """The variables of a meta graph, each with its key.

    Of several nodes for one variable the first is given; of several variables of one name the
    later ones go by the names of their nodes. Those of ``spare_handles`` are left out. Linear.
    Raises MigratorError where the checkpoint's object graph, or a table of keys in the graph,
    cannot be read.
    """
    restored = restored or restored_by(meta)
    spare = spare_handles(meta)
    # Of a variable that is only restored into its copy, the copy's is the entry.
    by_copy = {
        begins: restored.variables[name]
        for name, begins in spare.items()
        if begins and name in restored.variables
    }
    found: dict[str, Join] = {}
    for node in meta.graph.nodes:
        if node.op not in VARIABLE_OPS or node.name in spare:
            continue
        entry = restored.variables.get(node.name) or by_copy.get(node.name)
        shared = shared_name(node)
        name = shared or node.name
        key = key_for(checkpoint, entry, (shared, node.name))
        held = found.get(name)
        if held is not None and held.key is not None:
            if key in (None, held.key):  # another handle of the same variable
                continue
            name = node.name  # TensorFlow 2 may give several variables one name
            if name in found:
                continue
        part = entry.part if entry is not None and key is not None else ""
        found[name] = Join(node=node.name, name=name, key=key, part=part)
    return tuple(found.values())


def variable_values(model: Model) -> Mapping[str, LazyTensor]:
    """Name of each variable of a SavedModel, MetaGraph or hub module -> its value, not yet read.

    Of a model that brings its weights along (``Model.variables``) those; empty where no
    checkpoint lies where it should. Of several meta graphs the first that has the variable
    counts. Raises MigratorError where the checkpoint cannot be read.
    """
    if model.variables:
        return model.variables
    place = checkpoint_place(model)
    if place is None:
        return {}
    checkpoint = open_checkpoint(place, model.limits)
    found: dict[str, LazyTensor] = {}
    for meta in model.meta_graphs:
        for item in joined_variables(meta, checkpoint):
            if item.key is None or item.name in found:
                continue
            try:
                value = checkpoint.slice(item.key, item.part)
            except MigratorError:  # a slice that does not fit: no value of this variable
                continue
            found[item.name] = value
    return found
