"""From a place that may be an archive, or lie in one, to the file of its model.

What looks through folders is imported when one is to be looked through: most models are a file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeGuard

from migrator.errors import FormatError, MigratorError, UnsupportedFormat
from migrator.places.place import Place
from migrator.places.resolve import NESTED, opened, too_deep
from migrator.places.visit import Visit

if TYPE_CHECKING:
    from migrator.places.archive import MemberPlace


def unpacked_place(place: Place, visit: Visit, model_place: Callable[[Place], Place]) -> Place:
    """The file to read for ``place``, where that is an archive, lies in one, or is neither.

    ``model_place`` says it for a folder outside of archives. Raises NeedsDecision where an
    archive holds several models, FormatError where it holds none, and what reading it raises.
    """
    for _ in range(NESTED):
        if _is_folder_in_archive(place):
            from migrator.formats.packed import model_in_archive

            place = model_in_archive(place, visit)
        else:
            place = model_place(place)
        if not place.is_file():
            return place
        inner = opened(place, visit)
        if inner is place:
            return place
        place = inner
    raise too_deep(place)


def tell_packing(error: MigratorError, place: Place) -> None:
    """Say in what is wrong with a file's content that the file itself is compressed."""
    from migrator.places.archive import UnpackedPlace

    if isinstance(place, UnpackedPlace) and isinstance(error, (FormatError, UnsupportedFormat)):
        error.what = f"{place.kind}-compressed, and its content {error.what}"


def _is_folder_in_archive(place: Place) -> TypeGuard[MemberPlace]:
    if place.path is not None:  # on disk
        return False
    from migrator.places.archive import MemberPlace

    return isinstance(place, MemberPlace) and place.is_folder()
