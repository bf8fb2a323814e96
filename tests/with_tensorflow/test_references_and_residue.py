"""Graphs without references and residue compute what they computed with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from migrator.graph.wiring import Wiring
from migrator.migration.options import Choice
from migrator.migration.passes.references import drop_references
from migrator.migration.passes.residue import drop_residue
from migrator.migration.resolve import resolve
from migrator.migration.subgraph import cut_subgraph
from migrator.model.graph import Graph
from tests import wire
from tests.corpus import Sample, sample
from tests.handmade import const, model, op
from tests.with_tensorflow.conftest import load_fixture
from tests.with_tensorflow.replay import graph_bytes, run

ON = wire.B


def variable(name: str, value: Any) -> list[bytes]:
    """A reference variable with its initialiser, as tf.Variable writes it."""
    shape = wire.Dims(np.shape(value))
    return [
        op(name, "VariableV2", dtype=wire.F, shape=shape, container=b"", shared_name=b""),
        const(f"{name}/initial", value),
        op(f"{name}/Assign", "Assign", name, f"{name}/initial", T=wire.F, validate_shape=True),
        op(f"{name}/read", "Identity", name, T=wire.F),
    ]


def plus(name: str, left: str, right: str, *controls: str) -> bytes:
    return op(name, "Add", left, right, *(f"^{text}" for text in controls), T=wire.F)


CASES: dict[str, tuple[list[bytes], list[str]]] = {
    "read": ([plus("y", "v/read", "w")], ["y:0", "v/read:0"]),
    "read without Identity": ([plus("y", "v", "v")], ["y:0"]),
    "the reference itself": ([plus("y", "v", "w")], ["v:0", "y:0"]),
    "after an assignment": (
        [
            op("set", "Assign", "v", "w/read", T=wire.F),
            op("y", "Identity", "v", "^set", T=wire.F),
            plus("z", "v", "w", "set"),
        ],
        ["y:0", "z:0"],
    ),
    "through an assignment": (
        [op("add", "AssignAdd", "v", "w", T=wire.F), plus("y", "add", "w")],
        ["y:0"],
    ),
    "a chain of assignments": (
        [
            op("set", "Assign", "v", "w", T=wire.F),
            op("add", "AssignAdd", "set", "w", T=wire.F),
            op("sub", "AssignSub", "add", "five", T=wire.F),
        ],
        ["sub:0"],
    ),
    "behind another input": (
        [
            op("add", "AssignAdd", "v", "w", T=wire.F),
            op("first", "Neg", "add", T=wire.F),
            plus("y", "v", "first"),
        ],
        ["y:0"],
    ),
    "scatter": (
        [
            op("set", "ScatterUpdate", "v", "one", "nine", T=wire.F, Tindices=wire.I32),
            op("more", "ScatterAdd", "set", "one", "nine", T=wire.F, Tindices=wire.I32),
            op("y", "Identity", "more", T=wire.F),
        ],
        ["y:0"],
    ),
    "scatter nd": (
        [
            op("set", "ScatterNdUpdate", "v", "where", "nine", T=wire.F, Tindices=wire.I32),
            op("y", "Identity", "set", T=wire.F),
        ],
        ["y:0"],
    ),
    "branches": (
        [
            op("side", "RefSwitch", "v", "on", T=wire.F),
            op("set", "Assign", "side:1", "w", T=wire.F),
            op("both", "RefMerge", "side", "set", T=wire.F, N=2),
            op("y", "Identity", "both", T=wire.F),
        ],
        ["y:0", "both:1"],
    ),
    "the other branch": (
        [
            op("off", "LogicalNot", "on"),
            op("side", "RefSwitch", "v", "off", T=wire.F),
            op("set", "Assign", "side:1", "w", T=wire.F),
            op("both", "RefMerge", "side", "set", T=wire.F, N=2),
            op("y", "Identity", "both", T=wire.F),
        ],
        ["y:0", "both:1"],
    ),
    "initialised": ([op("y", "IsVariableInitialized", "v", dtype=wire.F)], ["y:0"]),
    "selected": (
        [
            op("one_of", "RefSelect", "index", "v", "w", T=wire.F, N=2),
            op("y", "Identity", "one_of", T=wire.F),
        ],
        ["y:0"],
    ),
}
COMMON = [
    const("one", [1], "int32"),
    const("where", [[1]], "int32"),
    const("index", 1, "int32"),
    const("nine", [9.0]),
    const("five", [5.0, 5.0, 5.0]),
    const("on", True, "bool"),
]


@pytest.mark.parametrize("name", CASES)
def test_resource_variables_hold_and_give_what_references_did(name: str) -> None:
    nodes, outputs = CASES[name]
    graph = model(
        *COMMON, *variable("v", [1.0, 2.0, 3.0]), *variable("w", [0.5, 0.25, 4.0]), *nodes
    ).graph
    found, steps = drop_references(graph, {}, outputs)
    assert "resource_variables" in [step.code for step in steps]
    left = {node.op for node in found.nodes}
    assert not {op for op in left if op.startswith("Ref")} & left
    assert not left & {"VariableV2", "Assign", "AssignAdd", "ScatterUpdate"}
    before = ["v/Assign", "w/Assign"]
    old = run(graph, outputs, before=before)
    new = run(found, outputs, before=before)
    for one, other in zip(old, new, strict=True):
        np.testing.assert_array_equal(one, other)


def test_counting_up() -> None:
    graph = model(
        op("v", "VariableV2", dtype=wire.I32, shape=wire.Dims(())),
        const("two", 2, "int32"),
        op("init", "Assign", "v", "two", T=wire.I32),
        op("next", "CountUpTo", "v", T=wire.I32, limit=9),
        op("y", "Identity", "v", "^next", T=wire.I32),
    ).graph
    found, _ = drop_references(graph, {}, ["next:0", "y:0"])
    assert run(graph, ["next:0", "y:0"], before=["init"]) == [2, 3]
    assert run(found, ["next:0", "y:0"], before=["init"]) == [2, 3]


def cut(item: Sample) -> Graph:
    """The fixture's graph, cut down to its outputs and not rewritten yet."""
    graph = item.model().graph
    choice = Choice(**load_fixture(item.name).options())
    return cut_subgraph(graph, resolve(graph, Wiring(graph), choice))[0]


def computed(graph: Graph, item: Sample) -> list[Any]:
    """The outputs on every case; inputs become placeholders where the plan took them out."""
    import tensorflow as tf

    proto = tf.compat.v1.GraphDef()
    proto.ParseFromString(graph_bytes(graph))
    names = {node.name for node in graph.nodes}
    values = []
    with tf.Graph().as_default() as place:
        whole = tf.compat.v1.GraphDef()
        whole.ParseFromString(item.file.read_bytes())
        for node in whole.node:
            if node.op.startswith("Placeholder") and node.name not in names:
                proto.node.add().CopyFrom(node)
        tf.import_graph_def(proto, name="")
        with tf.compat.v1.Session(graph=place) as session:
            for case in load_fixture(item.name).cases().values():
                fed = {item.inputs[name]: value for name, value in case["in"].items()}
                values += session.run(list(item.outputs.values()), fed)
    return values


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("tf1.15.5/embedding", {"drop_assertions"}),
        ("tf1.4.1/embedding", {"drop_assertions"}),
        ("tf1.15.5/keep_prob", {"fold_dropout"}),
    ],
)
def test_fixtures_compute_the_same_bit_for_bit_without_residue(name: str, codes: set[str]) -> None:
    item = sample(name)
    graph = cut(item)
    found, steps = drop_residue(graph, {}, list(item.outputs.values()))
    assert {step.code for step in steps} == codes
    left = {node.op for node in found.nodes}
    assert not left & {"Assert", "Print"}
    for one, other in zip(computed(graph, item), computed(found, item), strict=True):
        np.testing.assert_array_equal(one, other)


def dropout(style: str, keep: float, static: bool) -> list[bytes]:
    """Dropout as TensorFlow 1.4 (floor) and 1.15 (compare) write it."""
    shape = const("shape", [2, 3], "int32") if static else op("shape", "Shape", "x", T=wire.F)
    draw = [
        shape,
        op("u", "RandomUniform", "shape", T=wire.I32, dtype=wire.F, seed=1, seed2=2),
        const("min", 0.0),
        const("max", 1.0),
        op("sub", "Sub", "max", "min", T=wire.F),
        op("mul", "Mul", "u", "sub", T=wire.F),
        plus("uniform", "mul", "min"),
    ]
    if style == "floor":
        return [
            *draw,
            const("keep", keep),
            plus("sum", "keep", "uniform"),
            op("mask", "Floor", "sum", T=wire.F),
            op("scaled", "RealDiv", "x", "keep", T=wire.F),
            op("y", "Mul", "scaled", "mask", T=wire.F),
        ]
    return [
        *draw,
        const("rate", 1.0 - keep),
        const("unit", 1.0),
        op("kept", "Sub", "unit", "rate", T=wire.F),
        op("scale", "RealDiv", "unit", "kept", T=wire.F),
        op("scaled", "Mul", "x", "scale", T=wire.F),
        op("stays", "GreaterEqual", "uniform", "rate", T=wire.F),
        op("mask", "Cast", "stays", SrcT=wire.B, DstT=wire.F),
        op("y", "Mul", "scaled", "mask", T=wire.F),
    ]


@pytest.mark.parametrize("style", ["floor", "compare"])
@pytest.mark.parametrize("static", [True, False])
def test_dropout_that_is_off_is_gone_bit_for_bit(style: str, static: bool) -> None:
    x = np.array([[0.1, np.nan, -0.0], [np.inf, 3e38, -7.25]], np.float32)
    graph = model(op("x", "Placeholder", dtype=wire.F), *dropout(style, 1.0, static)).graph
    found, steps = drop_residue(graph, {}, ["y:0"])
    assert [(step.code, step.count) for step in steps] == [("fold_dropout", 1)]
    kinds = {node.name: node.op for node in found.nodes}
    assert kinds["y"] == ("Mul" if static else "Identity")
    (old,), (new,) = (run(one, ["y:0"], {"x:0": x}) for one in (graph, found))
    np.testing.assert_array_equal(old.view(np.uint32), new.view(np.uint32))


@pytest.mark.parametrize("style", ["floor", "compare"])
def test_dropout_that_is_on_stays(style: str) -> None:
    graph = model(op("x", "Placeholder", dtype=wire.F), *dropout(style, 0.5, False)).graph
    found, steps = drop_residue(graph, {}, ["y:0"])
    assert (found, steps) == (graph, ())
