"""What is wrong with a graph's structure is told as a warning, and exactly that."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.graph.build import to_networkx
from migrator.model.checks import dangling_inputs, find_cycle, graph_warnings
from migrator.model.tensors import TensorRef
from tests import wire
from tests.corpus import PROTOBUF, Sample
from tests.handmade import model, op, placeholder, unary


def test_duplicate_names_are_told_once_each() -> None:
    found = model(*[unary("a", "Relu", "x") for _ in range(3)], placeholder("x"))
    assert found.graph.duplicates == ("a",)
    assert found.warnings == ("1 node name: stands more than once: 'a'",)


def test_many_findings_are_counted_and_the_first_named() -> None:
    nodes = [unary(f"n{index}", "Relu", f"gone{index}") for index in range(2000)]
    (warning,) = model(*nodes).warnings
    assert warning.startswith("2,000 inputs: names no node of the graph: 'n0 <- gone0', ")
    assert warning.endswith(" and 1,997 more")


def test_dangling_control_inputs_count() -> None:
    found = model(placeholder("x"), op("y", "Relu", "x", "^gone"))
    assert [(node.name, text) for node, text in dangling_inputs(found.graph)] == [("y", "^gone")]


@pytest.mark.parametrize(
    ("nodes", "cycle"),
    [
        ([unary("a", "Relu", "a")], {"a"}),
        ([unary("a", "Relu", "b"), unary("b", "Relu", "a:0")], {"a", "b"}),
        ([op("a", "NoOp", "^b"), op("b", "NoOp", "^a")], {"a", "b"}),
        ([unary("m", "Merge", "n"), unary("n", "NextIteration", "m")], set()),
        ([unary("m", "RefMerge", "n"), unary("n", "RefNextIteration", "m")], set()),
    ],
    ids=["itself", "two", "by-control", "while-loop", "ref-while-loop"],
)
def test_cycles_count_outside_of_while_loops(nodes: list[bytes], cycle: set[str]) -> None:
    assert set(find_cycle(model(*nodes).graph)) == cycle


def test_what_hangs_behind_a_cycle_waits_too() -> None:
    found = model(unary("a", "Relu", "a"), unary("b", "Relu", "a"), placeholder("x"))
    assert set(find_cycle(found.graph)) == {"a", "b"}
    assert len(found.warnings) == 1


@pytest.mark.parametrize("name", ["a\x00b", "a\nb", "\x1b[2J", "\u202eabc", "a\u2028b", "\ud7ff"])
def test_unprintable_names_are_told_in_ascii(name: str) -> None:
    found = model(wire.node(name, "NoOp"))
    assert len(found.warnings) == 1
    assert found.warnings[0].isascii()
    assert found.warnings[0].isprintable()


@pytest.mark.parametrize("item", PROTOBUF, ids=str)
def test_fixtures_have_no_cycle_but_their_loops(item: Sample) -> None:
    for index, meta in enumerate(item.model().meta_graphs):
        assert graph_warnings(meta.graph) == []
        view = to_networkx(item.model(), meta_graph=index)
        back = [node for node, op in view.nodes(data="op") if op.endswith("NextIteration")]
        view.remove_nodes_from(back)
        assert nx.is_directed_acyclic_graph(view)


_NAMES = st.sampled_from(("a", "b", "c", "d"))
_ENDS = st.sampled_from(("a", "b:1", "^c", "d:0", "gone"))


@given(st.dictionaries(_NAMES, st.lists(_ENDS, max_size=3)))
def test_cycles_are_found_exactly_where_networkx_finds_them(graph: dict[str, list[str]]) -> None:
    found = model(*[wire.node(name, "AddN", inputs) for name, inputs in graph.items()])
    view = to_networkx(found)
    assert bool(find_cycle(found.graph)) == (not nx.is_directed_acyclic_graph(view))


@pytest.mark.parametrize(
    ("text", "node", "port", "control", "arg"),
    [
        ("n", "n", 0, False, ""),
        ("n:0", "n", 0, False, ""),
        ("a/b:12", "a/b", 12, False, ""),
        ("^n", "n", -1, True, ""),
        ("n:out:2", "n", 2, False, "out"),
        ("n:", "n:", 0, False, ""),
        ("n:x", "n:x", 0, False, ""),
        ("n:-1", "n:-1", 0, False, ""),
        ("n:\u0661", "n:\u0661", 0, False, ""),
        ("n:" + "9" * 5000, "n:" + "9" * 5000, 0, False, ""),
        ("", "", 0, False, ""),
        ("^", "", -1, True, ""),
    ],
)
def test_input_references_parse(text: str, node: str, port: int, control: bool, arg: str) -> None:
    assert TensorRef.parse(text) == TensorRef(node, port, control, arg)


@given(
    st.from_regex(r"[A-Za-z0-9.][A-Za-z0-9_./]{0,10}", fullmatch=True),
    st.integers(0, 10**9 - 1),
    st.sampled_from(("", "out")),
)
def test_references_survive_writing_and_reading(node: str, port: int, arg: str) -> None:
    for ref in (TensorRef(node, port, False, arg), TensorRef(node, -1, True)):
        assert TensorRef.parse(str(ref)) == ref
