"""Writing a graph and reading it again gives the same graph."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.formats.encode import encode_attr, write_graph
from migrator.formats.load import load
from migrator.model.graph import Graph, Node, Versions
from migrator.model.tensors import LazyBytes
from tests import strategies, wire
from tests.corpus import DTYPE_SETS, PROTOBUF, Sample
from tests.equality import plain, plain_graph, plain_node
from tests.handmade import read_graph


def written(graph: Graph) -> bytes:
    file = io.BytesIO()
    size = write_graph(file, graph.nodes, graph.functions.values(), graph.versions)
    assert size == len(file.getvalue())
    return file.getvalue()


@given(st.lists(strategies.NODES, max_size=4), strategies.VERSIONS)
def test_nodes_of_every_attribute_kind_survive(nodes: list[Node], versions: Versions) -> None:
    file = io.BytesIO()
    write_graph(file, nodes, (), versions)
    found = read_graph(file.getvalue()).graph
    assert [plain_node(node) for node in found.nodes] == [plain_node(node) for node in nodes]
    assert found.versions == versions


@given(strategies.wired_graphs(), strategies.function_library())
def test_function_libraries_survive(nodes: list[bytes], functions: tuple[bytes, ...]) -> None:
    first = read_graph(wire.graph(nodes, functions, gradients={"f": "f_grad"})).graph
    second = read_graph(written(first)).graph
    assert plain_graph(second) == plain_graph(first)


@given(strategies.ATTRS)
def test_equal_attributes_encode_alike(value: object) -> None:
    assert encode_attr(value) == encode_attr(value)


@pytest.mark.parametrize("sample", PROTOBUF, ids=str)
def test_every_fixture_survives(sample: Sample) -> None:
    for meta in sample.model().meta_graphs:
        data = written(meta.graph)
        again = read_graph(data).graph
        assert plain_graph(again) == plain_graph(meta.graph)
        assert written(again) == data  # and from then on, byte for byte


@pytest.mark.parametrize("path", DTYPE_SETS, ids=lambda path: path.stem)
def test_every_dtype_and_form_survives(path: Path) -> None:
    graph = load(path).graph
    assert plain_graph(read_graph(written(graph)).graph) == plain_graph(graph)


@pytest.mark.parametrize("sample", PROTOBUF[::4], ids=str)
def test_a_written_graph_loads_from_a_file(sample: Sample, tmp_path: Path) -> None:
    file = tmp_path / "again"
    file.write_bytes(written(sample.model().graph))
    found = load(file)
    assert found.source.format == "graph_def"
    assert plain_graph(found.graph) == plain_graph(sample.model().graph)


def test_large_constants_of_nodes_and_functions_are_put_back() -> None:
    """What was left in the file comes back whole, in bodies too."""
    big = np.arange(5000, dtype=np.float32)
    nodes = [
        wire.node("c", "Const", [], {"value": big, "dtype": wire.F}),
        wire.node("text", "Custom", [], {"blob": b"\x00\xff" * 9000, "list": [big, big + 1]}),
    ]
    body = wire.function("f", {}, {"y": 1}, nodes, {"y": "c:output:0"})
    first = read_graph(wire.graph(nodes, [body])).graph
    assert isinstance(first.by_name["text"].attrs["blob"], LazyBytes)
    again = read_graph(written(first)).graph
    for graph in (first, again):
        for found in (graph.nodes, graph.functions["f"].nodes):
            assert (found[0].attrs["value"].numpy() == big).all()
            assert plain(found[1].attrs["blob"]) == ("bytes", b"\x00\xff" * 9000)
            assert (found[1].attrs["list"][1].numpy() == big + 1).all()


def test_functions_given_as_an_iterator_keep_their_gradients() -> None:
    body = wire.function("f", {"x": 1}, {"y": 1}, [], {"y": "x"})
    first = read_graph(wire.graph([wire.node("n", "f", [])], [body], gradients={"f": "g"})).graph
    file = io.BytesIO()
    write_graph(file, first.nodes, iter(first.functions.values()))
    assert read_graph(file.getvalue()).graph.functions["f"].gradient == "g"


def test_an_attribute_that_no_message_can_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="dict"):
        encode_attr({"a": 1})
