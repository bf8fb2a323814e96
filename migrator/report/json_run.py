"""A run as a JSON object by the contract."""

from __future__ import annotations

from typing import Any

from migrator.report.array_values import summary, top_classes, type_name, values_of
from migrator.report.json_v1 import Json, envelope, source
from migrator.verification.run_result import RunResult, Timing

MOST_VALUES = 1000
"""Elements of an output whose values are given unless all are asked for."""


def run_result(result: RunResult, *, full: bool = False) -> Json:
    """What ``migrator run`` tells; with ``full`` the values of large outputs too."""
    return {
        **envelope("run"),
        "outcome": "ran",
        "source": source(result.source),
        "signature": result.signature,
        "ran": result.ran,
        "inputs": {
            name: {
                "dtype": type_name(item.array),
                "shape": list(item.array.shape),
                "from": item.origin,
            }
            for name, item in result.inputs.items()
        },
        "outputs": {
            name: _output(name, array, full=full) for name, array in result.outputs.items()
        },
        "notes": list(result.notes),
        "seconds": _seconds(result.timing),
        "peak_rss_bytes": result.peak_rss_bytes,
        "versions": dict(result.versions),
    }


def _output(name: str, array: Any, *, full: bool) -> Json:
    found = summary(array)
    whole = full or array.size <= MOST_VALUES
    return {
        "dtype": type_name(array),
        "shape": list(array.shape),
        "min": found.low,
        "max": found.high,
        "mean": found.mean,
        "not_finite": found.not_finite,
        "top": [
            [{"index": index, "score": score} for index, score in row]
            for row in top_classes(name, array)
        ],
        "complete": whole,
        "values": values_of(array) if whole else None,
    }


def _seconds(timing: Timing) -> Json:
    spread = timing.spread
    return {
        "load": timing.load,
        "first": timing.first,
        "further": None
        if spread is None
        else {
            "calls": len(timing.further),
            "min": spread[0],
            "median": spread[1],
            "max": spread[2],
        },
    }
