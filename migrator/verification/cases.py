"""Inputs to verify on: made to fit the graph, from a fixed seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from migrator.errors import UsageError
from migrator.graph.inline import inline_calls
from migrator.graph.wiring import Wiring
from migrator.model.dtypes import BOOL, DType
from migrator.model.graph import Graph
from migrator.model.tensors import Shape, TensorRef
from migrator.verification.examples import encode_example
from migrator.verification.ranges import Hints, find_hints
from migrator.verification.samples import sample_bytes
from migrator.verification.sparse import settle_sparse
from migrator.verification.windows import smallest_side


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """An input to make values for. ``fixed`` is a value that it always gets (a control)."""

    name: str
    tensor: str
    dtype: DType
    shape: Shape
    fixed: Any = None
    keys: tuple[Any, ...] = ()
    """Values that a lookup table knows; most of what is made is among them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """Arrays by input name."""

    name: str
    about: str
    arrays: Mapping[str, Any] = field(repr=False)


_SIZES = ((1, 5, 64), (2, 8, 96), (3, 12, 64))
"""(batch, length, image side) of the cases, where these are free."""
_TAME_SIZES = ((1, 1, 32), (2, 2, 128), (1, 16, 224), (2, 16, 299), (4, 4, 32))
_MOST_SWITCHES = 8
_KNOWN, _SEVERAL = 0.8, 0.3
"""Share of strings that are keys of a table, and of those that are several in a row."""
_MOST_DIMENSIONS = 32
_MOST_ELEMENTS = 1 << 27
_FREE_FEATURES = 8
"""Size of an unknown last dimension that nothing tells about."""


def make_cases(graph: Graph | None, inputs: Sequence[InputSpec], *, seed: int) -> list[Case]:
    """Cases of several batch sizes and lengths; the same for the same seed.

    Integers stay inside of the table that they index, lengths inside of their sequence, pixels
    in their range; string inputs hold what is decoded from them. Without a graph only dtypes and
    shapes are known.
    """
    wiring = _wiring(graph)
    hints = {item.name: _hints(wiring, item) for item in inputs}
    sizes: Sequence[tuple[int, int, int]] = _SIZES
    if not any(_is_free(item, hints[item.name]) for item in inputs):
        sizes = (_SIZES[0], _SIZES[0])
    if not inputs:
        sizes = sizes[:1]
    sizes = _with_room(sizes, inputs, hints, wiring)
    cases = [
        _case(inputs, hints, index, size, seed, plain=False) for index, size in enumerate(sizes)
    ]
    # A switch that stays an input must work both ways.
    for item in [item for item in inputs if isinstance(item.fixed, bool)][:_MOST_SWITCHES]:
        turned = [replace(o, fixed=not o.fixed) if o is item else o for o in inputs]
        case = _case(turned, hints, len(cases), sizes[-1], seed, plain=False)
        cases.append(replace(case, about=f"{case.about}, {item.name} = {not item.fixed}"))
    return cases


def tamer_cases(graph: Graph | None, inputs: Sequence[InputSpec], *, seed: int) -> list[Case]:
    """Tamer cases, for a model that refused the others: small integers, equal dimensions."""
    wiring = _wiring(graph)
    hints = {item.name: _hints(wiring, item) for item in inputs}
    tame = _with_room(_TAME_SIZES, inputs, hints, wiring)
    return [
        _case(inputs, hints, index + len(_SIZES) + _MOST_SWITCHES, size, seed, plain=True)
        for index, size in enumerate(tame)
    ]


def _wiring(graph: Graph | None) -> Wiring | None:
    """Of the graph with its calls inlined: in TensorFlow 2 what reads an input lies in bodies."""
    return None if graph is None else Wiring(inline_calls(graph, lambda _: True))


def _hints(wiring: Wiring | None, item: InputSpec) -> Hints:
    number = wiring.index.get(TensorRef.parse(item.tensor).node) if wiring else None
    if wiring is None or number is None:
        return Hints(shape=item.shape)
    return find_hints(wiring, number, item.dtype, item.shape)


def _with_room(
    sizes: Sequence[tuple[int, int, int]],
    inputs: Sequence[InputSpec],
    hints: Mapping[str, Hints],
    wiring: Wiring | None,
) -> Sequence[tuple[int, int, int]]:
    """``sizes`` with the sides of pictures large enough for the windows that look at them."""
    if wiring is None:
        return sizes
    free = [
        item for item in inputs if hints[item.name].is_image and _is_free(item, hints[item.name])
    ]
    numbers = [wiring.index.get(TensorRef.parse(item.tensor).node) for item in free]
    sides = sorted({side for _, _, side in sizes})
    room = {
        side: max(
            (smallest_side(wiring, number, side) for number in numbers if number is not None),
            default=side,
        )
        for side in sides
    }
    return [(batch, length, room[side]) for batch, length, side in sizes]


def _is_free(item: InputSpec, hints: Hints) -> bool:
    return item.fixed is None and (hints.shape.dims is None or None in hints.shape.dims)


def _case(
    inputs: Sequence[InputSpec],
    hints: Mapping[str, Hints],
    index: int,
    size: tuple[int, int, int],
    seed: int,
    *,
    plain: bool,
) -> Case:
    import numpy as np

    batch, length, _ = size
    random = np.random.default_rng([seed, index])
    shapes = {
        item.name: _shape(
            item.shape if item.fixed is not None else hints[item.name].shape,
            size,
            is_image=hints[item.name].is_image,
            unknown=() if item.fixed is not None else _guess(index, size),
        )
        for item in inputs
    }
    longest = _sequence_length(inputs, hints, shapes, length)
    arrays = {
        item.name: _values(
            random, item, hints[item.name], shapes[item.name], longest, index, plain=plain
        )
        for item in inputs
    }
    arrays = settle_sparse(inputs, arrays, batch, random, tame=plain)
    about = f"batch {batch}, length {length}" + (", tame values" if plain else "")
    return Case(name=f"case{index}", about=about, arrays=arrays)


def _guess(index: int, size: tuple[int, int, int]) -> tuple[int, ...]:
    """Another shape for each case, for inputs of which nothing tells even the rank."""
    batch, length, side = size
    shapes = (
        (),
        (batch,),
        (batch, length),
        (batch, side, side, 3),
        (batch, length, _FREE_FEATURES),
    )
    return shapes[index % len(shapes)]


def _shape(
    shape: Shape, size: tuple[int, int, int], *, is_image: bool, unknown: tuple[int, ...]
) -> tuple[int, ...]:
    """``shape`` with its free dimensions chosen; ``unknown`` where even the rank is free."""
    batch, length, side = size
    dims = shape.dims
    if dims is None:
        return unknown
    filled = []
    for position, dim in enumerate(dims):
        if dim is not None:
            filled.append(dim)
        elif is_image:
            first = len(dims) == 4 and position == 0
            filled.append(batch if first else side)
        elif position == 0:
            filled.append(batch)
        elif position == 1:
            filled.append(length)
        else:
            filled.append(_FREE_FEATURES)
    return tuple(filled)


def _sequence_length(
    inputs: Sequence[InputSpec],
    hints: Mapping[str, Hints],
    shapes: Mapping[str, tuple[int, ...]],
    length: int,
) -> int:
    """The shortest second dimension among the inputs that may be sequences."""
    found = [
        shapes[item.name][1]
        for item in inputs
        if len(shapes[item.name]) > 1 and not hints[item.name].is_length
    ]
    return min(found, default=length)


def _values(
    random: Any,
    item: InputSpec,
    hints: Hints,
    shape: tuple[int, ...],
    longest: int,
    index: int,
    *,
    plain: bool,
) -> Any:
    import numpy as np

    _check_size(item, shape)
    dtype = item.dtype
    if item.fixed is not None:
        return np.full(shape, item.fixed, dtype=dtype.numpy())
    if dtype == BOOL:
        if shape == ():  # a switch: every second case takes the other way
            return np.asarray(index % 2 == 0)
        return np.asarray(random.random(shape) < 0.5)
    if dtype.kind == "s":
        return _strings(random, hints, shape, item.keys, plain=plain)
    if item.keys and dtype.is_integer and hints.limit is None and not plain:
        known = np.asarray(item.keys)[random.integers(0, len(item.keys), shape)]
        return np.where(random.random(shape) < _KNOWN, known, known + 1).astype(dtype.numpy())
    if dtype.is_integer or (hints.limit is not None and dtype.is_floating):
        return _integers(random, dtype, hints, shape, longest, plain=plain)
    if dtype.kind == "q":
        return random.integers(0, 100, shape).astype(dtype.numpy())
    if hints.normal and not plain:
        values = random.standard_normal(shape)
    else:
        values = random.uniform(hints.low, hints.high, shape)
    if dtype.kind == "c":
        values = values + 1j * random.standard_normal(shape)
    return np.asarray(values).astype(dtype.numpy())


def _check_size(item: InputSpec, shape: tuple[int, ...]) -> None:
    """Raise UsageError where no array of that shape can be made up here."""
    if len(shape) > _MOST_DIMENSIONS or math.prod(shape) > _MOST_ELEMENTS:
        raise UsageError(
            f"no values are made up for input {item.name!r} of shape {list(shape)}",
            hint="give real ones with --data, or a smaller shape",
        )


def _integers(
    random: Any, dtype: DType, hints: Hints, shape: tuple[int, ...], longest: int, *, plain: bool
) -> Any:
    import numpy as np

    if hints.is_length:
        longest = max(longest, 1)
        values = random.integers(1, longest + 1, shape)
        if values.size:  # somebody uses the whole length
            values.reshape(-1)[0] = longest
    elif hints.limit is not None:
        values = random.integers(0, max(hints.limit, 1), shape)
        if values.size:  # the last row too
            values.reshape(-1)[-1] = max(hints.limit, 1) - 1
    elif dtype.name == "uint8" and not plain:
        values = random.integers(0, 256, shape)
    elif plain:
        values = np.ones(shape, dtype=np.int64)
    elif shape == ():
        values = random.integers(1, 6, shape)
    else:
        values = random.integers(0, 4, shape)
    return np.asarray(values).astype(dtype.numpy())


def _strings(
    random: Any, hints: Hints, shape: tuple[int, ...], keys: Sequence[Any], *, plain: bool
) -> Any:
    import numpy as np

    values = np.empty(shape, dtype=object)
    flat = [_string(random, hints, keys, plain=plain) for _ in range(values.size)]
    if shape == ():
        return np.array(flat[0], dtype=object)
    values.reshape(-1)[:] = flat
    return values


def _string(random: Any, hints: Hints, keys: Sequence[Any], *, plain: bool) -> bytes:
    """What the graph parses; else mostly something that a table knows, or several of these."""
    if hints.features:
        return encode_example(hints.features, random, keys, tame=plain)
    if keys and not hints.decoder and random.random() < _KNOWN:
        picked = [keys[index] for index in random.integers(0, len(keys), random.integers(1, 4))]
        return b" ".join(picked) if random.random() < _SEVERAL else bytes(picked[0])
    return sample_bytes(hints.decoder, random)
