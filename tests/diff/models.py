"""A small network by hand, and pairs of it with one thing changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from migrator.model.model import Model
from tests import handmade as h
from tests import wire

_RNG = np.random.default_rng(7)
KERNEL = _RNG.normal(size=(3, 3, 2, 4)).astype(np.float32)
BIAS = _RNG.normal(size=4).astype(np.float32)
WEIGHTS = _RNG.normal(size=(4, 3)).astype(np.float32)


def network(
    *,
    prefix: str = "",
    names: Mapping[str, str] | None = None,
    kernel: Any = KERNEL,
    strides: list[int] | None = None,
    activation: str = "Relu",
    scale: float = 2.0,
    identity: bool = True,
    device: str = "",
    defaults: bool = False,
    extra: tuple[bytes, ...] = (),
    output: str = "probabilities",
) -> Model:
    """A convolution, a dense layer and a softmax under ``prefix``; ``names`` renames nodes."""
    told = dict(names or {})

    def n(name: str) -> str:
        return told.get(name, f"{prefix}{name}")

    more: dict[str, Any] = {"use_cudnn_on_gpu": True, "data_format": b"NHWC"} if defaults else {}
    read = n("conv/kernel/read") if identity else n("conv/kernel")
    nodes = [
        h.op("x", "Placeholder", dtype=wire.F, shape=wire.Dims((-1, 8, 8, 2))),
        h.const(n("conv/kernel"), kernel),
        *([h.op(read, "Identity", n("conv/kernel"), T=wire.F)] if identity else []),
        h.op(
            n("conv/Conv2D"),
            "Conv2D",
            "x",
            read,
            device=device,
            T=wire.F,
            strides=strides or [1, 1, 1, 1],
            padding=b"SAME",
            **more,
        ),
        h.const(n("conv/bias"), BIAS),
        h.op(n("conv/BiasAdd"), "BiasAdd", n("conv/Conv2D"), n("conv/bias"), T=wire.F),
        h.op(n("conv/act"), activation, n("conv/BiasAdd"), T=wire.F),
        h.const(n("axes"), [1, 2], "int32"),
        h.op(
            n("pool"),
            "Mean",
            n("conv/act"),
            n("axes"),
            T=wire.F,
            Tidx=wire.I32,
            keep_dims=False,
        ),
        h.const(n("scale/y"), scale),
        h.op(n("scale"), "Mul", n("pool"), n("scale/y"), T=wire.F),
        h.const(n("dense/weights"), WEIGHTS),
        h.op(n("dense/MatMul"), "MatMul", n("scale"), n("dense/weights"), T=wire.F),
        h.op(output, "Softmax", n("dense/MatMul"), T=wire.F),
        *extra,
    ]
    return h.model(*nodes)
