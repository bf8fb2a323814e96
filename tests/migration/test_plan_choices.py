"""What the user names, and how plans answer what cannot be."""

from __future__ import annotations

import json
import shlex
from itertools import pairwise
from typing import Any

import pytest

from migrator.errors import (
    MigratorError,
    NeedsDecision,
    NoSuchTensor,
    UnsupportedFormat,
    UsageError,
)
from migrator.migration.plan import Plan
from migrator.migration.planning import plan
from migrator.migration.readiness import NEEDS_YOU, readiness_of
from migrator.migration.resolve import OpenEndpoints
from migrator.model.model import Model
from migrator.report.json_record import plan_result
from migrator.report.json_v1 import dumps
from tests import wire
from tests.corpus import FROZEN, Sample, sample
from tests.handmade import const, dense, model, op, placeholder, unary


def two_inputs() -> Model:
    return model(
        placeholder("left"),
        placeholder("right"),
        op("sum", "Add", "left", "right", T=wire.F),
        *dense("h", "sum"),
        unary("result", "Softmax", "h"),
    )


def with_feed(dtype: wire.Type, dims: tuple[int, ...] = ()) -> Model:
    return model(
        placeholder("x"),
        op("p", "Placeholder", dtype=dtype, shape=wire.Dims(dims)),
        op("y", "SomeOp", "x", "p", T=wire.F),
    )


def names(found: Plan) -> set[str]:
    return {node.name for node in found.subgraph.nodes}


@pytest.mark.parametrize("item", FROZEN, ids=str)
def test_everything_named_is_ready_on_every_fixture(item: Sample) -> None:
    found = plan(
        item.model(),
        inputs=[f"{name}={tensor}" for name, tensor in item.inputs.items()],
        outputs=[f"{name}={tensor}" for name, tensor in item.outputs.items()],
        feeds=[f"{tensor}={json.dumps(value)}" for tensor, value in item.feeds.items()],
    )
    assert found.blockers == ()
    assert {e.name: e.tensor for e in found.inputs} == item.inputs
    assert {e.name: e.tensor for e in found.outputs} == item.outputs
    assert {feed.tensor: feed.value for feed in found.feeds} == item.feeds


@pytest.mark.parametrize("item", FROZEN, ids=str)
def test_what_is_kept_is_closed_and_reaches_the_outputs(item: Sample) -> None:
    """Every input of a kept node is kept or is an input of the signature."""
    found = plan(
        item.model(),
        inputs=list(item.inputs.values()),
        outputs=list(item.outputs.values()),
        feeds=[f"{tensor}={json.dumps(value)}" for tensor, value in item.feeds.items()],
    )
    kept = names(found)
    given = {tensor.rpartition(":")[0] for tensor in item.inputs.values()}
    assert len(kept) == len(found.subgraph.nodes)
    for node in found.subgraph.nodes:
        assert node.device == ""
        assert "_class" not in node.attrs
        assert {ref.node for ref in node.refs} <= kept | given
    assert {tensor.rpartition(":")[0] for tensor in item.outputs.values()} <= kept
    assert item.feeds.keys().isdisjoint(item.inputs.values())


def test_placeholders_keep_unknown_sizes() -> None:
    found = plan(two_inputs())
    assert [e.shape.as_list() for e in found.inputs] == [[None, 4]] * 2
    assert {e.name for e in found.inputs} == {"left", "right"}
    assert [e.name for e in found.outputs] == ["result"]


def test_inputs_may_be_named_without_their_port_and_with_a_name() -> None:
    found = plan(two_inputs(), inputs=["a=left", "right:0"], outputs=["out=result"])
    assert [(e.name, e.tensor) for e in found.inputs] == [("a", "left:0"), ("right", "right:0")]
    assert [(e.name, e.tensor) for e in found.outputs] == [("out", "result:0")]


def test_an_input_in_mid_graph_cuts_off_what_lies_behind() -> None:
    found = plan(two_inputs(), inputs=["sum"], outputs=["result"])
    assert found.blockers == ()
    assert {"left", "right"}.isdisjoint(names(found))


def test_a_missing_input_is_asked_for_with_all_options() -> None:
    with pytest.raises(NeedsDecision, match="right:0 reaches the outputs and is not fed") as caught:
        plan(two_inputs(), inputs=["left"], outputs=["result"])
    options = [word for line in caught.value.options for word in shlex.split(line)]
    found = plan(
        two_inputs(),
        inputs=[b for a, b in pairwise(options) if a == "--input"],
        outputs=[b for a, b in pairwise(options) if a == "--output"],
    )
    assert {e.tensor for e in found.inputs} == {"left:0", "right:0"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"outputs": ["resul"]}, "did you mean result"),
        ({"inputs": ["LEFT"]}, "did you mean left"),
        ({"outputs": ["scope/result"]}, "did you mean result"),
        ({"outputs": ["result:1"]}, "has 1 output, not result:1"),
        ({"feeds": ["nowhere=1"]}, "there is no node 'nowhere'"),
    ],
)
def test_names_that_are_none_are_answered_with_the_nearest(options: Any, words: str) -> None:
    with pytest.raises(NoSuchTensor) as caught:
        plan(two_inputs(), **options)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"inputs": ["left", "left:0"]}, "--input names left:0 twice"),
        ({"outputs": ["result", "a=result"]}, "--output names result:0 twice"),
        ({"feeds": ["left=[[1,1,1,1]]", "left=[[2,2,2,2]]"]}, "--feed names left:0 twice"),
        ({"inputs": ["left"], "feeds": ["left=[[1,1,1,1]]"]}, "both an --input and a --feed"),
        ({"inputs": ["a=left", "A=right"], "outputs": ["result"]}, "given twice"),
        ({"inputs": ["1a=left", "right"], "outputs": ["result"]}, "cannot be the name"),
        ({"inputs": [""]}, "does not name a tensor"),
        ({"inputs": ["^left"]}, "does not name a tensor"),
        ({"inputs": ["a="]}, "does not name a tensor"),
        ({"feeds": ["left"]}, "write --feed TENSOR=VALUE"),
        ({"feeds": ["left=fast"]}, "is not a value of float32"),
    ],
)
def test_contradictions_are_refused(options: Any, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan(two_inputs(), **options)
    assert words in str(caught.value)


def test_an_input_that_reaches_nothing_is_refused() -> None:
    found = model(placeholder("x"), placeholder("lonely"), *dense("y", "x"))
    with pytest.raises(UsageError, match="lonely:0 reaches none of the outputs"):
        plan(found, inputs=["x", "lonely"], outputs=["y"])


def test_an_input_that_another_cuts_off_is_refused() -> None:
    with pytest.raises(UsageError, match="left:0 reaches none"):
        plan(two_inputs(), inputs=["left", "sum"], outputs=["result"])


def test_a_feed_that_the_outputs_do_not_need_is_harmless_or_refused() -> None:
    found = model(
        placeholder("x"),
        op("flag", "Placeholder", dtype=wire.B, shape=wire.Dims(())),
        *dense("y", "x"),
    )
    try:
        planned = plan(found, inputs=["x"], outputs=["y"], feeds=["flag=true"])
    except UsageError:
        return
    assert planned.blockers == ()
    assert "flag" not in names(planned)


@pytest.mark.parametrize(
    ("dtype", "text", "expected"),
    [
        (wire.F, "0.5", 0.5),
        (wire.B, "yes", True),
        (wire.I32, "-3", -3),
        (wire.S, "hello", b"hello"),
        (wire.F, "[1, 2]", [1.0, 2.0]),
    ],
)
def test_feeds_become_constants(dtype: wire.Type, text: str, expected: object) -> None:
    dims = (2,) if isinstance(expected, list) else ()
    found = plan(with_feed(dtype, dims), inputs=["x"], outputs=["y"], feeds=[f"p={text}"])
    (node,) = [node for node in found.subgraph.nodes if node.name == "p"]
    assert node.op == "Const"
    assert node.inputs == ()
    assert node.attrs["dtype"] == dtype.number
    assert node.attrs["value"].numpy().tolist() == expected


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_feeds_that_are_no_finite_number_are_shown_or_refused(text: str) -> None:
    """JSON has no such number: a plan that cannot be printed must not crash."""
    try:
        found = plan(with_feed(wire.F), inputs=["x"], outputs=["y"], feeds=[f"p={text}"])
    except UsageError:
        return
    dumps(plan_result(found))


def test_a_string_that_holds_an_equals_sign_can_be_fed() -> None:
    found = plan(with_feed(wire.S), inputs=["x"], outputs=["y"], feeds=["p=key=YWJj="])
    (node,) = [node for node in found.subgraph.nodes if node.name == "p"]
    assert node.attrs["value"].numpy().item() == b"key=YWJj="


def test_a_feed_of_another_shape_than_the_placeholders_is_refused() -> None:
    with pytest.raises(UsageError):
        plan(with_feed(wire.F, (3,)), inputs=["x"], outputs=["y"], feeds=["p=[1, 2]"])


@pytest.mark.parametrize("text", ["[1, [2, 3]]", "[[1], [2, 3]]"])
def test_a_ragged_list_is_refused_in_one_error(text: str) -> None:
    unknown_rank = model(
        placeholder("x"), placeholder("p", dims=None), op("y", "SomeOp", "x", "p", T=wire.F)
    )
    with pytest.raises(UsageError):
        plan(unknown_rank, inputs=["x"], outputs=["y"], feeds=[f"p={text}"])


def test_a_node_whose_name_holds_an_equals_sign_can_be_named() -> None:
    found = model(placeholder("a=b"), *dense("y", "a=b"))
    assert [e.tensor for e in plan(found, inputs=["a=b"], outputs=["y"]).inputs] == ["a=b:0"]
    assert [e.name for e in plan(found, inputs=["n=a=b"], outputs=["y"]).inputs] == ["n"]


def test_a_bare_checkpoint_is_refused() -> None:
    prefix = sample("tf1.15.5/sm_variables").path / "variables/variables.index"
    with pytest.raises(UnsupportedFormat, match="holds no graph") as raised:
        plan(prefix)
    assert ".meta" in raised.value.hint


def test_a_path_and_its_model_give_the_same_plan() -> None:
    item = sample("tf1.15.5/mlp")
    assert plan_result(plan(item.path)) == plan_result(plan(item.model()))


def test_outputs_of_several_ports_of_one_node() -> None:
    found = model(
        placeholder("x"),
        const("k", 2, "int32"),
        op("top", "TopKV2", "x", "k", T=wire.F),
    )
    planned = plan(found, inputs=["x"], outputs=["top:0", "top:1"])
    assert [(e.name, str(e.dtype)) for e in planned.outputs] == [
        ("top", "float32"),
        ("top_1", "int32"),
    ]


def test_the_same_tensor_as_input_and_output_is_no_crash() -> None:
    found = model(placeholder("x"), *dense("y", "x"))
    try:
        plan(found, inputs=["x"], outputs=["x", "y"])
    except MigratorError:
        return


def test_steps_say_what_was_done() -> None:
    found = plan(sample("tf1.15.5/devices").model())
    codes = {step.code: step for step in found.steps}
    assert codes["strip_devices"].count > 1
    assert codes["strip_colocation"].count >= 1
    residue = plan(sample("tf1.15.5/is_training_residue").model(), feeds=["is_training=false"])
    codes = {step.code: step for step in residue.steps}
    assert {"fold_branches", "fold_feed", "prune"} <= codes.keys()
    assert all(step.text for step in residue.steps)


def test_options_keep_their_default() -> None:
    found = plan(sample("tf1.15.5/placeholder_default").model())
    assert [e.tensor for e in found.inputs] == ["input:0"]
    assert "keep_default" in {step.code for step in found.steps}
    optional = plan(
        sample("tf1.15.5/placeholder_default").model(),
        inputs=["input", "input_scale"],
        outputs=["final_result"],
    )
    assert [e.tensor for e in optional.inputs] == ["input:0", "input_scale:0"]


def unfrozen(*more: bytes, kind: str = "VariableV2") -> Model:
    """Two weights with constants to begin with, each in a head of its own, and a switch."""
    nodes = [placeholder("x"), op("keep_prob", "Placeholder", dtype=wire.F, shape=wire.Dims(()))]
    for name in ("one", "two"):
        nodes += [
            op(f"{name}/w", kind, dtype=wire.F, shape=wire.Dims((4,)), shared_name=b""),
            const(f"{name}/start", [1.0] * 4),
        ]
        if kind == "VariableV2":
            read = f"{name}/w"
            nodes.append(op(f"{name}/Assign", "Assign", read, f"{name}/start", T=wire.F))
        else:
            read = f"{name}/get"
            inputs = (f"{name}/w", f"{name}/start")
            nodes += [
                op(f"{name}/Assign", "AssignVariableOp", *inputs, dtype=wire.F),
                op(read, "ReadVariableOp", f"{name}/w", dtype=wire.F),
            ]
        nodes += [
            op(f"{name}/scaled", "RealDiv", "x", "keep_prob", T=wire.F),
            op(f"{name}/Add", "Add", f"{name}/scaled", read, T=wire.F),
        ]
    return model(*nodes, *more)


@pytest.mark.parametrize("kind", ("VariableV2", "VarHandleOp"))
def test_what_an_initializer_assigns_is_no_trained_weight(kind: str) -> None:
    found = plan(unfrozen(kind=kind), outputs=["one/Add"], feeds=["keep_prob=1"])
    assert [(item.code, item.node) for item in found.blockers] == [("variable_missing", "one/w")]
    assert "no checkpoint lies beside the graph" in found.blockers[0].text


@pytest.mark.parametrize("kind", ("VariableV2", "VarHandleOp"))
def test_weights_that_are_missing_whatever_is_decided_are_told_before_any_question(
    kind: str,
) -> None:
    found = plan(unfrozen(kind=kind))
    assert {item.node for item in found.blockers} == {"one/w", "two/w"}
    assert {item.code for item in found.blockers} == {"variable_missing"}
    assert any("keep_prob:0 must be set" in note for note in found.notes)
    assert readiness_of(found).verdict == NEEDS_YOU
    assert found.steps


def test_where_one_answer_needs_no_missing_weight_the_question_is_asked() -> None:
    with pytest.raises(NeedsDecision, match="keep_prob:0 must be set"):
        plan(unfrozen(op("free", "RealDiv", "x", "keep_prob", T=wire.F)))


def test_only_values_of_feeds_are_told_from_open_endpoints() -> None:
    switch = with_feed(wire.B)
    with pytest.raises(OpenEndpoints) as told:
        plan(switch)
    assert told.value.only_feeds
    assert told.value.options == ("--input x:0", "--feed p:0=false", "--output y:0")
    with pytest.raises(OpenEndpoints) as told:
        plan(
            model(
                placeholder("x"),
                op("p", "Placeholder", dtype=wire.B, shape=wire.Dims(())),
                op("cost", "SomeOp", "x", "p", T=wire.F),
                op("Neg", "SomeOp", "x", "p", T=wire.F),
            )
        )
    assert not told.value.only_feeds
    with pytest.raises(OpenEndpoints) as told:  # an input is open, not a value
        plan(two_inputs(), inputs=["left"])
    assert not told.value.only_feeds
