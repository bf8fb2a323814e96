"""The truth that matchings are judged by: what it says of graphs where it is plain to see."""

from __future__ import annotations

import pytest

from migrator.model.graph import Graph
from tests.audit.notation import read_model
from tests.corpus import HUB, PROTOBUF
from tests.diff.oracle import classes, facts, hidden_rewiring, raw_changes
from tests.diff.scramble import scramble

_TOWERS = """
    x = Placeholder | dtype=:float
    a1 = Relu x | T=:float
    a2 = Tanh a1 | T=:float
    b1 = Relu x | T=:float
    b2 = Tanh b1 | T=:float
    sum = AddN a2 b2 | T=:float N=2
"""


def _graph(text: str) -> Graph:
    return read_model(text).graph


def test_inputs_of_one_node_are_told_apart_by_their_places() -> None:
    found = classes(facts(_graph(_TOWERS)))
    assert len(set(found.values())) == 6


def test_twins_are_one_class_and_what_breaks_them_far_away_tells_them_apart() -> None:
    twins = _TOWERS.replace("sum = AddN a2 b2 | T=:float N=2", "")
    found = classes(facts(_graph(twins)))
    assert found["a1"] == found["b1"] and found["a2"] == found["b2"]
    assert found["a1"] != found["a2"]
    found = classes(facts(_graph(twins + "end = Neg b2 | T=:float\n")))
    assert found["a1"] != found["b1"] and found["a2"] != found["b2"]


def test_an_attribute_and_a_constants_bytes_tell_twins_apart() -> None:
    lines = "a = Const {}\nb = Const 1.5\nc = Relu a | T=:float {}\nd = Relu b | T=:float"
    for value, attr, one in (("1.5", "", True), ("2.5", "", False), ("1.5", "k=1", False)):
        found = classes(facts(_graph(lines.format(value, attr))))
        assert (found["a"] == found["b"]) is one
        assert (found["c"] == found["d"]) is one


@pytest.mark.parametrize("item", (*PROTOBUF, *HUB), ids=str)
def test_what_differs_is_what_was_edited(item: object) -> None:
    """Nodes compared one by one say the same as the list of edits."""
    graph = item.model().graph  # type: ignore[attr-defined]
    for seed in range(2):
        other, truth = scramble(graph, seed, edits=0.1)
        sides = facts(graph), facts(other), truth.pairs, truth.functions
        found = raw_changes(*sides)
        edited = {kind: set(names) for kind, names in truth.edited.items()}

        def names(kind: str, side: int) -> set[str]:
            return {item[side] for item in found if item[0] == kind}  # noqa: B023

        assert names("changed", 1) == edited.get("op", set()) | edited.get("attribute", set())
        assert names("removed", 1) == edited.get("removed", set()) == truth.removed
        assert names("added", 2) == truth.added
        assert edited.get("added", set()) <= names("rewired", 1)
        gone = {kind for kind in ("wiring",) if edited.get(kind, set()) - names("rewired", 1)}
        assert not gone
        readers = {
            name
            for name, edges in sides[0].edges.items()
            if any(edge[0] in truth.removed for edge in edges)
        }
        wired = edited.get("wiring", set()) | edited.get("added", set())
        assert names("rewired", 1) <= wired | readers
        assert {item[1] for item in hidden_rewiring(*sides) & found} <= readers


def test_a_graph_is_itself_under_other_names() -> None:
    graph = _graph(_TOWERS)
    other, truth = scramble(graph, 1)
    assert not raw_changes(facts(graph), facts(other), truth.pairs, {})
    swapped = {**truth.pairs, "a1": truth.pairs["a2"], "a2": truth.pairs["a1"]}
    assert {item[0] for item in raw_changes(facts(graph), facts(other), swapped, {})} == {
        "changed",
        "rewired",
    }
