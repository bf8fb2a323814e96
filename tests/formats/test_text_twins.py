"""What TensorFlow wrote as text is the very model that it wrote in binary form."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from migrator.formats.checkpoint import checkpoint_place, open_checkpoint
from migrator.formats.load import load
from migrator.model.tensors import LazyTensor
from tests.formats.texts import PAIRS, TWINS, name_of, plain_model

FORMATS = {
    "graph.pb": "graph_def",
    "model.ckpt.meta": "meta_graph",
    "saved_model.pb": "saved_model",
}


@pytest.mark.parametrize("pair", PAIRS, ids=name_of)
def test_text_and_binary_form_are_the_same_model(pair: tuple[Path, Path]) -> None:
    text, binary = map(load, pair)
    assert text.source.format == f"{FORMATS[pair[1].name]}_text"
    assert text.source.kind == binary.source.kind == binary.source.format
    assert plain_model(text) == plain_model(binary)


@pytest.mark.parametrize("name", ["large_list", "large_floats", "weights"])
@pytest.mark.parametrize("folder", sorted(TWINS.iterdir()), ids=lambda path: path.name)
def test_large_values_stay_in_the_file_until_they_are_asked_for(folder: Path, name: str) -> None:
    text, binary = (
        load(folder / file).graph.by_name[name].attrs["value"]
        for file in ("graph.pbtxt", "graph.pb")
    )
    assert isinstance(text, LazyTensor)
    assert isinstance(binary, LazyTensor)
    assert text.place() is None
    assert text.stored_bytes > 4096
    assert text.numpy().tobytes() == binary.numpy().tobytes()
    from migrator.formats.messages import message_class

    parse = message_class("TensorProto").FromString
    assert parse(text.read()) == parse(binary.read())


def test_a_saved_model_as_text_has_its_variables_and_assets() -> None:
    folder = TWINS / "tf1.15.5" / "text"
    model = load(folder)
    assert model.source.path == str(folder / "saved_model.pbtxt")
    assert [asset.filename for asset in model.meta_graphs[0].assets] == ["words.txt"]
    prefix = checkpoint_place(model)
    assert prefix is not None
    assert list(open_checkpoint(prefix).variables) == ["layer/weights"]


def test_a_meta_graph_as_text_finds_its_checkpoint() -> None:
    place = checkpoint_place(load(TWINS / "tf1.4.1" / "model.ckpt.meta.pbtxt"))
    assert place is not None
    assert place.base == "model.ckpt"


def test_a_meta_graph_as_text_may_be_named_as_a_binary_one(tmp_path: Path) -> None:
    for file in (TWINS / "tf1.15.5").glob("model.ckpt.*-*"):
        shutil.copy(file, tmp_path)
    shutil.copy(TWINS / "tf1.15.5" / "model.ckpt.index", tmp_path)
    shutil.copy(TWINS / "tf1.15.5" / "model.ckpt.meta.pbtxt", tmp_path / "model.ckpt.meta")
    model = load(tmp_path)
    assert model.source.format == "meta_graph_text"
    assert checkpoint_place(model) is not None


def test_of_both_forms_in_a_folder_the_binary_one_is_read(tmp_path: Path) -> None:
    shutil.copy(TWINS / "tf1.15.5" / "text" / "saved_model.pbtxt", tmp_path)
    assert load(tmp_path).source.format == "saved_model_text"
    shutil.copy(TWINS / "tf1.15.5" / "binary" / "saved_model.pb", tmp_path)
    assert load(tmp_path).source.format == "saved_model"


def test_a_hub_module_as_text_is_one(tmp_path: Path) -> None:
    shutil.copy(TWINS / "tf1.15.5" / "text" / "saved_model.pbtxt", tmp_path)
    (tmp_path / "tfhub_module.pb").write_bytes(b"\x08\x03")
    assert load(tmp_path).source.format == "hub_module"
