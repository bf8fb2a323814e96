"""From a path to a Subject: whatever a model can be audited as."""

from __future__ import annotations

import os

from migrator.auditing.subject import Subject
from migrator.formats.keras import keras_model_facts
from migrator.formats.load import load, model_file
from migrator.formats.sniff import sniff
from migrator.formats.source import ByteSource
from migrator.limits import DEFAULT_LIMITS, Limits

_KERAS = ("keras_h5", "keras_zip")


def open_subject(
    path: str | os.PathLike[str], *, name: str = "", limits: Limits = DEFAULT_LIMITS
) -> Subject:
    """Read one source for auditing, without TensorFlow. ``name`` is what findings call it.

    Raises what ``load`` and ``keras_model_facts`` raise.
    """
    file = model_file(path)
    source = ByteSource.open(file)
    if sniff(source, limits).format in _KERAS:
        return Subject(
            name or str(file),
            keras=keras_model_facts(file),
            file=str(file),
            size=source.size,
            limits=limits,
        )
    model = load(path, limits=limits)
    return Subject(name or model.source.path, model=model, file=model.source.path, limits=limits)
