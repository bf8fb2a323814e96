"""Pictures that are made up are large enough for the windows that look at them."""

from __future__ import annotations

import numpy as np
import pytest

from migrator.graph.wiring import Wiring
from migrator.model.dtypes import dtype_named
from migrator.model.graph import Graph
from migrator.model.tensors import Shape
from migrator.verification.cases import InputSpec, make_cases, tamer_cases
from migrator.verification.windows import smallest_side
from tests import wire
from tests.handmade import const, model, op, placeholder


def tower(*layers: tuple[str, int, int, bytes], channels: int = 3) -> Graph:
    """Layers of (op, window, stride, padding) over an input ``x`` of pictures."""
    nodes = [placeholder("x", dims=(-1, -1, -1, channels))]
    last = "x"
    for number, (kind, window, stride, padding) in enumerate(layers):
        name = f"layer{number}"
        steps = [1, stride, stride, 1]
        if kind == "Conv2D":
            kernel = np.zeros((window, window, channels, channels), np.float32)
            nodes.append(const(f"{name}/kernel", kernel))
            nodes.append(
                op(name, kind, last, f"{name}/kernel", T=wire.F, strides=steps, padding=padding)
            )
        else:
            ksize = [1, window, window, 1]
            nodes.append(
                op(name, kind, last, T=wire.F, strides=steps, ksize=ksize, padding=padding)
            )
        nodes.append(op(f"{name}/relu", "Relu", name, T=wire.F))
        last = f"{name}/relu"
    return model(*nodes).graph


@pytest.mark.parametrize(
    ("layers", "side"),
    [
        ((("Conv2D", 3, 1, b"VALID"),), 32),
        ((("MaxPool", 3, 2, b"VALID"),) * 4, 32),
        ((("MaxPool", 3, 2, b"VALID"),) * 5, 64),  # 32 -> 15 -> 7 -> 3 -> 1 -> nothing
        ((("MaxPool", 3, 2, b"SAME"),) * 9, 32),
        ((("AvgPool", 97, 1, b"VALID"),), 128),
        ((("AvgPool", 5000, 1, b"VALID"),), 32),  # nothing that is tried would do
    ],
)
def test_smallest_side_leaves_every_window_something(
    layers: tuple[tuple[str, int, int, bytes], ...], side: int
) -> None:
    wiring = Wiring(tower(*layers))
    assert smallest_side(wiring, wiring.index["x"], 32) == side


def test_made_up_pictures_have_room_for_the_windows() -> None:
    graph = tower(*(("Conv2D", 3, 2, b"VALID"),) * 2, ("AvgPool", 40, 1, b"VALID"))
    inputs = [
        InputSpec(
            name="x", tensor="x:0", dtype=dtype_named("float32"), shape=Shape((None, None, None, 3))
        )
    ]
    for make in (make_cases, tamer_cases):
        for case in make(graph, inputs, seed=0):
            side = case.arrays["x"].shape[1]
            after = ((side - 3) // 2 + 1 - 3) // 2 + 1
            assert after >= 40
