"""``migrator migrate`` as a user sees it: exit codes, messages, and what is left behind."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from migrator.formats.encode import write_graph
from migrator.formats.tensors import constant_tensor
from migrator.model.dtypes import FLOAT32, INT32, dtype_named
from migrator.model.graph import Node, Versions
from migrator.model.tensors import Shape

from .conftest import load_fixture

COMMAND = [sys.executable, "-m", "migrator"]


def _run(*arguments: object, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=timeout
    )


def test_migrates_and_tells_in_json(tmp_path: Path) -> None:
    dest = tmp_path / "out"
    done = _run("migrate", load_fixture("tf1.15.5/mlp").model, dest, "--format", "json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["outcome"] == "migrated"
    assert result["verification"]["verdict"] == "bitwise"
    assert result["signatures"]["serving_default"]["inputs"]["x"]["source_tensor"] == "x:0"
    assert done.stderr == ""
    assert (dest / "saved_model.pb").is_file()


def test_open_question_prints_what_to_paste_and_it_works(tmp_path: Path) -> None:
    fixture = load_fixture("tf1.15.5/is_training")
    asked = _run("migrate", fixture.model, tmp_path / "out")
    assert asked.returncode == 3
    assert not (tmp_path / "out").exists()
    lines = [line for line in asked.stderr.splitlines() if line.startswith("  --")]
    pasted = [word for line in lines for word in shlex.split(line)]
    assert "--feed" in pasted
    done = _run("migrate", fixture.model, tmp_path / "out", *pasted)
    assert done.returncode == 0, done.stderr


def test_a_control_may_stay_an_input(tmp_path: Path) -> None:
    fixture = load_fixture("tf1.15.5/is_training")
    done = _run(
        *("migrate", fixture.model, tmp_path / "out", "--format", "json"),
        *("--input", "x", "--input", "training=is_training"),
    )
    assert done.returncode == 0, done.stderr
    inputs = json.loads(done.stdout)["signatures"]["serving_default"]["inputs"]
    assert inputs["training"]["source_tensor"] == "is_training:0"


def test_existing_destination_is_refused_and_kept(tmp_path: Path) -> None:
    dest = tmp_path / "out"
    dest.mkdir()
    (dest / "precious").write_text("mine")
    (dest / "saved_model.pb").write_bytes(b"")
    model = load_fixture("tf1.15.5/mlp").model
    refused = _run("migrate", model, dest)
    assert refused.returncode == 2
    assert "--overwrite" in refused.stderr
    assert (dest / "precious").read_text() == "mine"
    done = _run("migrate", model, dest, "--overwrite", "--no-verify")
    assert done.returncode == 0, done.stderr
    assert not (dest / "precious").exists()
    assert os.listdir(tmp_path) == ["out"]


def test_mismatch_is_not_put_in_place_unless_asked(tmp_path: Path) -> None:
    source = _write(tmp_path / "clock.pb", _clock())
    failed = _run("migrate", source, tmp_path / "out")
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert "mismatch" in failed.stdout
    assert os.listdir(tmp_path) == ["clock.pb"]
    kept = _run("migrate", source, tmp_path / "out", "--keep-mismatch")
    assert kept.returncode == 1
    record = json.loads((tmp_path / "out/assets.extra/migrator.json").read_text())
    assert record["outcome"] == "failed"


def test_what_chance_decides_is_said_and_not_put_in_place_unproven(tmp_path: Path) -> None:
    source = _write(tmp_path / "noisy.pb", _noisy())
    failed = _run("migrate", source, tmp_path / "out")
    assert failed.returncode == 2, failed.stdout + failed.stderr
    assert "every output is random" in failed.stdout
    assert os.listdir(tmp_path) == ["noisy.pb"]


def _write(path: Path, nodes: list[Node]) -> Path:
    with path.open("wb") as file:
        write_graph(file, nodes, (), Versions(producer=27))
    return path


def _clock() -> list[Node]:
    """x plus the time of day: no two runs agree, and no random op is to blame."""
    double = dtype_named("float64")
    return [
        Node("x", "Placeholder", (), "", {"dtype": double, "shape": Shape((4,))}),
        Node("now", "Timestamp", (), "", {}),
        Node("hand", "Sin", ("now",), "", {"T": double}),
        Node("y", "Add", ("x", "hand"), "", {"T": double}),
    ]


def _noisy() -> list[Node]:
    """x plus unseeded noise: no two runs agree."""
    shape = {"dtype": INT32, "value": constant_tensor([4], INT32)}
    noise = {"dtype": FLOAT32, "T": INT32, "seed": 0, "seed2": 0}
    return [
        Node("x", "Placeholder", (), "", {"dtype": FLOAT32, "shape": Shape((4,))}),
        Node("shape", "Const", (), "", shape),
        Node("noise", "RandomUniform", ("shape",), "", noise),
        Node("y", "Add", ("x", "noise"), "", {"T": FLOAT32}),
    ]


def test_timeout_ends_the_child_and_leaves_nothing(tmp_path: Path) -> None:
    failed = _run("migrate", load_fixture("tf1.15.5/mlp").model, tmp_path / "out", "--timeout", 0.2)
    assert failed.returncode == 2
    assert "within 0.2 s" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert os.listdir(tmp_path) == []


def test_memory_limit_ends_the_child_and_leaves_nothing(tmp_path: Path) -> None:
    failed = _run(
        "migrate", load_fixture("tf1.15.5/mlp").model, tmp_path / "out", "--memory-limit", "50MB"
    )
    assert failed.returncode == 2
    assert "past the limit of 50,000,000" in failed.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="looks children up in /proc")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interruption_leaves_no_files_and_no_processes(
    tmp_path: Path, sent: signal.Signals
) -> None:
    process = subprocess.Popen(
        [*COMMAND, "migrate", str(load_fixture("tf1.15.5/mlp").model), str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Started in the background, a shell hands down that SIGINT be ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not (children := _children(process.pid)):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(sent)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == (130 if sent == signal.SIGINT else 143)
    assert b"Traceback" not in errors
    deadline = time.monotonic() + 10
    while any(_alive(pid) for pid in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert os.listdir(tmp_path) == []


def _children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_read_only_destination_is_one_clear_error(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("")
    failed = _run("migrate", load_fixture("tf1.15.5/mlp").model, place / "out")
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1
    assert "cannot be written" in failed.stderr
