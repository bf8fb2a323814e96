"""Place: a file or a folder that may be there or not, on disk, in an archive or at an address."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from migrator.errors import MigratorError
from migrator.places.source import ByteSource

if TYPE_CHECKING:
    from migrator.places.visit import Visit


class Place(ABC):
    """A name that something may lie under. Looking at it raises nothing but MigratorError.

    ``str(place)`` is its whole name as it is shown and as ``load`` takes it again.
    """

    __slots__ = ()

    @abstractmethod
    def __str__(self) -> str: ...

    @property
    @abstractmethod
    def base(self) -> str:
        """The last part of its name."""

    @property
    @abstractmethod
    def parent(self) -> Place: ...

    @abstractmethod
    def child(self, *parts: str) -> Place:
        """What lies under it by these names, each of one part.

        Raises MigratorError for a part that leads elsewhere (``..``, ``a/b``, a NUL).
        """

    @abstractmethod
    def exists(self) -> bool:
        """Whether anything is there, of whatever kind."""

    @abstractmethod
    def is_file(self) -> bool:
        """False also for what cannot be looked at."""

    @abstractmethod
    def is_folder(self) -> bool:
        """False also for what cannot be looked at."""

    @abstractmethod
    def size(self) -> int:
        """Bytes of a file. Raises MigratorError where there is none."""

    @abstractmethod
    def names(self) -> list[str]:
        """The last parts of what lies in a folder, sorted. Raises MigratorError for no folder."""

    @abstractmethod
    def open(self) -> ByteSource:
        """The bytes of a file. Raises MigratorError where there is none, or it cannot be read."""

    def glance(self) -> ByteSource:
        """The same for who wants to know what it is, and no more: what is far sends less."""
        return self.open()

    @property
    def path(self) -> Path | None:
        """Its path on disk; None for what lies in an archive or at an address."""
        return None

    @property
    def visit(self) -> Visit | None:
        """The reading that it was found by; None for what lies on disk."""
        return None

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about where it lies: entries of its archive that were left out."""
        return ()

    def sibling(self, base: str) -> Place:
        """What lies beside it under another name. Raises what ``child`` raises."""
        return self.parent.child(base)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


def check_part(part: str, where: str) -> None:
    """Raise MigratorError for a part of a name that is none: it would lead out of its folder."""
    if not part or part in (".", "..") or "/" in part or "\0" in part:
        raise MigratorError(f"{ascii(part)[:200]} leads out of the folder", where=where)


class LocalPlace(Place):
    """A file or a folder on disk; links are followed."""

    __slots__ = ("_path",)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def __str__(self) -> str:
        return str(self._path)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LocalPlace) and self._path == other._path

    def __hash__(self) -> int:
        return hash(self._path)

    @property
    def base(self) -> str:
        return self._path.name

    @property
    def parent(self) -> LocalPlace:
        return LocalPlace(self._path.parent)

    def child(self, *parts: str) -> LocalPlace:
        for part in parts:
            check_part(part, str(self))
        return LocalPlace(self._path.joinpath(*parts))

    def exists(self) -> bool:
        try:
            return self._path.exists()
        except (OSError, ValueError):
            return False

    def is_file(self) -> bool:
        try:
            return self._path.is_file()
        except (OSError, ValueError):
            return False

    def is_folder(self) -> bool:
        try:
            return self._path.is_dir()
        except (OSError, ValueError):
            return False

    def size(self) -> int:
        try:
            return self._path.stat().st_size
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from None

    def names(self) -> list[str]:
        try:
            return sorted(os.listdir(self._path))
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from None

    def open(self) -> ByteSource:
        return ByteSource.open(self._path)

    @property
    def path(self) -> Path:
        return self._path

    def _unreadable(self, error: OSError | ValueError) -> MigratorError:
        why = getattr(error, "strerror", None) or str(error)
        return MigratorError(f"cannot be read: {why}", where=ascii(str(self))[1:-1])
