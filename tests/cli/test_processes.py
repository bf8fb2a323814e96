"""The command line as users start it: versions, usage, pipes, encodings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from migrator._version import __version__
from tests.commands import environment, run, spawn
from tests.corpus import sample

MLP = sample("tf1.15.5/mlp")
Capture = pytest.CaptureFixture[str]


def test_version_is_one_line(tmp_path: Path) -> None:
    done = spawn(["--version"], cwd=tmp_path)
    assert (done.code, done.out, done.err) == (0, f"migrator {__version__}\n", "")


@pytest.mark.parametrize(
    "words", [[], ["transmogrify"], ["inspect"], ["inspect", "--format", "xml", "x"]]
)
def test_bad_usage_is_exit_code_two(words: list[str], capsys: Capture) -> None:
    done = run(capsys, *words)
    assert (done.code, done.out) == (2, "")
    assert "usage: migrator" in done.err


@pytest.mark.parametrize(
    "words", [["--help"], *([verb, "--help"] for verb in ("inspect", "plan", "migrate", "verify"))]
)
def test_help_goes_to_standard_output(words: list[str], capsys: Capture) -> None:
    done = run(capsys, *words)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("usage: migrator")


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    """``migrator inspect ... | head -1``"""
    command = [sys.executable, "-m", "migrator", "inspect", *[str(MLP.path)] * 300]
    first = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), cwd=tmp_path
    )
    assert first.stdout is not None
    assert first.stderr is not None
    line = first.stdout.readline()
    first.stdout.close()
    complaints = first.stderr.read()
    first.stderr.close()
    assert first.wait(timeout=50) == 0
    assert b"GraphDef" in line
    assert complaints == b""


def test_a_closed_pipe_and_a_short_result_is_no_error(tmp_path: Path) -> None:
    """The text fits the buffer: only the last flush meets the closed pipe."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "migrator", "inspect", str(MLP.path)],
            stdout=writing,
            stderr=subprocess.PIPE,
            env=environment(),
            cwd=tmp_path,
            timeout=50,
        )
    finally:
        os.close(writing)
    assert done.returncode == 0
    assert done.stderr == b""


BUFFERED = pytest.mark.parametrize("unbuffered", ["", "1"])


@BUFFERED
def test_a_full_disk_is_an_error(unbuffered: str, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "migrator", "inspect", str(MLP.path)],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment({"PYTHONUNBUFFERED": unbuffered}),
            cwd=tmp_path,
            timeout=50,
            text=True,
        )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


@BUFFERED
def test_a_result_that_is_cut_short_is_an_error(unbuffered: str, tmp_path: Path) -> None:
    """The disk takes the beginning of it: one write comes back with less than it was given."""
    program = "import resource, sys, migrator.cli.main as cli\n"
    program += "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
    program += "sys.exit(cli.main(['explain', '--format', 'json']))"
    with open(tmp_path / "result.json", "wb") as file:
        done = subprocess.run(
            [sys.executable, "-c", program],
            stdout=file,
            stderr=subprocess.PIPE,
            env=environment({"PYTHONUNBUFFERED": unbuffered}),
            cwd=tmp_path,
            timeout=50,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr == "migrator: error: File too large\n"


@pytest.mark.parametrize(("closed", "code"), [(">&-", 0), ("2>&-", 0), (">&- 2>&-", 0)])
def test_a_stream_that_is_closed_is_no_crash(closed: str, code: int, tmp_path: Path) -> None:
    command = f"'{sys.executable}' -m migrator audit '{MLP.path}' {closed}"
    done = subprocess.run(
        ["sh", "-c", command], env=environment(), cwd=tmp_path, capture_output=True, timeout=50
    )
    assert (done.returncode, done.stderr) == (code, b"")


def test_no_colour_reaches_a_pipe(tmp_path: Path) -> None:
    plain = spawn(["inspect", str(MLP.path)], cwd=tmp_path)
    without = spawn(["inspect", str(MLP.path)], cwd=tmp_path, env={"NO_COLOR": "1"})
    forced = spawn(["inspect", str(MLP.path)], cwd=tmp_path, env={"TERM": "xterm-256color"})
    assert plain.code == 0
    assert plain == without == forced
    assert "\x1b" not in plain.out


def test_output_that_the_terminal_cannot_encode_is_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "m\N{SNOWMAN}.pb"
    path.write_bytes(MLP.path.read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "migrator", "inspect", str(path)],
        env=environment({"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}),
        capture_output=True,
        cwd=tmp_path,
        timeout=50,
    )
    assert b"Traceback" not in done.stderr
    assert done.returncode == 0
    assert b"frozen GraphDef" in done.stdout


def test_options_of_the_environment_do_not_change_results(tmp_path: Path) -> None:
    plain = spawn(["inspect", str(MLP.path), "--format", "json"], cwd=tmp_path)
    for env in ({"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2"}, {"PYTHONOPTIMIZE": "2"}):
        assert spawn(["inspect", str(MLP.path), "--format", "json"], cwd=tmp_path, env=env) == plain


def test_plans_do_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    path = str(sample("tf1.15.5/multi_io").path)
    found = {
        spawn(["plan", path, "--format", "json"], cwd=tmp_path, env={"PYTHONHASHSEED": seed}).out
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1
