"""From a path to a Subject: whatever a model can be audited as."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from migrator.auditing.contents.readings import readings
from migrator.auditing.subject import Subject
from migrator.errors import FormatError, MigratorError
from migrator.formats import graph_def, meta_graph, saved_model
from migrator.formats.keras.facts import keras_formats, keras_model_facts
from migrator.formats.load import load_on_disk, model_file
from migrator.formats.sniff import sniff
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.model.model import Model
from migrator.places.source import ByteSource

_KERAS = ("keras_h5", "keras_zip")
_KERAS_NAMES = (".h5", ".hdf5", ".keras")
_READERS: dict[str, Callable[..., Model]] = {
    "graph_def": graph_def.read,
    "meta_graph": meta_graph.read,
    "saved_model": saved_model.read,
}
_CALLED = {"graph_def": "GraphDef", "meta_graph": "MetaGraph", "saved_model": "SavedModel"}
_TEXTS = {f"{name}_text": partial(read, text=True) for name, read in _READERS.items()}


def open_subject(
    path: str | os.PathLike[str], *, name: str = "", limits: Limits = DEFAULT_LIMITS
) -> Subject:
    """Read one source for auditing, without TensorFlow. ``name`` is what findings call it.

    A file that TensorFlow can read as something else than it looks like is read as all of it.
    Raises what ``load`` and ``keras_model_facts`` raise.
    """
    file = model_file(path)
    source = ByteSource.open(file)
    found = readings(source)
    kind, seems = _seems(source, limits)
    is_keras = kind in _KERAS or (
        kind not in _READERS and kind != "checkpoint" and bool(keras_formats(str(file)))
    )
    if is_keras and (not found or file.name.lower().endswith(_KERAS_NAMES)):
        return Subject(
            name or str(file),
            keras=keras_model_facts(file),
            file=str(file),
            size=source.size,
            limits=limits,
        )
    others = [item for item in found if item != kind]
    if not others:
        model = load_on_disk(path, limits=limits)
        if model.source.format != "checkpoint":
            model.require_tensorflow_graph()
        return Subject(
            name or model.source.path, model=model, file=model.source.path, limits=limits
        )
    return _two_faced(name or str(file), file, source, found, kind, seems, limits)


def _seems(source: ByteSource, limits: Limits) -> tuple[str, str]:
    """The format that the file looks like, and that in words."""
    try:
        found = sniff(source, limits)
    except FormatError as error:
        return "", error.what
    return found.format or "", f"looks like {found.what}"


def _two_faced(
    name: str,
    file: Path,
    source: ByteSource,
    found: tuple[str, ...],
    kind: str,
    seems: str,
    limits: Limits,
) -> Subject:
    """A subject that has the meta graphs of every reading. Raises what the only one raises."""
    first = "saved_model" if file.name == "saved_model.pb" else kind
    order = sorted((*found, *({kind} & _TEXTS.keys())), key=lambda item: item != first)
    models: list[Model] = []
    faces = [] if kind in order else [f"it {seems}"]
    problem: MigratorError | None = None
    for item in order:
        try:
            models.append((_READERS | _TEXTS)[item](source, limits))
            faces.append(f"TensorFlow can read it as a {_called(item)}")
        except MigratorError as error:
            problem = error
            faces.append(f"as a {_called(item)} it cannot be audited: {error}")
    if not models:
        assert problem is not None
        raise problem
    metas = tuple(meta for model in models for meta in model.meta_graphs)
    return Subject(
        name,
        model=replace(models[0], meta_graphs=metas),
        file=str(file),
        limits=limits,
        faces=tuple(faces),
    )


def _called(kind: str) -> str:
    return f"{_CALLED[kind.removesuffix('_text')]}{' as text' if kind in _TEXTS else ''}"
