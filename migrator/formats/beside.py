"""What lies beside a model, as files on disk: code that reads paths can have it from archives."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from migrator.errors import MigratorError
from migrator.model.model import Model
from migrator.places.copying import copy_folder


def folder_of(model: Model) -> Path:
    """The folder that a model lies in; for one in an archive or at an address, a temporary folder
    with copies of its assets, gone with the process. What cannot be copied is not there.
    """
    place = model.place
    if place is None or place.path is not None or place.visit is None:
        return Path(model.source.path).parent
    if place.parent.path is not None:
        return place.parent.path  # one compressed file in a folder on disk
    key = str(place.parent)
    folder = place.visit.folders.get(key)
    if folder is None:
        folder = place.visit.folders[key] = place.visit.new_folder()
        with suppress(MigratorError):
            assets = place.parent.child("assets")
            if assets.is_folder():
                copy_folder(assets, folder / "assets", place.visit)
    return folder
