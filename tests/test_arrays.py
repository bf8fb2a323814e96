"""Named arrays in a file: what was saved is what is loaded, whatever its type."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator.arrays import load_arrays, load_npz, save_arrays
from migrator.errors import FormatError
from migrator.model.dtypes import DType
from tests import strategies

NAMES = st.one_of(
    st.text(max_size=6), st.sampled_from(("__notes__", "a0", "a/b", "../x", "file", "x.npy", ""))
)


def same(one: Any, two: Any) -> bool:
    if one.shape != two.shape or one.dtype != two.dtype:
        return False
    return bool(
        one.tolist() == two.tolist() if one.dtype == object else one.tobytes() == two.tobytes()
    )


@settings(max_examples=50)
@given(st.dictionaries(NAMES, strategies.arrays(), max_size=4))
def test_arrays_survive_saving_and_loading(arrays: dict[str, tuple[DType, Any]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "arrays"
        save_arrays(path, {name: array for name, (_, array) in arrays.items()})
        assert [item.name for item in Path(folder).iterdir()] == ["arrays"]
        found = load_arrays(path)
    assert list(found) == list(arrays)
    for name, (_, array) in arrays.items():
        assert same(found[name], array)


@pytest.mark.parametrize(
    "value",
    [
        np.array([b"a\0b", b"", b"\xff\0"], dtype=object),
        np.array([], dtype=object),
        np.zeros((0, 3), dtype=np.float32),
        np.zeros((2, 0), dtype=object),
        np.array(b"scalar\0", dtype=object),
        np.array(3.5),
        np.array(True),
        np.array([[1 + 2j]], dtype=np.complex64),
        np.arange(6).reshape(2, 3).T,  # not in order of memory
        np.arange(4, dtype=">i4"),
        np.array([np.nan, np.inf, -np.inf, -0.0]),
    ],
    ids=lambda value: f"{value.dtype}-{value.shape}",
)
def test_edge_cases_survive(value: Any, tmp_path: Path) -> None:
    save_arrays(tmp_path / "f", {"x": value})
    assert same(load_arrays(tmp_path / "f")["x"], value)


@pytest.mark.parametrize("value", [np.array(["a", "b\N{SNOWMAN}"]), np.array([b"a", b"bc"])])
def test_strings_of_fixed_width_become_bytes_objects(value: Any, tmp_path: Path) -> None:
    save_arrays(tmp_path / "f", {"x": value})
    found = load_arrays(tmp_path / "f")["x"]
    assert found.dtype == object
    assert [item.decode() for item in found] == [
        item.decode() if isinstance(item, bytes) else item for item in value.tolist()
    ]


def test_no_arrays_are_no_arrays(tmp_path: Path) -> None:
    save_arrays(tmp_path / "f", {})
    assert load_arrays(tmp_path / "f") == {}


def test_a_users_file_is_read_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.arange(3), y=np.array([b"a"]))
    found = load_npz(str(tmp_path / "data.npz"))
    assert found["x"].tolist() == [0, 1, 2]
    assert found["y"].tolist() == [b"a"]


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exit, (99,))


def write(path: Path, kind: str) -> None:
    if kind == "text":
        path.write_text("hello")
    elif kind == "empty":
        path.touch()
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(Bomb()))
    elif kind == "objects":
        array = np.empty(1, dtype=object)
        array[0] = Bomb()
        np.savez(path, x=array)
    elif kind == "single":
        with path.open("wb") as file:
            np.save(file, np.arange(3))
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", "not an array")
    elif kind == "cut":
        np.savez(path, x=np.arange(1000))
        path.write_bytes(path.read_bytes()[:500])
    elif kind == "damaged":
        np.savez_compressed(path, x=np.arange(1000))
        data = bytearray(path.read_bytes())
        data[120:200] = bytes(80)
        path.write_bytes(data)
    elif kind == "folder":
        path.mkdir()


@pytest.mark.parametrize(
    "kind",
    ["text", "empty", "pickle", "objects", "single", "zip", "cut", "damaged", "folder", "missing"],
)
def test_what_is_no_npz_of_plain_arrays_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    write(path, kind)
    with pytest.raises(FormatError) as caught:
        load_npz(str(path))
    assert caught.value.where == str(path)
    assert caught.value.hint
