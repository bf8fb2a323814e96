"""``diff``: two models by their paths, or already read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from migrator.collector import collector_paused
from migrator.diffing.compare import compare
from migrator.diffing.options import DiffOptions
from migrator.diffing.result import Diff
from migrator.formats.load import load
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.model.model import Model, tags_of


def diff(
    left: str | os.PathLike[str] | Model,
    right: str | os.PathLike[str] | Model,
    *,
    ignore: Iterable[str] = (),
    only: Iterable[str] = (),
    weights: bool = False,
    tag_set: Iterable[str] | None = None,
    signature: str = "",
    limits: Limits = DEFAULT_LIMITS,
    progress: Callable[[str], None] | None = None,
) -> Diff:
    """How ``right`` differs from ``left``, whatever their formats, with renames seen through.

    ``ignore`` leaves out what its words name (``weights``, ``names``, ``devices``, ``shapes``,
    ``attrs``, ...), ``only`` tells of these scopes alone, ``weights`` compares the values of all
    weights, however large; ``progress`` is called with a few words at each stage.
    Raises UsageError for options that make no sense, and MigratorError for what cannot be read.
    """
    options = DiffOptions(
        ignore=tuple(ignore),
        only=tuple(only),
        weights=weights,
        tag_set=None if tag_set is None else tuple(tags_of(tag_set)),
        signature=signature,
        limits=limits,
    )
    tell = progress or (lambda _: None)
    with collector_paused():
        models = []
        for item in (left, right):
            if not isinstance(item, Model):
                tell("reading")
                item = load(item, limits=limits)
            models.append(item)
        return compare(models[0], models[1], options=options, progress=tell)
