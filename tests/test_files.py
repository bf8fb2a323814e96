"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from migrator.cli.main import main
from migrator.errors import DestinationError
from migrator.files import folder_beside, put_in_place, write_whole
from tests.corpus import sample


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def made(folder: Path, text: str = "new") -> Path:
    folder.mkdir()
    (folder / "file").write_text(text)
    return folder


class Full(OSError):
    """The disk is full."""


def test_a_text_appears_whole_and_alone(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.txt", "caf\N{LATIN SMALL LETTER E WITH ACUTE}\n")
    assert listing(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_bytes() == b"caf\xc3\xa9\n"


def test_a_text_has_the_mode_of_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "a.txt", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_a_text_replaces_another(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    write_whole(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"
    assert listing(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("name", ["no/such/a.txt", "file/a.txt"])
def test_a_text_without_a_folder_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DestinationError, match="cannot be written"):
        write_whole(tmp_path / name, "x")
    assert listing(tmp_path) == ["file"]


def test_a_text_onto_a_folder_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    made(tmp_path / "a.txt")
    with pytest.raises(DestinationError, match="cannot be written"):
        write_whole(tmp_path / "a.txt", "x")
    assert listing(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [Full(28, "No space left on device"), KeyboardInterrupt()])
def test_a_text_that_cannot_be_finished_leaves_the_old_one(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    (tmp_path / "a.txt").write_text("old")
    monkeypatch.setattr("os.replace", fail)
    with pytest.raises((DestinationError, KeyboardInterrupt)):
        write_whole(tmp_path / "a.txt", "new")
    assert listing(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_text_that_cannot_be_encoded_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "a.txt", "\udcff")
    assert listing(tmp_path) == []


def test_a_working_folder_stands_beside_its_target_and_goes(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "down" / "result"
    with folder_beside(target) as work:
        assert work.parent == target.parent
        assert work.name.startswith(".result.")
        made(work / "inside")
    assert listing(tmp_path) == []


def test_folders_made_for_a_target_stay_where_it_is_put_there(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    target = tmp_path / "deep" / "down" / "result"
    with folder_beside(target) as work:
        put_in_place(made(work / "inside"), target, overwrite=False)
    assert listing(target.parent) == ["result"]
    with pytest.raises(ValueError), folder_beside(tmp_path / "deep" / "else" / "result"):
        raise ValueError
    assert listing(tmp_path / "deep") == ["down"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_working_folder_goes_whatever_happens(error: type[BaseException], tmp_path: Path) -> None:
    with pytest.raises(error), folder_beside(tmp_path / "result") as work:
        made(work / "inside")
        raise error
    assert listing(tmp_path) == []


def test_a_working_folder_where_none_can_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DestinationError), folder_beside(tmp_path / "file" / "result"):
        raise AssertionError("not reached")


def test_a_folder_moves_into_place(tmp_path: Path) -> None:
    put_in_place(made(tmp_path / "made"), tmp_path / "dest", overwrite=False)
    assert listing(tmp_path) == ["dest"]
    assert (tmp_path / "dest" / "file").read_text() == "new"


@pytest.mark.parametrize("kind", ["folder", "file", "link", "dangling"])
def test_what_exists_is_refused_without_overwrite(kind: str, tmp_path: Path) -> None:
    target = occupied(tmp_path, kind)
    with pytest.raises(DestinationError, match="exists already") as caught:
        put_in_place(made(tmp_path / "made"), target, overwrite=False)
    assert "--overwrite" in caught.value.hint
    assert (tmp_path / "made" / "file").read_text() == "new"
    assert target.is_symlink() == (kind in ("link", "dangling"))


@pytest.mark.parametrize("kind", ["folder", "file", "link", "dangling"])
def test_what_exists_is_replaced_with_overwrite(kind: str, tmp_path: Path) -> None:
    target = occupied(tmp_path, kind)
    put_in_place(made(tmp_path / "made"), target, overwrite=True)
    assert (target / "file").read_text() == "new"
    assert not target.is_symlink()
    assert [name for name in listing(tmp_path) if name.startswith(".")] == []
    if kind == "link":  # what the link led to is not ours
        assert (tmp_path / "elsewhere" / "file").read_text() == "theirs"


def occupied(folder: Path, kind: str) -> Path:
    target = folder / "dest"
    if kind == "folder":
        made(target, "old")
    elif kind == "file":
        target.write_text("old")
    elif kind == "link":
        target.symlink_to(made(folder / "elsewhere", "theirs"))
    else:
        target.symlink_to(folder / "nowhere")
    return target


def test_what_stood_there_comes_back_when_the_move_fails(tmp_path: Path) -> None:
    target = occupied(tmp_path, "folder")
    with pytest.raises(DestinationError, match="cannot be put in place"):
        put_in_place(tmp_path / "was never made", target, overwrite=True)
    assert (target / "file").read_text() == "old"
    assert listing(tmp_path) == ["dest"]


def test_a_destination_in_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DestinationError, match="cannot be put in place"):
        put_in_place(made(tmp_path / "made"), tmp_path / "no" / "dest", overwrite=False)
    assert (tmp_path / "made" / "file").read_text() == "new"


def test_an_interruption_between_the_renames_brings_the_old_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, new = made(tmp_path / "target", "old"), made(tmp_path / "new")
    rename = Path.rename

    def interrupted(self: Path, other: Path) -> Path:
        if self == new:
            raise SystemExit(143)
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(SystemExit):
        put_in_place(new, target, overwrite=True)
    assert (target / "file").read_text() == "old"
    assert listing(tmp_path) == ["new", "target"]


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    """So is a device: root may put a file in the place of /dev/null."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole(pipe, "x")
        assert os.read(reader, 10) == b"x"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert listing(tmp_path) == ["pipe"]


def test_what_keeps_nothing_need_not_be_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    model = str(sample("tf1.15.5/mlp").path)
    assert main(["inspect", model, "-o", os.devnull]) == 0
    assert capsys.readouterr() == ("", "")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
