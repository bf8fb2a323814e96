"""The result of ``migrator batch``: totals, and the latest outcome of each model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from migrator.report.batch_parts import (
    DONE,
    OUTCOMES,
    SEVERITIES,
    STEPS,
    VERDICTS,
    amount,
    as_object,
    count,
    findings_of,
    group_of,
    seconds_of,
    status_of,
    text_of,
    total_seconds,
    word,
)
from migrator.report.html_page import embedded
from migrator.report.json_v1 import Json, envelope

_MOST_KEYS = 200
"""Kinds of one thing that are counted apart; a ledger may name any number of them."""


def batch_result(outcomes: Sequence[Json], *, run: Json) -> Json:
    """What ``batch.json`` holds; of several outcomes of one name, the last.

    ``outcomes`` are gone through twice, and its objects are not copied.
    """
    order = latest(outcomes)
    return {
        **envelope("batch"),
        "run": dict(run),
        "totals": batch_totals(outcomes[number] for number in order),
        "models": [outcomes[number] for number in order],
    }


def batch_chunks(outcomes: Sequence[Json], *, run: Json) -> Iterator[str]:
    """The text of ``batch_result`` in pieces, a line a model.

    Never holds more than one outcome: ``outcomes`` may be a view that reads each from a file.
    """
    order = latest(outcomes)
    head = {
        **envelope("batch"),
        "run": run,
        "totals": batch_totals(outcomes[number] for number in order),
    }
    lines = [f"{embedded(key)}: {embedded(value)}" for key, value in head.items()]
    yield "{\n" + ",\n".join(lines) + ',\n"models": ['
    comma = "\n"
    for number in order:
        yield comma + embedded(outcomes[number])
        comma = ",\n"
    yield "\n]\n}\n"


def latest(outcomes: Iterable[Json]) -> list[int]:
    """Places of the last outcome of each name, in the order of the names."""
    places: dict[str, int] = {}
    for number, item in enumerate(outcomes):
        places[text_of(item.get("name"))] = number
    return [places[name] for name in sorted(places)]


def batch_totals(models: Iterable[Mapping[str, Any]]) -> Json:
    """Counts, times and sizes over all models, each counted once."""
    totals = Totals()
    for model in models:
        totals.add(model)
    return totals.as_json()


class Totals:
    """Sums that grow by one model at a time, in memory that does not."""

    __slots__ = ("_counts", "_numbers", "_seconds")

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {
            "outcome": Counter(dict.fromkeys(OUTCOMES, 0)),
            "verdict": Counter(dict.fromkeys(VERDICTS, 0)),
            "findings": Counter(dict.fromkeys(SEVERITIES, 0)),
            **{key: Counter() for key in ("cause", "decision", "rule", "readiness", "format")},
            "tflite": Counter(),
            "tensorflow": Counter(),
        }
        self._numbers = Counter[str]()
        self._seconds: dict[str, float] = dict.fromkeys(("total", *STEPS), 0.0)

    def add(self, model: Mapping[str, Any]) -> None:
        status, group = status_of(model), group_of(model)
        outcome = status if status in OUTCOMES else DONE
        self._count("outcome", outcome)
        if verdict := word(model.get("verdict")):
            self._count("verdict", verdict)
        if status in ("failed", "needs_decision", "blocked"):
            key = {"failed": "cause", "needs_decision": "decision", "blocked": "rule"}[status]
            self._count(key, group or "other")
        self._count("readiness", word(model.get("readiness")) or "unknown")
        self._count("format", word(model.get("format")) or "unknown")
        if tflite := word(as_object(model.get("tflite")).get("outcome")):
            self._count("tflite", tflite)
        if version := word(as_object(model.get("versions")).get("tensorflow")):
            self._count("tensorflow", version)
        self._counts["findings"].update(findings_of(model))
        self._add_sizes(model, outcome)
        for step, seconds in seconds_of(model).items():
            if step in self._seconds or len(self._seconds) < _MOST_KEYS:
                self._seconds[step] = self._seconds.get(step, 0.0) + seconds
        self._seconds["total"] += total_seconds(model)

    def _add_sizes(self, model: Mapping[str, Any], outcome: str) -> None:
        numbers, attempts = self._numbers, count(model.get("attempts"))
        numbers["models"] += 1
        numbers["attempts"] += max(attempts, 1)
        numbers["tried_again"] += attempts > 1
        numbers["source"] += count(model.get("source_bytes"))
        if outcome == DONE and count(model.get("result_bytes")):
            numbers["source_of_results"] += count(model.get("source_bytes"))
            numbers["results"] += count(model.get("result_bytes"))
        numbers["tflite"] += count(as_object(model.get("tflite")).get("bytes"))
        numbers["peak"] = max(numbers["peak"], count(model.get("peak_rss_bytes")))

    def _count(self, what: str, key: str) -> None:
        counts = self._counts[what]
        counts[key if key in counts or len(counts) < _MOST_KEYS else "other"] += 1

    def as_json(self) -> Json:
        numbers = self._numbers
        return {
            "models": numbers["models"],
            **{key: dict(found) for key, found in self._counts.items() if key != "tensorflow"},
            "seconds": {key: round(amount(value), 3) for key, value in self._seconds.items()},
            "bytes": {
                "source": numbers["source"],
                "source_of_results": numbers["source_of_results"],
                "results": numbers["results"],
                "tflite": numbers["tflite"],
            },
            "peak_rss_bytes": numbers["peak"],
            "attempts": numbers["attempts"],
            "tried_again": numbers["tried_again"],
            "versions": {"tensorflow": dict(self._counts["tensorflow"])},
        }
