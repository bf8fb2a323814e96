"""Which objects of a store make up a model, and their tags: what changes when they do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from migrator.batching.storage.stores import Store
from migrator.errors import FormatError, LimitError, StorageError
from migrator.formats.checkpoint.locate import OLD_SHARD, is_shard_of
from migrator.formats.names import SAVED_MODEL_FILES
from migrator.places.addresses import last_part, shown
from migrator.places.faults import MISSING, REFUSED

SAVED_MODELS = SAVED_MODEL_FILES
SINGLE = (".pb", ".pbtxt", ".h5", ".hdf5", ".keras", ".tflite")
"""Suffixes of models that are one file."""
MOST_OBJECTS = 100_000
"""Of one model."""
_TOP = frozenset(
    (
        *SAVED_MODELS,
        "saved_model.cpb",
        "fingerprint.pb",
        "keras_metadata.pb",
        "tfhub_module.pb",
    )
)
_FOLDERS = ("variables/", "assets/", "assets.extra/")
_STATE = "checkpoint"
_SHARD = re.compile(r"(?P<prefix>.+)\.data-\d{5,}-of-\d{5,}\Z", re.DOTALL)
_GUESSES = ("variables/variables.index", "variables/variables.data-00000-of-00001")
_TAGS = (
    "ETag",
    "etag",
    "md5Hash",
    "md5",
    "content_md5",
    "Content-MD5",
    "checksum",
    "generation",
    "VersionId",
    "LastModified",
    "last_modified",
    "updated",
    "mtime",
    "created",
)
"""Keys of fsspec's ``info``, by store; the first that is there counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """An object. ``name`` is its path below the model's folder, ``size`` is in bytes (-1: untold),
    ``tag`` changes with its content as far as the store tells.
    """

    path: str
    name: str
    size: int
    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteModel:
    """The objects of a model in a fixed order, and which name of theirs to read; "": the folder."""

    files: tuple[RemoteFile, ...]
    main: str = ""

    @property
    def bytes(self) -> int:
        return sum(max(file.size, 0) for file in self.files)

    def lines(self) -> list[str]:
        """One for each object, for a digest."""
        return [f"{file.path}\0{file.size}\0{file.tag}" for file in self.files]


def objects_of(store: Store) -> RemoteModel:
    """The objects of the model at the store's address: those that it needs, and no others.

    Raises StorageError where there is none or the store fails, FormatError for objects whose names
    lead out of their folder, LimitError for more than ``MOST_OBJECTS``.
    """
    name = last_part(store.address)
    if name in SAVED_MODELS:
        return _saved_model(store, store.path.removesuffix(name).rstrip("/"), main=name)
    if name.endswith(".meta"):
        return _checkpoint(store, store.path.removesuffix(".meta"), main=name)
    if name.lower().endswith(SINGLE):
        info = store.info(store.path)
        if info is not None and info.get("type") != "directory":
            return _single(store, info)
    below = store.files_below(store.path)
    below.pop(store.path, None)
    if below:
        return _folder(store, below)
    if name.endswith(".index") or _SHARD.match(store.path) is not None:
        return _named_checkpoint(store)
    info = store.info(store.path)
    if info is not None and info.get("type") == "file":
        return _single(store, info)
    return _named_checkpoint(store)


def other_objects(store: Store, *, checkpoint: bool = False) -> RemoteModel:
    """One object, such as a file of inputs; or those of the ``checkpoint`` with that prefix.

    Raises what ``objects_of`` raises.
    """
    if checkpoint:
        return _checkpoint(store, store.path.removesuffix(".index"), main=last_part(store.address))
    info = store.info(store.path)
    if info is None:
        raise _missing(store)
    return _single(store, info)


def remote_file(path: str, name: str, info: Mapping[str, Any]) -> RemoteFile:
    """What a listing says of an object."""
    size = info.get("size")
    return RemoteFile(
        path=path, name=name, size=size if isinstance(size, int) else -1, tag=tag_of(info)
    )


def tag_of(info: Mapping[str, Any]) -> str:
    """What tells one content of an object from another; "" where the store says nothing."""
    for key in _TAGS:
        value = info.get(key)
        if isinstance(value, datetime):
            return str(value.timestamp())
        if value not in (None, ""):
            return str(value).strip('"')
    return ""


def saved_model_parts(names: Iterable[str]) -> list[str]:
    """Those of ``names``, paths below a SavedModel's folder, that belong to it."""
    return sorted(name for name in names if name in _TOP or name.startswith(_FOLDERS))


def checked_name(name: str, store: Store) -> str:
    """``name`` where it is one below its folder; an object store takes any. Raises FormatError."""
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\0" in name or "\\" in name:
        raise FormatError(
            f"has an object whose name leads out of its folder: {ascii(name)[:200]}",
            where=shown(store.address),
        )
    return name


def _single(store: Store, info: Mapping[str, Any]) -> RemoteModel:
    name = last_part(store.address)
    if name in ("", ".", "..") or len(name.encode("utf-8", "replace")) > 200:
        name = "model"
    return RemoteModel(files=(remote_file(store.path, name, info),), main=name)


def _saved_model(store: Store, folder: str, *, main: str) -> RemoteModel:
    """One whose file was named. A web server may list no folders; then what is mostly there is."""
    listed = _relative(store.files_below(folder), folder)
    if main in listed:
        return _selected(store, listed, saved_model_parts(listed), main)
    found = {}
    for name in (main, *_GUESSES):
        path = f"{folder}/{name}"
        info = store.info(path)
        if info is None:
            if name == main:
                raise _missing(store)
            break
        found[name] = (path, info)
    return _selected(store, found, list(found), main)


def _folder(store: Store, below: Mapping[str, dict[str, Any]]) -> RemoteModel:
    listed = _relative(below, store.path)
    if not _TOP.isdisjoint(listed):
        return _selected(store, listed, saved_model_parts(listed), "")
    names = [name for name in listed if "/" not in name]
    main = _latest(store, names, listed)
    shard = OLD_SHARD.match(main)
    prefix = shard["prefix"] if shard else main.removesuffix(".index").removesuffix(".meta")
    wanted = _beside(names, prefix)
    return _selected(store, listed, wanted, main)


def _latest(store: Store, names: list[str], listed: Mapping[str, tuple[str, Any]]) -> str:
    """The file to read of a folder of checkpoints, as it is told for a local one."""
    from migrator.errors import MigratorError
    from migrator.files import temporary_folder
    from migrator.formats.load import model_file

    with temporary_folder() as copy:
        for name in names[:MOST_OBJECTS]:
            if len(name.encode("utf-8", "replace")) < 250:
                (copy / checked_name(name, store)).touch()
        if _STATE in listed:
            state = store.read(listed[_STATE][0], most=1 << 20)
            (copy / _STATE).write_bytes(state or b"")
        try:
            return model_file(copy).name
        except MigratorError as error:
            error.where = shown(store.address)
            raise


def _named_checkpoint(store: Store) -> RemoteModel:
    """For the PREFIX of a checkpoint, or one of its shards. Raises StorageError for nothing."""
    shard = _SHARD.match(store.path)
    prefix = shard["prefix"] if shard else store.path.removesuffix(".index")
    return _checkpoint(store, prefix, main=f"{prefix.rpartition('/')[2]}.index")


def _checkpoint(store: Store, prefix: str, *, main: str) -> RemoteModel:
    """``PREFIX.*`` and, as version 1 has it, ``PREFIX``."""
    folder, _, name = prefix.rpartition("/")
    try:
        listed = _relative(store.files_in(folder), folder)
    except StorageError as error:
        if error.kind not in (REFUSED, MISSING):
            raise
        listed = {}
    wanted = _beside(listed, name)
    if not wanted:  # a store that lists nothing
        for suffix in (".meta", ".index", ".data-00000-of-00001"):
            info = store.info(f"{prefix}{suffix}")
            if info is not None:
                listed[f"{name}{suffix}"] = (f"{prefix}{suffix}", info)
        wanted = list(listed)
    if main not in wanted and f"{main}.index" in wanted:
        main = f"{main}.index"
    elif main not in wanted:  # version 1 has no index
        first = (item for item in wanted if item == name or OLD_SHARD.match(item))
        main = next(first, main)
    if main not in wanted:
        raise _missing(store)
    return _selected(store, listed, wanted, main)


def _beside(names: Iterable[str], prefix: str) -> list[str]:
    suffixes = (f"{prefix}.meta", f"{prefix}.index", prefix)
    return sorted(name for name in names if name in suffixes or is_shard_of(name, prefix))


def _relative(
    below: Mapping[str, dict[str, Any]], folder: str
) -> dict[str, tuple[str, dict[str, Any]]]:
    """Name below ``folder`` -> path and info."""
    top = f"{folder.rstrip('/')}/"
    return {path[len(top) :]: (path, info) for path, info in below.items() if path.startswith(top)}


def _selected(
    store: Store, listed: Mapping[str, tuple[str, Any]], names: list[str], main: str
) -> RemoteModel:
    if len(names) > MOST_OBJECTS:
        raise LimitError(
            f"is of {len(names):,} objects, the limit is {MOST_OBJECTS:,}",
            where=shown(store.address),
        )
    files = [
        remote_file(listed[name][0], checked_name(name, store), listed[name][1]) for name in names
    ]
    return RemoteModel(files=tuple(files), main=main)


def _missing(store: Store) -> StorageError:
    return StorageError(
        "there is nothing at this address", kind=MISSING, where=shown(store.address)
    )
