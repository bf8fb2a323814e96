"""Running the command line: in this process, and as users do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import migrator
from migrator.cli.main import main


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a command gave."""

    code: int
    out: str
    err: str


def run(capsys: pytest.CaptureFixture[str], *words: str | os.PathLike[str]) -> Outcome:
    """One command in this process."""
    capsys.readouterr()
    try:
        code = main([os.fspath(word) for word in words])
    except SystemExit as stop:  # argparse's way out
        code = stop.code if isinstance(stop.code, int) else 0
    out, err = capsys.readouterr()
    return Outcome(code=code, out=out, err=err)


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """One in which a child finds the migrator that is tested, from any folder."""
    home = str(Path(migrator.__file__).resolve().parent.parent)
    return {**os.environ, "PYTHONPATH": home, **(more or {})}


def spawn(
    words: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout: float = 50,
) -> Outcome:
    """One command as ``python -m migrator`` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "migrator", *(os.fspath(word) for word in words)],
        cwd=cwd,
        env=environment(env),
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )
    return Outcome(code=done.returncode, out=done.stdout, err=done.stderr)
