"""TensorFlow 1 while loops become While; bodies written by a rewrite are read back."""

from __future__ import annotations

import io

import pytest

from migrator.formats.encode import write_graph
from migrator.migration.passes.functional import Unconvertible, functional_control_flow
from migrator.model.dtypes import FLOAT32, INT32
from migrator.model.graph import Graph
from tests import wire
from tests.equality import plain_function
from tests.handmade import const, op, read_graph, unary
from tests.migration.flows import DATAFLOW, GIVEN, body, cond, convert, loop, merge, of, switch


def written(graph: Graph) -> bytes:
    file = io.BytesIO()
    write_graph(file, graph.nodes, graph.functions.values(), graph.versions)
    return file.getvalue()


def test_a_loop_becomes_while() -> None:
    graph, steps = convert(loop(), ["while/Exit_1:0"])
    assert [(step.code, step.count) for step in steps] == [("functional_loops", 1)]
    assert not DATAFLOW & {node.op for node in graph.all_nodes()}
    (node,) = of(graph, "StatelessWhile")
    assert node.attrs["parallel_iterations"] == 7
    assert graph.by_name["while/Exit_1"].op == "Identity"


def test_the_counter_and_the_bound_come_first_as_gradients_want_them() -> None:
    graph, _ = convert(loop(), ["while/Exit_1:0"])
    (node,) = of(graph, "StatelessWhile")
    counter, bound, *variables = node.inputs
    assert graph.by_name[counter].attrs["value"].numpy() == 0
    assert graph.by_name[bound].attrs["value"].numpy() == -1
    assert variables == ["while/zero", "x:0", "while/factor"]
    assert node.attrs["T"] == [INT32, INT32, INT32, FLOAT32, FLOAT32]
    assert graph.by_name["while/Exit_1"].inputs == (f"{node.name}:3",)


def test_condition_and_body_take_the_same_arguments() -> None:
    graph, _ = convert(loop(), ["while/Exit_1:0"])
    (node,) = of(graph, "StatelessWhile")
    condition, function = (graph.functions[node.attrs[key].name] for key in ("cond", "body"))
    assert [s.dtype for s in condition.inputs] == [s.dtype for s in function.inputs]
    assert {one.op for one in condition.nodes} == {"Const", "Less"}
    assert {one.op for one in function.nodes} == {"Const", "AddV2", "Add", "Identity", "Mul"}
    factor = function.inputs[4].tensor
    assert function.returns[function.outputs[4].tensor] == factor  # an invariant goes round


def test_invariant_shapes_are_told_and_changing_ones_are_not() -> None:
    graph, _ = convert(loop(), ["while/Exit_1:0"])
    (node,) = of(graph, "StatelessWhile")
    assert str(node.attrs["output_shapes"][4]) == "[300]"
    grown = [*loop()]
    grown[15:16] = [
        const("while/axis", 0, "int32"),
        op(
            "while/mul",
            "ConcatV2",
            "while/Switch_1:1",
            "while/Enter_2",
            "while/axis",
            T=wire.F,
            N=2,
        ),
    ]
    graph, _ = convert(grown, ["while/Exit_1:0"])
    (node,) = of(graph, "StatelessWhile")
    assert str(node.attrs["output_shapes"][3]) == "[?]"


def test_a_loop_in_a_loop_becomes_a_while_in_a_body() -> None:
    outer = loop("outer")
    inner = loop("inner", "outer/Switch_1:1")
    outer[15] = unary("outer/mul", "Neg", "inner/Exit_1")
    inner[0] = op("inner/zero", "Const", "^outer/Identity", dtype=wire.I32, value=_zero())
    inner[1] = unary("inner/factor", "Exp", "outer/Enter_2")
    graph, steps = convert([*outer, *inner], ["outer/Exit_1:0"])
    assert steps[0].count == 2
    (node,) = of(graph, "StatelessWhile")
    assert "StatelessWhile" in {one.op for one in body(graph, node, "body").values()}


def _zero() -> object:
    import numpy as np

    return np.array(0, dtype=np.int32)


def test_a_condition_in_a_loop_becomes_an_if_in_its_body() -> None:
    nodes = loop()
    nodes[15:16] = [
        op("while/q", "Equal", "while/Identity", "while/one", T=wire.I32),
        switch("while/c", "while/Switch_1:1", "while/q"),
        op("while/m", "Mul", "while/c:1", "while/Enter_2", T=wire.F),
        merge("while/mul", "while/c", "while/m"),
    ]
    graph, steps = convert(nodes, ["while/Exit_1:0"])
    assert {step.code for step in steps} == {"functional_loops", "functional_conditions"}
    (node,) = of(graph, "StatelessWhile")
    assert "StatelessIf" in {one.op for one in body(graph, node, "body").values()}


def test_a_loop_in_a_branch_becomes_a_while_in_it() -> None:
    nodes = cond()[:-1] + loop("while", "cond/Exp")
    nodes[6] = op("while/zero", "Const", "^cond/switch_t", dtype=wire.I32, value=_zero())
    nodes += [merge("m", "cond/Neg", "while/Exit_1")]
    graph, _ = convert(nodes, ["m:0"])
    (node,) = of(graph, "StatelessIf")
    assert "StatelessWhile" in {one.op for one in body(graph, node, "then_branch").values()}
    assert not of(graph, "StatelessWhile")


def test_two_loops_that_share_a_frames_name_stay_two() -> None:
    """As where one graph was imported twice."""
    nodes = [*loop("a", frame="f"), *loop("b", "a/Exit_1", frame="f")]
    graph, steps = convert(nodes, ["b/Exit_1:0"])
    assert steps[0].count == 2 == len(of(graph, "StatelessWhile"))


def test_what_waits_inside_of_a_round_waits_in_the_body() -> None:
    nodes = loop()
    nodes[17] = op("while/Next_1", "NextIteration", "while/mul", "^while/check", T=wire.F)
    nodes.append(op("while/check", "Assert", "while/LoopCond2", "while/mul", T=[wire.F]))
    nodes.append(op("while/LoopCond2", "Less", "while/Identity", "while/one", T=wire.I32))
    graph, _ = convert(nodes, ["while/Exit_1:0"])
    (node,) = of(graph, "While")
    found = body(graph, node, "body")
    assert any("^while/check" in one.inputs for one in found.values())


def test_what_an_enter_waits_for_the_while_waits_for() -> None:
    nodes = [op("a", "Assert", "p", "x", T=[wire.F]), *loop()]
    nodes[4] = nodes[4] + wire.block(3, "^a")
    graph, _ = convert(nodes, ["while/Exit_1:0"])
    (node,) = of(graph, "StatelessWhile")
    assert node.inputs[-1] == "^a"


@pytest.mark.parametrize(
    ("change", "keep", "reason"),
    [
        (
            lambda n: [*n[:9], op("while/LoopCond", "LoopCond", "while/mul"), *n[10:]],
            "",
            "a cycle that is no loop",
        ),
        (
            lambda n: [*n[:-1], op("while/Exit_1", "Exit", "while/Switch_1:1", T=wire.F)],
            "",
            "goes round",
        ),
        (lambda n: n, "while/mul:0", "inside of a loop"),
        (lambda n: [*n, op("out", "Exit", "x", T=wire.F)], "out:0", "outside of every loop"),
        (
            lambda n: [*n, op("out", "Exit", "while/mul", T=wire.F)],
            "out:0",
            "no way that is known",
        ),
    ],
)
def test_a_loop_of_another_form_is_refused(change: object, keep: str, reason: str) -> None:
    assert callable(change)
    with pytest.raises(Unconvertible, match=reason):
        convert(change(loop()), [keep or "while/Exit_1:0"])


def test_made_functions_are_read_back_as_they_were() -> None:
    """read(write(f)) = f, for functions that have no definition to start from."""
    graph, _ = convert([*loop(), *cond("c", "while/Exit_1")], ["c/Merge:0"])
    assert all(function.definition is None for function in graph.functions.values())
    again = read_graph(written(graph)).graph
    for name, function in graph.functions.items():
        assert plain_function(again.functions[name]) == plain_function(function)
    assert written(read_graph(written(again)).graph) == written(again)


def test_loops_in_function_bodies_are_converted_too() -> None:
    inner = [
        wire.node("s", "Switch", ["x", "p"], {"T": wire.F}),
        wire.node("n", "Neg", ["s:output_true:0"], {"T": wire.F}),
        wire.node("m", "Merge", ["s:output_false:0", "n:y:0"], {"T": wire.F, "N": 2}),
    ]
    function = wire.function("f", {"x": 1, "p": 10}, {"y": 1}, inner, {"y": "m:output:0"})
    call = wire.node("y", "f", ["x", "p"])
    graph = read_graph(wire.graph([call], [function])).graph
    made, steps = functional_control_flow(graph, GIVEN, ["y:0"])
    assert steps[0].count == 1
    assert {node.op for node in made.functions["f"].nodes} == {"StatelessIf", "Identity"}
    assert made.functions["f"].returns == {"y": "m:output:0"}
