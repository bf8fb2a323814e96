"""The value of a scalar constant, read without numpy, is the one that numpy gives."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.errors import MigratorError
from migrator.formats.scalars import scalar_value
from migrator.model.dtypes import DType
from tests import wire
from tests.formats.test_tensor_forms import lazy

PLAIN = (1, 2, 3, 4, 5, 6, 9, 10, 14, 17, 19, 22, 23)
OTHER = (7, 24, 25, 29, 30, 101, 103)


def outcome(call: Any) -> object:
    try:
        return call()
    except MigratorError as error:
        return type(error), str(error)


def same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return type(one) is type(other) and repr(one) == repr(other)


def agrees(payload: bytes) -> None:
    tensor = lazy(payload)
    assert same(outcome(lambda: scalar_value(tensor)), outcome(lambda: tensor.numpy().item()))


@given(st.sampled_from(PLAIN + OTHER), st.data())
def test_packed_content_reads_as_in_numpy(number: int, data: st.DataObject) -> None:
    size = DType(number).itemsize
    content = data.draw(st.binary(min_size=size, max_size=size) | st.binary(max_size=9))
    if number in (29, 30):  # of four bits only the low ones are values
        content = bytes(byte & 7 for byte in content)
    agrees(wire.tensor(number, [], wire.block(4, content)))


_FIELDS = {"float_val": 5, "double_val": 6, "int_val": 7, "string_val": 8, "int64_val": 10,
           "bool_val": 11, "half_val": 13, "uint32_val": 16, "uint64_val": 17}  # fmt: skip


@given(st.sampled_from(PLAIN + OTHER), st.lists(st.integers(0, 2**64 - 1), max_size=3), st.data())
def test_listed_values_read_as_in_numpy(
    number: int, values: list[int], data: st.DataObject
) -> None:
    field = _FIELDS.get(DType(number).values_field or "", 7)
    if field in (5, 6, 8):
        size = {5: 4, 6: 8}.get(field, 3)
        words = data.draw(st.lists(st.binary(min_size=size, max_size=size), max_size=2))
        body = wire.block(field, b"".join(words)) if field != 8 else b""
        if field == 8:
            body = b"".join(wire.block(8, word) for word in words)
        agrees(wire.tensor(number, [], body))
        return
    agrees(wire.tensor(number, [], b"".join(wire.number(field, value) for value in values)))


@pytest.mark.parametrize("sizes", [[1], [2, 3], None])
def test_a_tensor_that_is_no_scalar_is_left_to_numpy(sizes: list[int] | None) -> None:
    tensor = lazy(wire.tensor(wire.FLOAT, sizes))
    if sizes == [1]:
        assert scalar_value(tensor) == 0.0
    else:
        with pytest.raises((ValueError, MigratorError)):
            scalar_value(tensor)
