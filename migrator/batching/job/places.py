"""Where a model is worked on, and how its folder comes to be under DEST: whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from migrator.batching.task import WORKING, Task
from migrator.errors import DestinationError
from migrator.files import is_full, open_regular, remove_folder
from migrator.interrupts import held_back
from migrator.places.addresses import is_remote

OUTCOME = "outcome.json"
"""In each model's folder: its outcome, and the sign that the folder is ours to replace."""
LOG = "log.txt"
RESULT = "saved_model"
TFLITE_RESULT = "model.tflite"
TO_STORE = 30.0
"""Seconds beyond a model's time that its result may take to a store."""
_SCHEMA = "migrator.batch-model/"
_BEGINNING = b'{"schema":"migrator.batch-model/'
_MOST_BYTES = 16 << 20


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


def make_working(root: Path) -> Path:
    """The folder in DEST for all that is half done, made where there is none.

    Raises DestinationError where DEST is gone, and where something of others is in its place.
    """
    work = root / WORKING
    try:
        with suppress(FileExistsError):
            work.mkdir()
        check_folder(work)
    except OSError as error:
        raise unwritable(error, work) from None
    return work


def check_folder(folder: Path) -> None:
    """Raise DestinationError where ``folder`` is there and is none: what we put into it, and remove
    from it, would be elsewhere. Raises OSError where that cannot be told.
    """
    try:
        mode = os.lstat(folder).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        raise DestinationError(
            f"is {'a link' if stat.S_ISLNK(mode) else 'no folder'}, and a batch needs a folder "
            "there",
            where=str(folder),
            hint="move it away, or name another DEST",
        )


def begin(folder: Path) -> None:
    """Make the working folder, empty. Raises DestinationError where that cannot be done."""
    is_below = folder.parent.name == WORKING
    if is_below:
        make_working(folder.parent.parent)
    try:
        for old in (folder, source_folder(folder)):
            if os.path.lexists(old):
                shutil.rmtree(old)
        folder.mkdir(parents=not is_below)  # a DEST that somebody removed stays so
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
            _make_parents(target, root_of(task))
            if os.path.lexists(target):
                _set_aside(target, folder.with_name(f"{folder.name}.old"))
            folder.rename(target)
    except OSError as error:
        raise unwritable(error, target) from None
    remove_folder(folder.with_name(f"{folder.name}.old"))


def _make_parents(target: Path, root: Path) -> None:
    """The folders between DEST and a model's; not DEST itself."""
    place = root
    for part in target.relative_to(root).parts[:-1]:
        place = place / part
        with suppress(FileExistsError):
            place.mkdir()
        check_folder(place)


def _set_aside(target: Path, aside: Path) -> None:
    """An older result, into the working folder, which a next run clears."""
    is_folder = target.is_dir() and not target.is_symlink()
    is_empty = is_folder and not any(target.iterdir())
    if not (is_empty or (is_folder and _is_result(target))):
        raise DestinationError(
            "exists, and is not the result of a batch",
            where=str(target),
            hint="move it away, or name another DEST",
        )
    if (other := _result_below(target)) is not None:
        raise DestinationError(
            f"holds results of other models, {other.relative_to(target)} among them",
            where=str(target),
            hint="move them away, give the model another name in a manifest, or name another DEST",
        )
    shutil.rmtree(aside, ignore_errors=True)
    target.rename(aside)


def _result_below(target: Path) -> Path | None:
    """The folder of a model whose name goes on where that of ``target`` ends."""
    for place, folders, names in os.walk(target):
        if Path(place) == target:
            folders[:] = [name for name in folders if name != RESULT]  # a model's own assets
        elif OUTCOME in names and _is_result(Path(place)):
            return Path(place)
    return None


def _is_result(folder: Path) -> bool:
    """Whether the outcome in it is ours; or was, until the power went."""
    try:
        with open_regular(folder / OUTCOME, follow=False) as file:
            data = file.read(_MOST_BYTES)
    except OSError:
        return False
    return is_ours(data) or (is_torn(data) and (folder / LOG).is_file())


def is_ours(data: bytes) -> bool:
    """Whether an outcome's file, or a line of a ledger, is of a batch, of whatever version."""
    if _head(data).startswith(_BEGINNING):
        return True
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return False
    schema = found.get("schema") if isinstance(found, dict) else None
    return isinstance(schema, str) and schema.startswith(_SCHEMA)


def is_torn(data: bytes) -> bool:
    """Whether it is so short that it can be the beginning of one; a power cut leaves that."""
    return _BEGINNING.startswith(_head(data))


def _head(data: bytes) -> bytes:
    return b"".join(data.strip(b"\0 \t\r\n")[:200].split())


def unwritable(error: OSError, where: Path) -> DestinationError:
    """The error for a place that cannot be written, or read where that comes first."""
    hint = "make room there, or write to another disk" if is_full(error) else ""
    return DestinationError(
        f"cannot be written: {error.strerror or error}", where=str(where), hint=hint
    )
