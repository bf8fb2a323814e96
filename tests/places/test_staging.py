"""Models in archives and at addresses for verbs that need paths: staged, told by their names."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from migrator.errors import LimitError, MigratorError
from migrator.formats.staging import named, staged
from migrator.limits import Limits
from migrator.model.model import Source
from tests.commands import run
from tests.corpus import HUB, META, SAVED, Sample, sample
from tests.places.packs import link, tarred, tree, zipped
from tests.schemas import parsed

Capture = pytest.CaptureFixture[str]
MLP = sample("tf1.15.5/mlp").path


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where all that is temporary goes."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def put(folder: Path, data: bytes, name: str) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("path", [MLP, SAVED[0].path, HUB[0].path, META[0].path, "no/such"])
def test_what_lies_on_disk_is_not_copied(path: Path, scratch: Path) -> None:
    with staged(path) as found:
        assert found.path == path
        assert list(scratch.iterdir()) == []


def test_a_keras_file_is_not_unpacked(scratch: Path) -> None:
    path = sample("tf2.21.0/keras_zip").path
    with staged(path) as found:
        assert found.path == path


OLD = sample("tf1.15.5/mg_version_1_sharded")


@pytest.mark.parametrize("item", [SAVED[0], HUB[0], META[0], OLD], ids=str)
def test_all_that_a_model_needs_is_copied(item: Sample, tmp_path: Path, scratch: Path) -> None:
    folder = item.path if item.path.is_dir() else item.path.parent
    path = put(tmp_path, zipped({**tree(folder, "m"), "m/variables.txt/../x": b""}), "drawer.zip")
    with staged(path) as found:
        copy = Path(found.path)
        top = copy if copy.is_dir() else copy.parent
        assert tree(top).items() <= tree(folder).items()
        needed = {
            name
            for name in tree(folder)
            if name.startswith(("saved_model.pb", "variables/", "assets/", item.path.stem))
        }
        assert needed <= tree(top).keys()
        assert named(Source(path=str(copy), bytes=1, format="x")).path.startswith(f"{path}/m")
        assert scratch in copy.parents
    assert list(scratch.iterdir()) == []


def test_the_one_model_of_a_folder_may_be_packed(tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "lone"
    folder.mkdir()
    put(folder, gzip.compress(tarred({"in/m.pb": MLP.read_bytes()})), "m.tar.gz")
    put(folder, b"read me\n", "README.txt")
    done = run(capsys, "plan", folder)
    assert done.code == 0 and f"{folder}/m.tar.gz/in/m.pb" in done.out


def test_a_saved_model_that_was_compressed_alone_is_staged(tmp_path: Path, scratch: Path) -> None:
    data = (SAVED[0].path / "saved_model.pb").read_bytes()
    path = put(tmp_path, gzip.compress(data), "saved_model.pb.gz")
    with staged(path) as found:
        assert (Path(found.path) / "saved_model.pb").read_bytes() == data


def test_copies_are_bounded_and_gone_after_an_error(tmp_path: Path, scratch: Path) -> None:
    members = {"m/saved_model.pb": b"x", "m/assets/big": bytes(3 << 20)}
    path = put(tmp_path, tarred(members), "t")
    with (
        pytest.raises(LimitError, match="decompressed bytes"),
        staged(path, Limits(decompressed_bytes=1 << 20)),
    ):
        raise AssertionError
    assert list(scratch.iterdir()) == []


def test_links_in_an_archive_bring_nothing_from_outside(tmp_path: Path, scratch: Path) -> None:
    secret = put(tmp_path, b"secret", "secret")
    more = [link("m/assets/a", str(secret)), link("m/assets/b", "../../../secret")]
    path = put(tmp_path, tarred({"m/saved_model.pb": b"x", "m/assets/c": b"y"}, more=more), "t")
    with staged(path) as found:
        assert tree(Path(found.path)) == {"saved_model.pb": b"x", "assets/c": b"y"}


def test_links_that_multiply_folders_are_bounded(tmp_path: Path, scratch: Path) -> None:
    """Eight folders of eight links to the next: a few entries are 8**8 files when copied."""
    more = [
        link(f"m/assets/{level}/{number}", f"../{level + 1}")
        for level in range(8)
        for number in range(8)
    ]
    path = put(tmp_path, tarred({"m/saved_model.pb": b"x", "m/assets/8/f": b"y"}, more=more), "t")
    with pytest.raises(LimitError, match="members"), staged(path, Limits(members=2000)):
        raise AssertionError
    assert list(scratch.iterdir()) == []


def test_folders_that_link_to_themselves_end(tmp_path: Path, scratch: Path) -> None:
    members = {"m/saved_model.pb": b"x", "m/assets/c": b"y"}
    path = put(tmp_path, tarred(members, more=[link("m/assets/again", "../assets")]), "t")
    with pytest.raises(MigratorError, match="folders more than"), staged(path):
        raise AssertionError
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("verb", ["plan", "audit"])
def test_results_tell_the_names_that_were_given(
    verb: str, tmp_path: Path, scratch: Path, capsys: Capture
) -> None:
    folder = sample("tf1.15.5/sm_variables").path
    data = {"m.zip": zipped(tree(folder, "a")), "m.pb.gz": gzip.compress(MLP.read_bytes())}
    for name, packed in data.items():
        path = put(tmp_path, packed, name)
        for form in ("json", "text"):
            done = run(capsys, verb, path, "--format", form)
            assert (done.code, done.err) == (0, "") or verb == "audit"
            assert str(path) in done.out
            assert str(scratch) not in done.out + done.err
            if form == "json":
                parsed(done.out)
    assert list(scratch.iterdir()) == []


def test_audit_finds_in_an_archive_what_it_finds_on_disk(
    tmp_path: Path, capsys: Capture, scratch: Path
) -> None:
    folder = sample("tf1.15.5/sm_asset_tensor").path
    path = put(tmp_path, gzip.compress(tarred(tree(folder))), "m.tar.gz")
    found = []
    for source in (folder, path):
        result = json.loads(run(capsys, "audit", source, "--format", "json").out)
        found.append([(item["code"], item["message"]) for item in result["findings"]])
    assert found[0] == found[1] != []


def test_a_decision_that_is_open_tells_the_names(tmp_path: Path, capsys: Capture) -> None:
    path = put(tmp_path, zipped({"a/m": MLP.read_bytes(), "b/m": MLP.read_bytes()}), "m.zip")
    done = run(capsys, "plan", path)
    assert done.code == 3
    assert [line.strip() for line in done.err.splitlines()[1:]] == [f"{path}/a/m", f"{path}/b/m"]
    ambiguous = sample("tf1.15.5/ambiguous").path.read_bytes()
    path = put(tmp_path, gzip.compress(ambiguous), "m.pb.gz")
    done = run(capsys, "plan", path)
    assert done.code == 3
    assert done.err.startswith(f"migrator: error: {path}: ")


def test_plan_at_an_address(capsys: Capture) -> None:
    store: Any = pytest.importorskip("fsspec").filesystem("memory")
    for name, data in tree(sample("tf1.15.5/sm_variables").path).items():
        store.pipe_file(f"/plan/{name}", data)
    done = run(capsys, "plan", "memory://plan", "--format", "json")
    assert done.code == 0
    assert parsed(done.out)["source"]["path"] == "memory://plan/saved_model.pb"
    store.store.clear()
