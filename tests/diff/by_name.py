"""A matching by names alone, for tests of what is made of a matching."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from migrator.diffing.matching.match import Matching
from migrator.diffing.result import Match, ScopeRename
from migrator.diffing.side import Side
from migrator.model.model import MetaGraph


def match_by_name(
    left: MetaGraph,
    right: MetaGraph,
    *,
    ignore: Collection[str] = (),
    left_values: Mapping[str, Any] | None = None,
    right_values: Mapping[str, Any] | None = None,
    renames: Mapping[str, str] | None = None,
    scopes: Collection[tuple[str, str]] = (),
) -> Matching:
    """Equal whole names first, then equal names in any body; ``renames`` is the truth of a test."""
    ours, theirs = Side(left), Side(right)
    wanted = dict(renames or {})
    pairs: dict[str, str] = {
        name: wanted.get(name, name)
        for name in ours.nodes
        if wanted.get(name, name) in theirs.nodes
    }
    taken = set(pairs.values())
    local = {theirs.local(name): name for name in theirs.nodes if name not in taken}
    for name in ours.nodes:
        own = ours.local(name)
        called = own.removeprefix("serving_default_"), own.removesuffix("_0")
        for text in (own, f"serving_default_{own}", f"{own}_0", *called):
            other = local.get(text)
            if name not in pairs and other is not None and other not in taken:
                pairs[name] = other
                taken.add(other)
    return Matching(
        pairs=tuple(Match(left=a, right=b, confidence=1.0, why="name") for a, b in pairs.items()),
        left_only=tuple(name for name in ours.nodes if name not in pairs),
        right_only=tuple(name for name in theirs.nodes if name not in taken),
        scopes=tuple(ScopeRename(left=a, right=b, nodes=2) for a, b in scopes),
        functions={name: name for name in left.graph.functions if name in right.graph.functions},
    )
