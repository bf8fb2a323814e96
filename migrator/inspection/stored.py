"""What lies beside a graph, or without one: the variables of a file, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from migrator.inspection.evaluation import stored_by_metrics
from migrator.inspection.optimizer import stored_by_optimizer
from migrator.inspection.weights import VARIABLE, Weight, is_carried_weight
from migrator.model.brief import brief
from migrator.model.dtypes import DType
from migrator.model.model import Model
from migrator.model.tensors import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVariable:
    """A tensor beside a graph. ``bytes`` is its decoded size, the stored one for strings."""

    name: str
    """Its key."""
    dtype: DType
    shape: Shape
    bytes: int
    shard: str | None
    """Name of a checkpoint's file that it lies in; None for several, a missing one."""
    is_parameter: bool
    """Whether it counts as a weight: see ``is_carried_weight``."""
    is_optimizer: bool = False
    """Whether it is what an optimizer keeps for its steps, as far as can be told."""
    is_metric: bool = False
    """Whether it is what a metric counts in; it is no parameter then."""

    __repr__ = brief

    @property
    def elements(self) -> int:
        return self.shape.elements or 0

    @property
    def weight(self) -> Weight:
        return Weight(
            name=self.name,
            op=VARIABLE,
            dtype=self.dtype,
            shape=self.shape,
            elements=self.elements,
            bytes=self.bytes,
            is_optimizer=self.is_optimizer,
        )


def stored_variables(model: Model) -> tuple[StoredVariable, ...]:
    """What ``Model.variables`` holds, in its order; of most models that is nothing."""
    form = model.source.format
    flags: Sequence[bool] = ()
    if model.tflite is not None:
        from migrator.inspection.tflite_facts import weight_flags

        flags = weight_flags(model.tflite)
    if len(flags) != len(model.variables):  # of other formats; of a file with unreadable constants
        flags = [is_carried_weight(tensor, form, name) for name, tensor in model.variables.items()]
    kept = stored_by_optimizer(model)
    metrics = stored_by_metrics(model)
    # Asked of the checkpoint, as a value that is written some other way than its bytes are in
    # memory (a number of a few bits, a text) has a file, too.
    shard_of = getattr(model.variables, "shard_of", lambda name: None)
    return tuple(
        StoredVariable(
            name=name,
            dtype=tensor.dtype,
            shape=tensor.shape,
            bytes=tensor.nbytes,
            shard=shard_of(name),
            is_parameter=is_parameter and name not in metrics,
            is_optimizer=name in kept,
            is_metric=is_parameter and name in metrics,
        )
        for (name, tensor), is_parameter in zip(model.variables.items(), flags, strict=True)
    )
