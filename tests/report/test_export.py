"""What is exported and read again has the same nodes, edges and ports, whatever names there are."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.actions.export import export
from migrator.formats.load import load
from migrator.formats.messages import message_class
from migrator.graph.build import to_networkx
from migrator.model.dtypes import FLOAT32
from migrator.model.graph import Function, FunctionRef, Graph, Node, Versions, index_nodes
from migrator.model.model import MetaGraph, Model, Source
from migrator.model.tensors import UNKNOWN_SHAPE, TensorRef, TensorSpec
from migrator.report.export.tensorboard import shown_node
from migrator.report.export.texts import dot, escaped, unescaped, xml
from tests import handmade as h
from tests import strategies, wire
from tests.corpus import META, PROTOBUF, Sample, sample
from tests.graph_files import READERS, graph_of, of_view, plain, records
from tests.growth import assert_linear

ANYTHING = st.text(
    st.one_of(
        st.sampled_from("\x00\t\n\r\x1b\"\\<>&]'/;{}\x85\u2028\ud800\udfff\ufffe\uffff\u202e_:^x0"),
        st.characters(exclude_categories=()),
    ),
    max_size=12,
)
"""Every character that Python has, halves of surrogate pairs too."""
HOSTILE = (
    "]]>", "</data>", "a\\x00", "a\x00", "\\", "\\\\", "\\u0041", '"', "'", "\r\n", " lead",
    "tail ", "\ud800", "&amp;", "&#0;", "<!--", "-->", "n0", "", "\u202e", "\ufffe", "a/b",
    "/", "//", "a:0",
    "x" * 1_000_000, "\\" * 5000, '"' * 5000, "\x01" * 5000, "/" * 100_000, "\N{GRINNING FACE}",
)  # fmt: skip
WRITERS = sorted(READERS)


def made(nodes: list[Node], functions: tuple[Function, ...] = ()) -> Model:
    """A model of nodes that no file could hold."""
    by_name, duplicates = index_nodes(nodes)
    graph = Graph(
        nodes=tuple(nodes),
        functions={item.name: item for item in functions},
        versions=Versions(),
        by_name=by_name,
        duplicates=duplicates,
    )
    source = Source(path="made", bytes=0, format="graph_def")
    return Model(source=source, meta_graphs=(MetaGraph(graph=graph),))


def written(model: Model, form: str, **options: Any) -> str:
    file = io.BytesIO()
    done = export(model, file, format=form, **options)
    assert done.bytes == len(file.getvalue())
    return file.getvalue().decode("utf-8")


def same(model: Model, form: str, function: str = "") -> None:
    view = to_networkx(model)
    expected = of_view(view.graph["functions"][function] if function else view)
    found = READERS[form](written(model, form, function=function))
    assert found.nodes == expected.nodes
    assert list(found.nodes) == list(expected.nodes) or form == "dot"  # boxes bring their nodes
    assert found.edges == expected.edges


_VALUES = st.one_of(
    st.none(),
    st.binary(max_size=8),
    strategies.INT64,
    st.floats(width=32),
    strategies.SHAPES,
    ANYTHING.map(lambda name: FunctionRef(name=name)),
)


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Graphs with edges between nodes of any names, and one body."""
    names = draw(st.lists(ANYTHING, min_size=1, max_size=6))
    inputs = st.one_of(
        st.sampled_from(names),
        st.builds("{}:{}".format, st.sampled_from(names), st.integers(0, 3)),
        st.builds("^{}".format, st.sampled_from(names)),
        st.builds("{}:{}:{}".format, st.sampled_from(names), ANYTHING, st.integers(0, 3)),
        ANYTHING,
    )
    attrs = st.dictionaries(ANYTHING, _VALUES, max_size=2)
    node = st.builds(
        Node,
        st.sampled_from(names),
        ANYTHING,
        st.lists(inputs, max_size=4).map(tuple),
        ANYTHING,
        attrs,
    )
    specs = st.lists(
        st.builds(
            lambda name: TensorSpec(tensor=name, dtype=FLOAT32, shape=UNKNOWN_SHAPE),
            st.sampled_from(names),
        ),
        max_size=3,
    )
    outputs = draw(specs)
    body = Function(
        name=draw(ANYTHING) or "f",
        nodes=tuple(draw(st.lists(node, max_size=3))),
        inputs=tuple(draw(specs)),
        outputs=tuple(outputs),
        returns={item.tensor: draw(inputs) for item in outputs},
        control_returns={},
        attrs={},
    )
    return made(draw(st.lists(node, max_size=5)), (body,))


@pytest.mark.parametrize("form", WRITERS)
@settings(max_examples=40)
@given(model=models())
def test_any_graph_is_read_again_as_it_was(form: str, model: Model) -> None:
    same(model, form)
    same(model, form, function=next(iter(model.graph.functions)))


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:20])
def test_hostile_names_are_read_again(form: str, name: str) -> None:
    nodes = [
        Node(name, name, (), name, {name: name.encode("utf-8", "replace"), "s": b"]]>\x00\xff"}),
        Node("b", "Op", (name, f"^{name}"), "", {"f": FunctionRef(name=name)}),
    ]
    same(made(nodes), form)


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("item", (*PROTOBUF, *META), ids=str)
def test_fixtures_are_read_again(form: str, item: Sample) -> None:
    model = item.model()
    for meta, view in zip(
        model.meta_graphs, (to_networkx(model, meta_graph=n) for n in range(9)), strict=False
    ):
        found = READERS[form](written(model, form, tag_set=meta.tags))
        expected = of_view(view)
        assert (found.nodes, found.edges) == (expected.nodes, expected.edges)


@given(ANYTHING)
def test_names_come_back_from_their_escapes(name: str) -> None:
    text = escaped(name)
    assert unescaped(text) == plain(text) == name
    assert text.encode("utf-8").decode() == text
    assert ET.fromstring(f'<a b="{xml(name)}"/>').get("b") == text
    assert (ET.fromstring(f"<a>{xml(name)}</a>").text or "") == text


@given(st.text(max_size=30))
def test_unescaping_takes_any_text(text: str) -> None:
    unescaped(text)


def test_attributes_are_json_in_every_format() -> None:
    model = h.model(
        h.placeholder("x", wire.F, (-1, 4)),
        h.op("y", "Relu", "x", T=wire.F, note=b'a"\\\n]]>', call=wire.Call("f")),
    )
    view = nx.parse_graphml(written(model, "graphml"))
    told = {data["name"]: data for _, data in view.nodes(data=True)}
    attrs = json.loads(told["y"]["attrs"])
    assert attrs == {"T": "float32", "call": "f", "note": 'a"\\\n]]>'}
    assert json.loads(told["y"]["calls"]) == ["f"]
    assert (told["x"]["dtype"], told["x"]["shape"]) == ("float32", "[?, 4]")
    gexf = nx.read_gexf(io.BytesIO(written(model, "gexf").encode()), relabel=True)
    assert json.loads(gexf.nodes["y"]["attrs"]) == attrs
    linked = json.loads(written(model, "node-link"))
    assert linked["nodes"][1]["attrs"] == attrs
    assert linked["nodes"][0]["shape"] == [None, 4]


def test_node_link_holds_the_bodies_too() -> None:
    model = sample("tf2.21.0/sm_functions").model()
    found = json.loads(written(model, "node-link"))
    view = to_networkx(model)
    assert found["graph"]["format"] == "saved_model"
    assert list(found["graph"]["functions"]) == list(view.graph["functions"])
    for name, body in view.graph["functions"].items():
        told = found["graph"]["functions"][name]
        assert told["graph"]["function"] == name
        assert [node["id"] for node in told["nodes"]] == list(body)
        assert len(told["edges"]) == body.number_of_edges()


def test_model_explorer_has_the_graphs_that_view_shows() -> None:
    from migrator.report.explorer.graphs import collect

    model = sample("tf2.21.0/sm_functions").model()
    found = json.loads(written(model, "model-explorer"))
    assert found["graphs"] == collect(model.meta_graphs, "x").graphs
    name = next(iter(model.graph.functions))
    one = json.loads(written(model, "model-explorer", function=name))
    assert one["graphs"][0]["id"] == name


@pytest.mark.parametrize(
    ("path", "inputs", "outputs"),
    [
        ("fixtures/tf1.15.5/keras2_two_inputs/model.h5", 2, None),
        ("fixtures/tflite_files/signatures.tflite", None, None),
        ("fixtures/tf1.15.5/sm_variables/saved_model", 1, None),
    ],
)
def test_dot_colours_what_is_declared_as_inputs_and_outputs(
    path: str, inputs: int | None, outputs: int | None
) -> None:
    model = load(path)
    text = written(model, "dot")
    meta = model.meta_graphs[0]
    declared = [meta.declared] if meta.declared else list(meta.signatures.values())
    for side, color, count in (("inputs", "#cfe8cf", inputs), ("outputs", "#f3d9b1", outputs)):
        names = {
            TensorRef.parse(spec.tensor).node
            for signature in declared
            for spec in getattr(signature, side).values()
        }
        assert names and (count is None or len(names) == count)
        for name in names:
            (line,) = [line for line in text.splitlines() if f"[node_name={dot(name)}, " in line]
            assert f'fillcolor="{color}"' in line, name


def test_dot_draws_scopes_as_boxes_in_small_graphs_only() -> None:
    small = made([Node(f"a/b{n}/c", "Op", (), "", {}) for n in range(3)])
    text = written(small, "dot")
    assert text.count("subgraph cluster_") == 4
    assert 'label="b1"' in text
    large = made([Node(f"a/b{n}/c", "Op", (), "", {}) for n in range(501)])
    assert "subgraph" not in written(large, "dot")


def test_graphml_keeps_to_its_schema() -> None:
    """Ids that are tokens, keys before use, each of them declared; what yEd draws in its own."""
    space = "{http://graphml.graphdrawing.org/xmlns}"
    root = ET.fromstring(written(sample("tf1.15.5/rnn_while").model(), "graphml"))
    keys = {key.get("id"): key.get("for") for key in root.findall(f"{space}key")}
    graph = root.find(f"{space}graph")
    assert graph is not None
    assert graph.get("edgedefault") == "directed"
    ids = [item.get("id") for item in graph if item.tag != f"{space}data"]
    assert len({*ids}) == len(ids)
    seen = Counter[str]()
    for item in graph:
        kind = item.tag.removeprefix(space)
        seen[kind] += 1
        children = [item] if kind == "data" else list(item)
        for child in children:
            assert child.tag == f"{space}data"
            assert keys[child.get("key")] == ("graph" if kind == "data" else kind)
        if kind == "edge":
            assert {item.get("source"), item.get("target")} <= {*ids}
    assert seen["node"] == 166
    assert {*seen} == {"data", "node", "edge"}


def test_gexf_keeps_to_its_schema() -> None:
    space = "{http://www.gexf.net/1.2draft}"
    root = ET.fromstring(written(sample("tf1.15.5/rnn_while").model(), "gexf"))
    assert (root.tag, root.get("version")) == (f"{space}gexf", "1.2")
    assert [child.tag for child in root] == [f"{space}meta", f"{space}graph"]
    graph = root[1]
    assert graph.attrib == {"defaultedgetype": "directed", "mode": "static"}
    assert [child.tag.removeprefix(space) for child in graph] == [
        "attributes", "attributes", "nodes", "edges",
    ]  # fmt: skip
    declared = [{item.get("id") for item in group} for group in graph[:2]]
    for group, known in zip(graph[2:], declared, strict=True):
        for item in group:
            assert {value.get("for") for value in item[0]} <= known


def numbered(count: int) -> Model:
    nodes = [Node("x", "Placeholder", (), "", {"dtype": FLOAT32})]
    for number in range(count):
        before = nodes[-1].name
        attrs = {"T": FLOAT32, "N": 2}
        nodes.append(Node(f"scope/n{number}", "AddN", (before, "x", "^x"), "", attrs))
    return made(nodes)


@pytest.mark.parametrize("form", [*WRITERS, "graph-def"])
def test_writing_takes_time_by_the_node(form: str) -> None:
    def writing(count: int) -> Callable[[], object]:
        model = numbered(count)
        return lambda: export(model, io.BytesIO(), format=form)

    assert_linear(writing, 1_000, 20_000)


def test_a_graph_def_says_what_its_source_says() -> None:
    for item in PROTOBUF:
        for meta in item.model().meta_graphs:
            file = io.BytesIO()
            export(item.model(), file, format="graph-def", tag_set=meta.tags)
            again = h.read_graph(file.getvalue()).graph
            assert [node.name for node in again] == [node.name for node in meta.graph]
            assert [node.inputs for node in again] == [node.inputs for node in meta.graph]
            assert [node.device for node in again] == [node.device for node in meta.graph]
            assert list(again.functions) == list(meta.graph.functions)
            assert again.versions == meta.graph.versions
            for one, other in zip(again, meta.graph, strict=True):
                assert sorted(one.attrs) == sorted(other.attrs)
                if one.op == "Const":
                    assert one.attrs["value"].read() == other.attrs["value"].read()


def test_a_graph_def_is_what_protobuf_reads() -> None:
    item = sample("tf1.15.5/conv_bn")
    file = io.BytesIO()
    export(item.model(), file, format="graph-def")
    kind = message_class("GraphDef")
    one, other = (kind.FromString(data) for data in (file.getvalue(), item.path.read_bytes()))
    assert list(one.node) == list(other.node)


def test_a_tensorboard_log_tells_names_apart_that_utf_8_cannot_hold(tmp_path: Path) -> None:
    names = ["\ud800", "\\ud800", "\\\\ud800", "a\\b", "a/\udcff", "a/\\udcff", "\ud83d\ude00"]
    nodes = [
        Node(name, "Relu", (names[0],), "", {name: name.encode("utf-8", "replace")})
        for name in names
    ]
    export(made(nodes), tmp_path / "log", format="tensorboard")
    [file] = (tmp_path / "log").iterdir()
    read = h.read_graph(graph_of(records(file.read_bytes())[1])).graph
    assert [unescaped(node.name) for node in read.nodes] == names
    assert {unescaped(text) for node in read.nodes for text in node.inputs} == {names[0]}
    assert [unescaped(key) for node in read.nodes for key in node.attrs] == names


def test_a_long_list_is_left_out_of_a_tensorboard_log_without_being_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes a hundred times as much to encode as to leave."""
    monkeypatch.setattr("migrator.report.export.tensorboard.encode_attr", pytest.fail)
    node = shown_node(Node("a", "Relu", (), "", {"many": [*range(2000)]}))
    assert node.attrs["many"] == b"(2,000 values left out)"
