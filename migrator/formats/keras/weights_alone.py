"""Keras files that hold weights and no layers, told without the library that reads HDF5."""

from __future__ import annotations

import os
from typing import BinaryIO

from migrator.errors import MigratorError
from migrator.formats.keras.facts import keras_formats

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
        with open(path, "rb") as file:
            return file.seek(0, os.SEEK_END) <= _MOST and not _holds(file, _CONFIG)
    except (MigratorError, OSError):
        return False


def _holds(file: BinaryIO, text: bytes) -> bool:
    file.seek(0)
    before = b""
    while part := file.read(_PART):
        seen = before + part
        if text in seen:
            return True
        before = seen[1 - len(text) :]
    return False
