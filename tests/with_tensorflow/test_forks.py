"""Children that share one import of TensorFlow, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrator.errors import WorkerError
from migrator.runtime import forks
from migrator.runtime.client import Child, ChildLimits
from migrator.runtime.forks import warm_tensorflow

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks only on Linux")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No server of another test's children."""
    monkeypatch.setattr(forks, "_server", None)
    monkeypatch.setattr(forks, "_users", 0)
    yield


def _answers(child: Child) -> bool:
    """True where the child tells of a task that does not exist."""
    with pytest.raises(WorkerError, match="no task is called 'nothing'"):
        child.run("nothing")
    return True


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if _stat(pid)[0] == "Z":  # dead; whoever inherited it has not looked yet
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_children_are_processes_of_their_own_with_one_parent(alone: None) -> None:
    with warm_tensorflow(), Child() as one, Child() as other:
        assert _answers(one) and _answers(other)
        assert len({one.pid, other.pid, os.getpid()}) == 3
        server = _parent(one.pid)
        assert _parent(other.pid) == server != os.getpid()
        assert os.getpgid(one.pid) == one.pid
        pids = [one.pid, other.pid, server]
    assert all(_is_gone(pid) for pid in pids)


def test_child_that_dies_costs_no_other(alone: None) -> None:
    with warm_tensorflow(), Child() as one, Child() as other:
        os.kill(one.pid, signal.SIGSEGV)
        with pytest.raises(WorkerError, match="killed by SIGSEGV"):
            one.finish()
        assert _answers(other)
        with Child() as third:
            assert _answers(third)


def test_child_that_grows_too_large_is_stopped(alone: None) -> None:
    with warm_tensorflow(), Child(ChildLimits(memory=1 << 20)) as child, Child() as other:
        with pytest.raises(WorkerError, match="past the limit of 1,048,576"):
            child.finish()
        assert _answers(other)


def test_child_that_nobody_waits_for_leaves_nothing(alone: None) -> None:
    with warm_tensorflow():
        start = time.monotonic()
        Child().close()
        assert time.monotonic() - start < 1  # not even for the import
        with Child() as child:
            assert _answers(child)
            server = _parent(child.pid)
    assert _is_gone(server)


def test_timeout_holds_during_the_import_too(alone: None) -> None:
    with warm_tensorflow(), Child(ChildLimits(timeout=0.1)) as child:
        start = time.monotonic()
        with pytest.raises(WorkerError, match="did not finish within"):
            child.run("nothing")
        assert time.monotonic() - start < 2


def test_children_start_without_a_server_that_died(alone: None) -> None:
    with warm_tensorflow():
        with Child() as child:
            server = _parent(child.pid)
        os.kill(server, signal.SIGKILL)
        assert _is_gone(server)
        with Child() as child:
            assert _answers(child)
            assert _parent(child.pid) == os.getpid()


def test_inner_use_shares_the_outer_server(alone: None) -> None:
    with warm_tensorflow():
        with warm_tensorflow(), Child() as child:
            server = _parent(child.pid)
        with Child() as child:
            assert _answers(child)
            assert _parent(child.pid) == server
    assert _is_gone(server)


def test_nothing_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import time\n"
        "from migrator.runtime.client import Child\n"
        "from migrator.runtime.forks import warm_tensorflow\n"
        "with warm_tensorflow(), Child() as child:\n"
        "    print(child.pid, flush=True)\n"
        "    time.sleep(120)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    server = _parent(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert _is_gone(child) and _is_gone(server)
