"""What the lines of a headline are made from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from migrator.diffing.counterparts import Counterparts
from migrator.diffing.result import CHANGED, REWIRED, Diff, NodeChange
from migrator.diffing.sameness.migration_record import Record
from migrator.diffing.sameness.outputs import Outputs
from migrator.diffing.sameness.verdict import Verdict
from migrator.diffing.weights.values import WeightReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A comparison, and what it was found from."""

    diff: Diff
    both: Counterparts
    outputs: Outputs
    weights: WeightReport
    record: Record | None
    nodes: tuple[NodeChange, ...]
    """Added and removed ones that nothing explains."""
    verdict: Verdict

    @property
    def status(self) -> Counter[str]:
        return Counter(self.weights.status.values())

    @property
    def shapes(self) -> int:
        """Weights of another shape."""
        return sum(item.kind == "shape" for item in self.diff.weights)

    def changed(self) -> list[NodeChange]:
        """Nodes that are more than renamed, apart from the values of weights and their homes."""
        return [
            item
            for item in self.diff.nodes
            if item.kind in (CHANGED, REWIRED)
            and not item.why
            and any(
                change.field not in ("value", "home", "device", "scope", "name", "control inputs")
                or (change.field == "value" and (item.left, item.right) not in self.weights.status)
                for change in item.changes
            )
        ]


def counted(count: int, noun: str, plural: str = "") -> str:
    """``1 node``, ``2 nodes``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
