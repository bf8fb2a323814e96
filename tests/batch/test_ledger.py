from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import pytest

from migrator import interrupts
from migrator.batching.job.notes import empty_outcome
from migrator.batching.job.places import OUTCOME
from migrator.batching.ledger.before import check_sources
from migrator.batching.ledger.ledger import Ledger, parse_retry
from migrator.batching.ledger.lock import DestinationLock
from migrator.batching.ledger.recovery import catch_up, outcomes_here
from migrator.batching.storage import stamps
from migrator.batching.storage.stamps import sha256_of, stamp_of
from migrator.batching.task import Outcome, Task
from migrator.errors import DestinationError, UsageError
from migrator.files import open_regular
from tests.batch.stubs import tasks


@contextmanager
def promptly(seconds: int = 5) -> Iterator[None]:
    """Fail, and do not hang, where something waits for a pipe or reads without end."""

    def late(*_: object) -> None:
        raise AssertionError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(task: Task, **values: object) -> Outcome:
    """One of ``task`` as it is now, done unless told otherwise."""
    stamp = stamp_of(task)
    told = {
        "outcome": "done",
        "source_stamp": stamp.value,
        "source_sha256": sha256_of(task.source),
        **values,
    }
    return replace(empty_outcome(task, "then"), **told)  # type: ignore[arg-type]


@pytest.fixture
def task(tmp_path: Path) -> Task:
    (made,) = tasks(tmp_path / "zoo", tmp_path / "out", "ok")
    folder = Path(made.dest)
    folder.mkdir(parents=True)
    (folder / OUTCOME).touch()
    return made


def test_an_outcome_is_read_back_as_it_was_written(task: Task, tmp_path: Path) -> None:
    told = outcome(task, reason='a "quoted"\nü', rules=("B1",), decision={"kind": "endpoints"})
    with Ledger(tmp_path) as ledger:
        ledger.add(told)
    with Ledger(tmp_path) as ledger:
        assert ledger.outcome("ok") == told
        assert ledger.outcome("other") is None


def test_a_signal_in_the_midst_of_a_line_is_heard_when_the_ledger_knows_of_it(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, interrupts._on_signal)
    monkeypatch.setattr(interrupts, "_raised", None)
    try:
        with Ledger(tmp_path) as ledger:
            monkeypatch.setattr(os, "fsync", lambda _: os.kill(os.getpid(), signal.SIGTERM))
            with pytest.raises(SystemExit):
                ledger.add(outcome(task))
            ledger.check()
            assert ledger.outcome("ok") == outcome(task)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_the_last_line_of_a_name_counts_and_none_is_lost(task: Task, tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.add(outcome(task, outcome="failed", cause="timeout"))
        ledger.add(outcome(task))
        assert ledger.outcome_of("ok") == "done"
        assert [item["outcome"] for item in ledger.models(["ok"])] == ["done"]
    assert len((tmp_path / "ledger.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("kept", [1, 40, -1])
def test_a_torn_last_line_is_passed_over_and_spoils_no_other(
    task: Task, tmp_path: Path, kept: int
) -> None:
    path = tmp_path / "ledger.jsonl"
    with Ledger(tmp_path) as ledger:
        ledger.add(outcome(task))
    whole = path.read_bytes()
    second = whole.replace(b'"name": "ok"', b'"name": "torn"')
    path.write_bytes(whole + second[: kept if kept > 0 else len(second) - 2])
    with Ledger(tmp_path) as ledger:
        assert ledger.torn == 1
        assert list(ledger) == ["ok"]
        ledger.add(outcome(replace(task, name="next")))
    with Ledger(tmp_path) as ledger:
        assert list(ledger) == ["ok", "next"]
        assert [item["name"] for item in ledger.models(["ok", "torn", "next"])] == ["ok", "next"]


def test_a_line_that_only_lacks_its_end_is_whole(task: Task, tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.add(outcome(task))
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    with Ledger(tmp_path) as ledger:
        ledger.add(outcome(replace(task, name="next")))
    with Ledger(tmp_path) as ledger:
        assert (list(ledger), ledger.torn) == (["ok", "next"], 0)


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b"3",
        b"{}",
        b'{"name": 3}',
        b"\xff\xfe",
        b"[" * 5000,
        b'{"schema": "other/1", "name": "a", "source": "", "dest": "", "outcome": "done"}',
        b'{"name": "a", "source": "", "dest": "", "outcome": "done", "cause": 3}',
        b'{"name": "a", "source": "", "dest": "", "outcome": "done", "finished": null}',
        b'{"name": "a", "source": "", "dest": "", "outcome": ["done"]}',
        b'{"schema": 5, "name": "a", "source": "", "dest": "", "outcome": "done"}',
        b'{"schema": null, "name": "a", "source": "", "dest": "", "outcome": "done"}',
        b'{"schema": [], "name": "a", "source": "", "dest": "", "outcome": "done"}',
        b'{"name": "a", "source": "", "dest": 5, "outcome": "done"}',
        b'{"name": "a", "source": "", "dest": "", "outcome": "done", "steps": ["plan", 5]}',
        b'{"name": "a", "source": "", "dest": "", "outcome": "done", "decided": []}',
        b'{"name": "a", "source": "", "dest": "", "outcome": "done", "seconds": "abc"}',
        b'{"name": "a", "source": "", "dest": "", "outcome": "done", "source_bytes": "1e9"}',
        b'{"name": "a", "source": "", "dest": "", "outcome": "done", "attempts": null}',
        b'{"name": "a", "source": "", "dest": "", "outcome": "done", "again": 5}',
        b'{"name": "a", "source": "", "dest": "", "outcome": "done", "decision": "yes"}',
        b'{"name": "a", "source": "", "dest": "", "outcome": "done", "rules": "B1"}',
    ],
)
def test_a_line_that_is_no_outcome_is_passed_over(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "ledger.jsonl").write_bytes(line + b"\n")
    with Ledger(tmp_path) as ledger:
        assert (list(ledger), ledger.torn) == ([], 1)


def test_a_key_of_a_later_version_is_no_harm(task: Task, tmp_path: Path) -> None:
    line = {**outcome(task).to_json(), "of_tomorrow": 1}
    (tmp_path / "ledger.jsonl").write_text(json.dumps(line) + "\n")
    with Ledger(tmp_path) as ledger:
        assert ledger.outcome_of("ok") == "done"
        assert next(iter(ledger.models(["ok"])))["of_tomorrow"] == 1


def test_each_line_is_on_the_disk_when_add_returns(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, int]] = []

    def note(fd: int) -> None:
        synced.append((os.readlink(f"/proc/self/fd/{fd}"), os.fstat(fd).st_size))

    path = tmp_path / "ledger.jsonl"
    monkeypatch.setattr(os, "fsync", note)
    with Ledger(tmp_path) as ledger:
        assert [name for name, _ in synced] == [str(tmp_path)]  # that there is one, too
        ledger.add(outcome(task))
    assert synced[1:] == [(str(path), path.stat().st_size)]
    with Ledger(tmp_path):
        assert len(synced) == 2


def test_a_line_that_the_disk_did_not_take_leaves_no_half(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    with Ledger(tmp_path) as ledger:
        ledger.add(outcome(task))
        before = ledger.path.read_bytes()
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(DestinationError, match="No space left") as caught:
                ledger.add(outcome(replace(task, name="next")))
        assert "make room" in caught.value.hint
        assert ledger.path.read_bytes() == before
        ledger.add(outcome(replace(task, name="last")))
    with Ledger(tmp_path) as ledger:
        assert list(ledger) == ["ok", "last"]


def test_what_is_new_needs_work(task: Task, tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        assert ledger.needs_work(task) == "new"
        ledger.add(outcome(task))
        assert ledger.needs_work(task) == ""


def test_other_options_need_work_but_other_bounds_do_not(task: Task, tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.add(outcome(task))
        other = replace(task, feeds=("is_training=false",), fingerprint="")
        assert ledger.needs_work(other) == "other options"
        longer = replace(task, timeout=5.0, memory_limit=1 << 30, fingerprint="")
        assert ledger.needs_work(longer) == ""


def test_another_version_of_this_program_needs_work(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.add(outcome(task))
        monkeypatch.setattr("migrator.batching.task.__version__", "99")
        assert ledger.needs_work(replace(task, fingerprint="")) == "other options"


def test_a_changed_source_needs_work_and_a_touched_one_does_not(task: Task, tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.add(outcome(task))
        os.utime(task.source, (1, 1))
        assert ledger.needs_work(task) == ""
        Path(task.source).write_text("other")
        assert ledger.needs_work(task) == "changed source"


def test_a_touched_source_is_read_once_and_no_more(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(path: str) -> str:
        read.append(path)
        return sha256_of(path)

    monkeypatch.setattr("migrator.batching.ledger.ledger.sha256_of", counted)
    with Ledger(tmp_path) as ledger:
        told = outcome(task, reason="first")
        ledger.add(told)
        os.utime(task.source, (1, 1))
        assert ledger.needs_work(task) == ""
        assert ledger.needs_work(task) == ""
        noted = ledger.outcome("ok")
        assert noted == replace(told, source_stamp=stamp_of(task).value)
    with Ledger(tmp_path) as ledger:
        assert ledger.needs_work(task) == ""
        assert len(ledger.path.read_text().splitlines()) == 2
    assert read == [task.source]


def test_a_new_time_that_cannot_be_noted_costs_nothing(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with Ledger(tmp_path) as ledger:
        ledger.add(outcome(task))
        os.utime(task.source, (1, 1))
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            assert ledger.needs_work(task) == ""
        ledger.check()


def test_a_source_of_another_size_is_not_read_to_tell_that_it_changed(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(path: str) -> str:
        raise AssertionError(path)

    with Ledger(tmp_path) as ledger:
        ledger.add(outcome(task, source_bytes=stamp_of(task).bytes))
        with open(task.source, "ab") as file:
            file.truncate(1 << 40)  # a sparse one, of a terabyte
        monkeypatch.setattr("migrator.batching.ledger.ledger.sha256_of", never)
        assert ledger.needs_work(task) == "changed source"


@pytest.mark.parametrize("size", [0, 2])
@pytest.mark.parametrize("kind", ["pipe", "zero", "folder"])
def test_a_source_that_became_no_file_is_changed_and_never_read(
    task: Task, tmp_path: Path, kind: str, size: int
) -> None:
    other = replace(task, source=str(tmp_path / "another"))
    with Ledger(tmp_path) as ledger:
        ledger.add(outcome(task, source_bytes=size))
        ledger.add(outcome(other, name="ok-2", source_sha256="0" * 64))
        Path(task.source).unlink()
        if kind == "pipe":
            os.mkfifo(task.source)
        elif kind == "zero":
            Path(task.source).symlink_to("/dev/zero")
        else:
            Path(task.source).mkdir()
        with promptly():
            assert sha256_of(task.source) == ""
            assert ledger.needs_work(task) == "changed source"


def test_a_source_that_became_a_pipe_is_no_copy_of_another(task: Task, tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.add(outcome(task))
        os.mkfifo(tmp_path / "pipe")
        other = replace(task, source=str(tmp_path / "pipe"))
        with promptly(), pytest.raises(DestinationError, match="results of other models"):
            check_sources([other], ledger, str(tmp_path))


def test_a_moved_model_is_known_by_its_bytes_which_are_read_only_where_its_size_is_the_same(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("migrator.batching.ledger.ledger.sha256_of", lambda path: "abc")
    for name, content in (("same", b"12"), ("larger", b"123")):
        (tmp_path / name).write_bytes(content)
    with Ledger(tmp_path) as ledger:
        ledger.add(outcome(task, source_bytes=2, source_sha256="abc"))
        check_sources([replace(task, source=str(tmp_path / "same"))], ledger, "DEST")
        with pytest.raises(DestinationError, match="results of other models"):
            check_sources([replace(task, source=str(tmp_path / "larger"))], ledger, "DEST")


def test_a_file_that_grows_while_it_is_read_is_read_to_where_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "grows"
    file.write_bytes(b"1" * 100)
    before = sha256_of(str(file))

    def opened(path: str) -> BinaryIO:
        found = open_regular(path)
        size = os.fstat(found.fileno()).st_size
        monkeypatch.setattr(os, "fstat", lambda handle: SimpleNamespace(st_size=size))
        file.write_bytes(b"1" * 1000)
        return found

    monkeypatch.setattr(stamps, "open_regular", opened)
    assert sha256_of(str(file)) == before


def test_a_changed_file_of_weights_beside_a_graph_needs_work(tmp_path: Path) -> None:
    folder = tmp_path / "zoo" / "saved"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"1")
    weights = folder / "variables" / "variables.data-00000-of-00001"
    weights.write_bytes(b"1")
    task = Task(name="saved", source=str(folder), dest=str(tmp_path / "out" / "saved"))
    Path(task.dest).mkdir(parents=True)
    (Path(task.dest) / OUTCOME).touch()
    with Ledger(tmp_path) as ledger:
        ledger.add(outcome(task))
        assert ledger.needs_work(task) == ""
        weights.write_bytes(b"22")
        assert ledger.needs_work(task) == "changed source"


@pytest.mark.parametrize("name", ["m", "m.meta", "m.index", "m.data-00000-of-00001"])
def test_a_checkpoint_named_by_any_of_its_files_needs_work_when_another_of_them_changes(
    tmp_path: Path, name: str
) -> None:
    parts = ("m.meta", "m.index", "m.data-00000-of-00001")
    for part in (*parts, "my.index"):
        (tmp_path / part).write_bytes(b"1")
    task = Task(name="m", source=str(tmp_path / name), dest=str(tmp_path / "out" / "m"))
    before = stamp_of(task)
    assert before.bytes == 3
    (tmp_path / "my.index").write_bytes(b"22")
    assert stamp_of(task) == before
    for part in parts:
        (tmp_path / part).write_bytes(b"22")
        assert stamp_of(task) != before
        before = stamp_of(task)


def test_what_is_done_again_anyway_is_not_read_for_that(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(path: str) -> str:
        raise AssertionError(path)

    with Ledger(tmp_path) as ledger:
        ledger.add(outcome(task, outcome="failed", cause="timeout"))
        os.utime(task.source, (1, 1))
        monkeypatch.setattr("migrator.batching.ledger.ledger.sha256_of", never)
        assert ledger.needs_work(task, retry=["failed"]) == "tried again"


def test_what_failed_is_done_again_only_when_asked_for(task: Task, tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.add(outcome(task, outcome="failed", cause="timeout"))
        assert ledger.needs_work(task) == ""
        assert ledger.needs_work(task, retry=["needs_decision"]) == ""
        assert ledger.needs_work(task, retry=["failed"]) == "tried again"
        assert ledger.needs_work(task, retry=["all"]) == "tried again"


def test_what_failed_for_the_store_is_always_done_again(task: Task, tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.add(outcome(task, outcome="failed", cause="storage"))
        assert ledger.needs_work(task) == "tried again"


def test_a_result_that_somebody_removed_is_made_again(task: Task, tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.add(outcome(task))
        (Path(task.dest) / OUTCOME).unlink()
        assert ledger.needs_work(task) == "its folder is gone"


def test_words_of_retry() -> None:
    assert parse_retry("failed, needs_decision") == ("failed", "needs_decision")
    with pytest.raises(UsageError, match="faild"):
        parse_retry("faild")


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
