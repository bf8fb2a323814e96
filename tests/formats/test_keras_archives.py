"""The `.keras` archive: packed, damaged, cut, or of something else."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from migrator.errors import FormatError, LimitError, MigratorError, UnsupportedFormat
from migrator.formats.keras import archive as archives
from migrator.formats.load import load
from migrator.inspection.summary import summarize
from migrator.limits import Limits
from migrator.report.text import inspect_text
from tests.corpus import sample
from tests.formats.keras_pieces import ENTRY, archive, functional, read

pytest.importorskip("h5py")


def repacked(tmp_path: Path) -> Path:
    path = tmp_path / "packed.keras"
    with (
        zipfile.ZipFile(sample("tf2.21.0/keras_zip").path) as old,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return path


def test_packed_weights_are_the_same(tmp_path: Path) -> None:
    plain, packed = sample("tf2.21.0/keras_zip").model(), load(repacked(tmp_path))
    assert list(plain.variables) == list(packed.variables)
    for name, item in plain.variables.items():
        assert packed.variables[name].place() is None
        assert packed.variables[name].numpy().tobytes() == item.numpy().tobytes()


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LimitError, match=r"model\.weights\.h5: holds .* decompressed bytes"):
        load(repacked(tmp_path), limits=Limits(decompressed_bytes=10_000))


def test_an_archive_with_damaged_weights_still_shows_its_layers(tmp_path: Path) -> None:
    for data in (b"\x89HDF\r\n\x1a\n" + bytes(99), b"no HDF5"):
        model = load(archive(tmp_path / "m.keras", functional(ENTRY), data))
        assert len(model.graph.nodes) == 1 and not model.variables
        assert model.warnings[0].startswith("model.weights.h5: ")
    assert read(tmp_path, functional(ENTRY)).warnings == (
        "holds no weights: there is no model.weights.h5 in it",
    )


def test_a_zip_of_something_else_is_none(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormat, match=r"config\.json names no Keras model"):
        load(archive(tmp_path / "m.zip", {"architectures": ["BertModel"]}))
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("model/config.json", "{}")
    with pytest.raises(FormatError, match="is in a zip archive, and is a text file"):
        load(tmp_path / "other.zip")


def test_a_list_of_members_past_its_bound_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(tmp_path / "m.keras", functional(ENTRY))
    with pytest.raises(LimitError, match="members"):
        load(path, limits=Limits(members=1))
    monkeypatch.setattr(archives, "_MOST_DIRECTORY", 10)
    with pytest.raises(UnsupportedFormat):  # nobody looks into it
        load(path)


@pytest.mark.parametrize("name", ["tf1.15.5/keras2_nested", "tf2.21.0/keras_zip"])
def test_every_kind_of_cut_is_a_model_or_a_clear_error(name: str, tmp_path: Path) -> None:
    data = sample(name).path.read_bytes()
    path = tmp_path / "cut"
    outcomes = set()
    for size in range(1, len(data), len(data) // 150):
        path.write_bytes(data[:size])
        try:
            model = load(path, limits=Limits(seconds=5))
            assert model.warnings
            for tensor in model.variables.values():
                try:
                    tensor.numpy()
                except MigratorError as error:
                    assert str(path) in str(error)
            inspect_text(summarize(model))
            outcomes.add("model")
        except MigratorError as error:
            assert str(error).startswith(str(path))
            outcomes.add("error")
    assert "error" in outcomes
