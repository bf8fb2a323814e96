"""Batches of real models with TensorFlow; one tenth of a second a model once it is there."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import migrator
from migrator.batching.ledger.ledger import Ledger
from migrator.batching.run.batch import BatchResult
from tests.batch.poison import POISONS, sound
from tests.batch.stubs import lean
from tests.corpus import sample

pytestmark = pytest.mark.tensorflow

KINDS = ("mlp", "conv_bn", "argmax_post", "multi_io", "half_double", "while_plain")
CAUSES = {
    "truncated": ("failed", "bad_input", "truncated"),
    "unknown_op": ("blocked", "", "OpOfNobody"),
    "crashes": ("failed", "signal", "SIGABRT"),
    "hangs": ("failed", "timeout", "within 25 s"),
    "grows": ("failed", "memory", "past the limit of 1,200,000,000"),
    "hoards": ("failed", "memory", "asked for 4.00TiB of memory"),
}


def zoo(folder: Path, count: int) -> Path:
    """Small frozen graphs, each in a folder of its own."""
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        made = folder / f"{number:02}-{kind}"
        made.mkdir(parents=True)
        (made / "model.pb").write_bytes(sample(f"tf1.15.5/{kind}").file.read_bytes())
    return folder


def by_name(found: BatchResult) -> dict[str, dict[str, object]]:
    return {str(item["name"]): dict(item) for item in found.models}


def test_every_model_comes_through_all_steps_into_its_folder(tmp_path: Path) -> None:
    found = migrator.batch([zoo(tmp_path / "zoo", 6)], tmp_path / "out", jobs=2)
    assert found.exit_code == 0
    for item in found.models:
        assert item["outcome"] == "done"
        assert item["verdict"] in ("bitwise", "within_tolerance")
        assert set(item["seconds"]) == {"inspect", "audit", "plan", "migrate", "verify"}
        folder = Path(item["dest"])
        assert sorted(entry.name for entry in folder.iterdir()) == [
            "audit.json",
            "index.html",
            "inspect.json",
            "log.txt",
            "outcome.json",
            "plan.json",
            "record.json",
            "saved_model",
        ]
        record = json.loads((folder / "record.json").read_text())
        inside = json.loads((folder / "saved_model/assets.extra/migrator.json").read_text())
        assert record["dest"] == inside["dest"] == str(folder / "saved_model")


def test_poisoned_models_cost_only_themselves_and_are_told_by_their_true_cause(
    tmp_path: Path,
) -> None:
    folder = zoo(tmp_path / "zoo", 6)
    for name, make in POISONS.items():
        (folder / f"{name}.pb").write_bytes(make())
    start = time.monotonic()
    found = migrator.batch(
        [folder], tmp_path / "out", jobs=2, timeout=25.0, memory_limit=1_200_000_000
    )
    seconds = time.monotonic() - start
    models = by_name(found)
    assert found.exit_code == 1
    assert found.counts["done"] == 6
    for name, (outcome, cause, words) in CAUSES.items():
        told = models[name]
        assert (told["outcome"], told["cause"]) == (outcome, cause), told["reason"]
        assert words in str(told["reason"])
        assert not (tmp_path / "out" / name / "saved_model").exists()
        assert words.partition(" ")[0] in (tmp_path / "out" / name / "log.txt").read_text()
    assert models["crashes"]["attempts"] == 2
    assert seconds < 90


def test_what_is_open_comes_with_candidates_and_options_to_paste(tmp_path: Path) -> None:
    (tmp_path / "zoo").mkdir()
    source = tmp_path / "zoo" / "model.pb"
    source.write_bytes(sample("tf1.15.5/two_towers").file.read_bytes())
    found = migrator.batch([source], tmp_path / "out")
    assert found.exit_code == 3
    (told,) = found.models
    assert told["outcome"] == "needs_decision"
    assert told["decision"]["kind"] == "endpoints"
    assert told["decision"]["candidates"]["outputs"][0]["tensor"]
    assert any(option.startswith("--output") for option in told["decision"]["options"])


def test_a_tflite_file_is_made_where_it_is_asked_for(tmp_path: Path) -> None:
    steps = ("inspect", "migrate", "verify", "tflite")
    found = migrator.batch([zoo(tmp_path / "zoo", 1)], tmp_path / "out", steps=steps)
    (told,) = found.models
    assert told["outcome"] == "done"
    assert told["tflite"]["outcome"] == "converted"
    assert told["tflite"]["bytes"] == (Path(told["dest"]) / "model.tflite").stat().st_size


def test_a_run_without_tensorflow_steps_starts_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("migrator.runtime.client.require_tensorflow", None)
    steps = ("inspect", "audit", "plan")
    found = migrator.batch([zoo(tmp_path / "zoo", 2)], tmp_path / "out", steps=steps)
    assert found.exit_code == 0
    assert {item["verdict"] for item in found.models} == {""}


def test_a_run_that_is_killed_resumes_to_the_same_result(tmp_path: Path) -> None:
    folder = zoo(tmp_path / "zoo", 8)
    (folder / "sound.pb").write_bytes(sound())
    command = [sys.executable, "-m", "migrator", "batch", str(folder), "--jobs", "2", "-q"]
    chance = random.Random(1)
    for count in (1, 4):
        process = subprocess.Popen([*command, "--dest", str(tmp_path / "killed")])
        ledger = tmp_path / "killed" / "ledger.jsonl"
        while process.poll() is None and _lines(ledger) < count:
            time.sleep(0.02)
        time.sleep(chance.uniform(0.0, 0.3))
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run([*command, "--dest", str(tmp_path / "killed")], check=True)
    subprocess.run([*command, "--dest", str(tmp_path / "whole")], check=True)
    assert _results(tmp_path / "killed") == _results(tmp_path / "whole")
    assert not (tmp_path / "killed" / ".work").exists()


def _lines(ledger: Path) -> int:
    return ledger.read_bytes().count(b"\n") if ledger.exists() else 0


def _results(dest: Path) -> dict[str, object]:
    with Ledger(dest) as ledger:
        found = {item["name"]: lean(item) for item in ledger.models(sorted(ledger))}
    for item in found.values():
        del item["dest"], item["result_bytes"]
    folders = sorted(str(item.relative_to(dest)) for item in dest.rglob("*") if item.is_dir())
    return {**found, "folders": folders}


def test_no_process_and_no_temporary_folder_is_left_by_a_run_that_was_interrupted(
    tmp_path: Path,
) -> None:
    folder = zoo(tmp_path / "zoo", 6)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", "migrator", "batch", str(folder), "-q", "--dest"]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    process = subprocess.Popen(
        [*command, str(tmp_path / "out")],
        env=environment,
        # Started in the background, a shell hands down that SIGINT be ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and not _lines(tmp_path / "out" / "ledger.jsonl"):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert not list(temporary.iterdir())
    told = str(tmp_path).encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                assert told not in (entry / "environ").read_bytes()
            except OSError:
                continue
