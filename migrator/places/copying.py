"""Places to files on disk, within a visit's limits."""

from __future__ import annotations

import os
from pathlib import Path

from migrator.errors import MigratorError
from migrator.places.kept import no_room
from migrator.places.place import Place
from migrator.places.visit import PIECE, Visit

_DEEP = 16
_LONGEST = 255


def copy_folder(folder: Place, target: Path, visit: Visit, *, depth: int = 0) -> None:
    """All files at and below ``folder``, links followed inside of its archive.

    Raises MigratorError where one cannot be read or copied, LimitError past ``members`` and
    ``decompressed_bytes``.
    """
    if depth > _DEEP:
        raise MigratorError(f"holds folders more than {_DEEP} deep", where=str(folder))
    names = folder.names()
    visit.count_copied(len(names), str(folder))
    _make(target, str(folder))
    for name in names:
        inner = folder.child(name)
        if inner.is_folder():
            copy_folder(inner, target / name, visit, depth=depth + 1)
        elif inner.is_file():
            copy_file(inner, target / name, visit)


def copy_file(place: Place, target: Path, visit: Visit) -> None:
    """One file. Raises MigratorError."""
    if len(os.fsencode(target.name)) > _LONGEST:
        raise MigratorError("has a name that no disk takes", where=str(place)[:1000])
    source = place.open()
    visit.spend(source.size, str(place))
    try:
        with open(target, "xb") as file:
            for at in range(0, source.size, PIECE):
                file.write(source.read(at, min(PIECE, source.size - at)))
    except (OSError, ValueError) as error:
        raise no_room(error, str(place), str(target.parent)) from None


def _make(folder: Path, where: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise no_room(error, where, str(folder.parent)) from None
