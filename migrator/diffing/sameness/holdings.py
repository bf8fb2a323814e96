"""What the constants, variables and tables of a side hold, and whether two hold the same."""

from __future__ import annotations

from collections.abc import Mapping

from migrator.diffing.changes.assets import Assets, same_asset
from migrator.diffing.changes.loading import Loading
from migrator.diffing.options import DiffOptions
from migrator.diffing.sameness.lookups import Tables
from migrator.diffing.weights.reading import Files, Store, Value
from migrator.diffing.weights.values import DIFFERENT, UNKNOWN, Budget, compare_values
from migrator.migration.plan import Table


class Worth:
    """The values of one side, as far as options allow to look."""

    def __init__(
        self,
        store: Store,
        tables: Tables,
        assets: Assets,
        loading: Loading,
        files: Files,
        options: DiffOptions,
        budget: Budget,
    ) -> None:
        self._store = store
        self._tables = tables
        self._files = files
        self._options = options
        self._budget = budget
        self.assets = assets
        self.loading = loading
        self.is_open = False
        """Whether something was taken for equal whose values were not compared."""

    @property
    def ignores_weights(self) -> bool:
        return self._options.ignores("weights")

    def value(self, name: str) -> Value | None:
        """What a weight holds once the model is loaded; None where that is not known."""
        if self.loading.writes(name):
            found = self.loading.value(name)
            return None if found is None else Value(found, self._files)
        return self._store.value(name)

    def table(self, name: str) -> Table | None:
        return self._tables.table(name)

    def may_hold(self, value: Value | None, name: str) -> bool:
        """Whether the weight ``name`` has a value of that type and shape, and no other one."""
        held = self.value(name)
        if value is None or held is None:
            return False  # of what nothing is known nothing is shown
        if (value.tensor.dtype, value.tensor.shape) != (held.tensor.dtype, held.tensor.shape):
            return False
        if self.ignores_weights:
            return True
        found = compare_values(value, held, self._options, self._budget, {})
        self.is_open |= found.status == UNKNOWN
        return found.status != DIFFERENT


def may_be_equal(
    left: Worth, right: Worth, one: str, other: str, status: Mapping[tuple[str, str], str]
) -> bool:
    """Whether two weights are one; ``status`` is what is known of pairs already."""
    if left.assets.fed(one) or right.assets.fed(other):
        return same_asset(left.assets, right.assets, one, other)
    if left.loading.writes(one) or right.loading.writes(other):
        return right.may_hold(left.value(one), other)
    known = status.get((one, other))
    if known is not None:
        right.is_open |= known == UNKNOWN and not right.ignores_weights
        return known != DIFFERENT
    return right.may_hold(left.value(one), other)
