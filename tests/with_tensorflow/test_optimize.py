"""Optimised graphs compute what the graphs computed that they came from."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from migrator.formats.encode import write_graph
from migrator.formats.load import load
from migrator.inspection.summary import summarize
from migrator.migration.fold import fold_switches
from migrator.migration.passes.optimize import (
    fold_batch_norm,
    fold_constants,
    merge_duplicates,
    optimize,
    remove_identities,
)
from migrator.migration.passes.optimize.edges import drop_dead, with_nodes
from migrator.model.dtypes import FLOAT32
from migrator.model.graph import Graph
from migrator.model.tensors import UNKNOWN_SHAPE, Shape, TensorRef, TensorSpec
from migrator.ops.registry import output_dtype
from migrator.verification.compare import compare_arrays
from tests import wire
from tests.handmade import const, model, op

from .conftest import frozen_fixtures, load_fixture, real_models

Specs = Mapping[str, TensorSpec]
EXACT = (remove_identities, fold_constants, merge_duplicates)


def _session(graph: Graph, given: Specs) -> tuple[Any, dict[str, str]]:
    """A session on ``graph``, and the placeholders that stand for what is given."""
    import tensorflow as tf

    data = io.BytesIO()
    write_graph(data, graph.nodes, graph.functions.values(), graph.versions)
    graph_def = tf.compat.v1.GraphDef.FromString(data.getvalue())
    read = {text if ":" in text else f"{text}:0" for node in graph_def.node for text in node.input}
    imported = tf.Graph()
    with imported.as_default():
        fed = {
            name: tf.compat.v1.placeholder(tf.as_dtype(int(spec.dtype)), spec.shape.dims)
            for name, spec in given.items()
        }
        used = {name: tensor for name, tensor in fed.items() if name in read}
        tf.graph_util.import_graph_def(graph_def, input_map=used, name="")
    return tf.compat.v1.Session(graph=imported), {name: fed[name].name for name in fed}


def _run(graph: Graph, given: Specs, keep: list[str], feeds: dict[str, Any]) -> list[Any]:
    session, named = _session(graph, given)
    with session:
        feed = {
            named.get(name, name): value
            for name, value in feeds.items()
            if name in named or TensorRef.parse(name).node in graph.by_name
        }
        found: list[Any] = session.run(keep, feed)
        return found


def _prepared(graph: Graph, given: Specs, fixed: Mapping[str, Any] = MappingProxyType({})) -> Graph:
    """Without devices and colocation, the nodes of what is given, and branches ruled out."""
    nodes = [
        replace(node, device="", attrs={k: v for k, v in node.attrs.items() if k != "_class"})
        for node in graph.nodes
        if f"{node.name}:0" not in given
    ]
    bools = {
        TensorRef.parse(tensor).node: value
        for tensor, value in fixed.items()
        if isinstance(value, bool)
    }
    return with_nodes(graph, fold_switches(with_nodes(graph, nodes), bools).nodes)


@pytest.mark.parametrize("name", frozen_fixtures())
def test_fixtures_compute_the_same(name: str) -> None:
    """Each exact pass alone bit for bit, all of them within the rounding of float32."""
    fixture = load_fixture(name)
    source = load(fixture.model).graph
    given = {}
    for tensor in fixture.about["inputs"].values():
        ref = TensorRef.parse(tensor)
        node = source.by_name[ref.node]
        dtype = output_dtype(node, ref.port) or node.attrs["T"]  # an op that is gone
        given[tensor] = TensorSpec(tensor=tensor, dtype=dtype, shape=UNKNOWN_SHAPE)
    random = fixture.about.get("random", ())
    keep = [tensor for key, tensor in fixture.about["outputs"].items() if key not in random]
    fixed = fixture.about["feeds"]
    before = drop_dead(_prepared(source, given, fixed), given, keep)
    cases = [
        {fixture.about["inputs"][key]: value for key, value in case["in"].items()} | fixed
        for case in fixture.cases().values()
    ]
    expected = [_run(before, given, keep, case) for case in cases]
    for rewrite in (*EXACT, optimize):
        found, steps = rewrite(before, given, keep)
        if rewrite is optimize and "conv_bn" in name:
            assert "fold_batch_norm" in {step.code for step in steps}
        if not steps:
            continue
        for case, wanted in zip(cases, expected, strict=True):
            for left, right in zip(wanted, _run(found, given, keep, case), strict=True):
                compared = compare_arrays(left, right, rtol=1e-5, atol=1e-6)
                allowed = ("bitwise",) if rewrite in EXACT else ("bitwise", "within_tolerance")
                assert compared.verdict in allowed, (rewrite.__name__, compared)


# -- batch norm behind every layer -----------------------------------------------------------

_RANDOM = np.random.default_rng(3)


def _floats(*shape: int) -> Any:
    return _RANDOM.normal(size=shape).astype(np.float32)


def _norm(source: str, channels: int, **attrs: Any) -> list[bytes]:
    return [
        const("scale", _floats(channels)),
        const("offset", _floats(channels)),
        const("mean", _floats(channels)),
        const("variance", np.abs(_floats(channels)) + 0.1),
        op(
            "y",
            "FusedBatchNormV3",
            source,
            "scale",
            "offset",
            "mean",
            "variance",
            **{"T": wire.F, "U": wire.F, "is_training": False, "epsilon": 0.001, **attrs},
        ),
    ]


_SAME = {"T": wire.F, "padding": b"SAME"}
_LAYERS = {
    "Conv2D": (
        (2, 6, 6, 4),
        [
            const("w", _floats(3, 3, 4, 5)),
            op("l", "Conv2D", "x", "w", strides=[1, 2, 2, 1], **_SAME),
        ],
        _norm("l", 5),
    ),
    "grouped Conv2D": (
        (2, 6, 6, 4),
        [const("w", _floats(3, 3, 2, 6)), op("l", "Conv2D", "x", "w", strides=[1] * 4, **_SAME)],
        _norm("l", 6),
    ),
    "DepthwiseConv2dNative": (
        (2, 6, 6, 4),
        [
            const("w", _floats(3, 3, 4, 2)),
            op("l", "DepthwiseConv2dNative", "x", "w", strides=[1] * 4, **_SAME),
        ],
        _norm("l", 8),
    ),
    "Conv2DBackpropInput": (
        (2, 3, 3, 4),
        [
            const("w", _floats(3, 3, 5, 4)),
            const("sizes", [2, 6, 6, 5], "int32"),
            op("l", "Conv2DBackpropInput", "sizes", "w", "x", strides=[1, 2, 2, 1], **_SAME),
        ],
        _norm("l", 5),
    ),
    "dilated Conv2D": (
        (2, 8, 8, 4),
        [
            const("w", _floats(3, 3, 4, 5)),
            const("block", [2, 2], "int32"),
            const("pads", [[2, 2], [2, 2]], "int32"),
            const("crops", [[0, 0], [0, 0]], "int32"),
            op("in", "SpaceToBatchND", "x", "block", "pads", T=wire.F),
            op("l", "Conv2D", "in", "w", strides=[1] * 4, T=wire.F, padding=b"VALID"),
            op("out", "BatchToSpaceND", "l", "block", "crops", T=wire.F),
        ],
        _norm("out", 5),
    ),
    "Conv3D": (
        (1, 4, 4, 4, 2),
        [const("w", _floats(2, 2, 2, 2, 3)), op("l", "Conv3D", "x", "w", strides=[1] * 5, **_SAME)],
        [
            const("m", _floats(3)),
            const("a", _floats(1, 1, 1, 1, 3)),
            op("lm", "Mul", "l", "m", T=wire.F),
            op("y", "Add", "a", "lm", T=wire.F),
        ],
    ),
    "MatMul": (
        (5, 4),
        [
            const("w", _floats(3, 4)),
            op("l", "MatMul", "x", "w", T=wire.F, transpose_b=True),
        ],
        [
            const("m", _floats(1, 3)),
            const("a", _floats(3)),
            const("half", np.float32(0.5)),
            op("lm", "RealDiv", "l", "half", T=wire.F),
            op("la", "BiasAdd", "lm", "a", T=wire.F),
            op("ls", "Sub", "m", "la", T=wire.F),
            op("y", "Mul", "m", "ls", T=wire.F),
        ],
    ),
    "square Conv2D, unfused, NCHW": (
        (2, 4, 5, 5),
        [
            const("w", _floats(3, 3, 4, 5)),
            op("l", "Conv2D", "x", "w", strides=[1] * 4, data_format=b"NCHW", **_SAME),
        ],
        [
            const("m", _floats(5, 1, 1)),
            const("a", _floats(1, 5, 1, 1)),
            op("lm", "Mul", "m", "l", T=wire.F),
            op("y", "AddV2", "lm", "a", T=wire.F),
        ],
    ),
}


@pytest.mark.parametrize("layer", _LAYERS)
def test_batch_norm_folds_into_every_layer(layer: str) -> None:
    shape, nodes, norm = _LAYERS[layer]
    given = {"x:0": TensorSpec(tensor="x:0", dtype=FLOAT32, shape=Shape(shape))}
    before = model(*nodes, *norm).graph
    found, steps = fold_batch_norm(before, given, ["y:0"])
    assert [(step.code, step.count) for step in steps] == [("fold_batch_norm", 1)]
    assert found.by_name["y"].op == "BiasAdd"
    x = _floats(*shape)
    (wanted,), (got,) = (_run(graph, given, ["y:0"], {"x:0": x}) for graph in (before, found))
    assert np.std(wanted) > 0.1
    assert np.max(np.abs(wanted - got)) <= 1e-5 * np.max(np.abs(wanted))


# -- a real model ----------------------------------------------------------------------------


@pytest.mark.real_model
def test_mobilenet_loses_its_batch_norm() -> None:
    graph = load(real_models().real_models()["mobilenet"]).graph
    given = {"input:0": TensorSpec(tensor="input:0", dtype=FLOAT32, shape=Shape((1, 224, 224, 3)))}
    keep = ["final_result:0"]
    before = _prepared(graph, given)
    found, steps = optimize(before, given, keep)
    assert {step.code: step.count for step in steps} == {
        "remove_identities": 140,
        "fold_constants": 27,
        "fold_batch_norm": 27,
    }
    assert len(found.nodes) == 149
    assert not {"Mul", "Rsqrt", "Identity"} & {node.op for node in found.nodes}
    x = _RANDOM.uniform(-1, 1, (1, 224, 224, 3)).astype(np.float32)
    (wanted,), (got,) = (_run(item, given, keep, {"input:0": x}) for item in (before, found))
    compared = compare_arrays(wanted, got, rtol=1e-5, atol=1e-6)
    assert compared.verdict == "within_tolerance", compared


@pytest.mark.real_model
@pytest.mark.parametrize("name", ["ner", "seg", "pos"])
def test_taggers_stay_bitwise(name: str) -> None:
    path = real_models().real_models()[name]
    graph = load(path).graph
    inputs = summarize(load(path)).meta_graphs[0].graph.endpoints.inputs
    given = {
        item.tensor: TensorSpec(tensor=item.tensor, dtype=item.dtype, shape=item.shape)
        for item in inputs
    }
    keep = ["project/logits:0"]
    before = _prepared(graph, given)
    found, steps = optimize(before, given, keep)
    assert steps and len(found.nodes) < 0.9 * len(before.nodes)
    feeds = {
        "char_inputs:0": _RANDOM.integers(0, 50, (2, 7)).astype(np.int32),
        "lengths:0": np.array([7, 4], np.int32),
        "dropout:0": np.float32(1),
    }
    (wanted,), (got,) = (_run(item, given, keep, feeds) for item in (before, found))
    assert compare_arrays(wanted, got, rtol=0, atol=0).verdict == "bitwise"
