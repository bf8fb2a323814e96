"""A place in an archive, and what an archive has to offer for it."""

from __future__ import annotations

from abc import ABC, abstractmethod

from migrator.errors import FormatError, MigratorError
from migrator.places.place import Place, check_part
from migrator.places.source import ByteSource
from migrator.places.tree import Member, Tree
from migrator.places.visit import Visit

_MOST_OPEN = 64
"""Members that stay open: each may hold a megabyte, and an archive has as many as it likes."""


class Archive(ABC):
    """An archive at ``outer``, listed. Its members are opened when they are asked for."""

    kind = ""

    def __init__(self, outer: Place, visit: Visit) -> None:
        self.outer = outer
        self.visit = visit
        self.tree = Tree(visit.limits, str(outer))
        self._open: dict[int, ByteSource] = {}

    @abstractmethod
    def bytes_of(self, member: Member, name: str) -> ByteSource:
        """The bytes of a file of its tree. Raises MigratorError where they cannot be had."""

    def open(self, member: Member, name: str) -> ByteSource:
        """The same; one that was decompressed lately is not so again."""
        source = self._open.pop(id(member), None)
        if source is None:
            source = self.bytes_of(member, name)
            source.deadline = self.visit.deadline
        self._open[id(member)] = source  # at the end: the first is the one not used for longest
        if len(self._open) > _MOST_OPEN:
            self._open.pop(next(iter(self._open)), None)
        return source


class MemberPlace(Place):
    """A file or a folder in an archive; its top, with no ``parts``, is the archive as a folder."""

    __slots__ = ("archive", "parts")

    def __init__(self, archive: Archive, parts: tuple[str, ...] = ()) -> None:
        self.archive = archive
        self.parts = parts

    def __str__(self) -> str:
        return "/".join((str(self.archive.outer), *self.parts))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, MemberPlace)
            and self.archive is other.archive
            and self.parts == other.parts
        )

    def __hash__(self) -> int:
        return hash((id(self.archive), self.parts))

    @property
    def base(self) -> str:
        return self.parts[-1] if self.parts else self.archive.outer.base

    @property
    def parent(self) -> Place:
        if not self.parts:
            return self.archive.outer.parent
        return MemberPlace(self.archive, self.parts[:-1])

    def child(self, *parts: str) -> MemberPlace:
        for part in parts:
            check_part(part, str(self))
        return MemberPlace(self.archive, (*self.parts, *parts))

    def exists(self) -> bool:
        try:
            return self.archive.tree.find(self.parts) is not None
        except MigratorError:
            return False

    def is_file(self) -> bool:
        try:
            found = self.archive.tree.find(self.parts)
        except MigratorError:
            return False
        return isinstance(found, Member) and found.kind == "file"

    def is_folder(self) -> bool:
        try:
            return isinstance(self.archive.tree.find(self.parts), dict)
        except MigratorError:
            return False

    def size(self) -> int:
        return self._member().size

    def names(self) -> list[str]:
        found = self.archive.tree.find(self.parts)
        if not isinstance(found, dict):
            raise self._bad("is no folder" if found else "is not in the archive")
        return sorted(found)

    def open(self) -> ByteSource:
        name = str(self)
        # Errors tell it, and archives may name their members as they like.
        return self.archive.open(self._member(), name if name.isprintable() else ascii(name)[1:-1])

    @property
    def visit(self) -> Visit:
        return self.archive.visit

    @property
    def notes(self) -> tuple[str, ...]:
        return (*self.archive.outer.notes, *self.archive.tree.notes)

    def _member(self) -> Member:
        found = self.archive.tree.find(self.parts)
        if found is None:
            raise self._bad("is not in the archive")
        if isinstance(found, dict):
            raise self._bad("is not a regular file but a folder")
        if found.kind != "file":
            raise self._bad(f"is {found.kind}")
        return found

    def _bad(self, what: str) -> MigratorError:
        return FormatError(what, where=ascii(str(self))[1:-1])


class UnpackedPlace(Place):
    """The one file that a ``.gz`` (bzip2, xz) holds. It goes by the name of what holds it."""

    __slots__ = ("_source", "_visit", "kind", "outer")

    def __init__(self, outer: Place, source: ByteSource, kind: str, visit: Visit) -> None:
        self.outer = outer
        self.kind = kind
        self._source = source
        self._visit = visit

    def __str__(self) -> str:
        return str(self.outer)

    @property
    def base(self) -> str:
        """Without its ending: ``model.meta`` for ``model.meta.gz``."""
        stem, dot, ending = self.outer.base.rpartition(".")
        is_packing = dot and stem and ending.lower() in ("gz", "gzip", "bz2", "xz")
        return stem if is_packing else self.outer.base

    @property
    def parent(self) -> Place:
        return self.outer.parent

    def child(self, *parts: str) -> Place:
        return self.outer.child(*parts)

    def exists(self) -> bool:
        return True

    def is_file(self) -> bool:
        return True

    def is_folder(self) -> bool:
        return False

    def size(self) -> int:
        return self._source.size

    def names(self) -> list[str]:
        raise MigratorError("is no folder", where=str(self))

    def open(self) -> ByteSource:
        return self._source

    @property
    def visit(self) -> Visit:
        return self._visit

    @property
    def notes(self) -> tuple[str, ...]:
        return self.outer.notes
