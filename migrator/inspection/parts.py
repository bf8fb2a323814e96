"""What ``inspect`` was asked for beside the summary."""

from __future__ import annotations

from dataclasses import dataclass

from migrator.inspection.node import NodeDetail
from migrator.inspection.tree import Scope
from migrator.inspection.weight_list import ListedWeight


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Results of ``--tree``, ``--node`` and ``--weights``; None for what was not asked for."""

    tree: Scope | None = None
    node: NodeDetail | None = None
    weights: tuple[ListedWeight, ...] | None = None
