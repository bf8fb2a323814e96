"""What is compared with what, and what it should come to."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import real_models
from bench_parts import made
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
    """One comparison. ``prepare`` gets its model, ``contenders`` are ours and perhaps a peer."""

    key: str
    title: str
    prepare: Callable[[], Path]
    contenders: Callable[[Path], Sequence[Contender]]
    judge: Callable[[Sequence[Sequence[Run]]], list[Row]]


def _script(name: str) -> list[str]:
    """A command that pip put beside this Python."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: is it installed in this environment?")
    return [str(path)]


def _migrator(*arguments: str | Path) -> Callable[[Path], Sequence[str]]:
    return lambda scratch: [*_script("migrator"), *map(str, arguments)]


def _peer(name: str, *arguments: str | Path) -> Callable[[Path], Sequence[str]]:
    return lambda scratch: [sys.executable, str(PEERS / name), *map(str, arguments)]


def _seconds(runs: Sequence[Run]) -> list[float]:
    return [run.seconds for run in runs]


def _inside(runs: Sequence[Run], part: str) -> list[float]:
    """One of the times that the processes took of themselves, in seconds."""
    return [float(json.loads(run.said.splitlines()[-1])[part]) for run in runs]


def _time_row(
    what: str, ours: Sequence[float], peer: Sequence[float], at_least: float | None = None
) -> Row:
    """Seconds of both; the target is how many times faster we are to be."""
    left, right = spread(ours), spread(peer)
    ratio = right.median / left.median
    target = "" if at_least is None else f"at least {at_least:g} times faster"
    if at_least == 1:
        target = "no slower"
    met = None if at_least is None else ratio >= at_least
    return Row(f"{what}, s", left.text(), right.text(), ratio, target, met)


def _memory_row(ours: Sequence[Run], peer: Sequence[Run], under_mb: float | None = None) -> Row:
    """Peaks of both in MB; the target is on ours."""
    left = spread([run.peak_rss / MB for run in ours])
    if not peer:
        met = None if under_mb is None else left.most < under_mb
        return Row("peak memory, MB", left.text(0), "", None, _under(under_mb), met)
    right = spread([run.peak_rss / MB for run in peer])
    met = None if under_mb is None else left.most < under_mb
    ratio = right.median / left.median
    return Row("peak memory, MB", left.text(0), right.text(0), ratio, _under(under_mb), met)


def _under(megabytes: float | None) -> str:
    return "" if megabytes is None else f"under {megabytes:g} MB"


# --- (a) a SavedModel against saved_model_cli


def _saved_model() -> Path:
    return real_models.real_models(["guesslang"])["guesslang"]


def _saved_model_contenders(model: Path) -> list[Contender]:
    show = [*_script("saved_model_cli"), "show", "--all", "--dir", str(model)]
    return [
        Contender("migrator inspect", _migrator("inspect", model)),
        Contender("saved_model_cli show --all", lambda scratch: show),
    ]


def _judge_saved_model(results: Sequence[Sequence[Run]]) -> list[Row]:
    ours, peer = results
    return [
        _time_row("whole process", _seconds(ours), _seconds(peer), 12),
        _memory_row(ours, peer),
    ]


# --- (b) 1.7 GB against TensorFlow's own parse


def _large_contenders(model: Path) -> list[Contender]:
    return [
        Contender("migrator inspect", _migrator("inspect", model)),
        Contender("TensorFlow's parse", _peer("tensorflow_parse.py", model)),
        Contender("migrator.load", _peer("migrator_load.py", model)),
    ]


def _judge_large(results: Sequence[Sequence[Run]]) -> list[Row]:
    ours, peer, load = results
    parse = _inside(peer, "work")
    return [
        _time_row("whole process against import and parse", _seconds(ours), _seconds(peer), 15),
        _time_row("whole process against the parse alone", _seconds(ours), parse),
        _time_row("load() against the parse, both alone", _inside(load, "work"), parse, 15),
        _memory_row(ours, peer, 120),
    ]


# --- (c) 100,000 small nodes


def _many_contenders(model: Path) -> list[Contender]:
    return [
        Contender("migrator inspect", _migrator("inspect", model)),
        Contender("TensorFlow's parse", _peer("tensorflow_parse.py", model)),
    ]


def _judge_many(results: Sequence[Sequence[Run]]) -> list[Row]:
    ours, peer = results
    row = _time_row("whole process against import and parse", _seconds(ours), _seconds(peer))
    met = spread(_seconds(ours)).median < 2
    return [row._replace(target="under 2 s", met=met), _memory_row(ours, peer)]


# --- (d) past 2 GiB


def _beyond_contenders(model: Path) -> list[Contender]:
    return [
        Contender("migrator inspect", _migrator("inspect", model)),
        Contender("TensorFlow's parse", _peer("tensorflow_parse.py", model), (0, REFUSED)),
    ]


def _judge_beyond(results: Sequence[Sequence[Run]]) -> list[Row]:
    ours, peer = results
    mine, theirs = spread(_seconds(ours)).text(), spread(_seconds(peer)).text()
    if all(run.exit_code == REFUSED for run in peer):
        theirs = f"refused after {theirs}"
    row = Row("whole process against import and parse, s", mine, theirs, None, "inspects", True)
    return [row, _memory_row(ours, peer)]


# --- (e) the MobileNet against the documented recipe


def _mobilenet() -> Path:
    return real_models.real_models(["mobilenet"])["mobilenet"]


def _mobilenet_contenders(model: Path) -> list[Contender]:
    endpoints = ("input", "input:0", "final_result", "final_result:0")

    def ours(scratch: Path) -> list[str]:
        return [*_script("migrator"), "migrate", str(model), str(scratch / "out"), "--no-verify"]

    def recipe(scratch: Path) -> Sequence[str]:
        return _peer("documented_recipe.py", model, scratch / "out", *endpoints)(scratch)

    return [Contender("migrator migrate --no-verify", ours), Contender("the recipe", recipe)]


def _judge_mobilenet(results: Sequence[Sequence[Run]]) -> list[Row]:
    ours, peer = results
    return [
        _time_row("whole process", _seconds(ours), _seconds(peer), 1),
        _memory_row(ours, peer),
    ]


def _bench_folder() -> Path:
    return real_models.cache_folder() / "bench"


CASES = (
    Case(
        "saved-model",
        "inspect of the Estimator SavedModel (guesslang) | saved_model_cli show --all",
        _saved_model,
        _saved_model_contenders,
        _judge_saved_model,
    ),
    Case(
        "large",
        "inspect of a frozen graph of 1.7 GB, 2,000 nodes | TensorFlow's ParseFromString",
        lambda: made.large(_bench_folder()),
        _large_contenders,
        _judge_large,
    ),
    Case(
        "many",
        "inspect of 100,000 small nodes | TensorFlow's ParseFromString",
        lambda: made.many(_bench_folder()),
        _many_contenders,
        _judge_many,
    ),
    Case(
        "beyond",
        "inspect of a frozen graph of 3.2 GB | TensorFlow's ParseFromString",
        lambda: made.beyond_protobuf(_bench_folder()),
        _beyond_contenders,
        _judge_beyond,
    ),
    Case(
        "migrate",
        "migrate --no-verify of the MobileNet | import_graph_def in wrap_function, prune, save",
        _mobilenet,
        _mobilenet_contenders,
        _judge_mobilenet,
    ),
)
