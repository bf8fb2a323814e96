"""Names that were kept decide where much is alike; names that went to other nodes do not."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from migrator.diffing.compare import compare
from migrator.diffing.options import DiffOptions
from migrator.diffing.result import ADDED, RENAMED
from migrator.model.dtypes import DType
from migrator.model.graph import Graph, Node, Versions, index_nodes
from migrator.model.model import Model
from tests import wire
from tests.diff.judging import bare, judge_report, matched
from tests.diff.scramble import scramble
from tests.handmade import const, model, op, placeholder, unary

_UNARY = ("Relu", "Tanh", "Abs")


def _graph(nodes: list[Node]) -> Graph:
    by_name, duplicates = index_nodes(nodes)
    return Graph(
        nodes=tuple(nodes),
        functions={},
        versions=Versions(),
        by_name=by_name,
        duplicates=duplicates,
    )


def _op(name: str, op: str, *inputs: str) -> Node:
    return Node(name, op, inputs, "", {"T" if inputs else "dtype": DType(1)})


def _tower(names: list[str]) -> Graph:
    """Layers one on the other that differ in nothing but their names."""
    nodes = [_op("x", "Placeholder")]
    last = "x"
    for name in names:
        nodes += [
            _op(f"{name}/relu", "Relu", last),
            _op(f"{name}/tanh", "Tanh", f"{name}/relu"),
            _op(f"{name}/add", "AddV2", f"{name}/tanh", last),
        ]
        last = f"{name}/add"
    return _graph([*nodes, _op("out", "Softmax", last)])


def _layers(count: int) -> list[str]:
    return [f"block_{at // 10}/layer_{at}" for at in range(count)]


@pytest.mark.parametrize("seed", range(6))
def test_layers_that_came_and_went_are_told_by_their_names(seed: int) -> None:
    rng = random.Random(seed)
    gone, new = rng.sample(range(80), 4), rng.choices(range(80), k=4 * (seed % 2))
    names = _layers(80)
    kept = [name for at, name in enumerate(names) if at not in gone]
    for at, place in enumerate(sorted(new)):
        kept.insert(min(place, len(kept)), f"block_new/layer_{at}")
    left, right = _tower(names), _tower(kept)
    shuffled = list(right.nodes)
    rng.shuffle(shuffled)
    found = matched(left, _graph(shuffled))
    pairs = {pair.left: pair.right for pair in found.pairs}
    assert all(pairs[name] == name for name in left.by_name if name in right.by_name)
    # A layer that came where one went has the other's place.
    assert all(
        pair.right.startswith("block_new") for pair in found.pairs if pair.left != pair.right
    )
    assert not found.scopes or (gone and new)


@pytest.mark.parametrize("seed", range(4))
def test_edits_of_a_long_chain_are_told_and_nothing_else(seed: int) -> None:
    rng = random.Random(seed)
    nodes = [_op("x", "Placeholder")]
    for at in range(1500):
        name = f"part_{at // 50}/step_{at}"
        nodes.append(_op(name, _UNARY[at % 3], nodes[-1].name))
    left = _graph(nodes)
    right, truth = scramble(left, rng.randrange(1 << 30), edits=0.02, rename=lambda _, name: name)
    told = judge_report(left, right, truth)
    assert not told.wrong and not told.missed and told.told == told.true
    found = compare(bare(left), bare(right))
    assert not found.scopes
    assert not [item for item in found.nodes if item.kind == RENAMED]


def test_numbered_names_that_all_moved_on_by_one_lose_against_the_weights() -> None:
    """As when a layer is put in before the others, and the framework counts on."""
    left, right = _dense(range(12)), _dense([100, *range(12)])
    found = {pair.left: pair.right for pair in matched(left, right).pairs}
    for at in range(1, 12):
        for part in ("w", "mul", "relu", "tanh", "abs", "neg"):
            assert found[f"{part}_{at}"] == f"{part}_{at + 1}"


def _dense(seeds: object) -> Graph:
    from tests.audit.notation import read_model

    lines = ["x = Placeholder | dtype=:float"]
    last = "x"
    assert isinstance(seeds, (list, range))
    for at, seed in enumerate(seeds):
        lines += [
            f"w_{at} = Const [[{seed + 2}.5, 2.0], [3.0, 4.0]]",
            f"mul_{at} = MatMul {last} w_{at} | T=:float",
            f"relu_{at} = Relu mul_{at} | T=:float",
            f"tanh_{at} = Tanh relu_{at} | T=:float",
            f"abs_{at} = Abs tanh_{at} | T=:float",
            f"neg_{at} = Neg abs_{at} | T=:float",
        ]
        last = f"neg_{at}"
    return read_model("\n".join(lines)).graph


def test_two_nodes_that_exchanged_their_names_are_told_by_their_places() -> None:
    left = _tower(_layers(20))
    swap = {"block_0/layer_5/relu": "block_0/layer_5/tanh"}
    swap |= {other: name for name, other in swap.items()}
    right = _graph(
        [
            replace(
                node,
                name=swap.get(node.name, node.name),
                inputs=tuple(swap.get(text, text) for text in node.inputs),
            )
            for node in left
        ]
    )
    found = {pair.left: pair.right for pair in matched(left, right).pairs}
    assert {a: b for a, b in found.items() if a != b} == swap


def test_a_node_of_another_op_under_its_old_name_is_a_changed_one() -> None:
    left = _tower(_layers(5))
    right = _graph(
        [replace(node, op="Elu") if node.name == "block_0/layer_2/relu" else node for node in left]
    )
    found = compare(bare(left), bare(right), options=DiffOptions())
    assert [(item.kind, item.left, item.right) for item in found.nodes] == [
        ("changed", "block_0/layer_2/relu", "block_0/layer_2/relu")
    ]


def _dense_network(layers: list[str]) -> Model:
    """Dense layers, each with weights of its own, told by the layer's name."""
    nodes = [placeholder("x")]
    last = "x"
    for name in layers:
        kernel = np.random.default_rng(len(name) + sum(name.encode())).normal(size=(4, 4))
        nodes += [
            const(f"{name}/kernel", kernel),
            op(f"{name}/matmul", "MatMul", last, f"{name}/kernel", T=wire.F),
            op(f"{name}/tanh", "Tanh", f"{name}/matmul", T=wire.F),
        ]
        last = f"{name}/tanh"
    return model(*nodes, unary("out", "Softmax", last))


@pytest.mark.parametrize("place", (1, 3, 5))
def test_layer_that_was_put_in_between_takes_no_name_from_its_neighbours(place: int) -> None:
    before = [f"dense{at}" for at in range(6)]
    after = [*before[:place], "put_in", *before[place:]]
    found = compare(_dense_network(before), _dense_network(after))
    added = {item.right for item in found.nodes if item.kind == ADDED}
    assert added == {f"put_in/{name}" for name in ("kernel", "matmul", "tanh")}
    rewired = [(item.left, item.right) for item in found.nodes if item.kind != ADDED]
    assert rewired == [(f"dense{place}/matmul",) * 2]
