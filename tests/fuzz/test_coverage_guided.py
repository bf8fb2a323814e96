"""Each parser under a coverage-guided fuzzer, from the fixtures on.

For a few seconds here; ``MIGRATOR_FUZZ_SECONDS=60`` gives each target a minute, as CI does, several
at once.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.corpus import ROOT
from tests.fuzz.guided.targets import TARGETS

SECONDS = int(os.environ.get("MIGRATOR_FUZZ_SECONDS", "3"))
AT_ONCE = 5
START = 180
"""Seconds in which the seeds are read, on a busy machine."""
_RUNS = re.compile(r"stat::number_of_executed_units:\s+(\d+)")

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, tuple[Future[Done], Path]]]:
    """The fuzzers of all targets that were asked for, and where each leaves what it found."""
    if importlib.util.find_spec("atheris") is None:
        if os.environ.get("MIGRATOR_REQUIRE_FUZZ") and sys.version_info >= (3, 11):
            pytest.fail("atheris is not installed")
        pytest.skip("atheris is not installed")
    asked = [
        item.callspec.params["name"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path and item.fixturenames
        if hasattr(item, "callspec")
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = {}
        for name in asked:
            folder = tmp_path_factory.mktemp(name)
            found[name] = pool.submit(fuzzed, name, folder), folder
        yield found
        pool.shutdown(cancel_futures=True)


def fuzzed(name: str, folder: Path) -> Done:
    arguments = [name, f"--seconds={SECONDS}", f"--artifacts={folder}/"]
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz.guided", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=SECONDS + START,
    )


@pytest.mark.fuzz
@pytest.mark.parametrize("name", TARGETS)
def test_only_migrator_errors_come_out(
    name: str, runs: dict[str, tuple[Future[Done], Path]]
) -> None:
    running, folder = runs[name]
    done = running.result()
    found = [path.read_bytes()[:2000] for path in folder.iterdir()]
    assert done.returncode == 0, f"{done.stderr[-3000:]}\n{found}"
    told = _RUNS.search(done.stderr)
    assert told is not None, done.stderr[-2000:]
    assert int(told[1]) > len(list(TARGETS[name].seeds())), "it did not come past its seeds"
