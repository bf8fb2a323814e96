"""``tf.cond`` as Switch and Merge becomes If."""

from __future__ import annotations

import time

import pytest

from migrator.migration.passes.functional import Unconvertible, functional_control_flow
from migrator.model.dtypes import FLOAT32, INT32
from migrator.model.graph import Graph
from tests import wire
from tests.handmade import const, model, op, unary
from tests.migration.flows import DATAFLOW, GIVEN, X, body, cond, convert, merge, of, switch


def no_dataflow(graph: Graph) -> bool:
    return not DATAFLOW & {node.op for node in graph.all_nodes()}


def test_a_graph_without_dataflow_control_comes_back_as_it_is() -> None:
    graph = model(unary("y", "Exp", "x")).graph
    assert functional_control_flow(graph, GIVEN, ["y:0"]) == (graph, ())


def test_a_condition_becomes_if_with_two_branches() -> None:
    graph, steps = convert([*cond(), unary("y", "Tanh", "cond/Merge")], ["y:0"])
    assert no_dataflow(graph)
    assert [(step.code, step.count) for step in steps] == [("functional_conditions", 1)]
    (node,) = of(graph, "StatelessIf")
    assert node.inputs == ("p:0", "x:0")
    assert [one.op for one in body(graph, node, "then_branch").values()] == ["Exp"]
    assert [one.op for one in body(graph, node, "else_branch").values()] == ["Neg"]
    assert (node.attrs["Tin"], node.attrs["Tout"]) == ([FLOAT32], [FLOAT32])
    assert [str(shape) for shape in node.attrs["output_shapes"]] == ["[3]"]


def test_a_merge_keeps_its_name_as_an_identity() -> None:
    graph, _ = convert(cond(), ["cond/Merge:0"])
    (node,) = of(graph, "StatelessIf")
    assert graph.by_name["cond/Merge"].op == "Identity"
    assert graph.by_name["cond/Merge"].inputs == (node.name,)


def test_branch_inputs_are_written_as_bodies_write_them() -> None:
    graph, _ = convert(
        [
            *cond()[:-1],
            op("parts", "Unpack", "cond/Exp", num=3, T=wire.F),
            unary("last", "Neg", "parts:2"),
            merge("out", "cond/Neg", "last"),
        ],
        ["out:0"],
    )
    (node,) = of(graph, "StatelessIf")
    function = graph.functions[node.attrs["then_branch"].name]
    names = {one.name: one.inputs for one in function.nodes}
    assert names == {
        "cond/Exp": (function.inputs[0].tensor,),
        "parts": ("cond/Exp:y:0",),
        "last": ("parts:output:2",),
    }
    assert dict(function.returns) == {function.outputs[0].tensor: "last:y:0"}


def test_outputs_of_one_condition_share_one_if() -> None:
    nodes = [*cond(), unary("more", "Sin", "cond/Exp"), merge("cond/Merge_1", "cond/Neg", "more")]
    graph, _ = convert(nodes, ["cond/Merge:0", "cond/Merge_1:0"])
    (node,) = of(graph, "StatelessIf")
    assert len(node.attrs["Tout"]) == 2


def test_the_index_of_a_merge_is_told() -> None:
    nodes = [switch("s"), merge("m", "s:1", "s"), op("i", "Identity", "m:1", T=wire.I32)]
    graph, _ = convert(nodes, ["i:0", "m:1"])
    (node,) = of(graph, "StatelessIf")
    assert node.attrs["Tout"] == [FLOAT32, INT32]
    assert graph.by_name["m"].op == "IdentityN"
    (index,) = body(graph, node, "then_branch").values()
    assert index.attrs["value"].numpy() == 0  # the true side came first
    (index,) = body(graph, node, "else_branch").values()
    assert index.attrs["value"].numpy() == 1


def test_conditions_in_a_row_on_one_predicate_stay_apart() -> None:
    """Their copies of the predicate may be folded away; the second needs the first."""
    nodes = []
    last = "x"
    for k in range(4):
        nodes += [
            switch(f"s{k}", last),
            unary(f"n{k}", "Neg", f"s{k}:1"),
            merge(f"m{k}", f"s{k}", f"n{k}"),
        ]
        last = f"m{k}"
    graph, steps = convert(nodes, ["m3:0"])
    assert steps[0].count == 4 == len(of(graph, "StatelessIf"))


def test_a_condition_in_a_condition_becomes_an_if_in_a_branch() -> None:
    nodes = [
        switch("outer"),
        switch("q", "p", "p", wire.B),
        op("not", "LogicalNot", "q:1"),
        switch("inner", "outer:1", "not"),
        unary("e", "Exp", "inner:1"),
        merge("inner_merge", "inner", "e"),
        merge("m", "outer", "inner_merge"),
    ]
    graph, steps = convert(nodes, ["m:0"])
    assert steps[0].count == 2
    (node,) = of(graph, "StatelessIf")
    assert "StatelessIf" in {one.op for one in body(graph, node, "then_branch").values()}


def test_a_branch_with_effects_makes_a_stateful_if() -> None:
    nodes = [
        *cond()[:-1],
        op("a", "Assert", "cond/Switch:1", "cond/data:1", T=[wire.F]),
        op("guarded", "Identity", "cond/Exp", "^a", T=wire.F),
        merge("m", "cond/Neg", "guarded"),
    ]
    graph, _ = convert(nodes, ["m:0"])
    (node,) = of(graph, "If")
    found = body(graph, node, "then_branch")
    assert "^a" in found["guarded"].inputs and found["a"].op == "Assert"


def test_control_edges_to_a_merge_still_wait() -> None:
    graph, _ = convert([*cond(), op("y", "Exp", "x", "^cond/Merge", T=wire.F)], ["y:0"])
    assert graph.by_name["y"].inputs == ("x:0", "^cond/Merge")
    assert graph.by_name["cond/Merge"].op == "Identity"


def test_large_constants_stay_outside_and_small_ones_are_copied() -> None:
    nodes = [
        const("large", [1.0] * 1000),
        const("small", [2.0]),
        switch("a", "large"),
        switch("b", "small"),
        op("sum", "Add", "a:1", "b:1", T=wire.F),
        merge("m", "a", "sum"),
    ]
    graph, _ = convert(nodes, ["m:0"])
    (node,) = of(graph, "StatelessIf")
    assert node.inputs == ("p:0", "large")
    assert "small" in body(graph, node, "then_branch")


def test_references_become_what_they_refer_to() -> None:
    nodes = [
        const("v", [1.0, 2.0, 3.0]),
        op("s", "RefSwitch", "v", "p", T=wire.F),
        unary("n", "Neg", "s:1"),
        merge("m", "s", "n", kind=wire.F),
    ]
    graph, _ = convert(nodes, ["m:0"])
    assert no_dataflow(graph)


def test_time_is_linear_in_the_number_of_conditions() -> None:
    def seconds(count: int) -> float:
        nodes, last = [], "x"
        for k in range(count):
            nodes += cond(f"c{k}", last)
            last = f"c{k}/Merge"
        graph = model(*nodes).graph
        start = time.process_time()
        made, steps = functional_control_flow(graph, GIVEN, [f"{last}:0"])
        assert steps[0].count == count and no_dataflow(made)
        return time.process_time() - start

    seconds(20)
    # Sixteen times as many: quadratic work would take 256 times as long.
    assert seconds(1_600) < 100 * max(seconds(100), 0.02)


def test_names_differ_where_bodies_do_and_agree_where_they_agree() -> None:
    first, _ = convert(cond(), ["cond/Merge:0"])
    again, _ = convert(cond(), ["cond/Merge:0"])
    assert set(first.functions) == set(again.functions)
    changed = [*cond()[:4], unary("cond/Exp", "Sin", "cond/data:1"), *cond()[5:]]
    other, _ = convert(changed, ["cond/Merge:0"])
    assert len(set(first.functions) & set(other.functions)) == 1  # the branch that is the same


@pytest.mark.parametrize(
    ("nodes", "keep", "reason"),
    [
        ([switch("s"), unary("y", "Exp", "s:1")], "y:0", "one branch only"),
        ([switch("s"), merge("m", "s:1", "x")], "m:0", "not the two branches"),
        ([switch("s"), op("y", "Add", "s", "s:1", T=wire.F)], "y:0", "two branches"),
        (
            [switch("s"), merge("m", "s", "s:1", "s:1")],
            "m:0",
            "not the two branches",
        ),
        ([switch("s"), merge("m", "s", "nowhere")], "m:0", "comes from no node"),
        ([switch("s"), op("u", "Unheard", "s:1"), merge("m", "s", "u")], "m:0", "not known"),
    ],
)
def test_what_has_no_functional_form_is_refused(nodes: list[bytes], keep: str, reason: str) -> None:
    with pytest.raises(Unconvertible, match=reason) as raised:
        convert(nodes, [keep])
    assert raised.value.where


def test_conditions_too_deep_in_each_other_are_refused_in_time() -> None:
    """Each level would have to hand in every predicate below it."""
    count = 700
    given = dict(GIVEN)
    nodes, last = [], "x"
    for k in range(count):
        given[f"p{k}:0"] = GIVEN["p:0"]
        nodes.append(switch(f"s{k}", last, f"p{k}"))
        last = f"s{k}:1"
    for k in reversed(range(count)):
        nodes.append(merge(f"m{k}", f"s{k}", last))
        last = f"m{k}"
    with pytest.raises(Unconvertible, match="entangled"):
        convert(nodes, ["m0:0"], given)


def test_an_input_in_the_middle_is_given() -> None:
    """``x`` has no node: the importer maps it."""
    graph, _ = convert(cond(), ["cond/Merge:0"])
    assert "x" not in graph.by_name and X in {text for n in graph.nodes for text in n.inputs}
