"""From a batch's entries, and what holds for all of them, to its tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from migrator.batching.manifest.entry import Entry, task_arguments
from migrator.batching.storage.addresses import local_path
from migrator.batching.task import DEFAULT_STEPS, Task


def tasks_of(
    entries: Iterable[Entry],
    dest: str,
    *,
    steps: Sequence[str] = DEFAULT_STEPS,
    timeout: float | None = 600.0,
    memory_limit: int | None = None,
) -> list[Task]:
    """A task for each entry; what an entry says for itself goes before what holds for all."""
    found = []
    for entry in entries:
        told = {"timeout": timeout, "memory_limit": memory_limit, **task_arguments(entry, steps)}
        told["source"] = local_path(told["source"])
        if entry.tflite:
            told["tflite"] = dict(entry.tflite)
        found.append(Task(dest=f"{dest.rstrip('/') or '/'}/{entry.name}", **told))
    return found
