"""One model of a batch as one HTML page: what became of it and why, proof, plan, findings, log.

A pure function of the JSON that lies in the model's folder. Bounded in size, whatever the model
holds: what is cut stands in full in the files beside it.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from migrator.report.batch_entry import candidates, entry, entry_lines
from migrator.report.batch_parts import (
    OUTCOMES,
    STATUSES,
    about,
    as_object,
    group_of,
    looked,
    status_of,
    text_of,
)
from migrator.report.escape import shown
from migrator.report.html_batch import STYLES
from migrator.report.html_page import embedded, page, text
from migrator.report.html_picture import PICTURE, table
from migrator.report.json_v1 import Json

MOST_SCENE = 2_000_000
"""Bytes of a scene's JSON; a larger graph has no picture here."""
_DRAWN_AT_ONCE = 300_000
_MOST_PART = 1_000_000
"""Bytes of any other part's JSON."""
_CUTS = ((300, 4000), (60, 400), (12, 200))
"""Entries of any list or object and characters of any text, until a part is small enough."""
_DEEPEST = 12
_MOST_LOG = 120_000
"""Characters of the log: its beginning, and three times as much of its end."""
_LONGEST_LINE = _LONGEST_KEY = 1000
_SCRIPTS = ("audit_parts.js", "batch_words.js", "batch_parts.js", "batch_model.js")
_FILES = (
    "saved_model",
    "model.tflite",
    "inspect.json",
    "audit.json",
    "plan.json",
    "record.json",
    "tflite.json",
    "log.txt",
)


def batch_model_html(
    outcome: Mapping[str, Any],
    *,
    inspect: Mapping[str, Any] | None = None,
    audit: Mapping[str, Any] | None = None,
    plan: Mapping[str, Any] | None = None,
    record: Mapping[str, Any] | None = None,
    tflite: Mapping[str, Any] | None = None,
    scene: Json | None = None,
    log: str = "",
    files: Sequence[str] = (),
) -> str:
    """The page of one model; ``outcome`` is its ``migrator.batch-model/1``, the rest if there.

    ``inspect``, ``audit``, ``plan``, ``record`` (migrate's) and ``tflite`` are results by the
    contract, ``scene`` is of ``drawing.scene.picture_scene``, ``files`` names what lies beside
    the page.
    """
    status, group = status_of(outcome), group_of(outcome)
    told = about(status, group) if status in OUTCOMES[1:] else None
    weight = len(embedded(scene)) if scene is not None else 0
    drawn = scene if weight <= MOST_SCENE else None
    findings = as_object(audit).get("findings")
    found = findings if isinstance(findings, list) else []
    told_findings = _part(found) or []
    path = text_of(outcome.get("source"))
    data = {
        "outcome": _part(outcome),
        "status": status,
        "title": told.title if told and group != "error" else "",
        "advice": (told.own or told.advice) if told else "",
        "looked": looked(outcome),
        "decision": _decision(outcome),
        "inspect": _part({"meta_graphs": as_object(inspect).get("meta_graphs")}),
        "audited": bool(as_object(audit).get("models")),
        "findings": told_findings,
        "more_findings": len(found) - len(told_findings),
        "plan": _part(_only(plan, "blockers", "steps", "notes", "weights_reason")),
        "record": _part(_only(record, "verification", "steps", "notes", "weights_reason")),
        "tflite": _part(_only(tflite, "outcome", "reason", "verification", "notes")),
        "scene": drawn,
        "at_once": weight <= _DRAWN_AT_ONCE,
        "drawing": "" if inspect is None else _drawing(path),
        "log": log_lines(log),
        "files": [name for name in _FILES if name in files],
        "up": _up(text_of(outcome.get("name"))),
    }
    name = text_of(outcome.get("name"))
    return page(
        title=f"Model {name}",
        data=data,
        styles=(*STYLES, *(["picture.css"] if drawn else []), "batch_model.css"),
        scripts=(*(PICTURE if drawn else ["page.js"]), *_SCRIPTS),
        fallback=_summary(outcome, status),
    )


def _part(value: Any) -> Any:
    """``value``, cut where it is long; None where nothing helps."""
    for items, chars in _CUTS:
        found = _cut(value, items, chars, _DEEPEST)
        if len(embedded(found)) <= _MOST_PART:
            return found
    return None


def _cut(value: Any, items: int, chars: int, depth: int) -> Any:
    if isinstance(value, str):
        return shown(value, chars) if len(value) > chars else value
    if isinstance(value, (Mapping, list, tuple)) and not depth:
        return None
    if isinstance(value, Mapping):
        some = islice(value.items(), items)
        return {str(key)[:_LONGEST_KEY]: _cut(item, items, chars, depth - 1) for key, item in some}
    if isinstance(value, (list, tuple)):
        return [_cut(item, items, chars, depth - 1) for item in value[:items]]
    return value


def log_lines(log: str) -> list[str]:
    """The log by lines, without what fills its middle; what does not print is escaped."""
    if len(log) > _MOST_LOG:
        head, tail = log[: _MOST_LOG // 4], log[-3 * _MOST_LOG // 4 :]
        left = f"... {len(log) - len(head) - len(tail):,} characters: log.txt holds all ..."
        log = f"{head}\n{left}\n{tail}"
    lines = log.replace("\r\n", "\n").replace("\t", "    ").rstrip("\n").split("\n")
    return [shown(line, _LONGEST_LINE) for line in lines] if log.strip() else []


def _only(result: Mapping[str, Any] | None, *keys: str) -> Json:
    found = as_object(result)
    return {key: found[key] for key in keys if key in found}


def _decision(outcome: Mapping[str, Any]) -> Json | None:
    told = outcome.get("decision")
    if not isinstance(told, Mapping):
        return None
    rows = [[item.role, item.text, item.type, item.score, item.why] for item in candidates(told)]
    lines = entry_lines(told)
    made = entry(text_of(outcome.get("name")), text_of(outcome.get("source")), lines)
    return {"entry": f"models:\n{made}" if lines else "", "candidates": rows}


def _drawing(path: str) -> str:
    named = shlex.quote(shown(path, 1000))
    return f"migrator inspect {named} --format html -o picture.html"


def _up(name: str) -> str:
    """The batch's page, seen from this one; empty for a name that is no path under it."""
    parts = name.split("/")
    return "" if {"", ".", ".."} & set(parts) else "../" * len(parts) + "index.html"


def _summary(outcome: Mapping[str, Any], status: str) -> str:
    rows = [
        ("Source", text_of(outcome.get("source"))),
        ("Result", STATUSES[status]),
        ("Reason", shown(text_of(outcome.get("reason")), 1000)),
    ]
    return (
        "<p>This page needs JavaScript for its tables and its picture. "
        "Its script is part of this file, and loads nothing.</p>"
        + table(("What", ""), rows)
        + f"<p>{text(text_of(outcome.get('finished')))}</p>"
    )
