from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import pytest

from migrator.batching.job.places import OUTCOME
from migrator.batching.ledger.before import check_sources
from migrator.batching.ledger.ledger import Ledger, parse_retry
from migrator.batching.storage import stamps
from migrator.batching.storage.stamps import sha256_of, stamp_of
from migrator.batching.task import Task
from migrator.errors import DestinationError, UsageError
from migrator.files import open_regular
from tests.batch.ledgers import outcome, promptly


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
