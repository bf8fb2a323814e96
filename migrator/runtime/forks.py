"""One import of TensorFlow for many children: a server that imports it once, and forks.

An import takes some three seconds, as long as all else that a small model needs. A child that is
forked before TensorFlow did anything shares nothing with the others but that import, as if it were
fresh. Only Linux: elsewhere the system's own libraries do not survive a fork.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from migrator.interrupts import held_back
from migrator.runtime.launch import ChildProcess, Spawned, kill_group

_KILLED = -9
_lock = threading.Lock()
_users = 0
_server: _ForkServer | None = None


@contextmanager
def warm_tensorflow() -> Iterator[None]:
    """Children that are started meanwhile, in any thread, share one import of TensorFlow.

    May be nested; the server is gone at the end of the outermost.
    """
    global _users, _server
    with held_back(), _lock:
        if _users == 0 and sys.platform == "linux":
            _server = _ForkServer()
        _users += 1
    try:
        yield
    finally:
        with held_back():
            with _lock:
                _users -= 1
                ended = _server if _users == 0 else None
                _server = None if _users == 0 else _server
            if ended is not None:
                ended.close()


def lost_its_server() -> bool:
    """True where ``warm_tensorflow`` holds, and its server is dead: each child imports again."""
    server = _server
    return server is not None and not server.is_alive


@atexit.register
def _close_forgotten() -> None:
    """The server of who was interrupted before it could close it."""
    if _server is not None:
        _server.close()


def forked(fds: Sequence[int], arguments: Sequence[str]) -> ChildProcess | None:
    """A worker forked by the server of now; None where there is none.

    ``fds`` are the worker's end of its tasks and of its outcomes, and its log; ``arguments`` its
    folder for temporary files, then op libraries.
    """
    server = _server
    return None if server is None else server.fork(fds, arguments)


class _ForkServer:
    """The parent's side of ``forkserver``."""

    def __init__(self) -> None:
        self.is_felled = False
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = ours
        with theirs:
            self._process = Spawned(
                "forkserver", [str(theirs.fileno())], pass_fds=[theirs.fileno()]
            )

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive

    def fork(self, fds: Sequence[int], arguments: Sequence[str]) -> ChildProcess | None:
        """None where the server is dead."""
        try:
            return _Forked(self, self.ask({"arguments": list(arguments)}, fds))
        except OSError:
            return None

    def ask(self, request: dict[str, object], fds: Sequence[int] = ()) -> int:
        """Send a request; gives where its answer will be read, a file that the caller closes."""
        answer, theirs = os.pipe()
        try:
            socket.send_fds(self._socket, [json.dumps(request).encode()], [*fds, theirs])
        except OSError:
            os.close(answer)
            raise
        finally:
            os.close(theirs)
        return answer

    def kill(self) -> None:
        """End the server, and with it, as each has asked the system for, its children."""
        self.is_felled = True
        self._process.kill()

    def close(self) -> None:
        self._socket.close()
        self._process.kill()
        self._process.wait()


class _Forked:
    """A child of the server. ``answer`` is where the server tells its id."""

    def __init__(self, server: _ForkServer, answer: int) -> None:
        self._server = server
        self._answer = answer
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._code: int | None = None

    @property
    def pid(self) -> int:
        with self._lock:
            if self._pid is None:
                self._pid = _read_number(self._answer) or 0
                os.close(self._answer)
        if self._pid == 0:
            raise ProcessLookupError("the process was never started")
        return self._pid

    @property
    def is_born(self) -> bool:
        return self._pid is not None or bool(select.select([self._answer], [], [], 0)[0])

    @property
    def fell_with_another(self) -> bool:
        return self._server.is_felled

    def kill(self) -> None:
        if not self.is_born:
            self._server.kill()
        self.abandon()

    def abandon(self) -> None:
        if self.is_born and self._code is None:
            with contextlib.suppress(ProcessLookupError):
                kill_group(self.pid)

    def wait(self) -> int:
        with contextlib.suppress(ProcessLookupError):
            if self._code is None and self.is_born:
                pid = self.pid
                with contextlib.suppress(OSError):
                    answer = self._server.ask({"wait": pid})
                    self._code = _read_number(answer)
                    os.close(answer)
        if self._code is None:
            self._code = _KILLED
        return self._code


def _read_number(fd: int) -> int | None:
    """A number that the server writes in one piece; None where it is dead."""
    data = os.read(fd, 32)
    return int(data) if data else None
