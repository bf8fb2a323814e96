"""A user's data (``--data FILE.npz``) as single samples: to calibrate on, and to verify on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from migrator.errors import UsageError
from migrator.model.tensors import UNKNOWN_SHAPE, Shape
from migrator.verification.cases import Case, InputSpec
from migrator.verification.data import data_case

_MOST_ROWS = 16
"""Of the larger of the two cases."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """``count`` sets of inputs. ``rows`` says how long a sample is in each sliced input."""

    arrays: Mapping[str, Any] = field(repr=False)
    rows: Mapping[str, int]
    count: int
    where: str

    def sample(self, number: int) -> dict[str, Any]:
        """Inputs by name of sample ``number``."""
        return self._slice(number, number + 1)

    def cases(self, specs: Sequence[InputSpec]) -> list[Case]:
        """The first sample, and where the batch is free some of the others as one batch."""
        free = {item.name for item in specs if _leading(item) is None}
        found = [Case(name="data0", about="the first of the data", arrays=self.sample(0))]
        if self.count > 1 and set(self.rows) <= free:
            stop = min(self.count, 1 + _MOST_ROWS)
            about = f"samples 2 to {stop} of the data"
            found.append(Case(name="data1", about=about, arrays=self._slice(1, stop)))
        elif self.count > 1:
            found += [
                Case(name=f"data{n}", about=f"sample {n + 1} of the data", arrays=self.sample(n))
                for n in range(1, min(self.count, 3))
            ]
        return found

    def _slice(self, start: int, stop: int) -> dict[str, Any]:
        return {
            name: array[start * self.rows[name] : stop * self.rows[name]]
            if name in self.rows
            else array
            for name, array in self.arrays.items()
        }


def read_samples(where: str, specs: Sequence[InputSpec]) -> Samples:
    """Read file ``where`` and cut its arrays along the first dimension.

    A sample is one row where that dimension of the input is free, else as many as the input
    takes; an array that holds one sample, or a scalar, serves for all of them. Raises FormatError
    and UsageError as ``data_case`` does, and UsageError for arrays of different lengths or none.
    """
    relaxed = [replace(item, shape=_relaxed(item.shape)) for item in specs]
    arrays = data_case(where, relaxed).arrays
    rows: dict[str, int] = {}
    counts: dict[str, int] = {}
    for item in specs:
        array = arrays[item.name]
        if array.ndim == 0 or item.shape.rank == 0:
            continue
        size = _leading(item) or 1
        count, rest = divmod(array.shape[0], size)
        if rest or not count:
            raise UsageError(
                f"{item.name!r} has {array.shape[0]} rows, the input takes {size} at a time",
                where=where,
            )
        rows[item.name], counts[item.name] = size, count
    total = max(counts.values(), default=1)
    uneven = {name: count for name, count in counts.items() if count not in (1, total)}
    if uneven:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise UsageError(f"holds different numbers of samples: {listed}", where=where)
    sliced = {name: size for name, size in rows.items() if counts[name] == total}
    return Samples(arrays=arrays, rows=sliced, count=total, where=where)


def _leading(item: InputSpec) -> int | None:
    dims = item.shape.dims
    return dims[0] if dims else None


def _relaxed(shape: Shape) -> Shape:
    dims = shape.dims
    if dims is None:
        return UNKNOWN_SHAPE
    return Shape((None, *dims[1:])) if dims else shape
