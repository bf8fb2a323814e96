"""The files that Model Explorer opens for a model, and for two: their names and what is in them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from migrator.auditing.finding import Finding
from migrator.collector import collector_paused
from migrator.model.brief import brief
from migrator.model.model import MetaGraph, Model
from migrator.report.diff_parts import place
from migrator.report.explorer.graphs import Collected, Notes, collect
from migrator.report.explorer.overlays import (
    change_notes,
    finding_notes,
    findings_overlay,
    kinds_overlay,
    weights_overlay,
)
from migrator.report.explorer.sync import fullest, sync_mapping
from migrator.report.json_v1 import Json

SYNC = "sync.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pane:
    """One model on the page."""

    file: str
    """Name of the file with its graphs."""
    label: str
    """Of its graph collection, which overlays are meant for."""
    graph: str = ""
    """The graph to show first."""
    overlays: tuple[str, ...] = ()
    """Names of files, the one to show first at the front."""

    __repr__ = brief


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored:
    """What goes into a folder. ``files``: name -> JSON object."""

    files: Mapping[str, Json]
    panes: tuple[Pane, ...]
    identical: bool = True
    """False where two models differ."""

    __repr__ = brief


def text(content: Json) -> str:
    """What a file of such an object holds. ASCII only."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False)


@collector_paused()
def explore_model(model: Model, *, findings: Iterable[Finding] = ()) -> Explored:
    """The graphs of one model, all meta graphs, with what an audit found.

    Raises UnsupportedFormat for a bare checkpoint.
    """
    model.require_graph()
    findings = tuple(findings)
    label = _name({"path": model.source.path})
    found = collect(model.meta_graphs, label, notes=finding_notes(findings))
    files: dict[str, Json] = {"model.json": found.json}
    overlays = _add(files, {"model.findings.json": findings_overlay(findings, found.places)})
    pane = Pane(file="model.json", label=found.label, graph=_largest(found), overlays=overlays)
    return Explored(files=files, panes=(pane,))


@collector_paused()
def explore_diff(
    left: MetaGraph,
    right: MetaGraph,
    result: Json,
    *,
    left_findings: Iterable[Finding] = (),
    right_findings: Iterable[Finding] = (),
    same_ids: bool = False,
) -> Explored:
    """Two graphs that were compared, ``result`` of it with all its matches, and what audits found.

    ``same_ids`` gives a node of the right the id of its counterpart, so that the page's own way of
    following a selection finds it without a mapping; ids are node names otherwise.
    """
    matches: Mapping[str, str] = result["matches"]
    given = {"left": tuple(left_findings), "right": tuple(right_findings)}
    labels = _labels(result)
    ours = collect(
        [left], labels["left"], prefix="left: ", notes=_notes(result, "left", left, given)
    )
    wishes: dict[str, str] = {}
    if same_ids:
        wishes = {b: ours.places[a].node for a, b in matches.items() if a in ours.places}
    theirs = collect(
        [right],
        labels["right"],
        prefix="right: ",
        notes=_notes(result, "right", right, given),
        wishes=wishes,
        taken=[item.node for item in ours.places.values()] if same_ids else (),
    )
    files: dict[str, Json] = {"left.json": ours.json, "right.json": theirs.json}
    if not same_ids:
        files[SYNC] = sync_mapping(matches, ours.places, theirs.places)
    first = fullest(matches, ours.places, theirs.places) or (_largest(ours), _largest(theirs))
    panes = []
    for side, found, graph in zip(("left", "right"), (ours, theirs), first, strict=True):
        overlays = _overlays(files, side, found, result, given[side])
        panes.append(Pane(file=f"{side}.json", label=found.label, graph=graph, overlays=overlays))
    return Explored(files=files, panes=tuple(panes), identical=result["identical"])


def _overlays(
    files: dict[str, Json], side: str, found: Collected, result: Json, findings: tuple[Finding, ...]
) -> tuple[str, ...]:
    return _add(
        files,
        {
            f"{side}.changes.json": kinds_overlay(result, side, found.places),
            f"{side}.weights.json": weights_overlay(result, side, found.places),
            f"{side}.findings.json": findings_overlay(findings, found.places),
        },
    )


def _largest(found: Collected) -> str:
    graph = max(found.graphs, key=lambda item: len(item["nodes"]))
    return str(graph["id"])


def _add(files: dict[str, Json], overlays: Mapping[str, Json]) -> tuple[str, ...]:
    """Put those that tell something among the files; their names."""
    told = {name: item for name, item in overlays.items() if item}
    files.update(told)
    return tuple(told)


def _notes(
    result: Json, side: str, meta: MetaGraph, findings: Mapping[str, tuple[Finding, ...]]
) -> Notes:
    notes = change_notes(result, side, meta.graph.names())
    for name, more in finding_notes(findings[side]).items():
        notes.setdefault(name, []).extend(more)
    return notes


def _labels(result: Json) -> dict[str, str]:
    """Names of the two collections, which must differ."""
    return {side: f"{side}: {_name(result[side])}" for side in ("left", "right")}


def _name(source: Json) -> str:
    return os.path.basename(place(source).rstrip("/"))
