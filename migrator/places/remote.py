"""Places at addresses (fsspec): looked at once, read by ranges where the store can."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from migrator.errors import MigratorError, StorageError
from migrator.places.addresses import last_part, protocol_of, shown
from migrator.places.asking import S3, Patience, ask, opened
from migrator.places.faults import LOST, MISSING, fault_of, storage_error
from migrator.places.place import Place, check_part
from migrator.places.remote_object import RemoteObject
from migrator.places.s3 import fetch_of
from migrator.places.source import ByteSource
from migrator.places.visit import PIECE, Visit
from migrator.places.web import fetch_range

T = TypeVar("T")
PATIENCE = Patience(tries=4, each=60.0, whole=120.0, wait=0.3)
"""Somebody waits for the answer."""
HTTP = frozenset(("http", "https"))
_MARGIN = 0.05
"""Seconds behind the deadline when a request ends that takes longer, so that it has passed."""
_GIVEN_UP = 30.0
"""Seconds in which nobody waits again for who was waited for in vain."""
_FIRST = 256 << 10
_GLANCE = 16 << 10
"""Bytes of the first request for what is only looked at."""
_OF_FOLDERS = ("saved_model.pb", "saved_model.pbtxt", "checkpoint")
"""What tells a web server's page of a folder with a model from any other page."""


def remote_place(address: str, visit: Visit, patience: Patience | None = None) -> RemotePlace:
    """The place at ``address``; nothing is asked yet.

    Raises UsageError for an address of no known kind, StorageError without its package.
    """
    return RemotePlace(_Shelf(address, visit, patience or PATIENCE), address)


class RemotePlace(Place):
    """An object, or a folder of some, at an address. Secrets in it are not shown."""

    __slots__ = ("_shelf", "address")

    def __init__(self, shelf: _Shelf, address: str) -> None:
        self._shelf = shelf
        self.address = address

    def __str__(self) -> str:
        return shown(self.address)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePlace) and self.address == other.address

    def __hash__(self) -> int:
        return hash(self.address)

    @property
    def base(self) -> str:
        return last_part(self.address)

    @property
    def parent(self) -> RemotePlace:
        head, query = self._split()
        top, _, _ = head.rstrip("/").rpartition("/")
        if top.endswith("/"):  # s3:/ and what else has nothing above it
            return self
        return RemotePlace(self._shelf, f"{top}{query}")

    def child(self, *parts: str) -> RemotePlace:
        head, query = self._split()
        for part in parts:
            check_part(part, str(self))
            if self._shelf.is_http and ("?" in part or "#" in part):
                raise MigratorError(
                    f"{ascii(part)[:200]} is no part of an address", where=str(self)
                )
            head = f"{head.rstrip('/')}/{part}"
        return RemotePlace(self._shelf, f"{head}{query}")

    @property
    def is_web(self) -> bool:
        """It has no folders, but pages."""
        return self._shelf.is_http

    def exists(self) -> bool:
        return self._found() is not None or self.is_folder()

    def is_file(self) -> bool:
        found = self._found()
        return found is not None and found.get("type") != "directory" and not self.is_folder()

    def is_folder(self) -> bool:
        found = self._found()
        if not self._shelf.is_http:
            return found is not None and found.get("type") == "directory"
        # A web server has pages, and a page may list a folder.
        if self._split()[0].endswith("/"):
            return True
        return _is_page(found) and any(self.child(name)._is_there() for name in _OF_FOLDERS)

    def size(self) -> int:
        found = self._file()
        size = found.get("size")
        return size if isinstance(size, int) and size > 0 else self.open().size

    def names(self) -> list[str]:
        return self._shelf.names(self.address)

    def open(self) -> ByteSource:
        return self._shelf.open(self.address, self._file())

    def glance(self) -> ByteSource:
        return self._shelf.opened(self.address, self._file(), first=_GLANCE)

    @property
    def visit(self) -> Visit:
        return self._shelf.visit

    def _split(self) -> tuple[str, str]:
        """The address without and with only what comes after a question mark."""
        if not self._shelf.is_http:
            return self.address, ""
        head, mark, query = self.address.partition("?")
        return head, mark + query

    def _found(self) -> dict[str, Any] | None:
        """What the store says of it. Raises StorageError where it gives no answer."""
        try:
            return self._shelf.look(self.address)
        except StorageError as error:
            if error.kind == LOST:
                raise
            return None  # S3 refuses who may not list, also where nothing is

    def _is_there(self) -> bool:
        """Whether the server has it, and not a page that it gives for whatever it is asked."""
        found = self._found()
        return found is not None and not _is_page(found)

    def _file(self) -> dict[str, Any]:
        found = self._shelf.look(self.address)
        if found is None:
            raise storage_error(fault_of(FileNotFoundError()), self.address)
        if found.get("type") == "directory":
            raise MigratorError("is a folder", where=str(self))
        return found


def _is_page(found: dict[str, Any] | None) -> bool:
    return found is not None and found.get("mimetype") == "text/html"


class _Shelf:
    """One store as one reading sees it: what was looked at is not asked for again."""

    def __init__(self, address: str, visit: Visit, patience: Patience) -> None:
        self.visit = visit
        self.is_http = protocol_of(address) in HTTP
        self._is_s3 = protocol_of(address) in S3
        self._patience = patience
        self._fs, path = opened(address)
        self._paths = {address: path}
        self._infos: dict[str, dict[str, Any] | StorageError | None] = {}
        self._open: dict[str, ByteSource] = {}
        self._given_up: dict[str, tuple[float, StorageError]] = {}
        self._lock = threading.RLock()

    @property
    def is_guarded(self) -> bool:
        """Whether each request is for the object that was told of, and for no other."""
        return self.is_http or self._is_s3

    def look(self, address: str) -> dict[str, Any] | None:
        """What the store says of one object or folder; None where there is nothing."""
        with self._lock:
            if address not in self._infos:
                self._infos[address] = self._asked(address)
            found = self._infos[address]
        if isinstance(found, StorageError):
            raise found
        return found

    def ask(self, what: Callable[[], T], address: str, *, tries: int | None = None) -> T:
        """``what()`` with patience. Raises StorageError, LimitError past the deadline."""
        self.visit.deadline.check(shown(address))
        self._check_given_up(address)
        patience = self._patience if tries is None else replace(self._patience, tries=tries)
        began = time.monotonic()
        try:
            return ask(what, patience.until(self.visit.deadline.left() + _MARGIN), address)
        except StorageError as error:
            if error.kind == LOST:
                self.visit.deadline.check(shown(address))
                now = time.monotonic()
                is_silent = now - began > patience.whole / 2
                self._given_up["" if is_silent else address] = (now + _GIVEN_UP, error)
            raise

    def _check_given_up(self, address: str) -> None:
        """Raise StorageError where all tries were in vain a moment ago, at this address, or where
        the whole store was waited for: a thousand weights would wait as often."""
        for key in ("", address):
            until, error = self._given_up.get(key, (0.0, None))
            if error is not None and time.monotonic() < until:
                raise StorageError(
                    error.what, kind=error.kind, where=shown(address), hint=error.hint
                )

    def info(self, address: str) -> dict[str, Any]:
        """Asked anew."""
        self._fs.invalidate_cache()
        found: dict[str, Any] = self.ask(lambda: self._fs.info(self.path(address)), address)
        return found

    def path(self, address: str) -> str:
        """What the store itself calls it."""
        path = self._paths.get(address)
        if path is None:
            path = self._paths[address] = str(self._fs._strip_protocol(address))
        return path

    def names(self, address: str) -> list[str]:
        """The last parts of what lies in a folder. Raises StorageError."""
        with self._lock:
            path = self.path(address)
            found = self.ask(lambda: self._fs.ls(path, detail=True), address)
            where = shown(address)
            self.visit.limits.check("members", len(found), where=where)
            top = path.rstrip("/")
            names = []
            for info in found:
                name = str(info["name"]).rstrip("/")
                if name == top or name.rpartition("/")[0] != top:
                    continue
                names.append(name.rpartition("/")[2])
                if not self.is_http:  # which says nothing of what it lists
                    self._infos.setdefault(f"{address.rstrip('/')}/{names[-1]}", info)
            return sorted(set(names))

    def open(self, address: str, info: dict[str, Any]) -> ByteSource:
        with self._lock:
            source = self._open.get(address)
            if source is None:
                source = self._open[address] = self.opened(address, info)
            return source

    def opened(self, address: str, info: dict[str, Any], *, first: int = _FIRST) -> ByteSource:
        """An object to be read, of which nobody else knows. ``first``: bytes of a request."""
        source = self._opened(address, info, first)
        source.deadline = self.visit.deadline
        return source

    def _opened(self, address: str, info: dict[str, Any], first: int) -> ByteSource:
        size = info.get("size")
        # Of what some servers make when they are asked for it they first say that it is empty.
        least = 1 if self.is_http else 0
        if not isinstance(size, int) or size < least or info.get("partial") is False:
            return self.download(address)
        object_ = RemoteObject(self, address, info, first)
        if first != _GLANCE:
            self.visit.watched.append(object_)
        return ByteSource(object_, name=shown(address), size=size)

    def fetch(self, address: str, told: dict[str, Any], start: int, end: int) -> bytes:
        """Some bytes of the object that ``told`` is about. Raises StorageError, of kind
        ``refused`` where the store gives no ranges."""
        fs, path = self._fs, self.path(address)
        work: Callable[[], bytes]
        if self.is_http:
            work = partial(fetch_range, fs, path, start, end, told)
        elif self._is_s3 and told.get("ETag"):
            work = partial(fetch_of, fs, path, start, end, told["ETag"])
        else:
            work = partial(fs.cat_file, path, start=start, end=end)
        found: bytes = self.ask(work, address)
        return found

    def download(self, address: str) -> ByteSource:
        """The whole of an object, from a server that sends it only so."""
        path = self.path(address)

        def pieces() -> Iterator[bytes]:
            file = self.ask(lambda: self._fs.open(path, "rb", block_size=0), address)
            try:
                # A stream that broke off would end here without a word the second time.
                while piece := self.ask(lambda: file.read(PIECE), address, tries=1):
                    yield piece
            finally:
                file.close()

        return self.visit.keep(pieces(), name=shown(address))

    def _asked(self, address: str) -> dict[str, Any] | StorageError | None:
        try:
            return self.info(address)
        except StorageError as error:
            if error.kind == LOST:
                raise
            return None if error.kind == MISSING else error
