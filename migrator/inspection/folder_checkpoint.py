"""How the checkpoint beside a graph belongs to it."""

from __future__ import annotations

from migrator.errors import MigratorError
from migrator.formats.checkpoint import open_checkpoint
from migrator.inspection.folder import CheckpointFacts
from migrator.inspection.joined import joined_variables, key_for, restored_by
from migrator.inspection.restores import Restored
from migrator.inspection.spare import spare_handles
from migrator.model.model import MetaGraph, Model
from migrator.places.place import Place


def checkpoint_facts(model: Model, place: Place, problems: list[str]) -> CheckpointFacts:
    """What the index at ``place`` says; ``problems`` gets what is wrong. Raises MigratorError."""
    checkpoint = open_checkpoint(place, model.limits)
    problems += checkpoint.warnings()
    taken: set[str] = set()
    by_node: dict[str, str] = {}
    lacking: dict[str, None] = {}
    held: dict[str, None] = {}
    copies: set[str | None] = set()
    for meta in model.meta_graphs:
        restored = _restored(meta, problems)
        for item in joined_variables(meta, checkpoint, restored):
            if item.key is None:
                lacking[item.name] = None
                continue
            taken.add(item.key)
            by_node.setdefault(item.node, item.key)
            held[item.name] = None
        for name in spare_handles(meta).keys() & restored.variables.keys():
            copies.add(key_for(checkpoint, restored.variables[name], ()))
        for pair in restored.tables.values():
            taken.update(entry.key for entry in pair)
        taken.update(entry.key for entry in restored.variables.values())
    taken.update(filter(None, copies))
    variables = checkpoint.variables
    return CheckpointFacts(
        prefix=str(checkpoint.prefix),
        version=checkpoint.version,
        shards=checkpoint.shards,
        entries=len(variables),
        joined=len(held),
        without_value=tuple(name for name in lacking if name not in held),
        without_variable=tuple(key for key in variables if key not in taken),
        by_node=by_node,
        bytes=checkpoint.bytes,
        copies=len(copies - {None, *by_node.values()}),
    )


def _restored(meta: MetaGraph, problems: list[str]) -> Restored:
    try:
        return restored_by(meta)
    except MigratorError as error:  # a table of keys that cannot be read
        problems.append(f"what its restore ops read cannot be told: {error.what}")
        return Restored(variables={}, tables={})
