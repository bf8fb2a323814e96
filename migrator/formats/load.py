"""``load``: whatever a path holds, as a Model."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from migrator.collector import collector_paused
from migrator.errors import FormatError, MigratorError, UnsupportedFormat
from migrator.formats import graph_def, meta_graph, saved_model
from migrator.formats.checkpoint import model as checkpoint
from migrator.formats.checkpoint.locate import index_for, latest_in
from migrator.formats.sniff import sniff
from migrator.formats.source import ByteSource
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.model.model import Model

_READERS = {
    "checkpoint": checkpoint.read,
    "graph_def": graph_def.read,
    "meta_graph": meta_graph.read,
    "saved_model": saved_model.read,
}
_HUB_MARKER = "tfhub_module.pb"


def load(path: str | os.PathLike[str], *, limits: Limits = DEFAULT_LIMITS) -> Model:
    """Read a model file or folder, without TensorFlow and without its weights.

    A checkpoint may be named by its PREFIX, by any of its files, or by its folder. What a file
    is, is told from its content. Raises MigratorError: FormatError for damaged bytes,
    UnsupportedFormat for what is recognised but not read, LimitError past ``limits``.
    """
    source = ByteSource.open(model_file(path))
    found = sniff(source, limits)
    reader = _READERS.get(found.format or "")
    if reader is None:
        raise UnsupportedFormat(f"is {found.what}", where=source.name, hint=found.hint)
    try:
        with collector_paused():
            model = reader(source, limits)
    except RecursionError:
        raise FormatError("is nested too deeply to read", where=source.name) from None
    if model.source.format == "saved_model" and _is_hub_module(Path(source.name)):
        return replace(model, source=replace(model.source, format="hub_module"))
    return model


def model_file(path: str | os.PathLike[str]) -> Path:
    """The file to read for ``path``: itself, a checkpoint's index, or what its folder holds.

    Raises MigratorError where a folder holds nothing to read, or several things alike.
    """
    try:
        place = Path(path)
        if not place.is_dir():
            return index_for(place) or place
        file = place / "saved_model.pb"
        if file.exists():
            return file
        found = latest_in(place)
        if found is not None:
            return found
        names = sorted(entry.name for entry in place.iterdir())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MigratorError(f"cannot be read: {reason}", where=ascii(os.fspath(path))) from None
    for other in ("saved_model.pbtxt", "saved_model.cpb"):
        if other in names:
            raise UnsupportedFormat(
                f"is a SavedModel folder in a form that is not read: {other}", where=str(place)
            )
    shown = ", ".join(ascii(name) for name in names[:5]) or "nothing"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    raise FormatError(
        f"is a folder without a checkpoint and without saved_model.pb; it holds {shown}{more}",
        where=str(place),
        hint="name the model file itself",
    )


def _is_hub_module(file: Path) -> bool:
    """True for the SavedModel inside of a TF1 hub module: a marker lies beside it."""
    try:
        return file.name == "saved_model.pb" and (file.parent / _HUB_MARKER).is_file()
    except (OSError, ValueError):
        return False
