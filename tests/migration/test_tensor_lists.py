"""TensorArrays become tensor lists, with shapes as static as they can be told."""

from __future__ import annotations

import numpy as np
import pytest

from migrator.migration.passes.functional import Unconvertible, functional_control_flow
from migrator.migration.passes.tensor_lists import tensor_lists
from migrator.model.dtypes import FLOAT32, VARIANT
from migrator.model.graph import Graph, Node
from migrator.model.tensors import Shape, TensorSpec
from tests import wire
from tests.handmade import const, model, op
from tests.migration.flows import body, of, switch
from tests.migration.flows import merge as merge_node

X = "x:0"
GIVEN = {X: TensorSpec(tensor=X, dtype=FLOAT32, shape=Shape((None, 4)))}


def array(
    name: str, size: str, dims: tuple[int, ...] | None = None, dynamic: bool = False
) -> bytes:
    return op(
        name,
        "TensorArrayV3",
        size,
        dtype=wire.F,
        element_shape=wire.Dims(dims),
        dynamic_size=dynamic,
    )


def rows(name: str, of_tensor: str) -> list[bytes]:
    """``name`` = the first size of a tensor."""
    return [
        op(f"{name}/shape", "Shape", of_tensor, T=wire.F, out_type=wire.I32),
        const(f"{name}/0", [0], "int32"),
        const(f"{name}/1", [1], "int32"),
        op(
            name,
            "StridedSlice",
            f"{name}/shape",
            f"{name}/0",
            f"{name}/1",
            f"{name}/1",
            T=wire.I32,
            Index=wire.I32,
            shrink_axis_mask=1,
        ),
    ]


def span(name: str, limit: str) -> list[bytes]:
    """``name`` = range(limit)."""
    return [
        const(f"{name}/start", 0, "int32"),
        const(f"{name}/delta", 1, "int32"),
        op(name, "Range", f"{name}/start", limit, f"{name}/delta", Tidx=wire.I32),
    ]


def unstacked(size: str = "n") -> list[bytes]:
    return [
        *rows("n", "x"),
        array("source", size),
        *span("all", "n"),
        op("fill", "TensorArrayScatterV3", "source", "all", "x", "source:1", T=wire.F),
    ]


def reversing() -> list[bytes]:
    """A loop that reads every row of x and writes it doubled."""

    def enter(name: str, source: str, kind: wire.Type, constant: bool = False) -> bytes:
        return op(name, "Enter", source, T=kind, frame_name=b"w", is_constant=constant)

    resource = wire.Type(20)
    nodes = [*unstacked(), array("target", "n"), const("zero", 0, "int32")]
    nodes += [enter("e_i", "zero", wire.I32), enter("e_flow", "target:1", wire.F)]
    nodes += [enter("c_n", "n", wire.I32, True), enter("c_in", "source", resource, True)]
    nodes += [enter("c_flow", "fill", wire.F, True), enter("c_out", "target", resource, True)]
    nodes += [merge_node("m_i", "e_i", "n_i", kind=wire.I32), merge_node("m_f", "e_flow", "n_f")]
    nodes += [op("less", "Less", "m_i", "c_n", T=wire.I32), op("again", "LoopCond", "less")]
    nodes += [switch("s_i", "m_i", "again", wire.I32), switch("s_f", "m_f", "again")]
    nodes += [op("i", "Identity", "s_i:1", T=wire.I32)]
    nodes += [op("one", "Const", "^i", dtype=wire.I32, value=np.array(1, np.int32))]
    nodes += [
        op("next", "Add", "i", "one", T=wire.I32),
        op("n_i", "NextIteration", "next", T=wire.I32),
    ]
    nodes += [op("row", "TensorArrayReadV3", "c_in", "i", "c_flow", dtype=wire.F)]
    nodes += [op("twice", "Add", "row", "row", T=wire.F)]
    nodes += [op("put", "TensorArrayWriteV3", "c_out", "i", "twice", "s_f:1", T=wire.F)]
    nodes += [op("n_f", "NextIteration", "put", T=wire.F), op("done", "Exit", "s_f", T=wire.F)]
    nodes += [op("count", "TensorArraySizeV3", "target", "done"), *span("order", "count")]
    nodes += [op("y", "TensorArrayGatherV3", "target", "order", "done", dtype=wire.F)]
    return nodes


def convert(*nodes: bytes, keep: str = "y:0") -> Graph:
    graph, _ = functional_control_flow(model(*nodes).graph, GIVEN, [keep])
    made, steps = tensor_lists(graph, GIVEN, [keep])
    assert [step.code for step in steps] == ["tensor_lists"]
    assert not [node.op for node in made.all_nodes() if node.op.startswith("TensorArray")]
    return made


def shape_of(graph: Graph, node: Node, slot: int) -> list[int]:
    found: list[int] = graph.by_name[node.inputs[slot]].attrs["value"].numpy().tolist()
    return found


def test_a_graph_without_arrays_comes_back_as_it_is() -> None:
    graph = model(op("y", "Exp", "x", T=wire.F)).graph
    assert tensor_lists(graph, GIVEN, ["y:0"]) == (graph, ())


def test_a_loop_over_arrays_becomes_one_over_lists_without_state() -> None:
    graph = convert(*reversing())
    (node,) = of(graph, "StatelessWhile")
    assert node.attrs["T"].count(VARIANT) == 2
    assert len(node.attrs["T"]) == len(node.inputs) == len(node.attrs["output_shapes"])
    found = {one.op for one in body(graph, node, "body").values()}
    assert {"TensorListGetItem", "TensorListSetItem"} <= found
    function = graph.functions[node.attrs["body"].name]
    assert len(function.inputs) == len(function.outputs) == len(node.inputs)
    assert not of(graph, "TensorArrayV3")


def test_whole_ranges_become_from_tensor_and_stack() -> None:
    graph = convert(*reversing())
    (source,) = of(graph, "TensorListFromTensor")
    assert source.name == "fill" and source.inputs[0] == X
    (stack,) = of(graph, "TensorListStack")
    assert stack.name == "y" and stack.inputs[0] == "done"
    assert len(of(graph, "TensorListReserve")) == 1


def test_element_shapes_are_inferred_from_what_is_put_in() -> None:
    """The source's from x, the target's from what the loop makes of the source's rows."""
    graph = convert(*reversing())
    for kind in ("TensorListFromTensor", "TensorListStack"):
        (node,) = of(graph, kind)
        assert shape_of(graph, node, 1) == [4]
    (node,) = of(graph, "TensorListReserve")
    assert shape_of(graph, node, 0) == [4]


def test_what_is_no_whole_range_is_gathered_and_scattered() -> None:
    nodes = [
        const("five", 5, "int32"),
        array("a", "five", (4,)),
        const("places", [3, 1], "int32"),
        op("fill", "TensorArrayScatterV3", "a", "places", "x", "a:1", T=wire.F),
        op("y", "TensorArrayGatherV3", "a", "places", "fill", dtype=wire.F),
    ]
    graph = convert(*nodes)
    assert of(graph, "TensorListScatterIntoExistingList") and of(graph, "TensorListGather")
    assert not of(graph, "TensorListFromTensor", "TensorListStack")


def test_an_array_larger_than_what_fills_it_keeps_its_size() -> None:
    nodes = [const("nine", 9, "int32"), *unstacked("nine")]
    graph = convert(*nodes, op("y", "TensorArraySizeV3", "source", "fill"))
    assert of(graph, "TensorListScatterIntoExistingList")
    assert of(graph, "TensorListLength")[0].name == "y"


def test_an_array_that_grows_lets_its_list_grow() -> None:
    nodes = [
        const("zero", 0, "int32"),
        array("a", "zero", dynamic=True),
        op("w", "TensorArrayWriteV3", "a", "zero", "x", "a:1", T=wire.F),
        op("y", "TensorArrayReadV3", "a", "zero", "w", dtype=wire.F),
    ]
    (node,) = of(convert(*nodes), "TensorListSetItem")
    assert node.attrs["resize_if_index_out_of_bounds"] is True


def test_elements_of_several_shapes_leave_the_shape_open() -> None:
    nodes = [
        const("two", 2, "int32"),
        const("zero", 0, "int32"),
        const("one", 1, "int32"),
        const("v", [[1.0, 2.0]]),
        array("a", "two"),
        op("w", "TensorArrayWriteV3", "a", "zero", "x", "a:1", T=wire.F),
        op("w2", "TensorArrayWriteV3", "a", "one", "v", "w", T=wire.F),
        op("y", "TensorArrayReadV3", "a", "one", "w2", dtype=wire.F),
    ]
    graph = convert(*nodes)
    (node,) = of(graph, "TensorListReserve")
    assert shape_of(graph, node, 0) == [-1, -1]


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        (
            [
                op("w2", "TensorArrayWriteV3", "source", "zero", "x", "source:1", T=wire.F),
                op("y", "AddN", "fill", "w2", T=wire.F, N=2),
            ],
            "second writer",
        ),
        ([op("y", "Exp", "fill", T=wire.F)], "takes a TensorArray"),
        ([op("y", "Identity", "fill", T=wire.F)], "itself is wanted"),
        (
            [
                op("g", "TensorArrayGradV3", "source", "fill", source=b"g"),
                op("y", "TensorArrayReadV3", "g", "zero", "g:1", dtype=wire.F),
            ],
            "no counterpart",
        ),
        (
            [
                array("other", "zero"),
                op("y", "TensorArrayReadV3", "other", "zero", "fill", dtype=wire.F),
            ],
            "flow of another",
        ),
    ],
)
def test_what_no_list_can_follow_is_refused(nodes: list[bytes], reason: str) -> None:
    graph = model(*unstacked(), const("zero", 0, "int32"), *nodes).graph
    with pytest.raises(Unconvertible, match=reason) as raised:
        tensor_lists(graph, GIVEN, ["y:0"])
    assert raised.value.where


def test_arrays_in_dataflow_loops_are_refused() -> None:
    with pytest.raises(Unconvertible):
        tensor_lists(model(*reversing()).graph, GIVEN, ["y:0"])
