"""The models below an address: told by the names of objects, and by their first bytes."""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from migrator.auditing.finding import Skipped
from migrator.batching.storage.objects import (
    SAVED_MODELS,
    SINGLE,
    RemoteFile,
    RemoteModel,
    remote_file,
    saved_model_parts,
)
from migrator.batching.storage.stamps import Stamp, digest_of
from migrator.batching.storage.stores import Patience, Store, each
from migrator.batching.task import LEDGER
from migrator.errors import FormatError, MigratorError, StorageError, UsageError
from migrator.formats.checkpoint.locate import is_shard_of
from migrator.formats.sniff import sniff
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.places.addresses import (
    last_part,
    pattern_base,
    protocol_of,
    shown,
)
from migrator.places.faults import MISSING
from migrator.places.source import ByteSource

_AT_A_TIME = 16
_WINDOW = 1 << 14
"""Bytes that are read at once of an object that is looked at."""
OTHER_MESSAGE = "its first bytes are"
"""How sniffing ends on sound protobuf of another kind, such as statistics or a vocabulary."""
_PARTS = frozenset(("fingerprint.pb", "keras_metadata.pb", "tfhub_module.pb"))
_HTTP = ("http", "https")


def twin_reason(name: str, beside: Collection[str]) -> str | None:
    """Why a graph as text is none to migrate, by the files ``beside`` it; None where it may be."""
    if name == "saved_model.pbtxt" and "saved_model.pb" in beside:
        return "is as text what lies beside it as saved_model.pb"
    if name == "graph.pbtxt" and any(other.endswith(".meta") for other in beside):
        return "is the graph of the checkpoints beside it, as text"
    return None


class RemoteTrees:
    """Addresses to those of the models below them. Keeps what a listing tells of each.

    An address of one model stands for itself. ``leave_out``: an address, DEST for one, below which
    nothing is a source.
    """

    def __init__(
        self,
        *,
        leave_out: str = "",
        patience: Patience | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._leave_out = f"{leave_out.rstrip('/')}/" if leave_out else ""
        self._patience = patience
        self._limits = limits
        self.stamps: dict[str, Stamp] = {}
        """By address of each model found in a tree."""
        self.skipped: list[Skipped] = []

    def __call__(self, address: str) -> list[str]:
        """Raises StorageError, and UsageError for a tree without models."""
        if protocol_of(address) in _HTTP:  # its folders are pages, with links to anywhere
            return [address]
        base = pattern_base(address)
        if base is None and _is_one(address):
            return [address]
        store = Store(base or address, self._patience)
        fits = None if base is None else _Pattern(address, store)
        objects = store.files_below(store.path)
        objects.pop(store.path, None)
        files = (
            remote_file(path, store.address_of(path), info)
            for path, info in sorted(objects.items())
        )
        results = _results_in(objects, store.path)
        for folder in results:
            place = shown(store.address_of(folder.rstrip("/")))
            self.skipped.append(Skipped(source=place, reason="holds the results of a batch"))
        kept = [
            file
            for file in files
            if not (self._is_left_out(file.name) or file.path.startswith(results))
        ]
        found = list(self._models(store, kept, fits))
        if found:
            return found
        if base is not None:
            raise UsageError("fits no model", where=shown(address))
        if objects:
            raise UsageError("no model is found below it", where=shown(address))
        if store.info(store.path) is None and not _is_checkpoint(store):
            raise StorageError(
                "there is nothing at this address", kind=MISSING, where=shown(address)
            )
        return [address]

    def _is_left_out(self, address: str) -> bool:
        return bool(self._leave_out) and address.startswith(self._leave_out)

    def _models(
        self, store: Store, files: Iterable[RemoteFile], fits: _Pattern | None
    ) -> Iterator[str]:
        """In the order of their addresses. ``name`` of a file is its address here."""
        candidates = [
            item for item in _candidates(files) if fits is None or fits(store, item.files[0].path)
        ]
        unsure = [item for item in candidates if item.is_unsure]
        verdicts: dict[str, str | None] = {}
        for item, reason in each(self._looked_at(store), unsure, jobs=_AT_A_TIME):
            verdicts[item.address] = reason
        for item in candidates:
            reason = verdicts.get(item.address, item.reason)
            if reason is None:
                self.stamps[item.address] = _stamp(item)
                yield item.address
            elif reason:
                self.skipped.append(Skipped(source=shown(item.address), reason=reason))

    def _looked_at(self, store: Store) -> _Look:
        return _Look(store, self._limits)


def _results_in(objects: Iterable[str], top: str) -> tuple[str, ...]:
    """The folders below ``top``, with a slash, that hold the results of batches."""
    found: list[str] = []
    for path in sorted(objects):
        folder, _, name = path.rpartition("/")
        is_below = len(folder) > len(top.rstrip("/")) and not folder.startswith(tuple(found))
        if name == LEDGER and is_below and f"{folder}/batch.json" in objects:
            found.append(f"{folder}/")
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    address: str
    files: tuple[RemoteFile, ...]
    beside: Collection[str] = ()
    """Names in the same folder."""
    is_unsure: bool = False
    reason: str | None = None
    """Why it is none; "" where nobody needs to know."""


def _candidates(files: Iterable[RemoteFile]) -> Iterator[_Candidate]:
    folders: dict[str, dict[str, RemoteFile]] = defaultdict(dict)
    for file in files:
        folder, _, name = file.name.rpartition("/")
        folders[folder][name] = file
    saved = {
        folder for folder, names in folders.items() if not names.keys().isdisjoint(SAVED_MODELS)
    }
    inner: dict[str, list[RemoteFile]] = defaultdict(list)
    for folder in list(folders):
        if (owner := _owner(folder, saved)) is not None:
            inner[owner] += folders.pop(folder).values()
    for folder in sorted(folders):
        names = folders[folder]
        if folder in saved:
            own = [*names.values(), *inner[folder]]
            parts = {file.name[len(folder) + 1 :]: file for file in own}
            wanted = saved_model_parts(parts)
            yield _Candidate(address=folder, files=tuple(parts[name] for name in wanted))
        yield from _in_folder(names, is_saved_model=folder in saved)


def _owner(folder: str, saved: set[str]) -> str | None:
    """The SavedModel that has ``folder`` as one of its own."""
    parts = folder.split("/")
    for end in range(len(parts) - 1, 0, -1):
        if parts[end] in ("variables", "assets", "assets.extra"):
            above = "/".join(parts[:end])
            if above in saved:
                return above
    return None


def _in_folder(names: Mapping[str, RemoteFile], *, is_saved_model: bool) -> Iterator[_Candidate]:
    for name, file in names.items():
        folded = name.lower()
        if name in SAVED_MODELS or (is_saved_model and name in _PARTS):
            continue
        if folded.endswith(".meta"):
            prefix = name.removesuffix(".meta")
            beside = _checkpoint_files(names, prefix)
            is_sure = f"{prefix}.index" in names
            yield _Candidate(address=file.name, files=(file, *beside), is_unsure=not is_sure)
        elif folded.endswith(".index"):
            if f"{name.removesuffix('.index')}.meta" not in names:
                reason = "is weights without a graph"
                yield _Candidate(address=file.name, files=(file,), reason=reason)
        elif folded.endswith(SINGLE):
            yield _Candidate(address=file.name, files=(file,), is_unsure=True, beside=names.keys())


def _checkpoint_files(names: Mapping[str, RemoteFile], prefix: str) -> list[RemoteFile]:
    own = [f"{prefix}.index", prefix, *(name for name in names if is_shard_of(name, prefix))]
    return [names[name] for name in sorted(own) if name in names]


def _stamp(item: _Candidate) -> Stamp:
    """As ``stamps.stamp_of`` has it for the same model alone."""
    model = RemoteModel(files=tuple(sorted(item.files, key=lambda file: file.path)))
    return Stamp(value=digest_of(model.lines()), bytes=model.bytes)


class _Pattern:
    """Whether a path, or a folder that it is in, fits a pattern."""

    def __init__(self, address: str, store: Store) -> None:
        from fsspec.utils import glob_translate

        text = store.fs._strip_protocol(address)
        self._fits = re.compile(glob_translate(text))

    def __call__(self, store: Store, path: str) -> bool:
        while len(path) > len(store.path):
            if self._fits.match(path):
                return True
            path = path.rpartition("/")[0]
        return False


class _Look:
    """Why an object is no model to migrate, by its bytes: None for one that is, "" for no matter.

    Raises StorageError.
    """

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    def __call__(self, item: _Candidate) -> str | None:
        file = item.files[0]
        name = last_part(item.address).lower()
        source = ByteSource(_Ranges(self._store, file), name=item.address, size=max(file.size, 0))
        try:
            found = sniff(source, self._limits)
        except FormatError as error:
            # So it is called, and it is nothing else: it was to be a model.
            is_spoilt = not error.hint.startswith(OTHER_MESSAGE)
            return None if is_spoilt and name.endswith((".pb", ".h5", ".hdf5", ".keras")) else ""
        except StorageError:
            raise
        except MigratorError as error:
            return error.what
        if found.format == "tflite":
            return "is a TFLite model already"
        if found.format is not None and found.format.endswith("_text"):
            return twin_reason(last_part(item.address), item.beside)
        if found.format in (None, "checkpoint", "hub_module"):
            return f"is {found.what}"
        return None


class _Ranges(io.BytesIO):
    """An object as a file that is read at few places, a window at each."""

    def __init__(self, store: Store, file: RemoteFile) -> None:
        super().__init__()
        self._store = store
        self._file = file
        self._position = 0
        self._start = 0
        self._data = b""

    def seek(self, position: int, whence: int = 0) -> int:
        self._position = position
        return position

    def read(self, size: int | None = -1, /) -> bytes:
        count = self._file.size - self._position if size is None or size < 0 else size
        begin = self._position - self._start
        if begin < 0 or begin + count > len(self._data):
            stop = min(self._position + max(count, _WINDOW), self._file.size)
            path = self._file.path
            self._data = self._store.ask(
                "cat_file", path, start=self._position, end=stop, path=path
            )
            self._start, begin = self._position, 0
        found = self._data[begin : begin + count]
        self._position += len(found)
        return found


def _is_one(address: str) -> bool:
    name = last_part(address).lower()
    return name in SAVED_MODELS or name.endswith((*SINGLE, ".meta", ".index"))


def _is_checkpoint(store: Store) -> bool:
    from migrator.batching.storage.objects import objects_of

    try:
        objects_of(store)
    except StorageError as error:
        if error.kind == MISSING:
            return False
        raise
    return True
