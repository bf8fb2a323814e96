"""What lies in a SavedModel's or hub module's folder, and how it belongs together."""

from __future__ import annotations

from dataclasses import dataclass, field

from migrator.errors import MigratorError
from migrator.formats.checkpoint import checkpoint_place
from migrator.inspection.folder_files import (
    Attachment,
    FingerprintFacts,
    FolderFile,
    KerasMetadata,
    list_assets,
    list_attachments,
    list_extra,
    read_fingerprint,
    read_keras,
)
from migrator.model.brief import brief
from migrator.model.model import WITH_FOLDER, Model
from migrator.ops.state import VARIABLE_OPS, variable_name
from migrator.places.place import Place

_IN_FOLDERS = ("saved_model", "hub_module")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointFacts:
    """The checkpoint that belongs to the graph, read as far as its index."""

    prefix: str
    version: int
    shards: int
    entries: int
    """Tensors, the object graph of TensorFlow 2 apart."""
    joined: int
    """Variables of the graph that have their value in it."""
    without_value: tuple[str, ...]
    """Variables of the graph that have none in it: loading may compute them."""
    without_variable: tuple[str, ...]
    """Keys that no variable and no table of the graph takes: an optimizer's, another graph's."""
    by_node: dict[str, str] = field(default_factory=dict)
    """Node of a variable -> key."""
    copies: int = 0
    """Keys that only copies of its variables take, which the graph never uses."""
    bytes: int = 0
    """Sizes of its files that are there."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """What belongs to a graph beside it. ``problems`` are told as warnings."""

    checkpoint: CheckpointFacts | None = None
    assets: tuple[FolderFile, ...] = ()
    extra: tuple[FolderFile, ...] = ()
    fingerprint: FingerprintFacts | None = None
    keras: KerasMetadata | None = None
    attachments: tuple[Attachment, ...] = ()
    """Of all meta graphs of a hub module, each name once."""
    problems: tuple[str, ...] = ()

    __repr__ = brief


def describe_folder(model: Model) -> Folder | None:
    """What lies beside a SavedModel, a hub module or a MetaGraph; None for other models.

    Reads the checkpoint's index and small files, no weights. What cannot be read is a problem,
    never an error.
    """
    form = model.source.kind
    if form not in WITH_FOLDER or model.place is None:
        return None
    problems: list[str] = []
    place, checkpoint = None, None
    try:
        place = checkpoint_place(model)
    except MigratorError as error:
        problems.append(f"its checkpoint cannot be looked for: {error}")
    if place is not None:
        # The reader of checkpoints takes as long to import as a small model takes to read.
        from migrator.inspection.folder_checkpoint import checkpoint_facts

        try:
            checkpoint = checkpoint_facts(model, place, problems)
        except MigratorError as error:
            problems.append(f"its checkpoint cannot be read: {error}")
    if form not in _IN_FOLDERS:
        return Folder(checkpoint=checkpoint, problems=tuple(problems))
    folder = model.place.parent
    if place is None and not problems:
        problems += _no_checkpoint(model, folder)
    listed = [asset for meta in model.meta_graphs for asset in meta.assets]
    assets, more = list_assets(folder, listed)
    problems += more
    fingerprint, keras = None, None
    extra: tuple[FolderFile, ...] = ()
    try:
        extra = list_extra(folder)
    except MigratorError as error:
        problems.append(_unreadable("assets.extra", error))
    try:
        index = folder.child("variables", "variables.index")
        fingerprint = read_fingerprint(folder, index if index.is_file() else None)
    except MigratorError as error:
        problems.append(_unreadable("fingerprint.pb", error))
    try:
        keras = read_keras(folder, model.meta_graphs)
    except MigratorError as error:
        problems.append(_unreadable("keras_metadata.pb", error))
    if fingerprint is not None and fingerprint.saved_model_matches is False:
        problems.append("saved_model.pb is not the file that fingerprint.pb was made of")
    if fingerprint is not None and fingerprint.checkpoint_matches is False:
        problems.append("variables/variables.index is not the file that fingerprint.pb was made of")
    attachments = {item.key: item for meta in model.meta_graphs for item in list_attachments(meta)}
    return Folder(
        checkpoint=checkpoint,
        assets=assets,
        extra=extra,
        fingerprint=fingerprint,
        keras=keras,
        attachments=tuple(attachments.values()),
        problems=tuple(problems),
    )


def _unreadable(base: str, error: MigratorError) -> str:
    return f"{base} cannot be read: {error.what.removeprefix('cannot be read: ')}"


def _no_checkpoint(model: Model, folder: Place) -> list[str]:
    """What is wrong where a graph has variables and there is no checkpoint."""
    names = {
        variable_name(node)
        for meta in model.meta_graphs
        for node in meta.graph.nodes
        if node.op in VARIABLE_OPS
    }
    variables = folder.child("variables")
    try:
        is_there = "variables" in folder.names()
        held = variables.names() if variables.is_folder() else []
    except MigratorError as error:
        return [str(error)]
    if is_there and not variables.is_folder():
        return ["variables is no folder, or a link that leads nowhere"]
    data = [name for name in held if name.startswith("variables.data-")]
    if not names and not data:
        return []
    count = f"{len(names):,} variable{'' if len(names) == 1 else 's'}"
    return [f"{count}, and variables/variables.index is missing"]
