"""Real models against themselves under other names, with and without edits."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.formats.load import load
from tests.diff.judging import Tally, judge, judge_report, matched
from tests.diff.scramble import scramble

from .conftest import real_models

pytestmark = pytest.mark.real_model


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


def test_edits_of_real_models_are_told_and_little_else(models: dict[str, Path]) -> None:
    tally = Tally()
    for path in models.values():
        for meta_graph in load(path).meta_graphs:
            for seed in (1, 2):
                other, truth = scramble(meta_graph.graph, seed, edits=0.05)
                tally.add(judge_report(meta_graph.graph, other, truth))
    assert tally.true > 300
    assert tally.precision >= 0.95
    assert tally.recall >= 0.95
