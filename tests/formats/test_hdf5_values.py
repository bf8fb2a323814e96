"""HDF5 data sets: found without the library, with the values that h5py gives, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from migrator.errors import FormatError, LimitError
from migrator.formats.hdf5 import apart
from migrator.formats.hdf5.headers import NotPlain
from migrator.formats.hdf5.tree import Dataset, visit
from migrator.formats.hdf5.values import lazy_tensor
from migrator.formats.hdf5.walk import Hdf5File, walk
from migrator.formats.messages import message_class
from migrator.formats.tensors import decode_tensor
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.model.tensors import LazyTensor
from migrator.places.source import ByteSource

h5py = pytest.importorskip("h5py")

NUMBERS = ("<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "i1", "u1", "<i2", ">u2", "<u4", ">i8", "<u8",
           "<c8", ">c16", "?")  # fmt: skip


def tensors(file: Hdf5File, source: ByteSource, limits: Limits = DEFAULT_LIMITS) -> dict[str, Any]:
    """All data sets by path, as lazy tensors or None; chunked ones ask h5py."""

    def fetch(path: str, item: Dataset) -> bytes:
        return apart.fetch(source, path, item, limits)

    return {
        path: lazy_tensor(link, path, source, file.heap, fetch, limits)
        for path, link in visit(file.root)
        if isinstance(link, Dataset)
    }


def read(path: Path) -> dict[str, Any]:
    source = ByteSource.open(path)
    return tensors(walk(source, DEFAULT_LIMITS), source)


def assert_same(found: LazyTensor, expected: Any) -> None:
    got, wanted = found.numpy(), np.asarray(expected)
    assert got.shape == wanted.shape == tuple(found.shape.dims or ())
    if found.dtype.name == "string":
        words = np.asarray(expected, dtype=object)
        assert got.ravel().tolist() == words.ravel().tolist()
    else:
        assert got.dtype == wanted.dtype.newbyteorder("=") == found.dtype.numpy()
        assert got.tobytes() == wanted.astype(got.dtype).tobytes()
    message = message_class("TensorProto").FromString(found.read())
    assert message.dtype == found.dtype
    again = decode_tensor(found, DEFAULT_LIMITS, where="its own message")
    assert again.tobytes() == got.tobytes() or again.tolist() == got.tolist()
    if span := found.place():
        with open(span.path, "rb") as file:
            file.seek(span.offset)
            assert file.read(span.length) == got.tobytes()


def fill(file: Any) -> None:
    """One data set of each type and layout."""
    random = np.random.default_rng(0)
    for kind in NUMBERS:
        name = kind.replace("<", "le_").replace(">", "be_").replace("?", "bool")
        array = random.integers(0, 120, (3, 4)).astype(kind)
        file[f"plain/{name}"] = array
        file[f"scalar/{name}"] = array[0, 0]
        file.create_dataset(f"empty/{name}", shape=(0, 3), dtype=kind)
        file.create_dataset(f"unwritten/{name}", shape=(2, 3), dtype=kind)
        value = np.array(7).astype(kind)
        file.create_dataset(f"filled/{name}", shape=(2, 3), dtype=kind, fillvalue=value)
    for name, shape in (("texts", (3,)), ("no_texts", (0,)), ("text", ())):
        made = file.create_dataset(name, shape, dtype=h5py.string_dtype())
        if name != "no_texts":
            made[...] = np.array(["a", "ü" * 300, ""][: 3 if shape else 1], dtype=object).reshape(
                shape
            )
    file["words"] = np.array([b"ab", b"cdefgh", b""])
    padded = h5py.h5t.C_S1.copy()
    padded.set_size(6)
    padded.set_strpad(h5py.h5t.STR_SPACEPAD)
    space = h5py.h5s.create_simple((2,))
    low = h5py.h5d.create(file.id, b"spaces", padded, space)
    low.write(space, space, np.array([b"ab", b"cdefgh"], "S6"))
    compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    compact.set_layout(h5py.h5d.COMPACT)
    low = h5py.h5d.create(
        file.id, b"compact", h5py.h5t.IEEE_F32BE, h5py.h5s.create_simple((4,)), compact
    )
    low.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(4, dtype="f4"))


@pytest.fixture(scope="module", params=["earliest", "v108"])
def every_kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("hdf5") / "all.h5"
    with h5py.File(path, "w", libver=(request.param, "latest")) as file:
        fill(file)
    return path


def test_every_type_and_layout_has_the_values_that_h5py_gives(every_kind: Path) -> None:
    source = ByteSource.open(every_kind)
    try:
        found = tensors(walk(source, DEFAULT_LIMITS), source)
    except NotPlain:  # links in a heap, as later releases of HDF5 write many
        found = tensors(apart.describe(source, DEFAULT_LIMITS), source)
        wanted = ("plain/be_f4", "filled/le_f8", "texts", "spaces", "compact", "scalar/bool")
        found = {path: found[path] for path in wanted}
    with h5py.File(every_kind) as file:
        assert len(found) in (6, 5 * len(NUMBERS) + 6)
        for path, tensor in found.items():
            assert_same(tensor, file[path][()])


def test_the_library_in_its_process_tells_the_same(every_kind: Path) -> None:
    source = ByteSource.open(every_kind)
    said = apart.describe(source, DEFAULT_LIMITS)
    with h5py.File(every_kind) as file:
        names: list[str] = []
        file.visititems(
            lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None
        )
        paths = {path: link for path, link in visit(said.root) if isinstance(link, Dataset)}
        assert sorted(paths) == sorted(names)
        for path, item in paths.items():
            assert item.dims == file[path].shape
            if item.storage == "contiguous":
                assert item.offset == file[path].id.get_offset()


@pytest.mark.parametrize("kind", ["<f4", ">f8", "S5", "?"])
def test_compressed_data_sets_are_read_by_h5py(kind: str, tmp_path: Path) -> None:
    array = np.arange(35).reshape(5, 7).astype(kind)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("a", data=array, chunks=(2, 3), compression="gzip", shuffle=True)
    found = read(tmp_path / "m.h5")["a"]
    assert found.place() is None
    assert_same(found, array)


def test_compressed_texts_are_read_by_h5py(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        made = file.create_dataset("a", (2, 2), h5py.string_dtype(), chunks=(1, 2))
        made[...] = [["x", "yy"], ["", "zzz"]]
    found = read(tmp_path / "m.h5")["a"]
    assert found.numpy().tolist() == [[b"x", b"yy"], [b"", b"zzz"]]


def test_bfloat16_of_keras_is_opaque_with_a_mark(tmp_path: Path) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.array([1.5, -2, float("nan"), 3e38]).astype(ml_dtypes.bfloat16)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["a"] = array.view("V2")
        file["a"].attrs["dtype"] = "bfloat16"
        file["b"] = array.view("V2")
    found = read(tmp_path / "m.h5")
    assert found["a"].dtype.name == "bfloat16"
    assert found["a"].numpy().tobytes() == array.tobytes()
    assert found["b"] is None  # two bytes of nobody knows what


def test_what_is_no_tensor_is_told_as_none(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["nothing"] = h5py.Empty("f4")
        file["records"] = np.zeros(2, dtype=[("a", "f4"), ("b", "i4")])
        file.create_dataset("lists", (2,), dtype=h5py.vlen_dtype("f4"))
        file["pointer"] = file.ref
        file["kinds"] = np.array([0, 1], dtype=h5py.enum_dtype({"A": 0, "B": 1}, basetype="i2"))
    found = read(tmp_path / "m.h5")
    assert {path for path, tensor in found.items() if tensor is None} == {
        "nothing",
        "records",
        "lists",
        "pointer",
    }
    assert found["kinds"].numpy().tolist() == [0, 1]


@settings(max_examples=60, deadline=None)
@given(
    array=arrays.arrays(
        st.sampled_from(NUMBERS),
        arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    offset=st.integers(0, 9),
)
def test_any_array_comes_back_as_it_was_written(
    array: Any, offset: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("law") / "m.h5"
    with h5py.File(path, "w") as file:
        for number in range(offset):
            file[f"before_{number}"] = np.zeros(number, "u1")
        file["group/array"] = array
    found = read(path)["group/array"]
    assert found.numpy().tobytes() == array.astype(found.numpy().dtype).tobytes()
    assert found.numpy().shape == array.shape


def test_values_lie_in_a_part_of_another_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["a"] = np.arange(6.0)
        file.create_dataset("c", data=np.arange(50), chunks=(7,), compression="gzip")
    data = (tmp_path / "m.h5").read_bytes()
    (tmp_path / "whole").write_bytes(b"x" * 777 + data + b"y" * 99)
    source = ByteSource.open(tmp_path / "whole").part(777, len(data), name="part")
    found = tensors(walk(source, DEFAULT_LIMITS), source)
    span = found["a"].place()
    assert span is not None and span.path == str(tmp_path / "whole")
    assert found["a"].numpy().tolist() == list(range(6))
    assert found["c"].numpy().tolist() == list(range(50))
    memory = ByteSource.of_bytes(data)
    found = tensors(walk(memory, DEFAULT_LIMITS), memory)
    assert found["a"].place() is None
    assert found["c"].numpy().tolist() == list(range(50))


def test_a_shape_that_claims_too_much_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("huge", shape=(1 << 20, 1 << 20, 1 << 10), dtype="f4")
        file.create_dataset("large", shape=(1 << 12,), dtype="f4")
    source = ByteSource.open(tmp_path / "m.h5")
    small = Limits(tensor_bytes=1 << 12)
    found = tensors(walk(source, small), source, small)
    for name in ("huge", "large"):
        with pytest.raises(LimitError, match=f"m.h5: {name}: an array of shape"):
            found[name].numpy()


def test_data_in_another_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret!!")
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("raw", (8,), "u1", external=[(str(tmp_path / "secret"), 0, 8)])
        layout = h5py.VirtualLayout(shape=(8,), dtype="u1")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", shape=(8,))
        file.create_virtual_dataset("virtual", layout)
    for name, tensor in read(tmp_path / "m.h5").items():
        with pytest.raises(FormatError, match=f"{name}: keeps its data in another file"):
            tensor.numpy()
