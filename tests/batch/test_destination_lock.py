from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from migrator.batching.job.places import OUTCOME
from migrator.batching.ledger.ledger import Ledger
from migrator.batching.ledger.lock import DestinationLock
from migrator.batching.ledger.recovery import catch_up, outcomes_here
from migrator.batching.task import Outcome, Task
from migrator.errors import DestinationError
from tests.batch.ledgers import outcome, promptly


def test_the_second_run_on_a_destination_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    with (
        DestinationLock(tmp_path),
        pytest.raises(DestinationError, match=f"another run works on it .process {os.getpid()} on"),
        DestinationLock(tmp_path),
    ):
        pass
    with DestinationLock(tmp_path):
        pass


def test_the_lock_of_a_run_that_was_killed_is_taken_over(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom migrator.batching.ledger.lock import *\n"
        "DestinationLock(Path(sys.argv[1])).__enter__()\nos.kill(os.getpid(), 9)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert ended.returncode == -9
    (tmp_path / ".work" / "half").mkdir(parents=True)
    left = Path(json.loads((tmp_path / ".lock").read_text())["temporary"])
    assert left.is_dir()
    with DestinationLock(tmp_path) as lock:
        assert lock.temporary.is_dir()
        assert not left.exists()
        assert not (tmp_path / ".work").exists()
    assert not lock.temporary.exists()


def test_a_lock_tells_whether_the_run_before_came_to_its_end(tmp_path: Path) -> None:
    with DestinationLock(tmp_path) as lock:
        assert not lock.was_stopped
    with pytest.raises(KeyboardInterrupt), DestinationLock(tmp_path) as lock:
        assert not lock.was_stopped
        raise KeyboardInterrupt
    with DestinationLock(tmp_path) as lock:
        assert lock.was_stopped
    with DestinationLock(tmp_path) as lock:
        assert not lock.was_stopped


def test_a_file_system_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(file: object, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises(DestinationError, match="cannot be locked: No locks available") as caught:
        DestinationLock(tmp_path).__enter__()
    assert "file system that has locks" in caught.value.hint


EARLIER, LATER = "2026-01-01T00:00:00.000+00:00", "2026-01-02T00:00:00.000+00:00"


@pytest.mark.parametrize(
    ("line", "folder", "expected"),
    [
        ({"finished": EARLIER}, {"finished": LATER, "outcome": "failed"}, "failed"),
        ({"finished": LATER, "cause": "storage", "outcome": "failed"}, {}, "failed"),
        ({"finished": EARLIER}, {"finished": EARLIER, "again": True}, "done"),
        ({"finished": EARLIER}, {"finished": LATER, "again": True}, ""),
        ({"finished": EARLIER}, {"finished": LATER, "name": "of another"}, "done"),
        ({"finished": EARLIER}, None, ""),
        (None, {"finished": LATER}, "done"),
        (None, {"finished": LATER, "again": True}, ""),
        (None, None, ""),
    ],
    ids=["put", "lost", "twice", "died", "other", "gone", "new", "new-died", "nothing"],
)
def test_after_a_run_that_was_killed_the_ledger_tells_what_the_folders_do(
    task: Task, tmp_path: Path, line: object, folder: object, expected: str
) -> None:
    def told(values: object) -> Outcome:
        return outcome(task, **{"finished": EARLIER, **values})  # type: ignore[dict-item]

    if folder is None:
        (Path(task.dest) / OUTCOME).unlink()
    else:
        (Path(task.dest) / OUTCOME).write_text(json.dumps(told(folder).to_json()))
    with Ledger(tmp_path) as ledger:
        if line is not None:
            ledger.add(told(line))
        catch_up(ledger, outcomes_here([task]))
        assert ledger.outcome_of("ok") == expected


@pytest.mark.parametrize("data", [b"", b"{", b"\0" * 100])
def test_an_outcome_that_was_cut_short_with_the_power_is_none(
    task: Task, tmp_path: Path, data: bytes
) -> None:
    (Path(task.dest) / OUTCOME).write_bytes(data)
    with Ledger(tmp_path) as ledger:
        ledger.add(outcome(task))
        catch_up(ledger, outcomes_here([task]))
        assert ledger.needs_work(task) == "new"


def test_an_outcome_that_is_a_pipe_is_none(task: Task, tmp_path: Path) -> None:
    (Path(task.dest) / OUTCOME).unlink()
    os.mkfifo(Path(task.dest) / OUTCOME)
    with Ledger(tmp_path) as ledger, promptly():
        ledger.add(outcome(task))
        catch_up(ledger, outcomes_here([task]))
        assert ledger.needs_work(task) == "new"


def test_a_lock_that_names_a_folder_of_somebody_has_it_removed_never(tmp_path: Path) -> None:
    precious = tmp_path / "migrator-batch-of-mine"
    precious.mkdir()
    told = {"host": socket.gethostname(), "temporary": str(precious)}
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").write_text(json.dumps(told))
    with DestinationLock(tmp_path / "out"):
        pass
    assert precious.is_dir()


def test_a_folder_that_holds_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(DestinationError, match="holds other things"), DestinationLock(tmp_path):
        pass
    assert [item.name for item in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_destination_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(DestinationError, match="is a file"),
        DestinationLock(tmp_path / "file"),
    ):
        pass
