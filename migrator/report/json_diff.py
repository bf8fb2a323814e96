"""A comparison as a JSON object by the contract."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

from migrator.diffing.result import KINDS, Change, Diff, NodeChange, WeightChange
from migrator.report.json_v1 import Json, envelope, source


def diff_result(diff: Diff, *, matches: bool = False) -> Json:
    """What ``migrator diff`` tells; with ``matches`` every pair of nodes too."""
    kinds = Counter(item.kind for item in diff.nodes)
    found: Json = {
        **envelope("diff"),
        "left": source(diff.left),
        "right": source(diff.right),
        "identical": diff.identical,
        "same_computation": diff.same_computation,
        "headline": list(diff.headline),
        "summary": {kind: kinds[kind] for kind in sorted(KINDS)},
        "counts": dict(diff.counts),
        "ignored": list(diff.ignored),
        "nodes": [_node(item) for item in diff.nodes],
        "scopes": [
            {"left": item.left, "right": item.right, "nodes": item.nodes} for item in diff.scopes
        ],
        "signatures": [
            {"key": item.key, "kind": item.kind, "changes": _changes(item.changes)}
            for item in diff.signatures
        ],
        "functions": [
            {"left": item.left, "right": item.right, "kind": item.kind, "nodes": item.nodes}
            for item in diff.functions
        ],
        "weights": [_weight(item) for item in diff.weights],
        "others": _changes(diff.others),
    }
    if diff.only:
        found["only"] = list(diff.only)
    if matches:
        found["matches"] = {item.left: item.right for item in diff.matches}
    return found


def _node(item: NodeChange) -> Json:
    found: Json = {
        "kind": item.kind,
        "left": item.left,
        "right": item.right,
        "op": item.op,
        "confidence": round(item.confidence, 3),
        "changes": _changes(item.changes),
    }
    if item.why:
        found["why"] = item.why
    return found


def _weight(item: WeightChange) -> Json:
    found: Json = {
        "left": item.left,
        "right": item.right,
        "kind": item.kind,
        "elements": item.elements,
        "max_abs": _number(item.max_abs),
        "mean_abs": _number(item.mean_abs),
        "share": _number(item.share),
    }
    if item.not_finite:
        found["not_finite"] = item.not_finite
    return found


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _changes(items: Iterable[Change]) -> list[Json]:
    return [
        {"field": item.field, "left": _value(item.left), "right": _value(item.right)}
        for item in items
    ]


def _value(value: Any) -> Any:
    """A change's value: the comparison has made it plain; tuples are lists here."""
    if isinstance(value, (list, tuple)):
        return [_value(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
