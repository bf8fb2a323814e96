"""What a comparison tells of edits, all in all: little that is not true, little left out."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from migrator.diffing.compare import compare
from migrator.diffing.result import RENAMED
from tests.corpus import HUB, META, PROTOBUF, sample
from tests.diff.judging import Tally, bare, judge_report
from tests.diff.scramble import scramble


def kept(_: random.Random, name: str) -> str:
    return name


@pytest.mark.parametrize("seed", [3, 4])
@pytest.mark.parametrize("rename", [None, kept], ids=["all renamed", "names kept"])
def test_edits_are_told_and_little_else(
    rename: Callable[[random.Random, str], str] | None, seed: int
) -> None:
    """On all fixtures together: in a small graph one edit may be told in two ways."""
    tally = Tally()
    for item in (*PROTOBUF, *META, *HUB):
        for meta_graph in item.model().meta_graphs:
            other, truth = scramble(meta_graph.graph, seed, edits=0.05, rename=rename)
            tally.add(judge_report(meta_graph.graph, other, truth))
    assert tally.true > 500
    assert tally.precision >= 0.95
    assert tally.recall >= 0.95
    assert min(tally.edits.values()) > 20
    # Of one kind there are too few to hold each to the same: three dozen removed, a miss is 3 %.
    assert all(share >= 0.9 for share in tally.shares.values()), tally.shares


def test_a_function_called_as_an_op_under_another_name_is_no_change() -> None:
    graph = sample("tf1.15.5/function_call").model().graph
    other, _ = scramble(graph, 3)
    found = compare(bare(graph), bare(other))
    assert {item.kind for item in found.nodes} == {RENAMED}
    assert found.same_computation


def test_what_a_function_called_as_an_op_needs_is_in_use() -> None:
    graph = sample("tf1.15.5/function_call").model().graph
    other, truth = scramble(graph, 4, edits=0.05)
    assert truth.removed == {"swish_matmul/Sigmoid"}
    found = [item for item in compare(bare(graph), bare(other)).nodes if item.kind != RENAMED]
    assert {item.left for item in found} == {"swish_matmul/Sigmoid", "swish_matmul/mul_0"}
    assert {item.why for item in found} == {""}
