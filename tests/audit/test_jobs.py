"""Many models at a time: the same result as one by one, whatever befalls the processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import migrator
from migrator.actions.audit import audit
from migrator.actions.crew import Crew
from migrator.auditing.finding import AuditedModel
from migrator.auditing.settings import AuditSettings
from migrator.errors import UsageError
from migrator.report.json_audit import audit_result
from tests import handmade, wire
from tests.audit.crew_work import act, fail
from tests.commands import environment
from tests.corpus import sample

HOME = str(Path(__file__).resolve().parent.parent.parent)
FIXTURES = sample("tf2.21.0/sm_functions").folder.parent


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes shall find this folder's modules."""
    monkeypatch.setenv("PYTHONPATH", HOME)


def crew(**options: Any) -> Crew[str, str]:
    return Crew(act, options.pop("order", ""), fail, **{"size": 2, **options})


def do(*tasks: str, **options: Any) -> list[str]:
    with crew(**options) as hands:
        return list(hands.results(tasks))


def alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return not _is_zombie(pid)
    return False


def _is_zombie(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    return False


def wait_until(is_so: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not is_so() and time.monotonic() < end:
        time.sleep(0.05)
    return is_so()


def test_results_come_in_the_order_of_the_tasks() -> None:
    tasks = ["slow:0.5", *map(str, range(50)), "slow:0.1", "end"]
    assert do(*tasks, order="done ") == [f"done {task}" for task in tasks]
    assert do() == []


def test_large_results_pass() -> None:
    assert [len(item) for item in do("large:5000000", "large:1", "large:3000000")] == [
        5_000_000,
        1,
        3_000_000,
    ]


def test_a_process_that_dies_once_has_its_task_tried_again(tmp_path: Path) -> None:
    tasks = ["a", f"once:{tmp_path / 'mark'}", *map(str, range(20))]
    assert do(*tasks) == tasks


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("kill", "ended the process that read it, by SIGKILL (out of memory?)"),
        ("exit", "ended the process that read it, with exit code 7"),
        ("raise", "ended the process that read it, with exit code 1"),
    ],
)
def test_a_task_that_ends_its_process_twice_fails_alone(task: str, reason: str) -> None:
    assert do("a", task, "b", "c") == ["a", f"{task} failed: {reason}", "b", "c"]


def test_all_may_die() -> None:
    found = do(*["kill"] * 3, "a", size=3)
    assert [item.split(":")[0] for item in found] == ["kill failed"] * 3 + ["a"]


def test_what_takes_too_long_fails_and_the_others_go_on() -> None:
    start = time.monotonic()
    found = do("a", "hang", "b", "c", timeout=0.5)
    assert found == ["a", "hang failed: took more than 0.5 s", "b", "c"]
    assert time.monotonic() - start < 30


@pytest.mark.skipif(sys.platform != "linux", reason="the bound is Linux's")
def test_what_takes_too_much_memory_fails_and_the_others_go_on() -> None:
    found = do("a", "eat:2000000000", "eat:1000000", "b", memory=500_000_000)
    assert found[0] == "a"
    assert found[1].startswith("eat failed")
    assert found[2:] == ["1000000", "b"]


def test_few_tasks_are_taken_ahead_of_a_slow_one() -> None:
    taken = 0

    def tasks() -> Iterator[str]:
        nonlocal taken
        for index in range(10_000):
            taken = index
            yield "slow:1" if index == 0 else "x"

    with crew() as hands:
        assert next(hands.results(tasks())) == "slow:1"
        assert taken < 200


def test_the_end_of_the_crew_is_the_end_of_its_processes() -> None:
    with crew() as hands:
        results = hands.results(["pid", "hang"])
        pid = int(next(results))
        assert alive(pid)
        start = time.monotonic()
    assert time.monotonic() - start < 5
    assert wait_until(lambda: not alive(pid))


def test_the_processes_die_with_their_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "from migrator.actions.crew import Crew\n"
        "from tests.audit.crew_work import act, fail\n"
        "with Crew(act, '', fail, size=2) as crew:\n"
        "    for found in crew.results(['pid', 'hang', 'hang']):\n"
        "        print(found, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        env=environment({"PYTHONPATH": HOME}),
        cwd=tmp_path,
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    assert wait_until(lambda: not alive(pid))


def zoo(folder: Path, count: int = 12) -> Path:
    for index in range(count):
        place = folder / f"m{index % 3}" / f"model{index}.pb"
        place.parent.mkdir(parents=True, exist_ok=True)
        nodes = [
            handmade.placeholder("x"),
            handmade.text_const("path", b"/etc/passwd"),
            wire.node(f"read{index}", "ReadFile", ["path"]),
            *handmade.dense("y", "x"),
            handmade.unary("z", "Relu", "y"),
        ]
        place.write_bytes(wire.graph(nodes))
    (folder / "m1" / "broken.pb").write_bytes(b"not a model")
    (folder / "m1" / "cut.pb").write_bytes(wire.graph([handmade.placeholder("x")] * 9)[:-40])
    return folder


def test_the_result_is_the_same_whatever_the_jobs(tmp_path: Path) -> None:
    place = zoo(tmp_path)
    one, two, five = (
        audit_result(audit(place, FIXTURES, settings=AuditSettings(jobs=jobs)))
        for jobs in (1, 2, 5)
    )
    assert one == two == five
    assert len(one["models"]) > 15
    assert {os.path.basename(item["source"]) for item in one["skipped"]} == {"broken.pb", "cut.pb"}


def test_the_result_is_the_same_in_every_run(tmp_path: Path) -> None:
    """Python's hashes differ from run to run, so nothing may come in the order of a set."""
    place = zoo(tmp_path)
    texts = []
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "migrator", "audit", "--format", "json", "--no-config"]
        done = subprocess.run(
            [*command, "--fail-on", "never", str(place), str(FIXTURES), "--jobs", "1"],
            env=environment({"PYTHONHASHSEED": seed}),
            cwd=tmp_path,
            capture_output=True,
            timeout=50,
        )
        assert done.returncode == 0, done.stderr
        texts.append(done.stdout)
    assert texts[0] == texts[1]


def test_progress_counts_models_in_order(tmp_path: Path) -> None:
    seen: list[tuple[int, str]] = []
    found = audit(
        zoo(tmp_path),
        settings=AuditSettings(select=["S"], jobs=2),
        on_progress=lambda count, source: seen.append((count, source)),
    )
    assert [source for _, source in seen] == sorted(source for _, source in seen)
    assert seen[-1][0] == len(found.models) == 12


def test_one_model_that_is_too_slow_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "m.pb"
    path.write_bytes(wire.graph([handmade.op(f"n{i}", "NoOp") for i in range(50_000)]))
    found = audit(path, settings=AuditSettings(timeout=0.05))
    (item,) = found.skipped
    assert item.source == str(path)
    assert "took more than 0.05 s" in item.reason


@pytest.mark.parametrize("kind", ["h5", "keras"])
def test_a_keras_file_that_its_library_never_ends_to_read_is_skipped(
    kind: str, tmp_path: Path
) -> None:
    """libhdf5 goes round for ever where an object of its heap is longer than the heap."""
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = '{"class_name": "Sequential", "config": []}'
        file["made"] = "in a heap"
    data = bytearray(path.read_bytes())
    data[data.index(b"GCOL") + 24] = 0xFF
    path.write_bytes(data)
    if kind == "keras":
        path = tmp_path / "m.keras"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", '{"class_name": "Sequential", "config": {}}')
            archive.writestr("model.weights.h5", bytes(data))
    seen = (
        "import sys, migrator.actions.audit as a; a._TIMEOUT = 2.0; "
        "print([item.reason for item in a.audit(sys.argv[1]).skipped])"
    )
    done = subprocess.run(
        [sys.executable, "-c", seen, str(path)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert kind == "keras" or "took more than 2 s" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="the bound is Linux's")
def test_one_model_that_is_too_large_is_skipped_and_the_others_are_not(tmp_path: Path) -> None:
    (tmp_path / "small.pb").write_bytes(wire.graph([handmade.placeholder("x")]))
    many = b"".join(wire.block(1, handmade.op(f"n{i}", "NoOp")) for i in range(60_000))
    (tmp_path / "large.pb").write_bytes(many)
    found = audit(tmp_path, settings=AuditSettings(jobs=1, memory_limit=20_000_000))
    assert [os.path.basename(item.source) for item in found.models] == ["small.pb"]
    (item,) = found.skipped
    assert "memory" in item.reason or "process" in item.reason


def test_a_program_without_a_guard_may_audit(tmp_path: Path) -> None:
    """Processes do not run the caller's main module again."""
    zoo(tmp_path / "zoo")
    script = tmp_path / "program.py"
    script.write_text(
        "import migrator\n"
        "settings = migrator.AuditSettings(jobs=2, select=['security'])\n"
        "found = migrator.audit('zoo', settings=settings)\n"
        "print(len(found.models), len(found.skipped))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (done.stdout, done.stderr) == ("12 2\n", "")


def test_an_interruption_ends_soon_with_130_and_leaves_no_process(tmp_path: Path) -> None:
    zoo(tmp_path / "zoo", 40)
    slow = handmade.op("n", "NoOp")
    (tmp_path / "zoo" / "slow.pb").write_bytes(wire.block(1, slow) * 400_000)
    with subprocess.Popen(
        [sys.executable, "-m", "migrator", "audit", "zoo", "--jobs", "2", "-o", "out.txt"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        cwd=tmp_path,
        start_new_session=True,
    ) as process:
        assert wait_until(lambda: len(_children(process.pid)) == 2)
        children = _children(process.pid)
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=20)
    assert process.returncode == 130
    assert complaints == b"migrator: interrupted\n"
    assert wait_until(lambda: not any(map(alive, children)))
    assert not (tmp_path / "out.txt").exists()


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(word) for word in text.split()]
    return []


def test_names_of_the_package_lead_to_the_call() -> None:
    assert migrator.audit is audit
    assert migrator.AuditSettings is AuditSettings


@pytest.mark.parametrize(
    "settings",
    [
        {"jobs": 0},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"memory_limit": 0},
        {"select": "S101"},
        {"exclude": "old"},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        AuditSettings(**settings)


def test_findings_ignored_in_a_path_are_counted_as_accepted(tmp_path: Path) -> None:
    place = zoo(tmp_path)
    whole = audit(place, settings=AuditSettings(select=["S"]))
    some = audit(place, settings=AuditSettings(select=["S"], per_path_ignores={"m1": ["S"]}))
    kept = [item for item in whole.findings if "/m1/" not in item.location.source]
    assert list(some.findings) == kept
    assert some.accepted == len(whole.findings) - len(kept) > 0


def test_twins_in_a_tree_are_told(tmp_path: Path) -> None:
    place = zoo(tmp_path, 3)
    first = place / "m0" / "model0.pb"
    copy = place / "m2" / "copy.pb"
    copy.write_bytes(first.read_bytes())
    found = audit(place, settings=AuditSettings(select=["same-file"]))
    assert [(item.code, item.location.source) for item in found.findings] == [
        ("H401", str(first)),
        ("H401", str(copy)),
    ]
    assert all(isinstance(model, AuditedModel) for model in found.models)
