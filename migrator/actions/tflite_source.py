"""Any source as a SavedModel that TensorFlow's converter reads, and how the two stand together."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from migrator.actions.faces import Face, choose_signature, saved_model_face, signature_face
from migrator.actions.faces import write_subgraph as write
from migrator.actions.keras import is_keras, keras_to_saved_model
from migrator.actions.migrate import migrate
from migrator.errors import UsageError
from migrator.formats.load import load_on_disk
from migrator.limits import Limits
from migrator.migration.choosing import choose_meta_graph
from migrator.migration.options import Choice
from migrator.migration.plan import CONSTANTS, SERVING, Feed, Step
from migrator.migration.planning import plan as make_plan
from migrator.migration.tflite.shapes import batch_of_one, has_open_lists
from migrator.model.model import Model, Source
from migrator.model.tensors import TensorSpec
from migrator.runtime.client import ChildLimits, require_tensorflow

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """One signature to convert. ``face`` is the source's; the two maps give the SavedModel's
    name for each of its inputs and outputs, ``tensors`` the source's tensor."""

    signature: str
    face: Face
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    tensors: Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """A SavedModel that the converter reads, and how it stands to the source."""

    source: Source
    folder: Path
    tags: tuple[str, ...]
    calls: tuple[Call, ...]
    feeds: tuple[Feed, ...] = ()
    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    peak_rss_bytes: int = 0


def as_saved_model(
    source: str | os.PathLike[str],
    work: Path,
    choice: Choice,
    child_limits: ChildLimits,
    limits: Limits,
    tell: Progress,
) -> Prepared:
    """The source itself where TensorFlow 2 made it, else what ``migrate`` makes of it.

    Raises what ``load``, ``plan`` and ``migrate`` raise, and UsageError for endpoints named in a
    Keras model.
    """
    tell("reading")
    if is_keras(source, limits):
        require_tensorflow()
        tell("exporting")
        return _from_keras(source, work, choice, child_limits, limits)
    model = load_on_disk(source, limits=limits)
    if model.source.kind == "saved_model":
        meta = choose_meta_graph(model, choice.tag_set)
        if meta.object_graph is not None and not _asks_for_changes(choice):
            return _saved_by_tf2(model, meta.tags, choice)
    return _migrated(model, work, choice, child_limits, limits, tell)


def _migrated(
    model: Model,
    work: Path,
    choice: Choice,
    child_limits: ChildLimits,
    limits: Limits,
    tell: Progress,
) -> Prepared:
    """With constants, which the converter folds, and without what only sessions know."""
    asked = replace(choice, weights=CONSTANTS, for_tflite=True)
    plan = make_plan(model, choice=asked, limits=limits)
    notes: tuple[str, ...] = ()
    if not asked.shapes and has_open_lists(plan) and (shapes := batch_of_one(plan)):
        fixed = replace(asked, shapes=shapes)
        other = make_plan(model, choice=fixed, limits=limits)
        if not has_open_lists(other):
            plan, asked = other, fixed
            words = " ".join(f"--shape {text}" for text in shapes)
            notes = (f"the batch is fixed to 1, for built-in lists of tensors ({words})",)
    folder = work / "saved_model"
    record = migrate(
        model.source.path,
        folder,
        choice=asked,
        verify=False,
        timeout=child_limits.timeout,
        memory_limit=child_limits.memory,
        limits=limits,
        progress=tell,
    )
    calls = []
    for number, item in enumerate(plan.signatures):
        fallback = None
        if model.source.kind == "graph_def":
            fallback = write(item.unlifted or item.subgraph, work / f"planned-{number}.pb")
        sides = (("inputs", item.inputs), ("outputs", item.outputs))
        calls.append(
            Call(
                signature=item.key,
                face=signature_face(model, plan, item, fallback=fallback),
                inputs={entry.name: entry.name for entry in item.inputs},
                outputs={entry.name: entry.name for entry in item.outputs},
                tensors={(side, e.name): e.tensor for side, entries in sides for e in entries},
            )
        )
    return Prepared(
        source=model.source,
        folder=folder,
        tags=("serve",),
        calls=tuple(calls),
        feeds=record.feeds,
        steps=record.steps,
        notes=(*notes, *record.notes),
        peak_rss_bytes=record.peak_rss_bytes,
    )


def _saved_by_tf2(model: Model, tags: Sequence[str], choice: Choice) -> Prepared:
    meta = choose_meta_graph(model, tags)
    asked = choice.signatures or [key for key in meta.signatures if not key.startswith("__")]
    keys = [choose_signature(model, meta, key) for key in asked or (None,)]
    calls = [
        _call(
            key,
            saved_model_face(model, key, tags),
            meta.signatures[key].inputs,
            meta.signatures[key].outputs,
        )
        for key in dict.fromkeys(keys)
    ]
    folder = Path(model.source.path).parent
    return Prepared(source=model.source, folder=folder, tags=tuple(tags), calls=tuple(calls))


def _from_keras(
    source: str | os.PathLike[str],
    work: Path,
    choice: Choice,
    child_limits: ChildLimits,
    limits: Limits,
) -> Prepared:
    if choice.inputs or choice.outputs or choice.feeds or choice.signatures:
        raise UsageError(
            "endpoints are for graphs; a Keras model has its own inputs and outputs",
            where=os.fspath(source),
        )
    export = keras_to_saved_model(source, work, child_limits)
    model = load_on_disk(export.path, limits=limits)
    meta = choose_meta_graph(model, None)
    found = meta.signatures[SERVING]
    face = replace(saved_model_face(model, SERVING, meta.tags), side=export.side)
    call = _call(SERVING, face, found.inputs, found.outputs)
    own = {("inputs", name): text for name, text in export.inputs.items()}
    own |= {("outputs", name): text for name, text in export.outputs.items()}
    return Prepared(
        source=export.source,
        folder=export.path,
        tags=meta.tags,
        calls=(replace(call, tensors={**call.tensors, **own}),),
        steps=export.steps,
        notes=export.notes,
        peak_rss_bytes=export.peak_rss_bytes,
    )


def _call(
    key: str, face: Face, inputs: Mapping[str, TensorSpec], outputs: Mapping[str, TensorSpec]
) -> Call:
    sides = (("inputs", inputs), ("outputs", outputs))
    return Call(
        signature=key,
        face=face,
        inputs={name: name for name in inputs},
        outputs={name: name for name in outputs},
        tensors={(side, n): spec.tensor for side, specs in sides for n, spec in specs.items()},
    )


def _asks_for_changes(choice: Choice) -> bool:
    """True where the result shall differ from the source, so that it has to be migrated."""
    renamed = any("=" in key for key in choice.signatures)
    asked = (choice.inputs, choice.outputs, choice.feeds, choice.shapes, choice.decode_images)
    return renamed or choice.optimize or any(asked)
