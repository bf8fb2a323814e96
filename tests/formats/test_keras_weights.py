"""Keras files without layers."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.formats.keras import weights_alone
from migrator.formats.keras.weights_alone import holds_weights_alone

h5py = pytest.importorskip("h5py")


def written(path: Path, *attributes: str, weights: int = 10) -> Path:
    with h5py.File(path, "w") as file:
        file.create_group("layers").create_dataset("dense", data=[0.5] * weights)
        for name in attributes:
            file.attrs[name] = "{}" * 10
    return path


def test_a_file_without_layers_is_told(tmp_path: Path) -> None:
    assert holds_weights_alone(written(tmp_path / "a.h5", "keras_version", "layer_names"))
    assert not holds_weights_alone(written(tmp_path / "b.h5", "keras_version", "model_config"))


def test_what_is_no_hdf5_is_none(tmp_path: Path) -> None:
    other = tmp_path / "graph.pb"
    other.write_bytes(b"weights alone")
    assert not holds_weights_alone(other)
    assert not holds_weights_alone(tmp_path / "nothing.h5")


@pytest.mark.parametrize("part", (13, 100, 1 << 20))
def test_the_name_is_found_wherever_the_parts_are_cut(
    tmp_path: Path, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path / "a.h5", "model_config", weights=2000)
    monkeypatch.setattr(weights_alone, "_PART", part)
    assert not holds_weights_alone(file)


def test_of_a_very_long_file_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path / "a.h5")
    assert holds_weights_alone(file)
    monkeypatch.setattr(weights_alone, "_MOST", 100)
    assert not holds_weights_alone(file)
