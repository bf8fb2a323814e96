"""What ``migrate`` is compared with, and what it should come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import real_models
from bench_parts import made
from bench_parts.case import (
    MB,
    REFUSED,
    Case,
    Row,
    bench_folder,
    limit_row,
    memory_row,
    migrator,
    peer,
    seconds,
    time_row,
)
from bench_parts.measure import Contender, Run, spread

MIGRATED_UNDER, VERIFIED_UNDER = 30, 60
"""Seconds for the large models: to migrate, and to verify on top of that."""
HEADROOM_MB = 1000
"""What the largest process may take beside the weights."""
Command = Callable[[Path], Sequence[str]]


def _migrate(source: Path, *options: str) -> Command:
    return lambda scratch: migrator("migrate", source, scratch / "out", *options)(scratch)


def _ours(model: Path, *options: str) -> list[Contender]:
    """Without and with verification."""
    return [
        Contender("migrator migrate --no-verify", _migrate(model, "--no-verify", *options)),
        Contender("migrator migrate", _migrate(model, *options)),
    ]


def _recipe(model: Path, name: str, output: str, *expect: int) -> Contender:
    """The documented recipe, from input ``x:0`` or ``input:0`` to one output."""

    def command(scratch: Path) -> Sequence[str]:
        endpoints = (name, f"{name}:0", "result", output)
        return peer("documented_recipe.py", model, scratch / "out", *endpoints)(scratch)

    return Contender("the recipe", command, (0, *expect))


def _more(verified: Sequence[Run], unverified: Sequence[Run]) -> list[float]:
    """Seconds that verification took on top, turn by turn."""
    return [
        with_it - without
        for with_it, without in zip(seconds(verified), seconds(unverified), strict=True)
    ]


def _judge_large(results: Sequence[Sequence[Run]], weights: float) -> list[Row]:
    """``weights`` in bytes."""
    unverified, verified = results
    under = weights / MB + HEADROOM_MB
    return [
        limit_row("migrate --no-verify", seconds(unverified), MIGRATED_UNDER),
        limit_row("verification on top", _more(verified, unverified), VERIFIED_UNDER),
        memory_row([*unverified, *verified], [], under),
    ]


# --- the MobileNet against the documented recipe


def _mobilenet_contenders(model: Path) -> list[Contender]:
    return [*_ours(model), _recipe(model, "input", "final_result:0")]


def _judge_mobilenet(results: Sequence[Sequence[Run]]) -> list[Row]:
    unverified, verified, recipe = results
    row = time_row("with verification against the recipe", seconds(verified), seconds(recipe))
    met = row.ratio is not None and row.ratio >= 1 / 1.5
    return [
        time_row("--no-verify against the recipe", seconds(unverified), seconds(recipe), 1),
        row._replace(target="at most 1.5 times as long", met=met),
        memory_row([*unverified, *verified], recipe),
    ]


# --- 100,000 small nodes


def _many_contenders(model: Path, steps: int) -> list[Contender]:
    output = f"{made.many_scope(steps - 1)}/mul:0"
    return [*_ours(model), _recipe(model, "x", output)]


def _judge_many(results: Sequence[Sequence[Run]]) -> list[Row]:
    unverified, verified, recipe = results
    memory = memory_row(unverified, recipe)
    half = memory.ratio is not None and memory.ratio >= 2
    return [
        time_row("--no-verify against the recipe", seconds(unverified), seconds(recipe), 2),
        time_row("with verification against the recipe", seconds(verified), seconds(recipe)),
        memory._replace(target="under half", met=half),
    ]


# --- 1.7 GB, and past what TensorFlow reads


def _beyond_contenders(model: Path) -> list[Contender]:
    return [*_ours(model), _recipe(model, "x", made.OUTPUT, REFUSED)]


def _judge_beyond(results: Sequence[Sequence[Run]], weights: float) -> list[Row]:
    unverified, verified, recipe = results
    rows = _judge_large([unverified, verified], weights)
    if all(run.exit_code == REFUSED for run in recipe):
        refused = f"refused after {spread(seconds(recipe)).text()}"
        rows[0] = rows[0]._replace(peer=refused)
    return rows


# --- the recipe as far as it goes


def _recipe_contenders(model: Path) -> list[Contender]:
    results: dict[str, Path] = {}

    def noted(contender: Contender) -> Contender:
        def command(scratch: Path) -> Sequence[str]:
            results[contender.title] = scratch / "out"
            return contender.command(scratch)

        return contender._replace(command=command)

    def load(title: str) -> Command:
        return lambda scratch: peer("call_saved_model.py", results[title])(scratch)

    ours, _ = _ours(model)
    recipe = _recipe(model, "x", made.OUTPUT)
    return [
        noted(ours),
        noted(recipe),
        Contender("loading ours", load(ours.title)),
        Contender("loading the recipe's", load(recipe.title)),
    ]


def _judge_recipe(results: Sequence[Sequence[Run]]) -> list[Row]:
    ours, recipe, our_load, recipe_load = results
    load_memory = memory_row(our_load, recipe_load)
    return [
        time_row("migrate --no-verify", seconds(ours), seconds(recipe)),
        memory_row(ours, recipe),
        time_row(
            "a process that loads the result and calls it", seconds(our_load), seconds(recipe_load)
        ),
        load_memory._replace(what="its peak memory, MB"),
    ]


def migrations(scale: float) -> tuple[Case, ...]:
    """The cases, with made models of ``scale`` times their full size."""
    folder = bench_folder()
    large, beyond, stored, most, steps = (
        made.scaled(count, scale)
        for count in (
            made.LARGE_LAYERS,
            made.BEYOND_LAYERS,
            made.CHECKPOINT_LAYERS,
            made.RECIPE_LAYERS,
            made.MANY_STEPS,
        )
    )
    return (
        Case(
            "migrate",
            "migrate of the MobileNet | import_graph_def in wrap_function, prune, save",
            lambda: real_models.real_models(["mobilenet"])["mobilenet"],
            _mobilenet_contenders,
            _judge_mobilenet,
        ),
        Case(
            "migrate-many",
            f"migrate of {steps * 4:,} small nodes | the same recipe",
            lambda: made.many(folder, steps),
            lambda model: _many_contenders(model, steps),
            _judge_many,
            most_runs=3,
        ),
        Case(
            "migrate-large",
            f"migrate of a frozen graph of {_gigabytes(large)} | no peer: the recipe is killed",
            lambda: made.tower(folder, large),
            _ours,
            lambda results: _judge_large(results, large * made.LAYER_BYTES),
            most_runs=3,
        ),
        Case(
            "migrate-beyond",
            f"migrate of a frozen graph of {_gigabytes(beyond)} | the recipe",
            lambda: made.tower(folder, beyond),
            _beyond_contenders,
            lambda results: _judge_beyond(results, beyond * made.LAYER_BYTES),
            most_runs=3,
        ),
        Case(
            "migrate-checkpoint",
            f"migrate of a .meta and a checkpoint of {_gigabytes(stored)} | no peer",
            lambda: made.checkpoint(folder, stored),
            lambda model: _ours(model, "--input", made.INPUT, "--output", made.OUTPUT),
            lambda results: _judge_large(results, stored * made.LAYER_BYTES),
            most_runs=3,
        ),
        Case(
            "migrate-recipe",
            f"migrate of a frozen graph of {_gigabytes(most)} | the recipe, takes minutes",
            lambda: made.tower(folder, most),
            _recipe_contenders,
            _judge_recipe,
            most_runs=1,
            on_request=True,
        ),
    )


def _gigabytes(layers: int) -> str:
    return f"{layers * made.LAYER_BYTES / 1e9:.1f} GB"
