"""Names that a mistyped one may have been meant for."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from migrator.model.joined import joins

_MOST_COMPARED = 20_000
_LONGEST = 200
_LONGEST_JOINED = 1000
_FEW = 3


def near_names(names: Iterable[str], wanted: str) -> list[str]:
    """Up to three of ``names``, harmless to show: those that end alike, then those that look so."""
    import difflib

    listed = list(islice(names, _MOST_COMPARED))
    known = [name for name in listed if len(name) <= _LONGEST]
    last = wanted.rsplit("/", 1)[-1].lower()
    found = [name for name in listed if len(name) <= _LONGEST_JOINED and joins(name, wanted)][:_FEW]
    found += [name for name in known if name.rsplit("/", 1)[-1].lower() == last][:_FEW]
    if len(found) < _FEW and len(wanted) <= _LONGEST:
        found += difflib.get_close_matches(wanted, known, n=_FEW, cutoff=0.6)
    if not found:
        found = [name for name in known if wanted.lower() in name.lower()] or known
    return [ascii(name) for name in dict.fromkeys(found)][:_FEW]
