"""The models of a batch as CSV, one row each, for spreadsheets and data frames.

Names come from files, and a spreadsheet runs what looks like a formula. So a text that begins like
one gets an apostrophe in front, which makes it a text; what does not print is escaped.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from migrator.report.batch_parts import (
    SEVERITIES,
    STEPS,
    as_object,
    count,
    findings_of,
    group_of,
    models_of,
    seconds_of,
    text_of,
    total_seconds,
)
from migrator.report.escape import shown

_TEXTS = ("name", "source", "dest", "outcome", "verdict", "readiness", "cause")
_NUMBERS = ("source_bytes", "result_bytes", "peak_rss_bytes", "attempts")
_LATER = ("started", "finished", "source_sha256", "fingerprint")
COLUMNS = (
    *_TEXTS,
    "why",
    "reason",
    "format",
    *_NUMBERS,
    "seconds",
    *(f"{step}_seconds" for step in STEPS),
    *SEVERITIES,
    "tflite",
    "tflite_bytes",
    "tensorflow",
    *_LATER,
)
_MOST = 4096
"""Characters of a cell; a spreadsheet takes 32,767."""
_STARTS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
_FIRST = re.compile(rf"[\s'\"]*[{_STARTS}]")
# Where a semicolon parts the cells, what stands after one in a quoted text may be a cell too.
_INNER = re.compile(rf"(;[\s'\"]*)(?=[{_STARTS}])")


def batch_csv(result: Mapping[str, Any]) -> str:
    """The models of ``result`` (``migrator.batch/1``), with a line of headings."""
    return "".join(csv_lines(models_of(result)))


def csv_lines(models: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The same line by line, the headings first."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    yield _taken(buffer)
    for model in models:
        writer.writerow(_row(model))
        yield _taken(buffer)


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _row(model: Mapping[str, Any]) -> list[str | int | float]:
    seconds, findings, tflite = (
        seconds_of(model),
        findings_of(model),
        as_object(model.get("tflite")),
    )
    return [
        *(plain(model.get(key)) for key in _TEXTS),
        plain(group_of(model)),
        plain(model.get("reason")),
        plain(model.get("format")),
        *(count(model.get(key)) for key in _NUMBERS),
        round(total_seconds(model), 3),
        *(round(seconds.get(step, 0.0), 3) for step in STEPS),
        *findings.values(),
        plain(tflite.get("outcome")),
        count(tflite.get("bytes")),
        plain(as_object(model.get("versions")).get("tensorflow")),
        *(plain(model.get(key)) for key in _LATER),
    ]


def plain(value: Any) -> str:
    """A text that no spreadsheet takes for a formula."""
    text = _INNER.sub(r"\1'", shown(text_of(value), _MOST))
    return f"'{text}" if _FIRST.match(text) else text
