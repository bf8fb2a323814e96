from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from migrator import interrupts
from migrator.batching.ledger.ledger import Ledger
from migrator.batching.task import Task
from migrator.errors import DestinationError
from tests.batch.ledgers import outcome


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
