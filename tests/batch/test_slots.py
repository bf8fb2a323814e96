from __future__ import annotations

import contextlib
import functools
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrator.actions.partner import Partner
from migrator.batching.executors import slots
from migrator.batching.executors.memory import process_tree
from migrator.batching.executors.slots import Slot, SlotKilled
from migrator.batching.task import Json, Task
from tests.batch.stubs import tasks
from tests.corpus import ROOT

WORK = "tests.batch.stubs:work"


@pytest.fixture
def slot() -> Iterator[Slot]:
    with contextlib.closing(Slot(warm=False)) as found:
        yield found


def run(slot: Slot, tmp_path: Path, source: str, **options: object) -> Json:
    (tmp_path / "out").mkdir(exist_ok=True)  # as a run does
    (task,) = tasks(tmp_path / "zoo", tmp_path / "out", source, **options)
    return slot.run(WORK, task.to_json())


def process_of(outcome: Json) -> str:
    return str(outcome["versions"]["process"])


def test_one_process_does_task_after_task(slot: Slot, tmp_path: Path) -> None:
    found = [run(slot, tmp_path, f"ok-{number}") for number in range(3)]
    assert {item["outcome"] for item in found} == {"done"}
    assert len({process_of(item) for item in found}) == 1
    assert process_of(found[0]) != str(os.getpid())


def test_a_slot_is_replaced_after_so_many_tasks(tmp_path: Path) -> None:
    with contextlib.closing(Slot(warm=False, recycle_after=2)) as slot:
        found = [process_of(run(slot, tmp_path, f"ok-{number}")) for number in range(4)]
    assert found[0] == found[1] != found[2] == found[3]


def test_a_slot_that_has_grown_is_replaced(tmp_path: Path) -> None:
    with contextlib.closing(Slot(warm=False, growth=-(1 << 40))) as slot:
        found = [process_of(run(slot, tmp_path, f"ok-{number}")) for number in range(2)]
    assert found[0] != found[1]


def test_what_a_process_said_that_does_not_start_is_in_the_log(
    slot: Slot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    partner = functools.partial(Partner, "tests.batch.stubs:serve_not")
    monkeypatch.setattr(slots, "Partner", lambda serve, log: partner(log=log))
    found = run(slot, tmp_path, "ok")
    assert (found["outcome"], found["cause"]) == ("failed", "error")
    assert "ended with exit code 1" in found["reason"]
    log = (tmp_path / "out" / "ok" / "log.txt").read_text()
    assert "ImportError: no module named tensorflow, for one" in log


def test_a_crash_is_told_by_its_signal_and_costs_only_its_task(slot: Slot, tmp_path: Path) -> None:
    crashed = run(slot, tmp_path, "crash")
    assert (crashed["outcome"], crashed["cause"], crashed["again"]) == ("failed", "signal", True)
    assert "SIGSEGV" in crashed["reason"]
    assert run(slot, tmp_path, "ok")["outcome"] == "done"


def test_a_process_that_ends_itself_is_told_by_its_exit_code(slot: Slot, tmp_path: Path) -> None:
    found = run(slot, tmp_path, "leave")
    assert (found["outcome"], found["cause"]) == ("failed", "error")
    assert "exit code 7" in found["reason"]


def test_what_hangs_is_stopped_at_its_timeout(
    slot: Slot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("migrator.batching.executors.slots._GRACE", 0.0)
    run(slot, tmp_path, "ok")
    start = time.monotonic()
    found = run(slot, tmp_path, "hang", timeout=0.5)
    assert time.monotonic() - start < 5
    assert (found["cause"], found["again"]) == ("timeout", False)
    assert found["reason"] == "did not finish within 0.5 s and was stopped"


def test_what_grows_is_stopped_at_its_memory_limit(slot: Slot, tmp_path: Path) -> None:
    found = run(slot, tmp_path, "grow", memory_limit=200 << 20)
    assert (found["cause"], found["again"]) == ("memory", False)
    assert "limit of 209,715,200 bytes" in found["reason"]


def test_what_a_task_started_ends_with_it_in_whatever_session(
    slot: Slot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("migrator.batching.executors.slots._GRACE", 0.0)
    (tmp_path / "out").mkdir(exist_ok=True)
    run(slot, tmp_path, "deaf", timeout=1.0)
    child = int((tmp_path / "out" / "deaf.child").read_text())
    deadline = time.monotonic() + 5
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(child)


def is_running(pid: int) -> bool:
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False


def test_the_folder_of_what_died_tells_why_and_holds_no_half_result(
    slot: Slot, tmp_path: Path
) -> None:
    run(slot, tmp_path, "crash")
    folder = tmp_path / "out" / "crash"
    assert sorted(item.name for item in folder.iterdir()) == [
        "index.html",
        "log.txt",
        "outcome.json",
    ]
    log = (folder / "log.txt").read_text()
    assert "SIGSEGV" in log
    assert "my last words" in log
    assert json.loads((folder / "outcome.json").read_text())["cause"] == "signal"


def test_a_slot_can_be_killed_from_another_thread_while_it_works(
    slot: Slot, tmp_path: Path
) -> None:
    run(slot, tmp_path, "ok")
    timer = threading.Timer(0.3, slot.kill)
    timer.start()
    start = time.monotonic()
    with pytest.raises(SlotKilled):
        run(slot, tmp_path, "hang")
    assert time.monotonic() - start < 5


def test_a_slot_leaves_no_process_and_no_temporary_folder_behind(tmp_path: Path) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    with contextlib.closing(Slot(warm=False, temporary=place)) as slot:
        pid = int(process_of(run(slot, tmp_path, "ok")))
        assert pid in process_tree(os.getpid())
        assert list(place.iterdir())
    assert not is_running(pid)
    assert not list(place.iterdir())


def test_a_function_that_does_not_exist_ends_the_process_not_the_run(
    slot: Slot, tmp_path: Path
) -> None:
    task = Task(name="a", source="a", dest=str(tmp_path / "out" / "a"))
    found = slot.run("tests.batch.stubs:nothing", task.to_json())
    assert (found["outcome"], found["cause"]) == ("failed", "error")
