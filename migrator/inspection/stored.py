"""What a bare checkpoint holds: its variables, one by one."""

from __future__ import annotations

import os
from dataclasses import dataclass

from migrator.errors import MigratorError
from migrator.model.dtypes import DType
from migrator.model.model import Model
from migrator.model.tensors import LazyTensor, Shape

_PARAMETER_KINDS = frozenset("fcq")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVariable:
    """A tensor of a checkpoint. ``bytes`` is its decoded size, the stored one for strings."""

    name: str
    """Its key."""
    dtype: DType
    shape: Shape
    bytes: int
    shard: str | None
    """Name of the file that it lies in; None for strings, several files, a missing one."""

    @property
    def elements(self) -> int:
        return self.shape.elements or 0

    @property
    def is_parameter(self) -> bool:
        """True for what counts as weights: floating, complex or quantised, of rank one and up."""
        return self.dtype.kind in _PARAMETER_KINDS and bool(self.shape.rank)


def stored_variables(model: Model) -> tuple[StoredVariable, ...]:
    """The variables of a bare checkpoint in the order of their keys; of other models none."""
    return tuple(
        StoredVariable(
            name=name,
            dtype=tensor.dtype,
            shape=tensor.shape,
            bytes=tensor.nbytes,
            shard=_shard(tensor),
        )
        for name, tensor in model.variables.items()
    )


def _shard(tensor: LazyTensor) -> str | None:
    try:
        span = tensor.place()
    except MigratorError:  # the model's warnings tell of a shard that is not there
        return None
    return os.path.basename(span.path) if span is not None else None
