"""Bounds on what a hostile file can make us spend."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType

from migrator.errors import LimitError
from migrator.interrupts import Alarm, OutOfTime


def trust_hint(name: str) -> str:
    """What to do about ``Limits.name`` where the file is trusted."""
    return f"if you trust it: --limit {name}=MORE, in Python load(..., limits=Limits({name}=...))"


TRUST_HINT = trust_hint("NAME")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper bounds while reading one model: on the command line ``--limit NAME=VALUE``.

    A ``Model`` keeps them: what lies beside it, such as its checkpoint, is opened within the same.

    Sizes are in bytes. What is asked for later, such as the values of one weight, keeps to
    ``tensor_bytes`` and ``decompressed_bytes``; the others are for the reading itself.
    """

    skeleton_bytes: int = 512 << 20
    """All that is kept of a file in memory: everything but large tensor contents. Also the list of
    an archive's members."""
    nodes: int = 5_000_000
    """Nodes of all graphs and function bodies of one model."""
    functions: int = 200_000
    """Functions in the library of one graph."""
    variables: int = 5_000_000
    """Tensors and slices in one checkpoint."""
    depth: int = 64
    """Messages inside messages. Real models stay under 20; protobuf itself stops at 100."""
    tensor_bytes: int = 64 << 30
    """One decoded tensor. A one-value list can claim a shape of any size."""
    decompressed_bytes: int = 8 << 30
    """What is decompressed of compressed files and archives, and copied from web servers that send
    files only whole, together. It goes to memory where small, else to a temporary file."""
    ratio: int = 200
    """How many times its own size something compressed may grow to, once past 256 MiB. Weights
    seldom shrink to a half; a bomb comes to 1,000."""
    members: int = 200_000
    """Files and folders in one archive, or in one folder at an address."""
    seconds: float = 300.0
    """Wall-clock time for reading one model, its weights apart. On the command line for all that
    a verb makes of it as well."""

    def check(self, name: str, value: int, *, where: str = "") -> None:
        """Raise LimitError where ``value`` passes the bound called ``name``."""
        bound = getattr(self, name)
        if value > bound:
            raise LimitError(
                f"holds {value:,} {name.replace('_', ' ')}, the limit is {bound:,}",
                where=where,
                hint=trust_hint(name),
            )


class Deadline:
    """The moment after which reading on would pass ``Limits.seconds``, until it is lifted."""

    __slots__ = ("_moment", "_seconds")

    def __init__(self, limits: Limits) -> None:
        self._seconds = limits.seconds
        self._moment = time.monotonic() + limits.seconds

    def check(self, where: str) -> None:
        """Raise LimitError where it has passed."""
        if time.monotonic() > self._moment:
            raise LimitError(
                f"takes longer to read than the limit of {self._seconds:g} seconds",
                where=where,
                hint=trust_hint("seconds"),
            )

    def left(self) -> float:
        """Seconds until then, infinite once it is lifted."""
        return self._moment - time.monotonic()

    @property
    def is_lifted(self) -> bool:
        return self._moment == float("inf")

    def lift(self) -> None:
        """The reading is done: what is asked for from now on may take its time."""
        self._moment = float("inf")


class bounded_time:
    """A context that ends in LimitError where its work takes longer than ``seconds``.

    For programs of ours (see ``interrupts.Alarm``): a library sets no timer of its process, and
    there reading is bounded alone.
    """

    __slots__ = ("_alarm", "_where")

    def __init__(self, seconds: float, *, where: str) -> None:
        self._alarm = Alarm(seconds)
        self._where = where

    def __enter__(self) -> None:
        self._alarm.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._alarm.stop()
        if isinstance(error, OutOfTime) and error.alarm is self._alarm:
            raise LimitError(
                f"takes longer than the limit of {self._alarm.seconds:g} seconds",
                where=self._where,
                hint=trust_hint("seconds"),
            ) from None


DEFAULT_LIMITS = Limits()
