"""A store behind an address: requests with a bound in time, tried again where that may help."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from migrator.batching.storage.addresses import below, local_path, protocol_of, shown
from migrator.batching.storage.faults import EXISTS, MISSING, REFUSED, fault_of, storage_error
from migrator.errors import StorageError, UsageError

T = TypeVar("T")
S = TypeVar("S")
_LONGEST_WAIT = 15.0
_S3 = frozenset(("s3", "s3a"))
_CONNECT, _READ = 10, 30
"""Seconds without a connection, and without a byte, after which botocore gives up a try."""
_CONNECTIONS = 64
_SLOWEST = 1 << 20
"""Bytes in a second that an upload in one piece is given time for."""
INSTALL = "pip install 'migrator[remote]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a store is waited for. Times are in seconds."""

    tries: int = 8
    each: float = 120.0
    """For one request."""
    whole: float = 600.0
    """For one request with all its tries, and for a transfer after its last piece came through."""
    wait: float = 0.5
    """Before the second try; twice as long before each further one."""

    def until(self, seconds: float | None) -> Patience:
        """The same for someone who has only ``seconds`` left."""
        if seconds is None or seconds >= self.whole:
            return self
        left = max(seconds, 0.1)
        return replace(self, whole=left, each=min(self.each, left))


PATIENCE = Patience()


class Store:
    """The file system behind ``address`` and the path that it has there. For any thread."""

    def __init__(self, address: str, patience: Patience | None = None) -> None:
        """Raises UsageError for an address of no known kind, StorageError without its package."""
        self.address = address
        self.patience = patience or PATIENCE
        self.fs, self.path = _opened(address)

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
        if protocol_of(self.address) in _S3:
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
        if protocol_of(self.address) in _S3:
            return
        parent = path.rpartition("/")[0]
        if parent:
            self.ask("makedirs", parent, exist_ok=True, path=parent)


def ask(what: Callable[[], T], patience: Patience, address: str) -> T:
    """``what()``, again and again where it fails with what may pass. Raises StorageError."""
    deadline = time.monotonic() + patience.whole
    wait = patience.wait
    for number in range(1, patience.tries + 1):
        left = deadline - time.monotonic()
        try:
            return bounded(what, min(patience.each, max(left, 0.1)))
        except Exception as error:
            if isinstance(error, StorageError):
                raise
            fault = fault_of(error)
            left = deadline - time.monotonic()
            if not fault.passes or number == patience.tries or left <= wait:
                raise storage_error(fault, address, tries=number) from None
        time.sleep(min(wait * random.uniform(0.75, 1.25), _LONGEST_WAIT))
        wait = min(wait * 2, _LONGEST_WAIT)
    raise AssertionError("unreachable")


def bounded(what: Callable[[], T], seconds: float) -> T:
    """``what()`` in a thread of its own, which is left alone when the time is up.

    Not all stores have bounds of their own, and a byte now and then passes those that there are.
    Raises TimeoutError.
    """
    answer: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def work() -> None:
        try:
            answer.put((what(), None))
        except BaseException as error:
            answer.put((None, error))

    threading.Thread(target=work, daemon=True, name="migrator-store").start()
    try:
        found, error = answer.get(timeout=seconds)
    except Empty:
        raise TimeoutError(f"no answer within {seconds:.3g} s") from None
    if error is not None:
        raise error
    return found  # type: ignore[return-value]


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


def _opened(address: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise StorageError(
            "reading and writing at addresses needs fsspec",
            kind=REFUSED,
            where=shown(address),
            hint=INSTALL,
        ) from None
    options = _s3_options() if protocol_of(address) in _S3 else {}
    try:
        fs, path = url_to_fs(local_path(address), **options)
    except ImportError as error:
        is_s3 = protocol_of(address) in _S3
        raise StorageError(
            f"its package is not installed: {error}",
            kind=REFUSED,
            where=shown(address),
            hint=INSTALL if is_s3 else "install the package that it names",
        ) from None
    except ValueError as error:
        raise UsageError(shown(str(error)), where=shown(address)) from None
    except Exception as error:  # a host that is not there, a login that fails
        raise storage_error(fault_of(error), address) from None
    if hasattr(fs, "retries"):
        fs.retries = 1  # we try again ourselves; both together would take hours
    if path.rstrip("/") == "":
        path = "" if protocol_of(address) in _S3 else path
    return fs, path


def _s3_options() -> dict[str, Any]:
    """Bounds of one try. What the user's configuration says goes before them."""
    import fsspec

    told = fsspec.config.conf.get("s3", {}).get("config_kwargs", {})
    config = {
        "connect_timeout": _CONNECT,
        "read_timeout": _READ,
        "max_pool_connections": _CONNECTIONS,
        "retries": {"total_max_attempts": 1},
        **told,
    }
    return {"config_kwargs": config, "use_listings_cache": False}
