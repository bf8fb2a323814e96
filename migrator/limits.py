"""Bounds on what a hostile file can make us spend."""

from __future__ import annotations

import time
from dataclasses import dataclass

from migrator.errors import LimitError

TRUST_HINT = "pass Limits(...) to load() if you trust the file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper bounds while reading one model. Sizes are in bytes."""

    skeleton_bytes: int = 512 << 20
    """All that is kept of a file in memory: everything but large tensor contents."""
    nodes: int = 5_000_000
    functions: int = 200_000
    variables: int = 5_000_000
    """Tensors and slices in one checkpoint."""
    depth: int = 64
    """Messages inside messages. Real models stay under 20; protobuf itself stops at 100."""
    tensor_bytes: int = 64 << 30
    """One decoded tensor. A one-value list can claim a shape of any size."""
    decompressed_bytes: int = 8 << 30
    """What compressed files and members of an archive may come to, together."""
    members: int = 1_000_000
    """Files and folders in one archive, or listed at one address."""
    seconds: float = 300.0
    """Wall-clock time for reading one model, its weights apart."""

    def check(self, name: str, value: int, *, where: str = "") -> None:
        """Raise LimitError where ``value`` passes the bound called ``name``."""
        bound = getattr(self, name)
        if value > bound:
            unit = " bytes" if name.endswith("bytes") else ""
            raise LimitError(
                f"holds {value:,}{unit} of {name.replace('_', ' ')}, the limit is {bound:,}{unit}",
                where=where,
                hint=TRUST_HINT,
            )


class Deadline:
    """The moment after which reading on would pass ``Limits.seconds``."""

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
                hint=TRUST_HINT,
            )


DEFAULT_LIMITS = Limits()
