"""An audit as one HTML page: an overview of the zoo, each model's readiness and findings.

A pure function of the result's JSON object, so a saved result can be drawn again. The object may
be of a newer version, or damaged: what is not as expected is left out, never believed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from migrator.auditing.finding import SEVERITIES
from migrator.migration.readiness import UNKNOWN, VERDICTS
from migrator.report.html_page import page, text
from migrator.report.json_v1 import Json

_STYLES = ("page.css", "audit.css", "audit_print.css")
_SCRIPTS = (
    "page.js",
    "audit_data.js",
    "audit_parts.js",
    "audit_lists.js",
    "audit_model.js",
    "audit_rule.js",
    "audit_print.js",
    "audit.js",
)
_MOST_MODELS = 100
"""Models in the summary for readers without JavaScript."""
_VERDICTS = {
    "blocked": "Blocked",
    "needs_you": "Needs you",
    "ready_with_changes": "Ready with changes",
    "ready": "Ready",
    "unknown": "Unknown",
}


def audit_html(result: Json) -> str:
    """The page for ``result`` (``migrator.audit/1``). Linear in the size of the result."""
    return page(
        title="Audit of legacy models",
        data=result,
        styles=_STYLES,
        scripts=_SCRIPTS,
        fallback=_summary(result),
    )


def _summary(result: Json) -> str:
    """Counts and the worst models, as plain HTML."""
    models = list(_objects(result.get("models")))
    found = list(_objects(result.get("findings")))
    severities = Counter(str(item.get("severity", "")) for item in found)
    verdicts = Counter(_verdict(item) for item in models)
    skipped = sum(1 for _ in _objects(result.get("skipped")))
    worst = sorted(models, key=_badness)[:_MOST_MODELS]
    rows = (
        (
            item.get("source", ""),
            item.get("format", ""),
            _VERDICTS[_verdict(item)],
            *(_counts(item)[label] for label in SEVERITIES),
        )
        for item in worst
    )
    heads = ("Model", "Format", "Readiness", *(label.capitalize() for label in SEVERITIES))
    parts = [
        "<p>This page needs JavaScript for its filters, findings and remedies. "
        "Its script is part of this file, and loads nothing. Here are the counts.</p>",
        f"<p>{len(models):,} models, {len(found):,} findings, {skipped:,} skipped.</p>",
        _table(("Severity", "Findings"), ((_title(k), severities[k]) for k in SEVERITIES)),
        _table(("Readiness", "Models"), ((_VERDICTS[key], verdicts[key]) for key in VERDICTS)),
        f"<h2>The worst {len(worst):,} of {len(models):,} models</h2>",
        _table(heads, rows),
    ]
    return "\n".join(parts)


def _table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = "".join(f'<th scope="col">{text(item)}</th>' for item in heads)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{_cell(item)}</td>" for item in row) + "</tr>" for row in rows
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else text(value)


def _title(label: str) -> str:
    return label.capitalize()


def _objects(value: Any) -> Iterable[Mapping[str, Any]]:
    if isinstance(value, (list, tuple)):
        yield from (item for item in value if isinstance(item, Mapping))


def _verdict(model: Mapping[str, Any]) -> str:
    readiness = model.get("readiness")
    found = readiness.get("verdict") if isinstance(readiness, Mapping) else None
    return found if isinstance(found, str) and found in VERDICTS else UNKNOWN


def _counts(model: Mapping[str, Any]) -> dict[str, int]:
    found = model.get("summary")
    counts = found if isinstance(found, Mapping) else {}
    return {
        label: count if isinstance(count := counts.get(label), int) else 0 for label in SEVERITIES
    }


def _badness(model: Mapping[str, Any]) -> tuple[int, ...]:
    """Sorts the worst first: the grave findings, the readiness, the rest."""
    critical, high, *rest = (-count for count in _counts(model).values())
    return critical, high, VERDICTS.index(_verdict(model)), *rest
