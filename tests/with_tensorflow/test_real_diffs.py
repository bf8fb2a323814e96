"""Real models against themselves under other names, with and without edits."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from migrator.formats.load import load
from tests.diff.judging import Tally, judge, judge_report, matched
from tests.diff.scramble import scramble

from .conftest import real_models

pytestmark = pytest.mark.real_model

_SEEDS = (1, 2, 3, 4)


@pytest.fixture(scope="module")
def models() -> dict[str, Path]:
    found: dict[str, Path] = real_models().real_models()
    return found


def test_every_node_of_a_real_model_is_found_under_another_name(models: dict[str, Path]) -> None:
    for path in models.values():
        for meta_graph in load(path).meta_graphs:
            other, truth = scramble(meta_graph.graph, 1)
            found = matched(meta_graph.graph, other)
            assert judge(meta_graph.graph, other, found, truth).right >= 0.99, path


def _kept(_: random.Random, name: str) -> str:
    return name


_Told = dict[tuple[str, bool], Tally]


@pytest.fixture(scope="module")
def told(models: dict[str, Path]) -> _Told:
    """Model, whether names are kept -> what is told of its edits, over all seeds."""
    found: _Told = {}
    renames: dict[bool, Callable[[random.Random, str], str] | None] = {False: None, True: _kept}
    for name, path in models.items():
        for meta_graph in load(path).meta_graphs:
            graph = meta_graph.graph
            for is_kept, rename in renames.items():
                tally = found.setdefault((name, is_kept), Tally())
                for seed in _SEEDS:
                    other, truth = scramble(graph, seed, edits=0.05, rename=rename)
                    tally.add(judge_report(graph, other, truth))
    return found


def _together(tallies: list[Tally]) -> Tally:
    total = Tally()
    for item in tallies:
        total.add(item)
    return total


@pytest.mark.parametrize("is_kept", [False, True], ids=["all renamed", "names kept"])
def test_edits_of_real_models_are_told_and_little_else(told: _Told, is_kept: bool) -> None:
    tally = _together([item for (_, kept), item in told.items() if kept is is_kept])
    assert tally.true > 1500
    assert tally.precision >= 0.95
    assert tally.recall >= 0.95


@pytest.mark.parametrize("is_kept", [False, True], ids=["all renamed", "names kept"])
@pytest.mark.parametrize(
    "name", ["ner", "seg", "pos", "mobilenet", "guesslang", "basic_pitch"], ids=str
)
def test_edits_of_each_real_model_are_told(
    told: _Told, name: str, is_kept: bool, request: pytest.FixtureRequest
) -> None:
    if name == "basic_pitch" and not is_kept:
        # A hundred functions that nothing calls, most of a dozen nodes and in several equal
        # copies: an edited copy is as near to one of the others as to what it was.
        request.applymarker(pytest.mark.xfail(strict=True, reason="precision is 0.935"))
    tally = told[name, is_kept]
    assert tally.recall >= 0.95
    assert tally.precision >= 0.95
