"""A user's data cut into samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.errors import FormatError, UsageError
from migrator.model.dtypes import FLOAT32, INT32
from migrator.model.tensors import UNKNOWN_SHAPE, Shape
from migrator.verification.cases import InputSpec
from migrator.verification.representative import Samples, read_samples


def spec(name: str, *dims: int | None, dtype: Any = FLOAT32) -> InputSpec:
    return InputSpec(name=name, tensor=f"{name}:0", dtype=dtype, shape=Shape(dims))


def read(folder: Path, specs: list[InputSpec], **arrays: Any) -> Samples:
    file = folder / "data.npz"
    np.savez(file, **arrays)
    return read_samples(str(file), specs)


def shapes(arrays: Any) -> dict[str, tuple[int, ...]]:
    return {name: np.shape(value) for name, value in arrays.items()}


def test_a_free_batch_gives_one_row_to_a_sample(tmp_path: Path) -> None:
    specs = [spec("x", None, 3), spec("n", None, dtype=INT32)]
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    found = read(tmp_path, specs, x=values, n=np.arange(4))
    assert found.count == 4
    assert shapes(found.sample(2)) == {"x": (1, 3), "n": (1,)}
    assert found.sample(2)["x"].tolist() == [[6.0, 7.0, 8.0]]
    assert found.sample(2)["n"].dtype == np.int32


def test_cases_are_a_single_sample_and_a_batch(tmp_path: Path) -> None:
    specs = [spec("x", None, 3)]
    cases = read(tmp_path, specs, x=np.zeros((40, 3))).cases(specs)
    assert [shapes(case.arrays) for case in cases] == [{"x": (1, 3)}, {"x": (16, 3)}]


def test_a_fixed_batch_gives_as_many_rows_as_the_input_takes(tmp_path: Path) -> None:
    specs = [spec("x", 2, 3)]
    found = read(tmp_path, specs, x=np.zeros((8, 3)))
    assert found.count == 4
    assert [shapes(case.arrays) for case in found.cases(specs)] == [{"x": (2, 3)}] * 3


def test_scalars_and_single_samples_serve_for_all(tmp_path: Path) -> None:
    specs = [spec("x", None, 3), spec("scale"), spec("mean", None, 3)]
    found = read(tmp_path, specs, x=np.zeros((5, 3)), scale=2.0, mean=np.ones((1, 3)))
    assert found.count == 5
    assert shapes(found.sample(4)) == {"x": (1, 3), "scale": (), "mean": (1, 3)}


def test_an_unknown_rank_is_cut_as_well(tmp_path: Path) -> None:
    item = InputSpec(name="x", tensor="x:0", dtype=FLOAT32, shape=UNKNOWN_SHAPE)
    assert shapes(read(tmp_path, [item], x=np.zeros((5, 2))).sample(0)) == {"x": (1, 2)}


@pytest.mark.parametrize(
    ("specs", "arrays", "message"),
    [
        ([spec("x", 2, 3)], {"x": np.zeros((5, 3))}, "5 rows, the input takes 2"),
        ([spec("x", None, 3)], {"x": np.zeros((0, 3))}, "0 rows"),
        ([spec("x", None, 3)], {"x": np.zeros((5, 4))}, "shape"),
        ([spec("x", None, 3)], {"y": np.zeros((5, 3))}, "no input"),
        (
            [spec("x", None, 3), spec("z", None)],
            {"x": np.zeros((5, 3)), "z": np.zeros(4)},
            "different numbers of samples",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    specs: list[InputSpec], arrays: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        read(tmp_path, specs, **arrays)


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.npz").write_bytes(b"PK nothing")
    with pytest.raises(FormatError):
        read_samples(str(tmp_path / "data.npz"), [spec("x", None)])
