"""A model's folder to a store: whole, as far as a store without renaming lets us.

A sign says that a folder is being written. The outcome comes last: a folder that has one is whole.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from migrator.batching.storage.objects import checked_name
from migrator.batching.storage.stores import Patience, Store, each
from migrator.errors import DestinationError, StorageError
from migrator.places.addresses import shown
from migrator.places.faults import LOST, REFUSED

UNFINISHED = ".unfinished"
"""The sign, an object of the folder."""
_SMALL = 8 << 20
"""Bytes that go in one request in any case."""
_AT_A_TIME = 4


def put(
    folder: Path,
    address: str,
    *,
    last: str,
    seconds: float | None = None,
    patience: Patience | None = None,
) -> None:
    """Make ``address`` hold the files of ``folder`` and nothing else; the file ``last`` comes last.

    An older result goes first. ``seconds`` bounds it.

    Raises DestinationError where something lies there that is no result, StorageError.
    """
    store = Store(address, patience)
    deadline = None if seconds is None else time.monotonic() + seconds
    upload = _Upload(store, folder, last, deadline)
    upload.clear_the_place()
    upload.send()
    upload.finish()


def check_writable(address: str, *, patience: Patience | None = None) -> None:
    """Write something small below ``address`` and take it away. Raises StorageError."""
    store = Store(address, patience)
    path = store.at(".probe")
    store.write(path, b"migrator batch looks whether this store takes anything\n")
    store.remove([path])


def check_reachable(address: str, *, patience: Patience | None = None) -> None:
    """Raise StorageError where the store at ``address`` gives no answer, whatever the answer is."""
    store = Store(address, patience)
    try:
        store.info(store.path)
    except StorageError as error:
        if error.kind == LOST:
            raise


class _Upload:
    def __init__(self, store: Store, folder: Path, last: str, deadline: float | None) -> None:
        self._store = store
        self._last = last
        self._deadline = deadline
        self._files = {
            file.relative_to(folder).as_posix(): file
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }

    def clear_the_place(self) -> None:
        store = self._hurried()
        there = self._there(store)
        if there and self._last not in there and UNFINISHED not in there:
            raise DestinationError(
                "exists, and is not the result of a batch",
                where=shown(store.address),
                hint="move it away, or name another DEST",
            )
        store.write(store.at(UNFINISHED), b"")
        if self._last in there:
            store.remove([store.at(self._last)])

    def send(self) -> None:
        """All but the last; the large ones one after the other, as they go in parts."""
        names = [name for name in self._files if name != self._last]
        sizes = {name: self._files[name].stat().st_size for name in names}
        small = [name for name in names if sizes[name] <= _SMALL]
        for _ in each(self._send_small, small, jobs=_AT_A_TIME):
            pass
        for name in names:
            if sizes[name] > _SMALL:
                store = self._hurried()
                store.send(store.at(checked_name(name, store)), self._files[name])

    def _send_small(self, name: str) -> None:
        store = self._hurried()
        store.write(store.at(checked_name(name, store)), self._files[name].read_bytes())

    def finish(self) -> None:
        """Look whether all came over, take away what is left of an older result, say that it is so.

        Raises StorageError.
        """
        store = self._hurried()
        there = self._there(store)
        for name, file in self._files.items():
            size = there.get(name, {}).get("size")
            if name != self._last and size != file.stat().st_size:
                raise StorageError(
                    f"{name} is of {file.stat().st_size:,} bytes, and of {size} in the store",
                    kind=REFUSED,
                    where=shown(store.address),
                )
        store.remove([store.at(name) for name in there if name not in {*self._files, UNFINISHED}])
        store.write(store.at(self._last), self._files[self._last].read_bytes())
        store.remove([store.at(UNFINISHED)])

    def _there(self, store: Store) -> dict[str, dict[str, Any]]:
        top = f"{store.path.rstrip('/')}/"
        below = store.files_below(store.path)
        return {path.removeprefix(top): info for path, info in below.items()}

    def _hurried(self) -> Store:
        if self._deadline is None:
            return self._store
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise StorageError(
                "its result does not come over in the model's time",
                kind=LOST,
                where=shown(self._store.address),
            )
        return self._store.with_patience(self._store.patience.until(left))
