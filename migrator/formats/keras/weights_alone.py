"""Keras files that hold weights and no layers, told without the library that reads HDF5."""

from __future__ import annotations

import os

from migrator.errors import MigratorError
from migrator.formats.keras.facts import keras_formats
from migrator.places.source import ByteSource

_CONFIG = b"model_config"
_PART = 4 << 20
_MOST = 1 << 30


def holds_weights_alone(path: str | os.PathLike[str]) -> bool:
    """Whether an HDF5 file has no place for a model's configuration: no object of it has an
    attribute of that name.

    Names stand in such a file as they are, so the bytes tell, without its library, which may never
    end. False for what is no HDF5, cannot be read, or is longer than 1 GB.
    """
    try:
        if keras_formats(os.fspath(path)) != ("keras_h5",):
            return False
        return is_weights_alone(ByteSource.open(path))
    except (MigratorError, OSError):
        return False


def is_weights_alone(source: ByteSource) -> bool:
    """The same of what is known to be HDF5, wherever it lies. Raises MigratorError."""
    return source.size <= _MOST and not _holds(source, _CONFIG)


def _holds(source: ByteSource, text: bytes) -> bool:
    before = b""
    for at in range(0, source.size, _PART):
        part = source.read(at, min(_PART, source.size - at))
        seen = before + part
        if text in seen:
            return True
        before = seen[1 - len(text) :]
    return False
