"""A model that lies in an archive, or is compressed: copied to the disk for its steps."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from migrator.batching.storage.stamps import Stamp, has_others, model_files
from migrator.batching.task import Task
from migrator.errors import FormatError, NeedsDecision
from migrator.formats.staging import Staged, stage
from migrator.limits import DEFAULT_LIMITS


def unpacked(source: str, folder: Path, seconds: float | None) -> Staged:
    """The model at ``source`` below ``folder``, which is to go when the steps are done.

    ``seconds`` is what is left of the model's time. Raises MigratorError.
    """
    into = folder / "unpacked"
    most = DEFAULT_LIMITS.seconds if seconds is None else min(seconds, DEFAULT_LIMITS.seconds)
    into.mkdir(parents=True)
    try:
        return stage(source, into, replace(DEFAULT_LIMITS, seconds=most))
    except NeedsDecision as error:  # an entry is of one model, and no option says which
        names = "; ".join(error.options)
        raise FormatError(error.what, where=source, hint=f"name one: {names}") from None


def stamp_of_copy(stamp: Stamp, path: str, task: Task) -> Stamp:
    """``stamp``, which is of the archive, with the size and the file of its one model."""
    files = model_files(path)
    only = files[0] if len(files) == 1 and not has_others(task) else ""
    return replace(stamp, bytes=sum(map(os.path.getsize, files)), only=only)
