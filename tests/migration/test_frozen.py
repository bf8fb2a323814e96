"""Names of a frozen graph's endpoints, and what is left out on the way there."""

from __future__ import annotations

import pytest

from migrator.errors import NoSuchTensor
from migrator.migration.freezing.freezable import MOST_BYTES, freeze_blockers, leftovers, missing_in
from migrator.migration.freezing.frozen import FrozenGraph, finish_frozen
from migrator.migration.freezing.older import for_release
from migrator.model.dtypes import FLOAT32
from migrator.model.graph import Graph
from migrator.model.model import Signature
from migrator.model.tensors import Shape, TensorSpec
from tests import handmade, wire
from tests.corpus import sample
from tests.handmade import const, dense, op, placeholder, unary

IDENTITY = "Identity"


def spec(tensor: str) -> TensorSpec:
    return TensorSpec(tensor=tensor, dtype=FLOAT32, shape=Shape((None, 4)))


def finished(
    *nodes: bytes, inputs: dict[str, str], outputs: dict[str, str], **more: dict[str, str]
) -> FrozenGraph:
    graph = handmade.model(*nodes).graph
    return finish_frozen(
        graph, {name: spec(tensor) for name, tensor in inputs.items()}, outputs, **more
    )


def shape_of(graph: Graph) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {node.name: (node.op, node.inputs) for node in graph.nodes}


def codes(found: FrozenGraph) -> dict[str, int]:
    return {step.code: step.count for step in found.steps}


def test_endpoints_get_the_names_of_the_signature() -> None:
    found = finished(
        placeholder("serving_default_x"),
        *dense("d", "serving_default_x"),
        unary("Identity", IDENTITY, "d"),
        inputs={"x": "serving_default_x:0"},
        outputs={"scores": "Identity:0"},
    )
    assert found.inputs == {"x": "x:0"}
    assert found.outputs == {"scores": "scores:0"}
    assert shape_of(found.graph) == {
        "x": ("Placeholder", ()),
        "d/weights": ("Const", ()),
        "d": ("MatMul", ("x", "d/weights")),
        "scores": (IDENTITY, ("d",)),
    }


def test_a_node_that_has_the_name_already_is_the_output() -> None:
    found = finished(
        placeholder("x"), unary("y", "Tanh", "x"), inputs={"x": "x:0"}, outputs={"y": "y:0"}
    )
    assert shape_of(found.graph) == {"x": ("Placeholder", ()), "y": ("Tanh", ("x",))}


def test_other_nodes_make_way_for_an_endpoint() -> None:
    found = finished(
        placeholder("in"),
        unary("x", "Tanh", "in"),
        unary("y", "Relu", "x"),
        unary("last", "Neg", "y"),
        inputs={"x": "in:0"},
        outputs={"y": "last:0"},
    )
    nodes = shape_of(found.graph)
    assert nodes["x"] == ("Placeholder", ())
    assert nodes["y"] == (IDENTITY, ("last",))
    assert nodes["x_1"] == ("Tanh", ("x",))
    assert nodes["y_1"] == ("Relu", ("x_1",))
    assert nodes["last"] == ("Neg", ("y_1",))
    assert codes(found)["rename_clash"] == 2


def test_inputs_that_trade_names_are_not_confused() -> None:
    found = finished(
        placeholder("a"),
        placeholder("b"),
        op("diff", "Sub", "a", "b", T=wire.F),
        inputs={"b": "a:0", "a": "b:0"},
        outputs={"y": "diff:0"},
    )
    assert shape_of(found.graph)["diff"] == ("Sub", ("b", "a"))


def test_output_called_as_an_input_is_told_apart() -> None:
    found = finished(
        placeholder("x"), unary("t", "Tanh", "x"), inputs={"x": "x:0"}, outputs={"x": "t:0"}
    )
    assert found.inputs == {"x": "x:0"}
    assert found.outputs == {"x": "x_output:0"}
    assert shape_of(found.graph)["x_output"] == (IDENTITY, ("t",))


def test_an_input_handed_through_and_one_tensor_under_two_names() -> None:
    found = finished(placeholder("p"), inputs={"x": "p:0"}, outputs={"same": "p:0", "again": "p:0"})
    assert shape_of(found.graph) == {
        "x": ("Placeholder", ()),
        "same": (IDENTITY, ("x",)),
        "again": (IDENTITY, ("x",)),
    }


def test_an_input_that_is_no_placeholder_is_cut_off() -> None:
    found = finished(
        op("queue", "FIFOQueueV2"),
        op("take", "QueueDequeueV2", "queue", component_types=[wire.F, wire.F]),
        op("sum", "AddV2", "take", "take:1", T=wire.F),
        inputs={"left": "take:0", "right": "take:1"},
        outputs={"y": "sum:0"},
    )
    assert shape_of(found.graph) == {
        "left": ("Placeholder", ()),
        "right": ("Placeholder", ()),
        "sum": ("AddV2", ("left", "right")),
        "y": (IDENTITY, ("sum",)),
    }


def test_an_input_that_nothing_needs_stays_callable() -> None:
    found = finished(
        placeholder("x"),
        placeholder("unused"),
        unary("y", "Tanh", "x"),
        inputs={"unused": "unused:0", "x": "x:0"},
        outputs={"y": "y:0"},
    )
    assert [node.name for node in found.graph.nodes] == ["unused", "x", "y"]


def test_names_that_no_node_may_have_are_bent() -> None:
    found = finished(
        placeholder("p"),
        unary("t", "Tanh", "p"),
        inputs={"my input:0": "p:0"},
        outputs={"_größe": "t:0"},
    )
    assert found.inputs == {"my input:0": "my_input_0:0"}
    assert found.outputs == {"_größe": "x_gr_e:0"}


def test_what_inlining_leaves_is_removed_where_nothing_branches() -> None:
    found = finished(
        placeholder("x"),
        unary("in", IDENTITY, "x"),
        op("start", "NoOp", "^in"),
        op("t", "Tanh", "in", "^start", T=wire.F),
        op("out", IDENTITY, "t", "^start", T=wire.F),
        unary("Identity", IDENTITY, "out"),
        inputs={"x": "x:0"},
        outputs={"y": "Identity:0"},
    )
    assert shape_of(found.graph) == {
        "x": ("Placeholder", ()),
        "t": ("Tanh", ("x",)),
        "y": (IDENTITY, ("t",)),
    }


def test_branches_keep_their_pivots_and_control_edges() -> None:
    nodes = [
        placeholder("x"),
        placeholder("p", wire.B, ()),
        op("switch", "Switch", "p", "p", T=wire.B),
        unary("pivot", IDENTITY, "switch:1", wire.B),
        op("one", "Const", "^pivot", dtype=wire.F, value=wire.Raw(b"B\x04\x08\x01\x12\x00")),
        op("data", "Switch", "x", "p", T=wire.F),
        op("other", "Mul", "data:1", "one", T=wire.F),
        op("merge", "Merge", "data", "other", T=wire.F, N=2),
        unary("end", IDENTITY, "merge"),
    ]
    found = finished(*nodes, inputs={"x": "x:0", "p": "p:0"}, outputs={"y": "end:0"})
    left = shape_of(found.graph)
    assert left["one"] == ("Const", ("^pivot",))
    assert left["pivot"] == (IDENTITY, ("switch:1",))
    assert left["merge"] == ("Merge", ("data", "other"))


def test_state_keeps_control_edges() -> None:
    found = finished(
        placeholder("x"),
        op("check", "Print", "x", "x", T=wire.F, U=[wire.F]),
        op("t", "Tanh", "x", "^check", T=wire.F),
        inputs={"x": "x:0"},
        outputs={"t": "t:0"},
    )
    assert shape_of(found.graph)["t"] == ("Tanh", ("x", "^check"))


def test_identities_in_a_ring_end() -> None:
    found = finished(
        placeholder("x"),
        unary("a", IDENTITY, "b"),
        unary("b", IDENTITY, "a"),
        op("y", "Add", "x", "a", T=wire.F),
        inputs={"x": "x:0"},
        outputs={"y": "y:0"},
    )
    assert {"a", "b"} <= set(shape_of(found.graph))


def test_a_long_chain_of_identities_takes_no_stack() -> None:
    chain = [unary(f"i{n}", IDENTITY, f"i{n - 1}" if n else "x") for n in range(20_000)]
    found = finished(
        placeholder("x"), *chain, inputs={"x": "x:0"}, outputs={"y": f"i{len(chain) - 1}:0"}
    )
    assert shape_of(found.graph) == {"x": ("Placeholder", ()), "y": (IDENTITY, ("x",))}


def test_weights_are_called_after_their_variables() -> None:
    found = finished(
        placeholder("x"),
        *dense("d", "x"),
        inputs={"x": "x:0"},
        outputs={"y": "d:0"},
        weights={"d/weights": "x", "gone": "y"},
    )
    assert shape_of(found.graph)["d"] == ("MatMul", ("x", "x_1"))


def test_devices_colocation_and_notes_are_removed() -> None:
    found = finished(
        placeholder("x"),
        op("y", "Tanh", "x", device="/gpu:0", T=wire.F, _class=[b"loc:@x"], _mark=True),
        inputs={"x": "x:0"},
        outputs={"y": "y:0"},
    )
    node = found.graph.by_name["y"]
    assert node.device == ""
    assert set(node.attrs) == {"T"}


def test_a_tensor_that_is_not_there_is_named() -> None:
    with pytest.raises(NoSuchTensor, match="'gone:0'"):
        finished(placeholder("x"), inputs={"x": "x:0"}, outputs={"y": "gone:0"})


def test_tables_are_refused_before_anything_runs() -> None:
    meta = sample("tf1.15.5/sm_table").model().meta_graphs[0]
    found = freeze_blockers(meta.graph, meta.signatures["serving_default"])
    assert [item.code for item in found] == ["table"]
    assert found[0].node in meta.graph.by_name


def test_weights_past_two_gib_are_refused_with_their_size() -> None:
    variable = op(
        "w",
        "VarHandleOp",
        dtype=wire.F,
        shape=wire.Dims((600_000_000,)),
        shared_name=b"w",
    )
    graph = handmade.model(
        variable, op("read", "ReadVariableOp", "w", dtype=wire.F), unary("y", "Tanh", "read")
    ).graph
    signature = Signature(method_name="", inputs={}, outputs={"y": spec("y:0")})
    (found,) = freeze_blockers(graph, signature)
    assert found.code == "too_large"
    assert "2,400,000,000 bytes" in found.text and f"{MOST_BYTES:,}" in found.text


def test_a_signature_of_plain_variables_has_no_blockers() -> None:
    meta = sample("tf2.21.0/keras_export").model().meta_graphs[0]
    assert freeze_blockers(meta.graph, meta.signatures["serving_default"]) == ()


def test_state_that_stays_is_told_of() -> None:
    graph = handmade.model(
        op("v", "VarHandleOp", dtype=wire.F, shape=wire.Dims(())),
        op("r", "ReadVariableOp", "v", dtype=wire.F),
    ).graph
    assert [item.code for item in leftovers(graph)] == ["state"]
    assert leftovers(handmade.model(placeholder("x"), const("c", 1.0)).graph) == ()


def test_older_releases_and_what_they_lack() -> None:
    graph = handmade.model(
        placeholder("x"),
        op("sum", "AddV2", "x", "x", T=wire.F),
        op("size", "ResizeBilinear", "x", "x", T=wire.F, half_pixel_centers=True),
    ).graph
    assert missing_in("1.15.5", graph) == {}
    assert missing_in("1.4.1", graph) == {
        "AddV2": "has no such op",
        "ResizeBilinear": "knows no attribute 'half_pixel_centers' of it",
    }


def test_ops_are_brought_back_to_what_an_older_release_has() -> None:
    graph = handmade.model(
        placeholder("x"),
        op("sum", "AddV2", "x", "x", T=wire.F),
        op(
            "norm",
            "FusedBatchNormV3",
            *("x", "x", "x", "x", "x"),
            T=wire.F,
            U=wire.F,
            is_training=False,
        ),
        op(
            "train",
            "FusedBatchNormV3",
            *("x", "x", "x", "x", "x"),
            T=wire.F,
            U=wire.F,
            is_training=True,
        ),
        unary("y", "Tanh", "norm"),
    ).graph
    older, steps = for_release("1.4.1", graph)
    assert {node.name: node.op for node in older.nodes} == {
        "x": "Placeholder",
        "sum": "Add",
        "norm": "FusedBatchNorm",
        "train": "FusedBatchNormV3",
        "y": "Tanh",
    }
    assert set(older.by_name["norm"].attrs) == {"T", "is_training"}
    assert [step.count for step in steps] == [2]
    assert for_release("1.15.5", graph) == (graph, ())
