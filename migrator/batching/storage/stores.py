"""A store behind an address: requests with a bound in time, tried again where that may help."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from migrator.errors import StorageError
from migrator.places.addresses import below, protocol_of
from migrator.places.asking import PATIENCE as PATIENCE
from migrator.places.asking import S3, ask, opened
from migrator.places.asking import Patience as Patience
from migrator.places.asking import bounded as bounded
from migrator.places.faults import EXISTS, MISSING, REFUSED

T = TypeVar("T")
S = TypeVar("S")
_SLOWEST = 1 << 20
"""Bytes in a second that an upload in one piece is given time for."""


class Store:
    """The file system behind ``address`` and the path that it has there. For any thread."""

    def __init__(self, address: str, patience: Patience | None = None) -> None:
        """Raises UsageError for an address of no known kind, StorageError without its package."""
        self.address = address
        self.patience = patience or PATIENCE
        self.fs, self.path = opened(address)

    def with_patience(self, patience: Patience) -> Store:
        found = object.__new__(Store)
        found.fs, found.path, found.address = self.fs, self.path, self.address
        found.patience = patience
        return found

    def at(self, name: str) -> str:
        """The path of ``name`` below the store's own."""
        return below(self.path, name) if name else self.path

    def address_of(self, path: str) -> str:
        """The address of a path at or below the store's own."""
        top = self.path.rstrip("/")
        rest = path.removeprefix(top).strip("/") if path.startswith(top) else path
        return below(self.address, rest) if rest else self.address

    def ask(self, name: str, *args: Any, path: str = "", **kwargs: Any) -> Any:
        """What the file system's method ``name`` gives; StorageError is told of ``path``."""
        return self.try_hard(lambda: getattr(self.fs, name)(*args, **kwargs), path)

    def try_hard(self, what: Callable[[], T], path: str) -> T:
        """``what()``, which concerns ``path``, with the store's patience. Raises StorageError."""
        return ask(what, self.patience, self.address_of(path) if path else self.address)

    def info(self, path: str) -> dict[str, Any] | None:
        """What the store knows of one object or folder; None where there is nothing."""
        self.fs.invalidate_cache()
        try:
            found: dict[str, Any] = self.ask("info", path, path=path)
        except StorageError as error:
            if error.kind == MISSING:
                return None
            raise
        return found

    def files_below(self, path: str) -> dict[str, dict[str, Any]]:
        """All objects below a folder by their paths; none where there is no such folder."""
        if not _finds_by_itself(self.fs):
            return self._walked(path)
        self.fs.invalidate_cache()
        try:
            found = self.ask("find", path, detail=True, path=path)
        except StorageError as error:
            if error.kind == MISSING:
                return {}
            raise
        return {key: info for key, info in dict(found).items() if _is_file(key, info)}

    def _walked(self, path: str) -> dict[str, dict[str, Any]]:
        """Folder by folder. What fsspec has for that takes what it cannot read for empty."""
        found: dict[str, dict[str, Any]] = {}
        seen: set[str] = set()
        folders = [path]
        while folders:
            folder = folders.pop()
            for name, info in self._listed(folder).items():
                if _is_file(name, info):
                    found[name] = info
                elif info.get("type") == "directory" and name not in seen:
                    seen.add(name)
                    folders.append(name)
        return found

    def files_in(self, path: str) -> dict[str, dict[str, Any]]:
        """The objects that lie in a folder itself, by their paths."""
        found = self._listed(path)
        return {key: info for key, info in found.items() if _is_file(key, info)}

    def names_in(self) -> list[str]:
        """The paths of all that lies in the store's own folder, files and folders."""
        found = self._listed(self.path)
        return [path.rstrip("/") for path in found if path.rstrip("/") != self.path.rstrip("/")]

    def _listed(self, path: str) -> dict[str, dict[str, Any]]:
        """Files and folders in a folder."""
        self.fs.invalidate_cache()
        try:
            found = self.ask("ls", path, detail=True, path=path)
        except StorageError as error:
            if error.kind == MISSING:
                return {}
            raise
        return {item["name"]: item for item in found}

    def read(self, path: str, *, most: int) -> bytes | None:
        """A small object, ``most`` bytes of it; None where there is none."""
        try:
            try:
                found: bytes = self.ask("cat_file", path, start=0, end=most, path=path)
            except StorageError as error:
                if error.kind != REFUSED:
                    raise
                found = self.ask("cat_file", path, path=path)  # an empty one has no such range
        except StorageError as error:
            if error.kind == MISSING:
                return None
            raise
        return found[:most]

    def write(self, path: str, data: bytes) -> None:
        """Write a small object."""
        self._ready_folder(path)
        self.ask("pipe_file", path, data, path=path)

    def send(self, path: str, file: Path) -> None:
        """Write a large object from a file. Object stores show it when all of it is there."""
        self._ready_folder(path)
        if protocol_of(self.address) in S3:
            from migrator.batching.storage.parts import send_in_parts

            send_in_parts(self, path, file)
            return
        slow = file.stat().st_size / _SLOWEST  # it goes in one request, however large it is
        patience = replace(self.patience, each=min(self.patience.each + slow, self.patience.whole))
        self.with_patience(patience).ask("put_file", str(file), path, path=path)

    def create(self, path: str, data: bytes) -> bool:
        """Write a small object where there is none; False where there is one.

        As one step where the store can, else as two.
        """
        self._ready_folder(path)
        try:
            self.ask("pipe_file", path, data, mode="create", path=path)
            return True
        except StorageError as error:
            if error.kind == EXISTS:
                return False
            if error.kind != REFUSED:
                raise
        if self.info(path) is not None:
            return False
        self.write(path, data)
        return True

    def remove(self, paths: Iterable[str]) -> None:
        """Remove objects; those that are gone already are fine."""
        for path in paths:
            try:
                self.ask("rm_file", path, path=path)
            except StorageError as error:
                if error.kind != MISSING:
                    raise

    def _ready_folder(self, path: str) -> None:
        """Stores with real folders want them made; for object stores this asks nothing."""
        if protocol_of(self.address) in S3:
            return
        parent = path.rpartition("/")[0]
        if parent:
            self.ask("makedirs", parent, exist_ok=True, path=parent)


def each(
    what: Callable[[S], T], items: Iterable[S], *, jobs: int
) -> Generator[tuple[S, T], None, None]:
    """``(item, what(item))`` as they are done, ``jobs`` at a time. The first error ends it.

    Its threads keep nobody from going: they end by themselves, at the latest with the process.
    """
    waiting = iter(items)
    lock = threading.Lock()
    stop = threading.Event()
    room = threading.Semaphore(4 * jobs)
    ended: SimpleQueue[tuple[S, T] | BaseException | None] = SimpleQueue()

    def work() -> None:
        try:
            while not stop.is_set():
                room.acquire()
                if stop.is_set():
                    return
                with lock:
                    try:
                        item = next(waiting)
                    except StopIteration:
                        return
                ended.put((item, what(item)))
        except BaseException as error:
            stop.set()
            ended.put(error)
        finally:
            room.release()
            ended.put(None)

    for _ in range(jobs):
        threading.Thread(target=work, daemon=True, name="migrator-store").start()
    left = jobs
    try:
        while left:
            found = ended.get()
            if found is None:
                left -= 1
            elif isinstance(found, BaseException):
                raise found
            else:
                room.release()
                yield found
    finally:
        stop.set()
        for _ in range(jobs):
            room.release()


def _finds_by_itself(fs: Any) -> bool:
    """True for object stores, which list all that is below a prefix in one go."""
    from fsspec import AbstractFileSystem
    from fsspec.asyn import AsyncFileSystem

    if isinstance(fs, AsyncFileSystem):
        return type(fs)._find is not AsyncFileSystem._find
    return type(fs).find is not AbstractFileSystem.find


def _is_file(path: str, info: dict[str, Any]) -> bool:
    return info.get("type") == "file" and not path.endswith("/")
