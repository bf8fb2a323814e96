"""What comparing two graphs is to come to: its time by size and shape, how often it is right."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench_parts import awkward, made
from bench_parts.case import (
    PEERS,
    Case,
    Row,
    bench_folder,
    inside,
    limit_row,
    memory_row,
    migrator,
    seconds,
)
from bench_parts.made import scaled
from bench_parts.measure import Contender, Run, spread

_SIZES = (1_000, 10_000, 100_000)
_EDITED = 0.05
_LIMIT, _AWKWARD_LIMIT = 10, 20
"""Seconds for 100,000 nodes: as they occur, and of awkward shapes."""
_SHAPES = (*awkward.SHAPES, *awkward.LIBRARIES, "unlike")
_FOUND = (0, 1)
"""Exit codes of a comparison that was done."""


def _match(size: int, share: float) -> Contender:
    command = [sys.executable, str(PEERS / "match_scrambled.py"), str(size), str(share)]
    return Contender(f"{size:,} nodes, {share:.0%} edited", lambda scratch: command)


def _contenders(scale: float, share: float, _: Path) -> list[Contender]:
    return [_match(scaled(size, scale), share) for size in _SIZES]


def _judge(share: float, results: Sequence[Sequence[Run]]) -> list[Row]:
    rows = [
        limit_row(f"two graphs of {size:,} nodes", inside(runs, "match"), _LIMIT)
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


def _diff(title: str, left: Path, right: Path, *options: str) -> Contender:
    return Contender(title, migrator("diff", *options, left, right), _FOUND)


def _edited(path: Path, share: float, *options: str) -> Path:
    """The graph with a share of its nodes edited, made once."""
    words = "-".join(("edited", f"{share:g}", *(item.strip("-") for item in options)))
    target = path.with_name(f"{path.stem}-{words}.pb")
    if not target.exists():
        part = target.with_suffix(".part")
        script = str(PEERS / "edit_graph.py")
        command = [sys.executable, script, str(path), str(part), str(share), *options]
        subprocess.run(command, check=True)
        part.rename(target)
    return target


def _whole_contenders(scale: float, _: Path) -> list[Contender]:
    found = []
    for size in _SIZES:
        path = made.many(bench_folder(), scaled(size // 4, scale))
        found.append(_diff(f"{size:,} nodes, equal", path, path))
        few = _edited(path, 100 / size)
        found.append(_diff(f"{size:,} nodes, 100 edited", path, few))
        many = _edited(path, _EDITED, "--rename")
        found.append(_diff(f"{size:,} nodes, 5 % edited and all renamed", path, many))
    return found


def _judge_whole(results: Sequence[Sequence[Run]]) -> list[Row]:
    what = ("equal", "100 edited", "5 % edited, all renamed")
    titles = [f"{size:,} nodes, {item}" for size in _SIZES for item in what]
    rows = [
        limit_row(title, seconds(runs), _LIMIT) for title, runs in zip(titles, results, strict=True)
    ]
    return [*rows, memory_row(results[-1], (), 1000)]


def _shape_contenders(scale: float, _: Path) -> list[Contender]:
    pairs = [awkward.pair(bench_folder(), shape, scaled(_SIZES[-1], scale)) for shape in _SHAPES]
    return [_diff(shape, *pair) for shape, pair in zip(_SHAPES, pairs, strict=True)]


def _judge_shapes(results: Sequence[Sequence[Run]]) -> list[Row]:
    rows = [
        limit_row(shape, seconds(runs), _AWKWARD_LIMIT)
        for shape, runs in zip(_SHAPES, results, strict=True)
    ]
    return [*rows, memory_row([run for runs in results for run in runs], (), 1000)]


def _retrained(path: Path) -> Path:
    """The tower with some weights changed here and there, made once."""
    target = path.with_name(f"{path.stem}-retrained.pb")
    if not target.exists():
        part = target.with_suffix(".part")
        shutil.copyfile(path, part)
        with part.open("r+b") as file:
            for layer in range(0, path.stat().st_size // made.LAYER_BYTES, 7):
                # Near the middle of a layer's kernel: the low bits of one float.
                file.seek(layer * made.LAYER_BYTES + made.LAYER_BYTES // 2)
                value = file.read(1)
                file.seek(-1, 1)
                file.write(bytes([value[0] ^ 1]))
        part.rename(target)
    return target


def _weights_contenders(path: Path) -> list[Contender]:
    return [
        _diff("other values", path, _retrained(path), "--weights"),
        _diff("without --weights", path, _retrained(path)),
    ]


def _judge_weights(results: Sequence[Sequence[Run]]) -> list[Row]:
    return [
        limit_row("every value", seconds(results[0]), 30),
        limit_row("without --weights", seconds(results[1]), 5),
        memory_row(results[0], (), 200),
    ]


def diffs(scale: float) -> tuple[Case, ...]:
    """The cases, at ``scale`` times their full size."""
    layers = scaled(made.LARGE_LAYERS, scale)
    return (
        Case(
            "diff-whole",
            "migrator diff, cold, of 1k, 10k and 100k nodes | nothing to compare with",
            bench_folder,
            partial(_whole_contenders, scale),
            _judge_whole,
        ),
        Case(
            "diff-shapes",
            "migrator diff of awkward shapes of 100k nodes, renamed and shuffled",
            bench_folder,
            partial(_shape_contenders, scale),
            _judge_shapes,
        ),
        Case(
            "diff-weights",
            "migrator diff --weights of two frozen graphs of 1.7 GB",
            lambda: made.tower(bench_folder(), layers),
            _weights_contenders,
            _judge_weights,
        ),
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
