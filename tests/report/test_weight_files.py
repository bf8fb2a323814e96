"""Weights saved as npz and safetensors: what numpy and the safetensors library read back."""

from __future__ import annotations

import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors
from hypothesis import given
from hypothesis import strategies as st

from migrator.errors import DestinationError, FormatError, UsageError
from migrator.formats.load import load
from migrator.formats.tensors import constant_tensor
from migrator.inspection.weights import weights
from migrator.model.dtypes import DType, dtype_named
from migrator.model.tensors import LazyTensor, Shape
from migrator.report.weight_files.saving import SavedWeights, save_weights
from tests import handmade, wire
from tests.strategies import arrays

NUMPYS_OWN = ("float16", "float32", "float64", "complex64", "complex128", "bool")


def saved(found: dict[str, LazyTensor], target: Path) -> SavedWeights:
    return save_weights(found.items(), target)


def held(array: Any, dtype: str) -> LazyTensor:
    return constant_tensor(array, dtype_named(dtype))


def bits(array: Any) -> bytes:
    return bytes(np.ascontiguousarray(array).tobytes())


FLOATS = {"BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}


def read_back(target: Path) -> dict[str, Any]:
    """By numpy and by the safetensors library, whose own numpy part lacks float8."""
    if target.suffix == ".npz":
        with np.load(target, allow_pickle=False) as file:
            return {name: file[name] for name in file}
    found = {}
    for name, item in safetensors.deserialize(target.read_bytes()):
        kind = item["dtype"]
        letters = {"F": "f", "I": "i", "U": "u", "C": "c", "B": "?"}
        if kind in FLOATS:
            dtype = np.dtype(getattr(ml_dtypes, FLOATS[kind]))
        else:
            dtype = np.dtype("?" if kind == "BOOL" else f"{letters[kind[0]]}{int(kind[1:]) // 8}")
        found[name] = np.frombuffer(item["data"], dtype=dtype).reshape(item["shape"])
    return found


def wide(array: Any) -> Any:
    """The values of an array in a type of numpy's own."""
    if array.dtype.names:
        return array[array.dtype.names[0]]
    if array.dtype.isbuiltin == 1:
        return array
    return array.astype(np.int16 if "int" in array.dtype.name else np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("saved")


@given(item=arrays(), suffix=st.sampled_from([".npz", ".safetensors"]))
def test_every_type_comes_back_with_its_values_or_is_left_out(
    item: tuple[DType, Any], suffix: str, folder: Path
) -> None:
    dtype, array = item
    target = folder / f"one{suffix}"
    found = {"a/b": constant_tensor(array, dtype), "x": held([1.0], "float32")}
    done = save_weights(found.items(), target, overwrite=True)
    back = read_back(target)
    assert set(back) == set(done.names)
    assert {name for name, _ in done.left_out} == found.keys() - back.keys()
    if "a/b" not in back:
        has_zero = dtype.kind == "s" and any(value.endswith(b"\0") for value in array.ravel())
        lacks = suffix == ".safetensors" and dtype.name in ("string", "complex128")
        assert has_zero or lacks
        return
    got = back["a/b"]
    assert got.shape == array.shape
    if dtype.kind == "s":
        assert got.ravel().tolist() == array.ravel().tolist()
    elif got.dtype == array.dtype:
        assert bits(got) == bits(array)
    else:
        np.testing.assert_array_equal(wide(got).astype(wide(array).dtype), wide(array))
        assert dtype.name in dict(done.widened)


def test_types_of_numpys_own_are_kept(tmp_path: Path) -> None:
    found = {name: held(np.zeros((2, 3)), name) for name in NUMPYS_OWN}
    saved(found, tmp_path / "a.npz")
    back = read_back(tmp_path / "a.npz")
    assert {name: back[name].dtype.name for name in back} == {name: name for name in NUMPYS_OWN}


def test_bfloat16_stays_itself_in_safetensors_and_is_float32_in_npz(tmp_path: Path) -> None:
    pattern = np.arange(1 << 16, dtype=np.uint16)
    found = {"w": held(pattern.view(ml_dtypes.bfloat16), "bfloat16")}
    assert saved(found, tmp_path / "a.safetensors").widened == ()
    back = read_back(tmp_path / "a.safetensors")["w"]
    assert bits(back) == bits(pattern)
    done = saved(found, tmp_path / "a.npz")
    assert done.widened == (("bfloat16", "float32"),)
    wide = read_back(tmp_path / "a.npz")["w"]
    assert bits(wide.view(np.uint32) >> 16) == bits(pattern.astype(np.uint32))


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_names_with_slashes_marks_and_other_scripts_come_back(suffix: str, tmp_path: Path) -> None:
    names = ["a/b/c", "a", "λ/重み", "with space", "a\\b", "x:0", 'quote"', "file", "allow_pickle"]
    target = tmp_path / f"a{suffix}"
    done = saved({name: held([7.5], "float32") for name in names}, target)
    assert sorted(done.names) == sorted(names)
    back = read_back(target)
    assert sorted(back) == sorted(names)


def test_names_that_a_file_cannot_hold_are_told(tmp_path: Path) -> None:
    names = ["../up", "/root", "a\0b", "a\ud800", "n" * 70_000, "fine"]
    done = saved({name: held([1.0], "float32") for name in names}, tmp_path / "a.npz")
    assert done.names == ("fine",)
    assert [name for name, _ in done.left_out] == names[:-1]
    done = saved(
        {name: held([1.0], "float32") for name in ("__metadata__", "a\ud800", "fine")},
        tmp_path / "a.safetensors",
    )
    assert done.names == ("fine",)


def test_strings_get_one_width_and_those_that_numpy_would_cut_are_left_out(tmp_path: Path) -> None:
    found = {
        "words": held(np.array([b"a", b"long", b""], dtype=object), "string"),
        "cut": held(np.array([b"a\0"], dtype=object), "string"),
        "uneven": held(np.array([b"x" * 100_000, *[b""] * 1000], dtype=object), "string"),
    }
    done = saved(found, tmp_path / "a.npz")
    assert done.names == ("words",)
    assert "zero byte" in dict(done.left_out)["cut"]
    assert "unlike length" in dict(done.left_out)["uneven"]
    assert read_back(tmp_path / "a.npz")["words"].tolist() == [b"a", b"long", b""]


def test_nothing_to_save_leaves_no_file(tmp_path: Path) -> None:
    found = {"s": held(np.array([b"a"], dtype=object), "string")}
    with pytest.raises(UsageError, match="strings have no place"):
        saved(found, tmp_path / "a.safetensors")
    with pytest.raises(UsageError, match="no weights"):
        saved({}, tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_what_is_there_stays_unless_told_otherwise(suffix: str, tmp_path: Path) -> None:
    target = tmp_path / f"a{suffix}"
    target.write_text("mine")
    found = {"w": held([1.0], "float32")}
    with pytest.raises(DestinationError, match="exists"):
        saved(found, target)
    assert target.read_text() == "mine"
    save_weights(found.items(), target, overwrite=True)
    assert target.read_bytes() != b"mine"
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_one_that_cannot_be_read_does_not_hide_the_rest(suffix: str, tmp_path: Path) -> None:
    def broken(_: LazyTensor) -> Any:
        raise FormatError("is damaged", where="shard")

    bad = LazyTensor(
        dtype=dtype_named("float32"), shape=Shape((3,)), stored_bytes=12, read=bytes, decode=broken
    )
    found = {"a": held([1.0], "float32"), "b": bad, "c": held([2.0, 3.0], "float32")}
    target = tmp_path / f"a{suffix}"
    done = saved(found, target)
    assert done.unreadable == (("b", "shard: is damaged"),)
    back = read_back(target)
    assert {name: back[name].tolist() for name in back} == {"a": [1.0], "c": [2.0, 3.0]}


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_what_breaks_off_leaves_nothing(suffix: str, tmp_path: Path) -> None:
    def interrupted(_: LazyTensor) -> Any:
        raise KeyboardInterrupt

    bad = LazyTensor(
        dtype=dtype_named("float32"),
        shape=Shape((3,)),
        stored_bytes=12,
        read=bytes,
        decode=interrupted,
    )
    with pytest.raises(KeyboardInterrupt):
        saved({"a": held([1.0], "float32"), "b": bad}, tmp_path / f"a{suffix}")
    assert list(tmp_path.iterdir()) == []


@contextmanager
def peak() -> Iterator[list[int]]:
    found: list[int] = []
    tracemalloc.start()
    try:
        yield found
        found.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_weights_in_one_run_of_a_file_are_never_whole_in_memory(
    suffix: str, kind: str, tmp_path: Path
) -> None:
    size = 64 << 20
    array = np.arange(size // 4, dtype=np.float32)
    model = tmp_path / "model.pb"
    data = array.tobytes()
    number, count = (1, size // 4) if kind == "float32" else (14, size // 2)
    value = wire.tensor(number, (count,), wire.block(4, data))
    nodes = [
        handmade.op("w", "Const", dtype=wire.Type(number), value=wire.Raw(wire.block(8, value))),
    ]
    model.write_bytes(wire.graph(nodes))
    del value, nodes
    found = weights(load(model))
    target = tmp_path / f"a{suffix}"
    with peak() as memory:
        saved(found, target)
    assert memory[0] < 40 << 20
    if kind == "float32":
        back = read_back(target)
        assert bits(back["w"]) == data


def test_npz_members_are_dated_alike_so_that_files_are_equal(tmp_path: Path) -> None:
    found = {"w": held([1.0], "float32")}
    saved(found, tmp_path / "a.npz")
    saved(found, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz") as file:
        assert file.testzip() is None


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="npz"):
        saved({"w": held([1.0], "float32")}, tmp_path / "a.txt")
