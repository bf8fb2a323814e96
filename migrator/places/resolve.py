"""From what a user names to the Place that is meant, in archives and at addresses too."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from migrator.errors import LimitError, UsageError
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.places.addresses import is_remote, local_path
from migrator.places.packing import BLOCK, STREAMS, TAR, ZIP, head_of, is_tar, packing_of, unpacked
from migrator.places.place import LocalPlace, Place
from migrator.places.visit import Visit

if TYPE_CHECKING:
    from migrator.places.archive import Archive

PathLike = str | bytes | os.PathLike[str]
NESTED = 4
"""Archives in archives; ``.tar.gz`` counts as one."""
_DEEPEST = 64
"""Names behind an archive's that are looked at; each may be a question to a store."""
_KERAS = "config.json"
_BESIDE_IT = ("metadata.json", "model.weights.h5")
"""A ``.keras`` file has the one and at least one of the others at its root."""


def place_of(path: PathLike, limits: Limits = DEFAULT_LIMITS, visit: Visit | None = None) -> Place:
    """What ``path`` names: on disk, at an address, or in an archive that a part of it names
    (``models.zip/inner/saved_model``). An archive itself stays a file; see ``opened``.

    Nothing needs to be there. Raises MigratorError for an archive that cannot be read, UsageError
    for an empty path, UsageError and StorageError for an address that leads nowhere.
    """
    visit = visit or Visit(limits)
    text = path_text(path)
    if is_remote(text):
        from migrator.places.remote import remote_place

        place: Place = remote_place(text, visit)
    else:
        place = LocalPlace(
            local_path(text) if text.lower().startswith(("file:", "local:")) else text
        )
    return _inside(place, visit)


def path_text(path: object) -> str:
    """A path as text, also of bytes. Raises UsageError for what is none, and for an empty one,
    which Python would take for the current folder."""
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise UsageError(
            f"a path is wanted, and this is {_kind_of(path)}",
            hint="name a file or a folder; one that is open has its path in .name"
            if hasattr(path, "read")
            else "name a file or a folder",
        )
    text = os.fsdecode(path)
    if not text:
        raise UsageError("the path is empty", hint="name a file or a folder; . is this folder")
    return text


def _kind_of(given: object) -> str:
    return "None" if given is None else f"of type {type(given).__name__}"


def _inside(place: Place, visit: Visit) -> Place:
    """``place``, or what it names in the archive that is the last of its parents to exist."""
    if place.exists():
        return place
    parts: list[str] = []
    above = place
    while above.base not in ("", ".", "..") and not above.exists():
        parts.insert(0, above.base)
        if len(parts) > _DEEPEST or above.parent == above:
            return place
        above = above.parent
    if not parts or not above.is_file():
        return place
    from migrator.places.archive import MemberPlace

    for _ in range(NESTED):
        top = opened(above, visit)
        if not isinstance(top, MemberPlace):
            return place
        found: Place = top
        while parts:
            found = found.child(parts.pop(0))
            if found.is_file() and parts:
                break
        if not parts:
            return found
        above = found
    raise too_deep(above)


def opened(place: Place, visit: Visit) -> Place:
    """What the file ``place`` is when it is opened: the top of an archive as a folder, the one
    file that a compressed file holds, or the place itself where it is neither.

    A ``.keras`` file, a zip too, is a file. Raises MigratorError for an archive that cannot be
    read.
    """
    source = place.open()
    if source.size == 0:
        return place
    source.deadline = visit.deadline
    kind = packing_of(source)
    if kind is None:
        return place
    if place.path is not None:  # a member lies in what is watched already
        visit.watched.append(source)
    from migrator.places.archive import MemberPlace, UnpackedPlace  # few files are one

    if kind in STREAMS:
        holds_tar = is_tar(head_of(source, kind, BLOCK))
        source = unpacked(source, kind, visit)
        source.deadline = visit.deadline
        if not holds_tar:
            return UnpackedPlace(place, source, kind, visit)
        kind = TAR
    archive: Archive
    if kind == ZIP:
        from migrator.places.zips import ZipArchive

        archive = ZipArchive(place, source, visit)
        names = archive.tree.top.keys()
        is_keras = _KERAS in names and any(name in names for name in _BESIDE_IT)
        if is_keras and "saved_model.pb" not in names:
            return place
    else:
        from migrator.places.tars import TarArchive

        archive = TarArchive(place, source, visit)
    return MemberPlace(archive)


def too_deep(place: Place) -> LimitError:
    return LimitError(
        f"is an archive in more than {NESTED - 1} others",
        where=ascii(str(place))[1:-1],
        hint="unpack the outer ones",
    )
