"""Picture files for numeric inputs: what size and channels are wanted, how pixels are scaled."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from migrator.errors import UsageError
from migrator.verification.cases import InputSpec

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".gif", ".bmp"))
"""What TensorFlow decodes."""
_CHANNELS = (1, 3, 4)
_NAMED_SCALES = {"signed": "-1..1", "unit": "0..1", "raw": "0..255"}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """``pixel * factor + offset`` for pixels of 0 to 255; one number, or one for each channel."""

    factor: tuple[float, ...]
    offset: tuple[float, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureForm:
    """How a picture becomes an array: height and width are None where they are free."""

    height: int | None
    width: int | None
    channels: int
    channels_first: bool = False
    channels_last: bool = True
    """False for an input of greys without a channel dimension."""


def parse_scale(text: str) -> Scale:
    """``LOW..HIGH`` (or ``unit``, ``signed``, ``raw``): the pixels are spread over that range.
    ``MEAN,STD``: ``(pixel - MEAN) / STD``; each a number, or one a channel as ``R:G:B``.

    Raises UsageError.
    """
    where = f"--scale {text}"
    plain = _NAMED_SCALES.get(text, text)
    if match := re.fullmatch(rf"({_NUMBER})\.\.({_NUMBER})", plain):
        low, high = float(match[1]), float(match[2])
        if low == high or not math.isfinite(high - low):
            raise UsageError("the range is empty or endless", where=where)
        return Scale(factor=((high - low) / 255,), offset=(low,), text=plain)
    parts = [part.split(":") for part in plain.split(",")]
    try:
        mean, std = ([float(number) for number in part] for part in parts)
    except ValueError:
        raise UsageError(
            "is neither LOW..HIGH nor MEAN,STD",
            where=where,
            hint="e.g. --scale 0..1, --scale=-1..1 (or signed), --scale 127.5,127.5, "
            "--scale 123.7:116.8:103.9,1",
        ) from None
    if 0 in std or not all(map(math.isfinite, (*mean, *std))):
        raise UsageError("STD is zero, or a number is not finite", where=where)
    if len({len(mean), len(std)} - {1}) > 1:
        raise UsageError("MEAN and STD have unequal channels", where=where)
    count = max(len(mean), len(std))
    mean, std = (numbers * count if len(numbers) == 1 else numbers for numbers in (mean, std))
    return Scale(
        factor=tuple(1 / one for one in std),
        offset=tuple(-one / other for one, other in zip(mean, std, strict=True)),
        text=text,
    )


def picture_form(item: InputSpec, *, where: str) -> PictureForm:
    """What input ``item`` makes of one picture. Raises UsageError where it takes none."""
    dims = item.shape.dims
    if item.dtype.kind not in "fiu":
        raise UsageError(f"is a picture, and input {item.name!r} takes {item.dtype}", where=where)
    if dims is None:
        return PictureForm(height=None, width=None, channels=3)
    if len(dims) == 4:
        found = _body(dims[1:])
    elif len(dims) == 3:
        found = _body(dims) or PictureForm(
            height=dims[1], width=dims[2], channels=1, channels_last=False
        )
    else:
        found = None
    if found is None:
        raise UsageError(
            f"is a picture, which does not fit input {item.name!r} of shape {item.shape}",
            where=where,
            hint="give an array of that shape (.npy, .npz)",
        )
    return found


def _body(dims: tuple[int | None, ...]) -> PictureForm | None:
    """Height, width and channels in one of their two orders."""
    first, middle, last = dims
    if last in _CHANNELS:
        return PictureForm(height=first, width=middle, channels=last or 0)
    if first in _CHANNELS:
        return PictureForm(height=middle, width=last, channels=first or 0, channels_first=True)
    if last is None and first is None:
        return PictureForm(height=first, width=middle, channels=3)
    return None


def batch_of(
    pictures: list[Any], form: PictureForm, item: InputSpec, scale: Scale | None, *, where: str
) -> Any:
    """Decoded pictures (height, width, channels), scaled and in the order that the input takes.

    An array of [batch, ...], or of one picture where the input takes no batch. Raises UsageError
    where the pictures differ in size or the scale in channels.
    """
    import numpy as np

    sizes = {picture.shape for picture in pictures}
    if len(sizes) > 1:
        shown = " and ".join(sorted(str(list(size)) for size in sizes)[:2])
        raise UsageError(
            f"the pictures differ in size ({shown}), so they are no batch", where=where
        )
    stacked = np.stack(pictures)
    if scale is not None:
        if len(scale.factor) not in (1, form.channels):
            raise UsageError(
                f"gives {len(scale.factor)} channels, the input has {form.channels}",
                where=f"--scale {scale.text}",
            )
        stacked = stacked * np.asarray(scale.factor) + np.asarray(scale.offset)
    if not item.dtype.is_floating:
        stacked = np.rint(stacked)
    if form.channels_first:
        stacked = stacked.transpose(0, 3, 1, 2)
    if not form.channels_last:
        stacked = stacked[..., 0]
    array = stacked.astype(item.dtype.numpy())
    rank = item.shape.rank
    return array[0] if rank == array.ndim - 1 and len(pictures) == 1 else array
