"""The files of a SavedModel's folder beside its graph and its checkpoint."""

from __future__ import annotations

import json
import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from migrator.errors import FormatError, MigratorError
from migrator.formats.farmhash import fingerprint64
from migrator.formats.fingerprint import Fingerprint, deterministic_form, parse_fingerprint
from migrator.formats.messages import message_class
from migrator.model.brief import brief
from migrator.model.model import Asset, MetaGraph
from migrator.places.place import Place

_FINGERPRINT = "fingerprint.pb"
_LARGEST_FINGERPRINT = 1 << 16
_COMPARED = 64 << 10
"""Bytes of a file that are hashed here, for a fiftieth of a second; `audit` hashes more."""
_KERAS = "keras_metadata.pb"
_LARGEST_KERAS = 16 << 20
_KERAS_OBJECT = "_tf_keras_"
_MOST_OBJECTS = 10_000
_ATTACHMENTS = "hub_module_attachments"
_MOST_FILES = 1000
_DEEPEST = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFile:
    """A file of ``assets/`` or ``assets.extra/`` by its name there; ``bytes`` is None where it is
    not there. ``tensors`` are those that are fed its path."""

    name: str
    bytes: int | None
    tensors: tuple[str, ...] = ()

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerprintFacts:
    """What fingerprint.pb says, and whether the files are those that it was made of: None where
    that was not compared (large files, another version, no hash)."""

    said: Fingerprint
    saved_model_matches: bool | None
    checkpoint_matches: bool | None

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasMetadata:
    """What Keras wrote beside the graph: its version where it says so, the class of the root and
    of all objects with their counts."""

    version: str
    root: str
    classes: Mapping[str, int]

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """Bytes that a TF1 hub module's maker attached to a meta graph under a name."""

    key: str
    bytes: int

    __repr__ = brief


def list_assets(folder: Place, assets: Iterable[Asset]) -> tuple[tuple[FolderFile, ...], list[str]]:
    """The assets that the meta graphs list, each once, and what is wrong with them."""
    tensors: dict[str, dict[str, None]] = {}
    for item in assets:
        tensors.setdefault(item.filename, {})[item.tensor] = None
    found, problems = [], []
    for name, fed in tensors.items():
        place, problem = _inside(folder, name)
        size = None
        if place is not None:
            try:
                size = place.size() if place.is_file() else None
                if size is None:
                    problem = f"assets/{_shown(name)} is not there"
            except MigratorError as error:  # a store that falls silent
                problem = f"assets/{_shown(name)} cannot be read: {error.what}"
        if problem:
            problems.append(problem)
        found.append(FolderFile(name=name, bytes=size, tensors=tuple(filter(None, fed))))
    return tuple(found), problems


def _inside(folder: Place, name: str) -> tuple[Place | None, str]:
    """Where an asset of that name lies, or what is wrong with the name."""
    plain = posixpath.normpath(name) if name else ""
    if "\0" in name or plain in ("", "."):
        return None, f"{_shown(name)!r} is no name of an asset"
    if plain.startswith("/") or plain == ".." or plain.startswith("../"):
        return None, f"the path of the asset {_shown(name)} leaves the folder assets/"
    try:
        return folder.child("assets", *plain.split("/")), ""
    except MigratorError as error:
        return None, f"the asset {_shown(name)}: {error.what}"


def _shown(name: str) -> str:
    return ascii(name)[1:-1][:200]


def list_extra(folder: Place) -> tuple[FolderFile, ...]:
    """What lies in ``assets.extra/``, the first thousand files."""
    top = folder.child("assets.extra")
    found: list[FolderFile] = []
    if top.is_folder():
        for name, place in _below(top, "", 0):
            found.append(FolderFile(name=name, bytes=place.size()))
            if len(found) == _MOST_FILES:
                break
    return tuple(found)


def _below(folder: Place, prefix: str, depth: int) -> Iterator[tuple[str, Place]]:
    try:
        names = folder.names()[:_MOST_FILES]
    except MigratorError:
        return
    for name in names:
        place = folder.child(name)
        if place.is_file():
            yield prefix + name, place
        elif depth < _DEEPEST and place.is_folder() and not _is_link(place):
            yield from _below(place, f"{prefix}{name}/", depth + 1)


def _is_there(place: Place) -> bool:
    """Whether there is something to open, if only to say why it cannot be read."""
    return place.is_file() or place.exists() or _is_link(place)


def _is_link(place: Place) -> bool:
    return place.path is not None and place.path.is_symlink()


def read_fingerprint(folder: Place, index: Place | None) -> FingerprintFacts | None:
    """What fingerprint.pb says, None where there is none. Raises MigratorError for a broken one."""
    place = folder.child(_FINGERPRINT)
    if not _is_there(place):
        return None
    source = place.open()
    data = source.read(0, min(source.size, _LARGEST_FINGERPRINT))
    said = parse_fingerprint(data, where=source.name)
    model = folder.child("saved_model.pb")
    hashed = _bytes(model) if said.known and said.saved_model else None
    form = None if hashed is None else deterministic_form(hashed)
    held = _bytes(index) if said.known and said.checkpoint and index is not None else None
    return FingerprintFacts(
        said=said,
        saved_model_matches=None if form is None else fingerprint64(form) == said.saved_model,
        checkpoint_matches=None if held is None else fingerprint64(held) == said.checkpoint,
    )


def _bytes(place: Place) -> bytes | None:
    if not place.is_file() or place.size() > _COMPARED:
        return None
    source = place.open()
    return source.read(0, source.size)


def read_keras(folder: Place, metas: Iterable[MetaGraph]) -> KerasMetadata | None:
    """What Keras 2 wrote into keras_metadata.pb, or before that into the object graph; None where
    it wrote nothing. Raises FormatError for a broken file."""
    objects = list(_keras_objects(folder, metas))[:_MOST_OBJECTS]
    if not objects:
        return None
    version = root = ""
    classes: Counter[str] = Counter()
    for metadata in objects:
        try:
            item = json.loads(metadata)
        except (ValueError, RecursionError):
            continue
        if not isinstance(item, dict):
            continue
        name = item.get("class_name")
        if isinstance(name, str):
            classes[name] += 1
            root = root or name
        said = item.get("keras_version")
        version = version or (said if isinstance(said, str) else "")
    return KerasMetadata(version=version, root=root, classes=dict(classes.most_common()))


def _keras_objects(folder: Place, metas: Iterable[MetaGraph]) -> Iterator[bytes]:
    """The metadata of each Keras object, the root's first."""
    from google.protobuf.message import DecodeError

    place = folder.child(_KERAS)
    if _is_there(place):
        source = place.open()
        if source.size > _LARGEST_KERAS:
            raise FormatError(
                f"takes {source.size:,} bytes, which are not looked at", where=source.name
            )
        try:
            message: Any = message_class("SavedMetadata").FromString(source.read(0, source.size))
        except DecodeError:
            raise FormatError("is no Keras metadata", where=source.name) from None
        yield from (item.metadata for item in message.nodes)
        return
    for meta in metas:
        if meta.object_graph is None:
            continue
        for node in meta.object_graph.message.nodes:
            user = node.user_object
            if user.identifier.startswith(_KERAS_OBJECT) and user.metadata:
                yield user.metadata


def list_attachments(meta: MetaGraph) -> tuple[Attachment, ...]:
    """What a hub module's maker attached."""
    from google.protobuf.message import DecodeError

    found = []
    for item in meta.collections.get(_ATTACHMENTS, ()):
        try:
            message = message_class("ModuleAttachment").FromString(
                item if isinstance(item, bytes) else b""
            )
        except DecodeError:
            continue
        if message.key:
            found.append(Attachment(key=message.key, bytes=len(message.value)))
    return tuple(found)
