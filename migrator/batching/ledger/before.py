"""What earlier runs have to say to this one: decisions that stay, results that are others'."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from migrator.batching.job.places import OUTCOME
from migrator.batching.ledger.ledger import Ledger, Line, has_bytes, is_source
from migrator.batching.storage.stamps import stamp_of
from migrator.batching.task import DECIDABLE, Task
from migrator.errors import DestinationError, MigratorError
from migrator.formats.staging import archive_of
from migrator.places.addresses import is_remote

_NAMED = 5


def with_decisions(task: Task, ledger: Ledger) -> Task:
    """``task`` with what was decided for its model before, where nothing is decided for it now.

    So a manifest's decisions outlast a run over the tree, until another manifest decides otherwise
    or somebody removes the model's folder.
    """
    line = ledger.line(task.name)
    if line is None or not line.decided or task.decided or not is_source(line.source, task):
        return task
    if not is_remote(task.dest) and not os.path.isfile(os.path.join(task.dest, OUTCOME)):
        return task
    told: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in line.decided.items()
        if key in DECIDABLE
    }
    try:
        told["choice"] = {**task.choice, **told.get("choice", {})}
        return replace(task, **told, decided=line.decided, fingerprint="")
    except (MigratorError, TypeError, ValueError):  # of a line that was written by hand
        return task


def _is_copy(task: Task, line: Line) -> bool:
    return not is_remote(task.source) and has_bytes(line, task.source, stamp_of(task).bytes)


def check_sources(tasks: Iterable[Task], ledger: Ledger, dest: str) -> None:
    """Raise DestinationError where names stand for other models that are still there."""
    taken = []
    for task in tasks:
        line = ledger.line(task.name)
        if line is None or is_source(line.source, task):
            continue
        is_there = is_remote(line.source) or os.path.exists(line.source)
        is_there = is_there or archive_of(line.source) != ""
        if is_there and not _is_copy(task, line):
            taken.append(f"{task.name!r} is the result of {line.source}, not of {task.source}")
    if taken:
        more = f"; and {len(taken) - _NAMED} more" if len(taken) > _NAMED else ""
        raise DestinationError(
            f"has results of other models: {'; '.join(taken[:_NAMED])}{more}",
            where=dest,
            hint="name another DEST, give the models other names in a manifest, or replace those "
            "results with --overwrite",
        )
