"""Batches of archives with TensorFlow: what lies in them is migrated and proven as files are."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

import migrator
from tests.corpus import sample
from tests.places.packs import tarred, tree, zipped

pytestmark = pytest.mark.tensorflow

MLP = sample("tf1.15.5/mlp").file.read_bytes()


def test_models_in_archives_are_migrated_and_proven(tmp_path: Path) -> None:
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    keras = sample("tf1.15.5/keras2_conv").path
    members = {"ssd/frozen.pb": MLP, **tree(sample("tf1.15.5/sm_counter").path, "ssd/export")}
    (zoo / "ssd.tar.gz").write_bytes(gzip.compress(tarred(members)))
    (zoo / "m.pb.gz").write_bytes(gzip.compress(MLP))
    (zoo / "keras.zip").write_bytes(zipped({f"in/{keras.name}": keras.read_bytes()}))
    (zoo / "cut.zip").write_bytes(zipped(members)[:999])
    found = migrator.batch(zoo, tmp_path / "out", jobs=2)
    models = {str(item["name"]): item for item in found.models}
    broken = models.pop("cut.zip")
    assert (broken["outcome"], broken["cause"]) == ("failed", "bad_input")
    assert len(models) == 4
    for name, item in models.items():
        assert item["outcome"] == "done", (name, item["reason"])
        assert item["verdict"] in ("bitwise", "within_tolerance")
        record = json.loads((Path(item["dest"]) / "record.json").read_text())
        assert record["source"]["path"] == item["source"]
        for file in Path(item["dest"]).rglob("*.json"):
            assert ".source/unpacked" not in file.read_text(), file
    assert models["ssd.tar.gz/ssd/frozen"]["source_sha256"] == models["m.pb.gz"]["source_sha256"]
    assert migrator.batch(zoo, tmp_path / "out", jobs=2).run["kept"] == 5
