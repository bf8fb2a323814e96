"""The tree of scopes: what is counted where, and that it stays linear and bounded."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.errors import NoSuchTensor
from migrator.formats.load import load
from migrator.inspection.node import describe_node
from migrator.inspection.parts import Parts
from migrator.inspection.suggestions import near_names
from migrator.inspection.tree import Scope, scope_tree
from migrator.model.graph import Graph, Node, Versions, index_nodes
from migrator.model.model import MetaGraph, Model, Source
from migrator.report.escape import shown_joined
from migrator.report.explorer.names import namespaces
from migrator.report.json_parts import tree_json
from migrator.report.text_parts import parts_text
from tests import flat, handmade, wire
from tests.corpus import sample

NAMES = st.lists(
    st.tuples(
        st.sampled_from("ab"), st.lists(st.sampled_from(["a", "b", "", "c0"]), max_size=4)
    ).map(lambda parts: "/".join([parts[0], *parts[1]])),
    max_size=12,
    unique=True,
)


def named(names: list[str]) -> Model:
    nodes = tuple(Node(name, "NoOp", (), "", {}) for name in names)
    by_name, again = index_nodes(nodes)
    graph = Graph(nodes=nodes, functions={}, versions=Versions(), by_name=by_name, duplicates=again)
    source = Source(path="made.pb", bytes=0, format="graph_def")
    return Model(source=source, meta_graphs=(MetaGraph(graph=graph),))


def scopes(root: Scope, above: str | None = None) -> Iterator[tuple[str, Scope]]:
    for child in root.children:
        path = child.name if above is None else f"{above}/{child.name}"
        yield path, child
        yield from scopes(child, path)


@given(names=NAMES, depth=st.integers(1, 5))
def test_a_scope_counts_its_own_and_all_below(names: list[str], depth: int) -> None:
    root = scope_tree(named(names), depth=depth)
    assert root.nodes == len(names)
    found = dict(scopes(root))
    # By the definition: what some name has before a slash, of so many parts at most.
    assert set(found) == {
        "/".join(parts[:count])
        for parts in (name.split("/") for name in names)
        for count in range(1, min(depth, len(parts) - 1) + 1)
    }
    for path, scope in found.items():
        inside = [name for name in names if name == path or name.startswith(f"{path}/")]
        assert scope.nodes == len(inside)


def test_weights_are_summed_by_scope_and_bodies_are_scopes() -> None:
    body = wire.function(
        "call/one",
        {"x": 1},
        {"y": 1},
        [
            handmade.const("in/table", [[1.0, 2.0]]),
            handmade.op("m", "Mul", "x", "in/table:output:0"),
        ],
        {"y": "m:z:0"},
    )
    found = handmade.model(
        handmade.const("a/w", [1.0, 2.0, 3.0]),
        handmade.const("a/b/w", [1.0]),
        handmade.op("a", "NoOp"),
        functions=[body],
    )
    root = scope_tree(found, depth=2)
    flat = {
        path: (scope.nodes, scope.weights, scope.parameters, scope.bytes)
        for path, scope in scopes(root)
    }
    assert (root.nodes, root.weights, root.parameters, root.bytes) == (5, 3, 6, 24)
    assert flat["a"] == (3, 2, 4, 16)
    assert flat["a/b"] == (1, 1, 1, 4)
    assert flat["call/one"] == (2, 1, 2, 8)
    assert flat["call/one/in"] == (1, 1, 2, 8)
    assert [scope.is_function for scope in root.children] == [False, True]


def test_a_checkpoint_is_a_tree_of_its_keys() -> None:
    path = sample("tf2.21.0/sm_functions").path / "variables" / "variables"
    root = scope_tree(load(path))
    assert root.parameters == 20
    assert not any(".ATTRIBUTES" in name and "VARIABLE" in name for name, _ in scopes(root))


def test_names_of_many_slashes_cost_their_length_once() -> None:
    start = time.process_time()
    root = scope_tree(named([f"{'/' * 100_000}{number}" for number in range(40)]), depth=64)
    assert time.process_time() - start < 3
    json.dumps(tree_json(root))
    assert parts_text(Parts(tree=root))


def test_output_is_bounded_and_says_what_it_leaves_out() -> None:
    root = scope_tree(
        named([f"s{number}/t{other}/x" for number in range(200) for other in range(30)])
    )
    (text,) = parts_text(Parts(tree=root))
    assert len(text.splitlines()) <= 410
    assert "(180 smaller ones)" in text
    assert "JSON lists more" in text
    many = scope_tree(named([f"s{number}/x" for number in range(1500)]))
    found = tree_json(many)
    assert (len(found["children"]), found["left_out"]) == (1000, 500)


def test_the_largest_stay_in_the_order_of_the_graph() -> None:
    nodes = [handmade.const(f"s{number}/w", [1.0] * (1 + number % 30)) for number in range(60)]
    (text,) = parts_text(Parts(tree=scope_tree(handmade.model(*nodes))))
    shown = [line.split()[0] for line in text.splitlines() if line.startswith("    s")]
    numbers = [int(name[1:]) for name in shown]
    assert len(numbers) == 20
    assert numbers == sorted(numbers)
    assert min(number % 30 for number in numbers) == 20


def joined() -> bytes:
    """A convolution whose name its converter joined of three, and what it is fed."""
    names = [
        "x",
        "net/conv/Relu;net/conv/BiasAdd;net/norm/add",
        "net/norm/sub;net/conv/Conv2D",
        "y",
    ]
    tensors = [flat.tensor(name, buffer=int(name.startswith("net/norm"))) for name in names]
    return flat.tflite(
        tensors=flat.tables(tensors),
        operators=flat.tables([flat.operator([0, 2], [1]), flat.operator([1, 1], [3])]),
        inputs=[0],
        outputs=[3],
        buffers=flat.tables([flat.table({}), flat.table({0: ("@", flat.aligned(bytes(8)))})]),
    )


def test_a_name_that_a_converter_joined_lies_where_its_first_part_does(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(joined())
    (net,) = scope_tree(load(path)).children
    assert (net.name, net.nodes, net.weights) == ("net", 2, 1)
    assert [(item.name, item.nodes, item.weights) for item in net.children] == [
        ("norm", 1, 1),
        ("conv", 1, 0),
    ]
    names = ["net/conv/Relu;net/conv/BiasAdd", "net/conv/MatMul", ";a/b", "a/b;"]
    assert namespaces(names) == ["net/conv", "net/conv", ":a", "a"]


def test_a_part_of_a_joined_name_finds_its_node_where_no_other_has_it(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(joined())
    model = load(path)
    assert describe_node(model, "net/conv/BiasAdd").op == "ADD"
    assert describe_node(model, "net/norm/sub").op == "Const"
    with pytest.raises(NoSuchTensor):
        describe_node(model, "net/conv")
    twice = ["a/Relu;b/Conv2D", "a/Relu;b/Conv2D1", f"{'c' * 300};b/Conv2D", "b/Conv3D"]
    assert near_names(twice, "b/Conv2D") == [ascii(name) for name in twice[:3]]


def test_a_long_joined_name_is_shown_by_its_ends() -> None:
    names = [f"{'scope/' * 6}{part}" for part in ("Relu", "BiasAdd", "add", "Conv2D1")]
    assert shown_joined(";".join(names)) == f"{names[0]};(2 more);{names[-1]}"
    assert shown_joined("Relu;BiasAdd;Conv2D") == "Relu;BiasAdd;Conv2D"
    assert shown_joined("x" * 90) == "x" * 90
