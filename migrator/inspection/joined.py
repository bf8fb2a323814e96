"""Which tensor of the checkpoint holds the value of which variable of a graph."""

from __future__ import annotations

from collections.abc import Mapping

from migrator.formats.checkpoint import checkpoint_place, open_checkpoint
from migrator.inspection.held import VARIABLES
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.model.model import Model
from migrator.model.tensors import LazyTensor


def variable_values(model: Model, limits: Limits = DEFAULT_LIMITS) -> Mapping[str, LazyTensor]:
    """Name of each variable of a SavedModel, MetaGraph or hub module -> its value, not yet read.

    Of a model that brings its weights along (``Model.variables``) those; empty where no
    checkpoint lies where it should. Raises MigratorError where the checkpoint cannot be read.
    """
    if model.variables:
        return model.variables
    place = checkpoint_place(model)
    if place is None:
        return {}
    checkpoint = open_checkpoint(place, limits)
    found: dict[str, LazyTensor] = {}
    for meta in model.meta_graphs:
        for node in meta.graph.nodes:
            if node.op not in VARIABLES:
                continue
            shared = node.attrs.get("shared_name")
            name = shared.decode("utf-8", "replace") if isinstance(shared, bytes) else ""
            for item in (name, node.name):
                key = checkpoint.key_of(item) if item else None
                if key is not None:
                    found.setdefault(name or node.name, checkpoint.tensors[key])
                    break
    return found
