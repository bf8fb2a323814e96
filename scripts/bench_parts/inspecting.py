"""What ``inspect`` and ``load`` are compared with, and what it should come to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import real_models
from bench_parts import made
from bench_parts.case import (
    REFUSED,
    Case,
    Row,
    bench_folder,
    inside,
    memory_row,
    migrator,
    peer,
    script,
    seconds,
    time_row,
)
from bench_parts.measure import Contender, Run, spread

# --- (a) a SavedModel against saved_model_cli


def _saved_model() -> Path:
    return real_models.real_models(["guesslang"])["guesslang"]


def _saved_model_contenders(model: Path) -> list[Contender]:
    show = [*script("saved_model_cli"), "show", "--all", "--dir", str(model)]
    return [
        Contender("migrator inspect", migrator("inspect", model)),
        Contender("saved_model_cli show --all", lambda scratch: show),
    ]


def _judge_saved_model(results: Sequence[Sequence[Run]]) -> list[Row]:
    ours, theirs = results
    return [
        time_row("whole process", seconds(ours), seconds(theirs), 12),
        memory_row(ours, theirs),
    ]


# --- (b) 1.7 GB against TensorFlow's own parse


def _large_contenders(model: Path) -> list[Contender]:
    return [
        Contender("migrator inspect", migrator("inspect", model)),
        Contender("TensorFlow's parse", peer("tensorflow_parse.py", model)),
        Contender("migrator.load", peer("migrator_load.py", model)),
    ]


def _judge_large(results: Sequence[Sequence[Run]]) -> list[Row]:
    ours, theirs, load = results
    parse = inside(theirs, "work")
    return [
        time_row("whole process against import and parse", seconds(ours), seconds(theirs), 15),
        time_row("whole process against the parse alone", seconds(ours), parse),
        time_row("load() against the parse, both alone", inside(load, "work"), parse, 15),
        memory_row(ours, theirs, 120),
    ]


# --- (c) 100,000 small nodes


def _many_contenders(model: Path) -> list[Contender]:
    return [
        Contender("migrator inspect", migrator("inspect", model)),
        Contender("TensorFlow's parse", peer("tensorflow_parse.py", model)),
    ]


def _judge_many(results: Sequence[Sequence[Run]]) -> list[Row]:
    ours, theirs = results
    row = time_row("whole process against import and parse", seconds(ours), seconds(theirs))
    met = spread(seconds(ours)).median < 2
    return [row._replace(target="under 2 s", met=met), memory_row(ours, theirs)]


# --- (d) past 2 GiB


def _beyond_contenders(model: Path) -> list[Contender]:
    return [
        Contender("migrator inspect", migrator("inspect", model)),
        Contender("TensorFlow's parse", peer("tensorflow_parse.py", model), (0, REFUSED)),
    ]


def _judge_beyond(results: Sequence[Sequence[Run]]) -> list[Row]:
    ours, theirs = results
    mine, yours = spread(seconds(ours)).text(), spread(seconds(theirs)).text()
    if all(run.exit_code == REFUSED for run in theirs):
        yours = f"refused after {yours}"
    row = Row("whole process against import and parse, s", mine, yours, None, "inspects", True)
    return [row, memory_row(ours, theirs)]


def inspections(scale: float) -> tuple[Case, ...]:
    """The cases, with made models of ``scale`` times their full size."""
    folder = bench_folder()
    layers, steps = made.scaled(made.LARGE_LAYERS, scale), made.scaled(made.MANY_STEPS, scale)
    return (
        Case(
            "saved-model",
            "inspect of the Estimator SavedModel (guesslang) | saved_model_cli show --all",
            _saved_model,
            _saved_model_contenders,
            _judge_saved_model,
        ),
        Case(
            "large",
            "inspect of a frozen graph of 1.7 GB, 1,602 nodes | TensorFlow's ParseFromString",
            lambda: made.tower(folder, layers),
            _large_contenders,
            _judge_large,
        ),
        Case(
            "many",
            "inspect of 100,000 small nodes | TensorFlow's ParseFromString",
            lambda: made.many(folder, steps),
            _many_contenders,
            _judge_many,
        ),
        Case(
            "beyond",
            "inspect of a frozen graph of 3.2 GB | TensorFlow's ParseFromString",
            lambda: made.beyond_protobuf(folder),
            _beyond_contenders,
            _judge_beyond,
        ),
    )
