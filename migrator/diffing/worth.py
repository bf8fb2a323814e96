"""What the constants, variables and tables of a side hold, and whether two hold the same."""

from __future__ import annotations

from collections.abc import Mapping

from migrator.diffing.options import DiffOptions
from migrator.diffing.streams import Store, Value
from migrator.diffing.tables import Tables
from migrator.diffing.values import DIFFERENT, Budget, compare_values
from migrator.migration.plan import Table


class Worth:
    """The values of one side, as far as options allow to look."""

    def __init__(self, store: Store, tables: Tables, options: DiffOptions, budget: Budget) -> None:
        self._store = store
        self._tables = tables
        self._options = options
        self._budget = budget
        self._known: dict[tuple[object, str], bool] = {}

    def value(self, name: str) -> Value | None:
        return self._store.value(name)

    def table(self, name: str) -> Table | None:
        return self._tables.table(name)

    def may_hold(self, value: Value | None, name: str) -> bool:
        """Whether the weight ``name`` has a value of that type and shape, and no other one."""
        held = self._store.value(name)
        if value is None or held is None:
            return False  # of what nothing is known nothing is shown
        if (value.tensor.dtype, value.tensor.shape) != (held.tensor.dtype, held.tensor.shape):
            return False
        if self._options.ignores("weights"):
            return True
        found = compare_values(value, held, self._options, self._budget, {})
        return found.status != DIFFERENT


def may_be_equal(
    left: Worth, right: Worth, one: str, other: str, status: Mapping[tuple[str, str], str]
) -> bool:
    """Whether two weights are one; ``status`` is what is known of pairs already."""
    known = status.get((one, other))
    if known is not None:
        return known != DIFFERENT
    return right.may_hold(left.value(one), other)
