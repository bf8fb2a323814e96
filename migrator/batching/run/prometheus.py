"""A batch's counts for Prometheus: a file for the node exporter's textfile collector.

The collector reads it whenever Prometheus asks, so it is written beside and renamed. Several
batches of one machine write a file each; the label ``dest`` keeps their series apart.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migrator._version import __version__
from migrator.batching.task import CAUSES, ERROR, FAILED, OUTCOMES
from migrator.files import write_whole

BUCKETS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Upper bounds, in seconds, of the histogram of a model's time."""
VERDICTS = ("bitwise", "within_tolerance", "mismatch", "not_run")
_OTHER = "other"
_PREFIX = "migrator_batch_"
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")

Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]
"""Suffix of the family's name, labels, value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """What is known of a run beside its outcomes. Times are seconds of Unix time."""

    dest: str
    started: float
    expected: int
    """Models that the run has to bring through, those before it not counted."""
    finished: float | None = None
    """None while it runs."""
    jobs: int = 0
    running: int = 0
    """Models that are worked on now."""
    labels: Labels = field(default_factory=dict)
    """Of all samples, beside ``dest``."""


class Counts:
    """What a run has brought, an outcome at a time, in memory that does not grow.

    Every known label value is there from the start: a counter that appears with its first event
    has no rate. One thread at a time.
    """

    __slots__ = (
        "buckets",
        "bytes",
        "causes",
        "last",
        "models",
        "outcomes",
        "peak",
        "retries",
        "seconds",
        "steps",
        "verdicts",
    )

    def __init__(self) -> None:
        self.models = 0
        self.outcomes = dict.fromkeys(OUTCOMES, 0)
        self.verdicts = dict.fromkeys(VERDICTS, 0)
        self.causes = dict.fromkeys(CAUSES, 0)
        self.steps: dict[str, float] = {}
        self.seconds = 0.0
        self.buckets = [0] * len(BUCKETS)
        self.bytes = {"source": 0, "result": 0}
        self.retries = 0
        self.peak = 0
        self.last = 0.0
        """When the last model ended, as far as ``add`` was told."""

    def add(self, outcome: Mapping[str, Any], *, now: float = 0.0) -> None:
        """One model more, as the ledger tells it; ``now`` is in seconds of Unix time."""
        self.models += 1
        self.last = max(self.last, now)
        told = outcome.get("outcome")
        _count(self.outcomes, told)
        if outcome.get("verdict"):
            _count(self.verdicts, outcome["verdict"])
        if told == FAILED:
            _count(self.causes, outcome.get("cause") or ERROR)
        self._add_seconds(outcome.get("seconds"))
        for key in self.bytes:
            self.bytes[key] += int(_amount(outcome.get(f"{key}_bytes")))
        self.retries += max(int(_amount(outcome.get("attempts"))) - 1, 0)
        self.peak = max(self.peak, int(_amount(outcome.get("peak_rss_bytes"))))

    def _add_seconds(self, told: Any) -> None:
        steps = told if isinstance(told, Mapping) else {}
        total = 0.0
        for step, value in steps.items():
            seconds = _amount(value)
            if step == "total" or not isinstance(step, str):
                continue
            total += seconds
            known = step in self.steps or len(self.steps) < 20
            key = step if known else _OTHER
            self.steps[key] = self.steps.get(key, 0.0) + seconds
        total = _amount(steps.get("total")) or total
        self.seconds += total
        for number, bound in enumerate(BUCKETS):
            self.buckets[number] += total <= bound


def _count(counts: dict[str, int], key: Any) -> None:
    name = key if isinstance(key, str) and key in counts else _OTHER
    counts[name] = counts.get(name, 0) + 1


def _amount(value: Any) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < math.inf else 0.0


def write_metrics(path: str | os.PathLike[str], counts: Counts, run: RunState) -> None:
    """Write the metrics to ``path``, whole. Raises DestinationError where that cannot be done.

    The collector reads files that end in ``.prom``.
    """
    write_whole(Path(path), metrics_text(counts, run))


def metrics_text(counts: Counts, run: RunState) -> str:
    """The counts in the text format of Prometheus. Raises ValueError for a label's bad name."""
    common = {**run.labels, "dest": run.dest}
    for name in common:
        if not _LABEL.match(name) or name.startswith("__"):
            raise ValueError(f"{name!r} cannot be the name of a label")
    lines = []
    for name, kind, about, samples in _families(counts, run):
        full = _PREFIX + name
        lines += [f"# HELP {full} {about}", f"# TYPE {full} {kind}"]
        lines += [
            f"{full}{suffix}{_labels({**common, **labels})} {_number(value)}"
            for suffix, labels, value in samples
        ]
    return "\n".join(lines) + "\n"


Family = tuple[str, str, str, Sequence[Sample]]
"""Name without its prefix, type, help, samples."""


def _families(counts: Counts, run: RunState) -> Iterator[Family]:
    yield _counter(
        "models_total", "Models that this run has ended, by outcome.", "outcome", counts.outcomes
    )
    yield _counter(
        "verdicts_total",
        "Results that were compared with their source.",
        "verdict",
        counts.verdicts,
    )
    yield _counter("failures_total", "Models that failed, by cause.", "cause", counts.causes)
    yield _counter("step_seconds_total", "Time spent in each step.", "step", counts.steps)
    yield "retries_total", "counter", "Models tried once more.", [("", {}, counts.retries)]
    for key, value in counts.bytes.items():
        about = f"Bytes of the {'sources' if key == 'source' else 'results'} of ended models."
        yield f"{key}_bytes_total", "counter", about, [("", {}, value)]
    yield "model_duration_seconds", "histogram", "Time of a model, all steps.", _histogram(counts)
    yield _gauge("models_expected", "Models that this run has to end.", run.expected)
    yield _gauge("models_running", "Models that are worked on.", run.running)
    yield _gauge("jobs", "Models that are worked on at a time, at most.", run.jobs)
    yield _gauge("peak_rss_bytes", "Largest resident memory of any model's child.", counts.peak)
    yield _gauge("running", "1 while the run goes on.", run.finished is None)
    yield _gauge("run_start_timestamp_seconds", "When the run began.", run.started)
    if run.finished is not None:
        yield _gauge("run_end_timestamp_seconds", "When the run ended.", run.finished)
        spent = max(run.finished - run.started, 0.0)
        yield _gauge("run_duration_seconds", "How long the run took.", spent)
    if counts.last:
        yield _gauge("last_model_timestamp_seconds", "When a model last ended.", counts.last)
    yield "build_info", "gauge", "1; the version is a label.", [("", {"version": __version__}, 1)]


def _counter(name: str, about: str, label: str, counts: Mapping[str, float]) -> Family:
    return name, "counter", about, [("", {label: key}, value) for key, value in counts.items()]


def _gauge(name: str, about: str, value: float) -> Family:
    return name, "gauge", about, [("", {}, value)]


def _histogram(counts: Counts) -> list[Sample]:
    rows: list[Sample] = [
        ("_bucket", {"le": _number(bound)}, value)
        for bound, value in zip(BUCKETS, counts.buckets, strict=True)
    ]
    return [
        *rows,
        ("_bucket", {"le": "+Inf"}, counts.models),
        ("_sum", {}, counts.seconds),
        ("_count", {}, counts.models),
    ]


def _labels(labels: Labels) -> str:
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{inner}}}" if inner else ""


def _escaped(value: str) -> str:
    text = value.encode("utf-8", "replace").decode()  # a lone surrogate is no UTF-8
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    """Whole numbers without a point; times to the microsecond."""
    rounded = round(float(value), 6)
    return str(int(rounded)) if rounded == int(rounded) else repr(rounded)
