"""From what a batch was given to its models: files, trees, globs, addresses and manifests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from glob import has_magic, iglob

from migrator.actions.crew import Crew
from migrator.auditing.discovery.discover import Found, Packed, discover_packed
from migrator.auditing.discovery.globs import PathGlobs
from migrator.auditing.examine import Order, examine
from migrator.auditing.finding import AuditedModel, Skipped
from migrator.batching.manifest.earlier_results import REASON, EarlierResults
from migrator.batching.manifest.entry import Entry
from migrator.batching.manifest.faults import Faults
from migrator.batching.manifest.packed import (
    NAMED,
    TIMEOUT,
    Item,
    models_in,
    not_searched,
    why_not,
)
from migrator.batching.manifest.reading import (
    format_by_content,
    format_by_name,
    path_fault,
    read_drafts,
)
from migrator.batching.manifest.settle import Draft, stem
from migrator.batching.names import ancestors, folded, safe_name, unique_names
from migrator.batching.storage.trees import OTHER_MESSAGE
from migrator.errors import FormatError, MigratorError
from migrator.formats.checkpoint.locate import first_file
from migrator.formats.keras.weights_alone import holds_weights_alone
from migrator.formats.load import model_file
from migrator.formats.names import SAVED_MODEL_FILES
from migrator.formats.sniff import sniff
from migrator.formats.staging import archive_of
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.places.addresses import is_remote, local_path, pattern_base, shown
from migrator.places.place import LocalPlace
from migrator.places.source import ByteSource

Expand = Callable[[str], Iterable[str]]
"""From an address to those of the models below it."""
_LOOK = 60.0
"""Seconds to see whether a file is a model, where neither its name nor its first bytes say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The models of a batch, and what was found beside them that is none to migrate."""

    entries: tuple[Entry, ...]
    skipped: tuple[Skipped, ...] = ()


def read_entries(
    sources: Iterable[str | os.PathLike[str]], *, limits: Limits = DEFAULT_LIMITS
) -> tuple[Entry, ...]:
    """The models of ``sources``, see ``list_sources``."""
    return list_sources(sources, limits=limits).entries


def list_sources(
    sources: Iterable[str | os.PathLike[str]],
    *,
    exclude: Sequence[str] = (),
    expand: Expand | None = None,
    jobs: int = 1,
    limits: Limits = DEFAULT_LIMITS,
) -> Listing:
    """The models of ``sources``: model files, SavedModel folders, trees, globs, manifests.

    In trees models are told by content. A model that a manifest describes and that lies in a tree
    too is the manifest's. Results of batches in a tree are no sources. ``exclude`` are patterns of
    what is left out of trees, DEST for one; ``expand`` lists the models below an address, which
    else stands for one model itself.

    Raises ManifestError with everything that is wrong with manifests and sources.
    """
    named = [local_path(os.fspath(source)) for source in sources]
    faults = Faults()
    if not named:
        faults.add("no source is given; name models, trees or a manifest")
    search = _Search(PathGlobs(exclude), limits, jobs, faults)
    found = [_Source(name, search.kind(name)) for name in named]
    drafts = [_drafts(source, search, expand, faults) for source in found]
    _check_names([item for some in drafts for item in some], faults)
    if not any(drafts) and not faults.count:
        faults.add(f"no model is found in {', '.join(map(shown, named))}")
    faults.check()
    described = {
        _key(draft.entry.source)
        for source, some in zip(found, drafts, strict=True)
        for draft in (some if source.is_manifest else ())
    }
    kept: list[Draft] = []
    for source, some in zip(found, drafts, strict=True):
        for draft in some:
            key = _key(draft.entry.source)
            if not source.is_manifest:
                if key in described:
                    continue
                described.add(key)
            kept.append(draft)
    return Listing(entries=tuple(_named(kept)), skipped=tuple(search.skipped))


@dataclass(frozen=True, slots=True)
class _Source:
    name: str
    kind: str

    @property
    def is_manifest(self) -> bool:
        return self.kind not in ("", _ADDRESS, _MISSING, _GLOB, _MODEL)


_ADDRESS, _MISSING, _GLOB, _MODEL = "address", "missing", "glob", "model"


def _drafts(source: _Source, search: _Search, expand: Expand | None, faults: Faults) -> list[Draft]:
    if source.kind == _MISSING:
        faults.add(path_fault("source", source.name) or "is nothing that can be read")
        return []
    if source.kind == _ADDRESS:
        return _remote(source.name, expand, faults)
    if source.kind in (_GLOB, _MODEL):
        return list(search.models(source))
    return read_drafts(source.name, source.kind, faults)


def _remote(address: str, expand: Expand | None, faults: Faults) -> list[Draft]:
    if format_by_name(address):
        faults.add("a manifest is read from a file here; copy it first", file=shown(address))
        return []
    try:
        models = [address] if expand is None else list(expand(address))
    except MigratorError as error:
        faults.add(str(error))
        return []
    top = (pattern_base(address) or address).rstrip("/")
    drafts = []
    for model in models:
        below = model.removeprefix(top).strip("/") if model.startswith(f"{top}/") else ""
        wanted = safe_name(stem(below) if below else stem(model.rstrip("/").rpartition("/")[2]))
        drafts.append(Draft(entry=Entry(name="", source=model), wanted=wanted))
    return drafts


class _Search:
    """Models in files, trees and globs."""

    def __init__(self, exclude: PathGlobs, limits: Limits, jobs: int, faults: Faults) -> None:
        self._exclude = exclude
        self._limits = limits
        self._jobs = jobs
        self._faults = faults
        self._results = EarlierResults()
        self._skipped_results: set[str] = set()
        self.skipped: list[Skipped] = []

    def kind(self, name: str) -> str:
        """What a source is: one of the kinds above, or the format of a manifest."""
        if is_remote(name):
            return _ADDRESS
        if not name or "\0" in name:
            return _MISSING
        if os.path.isfile(name):
            format = format_by_name(name)
            if format and not name.lower().endswith(".json"):
                return format
            return _MODEL if self._is_model(name) else format_by_content(name) or _MODEL
        if os.path.lexists(name) or not path_fault("source", name):
            return _MODEL
        return _GLOB if has_magic(name) else _MISSING

    def _is_model(self, path: str) -> bool:
        try:
            return sniff(ByteSource.open(path), self._limits).format is not None
        except (MigratorError, OSError):
            return False

    def models(self, source: _Source) -> Iterator[Draft]:
        """Those of a path, or of all paths that a pattern fits, named from its folder."""
        if source.kind == _MODEL:
            yield from self._below([source.name], source.name)
            return
        base = _fixed(source.name)
        if "**" in source.name:
            globs = PathGlobs([source.name if "/" in source.name else f"./{source.name}"])
            drafts = self._below([base or "."], base, lambda path: globs.fits_path(path))
        else:
            drafts = self._below(sorted(iglob(source.name)), base)
        first = next(drafts, None)
        if first is None:
            self._faults.add("fits no model", file=source.name)
            return
        yield first
        yield from drafts

    def _below(
        self, paths: Iterable[str], base: str, fits: Callable[[str], bool] | None = None
    ) -> Iterator[Draft]:
        vague: list[Found] = []
        packed: list[str] = []
        order: list[Draft | Found | Packed] = []
        for item in discover_packed(paths, exclude=self._exclude, limits=self._limits):
            path = item.source if isinstance(item, Skipped) else item.path
            if fits is not None and not fits(path):
                continue
            if results := self._results.above(path, base):
                self._skip_results(results)
                continue
            if isinstance(item, Skipped):
                if _is_spoilt(path, self._limits):
                    order.append(_draft(path, base))
                else:
                    self.skipped.append(item)
            elif isinstance(item, Packed):
                packed.append(path)
                order.append(item)
            elif archive_of(path):  # Keras might take any zip archive
                packed.append(path)
                order.append(Packed(path=path, asked=item.asked or item.named))
            elif item.asked:
                order.append(_draft(path, base))
            elif (why := self._no_source(path)) is not None:
                self.skipped.append(Skipped(source=path, reason=why))
            elif item.named:
                order.append(_draft(path, base))
            else:
                vague.append(item)
                order.append(item)
        confirmed = self._confirmed(vague)
        inside = self._inside(packed)
        for one in order:
            if isinstance(one, Draft):
                yield one
            elif isinstance(one, Packed):
                yield from self._unpacked(one, inside[one.path], base)
            elif one.path in confirmed:
                yield _draft(one.path, base)

    def _skip_results(self, folder: str) -> None:
        if folder not in self._skipped_results:
            self._skipped_results.add(folder)
            self.skipped.append(Skipped(source=folder, reason=REASON))

    def _no_source(self, path: str) -> str | None:
        """Why a model is nothing to migrate; None where it may be."""
        try:
            found = sniff(ByteSource.open(path), self._limits).format or ""
        except (MigratorError, OSError):
            return None
        if found == "keras_h5" and holds_weights_alone(path):
            return "is weights without a model"
        folder, name = os.path.split(path)
        return why_not(found, name, os.listdir(folder or ".") if found.endswith("_text") else [])

    def _unpacked(self, packed: Packed, items: tuple[Item, ...], base: str) -> Iterator[Draft]:
        """The models of what is packed; what was named and has none says so when it is read."""
        models = [item.path for item in items if isinstance(item, Found)]
        self.skipped += [item for item in items if isinstance(item, Skipped)]
        if packed.asked and not models:
            models = [packed.path]
        elif packed.reason and not items:
            self.skipped.append(Skipped(source=packed.path, reason=packed.reason))
        for path in models:
            yield _draft(path, base)

    def _inside(self, packed: Sequence[str]) -> dict[str, tuple[Item, ...]]:
        """What is in each; they are opened in processes that may die."""
        if not packed:
            return {}
        size = min(len(packed), max(1, self._jobs))
        with Crew(models_in, self._limits, not_searched, size=size, timeout=TIMEOUT) as crew:
            return dict(zip(packed, crew.results(packed), strict=True))

    def _confirmed(self, vague: Sequence[Found]) -> frozenset[str]:
        """The paths of those that are models indeed; each is read in a process that may die."""
        if not vague:
            return frozenset()
        order = Order(codes=(), sketch=False, limits=self._limits)
        with Crew(_examined, order, _unseen, size=max(1, self._jobs), timeout=_LOOK) as crew:
            return frozenset(path for path in crew.results(vague) if path)


def _examined(found: Found, order: Order) -> str:
    return found.path if isinstance(examine(found, order), AuditedModel) else ""


def _unseen(found: Found, reason: str) -> str:
    """What cannot even be looked at in time is a model for all we know, and will be told."""
    return found.path


def _is_spoilt(path: str, limits: Limits) -> bool:
    """Whether a file that is no model was to be one: so it is called, and it is nothing else."""
    name = path.lower()
    if name.endswith(".meta"):
        return first_file(LocalPlace(path[: -len(".meta")])) is not None
    if not name.endswith(NAMED) or os.path.isdir(path):
        return False
    try:
        sniff(ByteSource.open(path), limits)
    except FormatError as error:
        return not error.hint.startswith(OTHER_MESSAGE)
    except (MigratorError, OSError):
        return True
    return False


def _draft(path: str, base: str) -> Draft:
    """A model that was found at ``path``, below ``base`` (a file or a folder; "" is here)."""
    folder, name = os.path.split(path)
    source = (folder or ".") if name in SAVED_MODEL_FILES else path
    top = base if os.path.isdir(base or ".") else os.path.dirname(base)
    below = os.path.relpath(path, top or ".")
    if below in (*SAVED_MODEL_FILES, os.curdir) or below.startswith(os.pardir):
        below = os.path.basename(os.path.abspath(source))
    return Draft(
        entry=Entry(name="", source=source), wanted=safe_name(stem(below.replace(os.sep, "/")))
    )


def _fixed(pattern: str) -> str:
    """The folder before the first part of a pattern that is one."""
    parts = pattern.split("/")
    number = next(number for number, part in enumerate(parts) if has_magic(part))
    return "/".join(parts[:number]) or ("/" if pattern.startswith("/") else "")


def _key(source: str) -> str:
    """The same for all ways to name one model."""
    if is_remote(source) or archive_of(source):
        folder, _, name = source.rstrip("/").rpartition("/")
        if not is_remote(source):
            return os.path.realpath(folder if name in SAVED_MODEL_FILES else source)
        return folder if name in SAVED_MODEL_FILES else source.rstrip("/")
    try:
        return os.path.realpath(model_file(source))
    except (MigratorError, OSError, ValueError):
        return os.path.realpath(source)


def _check_names(drafts: Sequence[Draft], faults: Faults) -> None:
    """Names that were written must differ, and none may lie inside of another."""
    first: dict[str, Entry] = {}
    written = [draft.entry for draft in drafts if draft.entry.name]
    for entry in written:
        before = first.setdefault(folded(entry.name), entry)
        if before is not entry:
            same = "" if before.name == entry.name else f", {before.name!r} on some file systems"
            text = f"name: {entry.name!r} is given twice{same} (first in {_place(before, entry)})"
            faults.add(text, file=entry.file, line=entry.line)
    for entry in written:
        for above in ancestors(folded(entry.name)):
            if above in first:
                holder = first[above]
                text = (
                    f"name: {entry.name!r} lies inside of the folder of the model "
                    f"{holder.name!r} ({_place(holder, entry)})"
                )
                faults.add(text, file=entry.file, line=entry.line)


def _place(entry: Entry, other: Entry) -> str:
    line = f"line {entry.line}"
    return line if entry.file == other.file else f"{entry.file}, {line}"


def _named(drafts: Sequence[Draft]) -> Iterator[Entry]:
    """Entries with their names; those that nobody wrote get what is free."""
    taken = [draft.entry.name for draft in drafts if draft.entry.name]
    names = iter(unique_names([d.wanted for d in drafts if not d.entry.name], taken))
    for draft in drafts:
        entry = draft.entry
        yield entry if entry.name else replace(entry, name=next(names))
