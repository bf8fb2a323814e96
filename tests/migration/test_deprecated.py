"""What becomes of each op that TensorFlow gave up: replaced, or refused with a reason."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from migrator.migration.passes.deprecated import REPLACEMENTS, replace_deprecated, why_not
from migrator.migration.passes.deprecated.refused import REFUSED
from migrator.model.checks import dangling_inputs
from migrator.model.dtypes import RESOURCE
from migrator.model.graph import Graph, Node
from migrator.ops import registry
from migrator.ops.registry import op_facts, output_dtypes
from tests import wire
from tests.corpus import FROZEN, Sample
from tests.handmade import const, model, op, placeholder, unary

PRODUCER = 2474
OPS = json.loads(Path(registry.__file__).with_name("ops.json").read_bytes())["ops"]
NORM = {"T": wire.F, "variance_epsilon": 0.001, "scale_after_normalization": True}


def given_up() -> list[str]:
    """Every op that is removed, or refused in the graphs that TensorFlow writes today."""
    return [name for name, row in OPS.items() if "x" in row or 0 < row.get("d", [0])[0] <= PRODUCER]


@pytest.mark.parametrize("name", given_up())
def test_every_op_that_was_given_up_is_replaced_or_explained(name: str) -> None:
    reason = why_not(name)
    assert (name in REPLACEMENTS) != (reason is not None)
    if reason is not None:
        assert reason.why
        assert reason.hint


def test_nothing_is_replaced_by_what_is_given_up_itself() -> None:
    for old, (_, new) in REPLACEMENTS.items():
        facts = op_facts(new)
        if facts is None:  # said in words
            assert " " in new
            continue
        assert not facts.last_release, old
        assert not 0 < facts.deprecated_at <= PRODUCER, old
        assert facts.cpu_kernel, old


def test_no_op_is_both_replaced_and_refused() -> None:
    assert not REFUSED.keys() & REPLACEMENTS.keys()
    cudnn = why_not("CudnnRNNV2")
    assert cudnn is not None
    assert "CudnnCompatible" in cudnn.hint
    assert why_not("MatMul") is None


@pytest.mark.parametrize("item", FROZEN, ids=str)
def test_fixtures_keep_their_tensors(item: Sample) -> None:
    graph = item.model().graph
    keep = list(item.outputs.values())
    found, steps = replace_deprecated(graph, {}, keep)
    if not steps:
        assert found is graph
    assert {tensor.split(":")[0] for tensor in keep} <= found.by_name.keys()
    assert sum(1 for _ in dangling_inputs(found)) == sum(1 for _ in dangling_inputs(graph))


def by_name(graph: Graph) -> dict[str, Node]:
    assert not graph.duplicates
    return dict(graph.by_name)


def test_the_last_node_takes_the_old_ones_name_and_control_edges() -> None:
    graph = model(
        placeholder("x"),
        *(const(name, [1.0]) for name in "mvbg"),
        unary("first", "Relu", "x"),
        op("y", "BatchNormWithGlobalNormalization", *"xmvbg", "^first", **NORM),
        unary("z", "Relu", "y"),
    ).graph
    found, steps = replace_deprecated(graph, {}, ["z:0"])
    nodes = by_name(found)
    assert [(step.code, step.count) for step in steps] == [("replace_op", 1)]
    assert nodes["y"].op == "AddV2"
    assert nodes["y"].inputs[-1] == "^first"
    assert nodes["z"] is graph.by_name["z"]
    assert not list(dangling_inputs(found))
    assert all(node.name.startswith("y/") for node in nodes.values() if node.name not in
               graph.by_name)  # fmt: skip


def test_new_names_step_around_those_that_are_taken() -> None:
    graph = model(
        placeholder("x"), const("y/k", 7, "int32"), op("y", "TopK", "x", T=wire.F, k=2)
    ).graph
    found, _ = replace_deprecated(graph, {}, ["y:0"])
    nodes = by_name(found)
    assert nodes["y"].inputs == ("x", "y/k_1")
    assert nodes["y/k"] is graph.by_name["y/k"]


@pytest.mark.parametrize("attrs", [{}, {"k": 1 << 40}, {"k": b"two"}, {"k": 2, "T": b"float"}])
def test_a_node_with_odd_attributes_is_left_alone(attrs: dict[str, object]) -> None:
    graph = model(placeholder("x"), op("y", "TopK", "x", **{"T": wire.F, **attrs})).graph
    assert replace_deprecated(graph, {}, ["y:0"]) == (graph, ())


def test_a_node_with_too_few_inputs_is_left_alone() -> None:
    graph = model(placeholder("x"), op("y", "GatherTree", "x", T=wire.I32)).graph
    assert replace_deprecated(graph, {}, ["y:0"])[1] == ()


def test_constants_for_a_loop_belong_to_its_frame_and_others_to_none() -> None:
    graph = model(
        placeholder("x"),
        op("enter", "Enter", "x", T=wire.F, frame_name=b"f"),
        op("inside", "TopK", "enter", T=wire.F, k=1),
        op("exit", "Exit", "inside", T=wire.F),
        op("outside", "TopK", "exit", T=wire.F, k=1),
    ).graph
    nodes = by_name(replace_deprecated(graph, {}, ["outside:0"])[0])
    assert nodes["inside/k"].inputs == ("^enter",)
    assert nodes["outside/k"].inputs == ()


def test_a_handles_way_through_a_loop_is_retyped() -> None:
    graph = model(
        const("size", 3, "int32"),
        const("flow", 0.0),
        const("index", 0, "int32"),
        op("array", "TensorArray", "size", dtype=wire.F),
        op("enter", "RefEnter", "array", T=wire.S, frame_name=b"f"),
        op("merge", "RefMerge", "enter", "next", T=wire.S, N=2),
        op("next", "RefNextIteration", "merge", T=wire.S),
        op("read", "TensorArrayRead", "merge", "index", "flow", dtype=wire.F),
        op("text", "Identity", "words", T=wire.S),
        op("words", "Const", dtype=wire.S),
    ).graph
    nodes = by_name(replace_deprecated(graph, {}, ["read:0", "text:0"])[0])
    assert {name: nodes[name].op for name in ("array", "enter", "merge", "next", "read")} == {
        "array": "TensorArrayV3",
        "enter": "Enter",
        "merge": "Merge",
        "next": "NextIteration",
        "read": "TensorArrayReadV3",
    }
    for name in ("enter", "merge", "next"):
        assert output_dtypes(nodes[name])[0] == RESOURCE  # type: ignore[index]
    assert nodes["text"] is graph.by_name["text"]


def test_function_bodies_are_rewritten_in_their_own_spelling() -> None:
    body = wire.function(
        "f",
        {"x": wire.FLOAT},
        {"values": wire.FLOAT, "sum": wire.FLOAT},
        [
            op("top", "TopK", "x", T=wire.F, k=2),
            op("many", "AccumulateNV2", "top:values:0", "x", T=wire.F, N=2),
            op("twice", "Neg", "many:sum:0", T=wire.F),
        ],
        {"values": "top:values:0", "sum": "many:sum:0"},
    )
    found, steps = replace_deprecated(
        model(placeholder("x"), op("y", "f", "x"), functions=[body]).graph, {}, ["y:0"]
    )
    function = found.functions["f"]
    nodes = {node.name: node for node in function.nodes}
    assert [step.count for step in steps] == [1, 1]
    assert nodes["top"].inputs == ("x", "top/k:output:0")
    assert nodes["many"].op == "AddN"
    assert nodes["twice"].inputs == ("many:sum:0",)
    assert dict(function.returns) == {"values": "top:values:0", "sum": "many:sum:0"}
    assert function.definition is None


def test_an_output_argument_that_is_called_otherwise_now_is_respelled() -> None:
    body = wire.function(
        "f",
        dict.fromkeys("xmvbg", wire.FLOAT),
        {"y": wire.FLOAT},
        [
            op("norm", "BatchNormWithGlobalNormalization", *"xmvbg", **NORM),
            op("after", "Relu", "norm:result:0", T=wire.F),
        ],
        {"y": "norm:result:0"},
    )
    graph = model(op("y", "f", *"xmvbg"), functions=[body]).graph
    function = replace_deprecated(graph, {}, [])[0].functions["f"]
    nodes = {node.name: node for node in function.nodes}
    assert nodes["after"].inputs == ("norm:z:0",)
    assert dict(function.returns) == {"y": "norm:z:0"}


def test_functions_of_a_loop_step_around_the_librarys() -> None:
    own = wire.function("gather_tree_step", {"x": wire.FLOAT}, {"y": wire.FLOAT}, [], {"y": "x"})
    inputs = [op(name, "Placeholder", dtype=wire.I32) for name in ("s", "p", "n", "e")]
    graph = model(
        *inputs,
        op("one", "GatherTree", "s", "p", "n", "e", T=wire.I32),
        op("two", "GatherTree", "one", "p", "n", "e", T=wire.I32),
        op("y", "gather_tree_step", "two"),
        functions=[own],
    ).graph
    found, _ = replace_deprecated(graph, {}, ["y:0"])
    assert found.functions["gather_tree_step"] is graph.functions["gather_tree_step"]
    assert set(found.functions) == {"gather_tree_step", "gather_tree_step_", "gather_tree_more"}
    assert sum(node.op == "StatelessWhile" for node in found.nodes) == 2


def test_many_nodes_take_linear_time() -> None:
    nodes = [placeholder("n0")]
    nodes += [op(f"n{i + 1}", "TopK", f"n{i}", T=wire.F, k=1) for i in range(20_000)]
    graph = model(*nodes).graph
    start = time.perf_counter()
    found, steps = replace_deprecated(graph, {}, ["n20000:0"])
    assert time.perf_counter() - start < 20
    assert steps[0].count == 20_000
    assert len(found) == 40_001
