"""What matching two graphs is to come to: its time at three sizes, and how often it is right."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench_parts.case import PEERS, Case, Row, inside, limit_row, memory_row
from bench_parts.made import scaled
from bench_parts.measure import Contender, Run, spread

_SIZES = (1_000, 10_000, 100_000)
_EDITED = 0.05


def _match(size: int, share: float) -> Contender:
    command = [sys.executable, str(PEERS / "match_scrambled.py"), str(size), str(share)]
    return Contender(f"{size:,} nodes, {share:.0%} edited", lambda scratch: command)


def _contenders(scale: float, share: float, _: Path) -> list[Contender]:
    return [_match(scaled(size, scale), share) for size in _SIZES]


def _judge(share: float, results: Sequence[Sequence[Run]]) -> list[Row]:
    rows = [
        limit_row(f"two graphs of {size:,} nodes", inside(runs, "match"), 10)
        for size, runs in zip(_SIZES, results, strict=True)
    ]
    rows.append(memory_row(results[-1], (), 1000))
    parts = [("nodes found", "right", 0.99)]
    if share:
        parts += [("changes told that are none but true", "precision", 0.95)]
        parts += [("true changes that are told", "recall", 0.95)]
    for what, part, least in parts:
        found = spread([value for runs in results for value in inside(runs, part)])
        met = found.least >= least
        rows.append(Row(f"{what}, share", found.text(4), "", None, f"at least {least:g}", met))
    return rows


def diffs(scale: float) -> tuple[Case, ...]:
    """The cases, at ``scale`` times their full size."""
    return (
        Case(
            "diff-renamed",
            "a graph against itself, every node renamed, 1k, 10k and 100k nodes",
            lambda: PEERS,
            partial(_contenders, scale, 0.0),
            partial(_judge, 0.0),
        ),
        Case(
            "diff-edited",
            "the same with 5 % of the nodes edited",
            lambda: PEERS,
            partial(_contenders, scale, _EDITED),
            partial(_judge, _EDITED),
        ),
    )
