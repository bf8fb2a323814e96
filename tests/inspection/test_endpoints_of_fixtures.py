"""The endpoint rules on every frozen fixture, against what its owner wants of it."""

from __future__ import annotations

import random

import pytest

from migrator.formats.encode import encode_node
from migrator.graph.wiring import Wiring
from migrator.inspection.endpoints import Endpoints, find_endpoints
from migrator.inspection.inputs import control_values
from migrator.model.graph import Graph, Node
from migrator.model.model import MetaGraph
from tests import wire
from tests.corpus import FROZEN, SAVED, Sample
from tests.equality import plain_attrs
from tests.handmade import read_graph

PLAIN = [item for item in FROZEN if item.record["decidable"] and not item.feeds]
FED = [item for item in FROZEN if item.record["decidable"] and item.feeds]
OPEN = [item for item in FROZEN if not item.record["decidable"]]


def endpoints(item: Sample) -> Endpoints:
    return find_endpoints(item.model().meta_graphs[0])


def names(candidates: object) -> set[str]:
    return {candidate.tensor for candidate in candidates}  # type: ignore[attr-defined]


@pytest.mark.parametrize("item", PLAIN, ids=str)
def test_decidable_fixtures_are_decided_and_right(item: Sample) -> None:
    found = endpoints(item)
    assert found.decided, found.questions
    assert names(found.inputs) == set(item.inputs.values())
    assert names(found.outputs) == set(item.outputs.values())
    assert found.controls == ()
    assert names(found.options) == set(item.record["options"])


@pytest.mark.parametrize("item", FED, ids=str)
def test_controls_are_asked_for_with_the_value_for_inference(item: Sample) -> None:
    found = endpoints(item)
    assert not found.decided
    assert names(found.inputs) == set(item.inputs.values())
    assert names(found.outputs) == set(item.outputs.values())
    assert names(found.controls) == item.feeds.keys()
    for control in found.controls:
        value = item.feeds[control.tensor]
        assert control.suggested == (str(value).lower() if isinstance(value, bool) else str(value))
        assert any(control.tensor in question for question in found.questions)


@pytest.mark.parametrize("item", OPEN, ids=str)
def test_undecidable_fixtures_stay_open_with_the_truth_among_the_candidates(item: Sample) -> None:
    found = endpoints(item)
    assert not found.decided
    assert found.questions
    assert set(item.inputs.values()) <= names(found.inputs)
    assert set(item.outputs.values()) <= names(found.outputs) | names(found.alternatives)


@pytest.mark.parametrize("item", FROZEN, ids=str)
def test_candidates_have_reasons_scores_and_types(item: Sample) -> None:
    found = endpoints(item)
    graph = item.model().graph
    for candidate in (*found.inputs, *found.outputs, *found.options, *found.alternatives):
        assert 0 < candidate.score <= 1
        assert candidate.reasons
        assert candidate.dtype is not None
        assert candidate.tensor.rpartition(":")[0] in graph.by_name
    for control in found.controls:
        assert control.reasons
        assert control_values(graph, Wiring(graph), [control.tensor]) != [None]


@pytest.mark.parametrize("item", FROZEN, ids=str)
def test_no_data_input_has_a_value_for_inference(item: Sample) -> None:
    graph = item.model().graph
    for tensor in item.inputs.values():
        assert control_values(graph, Wiring(graph), [tensor]) == [None]


@pytest.mark.parametrize("item", SAVED, ids=str)
def test_signatures_decide(item: Sample) -> None:
    for meta in item.model().meta_graphs:
        found = find_endpoints(meta)
        assert found.decided
        key = "serving_default" if "serving_default" in meta.signatures else min(meta.signatures)
        signature = meta.signatures[key]
        for side in ("inputs", "outputs"):
            specs = getattr(signature, side).values()
            assert [c.tensor for c in getattr(found, side)] == [
                spec.tensor or spec.parts[0] for spec in specs
            ]


def rebuilt(graph: Graph, nodes: list[Node]) -> MetaGraph:
    data = wire.graph(map(encode_node, nodes), producer=graph.versions.producer)
    found = read_graph(data).graph
    return MetaGraph(
        graph=Graph(
            nodes=found.nodes,
            functions=graph.functions,
            versions=graph.versions,
            by_name=found.by_name,
        )
    )


@pytest.mark.parametrize("item", FROZEN, ids=str)
def test_the_order_of_nodes_does_not_matter(item: Sample) -> None:
    graph = item.model().graph
    expected = endpoints(item)
    for seed in range(3):
        nodes = list(graph.nodes)
        random.Random(seed).shuffle(nodes)
        found = find_endpoints(rebuilt(graph, nodes))
        assert found.decided == expected.decided
        for side in ("inputs", "outputs", "controls", "options"):
            assert {(c.tensor, c.reasons) for c in getattr(found, side)} == {
                (c.tensor, c.reasons) for c in getattr(expected, side)
            }


def renamed(node: Node, prefix: str) -> Node:
    inputs = tuple(
        f"^{prefix}{text[1:]}" if text[0] == "^" else prefix + text for text in node.inputs
    )
    return Node(prefix + node.name, node.op, inputs, node.device, node.attrs)


@pytest.mark.parametrize("prefix", ["import/", "import/import_1/", "tower_0/model/"])
@pytest.mark.parametrize("item", FROZEN, ids=str)
def test_a_scope_around_everything_does_not_matter(item: Sample, prefix: str) -> None:
    graph = item.model().graph
    expected = endpoints(item)
    found = find_endpoints(rebuilt(graph, [renamed(node, prefix) for node in graph.nodes]))
    assert found.decided == expected.decided
    for side in ("inputs", "outputs", "controls", "options"):
        assert [c.tensor.removeprefix(prefix) for c in getattr(found, side)] == [
            c.tensor for c in getattr(expected, side)
        ]


@pytest.mark.parametrize("item", FROZEN[:3], ids=str)
def test_rebuilding_keeps_the_graph(item: Sample) -> None:
    """The laws above are about the same graph."""
    graph = item.model().graph
    again = rebuilt(graph, list(graph.nodes)).graph
    for node, other in zip(graph.nodes, again.nodes, strict=True):
        assert (node.name, node.op, node.inputs) == (other.name, other.op, other.inputs)
        assert plain_attrs(node.attrs) == plain_attrs(other.attrs)
