"""What a model may do outside of itself is told, and the usual savers are not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import migrator
from migrator.inspection.notable import notable, notable_summary
from migrator.model.model import Model
from tests import wire
from tests.corpus import FIXTURES, PROTOBUF, Sample
from tests.handmade import const, model, op, placeholder, text_const

OTHERS = {"tf2.21.0/sm2_restored_table": ["may read files (RestoreV2)"]}
"""Its table comes from a checkpoint by a path that stands in the file."""
LOAD = FIXTURES / "attacks/tf2.21.0/load"


def told(item: Model) -> str:
    summary = migrator.summarize(item)
    (meta,) = summary.meta_graphs
    return "\n".join(notable(meta, summary.source.format))


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("write", "may write files ("),
        ("network", "may reach other machines ("),
        ("process", "may end the process"),
        ("python", "calls Python code that is not in the file ("),
        ("read", "may read files ("),
        ("dataset", "may read files ("),
    ],
)
def test_each_kind_of_attack_stands_out_and_the_audit_is_named(folder: str, words: str) -> None:
    first = told(migrator.load(LOAD / folder)).splitlines()[0]
    assert words in first
    assert first.endswith(": `migrator audit` judges it")


@pytest.mark.parametrize("item", PROTOBUF, ids=str)
def test_a_model_of_the_corpus_does_not_save_or_restore_but_its_own(item: Sample) -> None:
    found = [meta.reaches for meta in migrator.summarize(migrator.load(item.path)).meta_graphs]
    savers = [text for text in found if re.search("Save|Restore|MergeV2", text)]
    assert savers == OTHERS.get(item.name, [])


def saver(path: bytes) -> Model:
    return model(
        text_const("path", path),
        op("sharded", "Identity", "path", T=wire.S),
        text_const("names", b"w", b"v"),
        const("w", [1.0]),
        op("save", "SaveV2", "sharded", "names", "names", "w", "w"),
    )


def test_a_saver_with_a_path_of_its_own_stands_out() -> None:
    assert "may write files (SaveV2): `migrator audit`" in told(saver(b"/home/me/.profile"))
    assert "may write files" not in told(saver(b"model"))


def test_a_saver_whose_path_is_given_is_none_of_these() -> None:
    given = model(
        placeholder("path", wire.S, ()),
        text_const("end", b"_temp/part"),
        op("joined", "StringJoin", "path", "end", N=2),
        text_const("names", b"w", b"v"),
        const("w", [1.0]),
        op("save", "SaveV2", "joined", "names", "names", "w", "w"),
        op("restore", "RestoreV2", "path", "names", "names"),
    )
    assert "files" not in told(given)


@pytest.mark.parametrize(("name", "is_told"), [(b"", False), (b"/tmp/x", True)])
def test_a_cache_stands_out_where_it_has_a_file(name: bytes, is_told: bool) -> None:
    cached = model(
        placeholder("data", wire.Type(21), ()),
        text_const("name", name),
        op("cache", "CacheDataset", "data", "name"),
    )
    assert ("may write files (CacheDataset)" in told(cached)) == is_told


def test_a_graph_that_goes_nowhere_says_nothing_of_the_audit() -> None:
    assert "audit" not in told(model(placeholder("x"), op("y", "Relu", "x", T=wire.F)))


def lambda_model(class_name: str = "Functional") -> dict[str, object]:
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAAA" + "A" * 60}}
    layers = [
        {
            "class_name": "InputLayer",
            "config": {"name": "x", "batch_shape": [None, 4]},
            "name": "x",
            "inbound_nodes": [],
        },
        {
            "class_name": "Lambda",
            "config": {"name": "double", "function": code},
            "name": "double",
            "inbound_nodes": [[["x", 0, 0, {}]]],
        },
        {
            "class_name": "Gate",
            "registered_name": "mine>Gate",
            "config": {"name": "gate"},
            "name": "gate",
            "inbound_nodes": [[["double", 0, 0, {}]]],
        },
    ]
    config = {
        "name": "m",
        "layers": layers,
        "input_layers": [["x", 0, 0]],
        "output_layers": [["gate", 0, 0]],
    }
    return {"class_name": class_name, "config": config}


def written(path: Path, config: dict[str, object]) -> Path:
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.4.0"
        file.create_group("model_weights")
    return path


def test_a_keras_file_with_a_lambda_and_own_classes_says_so(tmp_path: Path) -> None:
    first = told(migrator.load(written(tmp_path / "m.h5", lambda_model()))).splitlines()[0]
    assert "carries Python code that loading it may run (double)" in first
    assert "has layers of its maker's own classes (gate: mine>Gate)" in first
    assert first.endswith(": `migrator audit` judges it")


def test_code_is_told_of_where_no_graph_can_be_made_too(tmp_path: Path) -> None:
    config = {"class_name": "Mine", "config": {"head": lambda_model()["config"]}}
    summary = migrator.summarize(migrator.load(written(tmp_path / "m.h5", config)))
    assert summary.meta_graphs == ()
    assert "carries Python code that loading it may run (double)" in notable_summary(summary)[0]
