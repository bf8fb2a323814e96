"""Each rule for outputs on the smallest graph that needs it."""

from __future__ import annotations

from typing import Any

import pytest

from migrator.graph.wiring import Wiring
from tests import wire
from tests.handmade import const, dense, op, placeholder, text_const, unary
from tests.inspection.rules import endpoints, expect, net, tensors

# -- what is no output, and what is a question


def test_what_an_unnamed_end_compares_with_another_input_is_a_question() -> None:
    """``Mean((y - target) ** 2)`` may be a loss; then ``y`` is the output."""
    found = endpoints(
        placeholder("x"),
        placeholder("other", dims=(-1, 3)),
        *dense("net/MatMul", "x"),
        op("Sub", "Sub", "net/MatMul", "other", T=wire.F),
        unary("Square", "Square", "Sub"),
    )
    assert not found.decided
    assert set(tensors(found.outputs)) == {"Square:0", "net/MatMul:0"}


def test_a_named_end_behind_two_inputs_is_the_output() -> None:
    found = endpoints(
        placeholder("x"),
        placeholder("other", dims=(-1, 3)),
        *dense("net/MatMul", "x"),
        op("masked", "Mul", "net/MatMul", "other", T=wire.F),
    )
    expect(found, ["other:0", "x:0"], ["masked:0"])


def test_a_leaf_of_a_switch_is_no_output() -> None:
    found = endpoints(
        placeholder("x"),
        *net(),
        op("flag", "Greater", "x", "x", T=wire.F),
        op("switch", "Switch", "flag", "flag", T=wire.B),
    )
    assert tensors(found.outputs) == ["probabilities:0"]


def test_a_branch_marker_of_cond_is_no_output() -> None:
    found = endpoints(
        placeholder("x"),
        *net(),
        op("flag", "Greater", "x", "x", T=wire.F),
        op("cond/Switch", "Switch", "flag", "flag", T=wire.B),
        unary("cond/switch_t", "Identity", "cond/Switch:1", wire.B),
        unary("cond/switch_f", "Identity", "cond/Switch:0", wire.B),
    )
    expect(found, ["x:0"], ["probabilities:0"])


def test_loop_variables_that_nobody_reads_are_no_outputs() -> None:
    found = endpoints(
        placeholder("x"),
        const("zero", 0, "int32"),
        const("ten", 10, "int32"),
        op("loop/Enter", "Enter", "zero", T=wire.I32, frame_name=b"loop"),
        op("loop/Enter_1", "Enter", "x", T=wire.F, frame_name=b"loop"),
        op("loop/Merge", "Merge", "loop/Enter", "loop/NextIteration", T=wire.I32, N=2),
        op("loop/Merge_1", "Merge", "loop/Enter_1", "loop/NextIteration_1", T=wire.F, N=2),
        op("loop/Less", "Less", "loop/Merge", "ten", T=wire.I32),
        op("loop/LoopCond", "LoopCond", "loop/Less"),
        op("loop/Switch", "Switch", "loop/Merge", "loop/LoopCond", T=wire.I32),
        op("loop/Switch_1", "Switch", "loop/Merge_1", "loop/LoopCond", T=wire.F),
        op("loop/Exit", "Exit", "loop/Switch", T=wire.I32),
        op("loop/Exit_1", "Exit", "loop/Switch_1", T=wire.F),
        op("loop/Add", "Add", "loop/Switch:1", "loop/Switch:1", T=wire.I32),
        unary("loop/Tanh", "Tanh", "loop/Switch_1:1"),
        op("loop/NextIteration", "NextIteration", "loop/Add", T=wire.I32),
        op("loop/NextIteration_1", "NextIteration", "loop/Tanh", T=wire.F),
        *net("loop/Exit_1"),
    )
    expect(found, ["x:0"], ["probabilities:0"])


def test_an_assignment_left_over_is_no_output() -> None:
    found = endpoints(
        placeholder("x"),
        *net(),
        const("moving_mean", [0.0, 0.0, 0.0]),
        unary("delta", "Neg", "MatMul"),
        op("AssignMovingAvg", "AssignSub", "moving_mean", "delta", T=wire.F),
    )
    expect(found, ["x:0"], ["probabilities:0"])


def test_a_constant_that_nothing_consumes_is_no_output() -> None:
    found = endpoints(
        placeholder("x"), *net(), const("global_step", 7, "int64"), const("name", [1.0])
    )
    expect(found, ["x:0"], ["probabilities:0"])


def test_an_island_of_constants_is_no_output() -> None:
    found = endpoints(
        placeholder("x"), *net(), const("a", [1.0, 2.0]), unary("island", "Sqrt", "a")
    )
    expect(found, ["x:0"], ["probabilities:0"])


@pytest.mark.parametrize("sink", ["ScalarSummary", "HistogramSummary", "CheckNumerics", "Assert"])
def test_what_only_a_report_consumes_is_an_output_still(sink: str) -> None:
    found = endpoints(
        placeholder("x"),
        *net(),
        text_const("tag", b"t"),
        op("report", sink, "tag", "probabilities", T=wire.F),
    )
    expect(found, ["x:0"], ["probabilities:0"])


def test_a_no_op_behind_the_output_does_not_hide_it() -> None:
    found = endpoints(placeholder("x"), *net(), op("init", "NoOp", "^probabilities"))
    expect(found, ["x:0"], ["probabilities:0"])


def test_saver_nodes_are_no_outputs() -> None:
    found = endpoints(
        placeholder("x"),
        *net(),
        text_const("save/Const", b"model"),
        text_const("save/names", b"w"),
        text_const("save/slices", b""),
        op(
            "save/SaveV2",
            "SaveV2",
            "save/Const",
            "save/names",
            "save/slices",
            "MatMul/weights",
            dtypes=[wire.F],
        ),
        op("save/Identity", "Identity", "save/Const", "^save/SaveV2", T=wire.S),
    )
    expect(found, ["x:0"], ["probabilities:0"])


# -- several ends


def test_several_named_ends_of_one_input_are_all_outputs() -> None:
    found = endpoints(
        placeholder("x"),
        *dense("hidden", "x", 4, 4),
        *dense("age_score", "hidden", 4, 1),
        *dense("gender_score", "hidden", 4, 2),
    )
    expect(found, ["x:0"], ["age_score:0", "gender_score:0"])


def test_two_ends_with_inputs_of_their_own_are_a_question() -> None:
    found = endpoints(
        placeholder("Placeholder"),
        placeholder("Placeholder_1"),
        *dense("MatMul", "Placeholder"),
        *dense("MatMul_1", "Placeholder_1"),
    )
    assert not found.decided
    assert set(tensors(found.outputs)) == {"MatMul:0", "MatMul_1:0"}


def test_a_named_logit_before_a_softmax_is_an_output_too() -> None:
    found = endpoints(
        placeholder("x"),
        *dense("dense", "x"),
        unary("logits", "Identity", "dense"),
        unary("probabilities", "Softmax", "logits"),
    )
    assert "probabilities:0" in tensors(found.outputs)
    assert "logits:0" in tensors((*found.outputs, *found.alternatives))


# -- doubt, and hostile graphs


@pytest.mark.parametrize(
    "names", [("local_descriptors", "global_descriptors"), ("action", "cost_map")]
)
def test_no_head_is_dropped_without_a_word(names: tuple[str, str]) -> None:
    found = endpoints(
        placeholder("x"),
        *dense("a", "x"),
        *dense("b", "x"),
        unary(names[0], "Identity", "a"),
        unary(names[1], "Identity", "b"),
    )
    assert set(tensors(found.outputs)) == {f"{name}:0" for name in names}


def test_a_cycle_of_identities_ends() -> None:
    endpoints(
        placeholder("x"),
        *net(),
        unary("a", "Identity", "b"),
        unary("b", "Identity", "a"),
        unary("c", "Identity", "a"),
    )


def test_a_sum_of_very_many_is_looked_at_in_linear_time() -> None:
    count = 20_000
    names = [f"n{number}" for number in range(count)]
    endpoints(
        placeholder("x"),
        placeholder("z"),
        *(unary(name, "Relu", "x") for name in names),
        op("sum", "AddN", *names, "z", T=wire.F, N=count + 1),
    )


def test_defaults_on_one_long_chain_are_told_in_linear_time() -> None:
    chain = [const("c0", [1.0])]
    chain += [unary(f"c{number}", "Neg", f"c{number - 1}") for number in range(1, 4_000)]
    defaults = [
        op(f"d{number}", "PlaceholderWithDefault", "c3999", dtype=wire.F, shape=wire.Dims((1,)))
        for number in range(4_000)
    ]
    endpoints(placeholder("x"), *net(), *chain, *defaults)


@pytest.mark.parametrize("name", ("acc", "loss", "metrics/summary", "lr"))
def test_an_only_end_that_is_named_like_a_judgement_is_asked_about(name: str) -> None:
    found = endpoints(placeholder("x"), unary("h", "Exp", "x"), unary(name, "Identity", "h"))
    assert [item.tensor for item in found.outputs] == [f"{name}:0"]
    assert [item.tensor for item in found.inputs] == ["x:0"]
    assert not found.decided
    assert f"{name}:0 may be an output, or left over" in found.questions


def test_judgements_alone_are_no_candidates_beside_a_prediction() -> None:
    found = endpoints(
        placeholder("x"),
        unary("scores", "Softmax", "x"),
        unary("acc", "Neg", "x"),
    )
    expect(found, ["x:0"], ["scores:0"])


def test_however_many_named_ends_no_value_reaches_the_graph_is_walked_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    walks: list[int] = []
    forward = Wiring.forward

    def counting(self: Wiring, *args: Any, **options: Any) -> set[int]:
        walks.append(1)
        return forward(self, *args, **options)

    monkeypatch.setattr(Wiring, "forward", counting)

    def walked(ends: int) -> int:
        walks.clear()
        letters = [f"{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(ends)]
        counts = [op(f"{name}/size", "Shape", "x", T=wire.F) for name in letters]
        named = [unary(f"{name}/boxes_left", "Identity", f"{name}/size") for name in letters]
        found = endpoints(placeholder("x"), *net(), *counts, *named)
        assert f"{letters[0]}/boxes_left:0" in tensors((*found.outputs, *found.alternatives))
        return len(walks)

    assert walked(300) == walked(30)
