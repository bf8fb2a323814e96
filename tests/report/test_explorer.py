"""Graphs, mapping and overlays as Model Explorer takes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import migrator
from migrator.actions.explore import explore
from migrator.auditing.finding import Finding, Location, Severity
from migrator.errors import DestinationError, UnsupportedFormat
from migrator.model.model import Model
from migrator.report.explorer.files import Explored, explore_model, text
from migrator.report.explorer.graphs import collect, collection_text
from migrator.report.explorer.names import Ids, layer_id, namespaces
from tests import handmade as h
from tests import wire
from tests.corpus import FROZEN, SAVED, Sample, sample

Json = dict[str, Any]
HOSTILE = st.text(
    st.one_of(st.sampled_from("a/;\\_\x00\n\u202e"), st.characters(codec="utf-8")), max_size=30
)
WORDS = ("", "__proto__", "constructor", "a//b", "/a", "a/", "x" * 100_000, "/" * 100_000, "a\x1b")


def shown(model: Model) -> list[Json]:
    return collect(model.meta_graphs, "model").graphs


def nodes_of(graphs: list[Json]) -> Iterator[Json]:
    for graph in graphs:
        yield from graph["nodes"]


def by_name(model: Model) -> dict[str, Json]:
    """Nodes of all graphs by the name that their attributes tell."""
    return {attrs(node)["name"]: node for node in nodes_of(shown(model))}


def attrs(node: Json) -> dict[str, str]:
    return {item["key"]: item["value"] for item in node["attrs"]}


def edges(node: Json) -> list[tuple[str, str, str]]:
    keys = ("sourceNodeId", "sourceNodeOutputId", "targetNodeInputId")
    return [tuple(edge[key] for key in keys) for edge in node["incomingEdges"]]


def check(graphs: list[Json]) -> None:
    """What the page takes for granted."""
    ids = [graph["id"] for graph in graphs]
    assert len({*ids}) == len(ids)
    everywhere = [node["id"] for node in nodes_of(graphs)]
    assert len({*everywhere}) == len(everywhere)
    for graph in graphs:
        here = {node["id"] for node in graph["nodes"]}
        for node in graph["nodes"]:
            outputs = {item["id"] for item in node["outputsMetadata"]}
            assert node["id"] and node["label"] and len(node["id"]) < 350
            assert all(edge["sourceNodeId"] in here for edge in node["incomingEdges"])
            assert not {";", "\\"} & {*node["namespace"]}
            assert not node["namespace"] or all(node["namespace"].split("/"))
            assert {*node.get("subgraphIds", ())} <= {*ids}
            assert outputs
    for node in nodes_of(graphs):
        told = [node["id"], node["label"], node["namespace"]]
        told += [word for item in node["attrs"] for word in item.values()]
        assert all(word.isprintable() for word in told)


@pytest.mark.parametrize("item", FROZEN + SAVED, ids=str)
def test_every_node_of_the_fixtures_has_its_place(item: Sample) -> None:
    model = item.model()
    graphs = shown(model)
    check(graphs)
    wanted = sum(
        len(meta.graph.by_name)
        + sum(
            len({node.name for node in body.nodes} | {spec.tensor for spec in body.inputs})
            + len(body.outputs)
            for body in meta.graph.functions.values()
        )
        for meta in model.meta_graphs
    )
    assert sum(len(graph["nodes"]) for graph in graphs) == wanted


def test_scopes_are_layers_and_a_node_called_like_one_goes_inside() -> None:
    found = by_name(
        h.model(h.placeholder("x"), h.unary("a", "Relu", "x"), h.unary("a/b/c", "Relu", "a"))
    )
    assert {name: node["namespace"] for name, node in found.items()} == {
        "x": "",
        "a": "a",
        "a/b/c": "a/b",
    }


def test_edges_tell_output_and_slot_and_what_is_only_waited_for() -> None:
    found = by_name(
        h.model(
            h.placeholder("x"),
            h.const("axis", 0, "int32"),
            h.op("s", "Split", "axis", "x", T=wire.F, num_split=2),
            h.op("y", "Sub", "s:1", "s", "^x", T=wire.F),
        )
    )
    assert edges(found["y"]) == [("s", "1", "0"), ("s", "0", "1"), ("x", "control", "2")]
    assert [item["id"] for item in found["s"]["outputsMetadata"]] == ["0", "1"]


def test_shapes_and_small_values_are_told() -> None:
    found = by_name(h.model(h.placeholder("x", dims=(-1, 4)), h.const("k", [2, 3], "int32")))
    assert found["x"]["outputsMetadata"][0]["attrs"] == [
        {"key": "tensor_shape", "value": "float32[?,4]"}
    ]
    assert attrs(found["k"])["value"] == "int32 [2] [2, 3]"


def test_weights_are_on_display_and_settings_are_hidden() -> None:
    model = h.model(h.const("w", [[1.0, 2.0]]), h.const("axis", 1, "int32"))
    graphs = shown(model)
    hidden = graphs[0]["nodeLabelsToHide"]
    labels = {node["id"]: node["label"] for node in graphs[0]["nodes"]}
    assert labels["w"] == "Const 1x2" and labels["w"] not in hidden
    assert labels["axis"] in hidden


def test_body_is_a_graph_that_its_call_links_to() -> None:
    body = wire.function(
        "f",
        {"a": wire.FLOAT},
        {"r": wire.FLOAT},
        [h.unary("y", "Relu", "a")],
        {"r": "y:activations:0"},
    )
    call = h.op("call", "PartitionedCall", "x", f=wire.Call("f"), Tin=[wire.F], Tout=[wire.F])
    graphs = shown(h.model(h.placeholder("x"), call, functions=[body]))
    check(graphs)
    assert [graph["id"] for graph in graphs] == ["graph", "f"]
    assert by_name(h.model(h.placeholder("x"), call, functions=[body]))["call"]["subgraphIds"] == [
        "f"
    ]
    ops = [node["label"] for node in graphs[1]["nodes"]]
    assert ops == ["_Arg a", "Relu", "_Retval r"]
    assert edges(graphs[1]["nodes"][2]) == [(graphs[1]["nodes"][1]["id"], "0", "0")]


def test_several_meta_graphs_are_several_graphs() -> None:
    item = sample("tf1.15.5/sm_tags")
    graphs = shown(item.model())
    check(graphs)
    assert {",".join(meta.tags) for meta in item.model().meta_graphs} <= {
        graph["id"] for graph in graphs
    }


@given(st.lists(st.one_of(HOSTILE, st.sampled_from(WORDS)), max_size=12))
def test_any_names_make_sound_graphs(names: list[str]) -> None:
    names = [name for name in names if name]  # the reader refuses others
    nodes = [h.op(name, "NoOp", *names[:2]) for name in names]
    check(shown(h.model(*nodes)))


@given(st.lists(HOSTILE, max_size=30))
def test_ids_differ_whatever_is_wished(wishes: list[str]) -> None:
    ids = Ids()
    found = [ids.take(wish) for wish in wishes]
    assert len({*found}) == len(found)
    assert not any(layer_id("") in item for item in found)


def test_many_equal_wishes_take_little_time() -> None:
    ids = Ids()
    assert len({ids.take("a") for _ in range(50_000)}) == 50_000


def test_deep_and_long_names_stay_small() -> None:
    deep = "/".join("abc" * 50 for _ in range(5_000))
    model = h.model(h.op(deep, "NoOp"), h.op("n" * 100_000, "NoOp"))
    assert len(json.dumps(shown(model))) < 10_000
    assert max(item.count("/") for item in namespaces([deep])) < 20


def finding(node: str, severity: Severity, function: str = "") -> Finding:
    return Finding(
        code="X001",
        name="x",
        family="health",
        severity=severity,
        confidence="high",
        message=f"something of {node}",
        location=Location(source="model.pb", node=node, function=function),
    )


def test_worst_finding_colours_a_node_and_all_are_told() -> None:
    model = h.model(h.placeholder("x"), h.unary("y", "Relu", "x"))
    found = explore_model(
        model,
        findings=[
            finding("y", Severity.LOW),
            finding("y", Severity.HIGH),
            finding("gone", Severity.HIGH),
            finding("", Severity.HIGH),
        ],
    )
    overlay = found.files["model.findings.json"]["graph"]
    assert {node: item["value"] for node, item in overlay["results"].items()} == {"y": "high"}
    node = found.files["model.json"]["graphs"][0]["nodes"][1]
    told = [item["value"] for item in node["attrs"] if item["key"] == "audit: X001"]
    assert told == ["low: something of y", "high: something of y"]


LEFT = [
    h.placeholder("x"),
    *h.dense("tower/first", "x"),
    h.unary("tower/act", "Relu", "tower/first"),
]
RIGHT = [h.placeholder("x"), *h.dense("body/first", "x"), h.unary("body/act", "Elu", "body/first")]


def pair(*, same_ids: bool = False, **more: Any) -> Explored:
    left = h.model(*LEFT, h.const("w", [1.0, 2.0]), h.unary("out", "Neg", "tower/act"))
    right = h.model(
        *RIGHT, h.const("w", [1.0, 2.5]), h.unary("out", "Neg", "body/act"), h.op("new", "NoOp")
    )
    return explore(left, right, same_ids=same_ids, **more)


def ids_of(found: Explored, side: str) -> set[str]:
    return {node["id"] for node in nodes_of(found.files[f"{side}.json"]["graphs"])}


def test_mapping_follows_renames_of_nodes_and_of_layers() -> None:
    found = pair()
    entries = {
        entry["leftNodeIds"][0]: entry["rightNodeIds"][0]
        for entry in found.files["sync.json"]["mappingEntries"]
    }
    assert entries["tower/act"] == "body/act" and entries["x"] == "x"
    assert entries[layer_id("tower")] == layer_id("body")
    assert "new" not in entries.values()
    assert not found.identical


def test_overlays_tell_kinds_and_differences_of_weights() -> None:
    found = pair()
    (left,), (right,) = (found.files[f"{side}.changes.json"].values() for side in ("left", "right"))
    assert left["results"]["tower/act"]["value"] == "changed"
    assert right["results"]["new"]["value"] == "added"
    (weights,) = found.files["right.weights.json"].values()
    assert {node: item["value"] for node, item in weights["results"].items()} == {"w": 0.5}
    assert [stop["stop"] for stop in weights["gradient"]] == [0, 0.5, 1]
    node = next(
        node for node in nodes_of(found.files["left.json"]["graphs"]) if node["id"] == "tower/act"
    )
    assert attrs(node)["diff: op"] == "Relu -> Elu"


def test_same_ids_are_those_of_counterparts_alone() -> None:
    found = pair(same_ids=True)
    right = {
        attrs(node)["name"]: node["id"] for node in nodes_of(found.files["right.json"]["graphs"])
    }
    assert right["body/act"] == "tower/act" and right["x"] == "x"
    assert right["new"] not in ids_of(found, "left")
    assert "sync.json" not in found.files
    (changes,) = found.files["right.changes.json"].values()
    assert changes["results"]["tower/act"]["value"] == "changed"


def test_a_node_of_the_same_name_that_is_another_gets_another_id() -> None:
    left = h.model(h.placeholder("x"), h.unary("a", "Relu", "x"), h.unary("b", "Neg", "a"))
    right = h.model(h.placeholder("x"), h.unary("b", "Relu", "x"), h.unary("c", "Neg", "b"))
    found = explore(left, right, same_ids=True)
    right_ids = {
        attrs(node)["name"]: node["id"] for node in nodes_of(found.files["right.json"]["graphs"])
    }
    assert right_ids == {"x": "x", "b": "a", "c": "b"}


PAIRS = (
    ("tf1.15.5/mlp", "tf1.15.5/mlp"),
    ("tf1.15.5/mlp", "tf1.15.5/conv_bn"),
    ("tf1.15.5/conv_bn", "tf1.15.5/mlp"),
)


@pytest.mark.parametrize("same_ids", (False, True))
@pytest.mark.parametrize("names", PAIRS)
def test_all_that_is_told_is_told_of_nodes_that_are_there(
    names: tuple[str, str], same_ids: bool
) -> None:
    left, right = (sample(name).path for name in names)
    found = explore(left, right, same_ids=same_ids)
    known = {side: ids_of(found, side) for side in ("left", "right")}
    for side in known:
        check(found.files[f"{side}.json"]["graphs"])
    for name, content in found.files.items():
        side = name.split(".")[0]
        if name == "sync.json":
            for entry in content["mappingEntries"]:
                for key, nodes in (
                    ("leftNodeIds", known["left"]),
                    ("rightNodeIds", known["right"]),
                ):
                    assert all(item in nodes or item.endswith(layer_id("")) for item in entry[key])
        elif name != f"{side}.json":
            graphs = {graph["id"] for graph in found.files[f"{side}.json"]["graphs"]}
            assert {*content} <= graphs
            assert all({*item["results"]} <= known[side] for item in content.values())
    assert found.identical == (left == right)
    for pane, side in zip(found.panes, known, strict=True):
        assert pane.graph in {graph["id"] for graph in found.files[f"{side}.json"]["graphs"]}


def test_a_diff_that_was_made_before_is_used() -> None:
    left, right = (sample(name).model() for name in PAIRS[1])
    again = explore(left, right, diff=migrator.diff(left, right))
    assert again.files == explore(left, right).files


def test_a_checkpoint_has_no_graph_to_show() -> None:
    checkpoint = Model(source=sample("tf1.15.5/mlp").model().source, meta_graphs=(), variables={})
    with pytest.raises(UnsupportedFormat):
        explore(checkpoint)


def test_folder_appears_whole_and_replaces_only_its_like(tmp_path: Path) -> None:
    target = tmp_path / "made" / "folder"
    found = pair(dest=target)
    assert {item.name for item in target.iterdir()} == {*found.files}
    assert json.loads((target / "sync.json").read_text()) == found.files["sync.json"]
    with pytest.raises(DestinationError, match="exists"):
        pair(dest=target)
    pair(dest=target, overwrite=True)
    (target / "notes.txt").write_text("mine")
    with pytest.raises(DestinationError, match="something else"):
        pair(dest=target, overwrite=True)
    assert (target / "notes.txt").read_text() == "mine"
    assert [item.name for item in target.parent.iterdir()] == ["folder"]


@pytest.mark.parametrize("name", ["tf1.15.5/sm_tags", "tf2.21.0/sm_functions", "tf1.15.5/mlp"])
def test_a_text_in_parts_is_that_of_the_whole(name: str) -> None:
    metas = migrator.load(sample(name).path).meta_graphs
    parts = list(collection_text(metas, 'of "<all>"\n'))
    assert "".join(parts) == text(collect(metas, 'of "<all>"\n').json)
    assert len(parts) > sum(len(meta.graph.nodes) for meta in metas)
