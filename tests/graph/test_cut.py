"""A part of a graph: what its ends need, placeholders where it was cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.errors import UnsupportedFormat, UsageError
from migrator.graph.cut import Cut, cut_graph, parse_range
from migrator.graph.function_graph import function_graph
from migrator.graph.wiring import Wiring
from migrator.model.dtypes import FLOAT32
from migrator.model.graph import Graph
from migrator.model.tensors import Shape
from tests import handmade as h
from tests import strategies, wire
from tests.corpus import sample


def graph() -> Graph:
    return h.model(
        h.placeholder("x"),
        *h.dense("a", "x"),
        h.op("split", "Split", "axis", "a", T=wire.F, num_split=3),
        h.const("axis", 1, "int32"),
        h.op("b", "Relu", "split:1", "^waits", T=wire.F, _class=[b"loc:@x", b"loc:@c"]),
        h.op("waits", "NoOp", "^a"),
        h.op("c", "AddN", "b", "split", "split:0", T=wire.F, N=3),
        h.op("beside", "Neg", "a", T=wire.F),
    ).graph


def inputs(cut: Cut) -> dict[str, tuple[str, ...]]:
    return {node.name: node.inputs for node in cut.graph}


def test_what_the_ends_need_stays_in_its_order() -> None:
    cut = cut_graph(graph(), [], ["b"])
    assert list(inputs(cut)) == ["x", "a/weights", "a", "split", "axis", "b", "waits"]
    assert cut.placeholders == {}
    assert cut.graph.by_name["b"].attrs["_class"] == [b"loc:@x"]


def test_a_node_that_is_cut_at_becomes_a_placeholder_of_its_name() -> None:
    cut = cut_graph(graph(), ["a"], ["b"])
    assert inputs(cut)["b"] == ("split:1", "^waits")
    assert inputs(cut)["waits"] == ("^a",)
    made = cut.graph.by_name["a"]
    assert (made.op, made.inputs, made.attrs["dtype"]) == ("Placeholder", (), FLOAT32)
    assert cut.placeholders == {"a:0": "a"}
    assert "x" not in cut.graph.by_name
    assert "_class" not in cut.graph.by_name["b"].attrs


def test_each_output_that_is_taken_has_a_placeholder() -> None:
    cut = cut_graph(graph(), ["split"], ["c"])
    assert cut.placeholders == {"split:0": "split", "split:1": "split_1"}
    assert inputs(cut)["b"] == ("split_1", "^waits")
    assert inputs(cut)["c"] == ("b", "split", "split:0")
    assert cut.untyped == ()


def test_one_output_is_cut_and_the_others_are_not() -> None:
    cut = cut_graph(graph(), ["split:0"], ["c"])
    assert cut.placeholders == {"split:0": "split_0"}
    assert inputs(cut)["c"] == ("b", "split_0", "split_0")
    assert inputs(cut)["b"] == ("split:1", "^waits")
    assert cut.graph.by_name["split"].op == "Split"


def test_a_placeholder_stands_for_itself() -> None:
    cut = cut_graph(graph(), ["x"], ["a"])
    assert cut.graph.by_name["x"].attrs["shape"] == Shape((None, 4))
    assert cut.graph.by_name["x"] is not None
    assert list(inputs(cut)) == ["x", "a/weights", "a"]


def test_without_ends_all_that_takes_from_the_starts_stays() -> None:
    cut = cut_graph(graph(), ["b"], [])
    assert [*inputs(cut)] == ["x", "a/weights", "a", "split", "axis", "b", "c"]
    assert cut.graph.by_name["b"].op == "Placeholder"


def test_an_end_that_is_cut_is_its_placeholder() -> None:
    assert inputs(cut_graph(graph(), ["b"], ["b"])) == {"b": ()}


def test_what_is_not_needed_is_told() -> None:
    assert cut_graph(graph(), ["beside", "a"], ["b"]).unused == ("beside",)


@pytest.mark.parametrize(
    ("starts", "ends", "words"),
    [
        ([], [], "no tensor is named"),
        (["gone"], ["b"], "there is no node 'gone'"),
        (["a"], ["bb"], "did you mean b"),
        (["split:3"], ["b"], "has 3 outputs"),
        (["c"], [], "nothing takes from 'c'"),
        (["^a"], ["b"], "does not name a tensor"),
    ],
)
def test_what_cannot_be_cut(starts: list[str], ends: list[str], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        cut_graph(graph(), starts, ends)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ("x..b", (["x"], ["b"])),
        ("..b,c", ([], ["b", "c"])),
        ("x, a..", (["x", "a"], [])),
        ("split:1..c:0", (["split:1"], ["c:0"])),
        ("..", ([], [])),
    ],
)
def test_ranges(text: str, sides: tuple[list[str], list[str]]) -> None:
    assert parse_range(text, graph()) == sides


def test_names_with_dots_and_commas_are_read_as_the_graph_has_them() -> None:
    found = h.model(h.placeholder("a..b"), h.placeholder("c,d"), h.placeholder("e")).graph
    assert parse_range("a..b..c,d", found) == (["a..b"], ["c,d"])
    assert parse_range("..a..b", found) == ([], ["a..b"])
    again = h.model(*(h.placeholder(name) for name in ("a", "b..c", "a..b", "c"))).graph
    with pytest.raises(UsageError, match="2 ways"):
        parse_range("a..b..c", again)
    with pytest.raises(UsageError, match=r"FROM\.\.TO"):
        parse_range("a", again)


@given(strategies.wired_graphs(), st.data())
def test_a_cut_is_closed_and_has_nothing_that_is_not_needed(
    nodes: list[bytes], data: st.DataObject
) -> None:
    whole = h.read_graph(wire.graph(nodes)).graph
    names = st.sampled_from([*whole.by_name])
    starts = data.draw(st.lists(names, max_size=2))
    ends = data.draw(st.lists(names, min_size=1, max_size=2))
    cut = cut_graph(whole, starts, ends)
    wiring = Wiring(cut.graph)
    count = sum(len(node.inputs) for node in cut.graph)
    assert sum(wiring.edge_counts()) == count  # no input dangles
    assert not cut.graph.duplicates
    needed = wiring.backward([wiring.index[name] for name in ends])
    assert len(needed) == len(cut.graph.nodes)
    for node in cut.graph:
        was = whole.by_name[node.name]
        if node.name in starts:
            assert node.op == "Placeholder"
        else:
            gone = {text for text in was.inputs if text[:1] == "^"} - {*node.inputs}
            assert node.inputs == tuple(text for text in was.inputs if text not in gone)
            assert {text[1:] for text in gone} <= {*starts}


def test_a_body_as_a_graph_has_inputs_as_graphs_have_them() -> None:
    body = wire.function(
        "f",
        {"x": wire.FLOAT},
        {"y": wire.FLOAT, "s": wire.FLOAT},
        [
            wire.node("axis", "Const", [], {"dtype": wire.I32}),
            wire.node("s", "Split", ["axis:output:0", "x"], {"T": wire.F, "num_split": 2}),
            wire.node("t", "SplitV", ["x", "x", "axis:output:0"], {"T": wire.F, "num_split": 2}),
            wire.node("y", "AddN", ["s:output:1", "t:output:0", "^axis"], {"T": wire.F, "N": 2}),
        ],
        {"y": "y:sum:0", "s": "s:output:1"},
    )
    whole = h.model(h.op("call", "f", "z"), h.placeholder("z"), functions=[body]).graph
    found = function_graph(whole, whole.functions["f"], exact=True)
    told = {node.name: (node.op, node.inputs) for node in found}
    assert told["x"] == ("Placeholder", ())
    assert told["s"] == ("Split", ("axis", "x"))
    assert told["y"] == ("AddN", ("s:1", "t", "^axis"))
    assert told["y_result_2"] == ("Identity", ("y",))
    assert told["s_result_2"] == ("Identity", ("s:1",))


def test_an_op_that_nothing_is_known_of_cannot_be_told_exactly() -> None:
    body = wire.function(
        "f", {"x": wire.FLOAT}, {"y": wire.FLOAT}, [wire.node("n", "Own", ["x"])], {"y": "n:out:1"}
    )
    whole = h.model(h.op("call", "f", "z"), h.placeholder("z"), functions=[body]).graph
    with pytest.raises(UnsupportedFormat, match="'Own'"):
        function_graph(whole, whole.functions["f"], exact=True)
    assert function_graph(whole, whole.functions["f"]).by_name["y"].inputs == ("n:1",)


def test_bodies_of_real_models_have_no_dangling_inputs() -> None:
    whole = sample("tf2.21.0/sm_functions").model().graph
    for function in whole.functions.values():
        found = function_graph(whole, function, exact=True)
        count = sum(len(node.inputs) for node in found)
        assert sum(Wiring(found).edge_counts()) == count
        assert not found.duplicates
