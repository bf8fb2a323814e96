"""A function that a rewrite made is written from its parts."""

from __future__ import annotations

import io
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from migrator.formats.encode import write_graph
from migrator.model.dtypes import FLOAT32, INT32
from migrator.model.graph import Function, Graph, Node
from migrator.model.tensors import UNKNOWN_SHAPE, TensorSpec
from tests import strategies, wire
from tests.equality import plain_function
from tests.handmade import read_graph

TYPES = st.sampled_from([FLOAT32, INT32])
NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True), unique=True, max_size=4)


def specs(names: list[str], types: st.DataObject) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(tensor=name, dtype=types.draw(TYPES), shape=UNKNOWN_SHAPE) for name in names
    )


def round_trip(function: Function) -> Function:
    file = io.BytesIO()
    write_graph(file, (), [function])
    return read_graph(file.getvalue() + wire.block(4, wire.number(1, 1))).graph.functions[
        function.name
    ]


@given(NAMES, NAMES, st.lists(strategies.NODES, max_size=3), st.data())
def test_reading_gives_back_what_was_written(
    inputs: list[str], outputs: list[str], nodes: list[Node], data: st.DataObject
) -> None:
    function = Function(
        name="made",
        nodes=tuple(nodes),
        inputs=specs(inputs, data),
        outputs=specs(outputs, data),
        returns={name: f"n:out:{k}" for k, name in enumerate(outputs)},
        control_returns=dict.fromkeys(outputs[:1], "n"),
        attrs={"_noinline": True},
        gradient="",
    )
    assert plain_function(round_trip(function)) == plain_function(function)


@given(strategies.function_library())
def test_without_its_definition_a_function_is_the_same(functions: tuple[bytes, ...]) -> None:
    graph: Graph = read_graph(wire.graph([], functions)).graph
    for function in graph.functions.values():
        bare = replace(function, definition=None)
        assert plain_function(round_trip(bare)) == plain_function(replace(function, gradient=""))


def test_control_results_are_declared_in_the_signature() -> None:
    node = Node("n", "NoOp", (), "/gpu:0", {})
    function = Function(
        name="f",
        nodes=(node,),
        inputs=(),
        outputs=(),
        returns={},
        control_returns={"c": "n"},
        attrs={},
    )
    found = round_trip(function)
    assert list(found.definition.signature.control_output) == ["c"]
    assert found.nodes[0].device == ""  # stripped, as in every body
