"""What a comparison shall look at, and what it shall leave out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from migrator.errors import UsageError, did_you_mean
from migrator.limits import DEFAULT_LIMITS, Limits

IGNORABLE = {
    "names": "renamed nodes, scopes, functions and signatures, and attributes that hold names",
    "weights": "values of constants and variables",
    "homes": "weights that moved from constants to variables or back",
    "devices": "where nodes shall run",
    "shapes": "shapes of placeholders, weights and signatures",
    "attrs": "attributes of nodes",
    "controls": "control inputs",
    "signatures": "signatures",
    "functions": "functions that were added, removed or renamed",
    "versions": "versions, tags, formats, assets",
}
"""What can be left out, and what each word stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffOptions:
    """Raises UsageError for a word in ``ignore`` that is none of ``IGNORABLE``."""

    ignore: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    """Scopes: nodes and weights that lie in none of them are not told."""
    weights: bool = False
    """Compare the values of all weights, however large. Else as many as take little time."""
    tag_set: tuple[str, ...] | None = None
    """Tags of the meta graphs to compare; None takes those that correspond."""
    signature: str = ""
    """Only what this signature needs; all where it is empty."""
    limits: Limits = DEFAULT_LIMITS

    def __post_init__(self) -> None:
        for word in self.ignore:
            if word not in IGNORABLE:
                raise UsageError(
                    f"{word!r} cannot be ignored",
                    hint=did_you_mean(word, IGNORABLE) or f"choose from {', '.join(IGNORABLE)}",
                )

    def ignores(self, word: str) -> bool:
        return word in self.ignore


def words(texts: Iterable[str]) -> tuple[str, ...]:
    """Comma-separated words of options that may be given several times, each once."""
    found = [word.strip() for text in texts for word in text.split(",")]
    return tuple(dict.fromkeys(filter(None, found)))
