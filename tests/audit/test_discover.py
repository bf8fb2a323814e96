"""What counts as a model in a tree, what is passed over, and what is told as skipped."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import zipfile
from pathlib import Path

import pytest

from migrator.actions.audit import audit
from migrator.auditing.discovery.discover import Found, check_paths, discover
from migrator.auditing.discovery.globs import PathGlobs, anchored
from migrator.auditing.finding import Skipped
from migrator.auditing.settings import AuditSettings
from migrator.errors import UsageError
from tests import wire
from tests.corpus import PROTOBUF, sample

GRAPH = wire.graph([wire.node("x", "Placeholder", [], {"dtype": wire.F})])
META = wire.meta_graph(GRAPH)
SAVED_MODEL = wire.saved_model(META)
TABLE = sample("tf1.15.5/sm_table").path
TRAINED = sample("tf1.15.5/mg_train").path
ROOT = os.geteuid() == 0


def put(path: Path, data: bytes | str = GRAPH) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def look(*paths: Path, exclude: tuple[str, ...] = ()) -> tuple[list[str], dict[str, str]]:
    """Paths of the models from the first of ``paths``, and path -> reason of what is skipped."""
    found, skipped = [], {}
    for item in discover(map(str, paths), exclude=PathGlobs(exclude)):
        if isinstance(item, Found):
            found.append(os.path.relpath(item.path, paths[0]))
        else:
            skipped[os.path.relpath(item.source, paths[0])] = item.reason
    return found, skipped


def test_models_of_a_tree_come_in_sorted_order_at_any_depth(tmp_path: Path) -> None:
    for name in ("b/c/d/e/model.pb", "a.pb", "b/z.meta", "B/y.pb", "a/x.pb"):
        put(tmp_path / name, META if name.endswith(".meta") else GRAPH)
    assert look(tmp_path) == (["B/y.pb", "a/x.pb", "a.pb", "b/c/d/e/model.pb", "b/z.meta"], {})


def test_every_fixture_is_found_once_by_its_file(tmp_path: Path) -> None:
    root = sample("tf1.15.5/mlp").folder.parent
    found, skipped = look(root)
    wanted = {os.path.relpath(item.file, root) for item in PROTOBUF if root in item.file.parents}
    assert wanted <= set(found)
    assert not skipped
    assert len(found) == len(set(found))


def test_files_that_are_no_models_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path / "README.md", "# Models\n")
    put(tmp_path / "train.py", "import tensorflow as tf\n")
    put(tmp_path / "stats.R", "library(ggplot2)\n")
    put(tmp_path / "nodes.txt", "versions of the model\n")
    put(tmp_path / "photo.jpg", b"\xff\xd8\xff\xe0" + bytes(100))
    put(tmp_path / "noise.bin", bytes(range(256)))
    put(tmp_path / "empty", b"")
    put(tmp_path / "saved_model.py", "import tensorflow as tf\n")
    put(tmp_path / "saved_model.pb.h", "#pragma once\n")
    put(tmp_path / "pointer.txt", "version https://git-lfs.github.com/spec/v1\n")
    assert look(tmp_path) == ([], {})


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.pb", b"", "is empty"),
        ("A.PB", b"", "is empty"),
        ("a.pb", "<html>", "is a text file"),
        ("a.pb", "version https://git-lfs.github.com/spec/v1\n", "Git-LFS pointer"),
        ("labels.pbtxt", "item { id: 1 }\n", "is a label map"),
        ("a.meta", bytes(range(256)), "is neither"),
        ("a.h5", b"\x1f\x8b\x08", "gzip"),
        ("a.hdf5", b"hello", "text"),
        ("a.keras", b"hello", "text"),
        ("a.tflite", b"hello", "text"),
        ("saved_model.cpb", b"\xff\xd8\xff", "JPEG"),
        ("fingerprint.pb", wire.number(1, 5) + wire.number(2, 7), "fingerprint"),
    ],
)
def test_what_is_named_like_a_model_and_is_none_is_told(
    name: str, data: bytes | str, reason: str, tmp_path: Path
) -> None:
    put(tmp_path / name, data)
    found, skipped = look(tmp_path)
    assert not found
    assert reason in skipped[name]
    assert str(tmp_path) not in skipped[name]


@pytest.mark.parametrize("name", ["model.bin", "data.txt", "notes", "x.jpg", ".hidden", "a.so"])
@pytest.mark.parametrize("data", [GRAPH, META, SAVED_MODEL], ids=["graph", "meta", "saved"])
def test_a_model_under_another_name_is_found(name: str, data: bytes, tmp_path: Path) -> None:
    put(tmp_path / "deep" / name, data)
    assert look(tmp_path) == ([f"deep/{name}"], {})


def test_a_graph_as_text_under_another_name_is_found(tmp_path: Path) -> None:
    put(tmp_path / "a.txt", '# made by hand\n\nnode {\n  name: "x"\n  op: "NoOp"\n}\n')
    put(tmp_path / "b.cfg", "saved_model_schema_version: 1\n")
    assert look(tmp_path) == (["a.txt", "b.cfg"], {})


def test_parts_of_a_saved_model_are_no_models(tmp_path: Path) -> None:
    shutil.copytree(TABLE, tmp_path / "m")
    put(tmp_path / "m/fingerprint.pb", wire.number(1, 5) + wire.number(2, 7))
    put(
        tmp_path / "m/keras_metadata.pb", wire.block(1, wire.block(3, "root") + wire.block(5, "{}"))
    )
    put(tmp_path / "m/tfhub_module.pb", b"\x08\x03")
    assert look(tmp_path) == (["m/saved_model.pb"], {})


def test_models_hidden_among_the_parts_are_found(tmp_path: Path) -> None:
    shutil.copytree(TABLE, tmp_path / "m")
    for name in ("assets/vocab", "assets.extra/warmup", "variables/saved", "fingerprint.pb"):
        put(tmp_path / "m" / name)
    put(tmp_path / "m/variables/variables.data-00001-of-00002")
    found, skipped = look(tmp_path)
    assert found == [
        "m/assets/vocab",
        "m/assets.extra/warmup",
        "m/fingerprint.pb",
        "m/saved_model.pb",
        "m/variables/saved",
        "m/variables/variables.data-00001-of-00002",
    ]
    assert not skipped


def test_a_meta_graph_with_its_checkpoint_is_one_model(tmp_path: Path) -> None:
    shutil.copytree(TRAINED.parent, tmp_path / "m")
    found, _ = look(tmp_path)
    assert found == [f"m/{TRAINED.name}"]
    (tmp_path / "m" / TRAINED.name).unlink()
    found, _ = look(tmp_path)
    assert found == [f"m/{TRAINED.name.removesuffix('.meta')}.index"]


@pytest.mark.parametrize(
    "name", ["saved_model.pb", "variables/variables.index", "variables/variables", "fingerprint.pb"]
)
def test_a_named_part_stands_for_its_saved_model(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    shutil.copytree(TABLE, folder)
    put(folder / "fingerprint.pb", wire.number(1, 5) + wire.number(2, 7))
    found = list(discover([str(folder / name), str(folder / "saved_model.pb"), str(folder)]))
    assert found == [Found(path=str(folder / "saved_model.pb"), named=True, asked=True)]


@pytest.mark.parametrize("suffix", ["", ".index", ".meta", ".data-00000-of-00001"])
def test_any_file_of_a_checkpoint_stands_for_its_meta_graph(suffix: str, tmp_path: Path) -> None:
    shutil.copytree(TRAINED.parent, tmp_path / "m")
    prefix = str(tmp_path / "m" / TRAINED.name.removesuffix(".meta"))
    check_paths([f"{prefix}{suffix}"])
    (found,) = discover([f"{prefix}{suffix}"])
    assert isinstance(found, Found)
    assert found.path == f"{prefix}.meta"


def test_a_model_that_is_named_twice_is_audited_once(tmp_path: Path) -> None:
    one = put(tmp_path / "a/one.pb")
    found, _ = look(tmp_path, one, tmp_path / "a", tmp_path)
    assert found == ["a/one.pb"]


def test_links_to_files_are_read_once_and_links_to_folders_not_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    put(inside / "a.pb")
    put(outside / "far.pb")
    (inside / "b.pb").symlink_to("a.pb")
    (inside / "c.pb").symlink_to(outside / "far.pb")
    (inside / "loop").symlink_to(inside)
    (inside / "elsewhere").symlink_to(outside)
    (inside / "gone.pb").symlink_to("nothing")
    (inside / "gone.txt").symlink_to("nothing")
    (inside / "round.pb").symlink_to("round.pb")
    found, skipped = look(inside)
    assert found == ["a.pb", "c.pb"]
    assert skipped.keys() == {"elsewhere", "gone.pb", "round.pb"}
    assert "not followed" in skipped["elsewhere"]
    assert "link" in skipped["gone.pb"]


def test_a_linked_folder_that_is_named_is_entered(tmp_path: Path) -> None:
    put(tmp_path / "real/a.pb")
    (tmp_path / "link").symlink_to("real")
    assert look(tmp_path / "link") == (["a.pb"], {})


def test_pipes_sockets_and_devices_are_told_and_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe.pb")
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        (tmp_path / "null.pb").symlink_to("/dev/null")
        found, skipped = look(tmp_path)
    assert not found
    assert skipped == dict.fromkeys(
        ("null.pb", "pipe", "pipe.pb", "socket"), "is not a regular file"
    )


@pytest.mark.skipif(ROOT, reason="root may read everything")
def test_what_may_not_be_read_is_told(tmp_path: Path) -> None:
    put(tmp_path / "shut/a.pb")
    put(tmp_path / "shut.txt")
    (tmp_path / "shut").chmod(0)
    (tmp_path / "shut.txt").chmod(0)
    try:
        found, skipped = look(tmp_path)
    finally:
        (tmp_path / "shut").chmod(0o700)
    assert not found
    assert "Permission denied" in skipped["shut"]
    assert "Permission denied" in skipped["shut.txt"]


def test_what_cannot_be_listed_or_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "a/one.pb")
    put(tmp_path / "b.pb")
    real = os.listdir

    def listdir(path: str) -> list[str]:
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "listdir", listdir)
    found, skipped = look(tmp_path)
    assert found == ["b.pb"]
    assert skipped == {"a": "cannot be read: Permission denied"}


def test_files_that_vanish_during_the_walk_are_told(tmp_path: Path) -> None:
    put(tmp_path / "a.pb")
    put(tmp_path / "b.pb")
    put(tmp_path / "c/d.pb")
    items = discover([str(tmp_path)])
    assert isinstance(next(items), Found)
    (tmp_path / "b.pb").unlink()
    shutil.rmtree(tmp_path / "c")
    rest = list(items)
    assert all(isinstance(item, Skipped) for item in rest)
    assert [os.path.basename(_source(item)) for item in rest] == ["b.pb", "c"]


def _source(item: Found | Skipped) -> str:
    return item.source if isinstance(item, Skipped) else item.path


def test_the_walk_is_lazy(tmp_path: Path) -> None:
    put(tmp_path / "a/one.pb")
    put(tmp_path / "b/two.pb")
    items = discover([str(tmp_path)])
    next(items)
    put(tmp_path / "b/three.pb")
    assert len(list(items)) == 2


def test_a_tree_deeper_than_the_stack_is_walked(tmp_path: Path) -> None:
    start = os.getcwd()
    os.chdir(tmp_path)
    try:
        for _ in range(1200):
            os.mkdir("d")
            os.chdir("d")
        Path("m.pb").write_bytes(GRAPH)
    finally:
        os.chdir(start)
    try:
        found, _ = look(tmp_path)
    finally:  # pytest's own way to clean up goes as deep as the tree
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)
    assert found == ["d/" * 1200 + "m.pb"]


def test_names_that_are_no_text_are_kept(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\x1b[31m\n.pb")
    put(tmp_path / name)
    assert look(tmp_path) == ([name], {})


def test_zip_archives_and_databases_of_other_kinds_are_left_to_their_reader(
    tmp_path: Path,
) -> None:
    """Only their reader tells; what it refuses is passed over if no name makes it a model."""
    with zipfile.ZipFile(tmp_path / "lib.jar", "w") as archive:
        archive.writestr("a.txt", "a")
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("a.txt", "a")
    found = {os.path.basename(_source(item)): item for item in discover([str(tmp_path)])}
    assert [isinstance(item, Found) and item.named for item in found.values()] == [True, False]


@pytest.mark.parametrize(
    "data",
    [
        wire.block(1, wire.block(1, "a.proto") + wire.block(2, "package") + wire.block(12, "x")),
        wire.number(1, 7) + wire.block(2, "pytorch") + wire.block(3, "2.1"),
        wire.block(2, "any") + wire.block(5, "message"),
    ],
    ids=["descriptors", "onnx", "other"],
)
def test_messages_of_other_kinds_are_passed_over_unless_their_name_makes_them_models(
    data: bytes, tmp_path: Path
) -> None:
    put(tmp_path / "other.bin", data)
    found = audit(tmp_path, settings=AuditSettings(select=["S"]))
    assert (found.models, found.skipped) == ((), ())
    put(tmp_path / "other.pb", data)
    found = audit(tmp_path, settings=AuditSettings(select=["S"]))
    assert len(found.models) + len(found.skipped) == 1


def test_a_graph_that_calls_its_own_function_first_is_found_under_any_name(tmp_path: Path) -> None:
    body = wire.function("inner", {}, {}, [wire.node("read", "ReadFile", [])])
    put(tmp_path / "data.bin", wire.graph([wire.node("call", "inner")], [body]))
    found = audit(tmp_path, settings=AuditSettings(select=["S"]))
    assert {item.detail["op"] for item in found.findings} == {"ReadFile"}


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("old", ["a.pb", "new/c.pb", "new/old.pb"]),
        ("*.pb", []),
        ("old*", ["a.pb", "new/c.pb"]),
        ("new/old/", ["a.pb", "new/c.pb", "new/old.pb", "old/b.pb"]),
        ("**/old", ["a.pb", "new/c.pb", "new/old.pb"]),
        ("n?w/[!c]*", ["a.pb", "new/c.pb", "old/b.pb"]),
        ("*/b.pb", ["a.pb", "new/c.pb", "new/old/b.pb", "new/old.pb"]),
        ("./old", ["a.pb", "new/c.pb", "new/old/b.pb", "new/old.pb"]),
        ("[z-a]/x", ["a.pb", "new/c.pb", "new/old/b.pb", "new/old.pb", "old/b.pb"]),
    ],
)
def test_excluded_paths_are_not_entered(
    pattern: str, left: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.pb", "old/b.pb", "new/c.pb", "new/old/b.pb", "new/old.pb"):
        put(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert look(tmp_path, exclude=(pattern,)) == (left, {})


def test_an_anchored_pattern_holds_in_any_working_directory(tmp_path: Path) -> None:
    folder = tmp_path / "odd [name]*"
    assert PathGlobs([anchored("a/*.pb", str(folder))]).fits(str(folder / "a" / "b.pb"))
    assert not PathGlobs([anchored("a/*.pb", str(folder))]).fits(str(tmp_path / "a" / "b.pb"))


def test_what_is_excluded_and_named_is_told(tmp_path: Path) -> None:
    put(tmp_path / "a.pb")
    found, skipped = look(tmp_path / "a.pb", exclude=("*.pb",))
    assert not found
    assert "excluded" in skipped["."]


@pytest.mark.parametrize("path", ["missing", "missing/", "", "a\0b"])
def test_a_path_that_does_not_exist_is_refused(path: str) -> None:
    with pytest.raises(UsageError):
        check_paths([path])
