"""Archives in what a batch is given: the models in them are models as any other."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import migrator
from migrator.batching.job import unpacking
from migrator.batching.manifest import packed
from migrator.batching.manifest.planning import plan_manifest
from migrator.batching.manifest.sources import Listing, list_sources
from migrator.batching.run.batch import BatchResult
from migrator.errors import MigratorError
from migrator.files import temporary_folder
from migrator.limits import Limits
from tests import wire
from tests.batch.test_run import Seen
from tests.corpus import sample
from tests.places.packs import Zip, link, tarred, tree, zipped
from tests.schemas import validate

MLP = sample("tf1.15.5/mlp").path.read_bytes()
SAVED = sample("tf1.15.5/sm_counter").path
META = sample("tf1.15.5/mg_train").path
VERSION_1 = sample("tf1.15.5/mg_version_1_sharded").path
TFLITE = next((Path(__file__).parents[2] / "fixtures" / "tflite_files").rglob("*.tflite"))
STEPS = ["inspect"]


def hdf5(config: str) -> bytes:
    import h5py

    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.create_group("model_weights")
        if config:
            file.attrs["model_config"] = config
    return out.getvalue()


def drawer() -> dict[str, bytes]:
    """A folder with each kind of thing."""
    checkpoint = {
        name: data for name, data in tree(META.parent).items() if not name.endswith(".meta")
    }
    return {
        "ssd/frozen_inference_graph.pb": MLP,
        **tree(SAVED, "ssd/saved_model"),
        **tree(META.parent, "run"),
        **tree(VERSION_1.parent, "old"),
        **{f"weights/{name}": data for name, data in checkpoint.items()},
        "keras/k.h5": hdf5('{"class_name": "Sequential", "config": {"layers": []}}'),
        "keras/w.h5": hdf5(""),
        "lite/m.tflite": TFLITE.read_bytes(),
        "lite/without_suffix": MLP,
        "ssd/label_map.pbtxt": b"item {\n  id: 1\n  name: 'cat'\n}\n",
        "ssd/pipeline.config": b"model { ssd { } }\n",
        "text/graph.pbtxt": b'node { name: "x" op: "Placeholder" }\n',
        "spoilt/cut.pb": MLP[:-100],
        "README.md": b"# models\n",
    }


def put(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return folder


def told(listing: Listing, top: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Name -> source, and source -> reason, below ``top``."""
    return (
        {item.name: os.path.relpath(item.source, top) for item in listing.entries},
        {os.path.relpath(item.source, top): item.reason for item in listing.skipped},
    )


PACKERS = {
    "m.zip": lambda files: zipped(files),
    "m.stored.zip": lambda files: zipped(files, method=zipfile.ZIP_STORED),
    "m.tar": lambda files: tarred(files),
    "m.tar.gz": lambda files: gzip.compress(tarred(files)),
    "no_ending": lambda files: gzip.compress(tarred(files)),
    "m.zip.gz": lambda files: gzip.compress(zipped(files)),
}


@pytest.mark.parametrize("name", PACKERS)
def test_in_an_archive_is_found_what_is_found_in_a_folder(name: str, tmp_path: Path) -> None:
    files = drawer()
    folder = put(tmp_path / "folder", files)
    put(tmp_path / "zoo", {name: PACKERS[name](files)})
    models, others = told(list_sources([folder]), folder)
    assert len(models) == 8 and len(others) == 4
    archive = tmp_path / "zoo" / name
    assert told(list_sources([tmp_path / "zoo"]), archive) == (
        {f"{name}/{key}": source for key, source in models.items()},
        others,
    )


def test_every_way_to_pack_a_tree_and_what_holds_no_model(tmp_path: Path) -> None:
    twice = {"in/n.tar.gz": gzip.compress(tarred({"a/q.pb": MLP})), "x.pb": MLP}
    zoo = put(
        tmp_path / "zoo",
        {
            "m.pb": MLP,
            "a.pb.gz": gzip.compress(MLP),
            "nested.zip": zipped(twice),
            "top.zip": zipped(tree(SAVED)),
            "saved_model.pb.gz": gzip.compress((SAVED / "saved_model.pb").read_bytes()),
            "links.tar": tarred({"a/m.pb": MLP}, more=[link("b.pb", "a/m.pb"), link("c", "a")]),
            "data.csv.gz": gzip.compress(b"1,2,3\n" * 9999),
            "docs.zip": zipped({"index.html": b"<html>", "saved.txt": b"text"}),
            "mac.zip": zipped({"m.pb": MLP, "__MACOSX/._m.pb": b"\0\5\x16\7", "._m.pb": b"\0\5"}),
        },
    )
    models, others = told(list_sources([zoo]), zoo)
    assert models == {
        "m": "m.pb",
        "a.pb.gz": "a.pb.gz",
        "nested.zip/x": "nested.zip/x.pb",
        "nested.zip/in/n.tar.gz/a/q": "nested.zip/in/n.tar.gz/a/q.pb",
        "top.zip": "top.zip",
        "saved_model.pb.gz": "saved_model.pb.gz",
        "links.tar/a/m": "links.tar/a/m.pb",
        "mac.zip/m": "mac.zip/m.pb",
    }
    assert others == {}


def test_names_stay_when_other_things_come(tmp_path: Path) -> None:
    zoo = put(tmp_path / "zoo", {"ssd.tar.gz": gzip.compress(tarred({"m.pb": MLP}))})
    before, _ = told(list_sources([zoo]), zoo)
    put(zoo, {"ssd/m.pb": MLP, "ssd.pb": MLP, "ssd.zip": zipped({"m.pb": MLP})})
    after, _ = told(list_sources([zoo]), zoo)
    assert after == {**before, "ssd/m": "ssd/m.pb", "ssd-2": "ssd.pb", "ssd.zip/m": "ssd.zip/m.pb"}


# --- broken, hostile, huge


def test_a_broken_archive_is_a_model_that_fails_and_other_broken_files_are_told(
    tmp_path: Path,
) -> None:
    cut = gzip.compress(tarred(drawer()))[:3000]
    zoo = put(
        tmp_path / "zoo",
        {
            "ssd.tar.gz": cut,
            "models.zip": zipped(drawer())[:3000],
            "m.pb.gz": gzip.compress(os.urandom(999) + MLP)[:-20],
            "arrays.npz": zipped({"a.npy": b"\x93NUMPY" + bytes(99)})[:60],
            "log.gz": gzip.compress(os.urandom(9999))[:-20],
        },
    )
    models, others = told(list_sources([zoo]), zoo)
    assert sorted(models) == ["m.pb.gz", "models.zip", "ssd.tar.gz"]
    assert sorted(others) == ["arrays.npz", "log.gz"]
    found = migrator.batch(zoo, tmp_path / "out", steps=STEPS, jobs=1)
    for item in found.models:
        assert (item["outcome"], item["cause"]) == ("failed", "bad_input")
        assert "truncated or damaged" in item["reason"] and "/out" not in item["reason"]


def test_an_archive_past_a_limit_is_left_out_with_the_limit(tmp_path: Path) -> None:
    many = {f"{number}.txt": b"text" for number in range(60)}
    zoo = put(tmp_path / "zoo", {"many.zip": zipped({**many, "m.pb": MLP}), "n.pb": MLP})
    models, others = told(list_sources([zoo], limits=Limits(members=50)), zoo)
    assert list(models) == ["n"] and "the limit is 50" in others["many.zip"]
    bomb = put(tmp_path / "bombs", {"b.tar.gz": gzip.compress(tarred({"z": bytes(9 << 20)}))})
    put(bomb, {"c.zip": zipped({"z.pb": bytes(9 << 20), "m.pb": MLP}), "n.pb": MLP})
    models, others = told(list_sources([bomb], limits=Limits(decompressed_bytes=1 << 20)), bomb)
    assert "n" in models and "decompressed" in others["b.tar.gz"]


def test_a_member_that_cannot_be_read_costs_no_other(tmp_path: Path) -> None:
    odd = Zip()
    odd.add("bad.pb", MLP, crc=1)
    odd.add("good.pb", MLP)
    odd.add("secret.pb", MLP, flags=1)
    secret = Zip()
    secret.add("data", MLP, flags=1)
    zoo = put(tmp_path / "zoo", {"odd.zip": odd.bytes(), "secret.zip": secret.bytes()})
    models, others = told(list_sources([zoo]), zoo)
    assert sorted(models) == ["odd.zip/bad", "odd.zip/good", "odd.zip/secret"]
    assert list(others) == ["secret.zip"] and "is encrypted" in others["secret.zip"]
    outcomes = {
        item["name"]: item
        for item in migrator.batch(zoo, tmp_path / "out", steps=STEPS, jobs=1).models
    }
    assert outcomes["odd.zip/good"]["outcome"] == "done"
    assert "CRC" in outcomes["odd.zip/bad"]["reason"]
    assert "encrypted" in outcomes["odd.zip/secret"]["reason"]


def test_archives_in_archives_without_end_are_given_up(tmp_path: Path) -> None:
    data = zipped({"m.pb": MLP})
    for number in range(5):
        data = zipped({f"{number}.zip": data})
    zoo = put(tmp_path / "zoo", {"deep.zip": data, "m.pb": MLP})
    models, others = told(list_sources([zoo]), zoo)
    assert list(models) == ["m"]
    assert list(others.values()) == ["is an archive in more than 3 others"]


def _hang(path: str, limits: Limits) -> tuple[packed.Item, ...]:
    time.sleep(60)
    return ()


def test_an_archive_that_takes_too_long_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from migrator.batching.manifest import sources

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))  # for the child to find it
    monkeypatch.setattr(sources, "models_in", _hang)
    monkeypatch.setattr(sources, "TIMEOUT", 1.0)
    zoo = put(tmp_path / "zoo", {"slow.zip": zipped({"m.pb": MLP}), "n.pb": MLP})
    models, others = told(list_sources([zoo]), zoo)
    assert list(models) == ["n"]
    assert others["slow.zip"].startswith("searching it for models took more than 1 s")


def test_a_graph_that_looks_like_an_archive_stays_a_model_that_fails(tmp_path: Path) -> None:
    # TensorFlow skips the first field (number 8, 90 bytes), and takes the rest for a graph.
    odd = b"BZh" + bytes(89) + wire.graph([wire.node("x", "Placeholder", [], {"dtype": wire.F})])
    zoo = put(tmp_path / "zoo", {"m.pb": odd})
    models, _ = told(list_sources([zoo]), zoo)
    assert models == {"m": "m.pb"}


# --- named ones


def test_an_archive_that_is_named_gives_all_its_models_or_says_that_it_has_none(
    tmp_path: Path,
) -> None:
    zoo = put(
        tmp_path,
        {
            "two.zip": zipped({"a/m.pb": MLP, "b/n.pb": MLP}),
            "none.zip": zipped({"x": b"text\n", "y": b"text\n"}),
        },
    )
    models, _ = told(list_sources([zoo / "two.zip", zoo / "none.zip"]), zoo)
    assert models == {
        "two.zip/a/m": "two.zip/a/m.pb",
        "two.zip/b/n": "two.zip/b/n.pb",
        "none.zip": "none.zip",
    }
    inner, _ = told(list_sources([zoo / "two.zip/a", zoo / "two.zip/b/n.pb"]), zoo)
    assert list(inner.values()) == ["two.zip/a/m.pb", "two.zip/b/n.pb"]
    (item,) = migrator.batch(zoo / "none.zip", tmp_path / "out", steps=STEPS, jobs=1).models
    assert item["outcome"] == "failed" and "archive without a model" in item["reason"]


def test_a_manifest_names_models_in_archives_and_plan_writes_one_that_reads_back(
    tmp_path: Path,
) -> None:
    zoo = put(tmp_path / "zoo", {"m.tar.gz": gzip.compress(tarred(drawer()))})
    text = plan_manifest([zoo], folder=str(tmp_path), jobs=1)
    assert "zoo/m.tar.gz/ssd/frozen_inference_graph.pb" in text
    assert str(Path(os.environ.get("TMPDIR", "/tmp")) / "migrator-") not in text
    manifest = put(tmp_path, {"m.yaml": text.encode()}) / "m.yaml"
    plain, _ = told(list_sources([zoo]), tmp_path)
    again, _ = told(list_sources([manifest, zoo]), tmp_path)
    assert again == plain
    several = put(tmp_path, {"two.zip": zipped({"a.pb": MLP, "b.pb": MLP})})
    put(several, {"n.yaml": b"models:\n  - {name: one, source: two.zip}\n"})
    (item,) = migrator.batch(several / "n.yaml", tmp_path / "out", steps=STEPS, jobs=1).models
    assert item["outcome"] == "failed" and "a.pb; b.pb" in item["reason"]


# --- runs


def go(zoo: Path, out: Path, **more: object) -> BatchResult:
    return migrator.batch(zoo, out, steps=["inspect", "audit", "plan"], jobs=1, **more)  # type: ignore[arg-type]


def test_models_in_archives_come_through_with_their_names_and_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = tmp_path / "tmp"
    aside.mkdir()
    monkeypatch.setenv("TMPDIR", str(aside))
    monkeypatch.setattr("tempfile.tempdir", None)
    zoo = put(tmp_path / "zoo", {"m.tar.gz": gzip.compress(tarred(drawer()))})
    folder = put(tmp_path / "folder", drawer())
    here = {item["name"]: item for item in go(folder, tmp_path / "out").models}
    there = {item["name"]: item for item in go(zoo, tmp_path / "packed").models}
    assert [f"m.tar.gz/{name}" for name in here] == list(there)
    for name, plain in here.items():
        item = there[f"m.tar.gz/{name}"]
        for key in ("outcome", "cause", "format", "readiness", "findings", "source_sha256"):
            assert item[key] == plain[key], (name, key)
        assert item["reason"].replace("m.tar.gz/", "") == plain["reason"].replace(
            str(folder), str(zoo)
        )
        assert item["source"].startswith(f"{zoo}/m.tar.gz/")
    for file in (tmp_path / "packed").rglob("*"):
        if file.is_file():
            assert b".source/unpacked" not in file.read_bytes(), file
    result = there["m.tar.gz/ssd/frozen_inference_graph"]
    told_as = json.loads((Path(result["dest"]) / "inspect.json").read_text())["source"]["path"]
    assert told_as == f"{zoo}/m.tar.gz/ssd/frozen_inference_graph.pb"
    assert list(aside.iterdir()) == [] and not (tmp_path / "packed/.work").exists()


def test_a_further_run_does_what_changed(tmp_path: Path) -> None:
    archive = put(tmp_path / "zoo", {"m.zip": zipped({"a.pb": MLP, "b.pb": MLP})}) / "m.zip"
    put(tmp_path / "zoo", {"c.pb.gz": gzip.compress(MLP)})
    first = go(tmp_path / "zoo", tmp_path / "out")
    assert len(first.models) == 3

    def done() -> list[str]:
        seen = Seen()
        go(tmp_path / "zoo", tmp_path / "out", watchers=[seen])
        return [name for name in seen.events if name not in ("began", "finished")]

    assert done() == []
    os.utime(archive, (1, 1))
    assert done() == []
    archive.write_bytes(zipped({"a.pb": MLP, "b.pb": MLP, "d.pb": MLP}))
    assert sorted(done()) == ["m.zip/a", "m.zip/b", "m.zip/d"]
    assert done() == []


def test_pages_and_tables_escape_names_from_archives(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script>.pb"
    names = [bad, "=1+1.pb", "a\nb.pb", 'q"uote.pb', "caf\u00e9.pb", "x/\u202etxt.pb"]
    zoo = put(tmp_path / "zoo", {"m.zip": zipped(dict.fromkeys(names, MLP))})
    found = go(zoo, tmp_path / "out")
    assert found.exit_code == 0 and len(found.models) == len(names)
    assert {item["source"] for item in found.models} == {f"{zoo}/m.zip/{name}" for name in names}
    batch = json.loads((tmp_path / "out/batch.json").read_text())
    validate(batch)
    assert {item["source"] for item in batch["models"]} == {item["source"] for item in found.models}
    pages = list((tmp_path / "out").rglob("*.html"))
    assert len(pages) == 1 + len(names)
    for page in pages:
        assert "<script>alert" not in page.read_text("utf-8")
    table = (tmp_path / "out/batch.csv").read_bytes().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    assert len(rows) == len(names)
    assert not any(cell.startswith("=") for row in rows for cell in row.values())


def test_a_compressed_tar_is_opened_once_for_all_its_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, times = unpacking.opened, []

    def counted(*words: Any) -> Any:
        times.append(words)
        return opened(*words)

    monkeypatch.setattr(unpacking, "opened", counted)
    files = {f"{number}/m.pb": MLP + bytes((8, number)) for number in range(9)}
    files["in.zip"] = zipped({"n.pb": MLP})
    archive = put(tmp_path, {"m.tgz": gzip.compress(tarred(files))}) / "m.tgz"

    def copied(name: str) -> bytes:
        with temporary_folder() as folder:
            return Path(unpacking.unpacked(f"{archive}/{name}", folder, None).path).read_bytes()

    assert all(copied(name) == data for name, data in files.items() if name != "in.zip")
    assert copied("in.zip/n.pb") == MLP and len(times) == 1
    with pytest.raises(MigratorError, match="is not in the archive"):
        copied("8/n.pb")
    archive.write_bytes(gzip.compress(tarred({"0/m.pb": MLP})))
    assert copied("0/m.pb") == MLP and len(times) == 2
