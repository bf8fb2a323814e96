"""Multiply-adds, as one would count them by hand; and what is said of those not counted."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from migrator.formats.load import load
from migrator.inspection.cost import Cost, estimate
from migrator.model.tensors import Shape
from migrator.report.text_cost import amount, cost_section
from tests import wire
from tests.commands import run
from tests.corpus import FIXTURES, sample
from tests.handmade import const, dense, model, op, placeholder, unary
from tests.schemas import parsed

Capture = pytest.CaptureFixture[str]


def cost(*nodes: bytes, functions: Any = (), outputs: tuple[str, ...] = (), **more: Any) -> Cost:
    return estimate(model(*nodes, functions=functions).meta_graphs[0], outputs, **more)


def conv(name: str, kind: str, source: str, *kernel: int) -> list[bytes]:
    return [
        const(f"{name}/w", np.zeros(kernel)),
        op(name, kind, source, f"{name}/w", T=wire.F, strides=[1, 2, 2, 1], padding=b"SAME"),
    ]


IMAGE = placeholder("x", dims=(-1, 10, 12, 3))


def test_products_are_counted_as_by_hand() -> None:
    found = cost(
        IMAGE,
        *conv("conv", "Conv2D", "x", 3, 3, 3, 8),
        *conv("deep", "DepthwiseConv2dNative", "conv", 5, 5, 8, 2),
        const("flat/to", [-1, 3 * 3 * 16], "int32"),
        op("flat", "Reshape", "deep", "flat/to", T=wire.F),
        *dense("out", "flat", 144, 7),
        unary("end", "Softmax", "out"),
    )
    assert found.by_op == {
        "Conv2D": (5 * 6 * 8) * (3 * 3 * 3),
        "DepthwiseConv2dNative": (3 * 3 * 16) * (5 * 5),
        "MatMul": 144 * 7,
    }
    assert found.multiply_adds == sum(found.by_op.values())
    assert found.element_operations == 7
    assert found.batch_of == ("x:0",)
    assert [item.node for item in found.dearest] == ["conv", "deep", "out"]
    assert found.uncounted == {}


def test_a_transposed_convolution_costs_what_the_one_it_turns_round_costs() -> None:
    found = cost(
        placeholder("x", dims=(2, 5, 6, 8)),
        const("size", [2, 10, 12, 3], "int32"),
        const("w", np.zeros((3, 3, 3, 8))),
        op(
            "up",
            "Conv2DBackpropInput",
            "size",
            "w",
            "x",
            T=wire.F,
            strides=[1, 2, 2, 1],
            padding=b"SAME",
        ),
    )
    assert found.multiply_adds == (2 * 5 * 6 * 8) * (3 * 3 * 3)
    assert found.batch_of == ()


def test_what_cannot_be_counted_is_said() -> None:
    nodes = (
        placeholder("x", dims=(-1, -1, -1, 3)),
        *conv("conv", "Conv2D", "x", 3, 3, 3, 8),
        op("own", "SomebodysOwn", "conv", T=wire.F),
    )
    found = cost(*nodes)
    assert found.multiply_adds == found.counted == 0
    assert found.uncounted == {"Conv2D": 1, "SomebodysOwn": 1}
    text = cost_section(found)
    assert "not counted: 2 of 2 nodes" in text
    told = cost(*nodes, given={"x": Shape((4, 10, 12, 3))})
    assert told.by_op == {"Conv2D": 4 * (5 * 6 * 8) * 27}
    assert told.batch_of == ()


@pytest.mark.parametrize(
    ("dims", "told"),
    [
        ((-1, -1, -1, 3), "x [?, ?, ?, 3]; give them, for one: --shape x=1,224,224,3"),
        ((2, 3, -1, -1), "x [2, 3, ?, ?]; give them, for one: --shape x=2,3,224,224"),
        (None, "x unknown rank; give them, for one: --shape x=1,224,224,3"),
    ],
)
def test_sizes_that_are_open_are_asked_for_by_the_name_of_the_input(
    dims: tuple[int, ...] | None, told: str
) -> None:
    nodes = [placeholder("x", dims=dims), *conv("conv", "Conv2D", "x", 3, 3, 3, 8)]
    found = cost(*nodes)
    assert list(found.open_inputs) == ["x"]
    assert f"sizes that the model leaves open: {told}\n" in cost_section(found) + "\n"
    counted = cost(*nodes, given={"x": Shape((1, 224, 224, 3))})
    assert counted.open_inputs == {} and "leaves open" not in cost_section(counted)


def test_an_open_batch_a_text_and_a_rate_are_not_asked_for() -> None:
    nodes = [IMAGE, placeholder("text", wire.S, None), placeholder("rate", wire.F, None)]
    found = cost(*nodes, op("own", "SomebodysOwn", "x", "text", "rate", T=wire.F))
    assert found.uncounted == {"SomebodysOwn": 1} and found.open_inputs == {}


def test_only_what_the_outputs_need_is_counted() -> None:
    nodes = (placeholder("x"), *dense("a", "x"), *dense("b", "x"))
    assert cost(*nodes).multiply_adds == 24
    assert cost(*nodes, outputs=("a:0",)).multiply_adds == 12


def test_a_body_counts_once() -> None:
    body = wire.function(
        "body",
        {"a": 1, "w": 1},
        {"out": 1},
        [wire.node("m", "MatMul", ("a", "w"), {"T": wire.F})],
        {"out": "m:product:0"},
    )
    nodes = [placeholder("x"), const("w", np.zeros((4, 3)))]
    for name in ("one", "two"):
        types = {"Tin": [wire.F, wire.F], "Tout": [wire.F]}
        nodes.append(op(name, "PartitionedCall", "x", "w", f=wire.Call("body"), **types))
    found = cost(*nodes, functions=[body])
    assert (found.multiply_adds, found.bodies) == (12, 1)
    assert [item.node for item in found.dearest] == ["body/m"]


def test_shapes_that_no_tensor_has_are_not_counted() -> None:
    huge = (1 << 62,) * 4
    found = cost(
        placeholder("x", dims=huge),
        op("y", "Conv2D", "x", "x", T=wire.F, strides=[1, 1, 1, 1], padding=b"SAME"),
        unary("z", "Relu", "x"),
    )
    assert found.multiply_adds == found.element_operations == 0
    assert found.uncounted == {"Conv2D": 1}


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (9_999, "9,999"), (10_000, "10.0 k"), (568_740_352, "569 M"), (5.7e9, "5.70 G")],
)
def test_amounts_are_short(count: int, text: str) -> None:
    assert amount(int(count)) == text


def test_inspect_tells_the_cost_where_it_is_asked_for(capsys: Capture) -> None:
    item = sample("tf1.15.5/conv_bn")
    assert "multiply-adds" not in run(capsys, "inspect", item.path).out
    text = run(capsys, "inspect", "--cost", item.path).out
    assert "Cost of one run, estimated" in text
    assert "an unknown batch counts as 1: image:0" in text
    result = parsed(run(capsys, "inspect", "--cost", item.path, "--format", "json").out)
    found = result["meta_graphs"][0]["cost"]
    assert found["multiply_adds"] == sum(found["by_op"].values()) > 0
    assert found["reason"] is None
    plain = json.loads(run(capsys, "inspect", item.path, "--format", "json").out)
    assert "cost" not in plain["meta_graphs"][0]


def test_inspect_takes_shapes_for_the_cost(capsys: Capture) -> None:
    item = sample("tf1.15.5/conv_bn")

    def told(*words: str) -> int:
        done = run(capsys, "inspect", "--cost", item.path, "--format", "json", *words)
        return int(parsed(done.out)["meta_graphs"][0]["cost"]["multiply_adds"])

    assert told("--shape", "image=8,12,12,3") == 8 * told()
    unknown = run(capsys, "inspect", "--cost", item.path, "--shape", "nobody=1")
    assert unknown.code == 2
    assert "nobody" in unknown.err
    assert run(capsys, "inspect", item.path, "--shape", "image=1").code == 2


KERAS_TWINS = ("tf2.21.0/keras_h5/model.h5", "tf2.21.0/keras_zip/model.keras")


@pytest.mark.parametrize("name", KERAS_TWINS)
def test_a_keras_file_costs_what_its_exported_graph_does(name: str) -> None:
    meta = load(FIXTURES / "tf2.21.0/keras_export/saved_model").meta_graphs[0]
    found = estimate(load(FIXTURES / name).meta_graphs[0])
    assert found.multiply_adds == estimate(meta).multiply_adds == 2634
    assert (found.uncounted, found.batch_of) == ({}, ("image:0",))


def test_a_model_in_a_model_counts_once_for_each_call() -> None:
    found = estimate(load(FIXTURES / "tf1.15.5/keras2_nested/model.h5").meta_graphs[0])
    assert found.multiply_adds == 2 * (4 * 3 + 3 * 2) + 8
    assert {item.node: item.multiply_adds for item in found.dearest} == {
        "tower/inner/low": 24,
        "tower/high": 12,
        "score": 8,
    }


def test_layers_of_unknown_frames_are_said_not_to_be_counted() -> None:
    found = estimate(load(FIXTURES / "tf1.15.5/keras2_lstm/model.h5").meta_graphs[0])
    assert found.uncounted == {"Bidirectional": 1, "GRU": 1}


@pytest.mark.parametrize("name", ["plain", "float16", "integer", "described"])
def test_a_tflite_file_costs_the_same_however_its_weights_are_stored(name: str) -> None:
    meta = load(FIXTURES / f"tflite_files/{name}.tflite").meta_graphs[0]
    found = estimate(meta)
    assert found.by_op == {"CONV_2D": (4 * 4 * 8) * (3 * 3 * 2), "FULLY_CONNECTED": 8 * 4}
    assert (found.uncounted, found.batch_of) == ({}, ("serving_default_image:0",))


@pytest.mark.parametrize("name", ["tflite_files/plain.tflite", *KERAS_TWINS])
def test_of_a_file_that_says_its_shapes_a_batch_may_be_given(name: str) -> None:
    meta = load(FIXTURES / name).meta_graphs[0]
    image = estimate(meta).batch_of[0]
    found = estimate(meta, given={image: Shape((5, 8, 8, 2))})
    assert found.multiply_adds == 5 * estimate(meta).multiply_adds
    assert found.batch_of == ()
    other = estimate(meta, given={image: Shape((1, 16, 16, 2))})
    assert other.counted == 0
    assert "no other sizes can be followed" in other.reason
