"""What a comparison tells of edits, all in all: little that is not true, little left out."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.corpus import HUB, META, PROTOBUF
from tests.diff.judging import Tally, judge_report
from tests.diff.scramble import scramble


def _kept(_: random.Random, name: str) -> str:
    return name


@pytest.mark.parametrize("rename", [None, _kept], ids=["all renamed", "names kept"])
def test_edits_are_told_and_little_else(
    rename: Callable[[random.Random, str], str] | None,
) -> None:
    """On all fixtures together: in a small graph one edit may be told in two ways."""
    tally = Tally()
    for item in (*PROTOBUF, *META, *HUB):
        for meta_graph in item.model().meta_graphs:
            other, truth = scramble(meta_graph.graph, 3, edits=0.05, rename=rename)
            tally.add(judge_report(meta_graph.graph, other, truth))
    assert tally.true > 500
    assert tally.precision >= 0.95
    assert tally.recall >= 0.95
