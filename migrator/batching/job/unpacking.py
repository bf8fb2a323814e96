"""A model that lies in an archive, or is compressed: copied to the disk for its steps."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from migrator.batching.storage.stamps import Stamp, has_others, model_files
from migrator.batching.task import Task
from migrator.errors import FormatError, NeedsDecision
from migrator.formats.staging import Staged, archive_of, stage
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.places.archive import MemberPlace
from migrator.places.packing import STREAMS, packing_of
from migrator.places.place import LocalPlace, Place
from migrator.places.resolve import opened
from migrator.places.tars import TarArchive
from migrator.places.visit import Visit


def unpacked(
    source: str, folder: Path, seconds: float | None, bounds: Limits = DEFAULT_LIMITS
) -> Staged:
    """The model at ``source`` below ``folder``, which is to go when the steps are done.

    It is read within ``bounds``. ``seconds`` is what is left of the model's time.
    Raises MigratorError.
    """
    into = folder / "unpacked"
    most = bounds.seconds if seconds is None else min(seconds, bounds.seconds)
    into.mkdir(parents=True)
    limits = replace(bounds, seconds=most)
    try:
        return stage(_member(source, limits) or source, into, limits)
    except NeedsDecision as error:  # an entry is of one model, and no option says which
        names = "; ".join(option.replace(f"{source}/", "") for option in error.options)
        raise FormatError(
            error.what.partition(";")[0],
            where=source,
            hint=f"on a disk, name one of them behind the archive: {names}",
        ) from None


_last: tuple[tuple[str, int, int, int, Limits], MemberPlace] | None = None
"""The compressed tar that this process opened last, and what it was then. It decompresses as a
whole, and the next task is of the same, for the most part."""


def _member(source: str, limits: Limits) -> Place | None:
    """Where ``source`` lies in a compressed tar on the disk; None where it does not."""
    archive = archive_of(source)
    parts = [part for part in source[len(archive) :].split("/") if part]
    if not parts or not os.path.isfile(archive):
        return None
    place: Place | None = _opened(archive, limits)
    for number, part in enumerate(parts):
        if place is None or (number and place.is_file()):  # an archive in it
            return None
        place = place.child(part)
    return place


def _opened(archive: str, limits: Limits) -> MemberPlace | None:
    global _last
    status = os.stat(archive)
    of_all = replace(limits, seconds=DEFAULT_LIMITS.seconds)  # less is left to each
    key = (os.path.abspath(archive), status.st_size, status.st_mtime_ns, status.st_ino, of_all)
    if _last is not None and _last[0] == key:
        return _last[1]
    _last = None
    place = LocalPlace(archive)
    if packing_of(place.open()) not in STREAMS:
        return None
    visit = Visit(limits)
    top = opened(place, visit)
    visit.settle()  # who reads on is bounded by a time of his own
    if not isinstance(top, MemberPlace) or not isinstance(top.archive, TarArchive):
        return None
    _last = key, top
    return top


def stamp_of_copy(stamp: Stamp, path: str, task: Task) -> Stamp:
    """``stamp``, which is of the archive, with the size and the file of its one model."""
    files = model_files(path)
    only = files[0] if len(files) == 1 and not has_others(task) else ""
    return replace(stamp, bytes=sum(map(os.path.getsize, files)), only=only)
