"""DEST and what is in it: nothing of a user's is lost, and a run notices what is taken from it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from migrator.batching.job.places import begin, put, working_folder
from migrator.batching.ledger.ledger import Ledger
from migrator.batching.ledger.lock import DestinationLock
from migrator.batching.run.batch import BatchResult, run_tasks
from migrator.batching.run.results import write_results
from migrator.batching.task import Json, Task
from migrator.errors import DestinationError
from tests.batch.stubs import tasks, work


class Here(Executor):
    """Does each task in this process, at once; ``before`` is told its name first."""

    jobs = 1

    def __init__(self, before: Callable[[str], None] = lambda name: None) -> None:
        self._before = before

    def submit(self, fn: Callable[[Json], Json], task: Json, /) -> Future[Json]:  # type: ignore[override]
        self._before(task["name"])
        future: Future[Json] = Future()
        try:
            future.set_result(fn(task))
        except Exception as error:
            future.set_exception(error)
        return future


def go(tmp_path: Path, *names: str, **options: Any) -> BatchResult:
    made = tasks(tmp_path / "zoo", tmp_path / "out", *names)
    before = options.pop("before", lambda name: None)
    return run_tasks(made, tmp_path / "out", work=work, executor=Here(before), **options)


def listing(folder: Path) -> dict[str, str]:
    return {
        str(item.relative_to(folder)): item.read_text() if item.is_file() else "/"
        for item in sorted(folder.rglob("*"))
    }


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    for name in ("batch.json", "precious.txt"):
        (folder / name).write_text("mine")
    return folder


def refused(out: Path, words: str) -> DestinationError:
    before = listing(out)
    with pytest.raises(DestinationError, match=words) as caught, DestinationLock(out):
        pass
    assert listing(out) == before
    return caught.value


# --- what is a user's


def test_a_working_folder_that_is_not_ours_is_not_removed(out: Path) -> None:
    (out / ".work").mkdir()
    (out / ".work" / "thesis.txt").write_text("mine")
    refused(out, "holds other things")


@pytest.mark.parametrize("content", ["my notes", '{"mine": 1}', "[1]"])
def test_a_file_that_is_called_like_the_lock_is_not_written_to(out: Path, content: str) -> None:
    (out / ".lock").write_text(content)
    refused(out, "holds other things")


@pytest.mark.parametrize("content", ["", "\0" * 100, '{"pid": 1, "ho'])
def test_a_lock_that_was_cut_short_with_the_power_is_ours(out: Path, content: str) -> None:
    (out / ".lock").write_text(content)
    with DestinationLock(out):
        pass


@pytest.mark.parametrize("has_ledger", [False, True])
@pytest.mark.parametrize("name", [".lock", ".work", "ledger.jsonl"])
def test_a_link_in_the_place_of_what_is_ours_is_not_followed(
    tmp_path: Path, outside: Path, name: str, has_ledger: bool
) -> None:
    out = tmp_path / "out"
    if has_ledger:
        go(tmp_path, "ok")
    out.mkdir(exist_ok=True)
    (out / name).unlink(missing_ok=True)
    (out / name).symlink_to(outside if name == ".work" else outside / "precious.txt")
    before = listing(outside)
    error = refused(out, "a link")
    assert name in error.where
    assert listing(outside) == before


@pytest.mark.parametrize("name", [".lock", "ledger.jsonl"])
def test_a_pipe_in_the_place_of_what_is_ours_is_refused_at_once(out: Path, name: str) -> None:
    os.mkfifo(out / name)
    with pytest.raises(DestinationError, match="no file"), DestinationLock(out):
        pass


def test_a_file_in_the_place_of_the_working_folder_is_told_as_such(tmp_path: Path) -> None:
    go(tmp_path, "ok")
    (tmp_path / "out" / ".work").write_text("mine")
    error = refused(tmp_path / "out", "is no folder")
    assert "move it away" in error.hint


@pytest.mark.parametrize("content", ['{"debit": 5}\n', "a,b\n1,2\n", '{"schema": "other/1"}\n'])
def test_a_ledger_of_something_else_makes_no_destination(out: Path, content: str) -> None:
    (out / "ledger.jsonl").write_text(content)
    (out / "index.html").write_text("my page")
    refused(out, "not the ledger of a batch")


@pytest.mark.parametrize("content", ["", '{"schema": "migra', "\0" * 512, "\n"])
def test_a_ledger_that_was_cut_short_with_the_power_is_ours(out: Path, content: str) -> None:
    (out / "ledger.jsonl").write_text(content)
    (out / "ok").mkdir()
    with DestinationLock(out):
        pass


def test_one_line_of_ours_after_others_makes_a_ledger(tmp_path: Path) -> None:
    go(tmp_path, "ok")
    ledger = tmp_path / "out" / "ledger.jsonl"
    ledger.write_text('{"debit": 5}\ngarbage\n' + ledger.read_text())
    assert go(tmp_path, "ok").run["ran"] == 0


def model(tmp_path: Path, name: str) -> tuple[Task, Path]:
    """A task of that name and the folder with its result, to be put in place."""
    (task,) = tasks(tmp_path / "zoo", tmp_path / "out", name)
    folder = working_folder(task)
    begin(folder)
    (folder / "outcome.json").write_text('{"schema": "migrator.batch-model/1"}')
    return task, folder


@pytest.mark.parametrize("content", ['{"mine": 1}', "my text", "[]"])
def test_a_folder_with_an_outcome_of_something_else_stays(
    tmp_path: Path, out: Path, content: str
) -> None:
    task, folder = model(tmp_path, "ok")
    (out / "ok").mkdir()
    (out / "ok" / "outcome.json").write_text(content)
    with pytest.raises(DestinationError, match="not the result of a batch"):
        put(folder, task)
    assert (out / "ok" / "outcome.json").read_text() == content


@pytest.mark.parametrize("content", ["", "{", '{\n  "schema": "migra', "\0" * 100])
def test_a_result_that_was_cut_short_with_the_power_is_replaced(
    tmp_path: Path, out: Path, content: str
) -> None:
    task, folder = model(tmp_path, "ok")
    (out / "ok").mkdir()
    (out / "ok" / "log.txt").touch()
    (out / "ok" / "outcome.json").write_text(content)
    put(folder, task)
    assert "migrator.batch-model/1" in (out / "ok" / "outcome.json").read_text()


def test_an_outcome_that_is_a_pipe_is_nobodys(tmp_path: Path, out: Path) -> None:
    task, folder = model(tmp_path, "ok")
    (out / "ok").mkdir()
    os.mkfifo(out / "ok" / "outcome.json")
    with pytest.raises(DestinationError, match="not the result of a batch"):
        put(folder, task)


@pytest.mark.parametrize("name", ["team/ok", "team/net/ok"])
def test_nothing_is_put_through_a_link_below_the_destination(
    tmp_path: Path, out: Path, outside: Path, name: str
) -> None:
    task, folder = model(tmp_path, name)
    place = (out / name).parent
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(outside)
    before = listing(outside)
    with pytest.raises(DestinationError, match="a link"):
        put(folder, task)
    assert listing(outside) == before


def test_a_destination_that_is_a_link_itself_is_one(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    go(tmp_path, "team/ok")
    assert (tmp_path / "real" / "team" / "ok" / "outcome.json").is_file()


def test_the_result_of_a_model_below_another_s_name_stays(tmp_path: Path, out: Path) -> None:
    for name in ("a/b", "a"):
        (tmp_path / "zoo" / name).parent.mkdir(parents=True, exist_ok=True)
    below, made = model(tmp_path, "a/b")
    put(made, below)
    (out / "a" / "outcome.json").write_text('{"schema": "migrator.batch-model/1"}')
    task = Task(name="a", source="s", dest=str(out / "a"))
    folder = working_folder(task)
    begin(folder)
    with pytest.raises(DestinationError, match="other models"):
        put(folder, task)
    assert (out / "a" / "b" / "outcome.json").is_file()


def test_an_asset_that_is_called_like_an_outcome_does_not_stay(tmp_path: Path, out: Path) -> None:
    task, folder = model(tmp_path, "ok")
    assets = folder / "saved_model" / "assets"
    assets.mkdir(parents=True)
    (assets / "outcome.json").write_text('{"schema": "migrator.batch-model/1"}')
    put(folder, task)
    task, folder = model(tmp_path, "ok")
    put(folder, task)
    assert not (out / "ok" / "saved_model").exists()


@pytest.mark.parametrize("kind", ["link", "file"])
def test_work_goes_nowhere_but_into_a_folder_of_ours(
    tmp_path: Path, out: Path, outside: Path, kind: str
) -> None:
    (task,) = tasks(tmp_path / "zoo", out, "ok")
    if kind == "link":
        (out / ".work").symlink_to(outside)
    else:
        (out / ".work").write_text("mine")
    before = listing(outside)
    with pytest.raises(DestinationError, match=r"no folder|a link"):
        begin(working_folder(task))
    with pytest.raises(DestinationError, match=r"no folder|a link"):
        write_results(out, [], {})
    assert listing(outside) == before
    assert sorted(os.listdir(out)) == [".work"]


# --- what is taken from a run


def lose(path: Path) -> Callable[[], None]:
    return path.unlink


def emptied(path: Path) -> Callable[[], None]:
    return lambda: path.write_text("")  # type: ignore[return-value]


def replaced(path: Path) -> Callable[[], None]:
    def act() -> None:
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)

    return act


@pytest.mark.parametrize(
    ("name", "act"),
    [
        ("ledger.jsonl", lose),
        ("ledger.jsonl", emptied),
        ("ledger.jsonl", replaced),
        (".lock", lose),
        (".lock", replaced),
    ],
)
def test_a_run_that_lost_its_ledger_or_lock_stops_and_the_next_one_goes_on(
    tmp_path: Path, name: str, act: Callable[[Path], Callable[[], None]]
) -> None:
    names = [f"ok-{number}" for number in range(20)]
    path = tmp_path / "out" / name
    spoil = act(path)
    with pytest.raises(DestinationError, match="while this run worked") as caught:
        go(tmp_path, *names, before=lambda told: spoil() if told == "ok-8" else None)
    assert caught.value.where == str(path)
    assert "run the same command again" in caught.value.hint
    assert not (tmp_path / "out" / "ok-19").exists()
    found = go(tmp_path, *names)
    assert found.counts["done"] == 20
    if name == "ledger.jsonl" and act is not replaced:  # told by the folders, and not done again
        assert found.run["ran"] < 14


def test_a_run_that_lost_its_destination_does_not_make_another(tmp_path: Path) -> None:
    out = tmp_path / "out"
    names = [f"ok-{number}" for number in range(20)]
    with pytest.raises(DestinationError, match="was removed while this run worked"):
        go(tmp_path, *names, before=lambda told: _rename(out) if told == "ok-8" else None)
    assert not out.exists()


def _rename(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def test_what_is_worked_on_makes_no_destination(tmp_path: Path) -> None:
    (task,) = tasks(tmp_path / "zoo", tmp_path / "out", "ok")
    with pytest.raises(DestinationError, match="cannot be written"):
        begin(working_folder(task))
    assert not (tmp_path / "out").exists()


def test_who_lost_the_lock_leaves_the_work_of_others_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with (
        pytest.raises(DestinationError, match="while this run worked"),
        DestinationLock(out) as one,
    ):
        (out / ".lock").unlink()
        (out / ".work").mkdir()
        one.check()
    assert (out / ".work").is_dir()
    assert not one.temporary.exists()


def test_a_ledger_that_was_emptied_is_told_by_who_reads_it(tmp_path: Path) -> None:
    found = go(tmp_path, "ok-1", "ok-2")
    path = tmp_path / "out" / "ledger.jsonl"
    for spoil in (emptied(path), lose(path)):
        spoil()
        with pytest.raises(DestinationError, match=r"while this run worked|cannot be read"):
            list(found.models)
        with pytest.raises(DestinationError, match=r"while this run worked|cannot be read"):
            found.models[1]


def test_a_line_that_is_not_written_makes_no_new_ledger(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    go(tmp_path, "ok")
    with Ledger(out) as ledger:
        told = ledger.outcome("ok")
        assert told is not None
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(DestinationError, match="No space left"):
            ledger.add(told)
    assert len((out / "ledger.jsonl").read_text().splitlines()) == 1
    assert json.loads((out / "ledger.jsonl").read_text())["name"] == "ok"
