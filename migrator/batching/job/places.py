"""Where a model is worked on, and how its folder comes to be under DEST: whole."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from migrator.batching.storage.addresses import is_remote as is_remote
from migrator.batching.task import WORKING, Task
from migrator.errors import DestinationError
from migrator.files import is_full, remove_folder
from migrator.interrupts import held_back

OUTCOME = "outcome.json"
"""In each model's folder: its outcome, and the sign that the folder is ours to replace."""
LOG = "log.txt"
RESULT = "saved_model"
TFLITE_RESULT = "model.tflite"
TO_STORE = 30.0
"""Seconds beyond a model's time that its result may take to a store."""


def root_of(task: Task) -> Path:
    """The local folder that a task's name is taken from: DEST."""
    dest = Path(task.dest)
    parts = len(Path(task.name).parts)
    if dest.parts[-parts:] == Path(task.name).parts:
        return Path(*dest.parts[:-parts])
    return dest.parent


def working_folder(task: Task, temporary: Path | None = None) -> Path:
    """Where a task is worked on: on DEST's file system, or in the folder for temporary files.

    The same each time, so that who outlives the work can tidy up after it.
    """
    told = task.dest if is_remote(task.dest) else task.name
    key = hashlib.sha256(f"{told}\0{task.attempt}".encode()).hexdigest()[:24]
    if is_remote(task.dest):
        return Path(temporary or tempfile.gettempdir()) / f"migrator-batch-{key}"
    return root_of(task) / WORKING / key


def begin(folder: Path) -> None:
    """Make the working folder, empty. Raises DestinationError where that cannot be done."""
    try:
        for old in (folder, source_folder(folder)):
            if os.path.lexists(old):
                shutil.rmtree(old)
        folder.mkdir(parents=True)
    except OSError as error:
        raise unwritable(error, folder) from None


def source_folder(folder: Path) -> Path:
    """Where the copy of a source lies that is fetched for the work in ``folder``."""
    return folder.with_name(f"{folder.name}.source")


def end(folder: Path) -> None:
    """Remove a working folder, and the copy of the source."""
    remove_folder(folder)
    remove_folder(source_folder(folder))


def put(folder: Path, task: Task, *, seconds: float | None = None) -> None:
    """Move the working folder to the task's ``dest``; an older result of a batch goes.

    ``seconds`` are what is left of the model's time; a store gets ``TO_STORE`` in any case.

    Raises DestinationError for something else that is there, StorageError for a store that fails.
    """
    if is_remote(task.dest):
        from migrator.batching.storage import putting

        bound = None if seconds is None else max(seconds, TO_STORE)
        putting.put(folder, task.dest, last=OUTCOME, seconds=bound)
        remove_folder(folder)
        return
    target = Path(task.dest)
    try:
        with held_back():
            target.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(target):
                _set_aside(target, folder.with_name(f"{folder.name}.old"))
            folder.rename(target)
    except OSError as error:
        raise unwritable(error, target) from None
    remove_folder(folder.with_name(f"{folder.name}.old"))


def _set_aside(target: Path, aside: Path) -> None:
    """An older result, into the working folder, which a next run clears."""
    is_ours = target.is_dir() and not target.is_symlink() and (target / OUTCOME).is_file()
    is_empty = target.is_dir() and not any(target.iterdir())
    if not (is_ours or is_empty):
        raise DestinationError(
            "exists, and is not the result of a batch",
            where=str(target),
            hint="move it away, or name another DEST",
        )
    shutil.rmtree(aside, ignore_errors=True)
    target.rename(aside)


def unwritable(error: OSError, where: Path) -> DestinationError:
    """The error for a place that cannot be written, or read where that comes first."""
    hint = "make room there, or write to another disk" if is_full(error) else ""
    return DestinationError(
        f"cannot be written: {error.strerror or error}", where=str(where), hint=hint
    )
