"""The forms that a TensorProto takes: repeated values, packed bytes, and sizes that disagree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.errors import FormatError, LimitError
from migrator.formats.tensors import constant_tensor
from migrator.limits import Limits
from migrator.model.dtypes import BOOL, FLOAT32, INT32, STRING, DType
from migrator.model.tensors import LazyTensor, Shape
from tests import strategies, wire
from tests.equality import contents
from tests.handmade import read_graph


def lazy(payload: bytes, limits: Limits | None = None) -> LazyTensor:
    """A TensorProto as the constant of a graph."""
    node = wire.node("c", "Const", [], {"value": wire.Raw(wire.block(8, payload))})
    value = read_graph(wire.graph([node]), limits or Limits()).graph.nodes[0].attrs["value"]
    assert isinstance(value, LazyTensor)
    return value


def floats(*values: float, packed: bool = True) -> bytes:
    if packed:
        return wire.block(5, np.array(values, "<f4").tobytes())
    return b"".join(wire.single(5, value) for value in values)


@pytest.mark.parametrize("packed", [True, False])
def test_a_short_list_repeats_its_last_value(packed: bool) -> None:
    found = lazy(wire.tensor(wire.FLOAT, [2, 3], floats(1.5, -2.0, packed=packed))).numpy()
    assert found.tolist() == [[1.5, -2.0, -2.0], [-2.0, -2.0, -2.0]]


@pytest.mark.parametrize(
    ("dtype", "expected"), [(wire.FLOAT, 0.0), (wire.BOOL, False), (wire.STRING, b"")]
)
def test_an_empty_list_is_zeros(dtype: int, expected: object) -> None:
    found = lazy(wire.tensor(dtype, [2, 2])).numpy()
    assert found.tolist() == [[expected] * 2] * 2


@pytest.mark.parametrize("dtype", [wire.FLOAT, wire.INT64, wire.STRING])
def test_a_tensor_without_elements_is_empty(dtype: int) -> None:
    assert lazy(wire.tensor(dtype, [0, 7])).numpy().shape == (0, 7)


@given(strategies.arrays())
def test_content_and_repeated_values_say_the_same(found: tuple[DType, Any]) -> None:
    dtype, array = found
    tensor = constant_tensor(array, dtype)
    assert tensor.dtype == dtype
    assert tensor.shape == Shape(array.shape)
    again = tensor.numpy()
    assert again.shape == array.shape
    assert again.dtype == array.dtype
    if dtype == STRING:
        assert again.tolist() == array.tolist()
    else:
        assert again.tobytes() == array.tobytes()


@given(st.integers(0, 40), st.integers(0, 12))
def test_content_of_a_wrong_size_is_refused(size: int, elements: int) -> None:
    payload = wire.tensor(wire.FLOAT, [elements], wire.block(4, bytes(size)))
    if size in (0, 4 * elements):  # none at all counts as an empty list
        assert lazy(payload).numpy().shape == (elements,)
        return
    with pytest.raises(FormatError, match="tensor_content holds"):
        lazy(payload).numpy()


def test_more_values_than_elements_are_refused() -> None:
    with pytest.raises(FormatError, match="holds 3 values"):
        lazy(wire.tensor(wire.FLOAT, [2], floats(1, 2, 3))).numpy()


def test_errors_name_the_file_and_the_attribute() -> None:
    with pytest.raises(FormatError) as caught:
        lazy(wire.tensor(wire.FLOAT, [2], floats(1, 2, 3))).numpy()
    assert caught.value.where == "graph.pb: node[0].attr['value']"


@pytest.mark.parametrize("sizes", [None, [-1, 3]])
def test_a_constant_of_unknown_shape_has_no_values(sizes: list[int] | None) -> None:
    tensor = lazy(wire.tensor(wire.FLOAT, sizes, floats(1)))
    assert tensor.elements == 0
    with pytest.raises(FormatError, match="has no values"):
        tensor.numpy()


@pytest.mark.parametrize("dtype", [wire.RESOURCE, 21, 0, 77, -3, 101])
def test_a_type_without_an_array_form_is_refused_only_when_decoded(dtype: int) -> None:
    tensor = lazy(wire.tensor(dtype, [2]))
    assert tensor.dtype == dtype
    if dtype == 101:  # a reference to a float: its values are floats
        assert tensor.numpy().tolist() == [0.0, 0.0]
        return
    with pytest.raises(FormatError):
        tensor.numpy()


@pytest.mark.parametrize(
    "sizes",
    [
        [2**62],
        [2**31, 2**31],
        [2**62, 2**62],
        [2**62] * 17,  # more than a double can say
        [2**62] * 254,
        [2**62] * 1000,  # more digits than Python prints
    ],
    ids=lambda sizes: f"{len(sizes)}-dims",
)
def test_a_claimed_size_past_the_limit_is_refused_without_memory(sizes: list[int]) -> None:
    tensor = lazy(wire.tensor(wire.FLOAT, sizes, floats(1)))
    with pytest.raises((LimitError, FormatError)):
        tensor.numpy()


def test_the_limit_on_one_tensor_is_the_callers() -> None:
    tensor = lazy(wire.tensor(wire.FLOAT, [100], floats(1)), Limits(tensor_bytes=399))
    with pytest.raises(LimitError, match="400 bytes"):
        tensor.numpy()


def test_huge_dims_beside_a_zero_are_no_elements() -> None:
    assert lazy(wire.tensor(wire.FLOAT, [2**40, 0])).numpy().shape == (2**40, 0)


def test_zero_elements_of_impossible_dims_are_refused_in_one_error() -> None:
    """numpy cannot make [2**62, 2**62, 0] although it has no elements."""
    tensor = lazy(wire.tensor(wire.FLOAT, [2**62, 2**62, 0]))
    with pytest.raises((FormatError, LimitError)):
        tensor.numpy()


def test_more_dims_than_numpy_has_are_refused_in_one_error() -> None:
    tensor = lazy(wire.tensor(wire.FLOAT, [1] * 254, floats(1)))
    with pytest.raises((FormatError, LimitError)):
        tensor.numpy()


def test_values_out_of_range_keep_their_low_bits() -> None:
    values = wire.block(7, b"".join(wire.varint(value) for value in (300, -1)))
    assert lazy(wire.tensor(wire.UINT8, [2], values)).numpy().tolist() == [44, 255]


def test_half_values_out_of_range_keep_their_low_bits() -> None:
    values = wire.block(13, wire.varint(0x13C00) + wire.varint(-1))
    found = lazy(wire.tensor(wire.HALF, [2], values)).numpy()
    assert found.view(np.uint16).tolist() == [0x3C00, 0xFFFF]


def test_an_odd_number_of_complex_parts_is_no_crash() -> None:
    values = wire.block(9, np.array([1, 2, 3], "<f4").tobytes())
    found = contents(lazy(wire.tensor(8, [2], values)))
    assert found == "FormatError" or isinstance(found, bytes)


def test_large_tensors_decode_like_small_ones() -> None:
    """Past the inline size a tensor stays in the file, whatever its form."""
    for count in (1000, 1100, 100_000):
        array = np.arange(count, dtype=np.float32)
        assert (lazy(wire.array_tensor(array)).numpy() == array).all()
        assert (lazy(wire.tensor(wire.FLOAT, [count], floats(*array))).numpy() == array).all()


def test_a_header_behind_the_content_is_found() -> None:
    content = np.arange(3000, dtype=np.int32)
    payload = (
        wire.block(4, content.tobytes())
        + wire.block(2, wire.shape([3000]))
        + wire.number(1, wire.INT32)
    )
    tensor = lazy(payload)
    assert tensor.dtype == INT32
    assert (tensor.numpy() == content).all()


def test_a_header_stated_twice_in_a_large_tensor_is_refused_or_the_last() -> None:
    """protobuf takes the last one; a reader that took the first would lie about the weights."""
    content = np.zeros(3000, dtype=np.float32)
    payload = wire.array_tensor(content) + wire.number(1, wire.INT32)
    tensor = lazy(payload)
    found = contents(tensor)
    assert found == "FormatError" or tensor.dtype == INT32


def test_strings_in_tensor_content_are_not_read_as_values() -> None:
    found = lazy(wire.tensor(wire.STRING, [1], wire.block(4, b"\x01a"))).numpy()
    assert found.tolist() == [b""]


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(True, BOOL), (3, INT32), ([[1.5, 2.5]], FLOAT32), ("text", STRING), (["a", b"\0"], STRING)],
)
def test_constants_are_made_from_python_values(value: Any, dtype: DType) -> None:
    found = constant_tensor(value, dtype).numpy()
    expected = np.array(value, dtype=object if dtype == STRING else dtype.numpy())
    assert found.shape == expected.shape
    flat = [item.encode() if isinstance(item, str) else item for item in expected.ravel()]
    assert list(found.ravel()) == flat


def test_ragged_lists_are_refused() -> None:
    with pytest.raises(ValueError, match="inhomogeneous"):
        constant_tensor([[1], [1, 2]], INT32)
