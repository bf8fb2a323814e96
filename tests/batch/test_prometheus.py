"""A batch's counts as Prometheus reads them."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

from migrator.batching.run.prometheus import BUCKETS, Counts, RunState, metrics_text, write_metrics
from migrator.errors import DestinationError
from tests.batch import made

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{({_LABEL}(?:,{_LABEL})*)\}})? (\S+)")
_META = re.compile(rf"# (HELP|TYPE) ({_NAME}) (.+)")


def parsed(text: str) -> tuple[dict[str, str], Samples]:
    """Types and samples, by the grammar of the text format, and nothing laxer."""
    assert text.endswith("\n") and "\r" not in text
    types: dict[str, str] = {}
    helped: set[str] = set()
    samples: Samples = {}
    for line in text[:-1].split("\n"):
        if meta := _META.fullmatch(line):
            kind, name, rest = meta.groups()
            assert name not in (types if kind == "TYPE" else helped), f"{name} twice"
            if kind == "HELP":
                helped.add(name)
            else:
                assert rest in ("counter", "gauge", "histogram")
                types[name] = rest
            family = name
            continue
        match = _SAMPLE.fullmatch(line)
        assert match, line
        name, inner, value = match.groups()
        assert name == family or name.removeprefix(family) in ("_bucket", "_sum", "_count")
        labels = tuple(
            (item.partition("=")[0], item.partition("=")[2][1:-1])
            for item in re.findall(_LABEL, inner or "")
        )
        assert len({key for key, _ in labels}) == len(labels)
        assert (name, labels) not in samples, f"{name} {labels} twice"
        samples[name, labels] = float(value)
    assert helped == set(types)
    return types, samples


def state(**changes: Any) -> RunState:
    return RunState(**{"dest": "/out", "started": 1000.0, "expected": 10, "jobs": 2, **changes})


def of(samples: Samples, name: str, **labels: str) -> float:
    wanted = set(labels.items())
    [found] = [
        value
        for (key, told), value in samples.items()
        if key == f"migrator_batch_{name}" and wanted <= set(told)
    ]
    return found


def zoo_counts(models: int) -> tuple[Counts, list[dict[str, Any]]]:
    counts, zoo = Counts(), made.zoo(models)
    for number, item in enumerate(zoo):
        counts.add(item, now=1000.0 + number)
    return counts, zoo


def test_counts_are_those_of_the_outcomes() -> None:
    counts, zoo = zoo_counts(400)
    types, samples = parsed(metrics_text(counts, state(finished=1500.0)))
    assert types["migrator_batch_models_total"] == "counter"
    for outcome in ("done", "needs_decision", "blocked", "failed"):
        told = sum(item["outcome"] == outcome for item in zoo)
        assert of(samples, "models_total", outcome=outcome) == told > 0
    timeouts = sum(item["cause"] == "timeout" for item in zoo)
    assert of(samples, "failures_total", cause="timeout") == timeouts > 0
    assert of(samples, "source_bytes_total") == sum(item["source_bytes"] for item in zoo)
    migrating = sum(item["seconds"].get("migrate", 0) for item in zoo)
    assert of(samples, "step_seconds_total", step="migrate") == pytest.approx(migrating)
    assert of(samples, "retries_total") == sum(item["attempts"] - 1 for item in zoo)
    assert of(samples, "run_duration_seconds") == 500
    assert of(samples, "last_model_timestamp_seconds") == 1399


def test_histogram_is_cumulative_and_ends_with_the_count() -> None:
    counts, zoo = zoo_counts(300)
    _, samples = parsed(metrics_text(counts, state()))
    bounds = [*map(str, BUCKETS), "+Inf"]
    buckets = {
        float(dict(labels)["le"]): value
        for (name, labels), value in samples.items()
        if name == "migrator_batch_model_duration_seconds_bucket"
    }
    assert sorted(buckets) == [*map(float, bounds)]
    values = [buckets[key] for key in sorted(buckets)]
    assert values == sorted(values)
    assert buckets[math.inf] == of(samples, "model_duration_seconds_count") == 300
    spent = [sum(item["seconds"].values()) for item in zoo]
    assert buckets[1.0] == sum(value <= 1.0 for value in spent)
    assert of(samples, "model_duration_seconds_sum") == pytest.approx(sum(spent))


def test_series_are_there_before_the_first_event() -> None:
    _, samples = parsed(metrics_text(Counts(), state()))
    assert of(samples, "models_total", outcome="failed") == 0
    assert of(samples, "failures_total", cause="signal") == 0
    assert of(samples, "running") == 1


def test_names_follow_the_conventions() -> None:
    types, _ = parsed(metrics_text(zoo_counts(50)[0], state(finished=2000.0)))
    for name, kind in types.items():
        assert name.startswith("migrator_batch_")
        assert name.endswith("_total") == (kind == "counter"), name


@pytest.mark.parametrize("dest", ['a"b', "back\\slash", "line\nbreak", "\udcff", "s3://b/ü {x}"])
def test_labels_hold_any_destination(dest: str) -> None:
    _, samples = parsed(metrics_text(Counts(), state(dest=dest, labels={"zoo": dest})))
    assert of(samples, "jobs") == 2


def test_bad_name_of_a_label_is_refused() -> None:
    for name in ("9a", "a-b", "__own", "", 'x="'):
        with pytest.raises(ValueError, match="label"):
            metrics_text(Counts(), state(labels={name: "x"}))


def test_odd_outcomes_are_counted_and_grow_nothing() -> None:
    counts = Counts()
    for number in range(1000):
        seconds = {f"step{number}": 1.0, "migrate": float("nan"), "verify": -1}
        counts.add({"outcome": f"o{number}", "cause": [], "seconds": seconds, "attempts": True})
    text = metrics_text(counts, state())
    _, samples = parsed(text)
    assert of(samples, "models_total", outcome="other") == 1000
    assert len(text.splitlines()) < 130


def test_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "batch.prom"
    write_metrics(file, Counts(), state())
    first = file.read_text("utf-8")
    write_metrics(file, zoo_counts(20)[0], state())
    assert file.read_text("utf-8") != first
    assert [item.name for item in tmp_path.iterdir()] == ["batch.prom"]
    assert file.stat().st_mode & 0o444 == 0o444  # another user's collector reads it
    with pytest.raises(DestinationError):
        write_metrics(tmp_path / "no" / "batch.prom", Counts(), state())


def test_client_library_reads_the_same() -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    text = metrics_text(zoo_counts(60)[0], state(finished=1200.0, labels={"zoo": 'a"b\\c'}))
    families = list(parser.text_string_to_metric_families(text))
    told = sum(len(family.samples) for family in families)
    assert told == len(parsed(text)[1])
