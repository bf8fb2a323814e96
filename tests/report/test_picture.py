"""The scene of a graph: complete, bounded, the same each time."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.drawing.grouping import WIDE
from migrator.drawing.layers import HIDDEN, load_igraph
from migrator.drawing.levels import FRESH, GONE, LOOP
from migrator.drawing.scene import pair_scene, picture_scene
from migrator.drawing.two import Pairing
from migrator.errors import MigratorError
from migrator.model.model import MetaGraph
from migrator.report.html_diff import diff_html
from migrator.report.html_picture import inspect_html
from tests.corpus import PROTOBUF, Sample, sample
from tests.growth import assert_linear
from tests.handmade import model, placeholder, unary
from tests.report import graphs
from tests.wire import B, F, node

pytest.importorskip("igraph")

Scene = dict[str, Any]
SHAPES = {
    "network": graphs.network(),
    "deep": graphs.network(60),
    "flat": graphs.flat(700),
    "star": graphs.star(500),
    "circle": graphs.circle(300),
    "calls": graphs.calling(),
    "hostile": graphs.hostile(),
}


def sound(scene: Scene, most: int = WIDE) -> None:
    """Each cell is drawn once or folded into one that is; layouts fit what they lay out."""
    scopes = scene["scopes"]
    count = len(scene["names"])
    items = [item for scope in scopes if scope for item in scope[5]]
    calls = [scope[3] for scope in scopes if scope and scope[3] >= 0]
    drawn = Counter([*(item for item in items if item >= 0), *calls])
    assert set(drawn.values()) <= {1}
    assert set(drawn) | set(scene["hosts"]) == set(range(count))
    assert set(drawn).isdisjoint(scene["hosts"])
    assert set(scene["hosts"].values()) <= set(drawn)
    inside = Counter(-1 - item for item in items if item < 0)
    assert set(inside) == {number for number, scope in enumerate(scopes) if scope and number}
    assert set(inside.values()) <= {1}
    for number, scope in enumerate(scopes):
        if scope is None:
            continue
        assert all(scopes[-1 - item][1] == number for item in scope[5] if item < 0)
        assert len(scope[5]) <= most
        fits(scene["layouts"][scope[4]], scope, scopes, scene["layouts"])


def fits(layout: list[Any], scope: list[Any], scopes: list[Any], layouts: list[Any]) -> None:
    count, entries, exits, parts, flat, _ = layout
    edges = [flat[at : at + 6] for at in range(0, len(flat), 6)]
    assert count == len(scope[5])
    row_of = {
        end: (part, row)
        for part, rows in enumerate(parts)
        for row, ends in enumerate(rows)
        for end in ends
    }
    assert sum(len(row) for rows in parts for row in rows) == len(row_of)
    bends = {bend for edge in edges for bend in range(edge[4], edge[4] + edge[5])}
    assert set(row_of) == set(range(count + entries + exits)) | bends
    ports: dict[int, list[int]] = {}
    for a, b, weight, flags, bend, number in edges:
        assert weight > 0
        upper, lower = (b, a) if flags & LOOP else (a, b)
        assert row_of[upper][0] == row_of[lower][0]
        steps = [upper, *range(bend, bend + number), lower]
        if not flags & HIDDEN:
            rows = [row_of[end][1] for end in steps]
            assert rows == list(range(rows[0], rows[0] + len(rows)))
        for end, way in ((a, 1), (b, 0)):
            if end < count and scope[5][end] < 0:
                ports.setdefault(-1 - scope[5][end], [0, 0])[way] += 1
    for item in scope[5]:
        if item < 0:
            inner = layouts[scopes[-1 - item][4]]
            assert inner[1:3] == ports.get(-1 - item, [0, 0])


@pytest.mark.parametrize("name", SHAPES)
def test_every_node_is_drawn_once_or_folded_into_one_that_is(name: str) -> None:
    sound(picture_scene(SHAPES[name]))


@pytest.mark.parametrize("item", PROTOBUF, ids=str)
def test_scenes_of_fixtures_are_sound(item: Sample) -> None:
    for meta in item.model().meta_graphs:
        sound(picture_scene(meta))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(("a", "a/b", "a/b/c", "d", "d/e", "f")),
            st.sampled_from(("Add", "Identity", "Relu", "Merge", "NextIteration")),
            st.lists(st.integers(0, 30), max_size=3),
        ),
        max_size=30,
    )
)
def test_any_wiring_gives_a_sound_scene(rows: list[tuple[str, str, list[int]]]) -> None:
    from tests.wire import node

    names = [f"{scope}/n{number}" for number, (scope, _, _) in enumerate(rows)]
    nodes = [
        node(name, op, [names[i % len(rows)] for i in inputs])
        for name, (_, op, inputs) in zip(names, rows, strict=True)
    ]
    sound(picture_scene(model(*nodes).meta_graphs[0]))


def test_scene_is_the_same_each_time() -> None:
    first, second = (json.dumps(picture_scene(graphs.flat(400))) for _ in range(2))
    assert first == second


def test_same_blocks_share_one_layout() -> None:
    scene = picture_scene(graphs.network(60))
    assert len(scene["layouts"]) < 12


def test_time_and_size_grow_with_the_graph_and_not_its_square() -> None:
    def drawing(count: int) -> Callable[[], object]:
        meta = graphs.flat(count)
        return lambda: picture_scene(meta)

    small, large = (len(json.dumps(picture_scene(graphs.flat(n)))) / n for n in (1_500, 12_000))
    assert large < small * 1.5
    assert_linear(drawing, 400, 8_000)


def test_constants_and_their_readings_are_marks_on_what_uses_them() -> None:
    scene = picture_scene(sample("tf1.15.5/mlp").model().meta_graphs[0])
    names, hosts = scene["names"], scene["hosts"]
    ops = [scene["ops"][op] for op in scene["op"]]
    for number, op in enumerate(ops):
        if op == "Const":
            assert ops[hosts[number]] not in ("Const", "Identity"), names[number]
    assert any("\N{MULTIPLICATION SIGN}" in said for said in scene["badges"].values())


def test_loop_of_tensorflow_1_shows_its_way_back() -> None:
    scene = picture_scene(sample("tf1.15.5/while_plain").model().meta_graphs[0])
    flags = [flag for layout in scene["layouts"] for flag in layout[4][3::6]]
    ops = {scene["ops"][scene["op"][item]] for s in scene["scopes"] if s for item in s[5]}
    assert any(flag & LOOP for flag in flags)
    assert {"Enter", "Merge", "Switch", "Exit", "NextIteration", "LoopCond"} <= ops


def test_body_is_drawn_in_its_first_call_and_the_uncalled_apart() -> None:
    scene = picture_scene(graphs.calling())
    kinds = {scope[0]: scope[2] for scope in scene["scopes"] if scope}
    assert kinds["call"] == kinds["deep"] == "call"
    assert kinds["functions"] == "library"
    by_name = dict(zip(scene["names"], range(99), strict=False))
    call = next(s for s in scene["scopes"] if s and s[3] == by_name["call"])
    assert by_name["outer/relu"] in call[5]
    again = scene["calls"][by_name["inner/again"]]
    assert again[0][:2] == ["f", "outer"] and scene["scopes"][again[0][2]] is call


def test_what_one_node_gives_to_all_is_not_drawn_as_lines() -> None:
    """A switch that every layer reads, beside what the layers read from each other."""
    from tests.wire import node

    nodes = [placeholder("x"), placeholder("training")]
    for number in range(30):
        nodes.append(node(f"n{number}", "Add", (f"n{number - 1}" if number else "x", "training")))
    scene = picture_scene(model(*nodes).meta_graphs[0])
    layout = scene["layouts"][scene["scopes"][0][4]]
    training = scene["scopes"][0][5].index(1)
    assert training not in layout[4][0::6]
    assert layout[5].count(training) == 30


def test_inputs_and_outputs_are_marked_with_what_they_hold_and_stay_out_of_groups() -> None:
    scene = picture_scene(graphs.flat(400))
    names = scene["names"]
    assert {names[cell]: side for cell, side in scene["ends"].items()} == {
        "n0": "in", "n399": "out",
    }  # fmt: skip
    top = scene["scopes"][0][5]
    assert {names[item] for item in top if item >= 0} >= {"n0", "n399"}
    assert any(item < 0 for item in top)
    found = picture_scene(sample("tf1.15.5/conv_bn").model().meta_graphs[0])
    shapes = {found["names"][cell]: text for cell, text in found["shapes"].items()}
    times = "\N{MULTIPLICATION SIGN}"
    assert shapes["image"] == "float32 " + times.join("?,12,12,3".split(","))


def test_shapes_that_the_graph_does_not_declare_are_worked_out() -> None:
    found = picture_scene(sample("tf1.15.5/conv_bn").model().meta_graphs[0])
    ops = dict(zip(found["names"], found["op"], strict=True))
    shapes = {found["names"][cell]: text for cell, text in found["shapes"].items()}
    told = {name for name, op in ops.items() if found["ops"][op] != "Const"}
    assert told == shapes.keys()
    times = "\N{MULTIPLICATION SIGN}"
    assert {shapes[name] for name, op in ops.items() if found["ops"][op] == "Conv2D"} == {
        times.join("?,12,12,8".split(",")),
        times.join("?,3,3,8".split(",")),
    }


def test_switch_that_all_layers_read_does_not_hide_the_chain() -> None:
    nodes = [placeholder("x"), placeholder("phase", B, ())]
    before = "x"
    for number in range(120):
        nodes += [
            node(f"on{number}", "LogicalNot", ("phase",), {}),
            node(f"n{number}", "Add", (before, f"on{number}"), {"T": F}),
        ]
        before = f"n{number}"
    scene = picture_scene(model(*nodes).meta_graphs[0])
    top = scene["scopes"][0]
    items, *_, edges, hints = scene["layouts"][top[4]]
    phase = top[5].index(scene["names"].index("phase"))
    ends = [edges[at : at + 2] for at in range(0, len(edges), 6)]
    assert phase in hints[::2] and all(phase not in pair for pair in ends)
    assert len(ends) == items - 2  # one way from x on, through all groups


def test_inputs_of_a_node_that_is_not_called_rewired_are_not_marked() -> None:
    left = model(placeholder("x"), unary("a", "Relu", "x"), unary("b", "Tanh", "a"))
    right = model(
        placeholder("x"), unary("i", "Neg", "x"), unary("a", "Relu", "i"), unary("b", "Tanh", "a")
    )
    pairs = [("x", "x"), ("a", "a"), ("b", "b")]
    flags = []
    for kinds in ([("added", "", "i")], [("added", "", "i"), ("rewired", "a", "a")]):
        pairing = Pairing(pairs=pairs, kinds=kinds)
        scene = pair_scene(left.meta_graphs[0], right.meta_graphs[0], pairing)
        flags.append(sorted(scene["layouts"][0][4][3::6]))
    assert flags == [[0, FRESH, FRESH], [0, FRESH, FRESH, GONE]]


def two() -> tuple[MetaGraph, MetaGraph, Pairing]:
    left = model(
        placeholder("x"), unary("s/a", "Relu", "x"), unary("s/b", "Relu", "s/a"),
        unary("s/c", "Tanh", "s/b"), unary("s/out", "Softmax", "s/c"),
    )  # fmt: skip
    right = model(
        placeholder("x"), unary("t/a", "Relu", "x"), unary("t/b", "Elu", "t/a"),
        unary("t/new", "Neg", "t/b"), unary("t/out", "Softmax", "t/new"),
    )  # fmt: skip
    pairing = Pairing(
        pairs=[("x", "x"), ("s/a", "t/a"), ("s/b", "t/b"), ("s/out", "t/out")],
        kinds=[
            ("renamed", "s/a", "t/a"),
            ("changed", "s/b", "t/b"),
            ("removed", "s/c", ""),
            ("added", "", "t/new"),
            ("rewired", "s/out", "t/out"),
        ],
    )
    return left.meta_graphs[0], right.meta_graphs[0], pairing


def test_two_models_are_one_picture_with_what_was_and_what_is() -> None:
    scene = pair_scene(*two())
    sound(scene)
    at = {name: number for number, name in enumerate(scene["names"])}
    assert {scene["names"][cell]: kind for cell, kind in scene["kinds"].items()} == {
        "t/a": "renamed", "t/b": "changed", "s/c": "removed", "t/new": "added", "t/out": "rewired",
    }  # fmt: skip
    name, op, texts, inputs = scene["befores"][at["t/b"]]
    assert (name, scene["ops"][op], texts) == ("s/b", "Relu", None)
    assert inputs == ["s/a"]
    assert at["x"] not in scene["befores"]
    scope = next(s for s in scene["scopes"] if s and s[0] == "t")
    assert {at["s/c"], at["t/new"], at["t/out"]} <= set(scope[5]), "what went is beside what stayed"
    flat = scene["layouts"][scope[4]][4]
    states = {
        (scope[5][flat[i]], scope[5][flat[i + 1]]): flat[i + 3] & (FRESH | GONE)
        for i in range(0, len(flat), 6)
        if flat[i] < len(scope[5]) and flat[i + 1] < len(scope[5])
    }
    assert states[at["t/b"], at["s/c"]] == states[at["s/c"], at["t/out"]] == GONE
    assert states[at["t/b"], at["t/new"]] == states[at["t/new"], at["t/out"]] == FRESH
    assert states[at["t/a"], at["t/b"]] == 0


def test_a_model_beside_itself_shows_no_change() -> None:
    meta = graphs.network()
    pairs = [(node.name, node.name) for node in meta.graph.nodes]
    scene = pair_scene(meta, meta, Pairing(pairs=pairs, kinds=[]))
    assert scene["kinds"] == {} and scene["befores"] == {}
    alone = picture_scene(meta)
    assert {key: scene[key] for key in alone} == alone


def test_statuses_colour_nodes_by_name() -> None:
    scene = picture_scene(graphs.network(), statuses={"out": "changed", "nowhere": "added"})
    assert scene["kinds"] == {scene["names"].index("out"): "changed"}


def test_without_igraph_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "igraph", None)
    with pytest.raises(MigratorError, match=r"migrator\[picture\]"):
        load_igraph()


def test_pages_hold_hostile_names_as_data_only() -> None:
    scene = picture_scene(graphs.hostile())
    bad = {"nodes": [{"kind": graphs.HOSTILE[0], "left": graphs.HOSTILE[1]}], "headline": "<b>"}
    for text in (inspect_html(bad, [("<i>", scene)]), diff_html(bad, scene), diff_html(bad)):
        assert "<script>window.pwned" not in text
        assert "<img src=x" not in text and "<b>" not in text and "<i>" not in text
        assert text.count("<script") == 3
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
