"""Cases for a signature that takes encoded pictures, and for the one that takes their pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from migrator.verification.cases import Case
from migrator.verification.samples import encode_png

_RANGES = {"0..255": (1.0, 0.0), "0..1": (1 / 255, 0.0), "-1..1": (1 / 127.5, -1.0)}


def picture_cases(case: Case, ranges: Mapping[str, str]) -> tuple[Case, Case]:
    """The case with random pixels in the inputs of ``ranges``, and with the same as PNGs.

    The arrays of ``case`` give the shapes [batch, height, width, channels]; PNG loses nothing, so
    both must come out alike.
    """
    import numpy as np

    random = np.random.default_rng(len(case.name))
    pixels, pictures = dict(case.arrays), dict(case.arrays)
    for name, words in ranges.items():
        like = case.arrays[name]
        values = random.integers(0, 256, like.shape, dtype=np.uint8)
        factor, offset = (np.float32(number) for number in _RANGES[words])
        if like.dtype.kind == "f":
            pixels[name] = (values.astype(np.float32) * factor + offset).astype(like.dtype)
        else:
            pixels[name] = values.astype(like.dtype)
        encoded = np.empty(len(values), dtype=object)
        encoded[:] = [encode_png(item) for item in values]
        pictures[name] = encoded
    return replace(case, arrays=pixels), replace(case, arrays=pictures)
