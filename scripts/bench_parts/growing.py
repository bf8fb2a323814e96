"""``inspect`` on models that grow: in weights, in nodes, in number."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from bench_parts import made
from bench_parts.case import MB, Case, Row, bench_folder, inside, migrator, peer, seconds
from bench_parts.measure import Contender, Run, spread

_SIZES = {"0.1 GB": 1443, "1 GB": 4564, "3 GB": 7906}
"""Weights in all -> width of each of the twelve layers."""
_MEMORY_APART = 5.0
"""MB that peaks may differ by: what one allocation more or less makes."""
_SMALL_UNDER = 1.5
_GROWTH = 12.0
"""Times as long as a tenth of the nodes: linear, and what the caches make of it."""
_A_SECOND = 100.0
_ZOO = 1000


def growing(scale: float) -> tuple[Case, ...]:
    """The cases, with made models of ``scale`` times their full size."""
    folder = bench_folder()
    steps = made.scaled(made.MANY_STEPS, scale)
    models = made.scaled(_ZOO, scale)
    return (
        Case(
            "weights-grow",
            "inspect of one graph with 0.1, 1 and 3 GB of weights",
            lambda: made.sparse_towers(folder, _SIZES),
            _sizes,
            _judge_sizes,
        ),
        Case(
            "nodes-grow",
            "inspect of 100,000 and of 1,000,000 nodes",
            lambda: made.many_twice(folder, steps),
            lambda model: [
                Contender(path.name, migrator("inspect", path)) for path in made.by_size(model)
            ],
            _judge_nodes,
        ),
        Case(
            "models-grow",
            "load and summarize of a tree of 1,000 small models, a process a core",
            lambda: made.zoo(folder, models),
            lambda model: [Contender("the API", peer("migrator_tree.py", model))],
            _judge_models,
        ),
    )


def _sizes(folder: Path) -> list[Contender]:
    return [
        Contender(f"inspect of {name}", migrator("inspect", folder / f"{width}.pb"))
        for name, width in _SIZES.items()
    ]


def _judge_sizes(results: Sequence[Sequence[Run]]) -> list[Row]:
    peaks = [spread([run.peak_rss / MB for run in runs]) for runs in results]
    apart = max(peak.median for peak in peaks) - min(peak.median for peak in peaks)
    rows = [
        Row(f"{name}: peak memory, MB", peak.text(1), "", None, "", None)
        for name, peak in zip(_SIZES, peaks, strict=True)
    ]
    target = f"at most {_MEMORY_APART:g} MB apart"
    verdict = Row(
        "largest less smallest, MB", f"{apart:.1f}", "", None, target, apart <= _MEMORY_APART
    )
    times = [
        Row(f"{name}: whole process, s", spread(seconds(runs)).text(), "", None, "", None)
        for name, runs in zip(_SIZES, results, strict=True)
    ]
    return [*rows, verdict, *times]


def _judge_nodes(results: Sequence[Sequence[Run]]) -> list[Row]:
    small, large = (spread(seconds(runs)) for runs in results)
    growth = large.median / small.median
    peaks = [spread([run.peak_rss / MB for run in runs]).text(0) for runs in results]
    under = f"under {_SMALL_UNDER:g} s"
    times = f"at most {_GROWTH:g} times as long"
    return [
        Row("100,000 nodes, s", small.text(), "", None, under, small.median < _SMALL_UNDER),
        Row("1,000,000 nodes, s", large.text(), "", None, times, growth <= _GROWTH),
        Row("peak memory of each, MB", " and ".join(peaks), "", None, "", None),
    ]


def _judge_models(results: Sequence[Sequence[Run]]) -> list[Row]:
    (runs,) = results
    counts = [json.loads(run.said.splitlines()[-1])["models"] for run in runs]
    rates = [count / work for count, work in zip(counts, inside(runs, "work"), strict=True)]
    found = spread(rates)
    target = f"at least {_A_SECOND:g}"
    return [Row("models a second", found.text(0), "", None, target, found.median >= _A_SECOND)]
