"""What one reading may spend: time, and room for what is decompressed or copied."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from migrator.errors import FormatError, LimitError
from migrator.limits import DEFAULT_LIMITS, Deadline, Limits, trust_hint
from migrator.places.source import ByteSource

if TYPE_CHECKING:
    from migrator.places.kept import Store, Stretch

PIECE = 1 << 20
"""Bytes that are decompressed or copied at a time."""
_SMALL = 1 << 20
"""Up to so many bytes stay in memory."""
_RATIO_FROM = 256 << 20
_LOOK_EVERY = 64 << 20


class Watched(Protocol):
    """Something that was opened, and may be another thing by now."""

    def check_same(self) -> None: ...


class Visit:
    """One reading: its limits, its deadline, and what it copied. For any thread."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self.deadline = Deadline(limits)
        self.watched: list[Watched] = []
        self.folders: dict[str, Path] = {}
        """Temporary folders by what was copied to them."""
        self._store: Store | None = None
        self._lock = threading.RLock()  # what is unpacked may lie in something packed
        self._kept = 0
        self._spent = 0
        self._copied = 0

    def keep(
        self, pieces: Iterable[bytes], *, name: str, taken: Callable[[], int] | None = None
    ) -> ByteSource:
        """All of ``pieces``, in memory or in a temporary file without a name.

        ``taken`` says how many bytes they were made of so far. Raises LimitError past
        ``decompressed_bytes``, ``ratio`` or ``seconds``, and where the disk is nearly full.
        """
        with self._lock:
            whole: list[bytes] = []
            size = 0
            stretch: Stretch | None = None
            for piece in pieces:
                self.deadline.check(name)
                self._kept += len(piece)
                self.limits.check("decompressed_bytes", self._kept, where=name)
                before, size = size, size + len(piece)
                if taken is not None and size > _RATIO_FROM:
                    self._check_ratio(size, taken(), name)
                if size <= _SMALL:
                    whole.append(piece)
                    continue
                if stretch is None:
                    stretch = self._stretch()
                    stretch.add(b"".join(whole), name)
                    whole.clear()
                stretch.add(piece, name)
                if before // _LOOK_EVERY != size // _LOOK_EVERY:
                    stretch.check_room(name)
            if stretch is None:
                return ByteSource.of_bytes(b"".join(whole), name=name)
            return ByteSource(stretch, name=name, size=size)

    def spend(self, count: int, name: str) -> None:
        """Bytes that are copied to files with names, within the same bound. Raises LimitError."""
        with self._lock:
            self._spent += count
            self.limits.check("decompressed_bytes", self._spent, where=name)

    def count_copied(self, count: int, name: str) -> None:
        """Files and folders that are copied. Raises LimitError."""
        self.deadline.check(name)
        self._copied += count
        self.limits.check("members", self._copied, where=name)

    def new_folder(self) -> Path:
        """A temporary folder that goes when nothing refers to the visit any more."""
        from migrator.files import new_temporary_folder, remove_folder

        folder = new_temporary_folder()
        weakref.finalize(self, remove_folder, folder)
        return folder

    def settle(self) -> None:
        """The reading is done. Raises MigratorError where what was read changed meanwhile."""
        self.deadline.lift()
        for item in self.watched:
            item.check_same()
        self.watched.clear()

    def _stretch(self) -> Stretch:
        from migrator.places.kept import Store, Stretch

        self._store = self._store or Store()
        return Stretch(self._store)

    def _check_ratio(self, size: int, taken: int, name: str) -> None:
        if size > taken * self.limits.ratio:
            raise LimitError(
                f"grows to more than {self.limits.ratio:,} times its size when it is decompressed "
                f"({taken:,} bytes gave {size:,} so far)",
                where=name,
                hint=trust_hint("ratio"),
            )


def damaged(what: str, name: str) -> FormatError:
    """The error for something compressed that does not decompress."""
    return FormatError(what, where=name, hint="is it truncated or damaged?")
