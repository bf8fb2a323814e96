"""Sparse TFLite tensors: spread over their dense shape, and what in them leads outside of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.errors import FormatError, LimitError
from migrator.formats.load import load
from migrator.formats.tflite import sparse as reader
from migrator.limits import Limits
from tests import sparse_flat
from tests.sparse_flat import CSR, DENSE, LAYOUTS, UINT8, Sparse, encode, file_of, holed

KINDS = {"float32": 0, "float16": 1, "int8": 9, "int32": 2, "int64": 4}


def values(path: Path, content: bytes, limits: Limits | None = None) -> Any:
    path.write_bytes(content)
    return load(path, limits=limits or Limits()).variables["held"].numpy()


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("dtype", KINDS)
def test_every_layout_gives_the_dense_array(name: str, dtype: str, tmp_path: Path) -> None:
    shape, layout = LAYOUTS[name]
    array = holed(shape, dtype)
    found = values(tmp_path / "m.tflite", file_of(encode(array, **layout), shape, KINDS[dtype]))
    assert found.dtype == array.dtype
    assert found.tobytes() == array.tobytes()


def test_entries_past_one_chunk_stay_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_CHUNK", 7)
    shape, layout = LAYOUTS["square blocks"]
    array = holed(shape, "float32")
    assert (values(tmp_path / "m.tflite", file_of(encode(array, **layout), shape)) == array).all()


def test_four_bit_values_are_unpacked_before_they_are_spread(tmp_path: Path) -> None:
    array = np.array([[0, -8, 0, 0, 7], [0, 0, 0, 0, 0], [1, 0, 0, -1, 3]], "int8")
    held = encode(array, (DENSE, CSR), kinds=(UINT8, UINT8))
    nibbles = [int(item) & 15 for item in held.values] + [0]
    packed = [low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=False)]
    held.values = np.array(packed, "uint8")
    found = values(tmp_path / "m.tflite", file_of(held, array.shape, 17))
    assert (found.astype("int8") == array).all()


def test_a_sparse_constant_lies_nowhere_in_the_file_as_an_array(tmp_path: Path) -> None:
    array = np.arange(1, 7, dtype="float32").reshape(2, 3)
    held = encode(array, (DENSE, DENSE), order=(1, 0))
    path = tmp_path / "m.tflite"
    assert (values(path, file_of(held, array.shape)) == array).all()
    assert load(path).variables["held"].place() is None


def level(number: int, **changes: Any) -> Callable[[Sparse], None]:
    def change(held: Sparse) -> None:
        held.levels[number] = replace(held.levels[number], **changes)

    return change


def part(**changes: Any) -> Callable[[Sparse], None]:
    def change(held: Sparse) -> None:
        for name, value in changes.items():
            setattr(held, name, value)

    return change


DAMAGED: dict[str, tuple[Callable[[Sparse], None], str, str]] = {
    "an index past its dimension": (
        level(1, indices=[2, 3]),
        r"names 2 to 3 of 3",
        "array_indices",
    ),
    "a negative index": (level(1, indices=[-1, 0]), "names -1 to 0 of 3", "array_indices"),
    "segments that go back": (level(1, segments=[0, 3, 2]), "does not go from 0 up", "segments"),
    "segments that start late": (level(1, segments=[1, 1, 2]), "does not go from 0 up", "segments"),
    "segments that pass the indices": (level(1, segments=[0, 1, 9]), "its 2 indices", "segments"),
    "a negative segment": (level(1, segments=[0, -5, 2]), "does not go from 0 up", "segments"),
    "too few segments": (level(1, segments=[0, 2]), "has 2 numbers, 3 are expected", "segments"),
    "more indices than places": (
        level(1, segments=[0, 4, 7], indices=[0] * 7),
        "room for 6",
        "array_indices",
    ),
    "a dense size past the shape": (level(0, size=3), "is 3, and the shape has room for 2", "size"),
    "a huge dense size": (level(0, size=(1 << 31) - 1), "room for 2", "dense_size"),
    "a negative dense size": (level(0, size=-1), "is -1", "dense_size"),
    "a form that is none": (level(0, form=2), "is 2, neither", r"dim_metadata\[0\].format"),
    "vectors of no known type": (level(1, kinds=(4, 1)), "type 4", "array_segments"),
    "vectors of type none": (level(1, kinds=(1, 0)), "type 0", "array_indices"),
    "an order that names one twice": (part(order=[0, 0]), "no order of 2", "traversal_order"),
    "an order that is too short": (
        part(order=[0]),
        "2 levels, traversal_order names 1",
        "sparsity",
    ),
    "a block of no dimension": (part(blocks=[0]), "make 3 levels", "sparsity"),
    "fewer values than indices": (
        part(values=np.zeros(1, "float32")),
        "2 values of float32, as indexed, take 8",
        "",
    ),
    "more values than indices": (part(values=np.zeros(3, "float32")), "holds 12 bytes", ""),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_leads_outside_of_the_shape_is_an_error_that_names_the_part(
    name: str, tmp_path: Path
) -> None:
    change, message, where = DAMAGED[name]
    held = encode(np.array([[0, 0, 1.5], [-2.5, 0, 0]], "float32"), (DENSE, CSR))
    change(held)
    with pytest.raises(FormatError, match=message) as caught:
        values(tmp_path / "m.tflite", file_of(held, (2, 3)))
    assert "m.tflite: subgraphs[0].tensors[0]" in caught.value.where
    assert re.search(where, caught.value.where)


BLOCKS: dict[str, tuple[Callable[[Sparse], None], str]] = {
    "of a dimension that is not there": (part(blocks=[2]), "does not name dimensions of 2"),
    "of a negative dimension": (part(blocks=[-1]), "does not name dimensions of 2"),
    "that are sparse": (level(2, form=CSR, segments=[0], indices=[]), "blocks are dense"),
    "of no elements": (level(2, size=0), "room for 0"),
    "of fewer than none": (level(2, size=-4), "is"),
    "larger than the dimension": (level(2, size=64), "room for 0"),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_that_do_not_fit_are_an_error(name: str, tmp_path: Path) -> None:
    change, message = BLOCKS[name]
    shape, layout = LAYOUTS["blocks of a row"]
    held = encode(holed(shape, "float32"), **layout)
    change(held)
    with pytest.raises(FormatError, match=message):
        values(tmp_path / "m.tflite", file_of(held, shape))


def test_a_dense_shape_past_the_limit_is_refused_before_it_is_made(tmp_path: Path) -> None:
    held = encode(np.zeros((1, 1), "float32"), (DENSE, CSR))
    held.levels[0].size = 1
    content = file_of(held, (1, 1 << 30))
    with pytest.raises(LimitError, match="4,294,967,296"):
        values(tmp_path / "m.tflite", content, Limits(tensor_bytes=1 << 20))


def test_a_sparse_constant_without_one_value_is_all_zeros(tmp_path: Path) -> None:
    content = file_of(encode(np.zeros((2, 3), "float32"), (DENSE, CSR)), (2, 3))
    assert values(tmp_path / "m.tflite", content).tolist() == [[0.0] * 3] * 2


def test_the_encoder_of_these_tests_keeps_what_is_not_zero() -> None:
    held = encode(np.array([[0, 0, 1.5], [-2.5, 0, 0]]), (DENSE, CSR))
    assert held.levels[1] == sparse_flat.Level(form=CSR, segments=[0, 1, 2], indices=[2, 0])
    assert held.values.tolist() == [1.5, -2.5]
