"""Generated inputs suit the graph, and the same seed makes the same ones."""

from __future__ import annotations

import numpy as np
import pytest

from migrator.errors import UsageError
from migrator.model.dtypes import BOOL, DType, dtype_named
from migrator.model.tensors import Shape
from migrator.verification.cases import InputSpec, make_cases, tamer_cases
from tests import wire
from tests.handmade import const, dense, model, op, placeholder, unary

INTS = wire.Type(3)


def spec(name: str, dtype: str = "float32", dims: tuple[int | None, ...] | None = ()) -> InputSpec:
    return InputSpec(name=name, tensor=f"{name}:0", dtype=dtype_named(dtype), shape=Shape(dims))


def test_integers_stay_inside_the_table_that_they_index() -> None:
    graph = model(
        placeholder("ids", INTS, (-1, -1)),
        const("table", np.zeros((7, 2))),
        op("rows", "Gather", "table", "ids", Tparams=wire.F, Tindices=INTS),
    ).graph
    for case in make_cases(graph, [spec("ids", "int32", (None, None))], seed=0):
        assert case.arrays["ids"].min() >= 0
        assert case.arrays["ids"].max() < 7


def test_lengths_stay_inside_their_sequence_and_batches_agree() -> None:
    graph = model(
        placeholder("sequence", wire.F, (-1, -1, 4)),
        placeholder("lengths", INTS, (-1,)),
        op(
            *("y", "ReverseSequence", "sequence", "lengths"),
            T=wire.F,
            Tlen=INTS,
            seq_dim=1,
            batch_dim=0,
        ),
    ).graph
    inputs = [spec("sequence", dims=(None, None, 4)), spec("lengths", "int32", (None,))]
    batches = set()
    for case in make_cases(graph, inputs, seed=0):
        batch, length, _ = case.arrays["sequence"].shape
        assert case.arrays["lengths"].shape == (batch,)
        assert case.arrays["lengths"].min() >= 1
        assert case.arrays["lengths"].max() == length
        batches.add(batch)
    assert len(batches) == 3


def test_unknown_dimensions_come_from_the_matrix_that_they_meet() -> None:
    graph = model(placeholder("x", dims=(-1, -1)), *dense("y", "x", rows=5)).graph
    for case in make_cases(graph, [spec("x", dims=(None, None))], seed=0):
        assert case.arrays["x"].shape[1] == 5


def test_pixels_are_pixels_where_the_graph_scales_them() -> None:
    graph = model(
        placeholder("image", dims=(1, 8, 8, 3)),
        const("scale", 255.0),
        op("scaled", "RealDiv", "image", "scale", T=wire.F),
    ).graph
    (first, *_) = make_cases(graph, [spec("image", dims=(1, 8, 8, 3))], seed=0)
    assert 50 < first.arrays["image"].max() <= 255
    assert first.arrays["image"].min() >= 0


def test_logarithms_get_positive_numbers() -> None:
    graph = model(placeholder("x"), unary("y", "Log", "x")).graph
    for case in make_cases(graph, [spec("x", dims=(None, 4))], seed=0):
        assert case.arrays["x"].min() > 0


def test_a_switch_takes_both_ways() -> None:
    cases = make_cases(model(placeholder("x")).graph, [spec("flag", "bool"), spec("x")], seed=0)
    assert {bool(case.arrays["flag"]) for case in cases} == {True, False}


def test_the_same_seed_makes_the_same_inputs() -> None:
    graph = model(placeholder("x")).graph
    inputs = [spec("x", dims=(None, 4))]
    once, again, other = (make_cases(graph, inputs, seed=seed) for seed in (3, 3, 4))
    assert all(
        np.array_equal(a.arrays["x"], b.arrays["x"]) for a, b in zip(once, again, strict=True)
    )
    assert not np.array_equal(once[0].arrays["x"], other[0].arrays["x"])


@pytest.mark.parametrize("dims", [(2**62, 4), (1,) * 70, (None, 2**31)])
def test_shapes_that_no_memory_holds_are_refused(dims: tuple[int | None, ...]) -> None:
    with pytest.raises(UsageError, match="no values are made up"):
        make_cases(model(placeholder("x")).graph, [spec("x", dims=dims)], seed=0)


def test_an_empty_sequence_still_has_a_length() -> None:
    inputs = [spec("x", dims=(None, 0)), spec("lengths", "int32", (None,))]
    graph = model(placeholder("x"), placeholder("lengths", INTS, (-1,))).graph
    for make in (make_cases, tamer_cases):
        for case in make(graph, inputs, seed=0):
            assert case.arrays["lengths"].min() >= 1


@pytest.mark.parametrize("number", [1, 2, 3, 4, 7, 8, 9, 10, 11, 13, 14, 15, 19, 22, 24])
def test_every_type_of_input_gets_values_of_its_type(number: int) -> None:
    dtype = DType(number)
    item = InputSpec(name="x", tensor="x:0", dtype=dtype, shape=Shape((2, 3)))
    (first, *_) = make_cases(model(placeholder("x")).graph, [item], seed=0)
    assert first.arrays["x"].dtype == dtype.numpy()
    assert first.arrays["x"].shape == (2, 3)
    assert dtype == BOOL or first.arrays["x"].size == 6


def test_what_reads_an_input_is_found_in_the_functions_that_are_called() -> None:
    """As in every TensorFlow 2 SavedModel: the table that the ids index lies in a body."""
    table = [
        const("table", np.zeros((7, 2))),
        const("axis", 0, "int32"),
        op(
            "rows", "GatherV2", "table:output:0", "ids", "axis:output:0",
            Tparams=wire.F, Tindices=wire.I32, Taxis=wire.I32,
        ),
    ]  # fmt: skip
    body = wire.function(
        "body", {"ids": wire.INT32}, {"r": wire.FLOAT}, table, {"r": "rows:output:0"}
    )
    call = op("y", "PartitionedCall", "ids", f=wire.Call("body"), Tin=[wire.I32], Tout=[wire.F])
    graph = model(placeholder("ids", wire.I32, (-1, 50)), call, functions=[body]).graph
    item = InputSpec(
        name="ids", tensor="ids:0", dtype=dtype_named("int32"), shape=Shape((None, 50))
    )
    for case in make_cases(graph, [item], seed=0):
        assert case.arrays["ids"].max() == 6
