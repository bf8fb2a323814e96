"""What tells that a source changed: the sizes and times of its files, and their bytes."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from migrator.batching.task import Task
from migrator.errors import StorageError
from migrator.files import open_regular
from migrator.formats.checkpoint.locate import is_shard_of
from migrator.formats.names import SAVED_MODEL_FILES
from migrator.formats.staging import archive_of
from migrator.places.addresses import is_remote

if TYPE_CHECKING:
    from migrator.batching.storage.objects import RemoteModel

_MOST_FILES = 100_000
_PART = re.compile(r"\.(?:meta|index|data-\d{5,}-of-\d{5,})\Z")
"""By any of its files a checkpoint is named, and all of them are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """``value`` changes with the name, size or time of any file; "" where there is no source."""

    value: str = ""
    bytes: int = 0
    """Of the source's files."""
    only: str = ""
    """The source's file, where it is a single one and nothing else has a say."""


def stamp_of(task: Task, model: RemoteModel | None = None) -> Stamp:
    """The stamp of a task's source, and of the files that its options name.

    ``model`` is what a source at an address is of, where that is known. Raises StorageError.
    """
    only = ""
    if is_remote(task.source):
        model = model or _remote(task.source)
        lines = [] if model is None else model.lines()
        size = 0 if model is None else model.bytes
    elif archive := archive_of(task.source):
        lines, size = _packed_lines(task.source, archive)
    else:
        files = model_files(task.source)
        lines, size = _lines(files)
        only = files[0] if len(files) == 1 and not has_others(task) else ""
    if not lines:
        return Stamp()
    return Stamp(value=digest_of([*lines, *_other_lines(task)]), bytes=size, only=only)


def _packed_lines(source: str, archive: str) -> tuple[list[str], int]:
    """By the archive's bytes, not its time: opening it to compare a member would take longer."""
    try:
        status = os.stat(archive)
    except OSError:
        return [], 0
    inside = os.path.abspath(source).removeprefix(os.path.abspath(archive))
    sha256 = _sha256_once(archive, status.st_size, status.st_mtime_ns)
    return [f"{inside}\0{status.st_size}\0{sha256}"], status.st_size


@lru_cache(maxsize=1024)
def _sha256_once(path: str, size: int, time: int) -> str:
    """An archive may hold any number of models, each with a stamp."""
    return sha256_of(path)


def has_others(task: Task) -> bool:
    """Whether options name files that have a say in the result."""
    return any((task.data, task.choice.get("op_libraries"), task.choice.get("checkpoint")))


def digest_of(lines: Iterable[str]) -> str:
    """One word for all ``lines``."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(f"{line}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]


def _other_lines(task: Task) -> Iterator[str]:
    checkpoint = str(task.choice.get("checkpoint") or "")
    for path in (task.data, *task.choice.get("op_libraries", ()), checkpoint):
        if not path:
            continue
        if is_remote(path):
            model = _remote(path, other=True, checkpoint=path == checkpoint)
            yield from () if model is None else model.lines()
        else:
            yield from _lines(_beside(path) if path == checkpoint else [path])[0]


def _lines(files: Iterable[str]) -> tuple[list[str], int]:
    """A line for each file that is there, and the sum of their bytes."""
    lines = []
    size = 0
    for path in files:
        try:
            status = os.stat(path)
        except (OSError, ValueError):
            continue
        lines.append(f"{os.path.abspath(path)}\0{status.st_size}\0{status.st_mtime_ns}")
        size += status.st_size
    return lines, size


def _remote(address: str, *, other: bool = False, checkpoint: bool = False) -> RemoteModel | None:
    """What is there; None for nothing."""
    from migrator.batching.storage.objects import objects_of, other_objects
    from migrator.batching.storage.stores import Store

    try:
        store = Store(address)
        return other_objects(store, checkpoint=checkpoint) if other else objects_of(store)
    except StorageError as error:
        if error.kind != "missing":
            raise
        return None


def sha256_of(path: str) -> str:
    """Of a file's bytes; "" where it cannot be read, and for what is no file.

    As many bytes as there are at first: one that grows has an end too.
    """
    digest = hashlib.sha256()
    try:
        with open_regular(path) as file:
            left = os.fstat(file.fileno()).st_size
            while part := file.read(min(left, 1 << 20)):
                digest.update(part)
                left -= len(part)
    except (OSError, ValueError):
        return ""
    return digest.hexdigest()


def tree_bytes(folder: Path) -> int:
    """Of all files below ``folder``; 0 where there is none."""
    return sum(os.lstat(path).st_size for path in _walk(str(folder)))


def model_files(source: str) -> list[str]:
    """The files on disk that make up a model."""
    return list(_source_files(source))


def _source_files(source: str) -> Iterator[str]:
    """The files of a model: a SavedModel's folder, a checkpoint's shards, or the file itself."""
    if os.path.isdir(source):
        yield from _walk(source)
    elif os.path.basename(source) in SAVED_MODEL_FILES:
        yield from _walk(os.path.dirname(source) or ".")
    elif (part := _PART.search(source)) is not None:
        yield from _beside(source[: part.start()])
    elif os.path.exists(source):
        yield source
    else:
        yield from _beside(source)


def _beside(prefix: str) -> list[str]:
    """The files ``PREFIX.*`` of a checkpoint, in order; of version 1 ``PREFIX`` or its shards."""
    folder, name = os.path.split(prefix)
    try:
        names = sorted(os.listdir(folder or "."))
    except (OSError, ValueError):
        return []
    return [
        os.path.join(folder, item)
        for item in names
        if name and (item == name or item.startswith(f"{name}.") or is_shard_of(item, name))
    ]


def _walk(folder: str) -> Iterator[str]:
    """Regular files below ``folder`` in a fixed order, so many at most."""
    count = 0
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(place, name)
            try:
                if not stat.S_ISREG(os.stat(path).st_mode):
                    continue
            except OSError:
                continue
            yield path
            count += 1
            if count >= _MOST_FILES:
                return
