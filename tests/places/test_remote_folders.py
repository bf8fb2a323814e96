"""Folders at addresses that somebody knows nothing about: searched as those on disk are."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from migrator.actions.audit import audit
from migrator.actions.explore import explore
from migrator.errors import FormatError, MigratorError, NeedsDecision, StorageError
from migrator.formats.load import load
from tests.batch.s3 import Bucket, Proxy
from tests.commands import run
from tests.corpus import sample
from tests.places.packs import tarred, tree, zipped

MLP = sample("tf1.15.5/mlp").path.read_bytes()
SAVED = sample("tf1.15.5/sm_counter").path
FIXTURES = Path(__file__).parents[2] / "fixtures"
PROCESS = FIXTURES / "attacks" / "tf1.15.5" / "load" / "process"


def told(path: object) -> str:
    """What ``load`` says of it: the model's name, or the error with its options."""
    try:
        return load(str(path)).source.path
    except NeedsDecision as error:
        return "\n".join([str(error), *error.options])
    except MigratorError as error:
        return str(error)


FOLDERS: dict[str, dict[str, bytes]] = {
    "lone": {"m": MLP, "readme.txt": b"read me", "data/labels": b"cat\n"},
    "two": {"a b.pb": MLP, "n.pb": MLP},
    "packed": {"m.pb.gz": gzip.compress(MLP), "readme.txt": b"read me"},
    "saved": {f"export/{name}": data for name, data in tree(SAVED).items()},
    "both": {"m.pb": MLP, **{f"export/{name}": data for name, data in tree(SAVED).items()}},
    "none": {"readme.txt": b"read me", "data/labels": b"cat\n"},
    "deep": {"a/b/m.pb": MLP},
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_in_a_store_is_searched_as_one_on_disk(
    name: str, bucket: Bucket, memory: Any, tmp_path: Path
) -> None:
    for part, data in FOLDERS[name].items():
        file = tmp_path / name / part
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        bucket.put(f"zoo/{name}/{part}", data)
        memory.pipe_file(f"/zoo/{name}/{part}", data)
    here = told(tmp_path / name)
    for top in (f"{bucket.address}/zoo", "memory://zoo"):
        assert told(f"{top}/{name}") == here.replace(str(tmp_path), top)
        assert told(f"{top}/{name}/").replace("/:", ":") == here.replace(str(tmp_path), top)


def test_checkpoints_of_version_1_in_a_store_count_as_one(memory: Any) -> None:
    folder = sample("tf1.15.5/mg_version_1").path.parent
    names = tree(folder)
    names.pop("checkpoint", None)
    for name, data in names.items():
        memory.pipe_file(f"/run/{name}", data)
    assert load("memory://run").source.format == "meta_graph"


def test_little_is_fetched_of_what_is_only_looked_at(bucket: Bucket, proxy: Proxy) -> None:
    for number in range(40):
        bucket.put(f"zoo/{number:02}.bin", b"\xff\xfe" + bytes(1 << 20))
    bucket.put("zoo/m.pb", MLP)
    assert load(f"{bucket.address}/zoo").source.path.endswith("/m.pb")
    assert proxy.asked("GET", ".bin") and proxy.sent < 1 << 20


def test_a_folder_of_more_than_anyone_looks_through_is_told_as_it_was(memory: Any) -> None:
    for number in range(1001):
        memory.pipe_file(f"/many/{number:04}", b"text")
    with pytest.raises(FormatError, match=r"and 996 more.*name the model file itself"):
        load("memory://many")


def test_a_store_that_falls_silent_is_no_empty_folder(bucket: Bucket, proxy: Proxy) -> None:
    bucket.put("zoo/m.pb", MLP)
    bucket.put("zoo/n.pb", MLP)
    proxy.trouble("500", method="GET", path="/n.pb", times=99)
    with pytest.raises(StorageError) as caught:
        load(f"{bucket.address}/zoo")
    assert caught.value.kind == "lost"


def test_inspect_takes_a_folder_at_an_address(
    bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket.put("zoo/a/m.pb", MLP)
    bucket.put("zoo/two/m.pb", MLP)
    bucket.put("zoo/two/n.pb", MLP)
    assert f"{bucket.address}/zoo/a/m.pb" in run(capsys, "inspect", f"{bucket.address}/zoo/a").out
    done = run(capsys, "inspect", f"{bucket.address}/zoo/two/")
    assert done.code == 3 and f"{bucket.address}/zoo/two/n.pb" in done.err


# --- the verbs that look on


@pytest.mark.parametrize("kind", ["tar", "store"])
def test_audit_view_and_diff_take_what_inspect_takes(
    kind: str, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "tar":
        source = str(tmp_path / "m.tar.gz")
        Path(source).write_bytes(gzip.compress(tarred(tree(PROCESS, "process"))))
    else:
        bucket.put_tree(PROCESS, "zoo/process")
        source = f"{bucket.address}/zoo"
    shown = load(source).source.path
    assert shown in (f"{source}/process/saved_model.pb", f"{source}/saved_model.pb")
    assert audit(source).findings
    # What the audit finds is drawn on the graph, as it is where the model lies on disk.
    here, there = explore(PROCESS), explore(source)
    assert here.files["model.findings.json"] == there.files["model.findings.json"]
    assert explore(PROCESS, source, same_ids=True).identical


def test_the_explorers_files_are_made_of_archives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "two.zip"
    source.write_bytes(zipped({"a/m.pb": MLP, "b/m.pb": MLP}))
    words = ("diff", f"{source}/a/m.pb", f"{source}/b", "--format", "model-explorer", "-o")
    assert run(capsys, *words, tmp_path / "made").code == 0
    assert (tmp_path / "made" / "sync.json").is_file()
    done = run(capsys, "diff", source, source, "--format", "model-explorer", "-o", tmp_path / "no")
    assert done.code == 3 and f"{source}/a/m.pb" in done.err and not (tmp_path / "no").exists()
