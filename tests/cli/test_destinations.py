"""Where a result may be put, and what happens where two want the same place."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from migrator.errors import DestinationError
from migrator.files import folder_beside, put_in_place
from tests.cli.places import listing, temporary  # noqa: F401
from tests.commands import Outcome, run, spawn
from tests.corpus import sample

Capture = pytest.CaptureFixture[str]
MLP = sample("tf1.15.5/mlp").path
VARIABLES = sample("tf1.15.5/sm_variables")


def file_for_a_folder(base: Path) -> tuple[list[str], str]:
    (base / "file").touch()
    return [str(base / "file"), "--overwrite"], "is a file, and the result is a folder"


def taken(base: Path) -> tuple[list[str], str]:
    (base / "here").mkdir()
    return [str(base / "here")], "exists already; add --overwrite"


def dangling_link(base: Path) -> tuple[list[str], str]:
    (base / "link").symlink_to(base / "gone")
    return [str(base / "link")], "exists already; add --overwrite"


def under_a_file(base: Path) -> tuple[list[str], str]:
    (base / "file").touch()
    return [str(base / "file" / "deep" / "er")], "cannot be written"


def name_too_long(base: Path) -> tuple[list[str], str]:
    return [str(base / ("x" * 300))], "cannot be written: File name too long"


def name_with_a_null(base: Path) -> tuple[list[str], str]:
    return [str(base / "a\0b")], "cannot be written"


def current_folder(base: Path) -> tuple[list[str], str]:
    return [".", "--overwrite"], "it is the current folder, or holds it"


def root(base: Path) -> tuple[list[str], str]:
    return ["/", "--overwrite"], "it is the current folder, or holds it"


def folder_of_the_source(base: Path) -> tuple[list[str], str]:
    return [str(MLP.parent), "--overwrite"], "which is still needed"


PLACES = [
    file_for_a_folder, taken, dangling_link, under_a_file, name_too_long, name_with_a_null,
    current_folder, root, folder_of_the_source,
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_a_bad_destination_gives_one_line_and_stays_as_it_was(
    place: Callable[[Path], tuple[list[str], str]], capsys: Capture, tmp_path: Path
) -> None:
    words, text = place(tmp_path)
    before = listing(tmp_path)
    done = run(capsys, "migrate", MLP, *words)
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1
    assert text in done.err
    assert listing(tmp_path) == before


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="no folder in which nobody may write")
def test_a_folder_in_which_nobody_may_write_gives_one_line(capsys: Capture) -> None:
    for name in ("out", "deep/out"):
        done = run(capsys, "migrate", MLP, f"/sys/kernel/{name}")
        assert done.code == 2
        assert len(done.err.splitlines()) == 1
        assert f"/sys/kernel/{name}: cannot be written" in done.err


def filled(path: Path, text: str) -> Path:
    path.mkdir()
    (path / "a").write_text(text)
    (path / "b").write_text(text)
    return path


def test_of_two_that_make_the_same_folder_one_wins_and_the_other_is_told(tmp_path: Path) -> None:
    target = tmp_path / "dest"
    with folder_beside(target) as one, folder_beside(target) as two:
        put_in_place(filled(one / "made", "one"), target, overwrite=False)
        with pytest.raises(DestinationError, match="exists already"):
            put_in_place(filled(two / "made", "two"), target, overwrite=False)
    assert listing(tmp_path) == ["dest", "dest/a", "dest/b", "temporary"]
    assert (target / "a").read_text() == "one"


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_appears_while_we_look_is_not_replaced(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one comes between the look at the destination and the renaming."""
    target = tmp_path / "dest"
    made = tmp_path / "made"
    if kind == "folder":
        filled(target, "theirs")
        filled(made, "ours")
    else:
        target.write_text("theirs")
        made.write_text("ours")
    looks = iter([False])
    real = os.path.lexists

    def blind(path: object) -> bool:
        return next(looks, None) is not False and real(str(path))

    monkeypatch.setattr("os.path.lexists", blind)
    monkeypatch.setattr(Path, "exists", blind)
    with pytest.raises(DestinationError, match="exists already"):
        put_in_place(made, target, overwrite=False)
    found = target / "a" if kind == "folder" else target
    assert found.read_text() == "theirs"


def test_many_that_replace_one_folder_leave_it_whole(tmp_path: Path) -> None:
    target = filled(tmp_path / "dest", "old")
    problems: list[BaseException] = []

    def replace(number: int) -> None:
        for turn in range(20):
            try:
                with folder_beside(target) as work:
                    made = filled(work / "made", f"{number}.{turn}")
                    put_in_place(made, target, overwrite=True)
            except DestinationError as error:
                if "being replaced by others" not in error.what:
                    problems.append(error)
            except BaseException as error:
                problems.append(error)

    threads = [threading.Thread(target=replace, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert (target / "a").read_text() == (target / "b").read_text() != "old"
    assert listing(tmp_path) == ["dest", "dest/a", "dest/b", "temporary"]


def test_a_full_disk_for_a_result_gives_one_line(tmp_path: Path) -> None:
    """A file that may not grow stands for a disk that is full."""
    done = limited(["plan", str(MLP), "-o", str(tmp_path / "plan.txt")], tmp_path)
    assert done.code == 2
    assert "plan.txt: cannot be written: File too large; make room there" in done.err
    assert len(done.err.splitlines()) == 1
    assert listing(tmp_path) == ["temporary"]


def limited(words: list[str], folder: Path) -> Outcome:
    """A command whose files may have no byte."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        return spawn(words, cwd=folder, env={"PYTHONDONTWRITEBYTECODE": "1"})
    finally:
        signal.signal(signal.SIGXFSZ, before)
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
