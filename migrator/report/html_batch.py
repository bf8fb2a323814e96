"""A batch as one HTML page: totals, every model, what is to be decided, what failed and why.

A pure function of the result's JSON object, so a saved result can be drawn again. The models go
into the page by column, and texts that many share once: 50,000 are some megabytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from migrator.report.batch_entry import Candidate, candidates, entry_lines
from migrator.report.batch_left_out import LeftOut, left_out
from migrator.report.batch_parts import (
    LOOKED_AT,
    NEEDS_DECISION,
    OUTCOMES,
    SEVERITIES,
    STATUSES,
    STEPS,
    about,
    as_object,
    commands,
    count,
    duration,
    findings_of,
    group_of,
    looked,
    models_of,
    seconds_of,
    status_of,
    text_of,
    tflite_of,
    total_seconds,
    word,
)
from migrator.report.escape import shown, size
from migrator.report.html_page import page, text
from migrator.report.html_picture import table
from migrator.report.json_v1 import Json

STYLES = ("page.css", "audit.css", "batch.css")
_SCRIPTS = (
    "page.js",
    "audit_parts.js",
    "batch_words.js",
    "batch_data.js",
    "batch_parts.js",
    "batch_table.js",
    "batch_views.js",
    "batch_reasons.js",
    "batch_costs.js",
    "batch_panel.js",
    "batch_paper.js",
    "batch.js",
)
_MOST_ROWS = 200
"""Models in the summary for readers without JavaScript."""
_MOST_TEXT = 600
"""Characters of a reason; the model's own page has all of it."""
_MOST_NAME = 1200
_RUN_KEYS = ("dest", "started", "finished", "scheduler", "command")


def batch_html(result: Mapping[str, Any], *, pages: str | None = "") -> str:
    """The page for ``result`` (``migrator.batch/1``). Linear in its size.

    ``pages`` is where the models' folders lie, as an address relative to the page and with a slash
    at its end; empty: beside the page, None: no links.
    """
    run = as_object(result.get("run"))
    columns = _Columns(started=moment(run.get("started")))
    undone: list[tuple[object, ...]] = []
    for model in models_of(result):
        columns.add(model)
        if status_of(model) in OUTCOMES[1:] and len(undone) < _MOST_ROWS:
            undone.append(_row(model))
    totals, other = as_object(result.get("totals")), left_out(run)
    return page(
        title="Batch of models",
        data={
            "migrator": word(result.get("migrator")),
            "run": _run(run),
            "totals": totals,
            "commands": commands(result),
            "pages": pages,
            "left_out": _left_out(other),
            **columns.as_json(),
        },
        styles=STYLES,
        scripts=_SCRIPTS,
        fallback=_summary(totals, undone, other),
    )


class _Texts:
    """Texts that come again and again, by number."""

    __slots__ = ("found", "most")

    def __init__(self, most: int = _MOST_TEXT) -> None:
        self.found: dict[str, int] = {}
        self.most = most

    def add(self, value: Any) -> int:
        key = shown(text_of(value), self.most) if value else ""
        return self.found.setdefault(key, len(self.found))


class _Columns:
    """The models as lists of one length, and what several of them share."""

    __slots__ = (
        *("_decisions", "_entries", "_groups", "_lists", "_looked", "_seconds"),
        *("_started", "_texts"),
    )

    def __init__(self, *, started: datetime | None) -> None:
        self._started = started
        self._looked: set[str] = set()
        self._texts = _Texts()
        self._lists: dict[str, list[Any]] = {
            key: []
            for key in (
                *("name", "source", "status", "group", "reason", "format", "readiness"),
                *("before", "after", "time", "memory", "attempts", "tflite", "decision"),
                *("tflite_why", "earlier"),
                *SEVERITIES,
            )
        }
        self._seconds: dict[str, list[float]] = {step: [] for step in STEPS}
        self._groups: dict[tuple[str, str], int] = {}
        self._decisions: list[Json] = []
        self._entries: dict[str, int] = {}

    def add(self, model: Mapping[str, Any]) -> None:
        status, group = status_of(model), group_of(model)
        tflite = as_object(model.get("tflite"))
        spent = seconds_of(model)
        row = {
            "name": text_of(model.get("name"))[:_MOST_NAME],
            "source": text_of(model.get("source"))[:_MOST_NAME],
            "status": list(STATUSES).index(status),
            "group": self._groups.setdefault((status, group), len(self._groups)),
            "reason": self._texts.add(model.get("reason")),
            "format": self._texts.add(word(model.get("format"))),
            "readiness": self._texts.add(word(model.get("readiness"))),
            "before": count(model.get("source_bytes")),
            "after": count(model.get("result_bytes")),
            "time": round(total_seconds(model), 3),
            "memory": count(model.get("peak_rss_bytes")),
            "attempts": count(model.get("attempts")),
            "tflite": self._texts.add(tflite_of(model)),
            "tflite_why": self._texts.add(tflite.get("reason")),
            "earlier": self._is_earlier(model),
            "decision": self._decision(model) if status == NEEDS_DECISION else -1,
            **findings_of(model),
        }
        if status == LOOKED_AT:
            self._looked.add(looked(model))
        for key, value in row.items():
            self._lists[key].append(value)
        for step, seconds in self._seconds.items():
            seconds.append(round(spent.get(step, 0.0), 3))

    def _is_earlier(self, model: Mapping[str, Any]) -> int:
        """1 for a model that ended before this run began."""
        finished = moment(model.get("finished")) if self._started else None
        return int(finished is not None and self._started is not None and finished < self._started)

    def _decision(self, model: Mapping[str, Any]) -> int:
        """Number of the question; models that have the same one share its number."""
        told = as_object(model.get("decision"))
        kind, lines, found = group_of(model), entry_lines(told), candidates(told)
        key = repr((kind, lines, found))
        number = self._entries.setdefault(key, len(self._decisions))
        if number == len(self._decisions):
            rows = [_candidate_row(item) for item in found]
            self._decisions.append({"kind": kind, "lines": lines, "candidates": rows})
        return number

    def as_json(self) -> Json:
        names = self._lists["source"]
        base = _common_folder(names)
        rows = {**self._lists, "source": [item[len(base) :] for item in names]}
        groups = [
            {"status": status, "key": shown(key, 60), "title": told.title, "advice": told.advice}
            for status, key in self._groups
            for told in (about(status, key),)
        ]
        return {
            "statuses": list(STATUSES),
            "looked": self._looked.copy().pop() if len(self._looked) == 1 else "Looked at",
            "base": base,
            "texts": list(self._texts.found),
            "groups": groups,
            "decisions": self._decisions,
            "models": rows,
            "seconds": {key: value for key, value in self._seconds.items() if any(value)},
        }


def moment(value: Any) -> datetime | None:
    """A moment as outcomes have it; None for what is none, or tells no time zone."""
    try:
        found = datetime.fromisoformat(word(value, 40).replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else None


def _left_out(found: LeftOut) -> Json:
    return {"count": found.count, "line": found.line(), "files": [list(row) for row in found.files]}


def _candidate_row(item: Candidate) -> list[Any]:
    return [item.role, item.text, item.type, item.score, item.why]


def _common_folder(paths: Sequence[str]) -> str:
    """The folder that all paths lie in, with its slash; empty where there is none to speak of."""
    if len(paths) < 2:
        return ""
    low, high = min(paths), max(paths)
    same = 0
    while same < min(len(low), len(high)) and low[same] == high[same]:
        same += 1
    base = low[: low.rfind("/", 0, same) + 1]
    return "" if base in ("", "/") or base.endswith("://") else base


def _run(run: Mapping[str, Any]) -> Json:
    """What the page tells of the run, and no more: a manifest's options may be long."""
    sources = run.get("sources")
    texts = {key: shown(text_of(run.get(key)), _MOST_TEXT) for key in _RUN_KEYS}
    numbers = {key: count(run.get(key)) for key in ("jobs", "ran", "kept", "others", "unfinished")}
    seconds = run.get("seconds")
    return {
        **texts,
        **numbers,
        "seconds": seconds if isinstance(seconds, (int, float)) else 0,
        "interrupted": run.get("interrupted") is True,
        "sources": [text_of(item)[:_MOST_TEXT] for item in sources[:20]]
        if isinstance(sources, list)
        else [],
    }


def _row(model: Mapping[str, Any]) -> tuple[object, ...]:
    status = status_of(model)
    return (
        text_of(model.get("name")),
        STATUSES[status],
        about(status, group_of(model)).title,
        shown(text_of(model.get("reason")), 300),
    )


def _summary(
    totals: Mapping[str, Any], undone: Iterable[tuple[object, ...]], other: LeftOut
) -> str:
    """Counts and the first models that are not done, as plain HTML."""
    outcomes = as_object(totals.get("outcome"))
    words = {"done": "Done", "needs_decision": "Needs a decision", "blocked": "Blocked"}
    sizes = as_object(totals.get("bytes"))
    before, after = count(sizes.get("source_of_results")), count(sizes.get("results"))
    seconds = as_object(totals.get("seconds")).get("total")
    rows = [(words.get(key, "Failed"), f"{count(outcomes.get(key)):,}") for key in OUTCOMES]
    spent = duration(seconds) if isinstance(seconds, (int, float)) else "unknown"
    return "\n".join(
        [
            "<p>This page needs JavaScript for its table and filters. "
            "Its script is part of this file, and loads nothing. Here are the counts.</p>",
            table(("Outcome", "Models"), rows),
            f"<p>{text(spent)} of work; {size(before)} before, {size(after)} after.</p>",
            f"<p>{text(other.line())}.</p>" if other.count else "",
            f"<h2>Not done: the first {_MOST_ROWS}</h2>",
            table(("Model", "Outcome", "Why", "Reason"), undone),
        ]
    )
