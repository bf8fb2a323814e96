"""What ``batch`` is compared with: the documented recipe, a process for each model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from bench_parts import made
from bench_parts.case import Case, Row, bench_folder, migrator, peer, seconds
from bench_parts.measure import Contender, Run, spread

_SAMPLE = 10
"""The recipe does a tenth of the models."""
_FASTER = 8
"""Times the throughput of the recipe, one process after the other."""


def _batch(zoo: Path, *options: str) -> Contender:
    def command(scratch: Path) -> Sequence[str]:
        words = ("batch", zoo / made.MODELS, "--dest", scratch / "out", "-q", *options)
        return migrator(*words)(scratch)

    return Contender(" ".join(("migrator batch", *options)), command)


def _recipe(zoo: Path, models: int, at_a_time: int) -> Contender:
    count = max(1, models // _SAMPLE)

    def command(scratch: Path) -> Sequence[str]:
        words = (zoo / made.ENDPOINTS, scratch / "out", "0", str(count), str(at_a_time))
        return peer("recipe_each.py", *words)(scratch)

    return Contender(f"the recipe, {at_a_time} at a time, {count} models", command)


def _contenders(zoo: Path, models: int) -> list[Contender]:
    return [
        _batch(zoo),
        _batch(zoo, "--jobs", "1"),
        _recipe(zoo, models, 1),
        _recipe(zoo, models, os.cpu_count() or 1),
    ]


def _judge(results: Sequence[Sequence[Run]], models: int) -> list[Row]:
    every_core, one, alone, together = results
    count = max(1, models // _SAMPLE)
    target = f"at least {_FASTER} times"
    return [
        _rates("jobs by cores, against the recipe", every_core, models, alone, count, target),
        _rates("... and against one for each core", every_core, models, together, count),
        _rates("--jobs 1, against the recipe", one, models, alone, count),
        _rates("jobs by cores, against --jobs 1", every_core, models, one, models),
    ]


def _rates(
    what: str,
    ours: Sequence[Run],
    models: int,
    theirs: Sequence[Run],
    count: int,
    target: str = "",
) -> Row:
    """Models in a second of both; ours are verified."""
    left = spread([models / value for value in seconds(ours)])
    right = spread([count / value for value in seconds(theirs)])
    ratio = left.median / right.median
    met = ratio >= _FASTER if target else None
    return Row(f"{what}, models/s", left.text(), right.text(), ratio, target, met)


def batches(scale: float) -> tuple[Case, ...]:
    """The case, with ``scale`` times its models."""
    models = made.scaled(made.BATCH_MODELS, scale)
    return (
        Case(
            "batch",
            f"batch of {models} small frozen graphs, verified | the recipe on a tenth of them, "
            "a process each, not verified",
            lambda: made.small_graphs(bench_folder(), models),
            lambda zoo: _contenders(zoo, models),
            lambda results: _judge(results, models),
            most_runs=3,
        ),
    )
