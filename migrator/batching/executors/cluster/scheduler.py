"""The scheduler of a Dask cluster as its client sees it: there, gone, or back."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any

from migrator.batching.storage.stores import bounded
from migrator.errors import MigratorError, UsageError

_CONNECT = 20.0
"""Seconds for the scheduler to answer."""
_RENEW = 2.0
"""The same for one that is awaited anyway."""
_LOOK = 2.0
"""Seconds between looks at the number of workers."""
_PROTOCOLS = ("tcp", "tls")


class Scheduler:
    """A connection, kept up. ``client`` is Dask's; after a loss it may be another.

    Raises what ``connect`` raises.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.client = connect(address, _CONNECT)
        self.threads: Mapping[str, int] = {}
        """Of each worker, by its address, as of a moment ago."""
        self._looked = 0.0
        self.look()

    @property
    def cluster(self) -> str:
        """As messages name it."""
        return f"the cluster at {self.address}"

    @property
    def link(self) -> str:
        """The address of the dashboard; empty where there is none."""
        with contextlib.suppress(Exception):
            return str(self.client.dashboard_link or "")
        return ""

    @property
    def is_there(self) -> bool:
        """True as long as nobody has noticed anything else."""
        return bool(self.client.status == "running")

    def look(self, *, pause: float = 0.0) -> None:
        """See which workers there are, unless that was done less than ``pause`` seconds ago."""
        now = time.monotonic()
        if now - self._looked < pause:
            return
        self._looked = now
        with contextlib.suppress(OSError, RuntimeError):
            self.threads = self.client.nthreads()

    def look_now_and_then(self) -> None:
        self.look(pause=_LOOK)

    def is_back(self) -> bool:
        """True with a client that is connected: the same for a while, then another."""
        if self.client.status == "connecting":
            return False
        if self.is_there:
            return True
        try:
            self.client = connect(self.address, _RENEW)
        except MigratorError:
            return False
        return True

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.client.close(timeout=5.0)


def connect(address: str, timeout: float) -> Any:
    """Dask's client of the scheduler at ``address``; ``timeout`` in seconds.

    Raises UsageError where Dask is missing, MigratorError where no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UsageError(
            "the package distributed is missing",
            where="--scheduler",
            hint="pip install 'migrator[cluster]'",
        ) from None
    _check_words(address)
    try:
        # Dask's client itself waits long, and speaks of it, where something else answers.
        kind = bounded(lambda: asyncio.run(_kind(address, timeout)), timeout + 5.0)
        if kind != "Scheduler":
            raise _nobody(address, f"a {kind.lower()} of Dask does")
        return Client(address, timeout=timeout, set_as_default=False, name="migrator")
    except TimeoutError:
        raise _nobody(
            address, f"what is there does not speak as one within {timeout:g} s"
        ) from None
    except TypeError as error:
        if "ssl" not in str(error):
            raise
        why = "TLS is not set up here"
        hint = "Dask's configuration names the certificates, under distributed.comm.tls"
        raise _nobody(address, why, hint) from None
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        raise _nobody(address, _reasons(error)) from None


def _check_words(address: str) -> None:
    """Raises MigratorError for what is no address of a scheduler."""
    from distributed.comm.addressing import parse_address, parse_host_port

    try:
        protocol, place = parse_address(address)
        host, port = parse_host_port(place, 8786)
    except ValueError as error:
        raise _nobody(address, str(error)) from None
    if protocol not in _PROTOCOLS or not host or not 0 < port < 1 << 16:
        raise _nobody(address, "this is not the address of one")


async def _kind(address: str, timeout: float) -> str:
    """What the one at ``address`` says that it is."""
    from distributed.core import rpc
    from distributed.security import Security

    security = Security().get_connection_args("client")

    async def ask() -> str:
        async with rpc(address, timeout=timeout, connection_args=security) as there:
            return str((await there.identity())["type"])

    return await asyncio.wait_for(ask(), timeout + 1.0)


def _nobody(address: str, why: str, hint: str = "") -> MigratorError:
    return MigratorError(
        f"nothing that is a Dask scheduler answers: {why}",
        where=address or "--scheduler",
        hint=hint or "an address looks like tcp://host:8786",
    )


def _reasons(error: BaseException) -> str:
    """What it says, and what it came from: Dask hides a refused connection under a timeout."""
    told = " ".join(str(error).split()) or type(error).__name__
    cause = error.__cause__
    if cause is None or not str(cause):
        return told
    return f"{told} ({' '.join(str(cause).rpartition('>: ')[2].split())})"
