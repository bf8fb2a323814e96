"""Which models there are: in files, folders and whole trees, told by content.

A walk holds one folder's names for each level that it is down, reads the first bytes of each file
and opens nothing but regular files. Nothing that it meets stops it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from migrator.auditing.discovery.globs import PathGlobs
from migrator.auditing.discovery.shapes import Shape, look_at
from migrator.auditing.finding import Skipped
from migrator.errors import MigratorError, UsageError
from migrator.formats.checkpoint.locate import OLD_SHARD, index_for
from migrator.formats.names import SAVED_MODEL_FILES
from migrator.formats.staging import is_packed
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.places.place import LocalPlace

_PARTS = frozenset(("fingerprint.pb", "keras_metadata.pb", "tfhub_module.pb"))
"""Files beside a SavedModel's own that belong to it."""
_VARIABLES = "variables"
_SUFFIXES = (".pb", ".pbtxt", ".meta", ".h5", ".hdf5", ".keras", ".tflite")
_WHOLE = ("saved_model.cpb",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A model to audit. ``path`` is the file to read, and what findings call it."""

    path: str
    named: bool
    """The user, its name or its content says that it is a model: what cannot be read is told."""
    asked: bool = False
    """The user named this very file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A file of a tree that is no model itself, and may hold some: an archive, or compressed.

    ``reason`` says what it is where its name is a model's.
    """

    path: str
    reason: str = ""
    asked: bool = False


def check_paths(paths: Sequence[str]) -> None:
    """Raise UsageError where one of ``paths`` does not exist or is none."""
    if not paths:
        raise UsageError("no path to audit", hint="name a file, a SavedModel folder or a tree")
    for path in paths:
        if path and is_packed(path):  # reading it says what is wrong with it
            continue
        try:
            os.stat(path)
        except ValueError as error:  # a NUL in it
            raise UsageError(f"is not a path: {error}", where=ascii(path)) from None
        except OSError as error:
            if not path or index_for_text(path) is None:
                raise UsageError(
                    f"cannot be read: {error.strerror or error}",
                    where=path or "''",
                    hint="check the path",
                ) from None


def discover(
    paths: Iterable[str], *, exclude: PathGlobs | None = None, limits: Limits = DEFAULT_LIMITS
) -> Iterator[Found | Skipped]:
    """Each model once, path by path, a tree's in sorted order; and what cannot be looked at.

    Files that are neither named nor shaped like a model are passed over.
    """
    for item in discover_packed(paths, exclude=exclude, limits=limits):
        if not isinstance(item, Packed):
            yield item
        elif item.reason:
            yield Skipped(source=item.path, reason=item.reason)


def discover_packed(
    paths: Iterable[str], *, exclude: PathGlobs | None = None, limits: Limits = DEFAULT_LIMITS
) -> Iterator[Found | Skipped | Packed]:
    """The same, and what is packed in trees. Nothing of that is opened."""
    seen: set[str] = set()
    for path in paths:
        for item in _below(path, exclude or PathGlobs(()), limits):
            if not isinstance(item, Skipped):
                key = os.path.realpath(item.path)
                if key in seen:
                    continue
                seen.add(key)
            yield item


def index_for_text(path: str) -> str | None:
    """The index that ``path`` means as a checkpoint's PREFIX or shard."""
    found = index_for(LocalPlace(path))
    return None if found is None else str(found)


def _below(path: str, exclude: PathGlobs, limits: Limits) -> Iterator[Found | Skipped | Packed]:
    if exclude and exclude.fits(path):
        yield Skipped(source=path, reason="is excluded, though it was named")
        return
    if os.path.isdir(path):
        yield from _walk(path, exclude, limits)
    else:
        yield Found(path=_whole(path, limits), named=True, asked=True)


def _whole(path: str, limits: Limits) -> str:
    """The model that a named file is a part of; itself where it is none."""
    file = index_for_text(path) or path
    folder, name = os.path.split(file)
    saved = _saved_in(folder)
    if name in _PARTS and saved and _shape(file, limits) is Shape.NONE:
        return saved
    old = OLD_SHARD.match(file)
    meta = f"{old['prefix'] if old else file}.meta"
    if os.path.isfile(meta) and _shape(file, limits) is Shape.CHECKPOINT:
        return meta
    if name.endswith(".index"):
        above, own = os.path.split(folder)
        saved = _saved_in(above)
        meta = f"{file.removesuffix('.index')}.meta"
        if own == _VARIABLES and saved:
            return saved
        if os.path.isfile(meta):
            return meta
    return file


def _saved_in(folder: str) -> str:
    """The file of the SavedModel whose folder it is; empty for none."""
    paths = (os.path.join(folder, name) for name in SAVED_MODEL_FILES)
    return next(filter(os.path.isfile, paths), "")


def _shape(path: str, limits: Limits) -> Shape:
    try:
        return look_at(path, limits).shape
    except MigratorError:
        return Shape.NONE


def _walk(root: str, exclude: PathGlobs, limits: Limits) -> Iterator[Found | Skipped | Packed]:
    inside = os.path.realpath(root)
    stack = [Level.on_disk(root, frozenset())]
    while stack:
        level = stack[-1]
        name = next(level.names, None)
        if name is None:
            if level.failure is not None:
                yield level.failure
            stack.pop()
            continue
        path = name if level.folder in (".", "./") else os.path.join(level.folder, name)
        if exclude and (exclude.fits_name(name) or exclude.fits_path(path)):
            continue
        try:
            is_link = os.path.islink(path)
            mode = os.stat(path).st_mode
        except OSError as error:
            if not is_link or is_named(name):
                what = "is a link to nothing" if is_link else "cannot be read"
                yield Skipped(source=path, reason=f"{what}: {error.strerror or error}")
            continue
        if stat.S_ISDIR(mode):
            if not is_link:
                stack.append(Level.on_disk(path, level.entries))
            elif not _is_within(path, inside):
                reason = "is a link to a folder elsewhere; such links are not followed"
                yield Skipped(source=path, reason=reason)
            continue
        if not stat.S_ISREG(mode):
            yield Skipped(source=path, reason="is not a regular file")
            continue
        found = _file(path, name, level, limits)
        if found is not None:
            yield found


class Level:
    """One folder of a walk: its names in order, and the names beside it."""

    __slots__ = ("_first", "beside", "entries", "failure", "folder", "names")

    def __init__(self, folder: str, beside: frozenset[str], entries: frozenset[str]) -> None:
        self.folder = folder
        self.beside = beside
        self.entries = entries
        self.failure: Skipped | None = None
        self.names = iter(sorted(entries))
        self._first: dict[tuple[str, str], str] | None = None

    @classmethod
    def on_disk(cls, folder: str, beside: frozenset[str]) -> Level:
        try:
            return cls(folder, beside, frozenset(os.listdir(folder)))
        except OSError as error:
            found = cls(folder, beside, frozenset())
            reason = f"cannot be read: {error.strerror or error}"
            found.failure = Skipped(source=folder, reason=reason)
            return found

    def first_shard(self, prefix: str, count: str) -> str:
        """The first file of a sharded version 1 checkpoint that is there."""
        if self._first is None:
            self._first = {}
            for name in sorted(self.entries):
                found = OLD_SHARD.match(name)
                if found is not None:
                    self._first.setdefault((found["prefix"], found["count"]), name)
        return self._first.get((prefix, count), "")


def _is_within(path: str, root: str) -> bool:
    target = os.path.realpath(path)
    return target == root or target.startswith(root.rstrip("/") + "/")


def is_named(name: str) -> bool:
    """Whether a file is called as models are."""
    folded = name.lower()
    return folded.endswith(_SUFFIXES) or folded in _WHOLE


def _file(path: str, name: str, level: Level, limits: Limits) -> Found | Skipped | Packed | None:
    """What a walk makes of one regular file."""
    try:
        look = look_at(path, limits)
    except MigratorError as error:
        return Skipped(source=path, reason=reason_of(error, path))
    if look.shape is Shape.NONE:
        is_told = is_named(name) and not is_part(name, level)
        if is_packed(path):
            return Packed(path=path, reason=look.reason if is_told else "")
        return Skipped(source=path, reason=look.reason) if is_told else None
    if look.shape is Shape.CHECKPOINT and belongs(name, level):
        return None
    return Found(path=path, named=is_named(name) or look.shape is Shape.MODEL)


def is_part(name: str, level: Level) -> bool:
    """Of a SavedModel beside it."""
    return name in _PARTS and not level.entries.isdisjoint(SAVED_MODEL_FILES)


def belongs(name: str, level: Level) -> bool:
    """True for the checkpoint of a SavedModel or of a .meta beside it, and for all but the first
    shard of version 1."""
    old = OLD_SHARD.match(name)
    if f"{old['prefix'] if old else name.removesuffix('.index')}.meta" in level.entries:
        return True
    if old is not None and level.first_shard(old["prefix"], old["count"]) != name:
        return True
    saved = not level.beside.isdisjoint(SAVED_MODEL_FILES)
    return os.path.basename(level.folder) == _VARIABLES and saved


def reason_of(error: MigratorError, path: str) -> str:
    """The error without the path that stands beside it anyway."""
    return str(error).removeprefix(f"{path}: ")
