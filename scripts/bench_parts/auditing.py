"""What ``audit`` is to come to, and what else looks for attacks in a SavedModel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import real_models
from bench_parts import made
from bench_parts.case import (
    Case,
    Row,
    bench_folder,
    limit_row,
    memory_row,
    migrator,
    script,
    seconds,
    time_row,
)
from bench_parts.measure import Contender, Run

_FOUND = (0, 1)
"""Exit codes of an audit that was done."""


def _audit(model: Path, *options: str) -> Contender:
    title = " ".join(("migrator audit", *options))
    return Contender(title, migrator("audit", "--no-config", *options, model), _FOUND)


def _zoo_contenders(zoo: Path) -> list[Contender]:
    return [_audit(zoo), _audit(zoo, "--jobs", "1")]


def _judge_zoo(results: Sequence[Sequence[Run]]) -> list[Row]:
    every_core, one = results
    return [
        limit_row("1,000 small models, a job for each core", seconds(every_core), 10),
        time_row("a job for each core against one job", seconds(every_core), seconds(one)),
        memory_row(every_core, one),
    ]


def _saved_model() -> Path:
    return real_models.real_models(["guesslang"])["guesslang"]


def _scan_contenders(model: Path) -> list[Contender]:
    scan = [*script("saved_model_cli"), "scan", "--dir", str(model)]
    return [_audit(model), Contender("saved_model_cli scan", lambda scratch: scan)]


def _judge_scan(results: Sequence[Sequence[Run]]) -> list[Row]:
    ours, theirs = results
    return [time_row("whole process", seconds(ours), seconds(theirs)), memory_row(ours, theirs)]


def _judge_large(results: Sequence[Sequence[Run]]) -> list[Row]:
    plain, deep = results
    return [
        limit_row("weights left in the file", seconds(plain), 1),
        time_row("against --deep, which reads them", seconds(plain), seconds(deep)),
        memory_row(plain, deep),
    ]


def audits(scale: float) -> tuple[Case, ...]:
    """The cases, with made models of ``scale`` times their full size."""
    folder = bench_folder()
    layers, steps = made.scaled(made.LARGE_LAYERS, scale), made.scaled(made.MANY_STEPS, scale)
    return (
        Case(
            "audit-zoo",
            "audit of 1,000 small models, the fixtures over and over | one job",
            lambda: made.zoo(folder, made.scaled(made.ZOO_MODELS, scale)),
            _zoo_contenders,
            _judge_zoo,
        ),
        Case(
            "audit-scan",
            "audit of the Estimator SavedModel (guesslang) | saved_model_cli scan",
            _saved_model,
            _scan_contenders,
            _judge_scan,
        ),
        Case(
            "audit-large",
            "audit of a frozen graph of 1.7 GB | the same with --deep",
            lambda: made.tower(folder, layers),
            lambda model: [_audit(model), _audit(model, "--deep")],
            _judge_large,
        ),
        Case(
            "audit-many",
            "audit of 100,000 small nodes | nothing to compare with",
            lambda: made.many(folder, steps),
            lambda model: [_audit(model)],
            lambda results: [
                limit_row("whole process", seconds(results[0]), 30),
                memory_row(results[0], ()),
            ],
        ),
    )
