"""Asking a store behind an address: with a bound in time, again where that may help."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from migrator.errors import MigratorError, StorageError, UsageError
from migrator.places.addresses import local_path, protocol_of, shown
from migrator.places.faults import REFUSED, fault_of, storage_error

T = TypeVar("T")
S3 = frozenset(("s3", "s3a"))
_LONGEST_WAIT = 15.0
_CONNECT, _READ = 10, 30
"""Seconds without a connection, and without a byte, after which botocore gives up a try."""
_CONNECTIONS = 64
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


def ask(what: Callable[[], T], patience: Patience, address: str) -> T:
    """``what()``, again and again where it fails with what may pass. Raises StorageError."""
    deadline = time.monotonic() + patience.whole
    wait = patience.wait
    for number in range(1, patience.tries + 1):
        left = deadline - time.monotonic()
        try:
            return bounded(what, min(patience.each, max(left, 0.1)))
        except Exception as error:
            if isinstance(error, MigratorError):
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


def opened(address: str) -> tuple[Any, str]:
    """The file system behind ``address`` and the path that it has there.

    Raises UsageError for an address of no known kind, StorageError without its package.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise StorageError(
            "reading and writing at addresses needs fsspec",
            kind=REFUSED,
            where=shown(address),
            hint=INSTALL,
        ) from None
    options = _s3_options() if protocol_of(address) in S3 else {}
    try:
        fs, path = url_to_fs(local_path(address), **options)
    except ImportError as error:
        is_s3 = protocol_of(address) in S3
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
        path = "" if protocol_of(address) in S3 else path
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
