"""What a comparison is made of: contenders, and the rows that judge them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import real_models
from bench_parts.measure import Contender, Run, spread

PEERS = Path(__file__).parent / "peers"
REFUSED = 7
MB = 1e6


class Row(NamedTuple):
    """One line of the table: a quantity of ours beside the peer's.

    ``ratio`` is the peer's median by ours. ``met`` is None where there is no target.
    """

    what: str
    ours: str
    peer: str
    ratio: float | None
    target: str
    met: bool | None


class Case(NamedTuple):
    """One comparison. ``prepare`` gets its model, ``contenders`` are ours and perhaps a peer.

    No more than ``most_runs`` are counted. What is ``on_request`` takes many minutes and has to be
    asked for by name.
    """

    key: str
    title: str
    prepare: Callable[[], Path]
    contenders: Callable[[Path], Sequence[Contender]]
    judge: Callable[[Sequence[Sequence[Run]]], list[Row]]
    most_runs: int | None = None
    on_request: bool = False


def script(name: str) -> list[str]:
    """A command that pip put beside this Python."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: is it installed in this environment?")
    return [str(path)]


def migrator(*arguments: str | Path) -> Callable[[Path], Sequence[str]]:
    return lambda scratch: [*script("migrator"), *map(str, arguments)]


def peer(name: str, *arguments: str | Path) -> Callable[[Path], Sequence[str]]:
    return lambda scratch: [sys.executable, str(PEERS / name), *map(str, arguments)]


def seconds(runs: Sequence[Run]) -> list[float]:
    return [run.seconds for run in runs]


def inside(runs: Sequence[Run], part: str) -> list[float]:
    """One of the times that the processes took of themselves, in seconds."""
    return [float(json.loads(run.said.splitlines()[-1])[part]) for run in runs]


def limit_row(what: str, ours: Sequence[float], under: float, peer: str = "") -> Row:
    """Seconds of ours alone, their median against a bound."""
    left = spread(ours)
    return Row(f"{what}, s", left.text(), peer, None, f"under {under:g} s", left.median < under)


def time_row(
    what: str, ours: Sequence[float], theirs: Sequence[float], at_least: float | None = None
) -> Row:
    """Seconds of both; the target is how many times faster we are to be."""
    left, right = spread(ours), spread(theirs)
    ratio = right.median / left.median
    target = "" if at_least is None else f"at least {at_least:g} times faster"
    if at_least == 1:
        target = "no slower"
    met = None if at_least is None else ratio >= at_least
    return Row(f"{what}, s", left.text(), right.text(), ratio, target, met)


def memory_row(ours: Sequence[Run], theirs: Sequence[Run], under_mb: float | None = None) -> Row:
    """Peaks of both in MB; the target is on ours."""
    left = spread([run.peak_rss / MB for run in ours])
    if not theirs:
        met = None if under_mb is None else left.most < under_mb
        return Row("peak memory, MB", left.text(0), "", None, _under(under_mb), met)
    right = spread([run.peak_rss / MB for run in theirs])
    met = None if under_mb is None else left.most < under_mb
    ratio = right.median / left.median
    return Row("peak memory, MB", left.text(0), right.text(0), ratio, _under(under_mb), met)


def _under(megabytes: float | None) -> str:
    return "" if megabytes is None else f"under {megabytes:g} MB"


def bench_folder() -> Path:
    """Where made models stay."""
    return real_models.cache_folder() / "bench"
