"""What a model does when it is loaded: it may write what its variables hold."""

from __future__ import annotations

from functools import cached_property

from migrator.errors import MigratorError
from migrator.inspection.tracing import Tracer
from migrator.migration.storage.initial import Initial, init_ops
from migrator.model.model import MetaGraph
from migrator.model.tensors import LazyTensor


class Loading:
    """What runs after the checkpoint is restored, of one meta graph."""

    def __init__(self, meta: MetaGraph) -> None:
        self._meta = meta
        self.ops = tuple(name for name in init_ops(meta) if name in meta.graph.by_name)
        """The nodes that are run."""

    @cached_property
    def _initial(self) -> Initial:
        return Initial(self._meta, Tracer(self._meta.graph))

    def writes(self, variable: str) -> bool:
        """Whether the variable of a node does not keep what the checkpoint gave it."""
        try:
            return bool(self.ops) and self._initial.at_load(variable) is not None
        except MigratorError:
            return True

    def value(self, variable: str) -> LazyTensor | None:
        """What a variable that is written is left with; None where it has to be computed."""
        try:
            found = self._initial.at_load(variable)
        except MigratorError:
            return None
        return found if isinstance(found, LazyTensor) else None
