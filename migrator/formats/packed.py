"""The model in a folder, on disk or in an archive, told by content; which one of several."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from migrator.errors import (
    FormatError,
    MigratorError,
    NeedsDecision,
    StorageError,
    UnsupportedFormat,
    first_few,
)
from migrator.formats.checkpoint.locate import META, OLD_SHARD, SHARD, STATE, latest_in
from migrator.formats.foreign import NOT_OURS
from migrator.formats.names import CHUNKED_SAVED_MODEL, SAVED_MODEL_FILES
from migrator.formats.sniff import Sniffed, sniff
from migrator.places.archive import MemberPlace
from migrator.places.packing import packing_of
from migrator.places.place import Place
from migrator.places.resolve import opened
from migrator.places.visit import Visit

if TYPE_CHECKING:
    from migrator.places.remote import RemotePlace

SAVED_MODELS = (*SAVED_MODEL_FILES, CHUNKED_SAVED_MODEL)
_TEXT_GRAPHS = (".pbtxt", ".pbtxt.txt")
_BESIDE = frozenset(("fingerprint.pb", "keras_metadata.pb", "tfhub_module.pb", ".DS_Store"))
_JUNK = "__MACOSX"
_NO_MODELS = frozenset((None, "hub_module"))
_SAVED_MODEL = Sniffed(format="saved_model", what="a SavedModel")
_ARRAYS = Sniffed(format=None, what="numpy arrays (.npz)")
_LOST = "lost"
"""Kind of a StorageError: the store gives no answer."""
_LISTED = 30
_MOST_IN_FOLDER = 1000
"""A folder on disk or at an address that holds more is not looked through."""
_AT_A_TIME = 16
"""Objects of a store that are looked at."""
_Looked = Sniffed | MigratorError | None
"""What a file is; the error for one that is nothing; None for what is packed."""


def only_model(folder: Place) -> Place | None:
    """The one model in a folder on disk or in a store: a file, or a folder in it with a SavedModel.

    None where there is none, where more lies there than is looked at, and for a web server, whose
    folders are pages. Raises NeedsDecision where there are several, StorageError.
    """
    store = None if folder.path is not None else _store_folder(folder)
    if folder.path is None and store is None:
        return None
    names = folder.names()
    if len(names) > _MOST_IN_FOLDER:
        return None
    looked_at = (
        _looked_at_on_disk(folder, names) if store is None else _looked_at_afar(store, names)
    )
    found = _sorted_out(folder, looked_at)
    return _only(folder, found.sure or found.unsure) or (
        found.packed[0] if len(found.packed) == 1 else None
    )


def other_models(folder: Place) -> list[Place]:
    """What lies in a folder of checkpoints on disk that is surely a model of another kind."""
    if folder.path is None:
        return []
    names = folder.names()
    if len(names) > _MOST_IN_FOLDER:
        return []
    return [
        place
        for place, looked in _looked_at_on_disk(folder, names)
        if isinstance(looked, Sniffed)
        and looked.sure
        and looked.format not in _NO_MODELS
        and not _format(looked).startswith(("checkpoint", "meta_graph"))
    ]


def ask_which(folder: Place, models: list[Place]) -> None:
    """Raise NeedsDecision for the models of a folder, where they are several."""
    _only(folder, sorted(models, key=str))


def _store_folder(folder: Place) -> RemotePlace | None:
    from migrator.places.remote import RemotePlace  # with an address alone

    return folder if isinstance(folder, RemotePlace) and not folder.is_web else None


def model_in_archive(top: MemberPlace, visit: Visit) -> Place:
    """The file or archive that is the one model at or below a folder of an archive.

    Raises NeedsDecision for several, FormatError for none, and what reading the archive raises.
    """
    for name in SAVED_MODELS:
        if top.child(name).is_file():
            return top.child(name)
    found = _sorted_out(top, _looked_at(top, visit))
    only = _only(top, found.models)
    if only is not None:
        unseen = [str(item)[len(str(top)) :].lstrip("/") for item in found.packed if item != only]
        if unseen:
            top.archive.tree.add_note(
                f"{first_few(unseen)} in it {'is' if len(unseen) == 1 else 'are'} not looked into; "
                "name what is to be read"
            )
        if isinstance(only, MemberPlace) and only.is_folder():
            return model_in_archive(only, visit)
        return only
    if len(found.odd) == 1 and len(found.names) == 1:
        found.odd[0].what = f"is in a {top.archive.kind} archive, and {found.odd[0].what}"
        raise found.odd[0]
    raise _nothing(top, found.names)


@dataclass(slots=True)
class _Found:
    """What was looked at, by how much of a model it is."""

    sure: list[Place] = field(default_factory=list)
    unsure: list[Place] = field(default_factory=list)
    packed: list[Place] = field(default_factory=list)
    odd: list[MigratorError] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    @property
    def models(self) -> list[Place]:
        return self.sure or self.unsure or self.packed


def _sorted_out(top: Place, looked_at: Iterator[tuple[Place, _Looked]]) -> _Found:
    found = _Found()
    for place, looked in looked_at:
        found.names.append(str(place)[len(str(top)) :].lstrip("/"))
        if isinstance(looked, MigratorError):
            found.odd.append(looked)
        elif looked is None:
            found.packed.append(place)
        elif looked.format not in _NO_MODELS:
            (found.sure if looked.sure else found.unsure).append(place)
    return found


def _only(top: Place, models: list[Place]) -> Place | None:
    """The one of ``models``, None for none. Raises NeedsDecision where there are several."""
    if len(models) > 1:
        raise NeedsDecision(
            f"holds {len(models):,} models"
            + (f", {_LISTED} of them here" if len(models) > _LISTED else ""),
            where=str(top),
            hint="name one of them",
            options=[shlex.quote(str(item)) for item in models[:_LISTED]],
        )
    return models[0] if models else None


def _looked_at(top: MemberPlace, visit: Visit) -> Iterator[tuple[Place, _Looked]]:
    """What may be a model: what it is, None for an archive, the error for neither."""
    for parts, inner in top.archive.tree.files(top.parts):
        if _JUNK in parts or _is_below_saved_model(top, parts):
            continue
        folder = MemberPlace(top.archive, parts)
        saved = next((name for name in SAVED_MODELS if folder.child(name).is_file()), None)
        if saved is not None:
            yield (folder if parts else folder.child(saved)), _SAVED_MODEL
        names = sorted(name for name, node in inner.items() if not isinstance(node, dict))
        found: dict[str, _Looked] = {}
        for name in _own_names(folder, names, has_saved_model=saved is not None):
            visit.deadline.check(str(top))
            found[name] = _look(folder.child(name), visit)
        _note_damaged_graphs(folder, found)
        for name in _without_old_checkpoints(folder, found):
            yield folder.child(name), found[name]


def _note_damaged_graphs(folder: MemberPlace, found: Mapping[str, _Looked]) -> None:
    """Have it said that a checkpoint of version 1 stands alone as its graph cannot be read."""
    for name, looked in found.items():
        meta = META.fullmatch(name)
        if meta is None or not isinstance(looked, MigratorError):
            continue
        table = found.get(meta["prefix"])
        if table is not None and _format(table) == "checkpoint":
            entry = "/".join((*folder.parts, name))
            folder.archive.tree.note_unreadable(entry, looked.what)


def _looked_at_on_disk(top: Place, names: list[str]) -> Iterator[tuple[Place, _Looked]]:
    """The same for its own files, and for its folders that hold a SavedModel themselves."""
    visit = Visit()
    files = []
    for name in names:
        place = top.child(name)
        if place.is_file():
            files.append(name)
        elif any(place.child(saved).is_file() for saved in SAVED_MODELS):
            yield place, _SAVED_MODEL
    found: dict[str, _Looked] = {}
    for name in _own_names(top, files, has_saved_model=False):
        visit.deadline.check(str(top))
        found[name] = _look_unopened(top.child(name), visit)
    for name in _without_old_checkpoints(top, found):
        yield top.child(name), found[name]


def _looked_at_afar(top: RemotePlace, names: list[str]) -> Iterator[tuple[Place, _Looked]]:
    """The same in a store, where each look is a request: several are on their way at a time."""
    from concurrent.futures import ThreadPoolExecutor

    visit = top.visit
    files = [name for name in names if top.child(name).is_file()]  # as the listing told
    folders = [top.child(name) for name in names if top.child(name).is_folder()]
    own = _own_names(top, files, has_saved_model=False)
    pool = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="migrator-look")
    try:
        for place, inner in zip(folders, pool.map(_names_in, folders), strict=True):
            if not inner.isdisjoint(SAVED_MODELS):
                yield place, _SAVED_MODEL
        looks = pool.map(lambda name: _look_unopened(top.child(name), visit), own)
        found = dict(zip(own, looks, strict=True))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    visit.deadline.check(str(top))
    for name in _without_old_checkpoints(top, found):
        yield top.child(name), found[name]


def _names_in(folder: RemotePlace) -> frozenset[str]:
    """Raises StorageError where the store gives no answer."""
    try:
        return frozenset(folder.names())
    except StorageError as error:
        if error.kind == _LOST:
            raise
    except MigratorError:  # more than anyone looks through
        pass
    return frozenset()


def _is_below_saved_model(top: MemberPlace, parts: tuple[str, ...]) -> bool:
    """In its ``variables`` or ``assets``."""
    for end in range(len(top.parts) + 1, len(parts)):
        if parts[end] in ("variables", "assets", "assets.extra"):
            folder = MemberPlace(top.archive, parts[:end])
            if any(folder.child(name).is_file() for name in SAVED_MODELS):
                return True
    return False


def _own_names(folder: Place, names: list[str], *, has_saved_model: bool) -> list[str]:
    """One name for each file that stands for itself, and one for the folder's checkpoints."""
    if has_saved_model:
        names = [name for name in names if name not in SAVED_MODELS and name not in _BESIDE]
    names = [name for name in names if not name.startswith("._")]
    prefixes = {name.removesuffix(".index") for name in names if name.endswith(".index")}
    metas = {found["prefix"]: name for name in names if (found := META.fullmatch(name))}
    belong = {f"{prefix}.index" for prefix in metas if prefix in prefixes}
    belong |= {
        name for name in names if (found := SHARD.fullmatch(name)) and found["prefix"] in prefixes
    }
    if prefixes or metas:
        belong |= {name for name in names if name == STATE or name.endswith(_TEXT_GRAPHS)}
        belong -= set(metas.values())
        latest = _latest(folder, names)
        if latest is not None:
            every = {*metas.values(), *(f"{prefix}.index" for prefix in prefixes)}
            belong |= every - {latest}
    return [name for name in names if name not in belong]


def _without_old_checkpoints(folder: Place, found: Mapping[str, _Looked]) -> list[str]:
    """The names of ``found`` but for checkpoints of version 1 that another name stands for: their
    MetaGraph, the first of their shards, or the latest of the folder.

    Their names tell nothing, so that they were looked at first.
    """
    tables = [name for name, looked in found.items() if _format(looked) == "checkpoint"]
    owners = {
        meta["prefix"]
        for name, looked in found.items()
        if (meta := META.fullmatch(name)) and _format(looked).startswith("meta_graph")
    }
    latest = _latest(folder, [*found, STATE]) if len(tables) > 1 else None
    left_out: set[str] = set()
    shards: set[tuple[str, str]] = set()
    for name in tables:
        if name.endswith(".index"):
            continue
        shard = OLD_SHARD.match(name)
        key = (shard["prefix"], shard["count"]) if shard else (name, "")
        if key[0] in owners or key in shards or latest not in (None, name):
            left_out.add(name)
        shards.add(key)
    return [name for name in found if name not in left_out]


def _format(looked: _Looked) -> str:
    return (isinstance(looked, Sniffed) and looked.format) or ""


def _latest(folder: Place, names: list[str]) -> str | None:
    if STATE not in names or not folder.child(STATE).is_file():
        return None
    try:
        found = latest_in(folder)
    except MigratorError:
        return None
    return None if found is None else found.base


def _look(place: Place, visit: Visit) -> _Looked:
    try:
        source = place.open()
    except MigratorError as error:
        if isinstance(place, MemberPlace) and not place.is_folder():  # as a link to one is
            place.archive.tree.note_unreadable("/".join(place.parts), error.what)
        return _light(error)
    try:
        if source.size == 0:
            return FormatError("is empty (0 bytes)", where=str(place))
        if packing_of(source) is not None:
            inner = opened(place, visit)
            if inner is not place:
                return _ARRAYS if _holds_arrays(inner) else None
        return sniff(source, visit.limits)
    except MigratorError as error:
        return _light(error)


def _holds_arrays(top: Place) -> bool:
    """True for numpy's ``.npz``, an archive that lies beside many a model."""
    names = top.names() if isinstance(top, MemberPlace) else []
    if not names or not all(name.endswith(".npy") for name in names):
        return False
    first = top.child(names[0])
    return first.is_file() and first.glance().read(0, min(first.size(), 6)) == b"\x93NUMPY"


def _look_unopened(place: Place, visit: Visit) -> _Looked:
    """The same, without listing an archive: beside a model one may hold gigabytes of data."""
    try:
        source = place.glance()
        found = sniff(source, visit.limits)
        return None if found.format is None and packing_of(source) is not None else found
    except MigratorError as error:
        if isinstance(error, StorageError) and error.kind == _LOST:
            raise
        return _light(error)


def _light(error: MigratorError) -> MigratorError:
    """Without the frames that it came through: they hold what was read of the file, and an
    archive may have many."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _nothing(top: MemberPlace, names: list[str]) -> MigratorError:
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return UnsupportedFormat(
            "is a PyTorch model (a zip archive with data.pkl), not one of TensorFlow",
            where=str(top),
            hint=NOT_OURS,
        )
    notes = "; ".join(
        note.removeprefix(f"{top.archive.outer}: ") for note in top.archive.tree.notes
    )
    return FormatError(
        f"is a {top.archive.kind} archive without a model; it holds "
        + (first_few(names) or "nothing")
        + (f"; {notes}" if notes else ""),
        where=str(top),
    )
