"""``load``: whatever a path holds, as a Model."""

from __future__ import annotations

import os
from pathlib import Path

from migrator.collector import collector_paused
from migrator.errors import FormatError, MigratorError, UnsupportedFormat
from migrator.formats import graph_def, saved_model
from migrator.formats.sniff import sniff
from migrator.formats.source import ByteSource
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.model.model import Model

_READERS = {"graph_def": graph_def.read, "saved_model": saved_model.read}


def load(path: str | os.PathLike[str], *, limits: Limits = DEFAULT_LIMITS) -> Model:
    """Read a model file or a SavedModel folder, without TensorFlow and without its weights.

    What it is, is told from its content. Raises MigratorError: FormatError for damaged bytes,
    UnsupportedFormat for what is recognised but not read, LimitError past ``limits``.
    """
    source = ByteSource.open(model_file(path))
    found = sniff(source, limits)
    reader = _READERS.get(found.format or "")
    if reader is None:
        raise UnsupportedFormat(f"is {found.what}", where=source.name, hint=found.hint)
    try:
        with collector_paused():
            return reader(source, limits)
    except RecursionError:
        raise FormatError("is nested too deeply to read", where=source.name) from None


def model_file(path: str | os.PathLike[str]) -> Path:
    """The file to read for ``path``: itself, or the ``saved_model.pb`` of a folder."""
    try:
        place = Path(path)
        if not place.is_dir():
            return place
        file = place / "saved_model.pb"
        if file.exists():
            return file
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
        f"is a folder without saved_model.pb; it holds {shown}{more}",
        where=str(place),
        hint="name the model file itself",
    )
