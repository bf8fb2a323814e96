"""Nodes are found again under other names: on all fixtures, with edits, in awkward shapes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.diffing.matching.match import Matching
from migrator.diffing.matching.scopes import scope_renames, told_once
from migrator.graph.inline import CALLS, inline_calls
from migrator.migration.passes.functional import functional_control_flow
from migrator.model.dtypes import DType
from migrator.model.graph import Graph, Node, Versions, index_nodes
from tests.audit.notation import read_model
from tests.corpus import HUB, META, PROTOBUF, Sample, sample
from tests.diff.judging import is_isomorphism, judge, matched
from tests.diff.scramble import scramble

_ALL = (*PROTOBUF, *META, *HUB)
_SMALL = tuple(item for item in _ALL if item.file.stat().st_size < 40_000)


def _graphs(item: Sample) -> Iterator[Graph]:
    for meta_graph in item.model().meta_graphs:
        yield meta_graph.graph


def _pairs(found: Matching) -> dict[str, str]:
    return {pair.left: pair.right for pair in found.pairs}


def _graph(*nodes: Node) -> Graph:
    by_name, duplicates = index_nodes(nodes)
    return Graph(
        nodes=nodes, functions={}, versions=Versions(), by_name=by_name, duplicates=duplicates
    )


def _node(name: str, op: str, *inputs: str) -> Node:
    attrs = {"T": DType(1)} if inputs else {"dtype": DType(1)}
    return Node(name, op, inputs, "", attrs)


@pytest.mark.parametrize("item", _ALL, ids=str)
def test_every_node_is_found_under_another_name_and_in_another_order(item: Sample) -> None:
    for graph in _graphs(item):
        other, truth = scramble(graph, 1)
        found = matched(graph, other)
        assert judge(graph, other, found, truth).right >= 0.99
        assert is_isomorphism(graph, other, found)


def test_edits_are_told_from_what_stayed() -> None:
    """On all fixtures together: in a small graph one edit may be told in two ways."""
    right = pairs = reported = wanted = 0
    true_reports = found_edits = 0.0
    for item in _ALL:
        for graph in _graphs(item):
            other, truth = scramble(graph, 7, edits=0.05)
            verdict = judge(graph, other, matched(graph, other), truth)
            right += round(verdict.right * len(truth.pairs))
            pairs += len(truth.pairs)
            true_reports += verdict.precision * verdict.found
            reported += verdict.found
            found_edits += verdict.recall * verdict.wanted
            wanted += verdict.wanted
    assert wanted > 500
    assert right / pairs >= 0.99
    assert true_reports / reported >= 0.95
    assert found_edits / wanted >= 0.95


@settings(max_examples=25, deadline=None)
@given(item=st.sampled_from(_SMALL), seed=st.integers(0, 1 << 30), edits=st.sampled_from((0, 0.1)))
def test_the_other_way_round_gives_the_same_pairs(item: Sample, seed: int, edits: float) -> None:
    graph = next(_graphs(item))
    other, _ = scramble(graph, seed, edits=edits)
    forth, back = matched(graph, other), matched(other, graph)
    assert _pairs(forth) == {right: left for left, right in _pairs(back).items()}
    assert set(forth.left_only) == set(back.right_only)


@settings(max_examples=25, deadline=None)
@given(item=st.sampled_from(_SMALL), seed=st.integers(0, 1 << 30))
def test_each_node_is_in_one_pair_or_without_counterpart(item: Sample, seed: int) -> None:
    graph = next(_graphs(item))
    other, _ = scramble(graph, seed, edits=0.2)
    found = matched(graph, other)
    names = [pair.left for pair in found.pairs] + list(found.left_only)
    others = [pair.right for pair in found.pairs] + list(found.right_only)
    for told, model in ((names, graph), (others, other)):
        every = set(model.by_name)
        for name, function in model.functions.items():
            every |= {f"{name}/{node.name}" for node in function.nodes}
        assert sorted(told) == sorted(every)
    assert all(0 < pair.confidence <= 1 for pair in found.pairs)


@pytest.mark.parametrize("item", _SMALL[::7], ids=str)
def test_a_model_is_itself_under_its_own_names(item: Sample) -> None:
    for graph in _graphs(item):
        found = matched(graph, graph)
        assert not found.left_only and not found.right_only and not found.scopes
        assert is_isomorphism(graph, graph, found)


def test_names_that_went_to_other_nodes_lose_against_structure() -> None:
    left = read_model(
        """
        x = Placeholder | dtype=:float
        k1 = Const [[1, 2], [3, 4]]
        k2 = Const [[5, 6], [7, 8]]
        a = MatMul x k1 | T=:float
        b = Relu a | T=:float
        c = MatMul b k2 | T=:float
        d = Relu c | T=:float
        """
    ).graph
    right = read_model(
        """
        x = Placeholder | dtype=:float
        k2 = Const [[1, 2], [3, 4]]
        k1 = Const [[5, 6], [7, 8]]
        c = MatMul x k2 | T=:float
        d = Relu c | T=:float
        a = MatMul d k1 | T=:float
        b = Relu a | T=:float
        """
    ).graph
    swapped = {"x": "x", "k1": "k2", "k2": "k1", "a": "c", "b": "d", "c": "a", "d": "b"}
    assert _pairs(matched(left, right)) == swapped


def test_retrained_layers_that_are_all_alike_are_told_by_their_names() -> None:
    def model(first: int) -> Graph:
        lines = ["x = Placeholder | dtype=:float"]
        for at in range(6):
            lines += [
                f"tower{at}/w = Const [[{first + at}, 2], [3, 4]]",
                f"tower{at}/mul = MatMul x tower{at}/w | T=:float",
            ]
        return read_model("\n".join(lines)).graph

    found = matched(model(10), model(50))
    assert all(left == right for left, right in _pairs(found).items())
    assert len(found.pairs) == 13


def test_with_names_ignored_they_are_no_evidence() -> None:
    left = _graph(_node("x", "Placeholder"), _node("a", "Relu", "x"), _node("b", "Tanh", "a"))
    right = _graph(_node("x", "Placeholder"), _node("b", "Relu", "x"), _node("a", "Tanh", "b"))
    assert _pairs(matched(left, right, ignore=("names",))) == {"x": "x", "a": "b", "b": "a"}


def test_a_renamed_scope_is_told_once() -> None:
    graph = sample("tf1.15.5/conv_bn").model().graph
    scopes = sorted({name.partition("/")[0] for name in graph.by_name if "/" in name})
    other, _ = scramble(
        graph, 3, rename=lambda _, name: f"net/{name}" if name.startswith(scopes[0]) else name
    )
    found = matched(graph, other)
    inside = sum(name.startswith(f"{scopes[0]}/") for name in graph.by_name)
    assert [(item.left, item.right) for item in found.scopes] == [(scopes[0], f"net/{scopes[0]}")]
    assert found.scopes[0].nodes == inside


def test_a_rename_that_half_of_a_scope_follows_is_none() -> None:
    pairs = [("a/x", "b/x"), ("a/y", "b/y"), ("a/z", "a/z"), ("a/w", "a/w")]
    assert told_once(scope_renames(pairs)) == ()


def test_what_stands_behind_an_inserted_and_a_removed_node_is_found() -> None:
    names = ("Relu", "Tanh", "Sigmoid", "Exp", "Abs", "Neg", "Square", "Softplus")

    def chain(prefix: str, ops: tuple[str, ...]) -> Graph:
        nodes = [_node(f"{prefix}x", "Placeholder")]
        for op in ops:
            nodes.append(_node(f"{prefix}{op}{len(nodes)}", op, nodes[-1].name))
        return _graph(*nodes)

    left = chain("l", names)
    right = chain("r", (*names[:2], "Cos", *names[2:5], *names[6:]))
    found = matched(left, right)
    assert found.left_only == ("lNeg6",)
    assert found.right_only == ("rCos3",)


def test_a_replaced_op_is_one_node_and_not_two() -> None:
    left = _graph(
        _node("x", "Placeholder"),
        _node("a", "Exp", "x"),
        _node("b", "Relu", "a"),
        _node("c", "Tanh", "b"),
    )
    right = _graph(
        _node("p", "Placeholder"),
        _node("q", "Exp", "p"),
        _node("r", "Elu", "q"),
        _node("s", "Tanh", "r"),
    )
    assert _pairs(matched(left, right)) == {"x": "p", "a": "q", "b": "r", "c": "s"}


def test_a_call_is_its_body() -> None:
    graph = sample("tf2.21.0/sm_functions").model().graph
    flat = inline_calls(graph, lambda _: True)
    assert flat is not graph
    found = matched(replace(flat, functions={}), graph)
    called = {node.name for node in graph if node.op in CALLS}
    assert called <= {item.name for item in found.bypassed if item.why == "call"}
    inside = [pair for pair in found.pairs if pair.right not in graph.by_name]
    assert len(inside) >= len(flat) - len(graph) - len(called)
    assert all("/" in pair.right for pair in inside)


def test_functions_are_told_by_what_they_compute() -> None:
    graph = sample("tf2.21.0/keras_export").model().graph
    other, _ = scramble(graph, 4)
    found = matched(graph, other)
    assert set(found.functions) == set(graph.functions)
    assert set(found.functions.values()) == set(other.functions)
    for name, renamed in found.functions.items():
        ours, theirs = graph.functions[name], other.functions[renamed]
        assert sorted(node.op for node in ours.nodes) == sorted(node.op for node in theirs.nodes)


@pytest.mark.parametrize("name", ["while_plain", "cond", "cond_in_while", "nested_while"])
def test_a_loop_of_nodes_is_its_functional_form(name: str) -> None:
    graph = sample(f"tf1.15.5/{name}").model().graph
    read = {text.strip("^").partition(":")[0] for node in graph for text in node.inputs}
    ends = [f"{item}:0" for item in graph.by_name if item not in read]
    other, steps = functional_control_flow(graph, {}, ends)
    assert steps
    found = matched(graph, other)
    told = {item.name for item in found.bypassed}
    assert {item.why for item in found.bypassed} & {"loop", "condition"}
    assert len(found.pairs) >= len(graph) / 3
    kept = {node.name for node in other.all_nodes()}
    assert not [name for name in found.left_only if name in kept and name not in told]


def test_a_constant_that_became_a_variable_is_the_same_weight() -> None:
    left = read_model(
        """
        x = Placeholder | dtype=:float
        w = Const [[1, 2], [3, 4]]
        w/read = Identity w | T=:float
        y = MatMul x w/read | T=:float
        """
    ).graph
    right = read_model(
        """
        input = Placeholder | dtype=:float
        kernel = VarHandleOp | dtype=:float shape=:[2,2] shared_name="kernel"
        kernel/Read = ReadVariableOp kernel | dtype=:float
        result = MatMul input kernel/Read | T=:float
        """
    ).graph
    found = _pairs(matched(left, right))
    assert found["w"] == "kernel" and found["y"] == "result" and found["x"] == "input"


def _row(size: int) -> Graph:
    chain = [_node("x", "Placeholder"), _node("r0", "Relu", "x")]
    return _graph(*chain, *(_node(f"r{at}", "Relu", f"r{at - 1}") for at in range(1, size)))


def _star(size: int) -> Graph:
    return _graph(_node("x", "Placeholder"), *(_node(f"r{at}", "Relu", "x") for at in range(size)))


def _layers(size: int) -> Graph:
    wide = max(2, int(size**0.5) // 4)
    nodes = [_node(f"l0_{at}", "Placeholder") for at in range(wide)]
    for layer in range(1, 5):
        before = [f"l{layer - 1}_{at}" for at in range(wide)]
        nodes += [_node(f"l{layer}_{at}", "AddN", *before) for at in range(wide)]
    return _graph(*nodes)


def _loose(size: int) -> Graph:
    return _graph(*(_node(f"x{at}", "Placeholder") for at in range(size)))


def _ring(size: int) -> Graph:
    return _graph(*(_node(f"r{at}", "Relu", f"r{(at or size) - 1}") for at in range(size)))


@pytest.mark.parametrize("shape", [_row, _star, _layers, _loose, _ring])
def test_equal_nodes_in_awkward_shapes_are_paired_as_far_as_they_go(shape: object) -> None:
    assert callable(shape)
    large, small = shape(4000), shape(3000)
    other, _ = scramble(large, 5)
    whole = matched(large, other)
    assert is_isomorphism(large, other, whole)
    part = matched(large, small)
    assert len(part.pairs) + len(part.left_only) == len(large)
    assert len(part.pairs) >= 0.7 * len(small)


def test_two_empty_graphs_have_no_pairs() -> None:
    assert matched(_graph(), _graph()).pairs == ()
    assert matched(_graph(), _star(3)).right_only == ("x", "r0", "r1", "r2")
