"""DEST at an address for one run at a time: an object that says who has it, and that he lives."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from migrator.batching.storage.stores import Store
from migrator.batching.task import LOCK
from migrator.errors import DestinationError
from migrator.places.addresses import shown

BEAT = 15.0
"""Seconds between two signs of life."""
_MISSED = 3
"""Signs of life that a run has to miss to be taken for dead."""
_LOOK = 1.0
_MOST_BYTES = 10_000
_TRIES = 5
_held: set[str] = set()
"""Tokens of the runs of this process that go on, or begin."""


class StoreLock:
    """The lock object of a DEST. Not all stores create in one step; so who has it looks again at
    each sign of life whether it is still his.
    """

    def __init__(
        self, store: Store, *, beat: float = BEAT, tell: Callable[[str], None] | None = None
    ) -> None:
        self._store = store
        self._path = store.at(LOCK)
        self._beat = beat
        self._say = tell or (lambda text: None)
        self._token = uuid.uuid4().hex
        self._beats = 0
        self._has_ended = False
        self._since = datetime.now(timezone.utc).isoformat(timespec="seconds")

    def take(self) -> bool:
        """True where it was the lock of a run that is dead. Raises DestinationError where another
        run lives, StorageError.
        """
        _held.add(self._token)  # before others of this process can see it
        try:
            return self._take()
        except BaseException:
            _held.discard(self._token)
            raise

    def _take(self) -> bool:
        was_left = False
        for _ in range(_TRIES):
            other = self._read()
            if other is None:
                self._store.create(self._path, self._words())
                if self.is_ours():  # else another was faster
                    return was_left
                continue
            self._check_dead(other)
            if self._read() == other:
                self._store.remove([self._path])
                was_left = True
        raise self._refused(self._read() or {})

    def beat(self) -> None:
        """Give a sign of life. Raises DestinationError where another run has taken over."""
        other = self._read()
        if other is not None and other.get("token") != self._token:
            raise self._refused(other)
        self._beats += 1
        self._store.write(self._path, self._words())

    def release(self) -> None:
        """Give it back, where it is ours. Raises StorageError."""
        _held.discard(self._token)
        if self.is_ours():
            self._store.remove([self._path])

    def leave(self) -> None:
        """Leave it to the next run, which takes it for that of a run that is dead.

        Raises StorageError; then the next has to wait.
        """
        _held.discard(self._token)
        if self.is_ours():
            self._has_ended = True
            self._store.write(self._path, self._words())

    def is_ours(self) -> bool:
        found = self._read()
        return found is not None and found.get("token") == self._token

    def _check_dead(self, other: Mapping[str, Any]) -> None:
        """Raise DestinationError where the run that has the lock lives.

        On this machine that can be seen. Elsewhere its signs of life are waited for.
        """
        if other.get("ended") is True:
            return
        seen = _lives(other)
        if seen is False:
            return
        if seen:
            raise self._refused(other)
        every = other.get("every")
        every = every if isinstance(every, (int, float)) and 0 < every < 3600 else BEAT
        self._say(
            f"{shown(self._store.address)} has the lock of {_who(other)}; looking for "
            f"{_MISSED * every:.0f} s whether it lives"
        )
        deadline = time.monotonic() + _MISSED * every
        while time.monotonic() < deadline:
            time.sleep(min(_LOOK, every / 5))
            now = self._read()
            if now is None:
                return
            if now != other:
                raise self._refused(now)

    def _refused(self, other: Mapping[str, Any]) -> DestinationError:
        who = f" ({_who(other)})" if other else ""
        return DestinationError(
            f"another run works on it{who}",
            where=shown(self._store.address),
            hint="wait for its end, or name another DEST",
        )

    def _read(self) -> Mapping[str, Any] | None:
        """What the lock says; None where there is none, nothing in it where it makes no sense."""
        data = self._store.read(self._path, most=_MOST_BYTES)
        if data is None:
            return None
        try:
            found = json.loads(data)
        except ValueError:
            found = None
        return found if isinstance(found, dict) else {}

    def _words(self) -> bytes:
        told = {
            "token": self._token,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": self._since,
            "machine": _machine(),
            "began": _began(os.getpid()),
            "every": self._beat,
            "beats": self._beats,
            "ended": self._has_ended,
        }
        return json.dumps(told).encode()


def _who(other: Mapping[str, Any]) -> str:
    pid, host, since = (other.get(key) for key in ("pid", "host", "since"))
    return f"process {pid!a} on {host!a}, since {since!a}".replace("'", "")


def _lives(other: Mapping[str, Any]) -> bool | None:
    """Whether the process lives that wrote the lock; None where this machine cannot tell."""
    machine, pid = other.get("machine"), other.get("pid")
    if not machine or machine != _machine() or not isinstance(pid, int):
        return None
    if pid == os.getpid():
        return other.get("token") in _held
    return _began(pid) == other.get("began")


def _machine() -> str:
    """The same for processes that see each other, and for no others; "" where that is not told."""
    with contextlib.suppress(OSError):
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    return ""


def _began(pid: int) -> str:
    """When a process of this machine began, in its own count; "" for one that is gone."""
    with contextlib.suppress(OSError, IndexError), open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[19].decode()
    return ""
