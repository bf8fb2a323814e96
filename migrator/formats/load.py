"""``load``: whatever a path holds, as a Model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from migrator.collector import collector_paused
from migrator.errors import (
    FormatError,
    MigratorError,
    StorageError,
    UnsupportedFormat,
    UsageError,
    first_few,
)
from migrator.formats.checkpoint.locate import STATE, index_for, latest_in, tell_lone_shard
from migrator.formats.names import CHUNKED_SAVED_MODEL, SAVED_MODEL_FILES
from migrator.formats.sniff import sniff
from migrator.formats.unpacking import tell_packing, unpacked_place
from migrator.limits import DEFAULT_LIMITS, Deadline, Limits
from migrator.model.model import Model
from migrator.places.addresses import is_remote, shown
from migrator.places.place import LocalPlace, Place
from migrator.places.resolve import PathLike, path_text, place_of
from migrator.places.source import ByteSource
from migrator.places.visit import Visit

Reader = Callable[[ByteSource, Limits, Place], Model]
"""Bytes to a Model; the place is where they lie, for what lies beside them."""


# A reader is imported when a file is its: together they would take longer than a small model.


def _graph_def(source: ByteSource, limits: Limits, *, text: bool = False) -> Model:
    from migrator.formats import graph_def

    return graph_def.read(source, limits, text=text)


def _meta_graph(source: ByteSource, limits: Limits, *, text: bool = False) -> Model:
    from migrator.formats import meta_graph

    return meta_graph.read(source, limits, text=text)


def _saved_model(source: ByteSource, limits: Limits, *, text: bool = False) -> Model:
    from migrator.formats import saved_model

    return saved_model.read(source, limits, text=text)


def _checkpoint(source: ByteSource, limits: Limits, place: Place) -> Model:
    from migrator.formats.checkpoint import model as checkpoint

    return checkpoint.read(source, limits, place)


def _tflite(source: ByteSource, limits: Limits) -> Model:
    from migrator.formats.tflite import model as tflite

    return tflite.read(source, limits)


def _keras_h5(source: ByteSource, limits: Limits) -> Model:
    from migrator.formats.keras import model as keras

    return keras.read_h5(source, limits)


def _keras_zip(source: ByteSource, limits: Limits) -> Model:
    from migrator.formats.keras import model as keras

    return keras.read_zip(source, limits)


_READERS: dict[str, Reader] = {
    "checkpoint": _checkpoint,
    "graph_def": lambda source, limits, _: _graph_def(source, limits),
    "graph_def_text": lambda source, limits, _: _graph_def(source, limits, text=True),
    "keras_h5": lambda source, limits, _: _keras_h5(source, limits),
    "keras_zip": lambda source, limits, _: _keras_zip(source, limits),
    "meta_graph": lambda source, limits, _: _meta_graph(source, limits),
    "meta_graph_text": lambda source, limits, _: _meta_graph(source, limits, text=True),
    "saved_model": lambda source, limits, _: _saved_model(source, limits),
    "saved_model_text": lambda source, limits, _: _saved_model(source, limits, text=True),
    "tflite": lambda source, limits, _: _tflite(source, limits),
}
_HUB_MARKER = "tfhub_module.pb"


def load(path: PathLike | Place, *, limits: Limits = DEFAULT_LIMITS) -> Model:
    """Read a model file or folder, without TensorFlow and without its weights.

    A checkpoint may be named by its PREFIX, by any of its files, or by its folder. What a file
    is, is told from its content. It may lie in an archive, which may be named alone where it
    holds one model, and at an address (``s3://...``, with the extra ``[remote]``).

    Raises MigratorError: FormatError for damaged bytes, UnsupportedFormat for what is recognised
    but not read, LimitError past ``limits``, NeedsDecision for an archive or a folder of
    several models, StorageError where an address cannot be read.
    """
    visit = Visit(limits)
    try:
        named = path if isinstance(path, Place) else place_of(path, limits, visit)
        place = unpacked_place(named, visit, model_place)
        try:
            model = _read(place, limits, visit.deadline)
        except MigratorError as error:
            if isinstance(error, (FormatError, UnsupportedFormat)):
                tell_lone_shard(place)
            tell_packing(error, place)
            raise
    except FormatError:
        visit.settle()  # it may have been replaced while it was read
        raise
    visit.settle()
    notes = (*place.notes, *_left_aside(named, place))
    return replace(model, warnings=(*notes, *model.warnings)) if notes else model


def _left_aside(named: Place, read: Place) -> Iterator[str]:
    """What is said of the other models in a folder whose ``checkpoint`` file chose one."""
    if named.path is None or read == named or read.base in SAVED_MODEL_FILES:
        return
    if not named.child(STATE).is_file():
        return
    from migrator.formats.packed import other_models

    others = sorted(item.base for item in other_models(named))
    if others:
        yield (
            f"{named}: its latest checkpoint is read; {first_few(others)} beside it "
            f"{'is a model' if len(others) == 1 else 'are models'} too, to be named one by one"
        )


def as_model(given: PathLike | Model, limits: Limits = DEFAULT_LIMITS) -> Model:
    """``given``, which keeps its limits, or what lies at that path, read within ``limits``.

    Raises UsageError for what is neither, and what ``load`` raises.
    """
    if isinstance(given, Model):
        return given
    if isinstance(given, (str, bytes, os.PathLike, Place)):
        return load(given, limits=limits)
    raise UsageError(
        f"a model or its path is wanted, and this is of type {type(given).__name__}",
        hint="migrator.load(path) gives a model",
    )


def load_on_disk(path: PathLike, *, limits: Limits = DEFAULT_LIMITS) -> Model:
    """The same for who needs files of their own: archives and addresses are refused."""
    return _read(LocalPlace(model_file(path)), limits, Deadline(limits))


def _read(place: Place, limits: Limits, deadline: Deadline) -> Model:
    try:
        source = place.open()
    except MigratorError as error:
        from migrator.formats.missing import tell_near

        tell_near(error, place)
        raise
    source.deadline = deadline
    try:
        found = sniff(source, limits)
        reader = _READERS.get(found.format or "")
        if reader is None:
            raise UnsupportedFormat(f"is {found.what}", where=source.name, hint=found.hint)
        model = _parsed(reader, source, limits, place)
    except RecursionError:
        raise FormatError("is nested too deeply to read", where=source.name) from None
    except MigratorError:
        source.check_same()  # what was written to meanwhile is not damaged
        raise
    source.check_same()
    source.deadline = None
    model = replace(model, place=place, limits=limits)
    if model.source.kind == "saved_model" and _is_hub_module(place):
        return replace(model, source=replace(model.source, format="hub_module"))
    return model


def _parsed(reader: Reader, source: ByteSource, limits: Limits, place: Place) -> Model:
    """What ``reader`` makes of ``source``.

    In a function as short as this one: out of memory, CPython 3.11 spins for ever where it comes
    out of a `with` that lies past the 256th instruction of its function, for it wants memory there.
    """
    with collector_paused():
        return reader(source, limits, place)


def model_file(path: PathLike) -> Path:
    """The file on disk to read for ``path``, as ``model_place`` finds it.

    Raises UnsupportedFormat for an address, UsageError for an empty path.
    """
    text = path_text(path)
    if is_remote(text):
        raise UnsupportedFormat(
            "is an address, and this reads from disk alone",
            where=shown(text),
            hint="copy it to disk first; inspect takes it as it is",
        )
    found = model_place(LocalPlace(text)).path
    assert found is not None
    return found


def model_place(place: Place) -> Place:
    """The file to read for ``place``: itself, a checkpoint's index, or what its folder holds.

    Raises MigratorError where a folder holds nothing to read, or several things alike:
    NeedsDecision for several models.
    """
    if not place.is_folder():
        return index_for(place) or place
    for name in SAVED_MODEL_FILES:
        if (file := place.child(name)).exists():
            return file
    try:
        names = place.names()
    except StorageError:  # not every web server lists
        if not place.child(STATE).is_file():
            raise
        names = []
    for name in SAVED_MODEL_FILES:
        if name in names:  # a link to nothing, or to itself
            place.child(name).open()
    from migrator.formats.packed import ask_which, only_model, other_models

    found = latest_in(place)
    if found is not None:
        if STATE not in names:  # nothing says that the folder is there for its checkpoints
            ask_which(place, [found, *other_models(place)])
        return found
    if CHUNKED_SAVED_MODEL in names:
        raise UnsupportedFormat(
            f"is a SavedModel in chunks ({CHUNKED_SAVED_MODEL}), which is not read",
            where=str(place),
            hint="only an option of its exporter (experimental_image_format) writes it so: have "
            "it saved without, with weights as variables where it passes 2 GB",
        )
    found = only_model(place)
    if found is not None:
        return model_place(found)
    raise FormatError(
        "is a folder without a checkpoint and without saved_model.pb; it holds "
        f"{first_few(names) or 'nothing'}",
        where=str(place),
        hint="name the model file itself"
        + ("; `migrator batch --plan` lists all models below a folder" if names else ""),
    )


def _is_hub_module(file: Place) -> bool:
    """True for the SavedModel inside of a TF1 hub module: a marker lies beside it."""
    return file.base in SAVED_MODEL_FILES and file.sibling(_HUB_MARKER).is_file()
