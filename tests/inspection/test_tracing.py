"""Walking back to the node that makes a tensor: out of functions, round rings, and in time."""

from __future__ import annotations

import time

import numpy as np

from migrator.inspection.restores import RestoredTensor, find_restored
from migrator.inspection.tracing import Tracer
from migrator.model.graph import Graph
from migrator.model.tensors import TensorRef
from tests import wire
from tests.handmade import const, model, op, placeholder, text_const, unary


def same(name: str, source: str) -> bytes:
    return unary(name, "Identity", source)


def call(name: str, function: str, *given: str) -> bytes:
    return op(name, "PartitionedCall", *given, f=wire.Call(function), Tin=[wire.F], Tout=[wire.F])


def body(name: str, nodes: list[bytes], returned: str, *arguments: str) -> bytes:
    inputs = dict.fromkeys(arguments or ("a",), wire.FLOAT)
    return wire.function(name, inputs, {"r": wire.FLOAT}, nodes, {"r": returned})


def origin(graph: Graph, text: str, function: str | None = None) -> tuple[str, int] | None:
    """(node, port) behind a tensor."""
    inside = None if function is None else graph.functions[function]
    found = Tracer(graph).origin(inside, TensorRef.parse(text))
    return None if found is None else (found.node.name, found.port)


def test_identities_are_walked_through_and_ports_are_kept() -> None:
    graph = model(
        placeholder("x"),
        const("axis", 0, "int32"),
        op("halves", "Split", "axis", "x", num_split=2, T=wire.F),
        same("a", "halves:1"),
        unary("b", "StopGradient", "a"),
        unary("c", "Snapshot", "b:0"),
        unary("d", "Relu", "c"),
    ).graph
    assert origin(graph, "c") == ("halves", 1)
    assert origin(graph, "halves:1") == ("halves", 1)
    assert origin(graph, "d:0") == ("d", 0)


def test_a_name_that_is_no_node_has_no_origin() -> None:
    graph = model(placeholder("x"), same("a", "gone")).graph
    assert origin(graph, "a") is None
    assert origin(graph, "nothing:3") is None
    assert origin(graph, "") is None


def test_an_argument_is_followed_to_what_the_caller_gives() -> None:
    graph = model(
        const("c", [1.0]),
        placeholder("x"),
        call("y", "outer", "x", "c"),
        functions=[
            body("outer", [call("n", "inner", "second")], "n:output:0", "first", "second"),
            body("inner", [same("i", "a"), unary("r", "Relu", "i:output:0")], "r:activations:0"),
        ],
    ).graph
    assert origin(graph, "i:output:0", "inner") == ("c", 0)
    assert origin(graph, "first", "outer") == ("x", 0)
    found = Tracer(graph).constant(graph.functions["inner"], TensorRef.parse("a"))
    assert found is not None and found.numpy().tolist() == [1.0]


def test_an_argument_that_nobody_gives_has_no_origin() -> None:
    graph = model(
        placeholder("x"),
        call("y", "short"),
        functions=[
            body("uncalled", [same("n", "a")], "n:output:0"),
            body("short", [same("n", "a")], "n:output:0"),
        ],
    ).graph
    assert origin(graph, "a", "uncalled") is None
    assert origin(graph, "a", "short") is None


def test_only_a_constant_is_a_constant() -> None:
    graph = model(placeholder("x"), const("c", [1.0, 2.0]), same("a", "c"), same("b", "x")).graph
    tracer = Tracer(graph)
    found = tracer.constant(None, TensorRef.parse("a"))
    assert found is not None and np.array_equal(found.numpy(), [1.0, 2.0])
    assert tracer.constant(None, TensorRef.parse("b")) is None


def test_a_ring_of_identities_ends() -> None:
    graph = model(same("a", "b"), same("b", "a"), same("own", "own")).graph
    start = time.monotonic()
    assert origin(graph, "a") is None
    assert origin(graph, "own") is None
    assert time.monotonic() - start < 5


def test_functions_that_call_themselves_or_each_other_end() -> None:
    graph = model(
        functions=[
            body("self", [call("n", "self", "a")], "n:output:0"),
            body("ping", [call("n", "pong", "a")], "n:output:0"),
            body("pong", [call("n", "ping", "a")], "n:output:0"),
        ],
    ).graph
    assert origin(graph, "a", "self") is None
    assert origin(graph, "a", "ping") is None


def test_nodes_come_with_the_function_that_they_are_in() -> None:
    graph = model(
        unary("top", "Relu", "x"),
        functions=[body("f", [unary("deep", "Relu", "a"), same("b", "a")], "deep:activations:0")],
    ).graph
    found = [(f and f.name, node.name) for f, node in Tracer(graph).nodes(("Relu",))]
    assert found == [(None, "top"), ("f", "deep")]


def test_a_wide_graph_takes_linear_time() -> None:
    """Every restored variable of a large model is one short walk."""

    def seconds(count: int) -> float:
        nodes = [const("c", [1.0])]
        for index in range(count):
            nodes.append(op(f"v{index}", "VarHandleOp", dtype=wire.F, shape=wire.Dims((1,))))
            nodes.append(op(f"a{index}", "AssignVariableOp", f"v{index}", "c", dtype=wire.F))
        graph = model(*nodes).graph
        start = time.process_time()
        find_restored(graph, Tracer(graph))
        return time.process_time() - start

    small, large = (min(seconds(size) for _ in range(3)) for size in (1_000, 8_000))
    assert large < max(small * 8 * 4, 0.5)


def restores(
    *, names: tuple[bytes, ...], parts: tuple[bytes, ...], prefix: str = ""
) -> list[bytes]:
    """RestoreV2 of these entries, each assigned to a variable v0, v1, ..."""
    nodes = [
        text_const(f"{prefix}file", b"ckpt"),
        text_const(f"{prefix}names", *names, b""),
        text_const(f"{prefix}parts", *parts, b""),
        op(
            f"{prefix}restore",
            "RestoreV2",
            *(f"{prefix}{name}" for name in ("file", "names", "parts")),
            dtypes=[wire.F] * len(names),
        ),
    ]
    for index in range(len(names)):
        nodes.append(same(f"{prefix}i{index}", f"{prefix}restore:{index}"))
        nodes.append(op(f"{prefix}a{index}", "Assign", f"v{index}", f"{prefix}i{index}", T=wire.F))
    joined = tuple(f"^{prefix}a{index}" for index in range(len(names)))
    return [*nodes, op(f"{prefix}all", "NoOp", *joined)]


def variables(count: int) -> list[bytes]:
    return [
        op(f"v{index}", "VariableV2", dtype=wire.F, shape=wire.Dims((2,))) for index in range(count)
    ]


def test_an_entry_is_found_by_the_port_that_the_variable_is_assigned_from() -> None:
    graph = model(*variables(2), *restores(names=(b"other", b"name"), parts=(b"", b"4 0,2"))).graph
    found = find_restored(graph, Tracer(graph))
    assert found.variables == {
        "v0": RestoredTensor(key="other"),
        "v1": RestoredTensor(key="name", part="4 0,2"),
    }


def test_the_restore_of_the_meta_graphs_own_saver_is_preferred() -> None:
    """A second saver in the graph (of a warm start, say) maps the names in its own way."""
    graph = model(
        *variables(1),
        *restores(names=(b"first",), parts=(b"",), prefix="first/"),
        *restores(names=(b"second",), parts=(b"",), prefix="second/"),
    ).graph
    tracer = Tracer(graph)
    assert find_restored(graph, tracer, "second/all").variables == {
        "v0": RestoredTensor(key="second")
    }
    assert find_restored(graph, tracer, "first/all:0").variables == {
        "v0": RestoredTensor(key="first")
    }
    assert find_restored(graph, tracer, "gone").variables == {"v0": RestoredTensor(key="first")}


def test_what_an_initializer_assigns_is_not_restored() -> None:
    graph = model(
        *variables(1), const("zeros", [0.0, 0.0]), op("a", "Assign", "v0", "zeros", T=wire.F)
    ).graph
    assert find_restored(graph, Tracer(graph)).variables == {}


def test_a_restore_without_readable_names_maps_nothing() -> None:
    broken = [
        op("restore", "RestoreV2", dtypes=[wire.F]),
        op("a", "Assign", "v0", "restore:7", T=wire.F),
        op("b", "Assign", "v0", T=wire.F),
        op("c", "Assign", T=wire.F),
    ]
    graph = model(*variables(1), *broken).graph
    assert find_restored(graph, Tracer(graph)).variables == {}
