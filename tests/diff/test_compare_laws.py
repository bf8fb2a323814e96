"""Laws of a comparison: nothing differs from itself, and looking from the other side mirrors."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import migrator
from migrator.diffing.result import ADDED, REMOVED, Change, Diff, NodeChange
from migrator.model.model import Model
from tests import handmade as h
from tests import wire
from tests.corpus import PROTOBUF, Sample, sample
from tests.diff.models import network

_TURNED = {ADDED: REMOVED, REMOVED: ADDED, "added": "removed", "removed": "added"}


def _plain(value: Any) -> Any:
    return tuple(map(_plain, value)) if isinstance(value, (list, tuple)) else value


def told(found: Diff, *, mirrored: bool = False) -> dict[str, Any]:
    """All that is told, in no order; seen from the other side where ``mirrored``."""

    def kind(text: str) -> str:
        return _TURNED.get(text, text) if mirrored else text

    def sides(item: Any) -> tuple[Any, Any]:
        pair = _plain(item.left), _plain(item.right)
        return (pair[1], pair[0]) if mirrored else pair

    def changes(items: tuple[Change, ...]) -> frozenset[Any]:
        return frozenset((item.field, *sides(item)) for item in items)

    def node(item: NodeChange) -> Any:
        return kind(item.kind), *sides(item), changes(item.changes)

    return {
        "identical": found.identical,
        "same": found.same_computation,
        "nodes": {node(item) for item in found.nodes},
        "scopes": {sides(item) for item in found.scopes},
        "weights": {
            (kind(item.kind), *sides(item), item.elements, item.max_abs, item.mean_abs, item.share)
            for item in found.weights
        },
        "functions": {(kind(item.kind), *sides(item)) for item in found.functions},
        "others": changes(found.others),
        "matches": {sides(item) for item in found.matches},
    }


@st.composite
def graphs(draw: st.DrawFn) -> Model:
    """A graph of a few layers, with names, attributes and wiring of its own."""
    rng = random.Random(draw(st.integers(0, 1 << 16)))
    prefix = draw(st.sampled_from(("", "a/", "net/deep/")))
    nodes = [h.placeholder("x")]
    tensors = ["x"]
    for number in range(draw(st.integers(1, 7))):
        name = f"{prefix}n{number}"
        source = rng.choice(tensors)
        shape = rng.randrange(5)
        if shape == 0:
            nodes += [
                h.const(f"{name}/w", np.full((4, 4), rng.randrange(3), np.float32)),
                h.op(name, "MatMul", source, f"{name}/w", T=wire.F),
            ]
        elif shape == 1:
            nodes.append(h.op(name, "Sub", source, rng.choice(tensors), T=wire.F))
        elif shape == 2:
            nodes.append(h.op(name, "Neg", source, f"^{rng.choice(tensors)}", T=wire.F))
        else:
            nodes.append(h.unary(name, rng.choice(("Relu", "Tanh")), source))
        tensors.append(name)
    return h.model(*nodes)


@given(graphs())
def test_nothing_differs_from_itself(model: Model) -> None:
    found = migrator.diff(model, model)
    assert found.identical
    assert found.same_computation
    assert found.counts["matched"] == found.counts["left_nodes"]


@settings(max_examples=60)
@given(graphs(), graphs())
def test_what_is_told_adds_up(left: Model, right: Model) -> None:
    found = migrator.diff(left, right)
    pairs = {(item.left, item.right) for item in found.matches}
    removed = {item.left for item in found.nodes if item.kind == REMOVED}
    added = {item.right for item in found.nodes if item.kind == ADDED}
    assert {one for one, _ in pairs} | removed == set(left.graph.by_name)
    assert {other for _, other in pairs} | added == set(right.graph.by_name)
    assert not removed & {one for one, _ in pairs}
    assert all(
        (item.left, item.right) in pairs
        for item in found.nodes
        if item.kind not in (ADDED, REMOVED)
    )
    assert found.identical == (not told(found)["nodes"] and not found.weights)


EDITS: tuple[dict[str, Any], ...] = (
    {"strides": [1, 2, 2, 1]},
    {"activation": "Elu"},
    {"scale": 3.0},
    {"identity": False},
    {"prefix": "net/"},
    {"names": {"pool": "average"}},
    {"device": "/cpu:0"},
    {"extra": (h.op("log", "Log", "probabilities", T=wire.F),)},
)


@pytest.mark.parametrize("one", EDITS)
@pytest.mark.parametrize("other", EDITS)
def test_the_other_way_round_is_the_mirror_image(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    left, right = network(**one), network(**other)
    assert told(migrator.diff(left, right)) == told(migrator.diff(right, left), mirrored=True)


@pytest.mark.parametrize("name", ("mlp", "cond", "conv_bn", "sm_variables"))
def test_twins_of_two_releases_mirror(name: str) -> None:
    paths = [sample(f"tf{release}/{name}").path for release in ("1.4.1", "1.15.5")]
    forth, back = migrator.diff(*paths), migrator.diff(*reversed(paths))
    assert told(forth) == told(back, mirrored=True)


@pytest.mark.parametrize("item", PROTOBUF, ids=str)
def test_every_fixture_matches_itself_by_name(item: Sample) -> None:
    found = migrator.diff(item.model(), item.model())
    assert found.identical
    assert all(match.left == match.right for match in found.matches)
