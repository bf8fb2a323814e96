"""``--limit seconds=N`` holds for all that a verb makes of a model, stage by stage."""

from __future__ import annotations

import contextlib
import importlib
import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from migrator import interrupts
from migrator.errors import LimitError
from migrator.files import folder_beside, temporary_folder
from migrator.limits import bounded_time
from tests import wire
from tests.cli.places import listing, temporary  # noqa: F401
from tests.commands import run
from tests.corpus import sample

Capture = pytest.CaptureFixture[str]
MLP = sample("tf1.15.5/mlp").path
SECONDS = "0.3"
STAGES = [
    ("inspect", "migrator.inspection.summary", "summarize", []),
    ("inspect", "migrator.report.text", "inspect_text", []),
    ("inspect", "migrator.report.json_v1", "dumps", ["--format", "json"]),
    ("inspect", "migrator.inspection.tree", "scope_tree", ["--tree"]),
    ("inspect", "migrator.inspection.summary_cost", "with_costs", ["--cost"]),
    ("inspect", "migrator.inspection.node", "describe_node", ["--node", "x"]),
    ("inspect", "migrator.inspection.weight_list", "list_weights", ["--weights"]),
    ("inspect", "migrator.report.weight_files.saving", "save_weights",
     ["--weights", "-o", "w.npz"]),
    ("inspect", "migrator.report.weight_files.safetensors", "SafetensorsWriter.write",
     ["--weights", "-o", "w.safetensors"]),
    ("inspect", "migrator.actions.pictures", "model_pictures", ["--format", "html"]),
    ("inspect", "migrator.report.html_picture", "inspect_html",
     ["--format", "html", "-o", "p.html"]),
    ("diff", "migrator.actions.diff", "diff", [MLP]),
    ("diff", "migrator.report.json_diff", "diff_result", [MLP]),
    ("diff", "migrator.actions.pictures", "diff_picture", [MLP, "--format", "html"]),
    ("diff", "migrator.actions.explore", "explore_diff",
     [MLP, "--format", "model-explorer", "-o", "folder"]),
    ("plan", "migrator.migration.planning", "plan", []),
    ("plan", "migrator.migration.known_shapes", "with_known_shapes", []),
    ("export", "migrator.actions.export", "Subject", ["-o", "g.dot"]),
    ("export", "migrator.actions.export", "cut_graph", ["-o", "g.pb", "--subgraph", "x.."]),
    ("export", "migrator.report.export.subject", "Rows.row", ["-o", "g.graphml"]),
    ("export", "migrator.report.export.subject", "Rows.row", ["-o", "g.gexf"]),
    ("export", "migrator.report.export.subject", "Rows.row", ["-o", "g.dot"]),
    ("export", "migrator.report.export.subject", "Rows.row", ["-o", "g.json"]),
    ("export", "migrator.report.export.subject", "Rows.row",
     ["-o", "-", "--format", "node-link"]),
    ("export", "migrator.report.explorer.graphs", "_Drawn._node",
     ["-o", "g.json", "--format", "model-explorer"]),
    ("export", "migrator.report.export.tensorboard", "shown_node",
     ["-o", "log", "--format", "tensorboard"]),
    ("export", "migrator.report.export.tensorboard", "_record",
     ["-o", "log", "--format", "tensorboard"]),
    ("export", "migrator.actions.export", "undecoded", ["-o", "g.pb"]),
]  # fmt: skip


def _pass(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def _for_ever(*args: Any, **options: Any) -> Any:
    """What takes long, and takes every error that it can for its own."""
    while True:
        try:
            time.sleep(5)
        except Exception:
            continue


@pytest.mark.parametrize(
    ("verb", "module", "name", "words"),
    STAGES,
    ids=[f"{verb}-{name}-{number}" for number, (verb, _, name, _) in enumerate(STAGES)],
)
def test_each_stage_ends_in_time_with_one_error_and_nothing_left(
    verb: str,
    module: str,
    name: str,
    words: list[Any],
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    temporary: Path,  # noqa: F811
) -> None:
    place: Any = importlib.import_module(module)
    *owner, attribute = name.split(".")
    for part in owner:
        place = getattr(place, part)
    monkeypatch.setattr(place, attribute, _for_ever)
    results = tmp_path / "results"
    results.mkdir()
    monkeypatch.chdir(results)
    done = run(capsys, verb, MLP, *words, "--limit", f"seconds={SECONDS}")
    assert done.code == 2
    [line] = done.err.splitlines()
    assert "takes longer than the limit of 0.3 seconds; if you trust it: --limit seconds=" in line
    assert str(MLP) in line
    assert (listing(results), listing(temporary)) == ([], [])


def test_a_pipe_and_a_file_of_weights_have_time_unless_it_is_said(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By default: as long as there are weights, and as the reader reads."""
    seconds = []
    monkeypatch.setattr(
        "migrator.limits.bounded_time.__init__",
        lambda self, value, where: seconds.append(value) or setattr(self, "_alarm", _Silent()),
    )
    run(capsys, "inspect", MLP, "--weights", "-o", tmp_path / "w.npz")
    run(capsys, "export", MLP, "-o", "-", "--format", "dot")
    run(capsys, "diff", MLP, MLP, "--weights")
    assert seconds == []
    run(capsys, "inspect", MLP, "--weights")
    run(capsys, "export", MLP, "-o", tmp_path / "g.dot")
    run(capsys, "diff", MLP, MLP)
    run(capsys, "plan", MLP)
    assert seconds == [300] * 4
    run(capsys, "inspect", MLP, "--weights", "-o", tmp_path / "x.npz", "--limit", "seconds=7")
    assert seconds[4:] == [7]


class _Silent:
    def start(self) -> None: ...

    stop = start


def test_each_of_several_models_has_the_whole_time(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    summarize = importlib.import_module("migrator.inspection.summary").summarize
    other = sample("tf1.15.5/sm_variables").path
    monkeypatch.setattr(
        "migrator.inspection.summary.summarize",
        lambda model: _for_ever() if model.source.path == str(MLP) else summarize(model),
    )
    done = run(capsys, "inspect", MLP, other, MLP, "--format", "json", "--limit", "seconds=2")
    assert done.code == 2
    assert [str(MLP) in line for line in done.err.splitlines()] == [True, True]
    assert [item["source"]["path"] for item in json.loads(done.out)["results"]] == [
        f"{other}/saved_model.pb"
    ]


@pytest.mark.parametrize("more", [[], ["--jobs", "2"]], ids=["here", "elsewhere"])
def test_an_audit_passes_over_what_takes_too_long(
    more: list[str], capsys: Capture, tmp_path: Path
) -> None:
    """In this process and in another."""
    models = [tmp_path / f"{name}.pb" for name in ("ab" if more else "a")]
    for path in models:
        path.write_bytes(wire.graph(wire.node(f"n{k}", "NoOp") for k in range(50_000)))
    done = run(capsys, "audit", *models, "--no-config", *more, "--limit", "seconds=0.5")
    assert "takes longer than the limit of 0.5 seconds; if you trust it" in done.err


@pytest.fixture
def ours() -> Iterator[None]:
    before = signal.getsignal(signal.SIGALRM)
    interrupts.allow_alarms()
    yield
    assert signal.getsignal(signal.SIGALRM) is before


@pytest.mark.usefixtures("ours")
def test_the_outer_of_two_alarms_tells_of_itself() -> None:
    with (
        pytest.raises(LimitError, match=r"^outer: .* 0\.05 seconds"),
        bounded_time(0.05, where="outer"),
        bounded_time(100, where="inner"),
    ):
        _for_ever()


@pytest.mark.usefixtures("ours")
def test_an_alarm_that_is_stopped_rings_no_more() -> None:
    with bounded_time(100, where="outer"):
        with pytest.raises(LimitError, match=r"^inner"), bounded_time(0.02, where="inner"):
            _for_ever()
        with bounded_time(0.3, where="quick"):
            pass
        time.sleep(0.4)


@pytest.mark.usefixtures("ours")
def test_an_alarm_that_rings_as_its_context_ends_does_not_stay() -> None:
    for number in range(100):
        with contextlib.suppress(LimitError), bounded_time(0.002, where="it"):
            _pass(0.00195 + number % 20 * 5e-6)
    time.sleep(0.03)


@pytest.mark.usefixtures("ours")
def test_a_context_is_left_whole_when_time_is_over() -> None:
    done = []

    class Slow:
        def __enter__(self) -> None: ...

        def __exit__(self, *told: object) -> None:
            end = time.monotonic() + 0.4
            while time.monotonic() < end:
                pass
            done.append(True)

    with pytest.raises(LimitError), bounded_time(0.3, where="it"):
        with Slow():
            pass
        _for_ever()
    assert done == [True]


@pytest.mark.usefixtures("ours")
def test_the_alarm_of_whoever_calls_is_put_back() -> None:
    rung = []
    before = signal.getsignal(signal.SIGALRM)
    was = signal.setitimer(signal.ITIMER_REAL, 0.1)
    signal.signal(signal.SIGALRM, lambda *told: rung.append(True))
    try:
        with pytest.raises(LimitError), bounded_time(0.02, where="it"):
            _for_ever()
        time.sleep(0.2)
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *was)
    assert rung == [True]


@pytest.mark.usefixtures("ours")
def test_an_alarm_waits_for_what_is_held_back() -> None:
    done = []
    with pytest.raises(LimitError), bounded_time(0.3, where="it"), interrupts.held_back():
        time.sleep(0.4)
        done.append(True)
    assert done == [True]


@pytest.mark.usefixtures("ours")
def test_an_alarm_waits_for_a_module_that_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_module.py").write_text("import time\ntime.sleep(0.1)\nwhole = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(LimitError), bounded_time(0.02, where="it"):
        importlib.import_module("slow_module")
        _for_ever()
    assert importlib.import_module("slow_module").whole


@pytest.mark.usefixtures("ours")
def test_an_alarm_that_a_finalizer_swallows_rings_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "_DEAF", 0.1)

    class Last:
        def __del__(self) -> None:
            time.sleep(0.05)

    monkeypatch.setattr("sys.unraisablehook", lambda told: None)
    with pytest.raises(LimitError), bounded_time(0.02, where="it"):
        Last()
        _for_ever()


@pytest.mark.usefixtures("ours")
def test_folders_are_gone_when_time_is_over(tmp_path: Path) -> None:
    with (
        pytest.raises(LimitError),
        bounded_time(0.02, where="it"),
        folder_beside(tmp_path / "deep" / "file") as folder,
        temporary_folder() as other,
    ):
        (folder / "part").write_text("half")
        (other / "part").write_text("half")
        _for_ever()
    assert listing(tmp_path) == ["temporary"]


def test_another_thread_sets_no_alarm() -> None:
    seen = []

    def work() -> None:
        with bounded_time(0.01, where="it"):
            time.sleep(0.05)
            seen.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True]


def test_a_library_sets_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "_alarms", None)
    with bounded_time(0.01, where="it"):
        time.sleep(0.05)
