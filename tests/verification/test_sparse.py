"""Sparse inputs that were made dense: their parts are generated to fit each other."""

from __future__ import annotations

import numpy as np
import pytest

from migrator.model.dtypes import dtype_named
from migrator.model.tensors import Shape
from migrator.verification.cases import InputSpec, make_cases, tamer_cases
from migrator.verification.examples import Feature, encode_example


def spec(name: str, dtype: str, *dims: int | None) -> InputSpec:
    return InputSpec(name=name, tensor=f"{name}:0", dtype=dtype_named(dtype), shape=Shape(dims))


def triple(rank: int | None) -> list[InputSpec]:
    return [
        spec("ids_values", "float32", None),
        spec("ids_indices", "int64", None, rank),
        spec("ids_dense_shape", "int64", rank),
    ]


@pytest.mark.parametrize("rank", [1, 2, 3, None])
@pytest.mark.parametrize("make", [make_cases, tamer_cases])
def test_every_index_lies_inside_of_the_shape_and_has_its_value(make: object, rank: int) -> None:
    inputs = [*triple(rank), spec("x", "float32", None, 4)]
    cases = make(None, inputs, seed=1)  # type: ignore[operator]
    assert len(cases) > 1
    for case in cases:
        values, indices = case.arrays["ids_values"], case.arrays["ids_indices"]
        shape = case.arrays["ids_dense_shape"]
        assert shape.shape == (rank or 2,)
        assert indices.shape == (len(values), rank or 2)
        assert len(values) > 0
        assert (indices >= 0).all()
        assert (indices < shape).all()
        assert [tuple(row) for row in indices] == sorted({tuple(row) for row in indices})
        assert shape[0] == len(case.arrays["x"])


def test_tame_cases_have_one_value_in_each_row() -> None:
    for case in tamer_cases(None, triple(2), seed=0):
        rows = case.arrays["ids_dense_shape"][0]
        np.testing.assert_array_equal(case.arrays["ids_indices"][:, 0], np.arange(rows))


def test_names_alone_make_no_triple() -> None:
    inputs = [
        spec("ids_values", "float32", None, 3),
        spec("ids_indices", "int64", None, 2),
        spec("ids_dense_shape", "int64", 2),
    ]
    (first, *_) = make_cases(None, inputs, seed=0)
    assert first.arrays["ids_values"].ndim == 2


def test_tame_examples_have_one_value_for_each_sparse_feature() -> None:
    features = (
        Feature(key=b"free", dtype=dtype_named("int64"), count=3, sparse=True),
        Feature(key=b"fixed", dtype=dtype_named("int64"), count=3),
    )
    lengths = {}
    for tame in (False, True):
        message = encode_example(features, np.random.default_rng(0), tame=tame)
        # Each value is below 128, so a packed list has one byte for each.
        lengths[tame] = [message[message.index(key) + len(key) + 5] for key in (b"free", b"fixed")]
    assert lengths == {False: [3, 3], True: [1, 3]}
