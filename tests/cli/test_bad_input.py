"""Bad input by the command line: one clear line on standard error, exit code 2, no traceback."""

from __future__ import annotations

import gzip
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import wire
from tests.commands import run, spawn
from tests.corpus import sample
from tests.formats.test_sniff import MAGIC

MLP = sample("tf1.15.5/mlp")
GOOD = MLP.path.read_bytes()
Capture = pytest.CaptureFixture[str]

FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "text": (b"This is not a model.\n", "text file"),
    "html": (b"<!doctype html><html><body>Sign in</body></html>", "text file"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "Git-LFS"),
    "truncated": (GOOD[:-7], "truncated"),
    "first_bytes": (GOOD[:3], ""),
    "long_varint": (GOOD + b"\x18" + b"\xff" * 200_000, "runs past 10 bytes"),
    "length": (GOOD + wire.claimed(1, 2**62, b"abc"), "passes the end"),
    "gzip": (gzip.compress(GOOD), "gzip"),
    "zeros": (bytes(1000), "known here"),
    "no_name": (GOOD + wire.block(1, wire.block(2, "NoOp")), "without a name"),
    "not_utf8": (GOOD + wire.block(1, wire.node(b"\xff\xfe", "NoOp")), "UTF-8"),
    "nested": (
        GOOD + wire.block(1, wire.node("n", "Op", [], {"f": wire.Raw(b"\x52\x00" * 3000)})),
        "",
    ),
    **{name: (data, words) for name, (data, _, words) in MAGIC.items()},
}


@pytest.mark.parametrize("verb", ["inspect", "plan"])
@pytest.mark.parametrize("name", sorted(FILES))
def test_bad_files_give_one_line(name: str, verb: str, capsys: Capture, tmp_path: Path) -> None:
    data, words = FILES[name]
    path = tmp_path / "model.pb"
    path.write_bytes(data)
    done = run(capsys, verb, path)
    if name == "nested":  # an attribute stated three thousand times is odd and readable
        assert done.code in (0, 2, 3)
        return
    assert (done.code, done.out) == (2, "")
    lines = done.err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"migrator: error: {path}")
    assert words in lines[0]


def folder_without_model(base: Path) -> tuple[Path, str]:
    (base / "variables").mkdir()
    (base / "notes\x1b.txt").touch()
    return base, "without saved_model.pb; it holds 'notes\\x1b.txt', 'variables'"


def empty_folder(base: Path) -> tuple[Path, str]:
    return base, "it holds nothing"


def missing(base: Path) -> tuple[Path, str]:
    return base / "model.pb", "No such file"


def under_a_file(base: Path) -> tuple[Path, str]:
    (base / "file").touch()
    return base / "file" / "model.pb", "Not a directory"


def dangling_link(base: Path) -> tuple[Path, str]:
    (base / "link").symlink_to(base / "gone")
    return base / "link", "No such file"


def link_to_itself(base: Path) -> tuple[Path, str]:
    (base / "link").symlink_to(base / "link")
    return base / "link", "cannot be read"


def fifo(base: Path) -> tuple[Path, str]:
    os.mkfifo(base / "pipe")
    return base / "pipe", "not a regular file"


def fifo_as_saved_model(base: Path) -> tuple[Path, str]:
    os.mkfifo(base / "saved_model.pb")
    return base, "not a regular file"


def unix_socket(base: Path) -> tuple[Path, str]:
    before = os.getcwd()
    os.chdir(base)  # the path of a socket has a limit
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("s")
    finally:
        os.chdir(before)
    return base / "s", "not a regular file"


def device(base: Path) -> tuple[Path, str]:
    return Path("/dev/zero"), "not a regular file"


def folder_named_saved_model(base: Path) -> tuple[Path, str]:
    (base / "saved_model.pb").mkdir()
    return base, ""


def chunked_saved_model(base: Path) -> tuple[Path, str]:
    (base / "saved_model.cpb").write_bytes(b"x")
    return base, "saved_model.cpb"


def text_saved_model(base: Path) -> tuple[Path, str]:
    (base / "saved_model.pbtxt").write_text("saved_model_schema_version: 1\n")
    return base, "saved_model.pbtxt"


def name_too_long(base: Path) -> tuple[Path, str]:
    return base / ("x" * 5000), "cannot be read"


PLACES: list[Callable[[Path], tuple[Path, str]]] = [
    folder_without_model,
    empty_folder,
    missing,
    under_a_file,
    dangling_link,
    link_to_itself,
    fifo,
    fifo_as_saved_model,
    unix_socket,
    device,
    folder_named_saved_model,
    chunked_saved_model,
    text_saved_model,
    name_too_long,
]


@pytest.mark.parametrize("verb", ["inspect", "plan"])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_bad_places_give_one_line(
    place: Callable[[Path], tuple[Path, str]], verb: str, capsys: Capture, tmp_path: Path
) -> None:
    path, words = place(tmp_path)
    done = run(capsys, verb, path)
    assert (done.code, done.out) == (2, "")
    lines = done.err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("migrator: error: ")
    assert words in lines[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_gives_one_line(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "model.pb"
    path.write_bytes(GOOD)
    path.chmod(0)
    done = run(capsys, "inspect", path)
    assert done.code == 2
    assert "Permission denied" in done.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission_gives_one_line(capsys: Capture, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0)
    try:
        done = run(capsys, "inspect", folder)
    finally:
        folder.chmod(0o700)
    assert done.code == 2
    assert "Permission denied" in done.err


@pytest.mark.parametrize("path", ["model\0.pb", "\0", "", "bad\udcff.pb"], ids=ascii)
def test_a_path_that_is_none_gives_one_line(path: str, capsys: Capture) -> None:
    done = run(capsys, "inspect", path)
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("name", ["empty", "truncated", "jpeg", "long_varint", "lfs"])
def test_a_real_process_gives_one_line_and_no_traceback(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pb"
    path.write_bytes(FILES[name][0])
    done = spawn(["inspect", "model.pb"], cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1
    assert FILES[name][1] in done.err


def test_a_pipe_does_not_hang_a_real_process(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.pb")
    done = spawn(["inspect", "model.pb"], cwd=tmp_path, timeout=20)
    assert done.code == 2
    assert "not a regular file" in done.err


@pytest.mark.parametrize("verb", ["inspect", "plan", "migrate", "audit"])
def test_an_empty_path_is_not_the_current_folder(
    verb: str, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.pb").write_bytes(GOOD)
    monkeypatch.chdir(tmp_path)
    more = (tmp_path / "out",) if verb == "migrate" else ()
    done = run(capsys, verb, "", *more)
    assert (done.code, done.out) == (2, "")
    assert ("'': cannot be read" if verb == "audit" else "the path is empty") in done.err


def test_a_missing_file_in_a_real_process(tmp_path: Path) -> None:
    done = spawn(["plan", "nowhere.pb"], cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    problem = "cannot be read: No such file or directory; check the path"
    assert done.err == f"migrator: error: nowhere.pb: {problem}\n"


def test_a_name_in_another_encoding_gives_one_line(tmp_path: Path) -> None:
    """Bytes of a path that are no UTF-8 reach us as lone surrogates."""
    path = os.fsencode(tmp_path) + b"/caf\xe9.pb"
    with open(path, "wb") as file:
        file.write(GOOD)
    done = spawn(["inspect", os.fsdecode(path)], cwd=tmp_path)
    assert done.code == 0, done.err
    assert "GraphDef" in done.out
    with open(path, "wb") as file:
        file.write(b"text")
    done = spawn(["inspect", os.fsdecode(path)], cwd=tmp_path)
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
