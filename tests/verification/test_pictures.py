"""What a numeric input makes of pictures: their form, their batch, the scale of their pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from migrator.errors import UsageError
from migrator.model.dtypes import dtype_named
from migrator.model.tensors import Shape
from migrator.verification.cases import InputSpec
from migrator.verification.pictures import PictureForm, batch_of, parse_scale, picture_form

Dims = tuple[int | None, ...] | None


def spec(dims: Dims, dtype: str = "float32") -> InputSpec:
    return InputSpec(name="x", tensor="x:0", dtype=dtype_named(dtype), shape=Shape(dims))


@pytest.mark.parametrize(
    ("dims", "expected"),
    [
        ((None, 224, 192, 3), PictureForm(height=224, width=192, channels=3)),
        ((1, None, None, 4), PictureForm(height=None, width=None, channels=4)),
        ((None, 28, 28, 1), PictureForm(height=28, width=28, channels=1)),
        ((8, 6, 3), PictureForm(height=8, width=6, channels=3)),
        ((None, 3, 8, 6), PictureForm(height=8, width=6, channels=3, channels_first=True)),
        ((None, 8, 6), PictureForm(height=8, width=6, channels=1, channels_last=False)),
        ((None, None, None, None), PictureForm(height=None, width=None, channels=3)),
        (None, PictureForm(height=None, width=None, channels=3)),
    ],
)
def test_the_form_is_read_off_the_shape(dims: Dims, expected: PictureForm) -> None:
    assert picture_form(spec(dims), where="") == expected


@pytest.mark.parametrize("dims", [(), (None,), (None, 784), (None, 8, 8, 2), (1, 1, 8, 8, 3)])
def test_shapes_that_take_no_picture_are_refused(dims: Dims) -> None:
    with pytest.raises(UsageError, match="does not fit input 'x'"):
        picture_form(spec(dims), where="cat.jpg")


def test_types_that_take_no_picture_are_refused() -> None:
    with pytest.raises(UsageError, match="takes bool"):
        picture_form(spec((None, 8, 8, 3), "bool"), where="cat.jpg")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0..1", [0, 0.2, 1]),
        ("unit", [0, 0.2, 1]),
        ("-1..1", [-1, -0.6, 1]),
        ("signed", [-1, -0.6, 1]),
        ("raw", [0, 51, 255]),
        ("127.5,127.5", [-1, -0.6, 1]),
        ("0:0:0,255:255:255", [0, 0.2, 1]),
        ("1e1,.5", [-20, 82, 490]),
    ],
)
def test_scales(text: str, expected: list[float]) -> None:
    scale = parse_scale(text)
    pixels = np.array([0, 51, 255]) * np.array(scale.factor)[0] + np.array(scale.offset)[0]
    np.testing.assert_allclose(pixels, expected, atol=1e-12)


@pytest.mark.parametrize(
    "text", ["", "1", "0..", "1..1", "0..1e999", "nan,1", "1,0", "1:2,1:2:3", "a,b", "1,2,3"]
)
def test_what_is_no_scale_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--scale"):
        parse_scale(text)


def pictures(count: int, channels: int = 3) -> list[Any]:
    pixels = np.arange(count * 2 * 5 * channels, dtype=np.uint8)
    return list(pixels.reshape(count, 2, 5, channels))


def batch(item: InputSpec, given: list[Any], scale: str | None = None) -> Any:
    form = picture_form(item, where="")
    return batch_of(given, form, item, parse_scale(scale) if scale else None, where="w")


def test_pictures_are_stacked_in_the_order_of_the_input() -> None:
    given = pictures(2)
    plain = batch(spec((None, 2, 5, 3), "uint8"), given)
    assert (plain.dtype, plain.shape) == (np.uint8, (2, 2, 5, 3))
    assert (plain[1] == given[1]).all()
    first = batch(spec((None, 3, 2, 5)), given, "raw")
    assert first.dtype == np.float32
    assert (first == plain.transpose(0, 3, 1, 2)).all()
    assert batch(spec((2, 5, 3)), given[:1]).shape == (2, 5, 3)
    grey = batch(spec((None, 2, 5), "int32"), pictures(1, 1))
    assert (grey == pictures(1, 1)[0][None, ..., 0]).all()


def test_resized_pixels_are_rounded_for_integers_alone() -> None:
    pixels = [np.full((2, 5, 3), 3.6, np.float32)]
    assert (batch(spec((None, 2, 5, 3), "uint8"), pixels) == 4).all()
    assert (batch(spec((None, 2, 5, 3)), pixels) == np.float32(3.6)).all()


def test_each_channel_has_its_scale() -> None:
    found = batch(spec((None, 2, 5, 3)), pictures(1), "1:2:3,1:1:2")
    expected = (pictures(1)[0].astype(np.float64) - [1, 2, 3]) / [1, 1, 2]
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)
    with pytest.raises(UsageError, match="gives 3 channels, the input has 1"):
        batch(spec((None, 2, 5, 1)), pictures(1, 1), "1:2:3,1")


def test_pictures_of_two_sizes_are_no_batch() -> None:
    with pytest.raises(UsageError, match="differ in size"):
        batch(spec((None, None, None, 3)), [np.zeros((2, 2, 3)), np.zeros((2, 3, 3))])
