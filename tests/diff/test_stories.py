"""The headline tells no more than what happened: of norms, constants, weights, sizes and names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import migrator
from migrator.diffing.result import Diff
from migrator.model.model import Model
from tests import handmade as h
from tests import wire

_ACTS = ("Relu", "Tanh", "Elu", "Selu")


def told(left: Model, right: Model) -> str:
    return "\n".join(migrator.diff(left, right).headline)


def kernels(seed: int = 0, rows: int = 4, inner: int = 3, count: int = 4) -> list[Any]:
    rng = np.random.default_rng(seed)
    shapes = [(rows if not layer else inner, inner) for layer in range(count)]
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def tower(
    values: Sequence[Any],
    *,
    norms: bool = False,
    dims: tuple[int, ...] = (-1, 4),
    acts: Sequence[str] = _ACTS,
    weight: Any = h.const,
    scope: str = "",
) -> Model:
    """Dense layers with an activation each, and a batch norm between where there are ``norms``."""
    nodes, last = [h.placeholder("x", dims=dims)], "x"
    for layer, value in enumerate(values):
        name = f"{scope}layer{layer}"
        read = weight(f"{name}/w", value)
        nodes += [read] if isinstance(read, bytes) else read
        nodes.append(h.op(f"{name}/mm", "MatMul", last, f"{name}/w", T=wire.F))
        last = f"{name}/mm"
        if norms:
            words = [f"{name}/bn/{word}" for word in ("gamma", "beta", "mean", "var")]
            nodes += [h.const(word, np.full(value.shape[1], 0.5)) for word in words]
            norm = f"{name}/bn"
            nodes.append(h.op(norm, "FusedBatchNorm", last, *words, T=wire.F, is_training=False))
            last = norm
        nodes.append(h.unary(f"{name}/act", acts[layer % len(acts)], last))
        last = f"{name}/act"
    return h.model(*nodes, h.op("probabilities", "Softmax", last, T=wire.F))


def whys(found: Diff, kind: str) -> set[str]:
    return {item.why for item in found.nodes if item.kind == kind}


def test_batch_norms_that_are_gone_without_a_trace_were_removed() -> None:
    found = migrator.diff(tower(kernels(), norms=True), tower(kernels()))
    text = "\n".join(found.headline)
    assert "4 batch norms removed" in text
    assert "folded" not in text and "worked out" not in text
    assert "folded" not in whys(found, "removed")
    assert "4 of 20 weights equal; 16 without counterpart" in text


def test_batch_norms_whose_factors_are_in_the_kernels_were_folded() -> None:
    scaled = [value * np.linspace(0.5, 2, value.shape[1], dtype="f4") for value in kernels()]
    text = told(tower(kernels(), norms=True), tower(scaled))
    assert "4 batch norms folded" in text and "removed" not in text


def test_batch_norms_that_are_gone_from_a_retrained_network_were_removed() -> None:
    text = told(tower(kernels(), norms=True), tower(kernels(seed=1)))
    assert "4 batch norms removed" in text and "folded" not in text


def source(op: str, **attrs: Any) -> Model:
    """``x`` times what ``op`` makes of a constant."""
    return h.model(
        h.placeholder("x"),
        h.const("c", [1, 4], "int32") if op == "RandomUniform" else h.const("c", np.ones(4)),
        h.op("made", op, "c", **attrs),
        h.op("times", "Mul", "x", "made", T=wire.F),
        h.op("y", "Softmax", "times", T=wire.F),
    )


def plain() -> Model:
    return h.model(
        h.placeholder("x"),
        h.const("fixed", np.full(4, 3.0)),
        h.op("times", "Mul", "x", "fixed", T=wire.F),
        h.op("y", "Softmax", "times", T=wire.F),
    )


@pytest.mark.parametrize(
    ("op", "attrs"),
    [
        ("PlaceholderWithDefault", {"dtype": wire.F, "shape": wire.Dims((4,))}),
        ("RandomUniform", {"T": wire.I32, "dtype": wire.F}),
    ],
)
def test_what_another_run_may_make_otherwise_does_not_follow_from_constants(
    op: str, attrs: dict[str, Any]
) -> None:
    assert "folded" not in whys(migrator.diff(source(op, **attrs), plain()), "removed")
    found = migrator.diff(source("Exp", T=wire.F), plain())
    assert "folded" in whys(found, "removed") or found.counts["removed"] == 0


def test_input_of_another_shape_is_told_first_and_listed() -> None:
    left, right = tower(kernels()), tower(kernels(), dims=(8, 4))
    found = migrator.diff(left, right)
    assert found.headline[1] == "input x: ?x4 -> 8x4"
    change = next(item for item in found.nodes if item.left == "x")
    assert (change.kind, change.why) == ("changed", "")


def test_layers_of_other_sizes_are_the_same_architecture() -> None:
    text = told(tower(kernels()), tower(kernels(inner=5)))
    assert text.startswith("same architecture, other sizes")
    assert "4 weights of another shape" in text


def test_weights_of_other_shapes_count_against_networks_that_are_built_otherwise() -> None:
    left = tower(kernels(count=12), acts=("Relu",))
    right = tower(kernels(inner=5, count=8), acts=("Relu",))
    assert told(left, right).startswith(("another network: ", "related networks: "))


def test_weight_without_counterpart_is_not_among_the_equal_ones() -> None:
    text = told(tower(kernels()), tower(kernels(count=5)[:5]))
    assert "4 of 5 weights equal; 1 without counterpart" in text


def test_a_single_weight_is_no_plural() -> None:
    values = kernels(count=1)
    text = told(tower(values), tower([values[0] + 1]))
    assert "the only weight has other values, by 1 at most" in text
    many = kernels()
    text = told(tower(many), tower([many[0] + 1, *many[1:]]))
    assert "1 of 4 weights has other values" in text


def quantised(name: str, value: Any) -> list[bytes]:
    scale = float(np.abs(value).max()) / 127
    stored = np.round(value / scale).astype(np.int8)
    return [
        h.op(
            f"{name}/stored",
            "Const",
            dtype=wire.Type(6),
            value=wire.Raw(
                wire.block(8, wire.tensor(6, value.shape, wire.block(4, stored.tobytes())))
            ),
        ),
        h.op(f"{name}/cast", "Cast", f"{name}/stored", SrcT=wire.Type(6), DstT=wire.F),
        h.const(f"{name}/scale", scale),
        h.op(name, "Mul", f"{name}/cast", f"{name}/scale", T=wire.F),
    ]


def test_weights_that_became_small_integers_and_a_scale_were_quantised() -> None:
    values = kernels()
    text = told(tower(values), tower(values, weight=quantised))
    assert "4 weights quantised: float32 became int8" in text
    assert "weights equal" not in text.replace("0 of", "")


def test_text_is_no_counterpart_of_a_kernel() -> None:
    left = h.model(
        h.placeholder("x"),
        h.const("w", np.ones((4, 40))),
        h.op("y", "MatMul", "x", "w", T=wire.F),
    )
    right = h.model(
        h.placeholder("x", wire.S),
        h.text_const("w", *[b"some words"] * 400),
        h.op("y", "StringJoin", "x", "w", N=2),
    )
    found = migrator.diff(left, right)
    assert {item.kind for item in found.weights} <= {"added", "removed"}


def table(shared: Sequence[bytes], keys: Sequence[int] = (1, 2)) -> Model:
    """Two tables under the names ``shared``, filled before a run, and looked up."""
    nodes = [h.placeholder("x", wire.I64, (-1,))]
    for number, name in enumerate(shared):
        own = f"t{number}"
        nodes += [
            h.op(
                own,
                "HashTableV2",
                key_dtype=wire.I64,
                value_dtype=wire.I64,
                shared_name=name,
            ),
            h.const(f"{own}/keys", list(keys), "int64"),
            h.const(f"{own}/values", [7, 8 + number], "int64"),
            h.op(
                f"{own}/fill",
                "LookupTableImportV2",
                own,
                f"{own}/keys",
                f"{own}/values",
                Tin=wire.I64,
                Tout=wire.I64,
            ),
            h.const(f"{own}/default", -1, "int64"),
            h.op(
                f"{own}/find",
                "LookupTableFindV2",
                own,
                "x",
                f"{own}/default",
                Tin=wire.I64,
                Tout=wire.I64,
            ),
        ]
    nodes.append(h.op("y", "AddV2", "t0/find", "t1/find", T=wire.I64))
    return h.model(*nodes)


def test_generated_name_that_a_table_is_shared_by_is_no_change() -> None:
    found = migrator.diff(table((b"one-1f", b"two-2a")), table((b"one-77", b"two-99")))
    assert not found.nodes
    assert found.headline[0] in ("identical", "no difference found")


def test_tables_that_became_one_are_a_change() -> None:
    found = migrator.diff(table((b"one", b"two")), table((b"one", b"one")))
    assert {item.left for item in found.nodes if item.kind == "changed"} & {"t0", "t1"}


def test_what_fills_a_table_is_needed_by_its_lookups() -> None:
    found = migrator.diff(table((b"a", b"b")), table((b"a", b"b"), keys=(1, 3)))
    changed = {item.left: item.why for item in found.nodes if item.kind == "changed"}
    assert changed == {"t0/keys": "", "t1/keys": ""}


def bodies(suffix: int) -> Model:
    """A call of a function with a number in its name."""
    name = f"__inference_f_{suffix}"
    function = wire.function(
        name,
        {"a": wire.FLOAT},
        {"r": wire.FLOAT},
        [
            h.const("w", np.ones((4, 3))),
            h.op("mm", "MatMul", "a", "w:output:0", T=wire.F),
            h.unary("act", "Relu", "mm:product:0"),
        ],
        {"r": "act:activations:0"},
    )
    call = h.op("call", "PartitionedCall", "x", f=wire.Call(name), Tin=[wire.F], Tout=[wire.F])
    return h.model(h.placeholder("x"), call, functions=[function])


def test_functions_that_were_numbered_anew_are_told_in_one_line() -> None:
    found = migrator.diff(bodies(124), bodies(297))
    assert found.headline[1:] == ("1 function has a new generated name",)
    assert found.headline[0].endswith("only names differ; weights equal")
    assert not found.scopes
