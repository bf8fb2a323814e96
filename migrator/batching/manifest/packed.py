"""The models in what is packed: archives of a tree, and files that were compressed alone.

Each archive is looked through in a process of its own, opened once. Its members are told as a
tree's files are; a model goes by the name that ``load`` takes, ``zoo.tar.gz/a/frozen.pb``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from migrator.auditing.discovery.discover import (
    Found,
    Level,
    belongs,
    is_named,
    is_part,
    reason_of,
)
from migrator.auditing.discovery.shapes import Look, Shape, look_in
from migrator.auditing.finding import Skipped
from migrator.batching.storage.trees import OTHER_MESSAGE, twin_reason
from migrator.errors import FormatError, LimitError, MigratorError, UnsupportedFormat
from migrator.formats.foreign import MESSAGES
from migrator.formats.keras.weights_alone import is_weights_alone
from migrator.formats.load import load
from migrator.formats.sniff import sniff
from migrator.limits import Limits
from migrator.places.archive import MemberPlace, UnpackedPlace
from migrator.places.packing import BLOCK, STREAMS, head_of, is_tar, packing_of
from migrator.places.place import Place
from migrator.places.resolve import NESTED, opened, place_of
from migrator.places.source import ByteSource
from migrator.places.visit import Visit

Item = Found | Skipped
TIMEOUT = 120.0
"""Seconds for one archive."""
NAMED = (".pb", ".h5", ".hdf5", ".keras")
"""A file so called was to be a model, where it is nothing else."""
_MOST = 20_000
"""Models and others of one archive that are told."""
_HEAD = 64 << 10
"""Bytes of a compressed file that are decompressed to see whether the rest is worth it."""
_JUNK = "__MACOSX"
_ARCHIVE = re.compile(
    r"(?:\.zip|\.tar|\.t[gbx]z2?|\.tar\.\w{1,5}|(?:\.pb|\.pbtxt|\.meta|\.h5|\.hdf5|\.keras)\.\w{1,5})\Z"
)
"""What is called so is there for the models in it, as far as a name tells."""
_SHARD = re.compile(r"(?P<prefix>.+)\.data-\d{5,}-of-\d{5,}", re.DOTALL)


def models_in(path: str, limits: Limits) -> tuple[Item, ...]:
    """The models in a packed file, and what in it is recognised and nothing to migrate.

    What cannot be opened, and is called as archives are, stands for itself: who works on it says
    what is wrong. Raises nothing but what stops the program.
    """
    try:
        visit = Visit(limits)
        looking = _Looking(visit)
        found = tuple(islice(looking.within(place_of(path, limits, visit)), _MOST))
        if looking.unreadable and not any(isinstance(item, Found) for item in found):
            return (*found, Skipped(source=path, reason=looking.unreadable))
        return found
    except (FormatError, UnsupportedFormat) as error:
        if _ARCHIVE.search(path.lower()):
            return (Found(path=path, named=True),)
        return (Skipped(source=path, reason=reason_of(error, path)),)
    except MigratorError as error:
        return (Skipped(source=path, reason=reason_of(error, path)),)
    except MemoryError:
        return (Skipped(source=path, reason="needs more memory than there is to be searched"),)
    except OSError as error:
        return (Skipped(source=path, reason=f"cannot be read: {error.strerror or error}"),)
    except Exception as error:  # a reader's own fault: say so, go on
        reason = f"searching it failed: {type(error).__name__}: {error}"
        return (Skipped(source=path, reason=reason),)


def not_searched(path: str, reason: str) -> tuple[Item, ...]:
    """What a crew says of an archive that passed a bound or ended its process."""
    return (Skipped(source=path, reason=f"searching it for models {reason}"),)


class _Looking:
    """One look through an archive and those in it, within one visit's limits."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._limits = visit.limits
        self.unreadable = ""

    def within(self, place: Place, depth: int = NESTED) -> Iterator[Item]:
        """What there is at ``place``, an archive or in one. Raises MigratorError."""
        if isinstance(place, MemberPlace) and place.is_folder():
            yield from self._below(place, depth)
            return
        if not self._is_worth_it(place):
            return
        top = opened(place, self._visit)
        if isinstance(top, MemberPlace) and top is not place:
            yield from self._below(top, depth)
        elif isinstance(top, UnpackedPlace) and top is not place:
            yield from self._one(top, Level("", frozenset(), frozenset((top.base,))), depth)
        else:
            yield Found(path=str(place), named=True)

    def _is_worth_it(self, place: Place) -> bool:
        """False for a table or a picture that was compressed: it may be large."""
        source = place.open()
        kind = packing_of(source)
        if kind not in STREAMS:
            return True
        head = head_of(source, kind, _HEAD)
        if is_tar(head[:BLOCK]):
            return True
        inner = ByteSource.of_bytes(head, name=str(place))
        try:
            found = sniff(inner, self._limits)
        except MigratorError:  # cut where it is, for one
            return True
        return found.format is not None or found.what in MESSAGES or packing_of(inner) is not None

    def _below(self, top: MemberPlace, depth: int) -> Iterator[Item]:
        tree = top.archive.tree
        for parts, inner in tree.files(top.parts):
            if _JUNK in parts:
                continue
            above = tree.find(parts[:-1]) if parts else None
            beside = frozenset(above) if isinstance(above, dict) else frozenset[str]()
            folder = MemberPlace(top.archive, parts)
            level = Level(str(folder), beside, frozenset(inner))
            for name, node in sorted(inner.items()):
                self._visit.deadline.check(str(top))
                # What a link leads to in the archive is told by its own name.
                is_file = not isinstance(node, dict) and node.kind == "file"
                if is_file and not name.startswith("._") and not _is_shard(name, level):
                    yield from self._one(folder.child(name), level, depth)

    def _one(self, place: Place, level: Level, depth: int) -> Iterator[Item]:
        """What is made of one file, as ``discover`` makes it of one on disk."""
        path, name = str(place), place.base
        try:
            source = place.open()
            look = look_in(source, path, self._limits)
            if look.shape is Shape.NONE and packing_of(source) is not None:
                yield from self._nested(place, depth)
                return
            found = self._told(place, name, source, look, level)
        except MigratorError as error:
            found = self._failed(path, name, error)
        if found is not None:
            yield found

    def _told(
        self, place: Place, name: str, source: ByteSource, look: Look, level: Level
    ) -> Item | None:
        path = str(place)
        if look.shape is Shape.NONE:
            if not is_named(name) or is_part(name, level):
                return None
            if self._is_spoilt(source, name, level):
                return Found(path=path, named=True)
            return Skipped(source=path, reason=look.reason)
        if look.shape is Shape.CHECKPOINT and belongs(name, level):
            return None
        format = sniff(source, self._limits).format or ""
        reason = why_not(format, name, level.entries)
        if reason is None and format == "keras_h5" and is_weights_alone(source):
            reason = "is weights without a model"
        if reason is not None:
            return Skipped(source=path, reason=reason)
        if look.shape is Shape.MODEL or is_named(name) or self._is_model(place, format):
            return Found(path=path, named=True)
        return None

    def _nested(self, place: Place, depth: int) -> Iterator[Item]:
        if depth <= 1:
            reason = f"is an archive in more than {NESTED - 1} others"
            yield Skipped(source=str(place), reason=reason)
            return
        try:
            yield from self.within(place, depth - 1)
        except LimitError as error:
            self._visit.deadline.check(str(place))
            yield Skipped(source=str(place), reason=reason_of(error, str(place)))
        except MigratorError as error:
            yield Skipped(source=str(place), reason=reason_of(error, str(place)))

    def _failed(self, path: str, name: str, error: MigratorError) -> Item | None:
        self._visit.deadline.check(path)
        if name.lower().endswith(NAMED):
            return Found(path=path, named=True)
        reason = reason_of(error, path)
        if is_named(name) or isinstance(error, LimitError):
            return Skipped(source=path, reason=reason)
        self.unreadable = self.unreadable or f"holds what cannot be read: {error}"
        return None

    def _is_spoilt(self, source: ByteSource, name: str, level: Level) -> bool:
        folded = name.lower()
        if folded.endswith(".meta"):
            prefix = name[: -len(".meta")]
            return not level.entries.isdisjoint((prefix, f"{prefix}.index"))
        if not folded.endswith(NAMED):
            return False
        try:
            sniff(source, self._limits)
        except FormatError as error:
            return not error.hint.startswith(OTHER_MESSAGE)
        return False

    def _is_model(self, place: Place, format: str) -> bool:
        """Whether what neither its name nor its first bytes tell can be read as one."""
        if format.startswith("keras"):
            return True
        try:
            model = load(place, limits=self._limits)
        except MigratorError:
            return False
        return any(node.op[:1].isupper() for meta in model.meta_graphs for node in meta.graph.nodes)


def why_not(format: str, name: str, beside: frozenset[str] | list[str]) -> str | None:
    """Why a model of ``format`` is nothing to migrate; None where it may be."""
    if format == "tflite":
        return "is a TFLite model already"
    if format == "checkpoint":
        return "is weights without a graph"
    return twin_reason(name, beside) if format.endswith("_text") else None


def _is_shard(name: str, level: Level) -> bool:
    """The data of a checkpoint whose index is there: nothing to read for who looks for graphs."""
    found = _SHARD.fullmatch(name)
    return found is not None and f"{found['prefix']}.index" in level.entries
