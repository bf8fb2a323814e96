"""Batch norm folded into the layer before it: where, and where not; sums against numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from migrator.migration.passes.optimize import fold_batch_norm, optimize
from migrator.migration.passes.optimize.scaled import scaled_tensor
from migrator.model.graph import Graph
from tests import wire
from tests.handmade import const, op, placeholder, unary
from tests.migration.optimizing import OUTSIDE, counts, graph, value, wires

RANDOM = np.random.default_rng(5)
W = RANDOM.normal(size=(4, 3)).astype(np.float32)
SCALE, OFFSET, MEAN = (RANDOM.normal(size=3).astype(np.float32) for _ in range(3))
VARIANCE = RANDOM.uniform(0.5, 2, 3).astype(np.float32)


def _layer(*, name: str = "mm", weights: str = "w") -> list[bytes]:
    return [const(weights, W), op(name, "MatMul", "x", weights, T=wire.F)]


def _numbers(found: Graph, x: Any, output: str = "y") -> Any:
    """A row of MatMul, BiasAdd and Identity run in float64."""
    node = found.by_name.get(output)
    if node is None:
        return x
    if node.op == "Const":
        return node.attrs["value"].numpy().astype(np.float64)
    inputs = [_numbers(found, x, ref.node) for ref in node.data_refs]
    return {
        "MatMul": lambda: inputs[0] @ inputs[1],
        "BiasAdd": lambda: inputs[0] + inputs[1],
        "Identity": lambda: inputs[0],
    }[node.op]()


def test_unfused_batch_norm_of_tensorflow_1_goes_into_the_weights() -> None:
    """batchnorm/mul, mul_1, sub and add_1 as tf.nn.batch_normalization makes them."""
    before = graph(
        *_layer(),
        const("gamma", SCALE),
        const("beta", OFFSET),
        const("mean", MEAN),
        const("variance", VARIANCE),
        const("eps", np.float32(1e-3)),
        op("add", "Add", "variance", "eps", T=wire.F),
        unary("rsqrt", "Rsqrt", "add"),
        op("mul", "Mul", "rsqrt", "gamma", T=wire.F),
        op("mul_1", "Mul", "mm", "mul", T=wire.F),
        op("mul_2", "Mul", "mean", "mul", T=wire.F),
        op("sub", "Sub", "beta", "mul_2", T=wire.F),
        op("y", "Add", "mul_1", "sub", T=wire.F),
    )
    found, steps = fold_batch_norm(before, OUTSIDE, ["y:0"])
    assert counts(steps) == {"fold_batch_norm": 1}
    assert {node.name: node.op for node in found.nodes} == {
        "w": "Const",
        "mm": "MatMul",
        "y": "BiasAdd",
        "y/offset": "Const",
    }
    x = RANDOM.normal(size=(5, 4))
    factor = SCALE / np.sqrt(VARIANCE.astype(np.float64) + 1e-3)
    expected = (x @ W - MEAN) * factor + OFFSET
    assert np.allclose(_numbers(found, x), expected, rtol=1e-6, atol=1e-6)


def test_bias_and_batch_norm_in_a_row_become_one_addition() -> None:
    before = graph(
        *_layer(),
        const("bias", MEAN),
        const("scale", SCALE),
        const("offset", OFFSET),
        const("half", 0.5),
        op("b", "BiasAdd", "mm", "bias", T=wire.F),
        op("m", "Mul", "scale", "b", T=wire.F),
        unary("copy", "Identity", "m"),
        op("d", "RealDiv", "copy", "half", T=wire.F),
        op("s", "Sub", "offset", "d", T=wire.F),
        op("y", "AddV2", "s", "half", T=wire.F),
    )
    found, steps = fold_batch_norm(before, OUTSIDE, ["y:0"])
    assert counts(steps) == {"fold_batch_norm": 1}
    x = RANDOM.normal(size=(5, 4))
    expected = OFFSET - (x @ W + MEAN) * SCALE / 0.5 + 0.5
    assert np.allclose(_numbers(found, x), expected, rtol=1e-6, atol=1e-6)


def test_scale_without_offset_needs_no_addition() -> None:
    before = graph(*_layer(), const("c", SCALE), op("y", "Mul", "mm", "c", T=wire.F))
    found, _ = fold_batch_norm(before, OUTSIDE, ["y:0"])
    assert wires(found) == {
        "w": ("Const", ()),
        "mm": ("MatMul", ("x", "w")),
        "y": ("Identity", ("mm",)),
    }
    assert np.array_equal(value(found, "w"), (W.astype(np.float64) * SCALE).astype(np.float32))


def _fused(name: str, source: str, **attrs: Any) -> list[bytes]:
    return [
        const("scale", SCALE),
        const("offset", OFFSET),
        const("mean", MEAN),
        const("variance", VARIANCE),
        op(
            name,
            "FusedBatchNormV3",
            source,
            "scale",
            "offset",
            "mean",
            "variance",
            **{"T": wire.F, "U": wire.F, "is_training": False, "epsilon": 0.001, **attrs},
        ),
    ]


FILTER = RANDOM.normal(size=(2, 2, 4, 3)).astype(np.float32)


def _conv(**attrs: Any) -> list[bytes]:
    strides = {"T": wire.F, "strides": [1, 1, 1, 1], "padding": b"SAME"}
    return [const("w", FILTER), op("conv", "Conv2D", "x", "w", **{**strides, **attrs})]


@pytest.mark.parametrize("layout", [b"NHWC", b"NCHW"])
def test_fused_batch_norm_behind_a_convolution(layout: bytes) -> None:
    before = graph(*_conv(data_format=layout), *_fused("y", "conv", data_format=layout))
    found, steps = fold_batch_norm(before, OUTSIDE, ["y:0"])
    assert counts(steps) == {"fold_batch_norm": 1}
    assert wires(found)["y"] == ("BiasAdd", ("conv", "y/offset"))
    assert found.by_name["y"].attrs["data_format"] == layout
    factor = SCALE / np.sqrt(VARIANCE.astype(np.float64) + np.float32(0.001))
    assert np.array_equal(value(found, "w"), (FILTER * factor).astype(np.float32))
    assert np.array_equal(value(found, "y/offset"), (OFFSET - MEAN * factor).astype(np.float32))


@pytest.mark.parametrize(
    ("layer", "norm"),
    [
        (_conv(), _fused("y", "conv", is_training=True)),
        (_conv(), _fused("y", "conv", data_format=b"NCHW")),
        (_conv(data_format=b"NCHW_VECT_C"), _fused("y", "conv", data_format=b"NCHW_VECT_C")),
        (_conv(), _fused("y", "conv:0", T=wire.Type(wire.HALF))),
        ([*_conv(), unary("r", "Relu", "conv")], _fused("y", "r")),
        ([*_conv(), op("z", "Relu", "conv", T=wire.F)], _fused("y", "conv")),
        ([*_conv(), unary("z", "Relu", "y:1")], _fused("y", "conv")),
    ],
)
def test_what_is_not_inference_by_channel_stays(layer: list[bytes], norm: list[bytes]) -> None:
    before = graph(*layer, *norm)
    found, steps = fold_batch_norm(before, OUTSIDE, ["y:0", "z:0"])
    assert found is before and steps == ()


def test_training_is_what_a_missing_attribute_means() -> None:
    before = graph(
        *_conv(),
        *[const(name, MEAN) for name in "abcd"],
        op("y", "FusedBatchNorm", "conv", *"abcd", T=wire.F),
    )
    assert fold_batch_norm(before, OUTSIDE, ["y:0"])[0] is before


@pytest.mark.parametrize("kept", ["mm:0", "m:0"])
def test_kept_tensors_within_the_row_keep_their_values(kept: str) -> None:
    before = graph(
        *_layer(),
        const("c", SCALE),
        const("d", OFFSET),
        op("m", "Mul", "mm", "c", T=wire.F),
        op("y", "Mul", "m", "d", T=wire.F),
    )
    found, _ = fold_batch_norm(before, OUTSIDE, ["y:0", kept])
    if kept == "mm:0":
        assert found is before
    else:
        assert wires(found)["m"] == ("Identity", ("mm",))
        assert wires(found)["y"] == ("Mul", ("m", "d"))


@pytest.mark.parametrize(
    "constant",
    [
        const("c", np.ones((3, 1))),
        const("c", np.ones((2, 3))),
        const("c", np.ones((1, 1, 3))),
        const("c", np.ones(5)),
        const("c", np.full(3, np.nan)),
        const("c", [0.5, np.inf, 1]),
        placeholder("c", wire.F, (3,)),
        op("c", "Const", "^x", dtype=wire.F, value=np.ones(3, np.float32)),
    ],
)
def test_what_is_no_sound_scale_by_channel_stays(constant: bytes) -> None:
    before = graph(*_layer(), constant, op("y", "Mul", "mm", "c", T=wire.F))
    found, steps = fold_batch_norm(before, OUTSIDE, ["y:0"])
    assert found is before and steps == ()


def test_product_past_the_largest_float_stays() -> None:
    before = graph(
        const("w", W * np.float32(1e30)),
        op("mm", "MatMul", "x", "w", T=wire.F),
        const("c", np.full(3, 1e20)),
        op("y", "Mul", "mm", "c", T=wire.F),
    )
    assert fold_batch_norm(before, OUTSIDE, ["y:0"])[0] is before


def test_one_addition_is_left_as_it_is() -> None:
    before = graph(*_layer(), const("c", SCALE), op("y", "Add", "mm", "c", T=wire.F))
    assert fold_batch_norm(before, OUTSIDE, ["y:0"]) == (before, ())


def test_shared_small_weights_get_a_scaled_twin() -> None:
    before = graph(
        *_layer(),
        op("z", "MatMul", "x", "w", T=wire.F),
        const("c", SCALE),
        op("y", "Mul", "mm", "c", T=wire.F),
    )
    found, _ = fold_batch_norm(before, OUTSIDE, ["y:0", "z:0"])
    assert wires(found)["mm"] == ("MatMul", ("x", "mm/scaled_weights"))
    assert wires(found)["z"] == ("MatMul", ("x", "w"))
    assert np.array_equal(value(found, "w"), W)


def test_shared_large_weights_stay() -> None:
    before = graph(
        const("w", np.ones((200, 100))),
        op("mm", "MatMul", "x", "w", T=wire.F),
        op("z", "MatMul", "x", "w", T=wire.F),
        const("c", np.ones(100) * 2),
        op("y", "Mul", "mm", "c", T=wire.F),
    )
    assert fold_batch_norm(before, OUTSIDE, ["y:0", "z:0"])[0] is before


def test_given_weights_are_no_constant() -> None:
    before = graph(
        op("mm", "MatMul", "a", "x", T=wire.F),
        const("a", W.T),
        const("c", SCALE),
        op("y", "Mul", "mm", "c", T=wire.F),
    )
    assert fold_batch_norm(before, OUTSIDE, ["y:0"])[0] is before


def test_waits_of_the_row_move_to_its_end() -> None:
    before = graph(
        *_layer(),
        const("c", SCALE),
        unary("first", "Relu", "x"),
        op("m", "Mul", "mm", "c", "^first", T=wire.F),
        op("y", "Add", "m", "c", T=wire.F),
    )
    found, _ = fold_batch_norm(before, OUTSIDE, ["y:0"])
    assert wires(found)["y"] == ("BiasAdd", ("mm", "y/offset", "^first"))


def test_row_that_somebody_waits_within_ends_there() -> None:
    before = graph(
        *_layer(),
        const("c", SCALE),
        op("m", "Mul", "mm", "c", T=wire.F),
        op("n", "Mul", "m", "c", T=wire.F),
        op("y", "Relu", "n", "^m", T=wire.F),
    )
    found, _ = fold_batch_norm(before, OUTSIDE, ["y:0"])
    assert wires(found)["m"] == ("Identity", ("mm",))
    assert wires(found)["n"] == ("Mul", ("m", "c"))


def test_what_is_left_of_unfused_batch_norm_is_worked_out() -> None:
    before = graph(
        const("variance", VARIANCE),
        unary("rsqrt", "Rsqrt", "variance"),
        op("m", "Mul", "x", "rsqrt", T=wire.F),
        unary("y", "Relu", "m"),
    )
    found, steps = optimize(before, OUTSIDE, ["y:0"])
    assert counts(steps) == {"fold_constants": 1}
    assert np.allclose(value(found, "rsqrt"), 1 / np.sqrt(VARIANCE), rtol=1e-7)


def test_large_scaled_weights_are_made_on_demand_and_say_their_size() -> None:
    weights = RANDOM.normal(size=(600, 500)).astype(np.float32)
    base = graph(const("w", weights)).by_name["w"].attrs["value"]
    factor = np.linspace(0.5, 2, 500)
    once = scaled_tensor(base, factor)
    assert once is not None
    twice = scaled_tensor(once, factor)
    assert twice is not None
    for found, times in ((once, factor), (twice, factor * factor)):
        expected = (weights * times).astype(np.float32)
        assert np.array_equal(found.numpy(), expected)
        assert len(found.read()) == found.stored_bytes
        again = graph(op("w", "Const", dtype=wire.F, value=wire.Raw(wire.block(8, found.read()))))
        assert np.array_equal(value(again, "w"), expected)
