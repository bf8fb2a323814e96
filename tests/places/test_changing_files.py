"""Files on disk that change while they are read: the file that was opened, or one clear error."""

from __future__ import annotations

import contextlib
import copy
import gc
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import migrator
from migrator.errors import FormatError, MigratorError
from migrator.formats.load import load
from migrator.inspection.folder import describe_folder
from migrator.inspection.weight_list import list_weights
from migrator.places import disk
from migrator.places.source import ByteSource
from migrator.report.weight_files.saving import save_weights
from tests import handmade, wire
from tests.corpus import FIXTURES, SAVED
from tests.places.packs import zipped

LONG_AGO = (10**9, 10**9)
"""A time that no change made in these tests has, however coarse the disk's clock."""


def graph(value: float) -> bytes:
    return wire.graph([handmade.const("w", np.full((64, 64), value, np.float32))])


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    os.utime(path, LONG_AGO)
    return path


def replaced(path: Path, data: bytes) -> None:
    other = path.with_name("other")
    other.write_bytes(data)
    os.replace(other, path)


def written_over(path: Path, data: bytes) -> None:
    with path.open("r+b") as file:
        file.write(data)


def piped(path: Path, data: bytes) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.fixture
def at_opening(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, Callable[[], None]], None]:
    """Have something done between the look at a file and its opening."""

    def arrange(path: Path, do: Callable[[], None]) -> None:
        real = os.open

        def opened(name: Any, *rest: Any, **named: Any) -> int:
            if os.fspath(name) == str(path):
                monkeypatch.setattr(disk.os, "open", real)
                do()
            return real(name, *rest, **named)

        monkeypatch.setattr(disk.os, "open", opened)

    return arrange


def test_a_pipe_that_took_the_files_place_is_not_waited_for(
    tmp_path: Path, at_opening: Callable[[Path, Callable[[], None]], None]
) -> None:
    path = put(tmp_path / "m.pb", graph(1))
    at_opening(path, lambda: piped(path, b""))
    with pytest.raises(MigratorError, match="is not a regular file"):
        load(path)


def test_a_folder_that_took_the_files_place_is_told(
    tmp_path: Path, at_opening: Callable[[Path, Callable[[], None]], None]
) -> None:
    def folder() -> None:
        path.unlink()
        path.mkdir()

    path = put(tmp_path / "m.pb", graph(1))
    at_opening(path, folder)
    with pytest.raises(MigratorError, match="is not a regular file"):
        load(path)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("how", [replaced, piped])
def test_weights_are_those_of_the_file_that_was_opened(
    how: Callable[[Path, bytes], None], suffix: str, tmp_path: Path
) -> None:
    path = put(tmp_path / "m.pb", graph(1))
    model = load(path)
    how(path, graph(2))
    assert migrator.weights(model)["w"].numpy()[0, 0] == 1
    kept = [(item.weight.name, item.tensor) for item in list_weights(model)]
    target = tmp_path / f"w{suffix}"
    save_weights([(name, tensor) for name, tensor in kept if tensor is not None], target)
    assert np.full((64, 64), 1, np.float32).tobytes() in target.read_bytes()


def test_a_file_that_is_written_over_gives_no_mixture(tmp_path: Path) -> None:
    path = put(tmp_path / "m.pb", graph(1))
    model = load(path)
    written_over(path, graph(2))
    with pytest.raises(FormatError, match=r"m\.pb: was changed while it was read; read it again"):
        migrator.weights(model)["w"].numpy()


def test_a_file_that_is_cut_says_from_what_to_what(tmp_path: Path) -> None:
    path = put(tmp_path / "m.pb", graph(1))
    model = load(path)
    size = path.stat().st_size
    os.truncate(path, 100)
    with pytest.raises(FormatError, match=f"shrank while it was read, from {size:,} to 100 bytes"):
        migrator.weights(model)["w"].numpy()


def test_a_member_of_an_archive_that_is_written_over_gives_no_mixture(tmp_path: Path) -> None:
    path = put(tmp_path / "m.zip", zipped({"m.pb": graph(1)}, method=zipfile.ZIP_STORED))
    model = load(path)
    written_over(path, zipped({"m.pb": graph(2)}, method=zipfile.ZIP_STORED))
    with pytest.raises(FormatError, match=r"was changed while it was read"):
        migrator.weights(model)["w"].numpy()


def test_what_changes_while_it_is_parsed_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before and after may make a model, or nonsense."""
    path = put(tmp_path / "m.h5", (FIXTURES / "tf2.21.0/keras_h5/model.h5").read_bytes())
    real, reads = os.pread, []

    def read(descriptor: int, count: int, offset: int) -> bytes:
        reads.append(offset)
        if len(reads) == 5:
            written_over(path, bytes(path.stat().st_size))
        return real(descriptor, count, offset)

    monkeypatch.setattr(disk.os, "pread", read)
    with pytest.raises(FormatError, match=r"m\.h5: was changed while it was read; read it again"):
        load(path)


def test_hdf5s_library_is_given_the_file_that_was_opened(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("dense")
        group.attrs["weight_names"] = [b"kernel"]
        group.create_dataset("kernel", data=np.ones((8, 8), np.float32), compression="gzip")
        file.attrs["layer_names"] = [b"dense"]
    os.utime(path, LONG_AGO)
    model = load(path)
    piped(path, b"")
    (tensor,) = migrator.weights(model).values()
    assert tensor.numpy().sum() == 64


def test_a_file_without_a_size_that_holds_something_is_not_called_empty() -> None:
    if not os.path.exists("/proc/self/status"):
        pytest.skip("there is no /proc")
    with pytest.raises(MigratorError, match="is a text file, starting 'Name:"):
        load("/proc/self/status")


def test_a_file_without_a_size_and_without_an_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk.os, "pread", lambda _, count, __: bytes(count))
    path = put(tmp_path / "endless", b"")
    with pytest.raises(MigratorError, match="does not tell its size, of more than 16,777,216"):
        ByteSource.open(path)


def test_a_disk_that_fails_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    path = put(tmp_path / "m.pb", graph(1))
    monkeypatch.setattr(disk.os, "pread", fails)
    with pytest.raises(MigratorError, match=r"m\.pb: cannot be read: Input/output error"):
        load(path)


@pytest.mark.parametrize("name", ["fingerprint.pb", "keras_metadata.pb"])
@pytest.mark.parametrize("kind", ["pipe", "link to nothing", "folder"])
def test_what_lies_in_a_small_files_place_is_told(kind: str, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    shutil.copytree(SAVED[0].path, folder)
    path = folder / name
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    found = describe_folder(load(folder))
    assert found is not None
    assert any(line.startswith(f"{name} cannot be read: ") for line in found.problems)


@pytest.mark.parametrize("how", [replaced, written_over])
def test_two_models_that_one_path_held_one_after_the_other_are_not_identical(
    how: Callable[[Path, bytes], None], tmp_path: Path
) -> None:
    path = put(tmp_path / "m.pb", graph(1))
    before = load(path)
    how(path, graph(2))
    found = migrator.diff(before, load(path))
    assert not found.identical
    assert not found.same_computation


def test_a_model_is_identical_with_itself_read_twice(tmp_path: Path) -> None:
    path = put(tmp_path / "m.pb", graph(1))
    assert migrator.diff(load(path), load(path)).identical


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, asdict])
def test_a_copy_closes_no_file_of_the_model(copied: Callable[[Any], Any], tmp_path: Path) -> None:
    tensor = migrator.weights(load(put(tmp_path / "m.pb", graph(1))))["w"]
    span = tensor.place()
    assert span is not None
    copied(span)
    gc.collect()
    assert tensor.numpy()[0, 0] == 1


def test_a_model_is_whole_after_it_was_copied_or_could_not_be(tmp_path: Path) -> None:
    model = load(put(tmp_path / "m.pb", graph(1)))
    with contextlib.suppress(TypeError):
        copy.deepcopy(model)
    gc.collect()
    assert migrator.weights(model)["w"].numpy()[0, 0] == 1
