"""What is meant by a path at which nothing lies: names near it in its folder."""

from __future__ import annotations

import re

from migrator.errors import MigratorError
from migrator.places.place import Place

_MOST_NAMES = 20_000
_MOST_TOLD = 3
_ENDS = re.compile(r"\.(?:index|meta|data-\d{5}-of-\d{5})\Z")


def tell_near(error: MigratorError, place: Place) -> None:
    """Give the error of a path at which nothing lies a hint of what is near it on disk."""
    if place.path is None or place.exists():
        return
    near = _near(place)
    if near:
        error.hint = f"in its folder there is {near}"


def _near(place: Place) -> str:
    """Up to three names like the wanted one; files of one checkpoint count once, by its PREFIX."""
    wanted = place.base
    try:
        names = place.parent.names()[:_MOST_NAMES]
    except MigratorError:
        return ""
    known = list(dict.fromkeys(_ENDS.sub("", name) for name in names))
    lower = wanted.lower()
    found = [name for name in known if lower and name.lower().startswith(lower)]
    # The latest of numbered ones, 1000 behind 999.
    found.sort(key=lambda name: (len(name), name), reverse=True)
    if not found and len(wanted) <= 200:
        import difflib

        shorter = [name for name in known if len(name) <= 200]
        found = difflib.get_close_matches(wanted, shorter, n=_MOST_TOLD, cutoff=0.6)
    return ", ".join(ascii(name)[1:-1][:200] for name in found[:_MOST_TOLD])
