"""What of a node counts in a comparison, one thing at a time, and what does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from migrator.diffing.compare import compare
from migrator.diffing.numbered.labels import Labeller, Labels
from migrator.diffing.result import CHANGED
from tests import handmade as h
from tests import wire

_CONV: dict[str, Any] = {"T": wire.F, "strides": [1, 1, 1, 1], "padding": b"SAME"}
_VARIABLE: dict[str, Any] = {"dtype": wire.F, "shape": wire.Dims((2, 2))}


def _both(op: str, ours: dict[str, Any], theirs: dict[str, Any]) -> tuple[Labels, Labels]:
    labeller = Labeller()
    first, second = (h.model(h.op("n", op, **attrs)).graph.nodes[0] for attrs in (ours, theirs))
    return labeller.labels(first), labeller.labels(second)


@pytest.mark.parametrize(
    ("op", "attrs", "change"),
    [
        ("Conv2D", _CONV, {"strides": [1, 2, 2, 1]}),
        ("Conv2D", _CONV, {"padding": b"VALID"}),
        ("Conv2D", _CONV, {"dilations": [1, 2, 2, 1]}),
        ("Conv2D", _CONV, {"T": wire.I32}),
        ("MatMul", {"T": wire.F}, {"transpose_a": True}),
        ("FusedBatchNormV3", {"T": wire.F, "epsilon": 0.5}, {"epsilon": 0.25}),
        ("VariableV2", _VARIABLE, {"shape": wire.Dims((2, 3))}),
        ("VariableV2", _VARIABLE, {"dtype": wire.I32}),
        ("NoSuchOp", {"mode": b"a"}, {"mode": b"b"}),
    ],
    ids=lambda item: str(item) if isinstance(item, (str, dict)) else None,
)
def test_labels_see_what_an_op_does(op: str, attrs: dict[str, Any], change: dict[str, Any]) -> None:
    one, other = _both(op, attrs, {**attrs, **change})
    assert one.exact != other.exact
    assert one.family == other.family


@pytest.mark.parametrize(
    ("op", "attrs", "change"),
    [
        ("Conv2D", _CONV, {"_class": [b"loc:@w"]}),
        ("Conv2D", _CONV, {"_output_shapes": [wire.Dims((1, 2))]}),
        ("Conv2D", _CONV, {"dilations": [1, 1, 1, 1]}),
        ("Conv2D", _CONV, {"data_format": b"NHWC"}),
        ("VariableV2", _VARIABLE, {"shared_name": b"w"}),
        ("VariableV2", _VARIABLE, {"container": b"c"}),
        ("Enter", {"T": wire.F, "frame_name": b"a"}, {"frame_name": b"b"}),
    ],
    ids=lambda item: str(item) if isinstance(item, (str, dict)) else None,
)
def test_labels_do_not_see_names_annotations_and_written_defaults(
    op: str, attrs: dict[str, Any], change: dict[str, Any]
) -> None:
    one, other = _both(op, attrs, {**attrs, **change})
    assert one == other


def test_labels_do_not_see_a_nodes_name_and_device() -> None:
    labeller = Labeller()
    one = h.model(h.op("a", "Relu", T=wire.F)).graph.nodes[0]
    other = h.model(h.op("b", "Relu", T=wire.F, device="/gpu:0")).graph.nodes[0]
    assert labeller.labels(one) == labeller.labels(other)


def test_labels_see_what_a_constant_holds() -> None:
    labeller = Labeller()
    values = np.ones((2, 2), np.float32)
    one, same, other, wide = (
        labeller.labels(h.model(h.const("c", item)).graph.nodes[0])
        for item in (values, values.copy(), 2 * values, np.ones((2, 3), np.float32))
    )
    assert one == same
    assert one.exact != other.exact and one.form == other.form
    assert one.form != wide.form and one.family == wide.family


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"strides": [1, 2, 2, 1]}, {"attr strides"}),
        ({"padding": b"VALID"}, {"attr padding"}),
        ({"dilations": [1, 1, 1, 1]}, set()),
        ({"_class": [b"loc:@w"]}, set()),
    ],
    ids=str,
)
def test_a_comparison_tells_what_labels_see(change: dict[str, Any], told: set[str]) -> None:
    left, right = (
        h.model(
            h.op("x", "Placeholder", dtype=wire.F),
            h.op("k", "Placeholder", dtype=wire.F),
            h.op("conv", "Conv2D", "x", "k", **attrs),
        )
        for attrs in (_CONV, {**_CONV, **change})
    )
    nodes = compare(left, right).nodes
    assert {item.kind for item in nodes} <= {CHANGED}
    assert {change.field for item in nodes for change in item.changes} == told
