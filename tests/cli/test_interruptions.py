"""A signal ends the work, whole or not at all, with nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from migrator import interrupts
from migrator.batching.ledger.lock import DestinationLock
from migrator.cli.main import main
from migrator.files import folder_beside, temporary_folder
from tests.cli.places import listing, temporary  # noqa: F401
from tests.corpus import sample

Capture = pytest.CaptureFixture[str]
MLP = sample("tf1.15.5/mlp").path
VARIABLES = sample("tf1.15.5/sm_variables")


@pytest.fixture
def handlers() -> Iterator[None]:
    names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(name) for name in names]
    interrupts.unwind_on_signals()
    yield
    for name, handler in zip(names, before, strict=True):
        signal.signal(name, handler)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_waits_until_what_is_held_back_is_done(
    number: int, error: type[BaseException]
) -> None:
    done = []
    with pytest.raises(error), interrupts.held_back():
        with interrupts.held_back():
            os.kill(os.getpid(), number)
            time.sleep(0.01)
            done.append("inner")
        done.append("outer")
    assert done == ["inner", "outer"]
    assert interrupts.raised() == number


@pytest.mark.usefixtures("handlers")
def test_a_second_signal_does_not_disturb_what_the_first_one_unwinds(tmp_path: Path) -> None:
    cleaned = []
    with pytest.raises(KeyboardInterrupt):
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            cleaned.append(True)
    assert cleaned == [True]


@pytest.mark.usefixtures("handlers")
def test_a_second_signal_is_not_kept_for_later_where_things_are_held_back() -> None:
    cleaned = []
    with pytest.raises(KeyboardInterrupt):
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            with interrupts.held_back():
                signal.raise_signal(signal.SIGINT)
                cleaned.append("first")
            cleaned.append("second")
    assert cleaned == ["first", "second"]
    with interrupts.held_back():
        pass


@pytest.mark.usefixtures("handlers")
def test_a_burst_of_signals_leaves_no_folder_of_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = shutil.rmtree

    def interrupted(path: Path, ignore_errors: bool) -> None:
        signal.raise_signal(signal.SIGINT)
        remove(path, ignore_errors=ignore_errors)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(interrupts, "_DEAF", 0.0)  # as long after the first as can be
    with pytest.raises((KeyboardInterrupt, SystemExit)), DestinationLock(tmp_path / "out") as lock:
        (tmp_path / "out" / ".work").mkdir()
        monkeypatch.setattr("shutil.rmtree", interrupted)
    assert not lock.temporary.exists()
    assert not (tmp_path / "out" / ".work").exists()


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("folder", [temporary_folder, lambda: folder_beside(Path("x/y/dest"))])
def test_a_signal_while_a_folder_is_removed_removes_it_all_the_same(
    folder: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = shutil.rmtree

    def interrupted(path: Path, ignore_errors: bool) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        remove(path, ignore_errors=ignore_errors)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("shutil.rmtree", interrupted)
    with pytest.raises(SystemExit), folder() as work:  # type: ignore[attr-defined]
        (work / "file").touch()
    assert listing(tmp_path) == ["temporary"]


def test_an_interruption_is_one_line_and_its_exit_code(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)

    before = [signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    monkeypatch.setattr("migrator.migration.planning.load_on_disk", stop)
    try:
        code = main(["plan", str(MLP)])
    finally:
        for name, handler in zip(
            (signal.SIGINT, signal.SIGTERM, signal.SIGHUP), before, strict=True
        ):
            signal.signal(name, handler)
    assert code == 130
    assert capsys.readouterr().err == "migrator: interrupted\n"
