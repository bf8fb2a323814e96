"""The scripts to copy and adapt, as their users call them."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from migrator.batching.executors.local import LocalExecutor
from tests.batch.clusters import needs_distributed
from tests.batch.poison import sound, truncated
from tests.commands import run
from tests.corpus import sample

Main = Callable[[list[str]], int]


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> Main:
    """Its ``main``; signals stay as they are in the process of the tests."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "scripts"))
    monkeypatch.setattr("migrator.interrupts.unwind_on_signals", lambda: None)
    sys.modules.pop(name, None)
    found: Main = importlib.import_module(name).main
    return found


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two frozen graphs; the current folder is beside it."""
    folder = tmp_path / "models"
    (folder / "team").mkdir(parents=True)
    for name in ("one", "team/two"):
        (folder / f"{name}.pb").write_bytes(sound())
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Main:
    return script("legacy_gate", monkeypatch)


def test_the_gate_names_each_new_legacy_model_and_is_exit_code_1(
    zoo: Path, gate: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate(["models"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "'one' is new, and is legacy",
        "'team/two' is new, and is legacy",
    ]


def test_the_gate_lets_pass_what_was_accepted_and_nothing_else(
    zoo: Path, gate: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate(["models", "--accept"]) == 0
    assert Path("legacy-models.txt").read_text() == "one\nteam/two\n"
    assert gate(["models"]) == 0
    (zoo / "three.pb").write_bytes(sound())
    assert gate(["models"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "no new legacy models (2 known)",
        "'three' is new, and is legacy",
    ]


def test_the_gate_wants_what_is_gone_or_replaced_off_the_list(
    zoo: Path, gate: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    gate(["models", "--accept"])
    (zoo / "one.pb").unlink()
    assert gate(["models"]) == 1
    told = "'one' is legacy no more: take it off legacy-models.txt\n"
    assert capsys.readouterr().out == told
    Path("legacy-models.txt").write_text("team/two\n")
    assert gate(["models"]) == 0


def test_the_gate_stops_what_cannot_be_read_until_that_is_accepted_too(
    zoo: Path, gate: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    gate(["models", "--accept"])
    (zoo / "bad.pb").write_bytes(truncated())
    assert gate(["models"]) == 1
    assert capsys.readouterr().out == "'bad' is new, and cannot be read\n"
    assert gate(["models", "--accept"]) == 0
    assert gate(["models"]) == 0


def test_the_gate_tells_saved_models_of_tensorflow_1_from_those_of_2(
    zoo: Path, gate: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind, name in (("tf1.15.5/sm_variables", "old"), ("tf2.21.0/sm2_names", "new")):
        shutil.copytree(sample(kind).path, zoo / name)
    gate(["models"])
    told = capsys.readouterr().out
    assert "'old' is new, and is legacy" in told and "'new'" not in told


def test_the_gate_stops_a_graph_as_text(
    zoo: Path, gate: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    gate(["models", "--accept"])
    (zoo / "graph.pbtxt").write_text('node { name: "x" op: "Placeholder" }\nversions { }\n')
    assert gate(["models"]) == 1
    assert "'graph' is new, and is legacy" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["nowhere"], ["models", "--dest", "models/one.pb"]])
def test_a_gate_that_cannot_look_is_exit_code_2_and_one_line(
    words: list[str], zoo: Path, gate: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gate(words) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1
    assert not Path("legacy-models.txt").exists()


def test_the_batch_program_ends_without_models_or_a_cluster_as_the_command_line_does(
    zoo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main = script("batch_migrate", monkeypatch)
    assert main(["nowhere", "out"]) == 2
    assert main(["models", "out", "--jobs", "0"]) == 2
    for address in ("http://here", ""):
        assert main(["models", "out", "--scheduler", address]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 4
    assert not Path("out/index.html").exists()


def test_the_batch_program_tells_of_each_model_that_is_not_done(
    zoo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All but the steps that need TensorFlow."""
    import migrator

    batch = migrator.batch
    monkeypatch.setattr(
        migrator, "batch", lambda *told, **more: batch(*told, **more, steps=["inspect", "audit"])
    )
    monkeypatch.setattr(
        "migrator.batching.executors.local.LocalExecutor",
        lambda jobs: LocalExecutor(jobs, warm=False),
    )
    (zoo / "bad.pb").write_bytes(truncated())
    main = script("batch_migrate", monkeypatch)
    assert main(["models", "out", "--jobs", "1", "--metrics", "batch.prom"]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "3 of 3 models to do"
    assert told[1].startswith("bad: failed: ")
    assert told[-2].startswith("finished after ") and told[-1] == "page: out/index.html"
    assert 'outcome="done"' in Path("batch.prom").read_text()
    (zoo / "bad.pb").unlink()
    assert main(["models", "out"]) == 0
    assert capsys.readouterr().out.startswith("0 of 2 models to do\n")
    assert json.loads(Path("out/batch.json").read_text())["totals"]["models"] == 3


def test_what_the_command_line_did_the_call_does_not_do_again(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import migrator

    run(capsys, "batch", "models", "--dest", "out", "--steps", "inspect,audit")
    assert migrator.batch(["models"], "out", steps=["inspect", "audit"]).run["kept"] == 2


@needs_distributed
def test_the_measure_of_a_cluster_does_all_models_and_tells_the_cost_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    main = script("measure_cluster", monkeypatch)
    assert main(["--models", "30", "--workers", "1"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("first run: 30 of 30 done, ")
    assert told[1].startswith("processor, ms a model: client ")
    assert told[2].startswith("memory, MB: client ")
    assert told[3].startswith("once more, nothing to do: 30 of 30 done, ")
    assert not [*tmp_path.glob("measure-cluster-*")]
