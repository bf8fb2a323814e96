"""TensorFlow 1's dataflow control flow (Switch, Merge, Enter, ...) in its functional form."""

from migrator.migration.passes.functional.convert import functional_control_flow
from migrator.migration.passes.functional.items import Unconvertible

__all__ = ["Unconvertible", "functional_control_flow"]
