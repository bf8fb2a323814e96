"""Sparse inputs: a triple of dense arrays that have to fit each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from migrator.verification.cases import InputSpec

_WIDEST = 3
_MOST_RANK = 8


def settle_sparse(
    inputs: Sequence[InputSpec], arrays: Mapping[str, Any], batch: int, random: Any, *, tame: bool
) -> dict[str, Any]:
    """``arrays`` with every sparse triple made one: indices in order and inside of the shape.

    ``X_values``, ``X_indices`` and ``X_dense_shape`` are one, as migrate names them where a
    signature has a sparse input. A ``tame`` one has one value in each row.
    """
    import numpy as np

    found = dict(arrays)
    for values, indices, shape, rank in _triples(inputs):
        sizes = [batch] + [1 if tame else _WIDEST] * (rank - 1)
        cells = list(np.ndindex(*sizes))
        kept = cells if tame else [cell for cell in cells if random.random() < 0.5] or cells[:1]
        found[shape] = np.asarray(sizes, dtype=np.int64)
        found[indices] = np.asarray(kept, dtype=np.int64).reshape(len(kept), rank)
        if found[values].size:
            found[values] = np.resize(found[values], len(kept))
    return found


def _triples(inputs: Sequence[InputSpec]) -> Iterator[tuple[str, str, str, int]]:
    """(values, indices, dense shape, rank) by name, where types and ranks fit."""
    by_name = {item.name: item for item in inputs if item.fixed is None}
    for name, item in by_name.items():
        base = name.removesuffix("_dense_shape")
        values, indices = by_name.get(f"{base}_values"), by_name.get(f"{base}_indices")
        if base == name or values is None or indices is None:
            continue
        if not item.dtype.name == indices.dtype.name == "int64" or values.shape.rank != 1:
            continue
        ranks = {
            dims[-1]
            for spec, length in ((item, 1), (indices, 2))
            if (dims := spec.shape.dims) is not None and len(dims) == length
        } - {None}
        rank = max((size for size in ranks if size is not None), default=2)
        if len(ranks) <= 1 and 1 <= rank <= _MOST_RANK:
            yield values.name, indices.name, name, rank
