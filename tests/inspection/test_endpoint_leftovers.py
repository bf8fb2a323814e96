"""What training, conditions and loops leave in a graph, told from what somebody wants."""

from __future__ import annotations

import pytest

from migrator.inspection.endpoints import Endpoints
from tests import wire
from tests.handmade import const, dense, op, placeholder, text_const, unary
from tests.inspection.rules import endpoints, expect, net, tensors


def told(found: Endpoints) -> set[str]:
    """Every tensor that is shown as an output or as a possible one."""
    return set(tensors((*found.outputs, *found.alternatives)))


def variable(name: str) -> list[bytes]:
    """A matrix as TensorFlow 1 keeps it: its zeros, its first assignment and its read."""
    return [
        op(name, "VariableV2", dtype=wire.F, shape=wire.Dims((4, 3))),
        const(f"{name}/Initializer/zeros", [[0.0] * 3] * 4),
        op(f"{name}/Assign", "Assign", name, f"{name}/Initializer/zeros", T=wire.F),
        unary(f"{name}/read", "Identity", name),
    ]


def trained(*consumers: bytes) -> list[bytes]:
    """``y = x w`` with the mean square of its error, a gradient, Momentum and ``consumers``."""
    return [
        placeholder("x"),
        placeholder("target", dims=(-1, 3)),
        *variable("w"),
        *variable("w/Momentum"),
        const("axes", [0, 1], "int32"),
        const("rate", 0.1),
        op("y", "MatMul", "x", "w/read", T=wire.F),
        op("sub", "Sub", "y", "target", T=wire.F),
        unary("Square", "Square", "sub"),
        op("Mean", "Mean", "Square", "axes", T=wire.F, Tidx=wire.I32),
        op("gradients/Mean_grad/Tile", "Mul", "sub", "rate", T=wire.F),
        op("gradients/y_grad/MatMul_1", "MatMul", "x", "gradients/Mean_grad/Tile", T=wire.F),
        op(
            "train/update_w/ApplyMomentum",
            "ApplyMomentum",
            "w",
            "w/Momentum",
            "rate",
            "gradients/y_grad/MatMul_1",
            "rate",
            T=wire.F,
        ),
        *consumers,
    ]


# -- conditions and loops


def switched(name: str, predicate: str, data: str) -> list[bytes]:
    """What ``tf.cond(predicate, ...)`` of TensorFlow 1 makes, with one captured tensor."""
    flag = f"{name}/pred_id"
    return [
        unary(flag, "Identity", predicate, wire.B),
        op(f"{name}/Switch", "Switch", predicate, predicate, T=wire.B),
        unary(f"{name}/switch_t", "Identity", f"{name}/Switch:1", wire.B),
        op(f"{name}/Neg/Switch", "Switch", data, flag, T=wire.F),
        unary(f"{name}/Neg", "Neg", f"{name}/Neg/Switch:1"),
        op(f"{name}/Abs/Switch", "Switch", data, flag, T=wire.F),
        unary(f"{name}/Abs", "Abs", f"{name}/Abs/Switch"),
        op(f"{name}/Merge", "Merge", f"{name}/Neg", f"{name}/Abs", T=wire.F, N=2),
    ]


def test_the_predicate_of_a_condition_is_no_output() -> None:
    found = endpoints(
        placeholder("x"),
        placeholder("k", wire.I32, ()),
        const("one", 1, "int32"),
        op("Equal", "Equal", "k", "one", T=wire.I32),
        *switched("case/cond", "Equal", "x"),
        unary("y", "Identity", "case/cond/Merge"),
    )
    expect(found, ["k:0", "x:0"], ["y:0"])
    assert told(found) == {"y:0"}


@pytest.mark.parametrize("kind", ("If", "StatelessIf", "Case"))
def test_what_chooses_the_branch_of_a_functional_condition_is_no_output(kind: str) -> None:
    found = endpoints(
        placeholder("x"),
        op("any", "Greater", "x", "x", T=wire.F),
        unary("prediction", "Identity", "any", wire.B),
        op("cond", kind, "prediction", "x", Tin=[wire.F], Tout=[wire.F], Tcond=wire.B),
        unary("y", "Identity", "cond"),
    )
    assert told(found) == {"y:0"}


def test_a_softmax_in_one_branch_is_no_output() -> None:
    """It can be fetched only while that branch is taken."""
    found = endpoints(
        placeholder("x"),
        *dense("net", "x"),
        op("Greater", "Greater", "x", "x", T=wire.F),
        op("cond/Switch", "Switch", "net", "Greater", T=wire.F),
        unary("cond/probabilities", "Softmax", "cond/Switch:1"),
        op("cond/Merge", "Merge", "cond/probabilities", "cond/Switch", T=wire.F, N=2),
        unary("y", "Identity", "cond/Merge"),
    )
    assert told(found) == {"y:0"}


def test_the_inside_of_a_loop_is_no_output() -> None:
    found = endpoints(
        placeholder("x"),
        const("limit", 3.0),
        op("loop/Enter", "Enter", "x", T=wire.F, frame_name=b"loop"),
        op("loop/Merge", "Merge", "loop/Enter", "loop/NextIteration", T=wire.F, N=2),
        op("loop/Less", "Less", "loop/Merge", "limit", T=wire.F),
        op("loop/LoopCond", "LoopCond", "loop/Less"),
        op("loop/Switch", "Switch", "loop/Merge", "loop/LoopCond", T=wire.F),
        op("loop/Exit", "Exit", "loop/Switch", T=wire.F),
        unary("loop/scores", "Softmax", "loop/Switch:1"),
        op("loop/NextIteration", "NextIteration", "loop/scores", T=wire.F),
        unary("loop/result", "Neg", "loop/Switch:1"),
        unary("y", "Identity", "loop/Exit"),
    )
    assert told(found) == {"y:0"}


def test_what_a_functional_condition_hands_out_beside_its_result_is_left_over() -> None:
    types = [wire.F, wire.F, wire.Type(21)]  # 21: variant
    found = endpoints(
        placeholder("x"),
        placeholder("p", wire.B, ()),
        *dense("MatMul", "x"),
        op("cond", "If", "p", "MatMul", Tin=[wire.F], Tout=types, Tcond=wire.B),
        unary("cond/Identity", "Identity", "cond"),
        unary("cond/Identity_1", "Identity", "cond:1"),
        unary("cond/Identity_2", "Identity", "cond:2", wire.Type(21)),
        unary("scores", "Softmax", "cond/Identity"),
    )
    assert tensors(found.outputs) == ["scores:0"]
    assert not {name for name in told(found) if name.startswith("cond/")}


def test_very_many_results_of_one_condition_are_told_in_linear_time() -> None:
    count = 20_000
    endpoints(
        placeholder("x"),
        op("cond", "If", "x", Tin=[wire.F]),
        *(unary(f"Identity_{number}", "Identity", f"cond:{number}") for number in range(count)),
    )


def test_results_of_a_functional_condition_that_nobody_names_are_all_kept() -> None:
    found = endpoints(
        placeholder("x"),
        placeholder("p", wire.B, ()),
        op("cond", "If", "p", "x", Tin=[wire.F], Tout=[wire.F, wire.F], Tcond=wire.B),
        unary("Identity", "Identity", "cond"),
        unary("Identity_1", "Identity", "cond:1"),
    )
    assert set(tensors(found.outputs)) == {"Identity:0", "Identity_1:0"}


def test_a_guard_of_an_assertion_is_no_output() -> None:
    found = endpoints(
        placeholder("x"),
        *net(),
        op("Assert/AssertGuard/Switch", "Switch", "MatMul", "x", T=wire.F),
        unary("Assert/AssertGuard/Identity_1", "Neg", "Assert/AssertGuard/Switch:1"),
        op(
            "Assert/AssertGuard/Merge",
            "Merge",
            "Assert/AssertGuard/Identity_1",
            "MatMul",
            T=wire.F,
            N=2,
        ),
    )
    assert told(found) == {"probabilities:0"}


# -- counts


def counted(name: str, kind: str = "Cast", source: str = "Shape") -> list[bytes]:
    """A net whose scores are ranked, and something that follows from how many there are."""
    return [
        placeholder("x"),
        *net(),
        unary("Relu", "Relu", "x"),
        op("Shape", "Shape", "Relu", T=wire.F, out_type=wire.I32),
        op(name, kind, source, SrcT=wire.I32, DstT=wire.F, T=wire.I32),
    ]


@pytest.mark.parametrize("name", ("num_detections", "valid_count", "post/sequence_length"))
def test_an_end_that_is_named_like_a_count_is_an_output(name: str) -> None:
    expect(endpoints(*counted(name)), ["x:0"], sorted(["probabilities:0", f"{name}:0"]))


@pytest.mark.parametrize("kind", ("Shape", "Size"))
def test_a_count_may_be_any_op(kind: str) -> None:
    found = endpoints(*counted("num_boxes", kind, "Relu"))
    expect(found, ["x:0"], ["num_boxes:0", "probabilities:0"])


@pytest.mark.parametrize("name", ("kept", "batch_size"))
def test_a_named_end_that_a_shape_alone_decides_is_a_question(name: str) -> None:
    found = endpoints(*counted(name))
    expect(found, ["x:0"], sorted([f"{name}:0", "probabilities:0"]), decided=False)
    assert found.questions == (f"{name}:0 may be an output, or left over",)


@pytest.mark.parametrize("name", ("Cast_3", "layer/Cast", "zeros_like_1", "layer/ToInt32"))
def test_a_shape_computation_that_nobody_named_is_left_over(name: str) -> None:
    found = endpoints(*counted(name))
    expect(found, ["x:0"], ["probabilities:0"])
    assert told(found) == {"probabilities:0"}


def test_what_tells_the_state_alone_is_told_of_and_not_taken() -> None:
    found = endpoints(
        placeholder("x"),
        *net(),
        op("calls", "VariableV2", dtype=wire.I64, shape=wire.Dims(())),
        unary("calls/read", "Identity", "calls", wire.I64),
        unary("count", "Identity", "calls/read", wire.I64),
    )
    expect(found, ["x:0"], ["probabilities:0"])
    assert tensors(found.alternatives) == ["count:0"]


def test_a_result_of_which_only_the_shape_is_read_on_is_an_output() -> None:
    found = endpoints(
        placeholder("x"),
        *net(),
        op("Shape", "Shape", "probabilities", T=wire.F, out_type=wire.I32),
        const("names", [[1.0, 2.0, 3.0]]),
        op("Tile", "Tile", "names", "Shape", T=wire.F, Tmultiples=wire.I32),
    )
    expect(found, ["x:0"], ["probabilities:0"])


# -- training


def test_slots_and_first_values_are_no_weights_of_the_model() -> None:
    found = endpoints(*trained(unary("ArgMax", "Softmax", "y"), unary("other", "Softmax", "y")))
    reasons = [reason for item in found.outputs for reason in item.reasons]
    assert "depends on 100% of the weights" in reasons
    assert not [reason for reason in reasons if "%" in reason and "100%" not in reason]


def test_what_training_makes_smaller_is_no_output() -> None:
    found = endpoints(*trained())
    expect(found, ["x:0"], ["y:0"])


def test_a_loss_without_training_stays_a_question() -> None:
    """Without a training step gradients may be wanted of anything."""
    nodes = [node for node in trained() if b"ApplyMomentum" not in node]
    found = endpoints(*nodes)
    assert not found.decided
    assert {"y:0", "Mean:0"} <= told(found)


@pytest.mark.parametrize(
    "kind", ("SparseApplyMomentum", "ResourceApplyAdam", "ScatterSub", "ResourceScatterAdd")
)
def test_what_an_update_takes_is_no_output(kind: str) -> None:
    rows = op("train/UnsortedSegmentSum", "UnsortedSegmentSum", "y", "axes", "rate", T=wire.F)
    update = op("train/update", kind, "w", "train/UnsortedSegmentSum", T=wire.F)
    found = endpoints(*trained(rows, update, unary("scores", "Softmax", "y")))
    assert not {name for name in told(found) if name.startswith("train/")}
    assert "scores:0" in tensors(found.outputs)


def test_a_gradient_that_is_handed_on_is_no_output() -> None:
    handed = unary("training/Identity_3", "Identity", "gradients/y_grad/MatMul_1")
    assert "training/Identity_3:0" not in told(endpoints(*trained(handed)))


def test_a_named_gradient_is_an_output() -> None:
    saliency = unary("saliency", "Abs", "gradients/y_grad/MatMul_1")
    assert "saliency:0" in tensors(endpoints(*trained(saliency)).outputs)


def test_a_joined_assignment_is_no_output() -> None:
    """Batch normalisation joins its moving mean, moved and not."""
    found = endpoints(
        placeholder("x"),
        *net(),
        *variable("mean"),
        op("bn/Sub", "AssignSub", "mean", "MatMul", T=wire.F),
        op("bn/cond/Merge", "Merge", "bn/Sub", "MatMul", T=wire.F, N=2),
    )
    assert told(found) == {"probabilities:0"}


def test_a_number_that_only_a_summary_reads_is_no_output() -> None:
    found = endpoints(
        placeholder("x"),
        *net(),
        *dense("hidden", "x", 4, 4),
        unary("dnn/zero_fraction/fraction", "Identity", "hidden"),
        text_const("tag", b"t"),
        op("summary", "ScalarSummary", "tag", "dnn/zero_fraction/fraction", T=wire.F),
    )
    expect(found, ["x:0"], ["probabilities:0"])


def test_gradients_behind_a_result_do_not_hide_it() -> None:
    """A graph that still trains has dozens of nodes behind its probabilities."""
    grads = [unary(f"gradients/n{number}", "Neg", "probabilities") for number in range(40)]
    found = endpoints(placeholder("x"), *net(), unary("ArgMax", "Neg", "probabilities"), *grads)
    assert "probabilities:0" in tensors(found.outputs)


def test_an_output_is_listed_once() -> None:
    found = endpoints(
        placeholder("x"),
        placeholder("other", dims=(-1, 3)),
        *dense("MatMul", "x"),
        unary("score", "Identity", "MatMul"),
        op("Sub", "Sub", "score", "other", T=wire.F),
        unary("Square", "Square", "Sub"),
    )
    names = tensors((*found.outputs, *found.alternatives))
    assert "score:0" in names
    assert len(names) == len(set(names))


def test_the_end_of_a_layer_that_is_called_logits_is_offered() -> None:
    found = endpoints(
        placeholder("x"),
        *dense("logits/MatMul", "x"),
        const("bias", [1.0, 2.0, 3.0]),
        op("logits/BiasAdd", "BiasAdd", "logits/MatMul", "bias", T=wire.F),
        unary("Softmax", "Softmax", "logits/BiasAdd"),
    )
    expect(found, ["x:0"], ["Softmax:0"])
    assert tensors(found.alternatives) == ["logits/BiasAdd:0"]
