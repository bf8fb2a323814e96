"""Each parser under a coverage-guided fuzzer, from the fixtures on.

For a few seconds here; ``MIGRATOR_FUZZ_SECONDS=60`` gives each target a minute, as CI does.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.corpus import ROOT
from tests.fuzz.guided.targets import TARGETS

SECONDS = int(os.environ.get("MIGRATOR_FUZZ_SECONDS", "3"))
START = 120
"""Seconds in which the seeds are read, on a busy machine."""
_RUNS = re.compile(r"stat::number_of_executed_units:\s+(\d+)")


@pytest.mark.fuzz
@pytest.mark.parametrize("name", TARGETS)
def test_only_migrator_errors_come_out(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        if os.environ.get("MIGRATOR_REQUIRE_FUZZ") and sys.version_info >= (3, 11):
            pytest.fail("atheris is not installed")
        pytest.skip("atheris is not installed")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.fuzz.guided",
            name,
            f"--seconds={SECONDS}",
            f"--artifacts={tmp_path}/",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=SECONDS + START,
    )
    found = [path.read_bytes()[:2000] for path in tmp_path.iterdir()]
    assert done.returncode == 0, f"{done.stderr[-3000:]}\n{found}"
    runs = _RUNS.search(done.stderr)
    assert runs is not None, done.stderr[-2000:]
    assert int(runs[1]) > len(list(TARGETS[name].seeds())), "it did not come past its seeds"
