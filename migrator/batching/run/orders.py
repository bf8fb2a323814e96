"""From a batch's entries, and what holds for all of them, to its tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from migrator.batching.manifest.entry import Entry, task_arguments
from migrator.batching.task import CHOICES, DECIDABLE, DEFAULT_STEPS, Task
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.migration.options import Choice
from migrator.places.addresses import local_path


def tasks_of(
    entries: Iterable[Entry],
    dest: str,
    *,
    steps: Sequence[str] = DEFAULT_STEPS,
    timeout: float | None = 600.0,
    memory_limit: int | None = None,
    common: Mapping[str, Any] | None = None,
) -> list[Task]:
    """A task for each entry; what an entry says for itself goes before what holds for all.

    ``common`` are further arguments of ``Task`` that hold for all.
    """
    for_all = {"timeout": timeout, "memory_limit": memory_limit, **(common or {})}
    found = []
    for entry in entries:
        own = task_arguments(entry, steps)
        told = {**for_all, **own}
        told["choice"] = {**for_all.get("choice", {}), **own.get("choice", {})}
        told["source"] = local_path(told["source"])
        if entry.tflite:
            told["tflite"] = own["tflite"] = dict(entry.tflite)
        if not entry.steps and entry.tflite is None:
            del own["steps"]  # the run's
        decided = {key: value for key, value in own.items() if key in DECIDABLE}
        place = f"{dest.rstrip('/') or '/'}/{entry.name}"
        found.append(Task(dest=place, decided=decided, **told))
    return found


def choice_arguments(choice: Choice) -> dict[str, Any]:
    """What a choice says, as arguments of ``Task``, and nothing of what it leaves open."""
    found: dict[str, Any] = {
        "inputs": tuple(choice.inputs),
        "outputs": tuple(choice.outputs),
        "feeds": tuple(choice.feeds),
        "signature": tuple(choice.signatures),
        "tag_set": None if choice.tag_set is None else tuple(choice.tag_set),
    }
    silent = Choice()
    others = {name: getattr(choice, name) for name in CHOICES}
    # The command line's empty list says no more than our empty tuple.
    told = {
        name: value for name, value in others.items() if value not in ([], getattr(silent, name))
    }
    if choice.wanted:
        told["wanted"] = [asdict(item) for item in choice.wanted]
    return {**found, "choice": told}


def limit_arguments(limits: Limits) -> dict[str, float]:
    """``Task.limits``: what is not as by default."""
    told = {item.name: getattr(limits, item.name) for item in fields(Limits)}
    return {name: told[name] for name in told if told[name] != getattr(DEFAULT_LIMITS, name)}
