"""Sparse tensors as TFLite files hold them, made from dense ones element by element."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests import flat

DENSE, CSR = 0, 1
INT32, UINT16, UINT8 = 1, 2, 3
_CODES = {INT32: "i", UINT16: "H", UINT8: "B"}
DENSIFY = 124


@dataclass(kw_only=True)
class Level:
    """A level as it is written; ``kinds``: the types of the vectors of segments and indices."""

    form: int
    size: int = 0
    segments: list[int] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    kinds: tuple[int, int] = (INT32, INT32)


@dataclass(kw_only=True)
class Sparse:
    order: Sequence[int]
    blocks: Sequence[int]
    levels: list[Level]
    values: Any

    def part(self) -> flat.Part:
        return flat.table(
            {
                0: ("@", flat.numbers("i", self.order)),
                1: ("@", flat.numbers("i", self.blocks)),
                2: ("@", flat.tables([_level(item) for item in self.levels])),
            }
        )


def _level(level: Level) -> flat.Part:
    fields: dict[int, tuple[str, Any]] = {0: ("b", level.form), 1: ("i", level.size)}
    if level.form == CSR:
        for slot, kind, numbers in zip(
            (2, 4), level.kinds, (level.segments, level.indices), strict=True
        ):
            held = flat.table({0: ("@", flat.numbers(_CODES.get(kind, "i"), numbers))})
            fields |= {slot: ("B", kind), slot + 1: ("@", held)}
    return flat.table(fields)


def encode(
    array: Any,
    forms: Sequence[int],
    *,
    order: Sequence[int] = (),
    blocks: Sequence[tuple[int, int]] = (),
    kinds: tuple[int, int] = (INT32, INT32),
) -> Sparse:
    """``forms``: DENSE or CSR by level; ``blocks``: (dimension, size) of each block dimension."""
    rank = array.ndim
    order = order or range(rank + len(blocks))
    sizes = list(array.shape)
    for dimension, size in blocks:
        sizes[dimension] //= size
    sizes += [size for _, size in blocks]

    def element(path: Sequence[int]) -> Any:
        at = [0] * rank
        own = dict(zip(order, path, strict=True))
        for dimension in range(rank):
            at[dimension] = own[dimension]
        for number, (dimension, size) in enumerate(blocks):
            at[dimension] = at[dimension] * size + own[rank + number]
        return array[tuple(at)]

    extents = [sizes[item] for item in order]
    levels = [
        Level(form=form, size=extent if form == DENSE else 0, kinds=kinds)
        for form, extent in zip(forms, extents, strict=True)
    ]
    entries: list[tuple[int, ...]] = [()]
    for depth, level in enumerate(levels):
        below = [range(extent) for extent in extents[depth + 1 :]]
        found = []
        level.segments = [0]
        for entry in entries:
            for index in range(extents[depth]):
                path = (*entry, index)
                if level.form == CSR:
                    if not any(element((*path, *rest)) for rest in itertools.product(*below)):
                        continue
                    level.indices.append(index)
                found.append(path)
            level.segments.append(len(found))
        entries = found
    values = np.array([element(path) for path in entries], array.dtype)
    return Sparse(order=order, blocks=[item for item, _ in blocks], levels=levels, values=values)


def file_of(sparse: Sparse, shape: Sequence[int], kind: int = 0) -> bytes:
    """A model that makes one sparse constant, ``held``, dense."""
    held = flat.table(
        {
            0: ("@", flat.numbers("i", shape)),
            1: ("b", kind),
            2: ("I", 1),
            3: ("@", flat.raw(b"held")),
            6: ("@", sparse.part()),
            8: ("?", True),
        }
    )
    content = sparse.values.tobytes()
    return flat.tflite(
        tensors=flat.tables([held, flat.tensor("dense", shape, kind)]),
        operators=flat.tables([flat.operator([0], [1])]),
        outputs=[1],
        buffers=flat.tables([flat.table({}), flat.table({0: ("@", flat.aligned(content))})]),
        codes=flat.tables([flat.table({0: ("b", DENSIFY), 3: ("i", DENSIFY)})]),
    )


def holed(shape: Sequence[int], dtype: Any, seed: int = 0) -> Any:
    """Numbers of which two thirds are zero, whole rows among them."""
    random = np.random.default_rng(seed)
    found = random.integers(-100, 100, shape) * (random.random(shape) < 0.4)
    if len(shape) > 1:
        found[1] = 0
    return found.astype(dtype)


LAYOUTS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "csr": ((5, 7), {"forms": (DENSE, CSR)}),
    "columns first": ((5, 7), {"forms": (DENSE, CSR), "order": (1, 0)}),
    "both sparse": ((5, 7), {"forms": (CSR, CSR)}),
    "sparse above dense": ((4, 3, 5), {"forms": (CSR, DENSE, CSR), "order": (2, 0, 1)}),
    "all dense": ((2, 3), {"forms": (DENSE, DENSE)}),
    "one dimension": ((300,), {"forms": (CSR,), "kinds": (UINT16, UINT16)}),
    "blocks of a row": (
        (6, 16),
        {"forms": (DENSE, CSR, DENSE), "blocks": [(1, 4)], "kinds": (UINT8, UINT8)},
    ),
    "square blocks": (
        (8, 6),
        {"forms": (DENSE, CSR, DENSE, DENSE), "blocks": [(0, 2), (1, 3)], "kinds": (UINT16, UINT8)},
    ),
    "blocks by columns": (
        (8, 6),
        {
            "forms": (CSR, CSR, DENSE, DENSE),
            "order": (1, 0, 3, 2),
            "blocks": [(0, 2), (1, 3)],
            "kinds": (UINT8, UINT16),
        },
    ),
    "convolution": (
        (4, 1, 1, 32),
        {"forms": (DENSE, DENSE, DENSE, CSR, DENSE), "blocks": [(3, 8)]},
    ),
}
"""Name -> shape and how it is stored."""
