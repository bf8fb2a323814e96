"""Data that Model Explorer colours nodes with, for one side of a comparison or for one model.

Each is ``{graph id: {"name", "results": {node id: {"value", ...}}, ...}}``; a graph that there is
nothing to tell of is left out, and so is an overlay without any.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from migrator.auditing.finding import SEVERITIES, Finding
from migrator.diffing.asked import below, layer_of
from migrator.report.diff_parts import magnitude, names, share_text, value_text
from migrator.report.escape import shown
from migrator.report.explorer.graphs import Place
from migrator.report.json_v1 import Json

Places = Mapping[str, Place]
_KINDS = {
    "removed": ("#fdd0a2", "#5c2202"),
    "added": ("#bcdcf7", "#06335e"),
    "changed": ("#f7e08b", "#473500"),
    "rewired": ("#f3c1e3", "#5d1549"),
    "renamed": ("#dde2e6", "#2c343b"),
}
_SEVERITIES = {
    "critical": ("#7b1034", "#ffffff"),
    "high": ("#e8703a", "#000000"),
    "medium": ("#f0d264", "#000000"),
    "low": ("#a9cdf3", "#000000"),
    "info": ("#dfe3e7", "#000000"),
}
_GRADIENT = (("#fff3c4", "#000000"), ("#f08a24", "#000000"), ("#8c1d04", "#ffffff"))
_MOST_CHANGES = 12
"""Of one node, that its attributes tell."""


def kinds_overlay(result: Json, side: str, places: Places) -> Json:
    """What became of each node: ``changed``, ``rewired``, ..."""
    values = {item[side]: item["kind"] for item in result["nodes"]}
    return _words(values, places, "what changed", _KINDS)


def weights_overlay(result: Json, side: str, places: Places) -> Json:
    """The largest absolute difference of each weight with other values."""
    values: dict[str, float] = {}
    for item in result["weights"]:
        if item["max_abs"] is not None:
            node = layer_of(item[side], places)
            values[node] = max(values.get(node, 0.0), float(f"{item['max_abs']:.4g}"))
    last = len(_GRADIENT) - 1
    gradient = [
        {"stop": number / last, "bgColor": back, "textColor": ink}
        for number, (back, ink) in enumerate(_GRADIENT)
    ]
    more = {"gradient": gradient}
    return _overlay("weights: largest difference", _results(values, places), more)


def findings_overlay(findings: Iterable[Finding], places: Places) -> Json:
    """The worst severity of what an audit found at each node."""
    values: dict[str, str] = {}
    for name, item in _located(findings):
        old = values.get(name)
        if old is None or SEVERITIES.index(item.severity.label) < SEVERITIES.index(old):
            values[name] = item.severity.label
    return _words(values, places, "findings of an audit", _SEVERITIES)


def change_notes(
    result: Json, side: str, nodes: Container[str]
) -> dict[str, list[tuple[str, str]]]:
    """What the attributes of a node tell of its change: before and after."""
    found: dict[str, list[tuple[str, str]]] = {}
    other = "right" if side == "left" else "left"
    for item in result["nodes"]:
        if not item[side]:
            continue
        text = item["kind"]
        if item[other] and item[other] != item[side]:
            text = f"{text}; {names(item)[other == 'right']} on the {other}"
        notes = found.setdefault(item[side], [])
        notes.append(("diff", text))
        for change in item["changes"][:_MOST_CHANGES]:
            values = f"{value_text(change['left'])} -> {value_text(change['right'])}"
            notes.append((f"diff: {change['field']}", values))
    for item in result["weights"]:
        if item[side] and item["max_abs"] is not None:
            text = f"largest difference {magnitude(item['max_abs'])}"
            if item["mean_abs"] is not None:
                text = f"{text}, mean {magnitude(item['mean_abs'])}"
            if item["share"] is not None:
                text = f"{text}, {share_text(item['share'])} of {item['elements']:,} elements"
            node = layer_of(item[side], nodes)
            if node != item[side]:  # a layer has several
                text = f"{shown(below(item[side], node))}: {text}"
            found.setdefault(node, []).append(("diff: weights", text))
    return found


def finding_notes(findings: Iterable[Finding]) -> dict[str, list[tuple[str, str]]]:
    """What an audit found at each node, for its attributes."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, item in _located(findings):
        note = (f"audit: {item.code}", f"{item.severity.label}: {item.message}")
        found.setdefault(name, []).append(note)
    return found


def _located(findings: Iterable[Finding]) -> Iterable[tuple[str, Finding]]:
    """Findings at a node, with its whole name."""
    for item in findings:
        place = item.location
        if place.node:
            yield f"{place.function}/{place.node}" if place.function else place.node, item


def _words(
    values: Mapping[str, str], places: Places, name: str, colors: Mapping[str, tuple[str, str]]
) -> Json:
    results = _results(values, places)
    for nodes in results.values():
        for result in nodes.values():
            result["bgColor"], result["textColor"] = colors[result["value"]]
    more = {
        "showExpandedSummaryOnGroupNode": True,
        "showLabelCountColumnsInChildrenStatsTable": True,
    }
    return _overlay(name, results, more)


def _results(values: Mapping[str, Any], places: Places) -> dict[str, dict[str, Json]]:
    """Graph -> node -> value, of those that stand on the page."""
    found: dict[str, dict[str, Json]] = {}
    for name, value in values.items():
        place = places.get(name)
        if place is not None:
            found.setdefault(place.graph, {})[place.node] = {"value": value}
    return found


def _overlay(name: str, results: Mapping[str, Json], more: Json) -> Json:
    return {graph: {"name": name, "results": nodes, **more} for graph, nodes in results.items()}
