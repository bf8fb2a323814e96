"""The networkx view: the schema that ``graph/build.py`` documents, on every fixture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import networkx as nx
import pytest
from hypothesis import given

from migrator.errors import UsageError
from migrator.graph.build import to_networkx
from migrator.graph.wiring import Wiring
from migrator.model.graph import Function
from tests import strategies, wire
from tests.corpus import PROTOBUF, Sample, sample
from tests.handmade import const, model, op, placeholder, read_graph, unary

NODE = {"op": str, "device": str, "attrs": Mapping, "calls": tuple}
EDGE = {"src_port": int, "src_arg": str, "dst_slot": int, "control": bool}
TOP = {"format": str, "tags": tuple, "producer": int, "function": str, "functions": dict}


def views(item: Sample) -> list[Any]:
    return [to_networkx(item.model(), meta_graph=n) for n in range(len(item.described))]


def check(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Exactly these attributes, exactly these types."""
    assert found.keys() == expected.keys()
    for key, kind in expected.items():
        assert type(found[key]) is kind or (kind is Mapping and isinstance(found[key], Mapping))


def check_elements(view: Any) -> None:
    assert type(view) is nx.MultiDiGraph
    for name, found in view.nodes(data=True):
        assert isinstance(name, str)
        check(found, NODE)
        assert all(isinstance(called, str) for called in found["calls"])
    for _, _, found in view.edges(data=True):
        check(found, EDGE)
        if found["control"]:
            assert (found["src_port"], found["dst_slot"]) == (-1, -1)
        else:
            assert found["src_port"] >= 0
            assert found["dst_slot"] >= 0


@pytest.mark.parametrize("item", PROTOBUF, ids=str)
def test_schema_holds_on_every_fixture(item: Sample) -> None:
    for view, meta in zip(views(item), item.model().meta_graphs, strict=True):
        check(view.graph, TOP)
        assert view.graph["format"] == item.kind
        assert view.graph["tags"] == meta.tags
        assert view.graph["function"] == ""
        check_elements(view)
        for name, body in view.graph["functions"].items():
            check(body.graph, {"function": str})
            assert body.graph["function"] == name
            check_elements(body)


@pytest.mark.parametrize("item", PROTOBUF, ids=str)
def test_nodes_and_edges_are_as_many_as_tensorflow_counts(item: Sample) -> None:
    for view, expected in zip(views(item), item.described, strict=True):
        control = sum(1 for _, _, edge in view.edges(data=True) if edge["control"])
        assert view.number_of_nodes() == expected["nodes"]
        assert control == expected["control_edges"]
        assert view.number_of_edges() - control == expected["edges"]
        assert view.graph["producer"] == expected["producer"]
        assert len(view.graph["functions"]) == expected["functions"]


@pytest.mark.parametrize("item", PROTOBUF, ids=str)
def test_data_edges_spell_the_inputs_of_every_node(item: Sample) -> None:
    for view, meta in zip(views(item), item.model().meta_graphs, strict=True):
        for node in meta.graph:
            edges = list(view.in_edges(node.name, data=True))
            data = sorted(
                (e["dst_slot"], source, e["src_port"]) for source, _, e in edges if not e["control"]
            )
            assert [(source, port) for _, source, port in data] == [
                (ref.node, ref.port) for ref in node.data_refs
            ]
            assert [slot for slot, _, _ in data] == list(range(len(data)))
            controls = sorted(source for source, _, e in edges if e["control"])
            assert controls == sorted(ref.node for ref in node.refs if ref.control)


def bodies() -> list[Any]:
    return [
        pytest.param(
            function,
            to_networkx(item.model(), meta_graph=n).graph["functions"][name],
            id=f"{item.name}-{n}-{name[:40]}",
        )
        for item in PROTOBUF
        for n, meta in enumerate(item.model().meta_graphs)
        for name, function in meta.graph.functions.items()
    ]


@pytest.mark.parametrize(("function", "view"), bodies())
def test_bodies_have_their_arguments_results_and_edges(function: Function, view: Any) -> None:
    arguments = {name for name, op in view.nodes(data="op") if op == "_Arg"}
    results = {name for name, op in view.nodes(data="op") if op == "_Retval"}
    assert arguments == {spec.tensor for spec in function.inputs}
    assert results == {f"{spec.tensor}:result" for spec in function.outputs}
    assert view.number_of_nodes() == len(function.nodes) + len(arguments) + len(results)
    inputs = sum(len(node.inputs) for node in function.nodes)
    assert view.number_of_edges() == inputs + len(results)
    for result in results:
        assert view.in_degree(result) == 1


def test_calls_lead_from_a_node_to_the_bodies() -> None:
    view = to_networkx(sample("tf2.21.0/sm_functions").model())
    functions = view.graph["functions"]
    called = {name for _, found in view.nodes(data="calls") for name in found}
    called |= {n for body in functions.values() for _, c in body.nodes(data="calls") for n in c}
    assert called
    assert called <= functions.keys()


def test_parallel_edges_and_repeated_inputs_are_kept() -> None:
    view = to_networkx(model(placeholder("x"), op("y", "Mul", "x", "x", "^x", T=wire.F)))
    found = sorted((e["dst_slot"], e["control"]) for _, _, e in view.edges(data=True))
    assert found == [(-1, True), (0, False), (1, False)]


def test_ports_and_output_arguments_are_told() -> None:
    body = wire.function(
        "f",
        {"a": 1},
        {"r": 1},
        [
            wire.node("split", "Split", ["a", "a"]),
            wire.node("y", "AddN", ["split:output:1", "split:output:0", "^split"]),
        ],
        {"r": "y:sum:0"},
    )
    view = to_networkx(model(op("s", "Split", "s0:3"), op("s0", "Op"), functions=[body]))
    assert [(e["src_port"], e["src_arg"]) for _, _, e in view.edges(data=True)] == [(3, "")]
    inner = view.graph["functions"]["f"]
    found = sorted(
        (source, target, e["src_port"], e["src_arg"], e["dst_slot"])
        for source, target, e in inner.edges(data=True)
    )
    assert found == [
        ("a", "split", 0, "", 0),
        ("a", "split", 0, "", 1),
        ("split", "y", -1, "", -1),
        ("split", "y", 0, "output", 1),
        ("split", "y", 1, "output", 0),
        ("y", "r:result", 0, "sum", 0),
    ]


def test_dangling_inputs_and_second_nodes_of_a_name_are_left_out() -> None:
    found = model(
        placeholder("x"),
        unary("y", "Relu", "gone"),
        unary("y", "Tanh", "x"),
        op("z", "Add", "gone:1", "x", "^gone"),
    )
    view = to_networkx(found)
    assert dict(view.nodes(data="op")) == {"x": "Placeholder", "y": "Relu", "z": "Add"}
    assert [(s, t, e["dst_slot"]) for s, t, e in view.edges(data=True)] == [("x", "z", 1)]
    assert len(found.warnings) == 2


def test_a_meta_graph_that_does_not_exist_is_refused() -> None:
    found = model(placeholder("x"))
    assert to_networkx(found, meta_graph=-1).number_of_nodes() == 1
    for number in (1, -2, 99):
        with pytest.raises(UsageError, match="no meta graph"):
            to_networkx(found, meta_graph=number)


def test_attributes_are_read_lazily() -> None:
    view = to_networkx(model(const("c", [1.0, 2.0])))
    assert view.nodes["c"]["attrs"]["value"].numpy().tolist() == [1, 2]


@given(strategies.wired_graphs())
def test_networkx_agrees_with_our_own_wiring(nodes: list[bytes]) -> None:
    found = read_graph(wire.graph(nodes))
    view, wiring = to_networkx(found), Wiring(found.graph)
    names = [node.name for node in found.graph.nodes]
    assert sum(wiring.edge_counts()) == view.number_of_edges()
    for number, name in enumerate(names):
        behind = {names[item] for item in wiring.backward([number])}
        assert behind == nx.ancestors(view, name) | {name}
        data = nx.subgraph_view(
            view, filter_edge=lambda a, b, k: not view.edges[a, b, k]["control"]
        )
        assert {names[item] for item in wiring.forward([number])} == nx.descendants(data, name) | {
            name
        }


@given(strategies.wired_graphs())
def test_graphs_without_cycles_are_dags(nodes: list[bytes]) -> None:
    found = read_graph(wire.graph(nodes))
    assert nx.is_directed_acyclic_graph(to_networkx(found))
    assert found.warnings == ()
