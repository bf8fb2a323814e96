"""Every dtype and every way to write its values decodes as TensorFlow itself decodes it."""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from migrator.formats.load import load
from migrator.model.dtypes import all_dtypes, dtype_named
from migrator.model.tensors import LazyTensor
from tests.corpus import DTYPE_SETS
from tests.strategies import has_arrays

_FLOAT_BITS = ("bfloat16", "float8", "float4")
_NARROW = ("int4", "uint4", "int2", "uint2")


@cache
def expectations(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(path.with_suffix(".json").read_text())
    return found


@cache
def tensors(path: Path) -> dict[str, LazyTensor]:
    return {node.name: node.attrs["value"] for node in load(path).graph}


@cache
def stored_arrays(path: Path) -> dict[str, Any]:
    with np.load(path.with_suffix(".npz")) as file:
        return {name: file[name] for name in file.files}


CASES = [
    pytest.param(path, name, id=f"{path.stem}-{name}")
    for path in DTYPE_SETS
    for name in sorted(expectations(path))
]


def comparable(array: Any, dtype: str) -> Any:
    """The bits of what numpy does not know by itself, as the fixtures store them."""
    if array.dtype.names:
        assert array.dtype.names == (dtype,)  # quantised types have one field of their own name
        return array.view(array.dtype[0])
    if dtype.startswith(_FLOAT_BITS):
        return array.view(f"u{array.dtype.itemsize}")
    if dtype in _NARROW:
        return array.astype(np.int8 if dtype.startswith("i") else np.uint8)
    return array


@pytest.mark.parametrize(("path", "name"), CASES)
def test_constant_decodes_bit_for_bit(path: Path, name: str) -> None:
    expected = expectations(path)[name]
    tensor = tensors(path)[name]
    assert tensor.dtype.name == expected["dtype"]
    assert tensor.shape.as_list() == expected["shape"]
    if not has_arrays(tensor.dtype):
        pytest.skip(f"the installed ml_dtypes has no {tensor.dtype}")
    array = tensor.numpy()
    assert list(array.shape) == expected["shape"]
    if expected["dtype"] == "string":
        assert [base64.b64encode(item).decode() for item in array.ravel()] == expected["values"]
        return
    stored = stored_arrays(path)[name]
    found = comparable(array, expected["dtype"])
    assert found.dtype == stored.dtype
    assert found.tobytes() == stored.tobytes()


def test_newest_set_holds_every_dtype_that_has_values() -> None:
    found = {item["dtype"] for item in expectations(DTYPE_SETS[-1]).values()}
    assert found == {dtype.name for dtype in all_dtypes() if dtype.kind != "h"}


@pytest.mark.parametrize("path", DTYPE_SETS, ids=lambda path: path.stem)
def test_decoded_arrays_belong_to_the_caller(path: Path) -> None:
    """They can be written to, and a second reading does not see what was written."""
    for tensor in tensors(path).values():
        if not has_arrays(tensor.dtype):
            continue
        array = tensor.numpy()
        before = array.tobytes() if array.dtype != object else array.tolist()
        if array.size and array.dtype != object:
            array.reshape(-1).view(np.uint8)[:] ^= 1
            assert tensor.numpy().tobytes() == before


@pytest.mark.parametrize("dtype", all_dtypes(), ids=str)
def test_names_lead_back_to_numbers(dtype: Any) -> None:
    assert dtype_named(dtype.name) == dtype
    reference = type(dtype)(dtype + 100)
    assert reference.is_ref
    assert reference.base == dtype
    assert reference.name == f"{dtype.name}_ref"
    assert dtype_named(reference.name) == reference


@pytest.mark.parametrize("number", [-5, 0, 99, 100, 134, 2**31 - 1])
def test_unknown_numbers_have_a_name_and_no_array(number: int) -> None:
    dtype = type(all_dtypes()[0])(number)
    assert not dtype.known
    assert dtype.kind == "?"
    assert dtype.name
    with pytest.raises(TypeError):
        dtype.numpy()
