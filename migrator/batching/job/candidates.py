"""What there is to choose from, beside a decision."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from migrator.batching.job.failures import ENDPOINTS, FEEDS
from migrator.batching.task import Json

_MOST = 50
_LONGEST_NAME = 2000


def with_candidates(decision: Mapping[str, Any], summary: Json | None) -> Json:
    """``decision`` with endpoints as ``summary``, that of inspect, tells them; or tags, or keys."""
    found: Json = {**decision, "candidates": []}
    if decision["kind"] not in (ENDPOINTS, FEEDS):
        words = [shlex.split(option) for option in decision["options"]]
        found["candidates"] = [item[-1].rpartition("=")[2] for item in words if item]
    elif summary is not None:
        for meta in summary["meta_graphs"]:
            if ends := meta["graph"].get("endpoints"):
                sides = ("inputs", "outputs")
                found["candidates"] = {side: _shortlist(ends[side]) for side in sides}
                break
    return found


def _shortlist(candidates: Sequence[Json]) -> list[Json]:
    """The best of them, but for names so long that a line of the ledger has no room for them."""
    short = (item for item in candidates if len(item["tensor"]) <= _LONGEST_NAME)
    return list(islice(short, _MOST))
