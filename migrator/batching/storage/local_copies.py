"""A task that runs here, of one whose files lie at addresses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from migrator.batching.storage.fetching import fetch, fetch_other
from migrator.batching.storage.stamps import Stamp, stamp_of
from migrator.batching.task import Task
from migrator.errors import StorageError
from migrator.places.addresses import is_remote


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCopies:
    """``path`` is the source to read; ``task`` names local files in its options."""

    task: Task
    path: str
    stamp: Stamp


def has_remote_files(task: Task) -> bool:
    return is_remote(task.source) or any(is_remote(path) for _, path in _others(task))


def with_local_copies(task: Task, folder: Path, *, seconds: float | None = None) -> LocalCopies:
    """Fetch into ``folder`` what ``task`` names at addresses. ``seconds`` bounds all of it.

    ``task.source`` stays. Raises what ``fetch`` raises; for another file than the source its
    StorageError is no ``missing``.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    path, model = task.source, None
    if is_remote(task.source):
        found = fetch(task.source, folder / "model", seconds=_left(deadline))
        path, model = str(found.path), found.model
    stamp = stamp_of(task, model)
    choice = dict(task.choice)
    data = task.data
    libraries = list(choice.get("op_libraries", ()))
    for number, (key, address) in enumerate(_others(task)):
        if not is_remote(address):
            continue
        is_checkpoint = key == "checkpoint"
        try:
            copy = fetch_other(
                address,
                folder / f"{key}-{number}",
                checkpoint=is_checkpoint,
                seconds=_left(deadline),
            )
        except StorageError as error:
            kind = "refused" if error.kind == "missing" else error.kind
            raise StorageError(
                f"{key}: {error.what}", kind=kind, where=error.where, hint=error.hint
            ) from None
        if key == "data":
            data = str(copy.path)
        elif is_checkpoint:
            choice[key] = str(copy.path).removesuffix(".index")
        else:
            libraries[libraries.index(address)] = str(copy.path)
    if libraries:
        choice["op_libraries"] = tuple(libraries)
    return LocalCopies(task=replace(task, data=data, choice=choice), path=path, stamp=stamp)


def _others(task: Task) -> Iterator[tuple[str, str]]:
    """What each file is, beside the source, and its path or address."""
    if task.data:
        yield "data", task.data
    for path in task.choice.get("op_libraries", ()):
        yield "op_library", path
    if checkpoint := task.choice.get("checkpoint"):
        yield "checkpoint", str(checkpoint)


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - time.monotonic(), 0.1)
