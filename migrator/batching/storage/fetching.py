"""A model from a store into a local folder: its objects, whole, of one moment."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from migrator.batching.storage.objects import (
    RemoteFile,
    RemoteModel,
    objects_of,
    other_objects,
)
from migrator.batching.storage.stores import Patience, Store, each
from migrator.errors import LimitError, StorageError
from migrator.places.addresses import shown
from migrator.places.faults import LOST, MISSING, REFUSED

_PIECE = 4 << 20
_AT_A_TIME = 4
"""Pieces in flight, for one model: 16 MiB of memory."""
_SPARE = 64 << 20
"""Bytes that stay free on the disk."""
_ROUNDS = 3
"""So often is a model fetched anew that changes while it is fetched."""
MOST_BYTES = 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """``path`` is what to read; ``model`` the objects that it is a copy of."""

    path: Path
    model: RemoteModel


def fetch(
    address: str,
    folder: Path,
    *,
    most_bytes: int = MOST_BYTES,
    seconds: float | None = None,
    patience: Patience | None = None,
) -> Fetched:
    """Copy the model at ``address`` into ``folder``: what it needs, and nothing that lies beside.

    In pieces, each tried again where that may help, so a broken connection costs no more than its
    piece. Objects that change meanwhile are fetched anew. ``seconds`` bounds all of it.

    Raises StorageError (its ``kind`` is ``missing`` where nothing is there), LimitError past
    ``most_bytes``, FormatError for names that lead out of their folder, OSError of the local disk.
    """
    return _fetched(Store(address, patience), folder, most_bytes, seconds)


def fetch_other(
    address: str,
    folder: Path,
    *,
    checkpoint: bool = False,
    seconds: float | None = None,
    patience: Patience | None = None,
) -> Fetched:
    """The same for one object that a model's options name, or for the files of a checkpoint."""
    store, deadline = Store(address, patience), _deadline(seconds)
    found = other_objects(_hurried(store, deadline), checkpoint=checkpoint)
    return _copied(store, found, folder, MOST_BYTES, deadline)


def _deadline(seconds: float | None) -> float | None:
    return None if seconds is None else time.monotonic() + seconds


def _fetched(store: Store, folder: Path, most_bytes: int, seconds: float | None) -> Fetched:
    deadline = _deadline(seconds)
    model = objects_of(_hurried(store, deadline))
    for _ in range(_ROUNDS):
        found = _copied(store, model, folder, most_bytes, deadline)
        now = objects_of(_hurried(store, deadline))
        if now == model:
            return found
        model = now
        shutil.rmtree(folder)
    raise StorageError(
        "changes all the time while it is fetched", kind=REFUSED, where=shown(store.address)
    )


def _copied(
    store: Store, model: RemoteModel, folder: Path, most_bytes: int, deadline: float | None
) -> Fetched:
    folder.mkdir(parents=True, exist_ok=True)
    _check_room(store, model, folder, most_bytes)
    copy = _Copy(store, folder, most_bytes, deadline)
    try:
        with contextlib.closing(each(copy.piece, _pieces(model), jobs=_AT_A_TIME)) as pieces:
            for _ in pieces:
                pass
    except StorageError as error:
        if error.kind == MISSING:  # listed a moment ago
            error.what = f"is gone since it was listed: {error.what}"
        raise
    finally:
        copy.close()
    return Fetched(path=folder / model.main if model.main else folder, model=model)


def _check_room(store: Store, model: RemoteModel, folder: Path, most_bytes: int) -> None:
    if model.bytes > most_bytes:
        raise LimitError(
            f"is of {model.bytes:,} bytes, the limit is {most_bytes:,}", where=shown(store.address)
        )
    free = shutil.disk_usage(folder).free
    if model.bytes + _SPARE > free:
        raise StorageError(
            f"is of {model.bytes:,} bytes, and the disk for temporary files has {free:,} left",
            kind=REFUSED,
            where=shown(store.address),
            hint="set TMPDIR to a folder on a larger one",
        )


@dataclass(frozen=True, slots=True)
class _Piece:
    file: RemoteFile
    start: int
    stop: int
    """-1 where nobody knows the size."""


def _pieces(model: RemoteModel) -> Iterator[_Piece]:
    for file in model.files:
        if file.size <= 0:
            yield _Piece(file, 0, file.size)
        for start in range(0, file.size, _PIECE):
            yield _Piece(file, start, min(start + _PIECE, file.size))


class _Copy:
    """Local files that are filled in any order."""

    def __init__(self, store: Store, folder: Path, most_bytes: int, deadline: float | None) -> None:
        self._store = store
        self._folder = folder
        self._most = most_bytes
        self._deadline = deadline
        self._lock = threading.Lock()
        self._left: dict[str, int] = {}
        self._open: dict[str, int] = {}
        self._whole: set[str] = set()
        self._ended: set[str] = set()
        self._is_closed = False

    def piece(self, piece: _Piece) -> None:
        """Fetch it and write it where it belongs. Raises StorageError, OSError."""
        file = piece.file
        if file.name in self._whole:
            return
        store = _hurried(self._store, self._deadline)
        if piece.stop < 0:
            data = store.ask("cat_file", file.path, path=file.path)
            if len(data) > self._most:
                raise LimitError(f"is of {len(data):,} bytes", where=shown(store.address))
        elif piece.stop == 0:
            data = b""
        else:
            data = self._range(store, piece)
        if len(data) > piece.stop - piece.start:  # a web server that knows no ranges sends all
            self._whole.add(file.name)
            self._write(file, 0, data)
        else:
            self._write(file, piece.start, data)

    @staticmethod
    def _range(store: Store, piece: _Piece) -> bytes:
        path, wanted = piece.file.path, piece.stop - piece.start

        def read() -> bytes:
            data: bytes = store.fs.cat_file(path, start=piece.start, end=piece.stop)
            if len(data) < wanted:
                raise ConnectionError(f"{len(data):,} of {wanted:,} bytes came")
            return data

        found = store.try_hard(read, path)
        if len(found) not in (wanted, piece.file.size):
            raise StorageError(
                f"gives {len(found):,} bytes where {wanted:,} were asked for",
                kind=REFUSED,
                where=shown(store.address_of(path)),
            )
        return found

    def _write(self, file: RemoteFile, start: int, data: bytes) -> None:
        with self._lock:
            if self._is_closed or file.name in self._ended:
                return
            handle = self._handle(file)
            view = memoryview(data)
            while view:
                count = os.pwrite(handle, view, start)
                view, start = view[count:], start + count
            self._left[file.name] -= len(data)
            if self._left[file.name] <= 0:
                self._ended.add(file.name)
                os.close(self._open.pop(file.name))

    def _handle(self, file: RemoteFile) -> int:
        found = self._open.get(file.name)
        if found is None:
            path = self._folder / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            found = self._open[file.name] = os.open(path, flags, 0o666)
            self._left[file.name] = file.size
        return found

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            for handle in self._open.values():
                os.close(handle)
            self._open.clear()


def _hurried(store: Store, deadline: float | None) -> Store:
    """With no more patience than there is time. Raises StorageError where there is none."""
    if deadline is None:
        return store
    left = deadline - time.monotonic()
    if left <= 0:
        raise StorageError(
            "is not fetched in the model's time", kind=LOST, where=shown(store.address)
        )
    return store.with_patience(store.patience.until(left))
