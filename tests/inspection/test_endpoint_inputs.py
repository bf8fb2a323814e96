"""Each rule for inputs, controls and options on the smallest graph that needs it."""

from __future__ import annotations

import pytest

from tests import wire
from tests.handmade import const, dense, op, placeholder, text_const, unary
from tests.inspection.rules import FLAG, SCALAR, endpoints, expect, net, tensors


def test_a_plain_net_is_decided() -> None:
    expect(endpoints(placeholder("x"), *net()), ["x:0"], ["probabilities:0"])


# -- placeholders with a default


def test_a_default_that_is_computed_is_an_edge_and_no_input() -> None:
    """The bottleneck of a retrained net: taking it for the input cuts the picture off."""
    found = endpoints(
        placeholder("image"),
        *dense("features", "image"),
        op(
            "bottleneck",
            "PlaceholderWithDefault",
            "features",
            dtype=wire.F,
            shape=wire.Dims((-1, 3)),
        ),
        *net("bottleneck"),
    )
    expect(found, ["image:0"], ["probabilities:0"])
    assert tensors(found.options) == []


def test_a_constant_default_is_an_option() -> None:
    found = endpoints(
        placeholder("x"),
        const("scale/input", 0.5),
        op("scale", "PlaceholderWithDefault", "scale/input", **SCALAR),
        op("scaled", "Mul", "x", "scale", T=wire.F),
        *net("scaled"),
    )
    expect(found, ["x:0"], ["probabilities:0"])
    assert tensors(found.options) == ["scale:0"]
    assert "0.5" in found.options[0].reasons[0]


def test_a_default_from_an_iterator_is_the_input() -> None:
    """What tf.data fed while training is fed by hand afterwards."""
    found = endpoints(
        op("iterator", "IteratorV2", output_types=[wire.F], output_shapes=[wire.Dims((-1, 4))]),
        op(
            "next",
            "IteratorGetNext",
            "iterator",
            output_types=[wire.F],
            output_shapes=[wire.Dims((-1, 4))],
        ),
        op("x", "PlaceholderWithDefault", "next", dtype=wire.F, shape=wire.Dims((-1, 4))),
        *net(),
    )
    expect(found, ["x:0"], ["probabilities:0"])


def test_a_tensor_with_a_constant_default_is_the_input_where_nothing_else_is() -> None:
    found = endpoints(
        const("x/input", [[0.0] * 4]),
        op("x", "PlaceholderWithDefault", "x/input", dtype=wire.F, shape=wire.Dims((-1, 4))),
        *net(),
    )
    expect(found, ["x:0"], ["probabilities:0"])


def test_a_training_flag_that_defaults_to_true_is_asked_for() -> None:
    found = endpoints(
        placeholder("x"),
        const("is_training/input", True, "bool"),
        op("is_training", "PlaceholderWithDefault", "is_training/input", **FLAG),
        *dense("h", "x"),
        op("switch", "Switch", "h", "is_training", T=wire.F),
        unary("on", "Tanh", "switch:1"),
        unary("off", "Relu", "switch:0"),
        op("prediction", "Merge", "off", "on", T=wire.F, N=2),
    )
    expect(found, ["x:0"], ["prediction:0"], decided=False)
    assert [(c.tensor, c.suggested) for c in found.controls] == [("is_training:0", "false")]


def test_a_training_flag_that_defaults_to_false_keeps_it() -> None:
    found = endpoints(
        placeholder("x"),
        const("is_training/input", False, "bool"),
        op("is_training", "PlaceholderWithDefault", "is_training/input", **FLAG),
        *dense("h", "x"),
        op("switch", "Switch", "h", "is_training", T=wire.F),
        unary("on", "Tanh", "switch:1"),
        unary("off", "Relu", "switch:0"),
        op("prediction", "Merge", "off", "on", T=wire.F, N=2),
    )
    expect(found, ["x:0"], ["prediction:0"])
    assert tensors(found.options) == ["is_training:0"]


@pytest.mark.parametrize(
    ("name", "default", "suggested"),
    [
        ("keep_prob", 0.5, "1.0"),
        ("dropout_rate", 0.5, "0.0"),
        ("keep_prob", 1.0, None),
        ("dropout_rate", 0.0, None),
    ],
)
def test_dropout_that_defaults_to_training_is_asked_for(
    name: str, default: float, suggested: str | None
) -> None:
    found = endpoints(
        placeholder("x"),
        const("default", default),
        op(name, "PlaceholderWithDefault", "default", **SCALAR),
        *dense("h", "x"),
        op("y", "Mul", "h", name, T=wire.F),
    )
    assert [c.suggested for c in found.controls] == ([suggested] if suggested else [])
    assert found.decided == (suggested is None)


# -- other ways in


def test_what_a_queue_gives_is_the_input_and_not_the_queue() -> None:
    found = endpoints(
        op(
            "queue",
            "FIFOQueueV2",
            component_types=[wire.F, wire.I64],
            shapes=[wire.Dims((4,)), wire.Dims(())],
        ),
        const("n", 32, "int32"),
        op("batch", "QueueDequeueManyV2", "queue", "n", component_types=[wire.F, wire.I64]),
        *net("batch"),
    )
    expect(found, ["batch:0", "batch:1"], ["probabilities:0"]) if len(found.inputs) > 1 else expect(
        found, ["batch:0"], ["probabilities:0"]
    )
    assert found.inputs[0].shape.as_list() == [None, 4]
    assert "pipeline" in found.inputs[0].reasons[0]


def test_a_constant_that_a_decoder_reads_is_the_input_of_a_graph_of_2015() -> None:
    found = endpoints(
        text_const("DecodeJpeg/contents", b"\xff\xd8\xff\xe0"),
        op("DecodeJpeg", "DecodeJpeg", "DecodeJpeg/contents", channels=3),
        op("Cast", "Cast", "DecodeJpeg", SrcT=wire.Type(wire.UINT8), DstT=wire.F),
        *net("Cast", "softmax"),
        producer=8,
    )
    expect(found, ["DecodeJpeg/contents:0"], ["softmax:0"])
    assert found.inputs[0].dtype is not None
    assert found.inputs[0].dtype.name == "string"
    assert found.inputs[0].shape.as_list() == []


def test_such_a_constant_is_no_input_beside_a_placeholder() -> None:
    found = endpoints(
        placeholder("x"),
        text_const("contents", b"\xff\xd8"),
        op("mask", "DecodeJpeg", "contents"),
        op("Cast", "Cast", "mask", SrcT=wire.Type(wire.UINT8), DstT=wire.F),
        op("sum", "Add", "x", "Cast", T=wire.F),
        *net("sum"),
    )
    expect(found, ["x:0"], ["probabilities:0"])


def test_an_unused_placeholder_is_no_input() -> None:
    found = endpoints(placeholder("x"), placeholder("unused"), *net())
    expect(found, ["x:0"], ["probabilities:0"])


def test_labels_with_their_loss_are_left_out() -> None:
    found = endpoints(
        placeholder("x"),
        placeholder("labels", dims=(-1, 3)),
        *net(),
        op("xent", "SoftmaxCrossEntropyWithLogits", "MatMul", "labels", T=wire.F),
        const("axis", [0], "int32"),
        op("loss", "Mean", "xent", "axis", T=wire.F),
    )
    expect(found, ["x:0"], ["probabilities:0"])


def test_an_accuracy_is_no_output() -> None:
    found = endpoints(
        placeholder("x"),
        op("labels", "Placeholder", dtype=wire.I64, shape=wire.Dims((-1,))),
        *net(),
        const("axis", 1, "int32"),
        op("classes", "ArgMax", "probabilities", "axis", T=wire.F),
        op("correct", "Equal", "classes", "labels", T=wire.I64),
        op("correct/cast", "Cast", "correct", SrcT=wire.B, DstT=wire.F),
        const("all", [0], "int32"),
        op("accuracy", "Mean", "correct/cast", "all", T=wire.F),
    )
    assert "accuracy:0" not in tensors(found.outputs) or not found.decided
    if found.decided:
        assert "labels:0" not in tensors(found.inputs)


# -- controls


@pytest.mark.parametrize(
    "name", ["is_training", "phase_train", "train_phase", "keras_learning_phase", "training"]
)
def test_bools_that_switch_are_controls(name: str) -> None:
    found = endpoints(
        placeholder("x"),
        op(name, "Placeholder", **FLAG),
        *dense("h", "x"),
        op("switch", "Switch", "h", name, T=wire.F),
        unary("on", "Tanh", "switch:1"),
        unary("off", "Relu", "switch:0"),
        op("prediction", "Merge", "off", "on", T=wire.F, N=2),
    )
    expect(found, ["x:0"], ["prediction:0"], decided=False)
    assert [(c.tensor, c.suggested) for c in found.controls] == [(f"{name}:0", "false")]


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("keep_prob", "1.0"),
        ("dropout_keep_prob", "1.0"),
        ("dropout_rate", "0.0"),
        ("learning_rate", ""),
    ],
)
def test_single_numbers_are_controls(name: str, suggested: str) -> None:
    found = endpoints(
        placeholder("x"),
        op(name, "Placeholder", **SCALAR),
        *dense("h", "x"),
        op("y", "Mul", "h", name, T=wire.F),
    )
    expect(found, ["x:0"], ["y:0"], decided=False)
    assert [(c.tensor, c.suggested) for c in found.controls] == [(f"{name}:0", suggested)]


def test_a_bool_vector_is_data() -> None:
    found = endpoints(
        placeholder("x"),
        op("mask", "Placeholder", dtype=wire.B, shape=wire.Dims((-1,))),
        op("Cast", "Cast", "mask", SrcT=wire.B, DstT=wire.F),
        *dense("h", "x"),
        op("y", "Mul", "h", "Cast", T=wire.F),
    )
    expect(found, ["mask:0", "x:0"], ["y:0"])


def test_a_lone_number_may_be_the_data() -> None:
    found = endpoints(
        op("x", "Placeholder", **SCALAR), const("w", [1.0, 2.0]), op("y", "Mul", "x", "w", T=wire.F)
    )
    expect(found, ["x:0"], ["y:0"])


def test_an_empty_shape_of_an_old_graph_is_unknown_and_not_a_scalar() -> None:
    """Before version 24 every Placeholder without a shape said []."""
    nodes = [
        op("x", "Placeholder", dtype=wire.F, shape=wire.Dims(())),
        op("y2", "Placeholder", dtype=wire.F, shape=wire.Dims(())),
        op("sum", "Add", "x", "y2", T=wire.F),
        *net("sum"),
    ]
    old = endpoints(*nodes, producer=21)
    expect(old, ["x:0", "y2:0"], ["probabilities:0"])
    assert old.inputs[0].shape.as_list() is None


# -- nothing to find


def test_a_graph_without_nodes_is_a_question() -> None:
    found = endpoints()
    expect(found, [], [], decided=False)
    assert found.questions


def test_a_graph_without_inputs_is_a_question() -> None:
    found = endpoints(const("c", [1.0, 2.0]), unary("y", "Relu", "c"))
    assert not found.decided
    assert found.inputs == ()


def test_a_graph_of_one_placeholder_is_a_question() -> None:
    assert not endpoints(placeholder("x")).decided


def test_a_broken_graph_is_no_crash() -> None:
    for nodes in (
        [op("y", "PlaceholderWithDefault")],
        [op("q", "QueueDequeueManyV2", component_types=[wire.F])],
        [op("x", "Placeholder"), op("y", "Relu", "x", "y")],
        [op("m", "Merge", "m"), op("s", "Switch", "m")],
        [op("d", "DecodeJpeg", "c"), op("c", "Const", value=b"not a tensor")],
        [op("i", "IteratorGetNext", output_types=wire.F, output_shapes=3)],
    ):
        endpoints(*nodes)
