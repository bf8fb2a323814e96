"""Version 1 checkpoints: values in the blocks of a table, read one at a time."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.errors import FormatError, MigratorError, UnsupportedFormat
from migrator.formats.checkpoint import checkpoint_prefix, open_checkpoint
from migrator.formats.checkpoint.reader import Checkpoint
from migrator.formats.load import load
from migrator.inspection.summary import summarize
from migrator.limits import DEFAULT_LIMITS
from migrator.places.source import ByteSource
from migrator.report.text import inspect_text
from tests import tables, tables_v1, wire
from tests.corpus import Sample, sample

Array = np.ndarray[Any, Any]
FIXTURES = [
    sample(f"{release}/{name}")
    for release in ("tf1.4.1", "tf1.15.5")
    for name in ("mg_version_1", "mg_version_1_sharded")
]
SHARDED = sample("tf1.15.5/mg_version_1_sharded").path.parent
PATTERN = "model.ckpt-10-?????-of-00003"


def of_bytes(data: bytes) -> Checkpoint:
    return Checkpoint(ByteSource.of_bytes(data, name="m.ckpt"), DEFAULT_LIMITS)


def some() -> dict[str, Array]:
    rng = np.random.default_rng(1)
    words = np.empty(3, object)
    words[:] = [b"", b"\0\xff", b"long" * 100]
    return {
        "bool": np.array([True, False, True]),
        "complex128": rng.normal(size=(2, 2)) + 1j,
        "complex64": (rng.normal(size=3) + 1j).astype(np.complex64),
        "empty": np.zeros((0, 3), np.float32),
        "float16": rng.normal(size=(3, 4)).astype(np.float16),
        "float32": rng.normal(size=(3, 4)).astype(np.float32),
        "float64": rng.normal(size=(5,)),
        "int16": np.array([-1, 5, -32768], np.int16),
        "int32": np.array([[-1], [2**31 - 1]], np.int32),
        "int64": np.array(-(2**63)),
        "int8": np.array([-128, 127], np.int8),
        "scalar": np.array(1.5, np.float32),
        "uint16": np.array([0, 65535], np.uint16),
        "uint8": np.array([0, 255], np.uint8),
        "words": words,
    }


def same(checkpoint: Checkpoint, tensors: dict[str, Array]) -> None:
    assert list(checkpoint.tensors) == sorted(tensors)
    for key, expected in tensors.items():
        tensor = checkpoint.tensors[key]
        found = tensor.numpy()
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape), key
        assert found.tolist() == expected.tolist(), key
        assert tensor.shape.as_list() == list(expected.shape)
        assert tensor.dtype.name == ("string" if expected.dtype == object else expected.dtype.name)


@pytest.mark.parametrize("in_block", [1, 2, 1000])
@pytest.mark.parametrize("compression", [None, tables.snappy], ids=["plain", "snappy"])
def test_every_type_in_blocks_of_any_kind(compression: Any, in_block: int) -> None:
    data = tables_v1.checkpoint(some(), in_block=in_block, compression=compression)
    checkpoint = of_bytes(data)
    assert checkpoint.version == 1 and checkpoint.shards == 1
    same(checkpoint, some())
    checkpoint.check()
    assert checkpoint.verify() > 0


@given(st.lists(st.floats(width=32), max_size=40), st.integers(1, 5), st.data())
def test_what_is_written_is_read_back(values: list[float], in_block: int, data: Any) -> None:
    array = np.array(values, np.float32)
    names = data.draw(st.lists(st.text(min_size=1, max_size=5), unique=True, max_size=6))
    encodable = [name for name in names if name.isprintable()]
    tensors = {name: array[: len(array) - i] for i, name in enumerate(encodable)}
    checkpoint = of_bytes(tables_v1.checkpoint(tensors, in_block=in_block))
    assert set(checkpoint.tensors) == set(tensors)
    for name, expected in tensors.items():
        assert checkpoint.tensors[name].numpy().tobytes() == expected.tobytes()


def test_a_large_value_is_left_in_its_block_and_has_a_place(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(600, 1000)).astype(np.float32)  # 2.4 MB
    small = np.arange(5, dtype=np.float32)
    path = tmp_path / "m.ckpt"
    path.write_bytes(tables_v1.checkpoint({"a": small, "big": array, "c": small}))
    checkpoint = open_checkpoint(path)
    for key, expected in (("a", small), ("big", array), ("c", small)):
        span = checkpoint.tensors[key].place()
        assert span is not None and Path(span.path) == path
        assert path.read_bytes()[span.offset : span.offset + span.length] == expected.tobytes()
    assert checkpoint.slice("big", "600 1000 7,2:-").numpy().tolist() == array[7:9].tolist()
    assert checkpoint.tensors["big"].numpy().tobytes() == array.tobytes()
    assert checkpoint.tensors["a"].place() is not None


class Counted:
    """Counts the bytes that are read."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._at = 0
        self.count = 0

    def seek(self, position: int) -> None:
        self._at = position

    def read(self, count: int) -> bytes:
        self.count += count
        return bytes(self._data[self._at : self._at + count])

    def readinto(self, buffer: memoryview) -> int:
        buffer[:] = self._data[self._at : self._at + len(buffer)]
        self.count += len(buffer)
        return len(buffer)

    def close(self) -> None:
        pass


def test_opening_reads_the_first_block_and_the_handles_alone() -> None:
    array = np.zeros(100_000, np.float32)
    names = {f"t{number:03d}": array for number in range(40)}
    data = tables_v1.checkpoint(names, in_block=2)
    counted = Counted(data)
    checkpoint = Checkpoint(ByteSource(counted, name="m", size=len(data)), DEFAULT_LIMITS)
    assert len(checkpoint.tensors) == 40 and checkpoint.tensors["t007"].nbytes == 400_000
    assert counted.count < 500_000 < len(data) // 20  # the first block holds the first value, too
    before = counted.count
    checkpoint.tensors["t033"].numpy()
    assert counted.count - before < 1_000_000


def partitioned(shards: int = 1) -> tuple[Array, list[bytes]]:
    """A tensor in three slices, dealt to the shards, and the files."""
    array = np.arange(36, dtype=np.float32).reshape(9, 4)
    slices = [[(0, 3), None], [(3, 4), None], [(7, 2), None]]
    files = []
    for shard in range(shards):
        own = slices[shard::shards]
        records = [
            tables_v1.record(b"cut", part, array[part[0][0] : part[0][0] + part[0][1]])  # type: ignore[index]
            for part in own
        ]
        meta = tables_v1.meta([(b"cut", 1, (9, 4), own)])
        files.append(tables.table([(b"", meta), *records]))
    return array, files


def write_shards(folder: Path, files: list[bytes], name: str = "m.ckpt") -> Path:
    for shard, data in enumerate(files):
        (folder / f"{name}-{shard:05d}-of-{len(files):05d}").write_bytes(data)
    return folder / name


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_slices_are_put_together_over_all_shards(shards: int, tmp_path: Path) -> None:
    array, files = partitioned(shards)
    checkpoint = open_checkpoint(write_shards(tmp_path, files))
    assert checkpoint.shards == shards
    assert checkpoint.tensors["cut"].numpy().tolist() == array.tolist()
    assert checkpoint.tensors["cut"].place() is None
    for spec, expected in (
        ("9 4 3,4:-", array[3:7]),
        ("9 4 2,6:1,2", array[2:8, 1:3]),
        ("9 4 -:0,1", array[:, :1]),
    ):
        assert checkpoint.slice("cut", spec).numpy().tolist() == expected.tolist()
    checkpoint.check()
    checkpoint.verify()


@pytest.mark.parametrize("item", FIXTURES, ids=str)
def test_fixtures_hold_what_their_maker_says(item: Sample) -> None:
    model = load(item.path)
    prefix = checkpoint_prefix(model)
    assert prefix is not None
    checkpoint = open_checkpoint(prefix)
    found = {key: [t.dtype.name, t.shape.as_list()] for key, t in checkpoint.tensors.items()}
    assert found == item.record["checkpoint"]
    checkpoint.check()
    checkpoint.verify()
    assert not checkpoint.warnings()


def test_a_sharded_one_may_be_named_by_prefix_pattern_shard_or_folder(tmp_path: Path) -> None:
    folder = shutil.copytree(SHARDED, tmp_path / "run")
    assert load(folder).source.format == "meta_graph"  # by its `checkpoint` file
    (folder / "model.ckpt-10.meta").unlink()
    for path in (
        folder,
        folder / "model.ckpt-10",
        folder / PATTERN,
        folder / "model.ckpt-10-00002-of-00003",
    ):
        model = load(path)
        assert model.source.format == "checkpoint" and len(model.variables) == 7, path
        assert open_checkpoint(path if path != folder else folder / PATTERN).shards == 3
    (folder / "checkpoint").unlink()
    assert len(load(folder).variables) == 7


def test_each_variable_names_its_shard_however_its_value_is_written(tmp_path: Path) -> None:
    parts = {
        "a": np.ones((2, 2), np.float32),
        "step": np.array(7, np.int64),
        "texts": np.array([b"x", b"yz"], object),
    }
    files = [tables_v1.checkpoint({name: value}) for name, value in parts.items()]
    prefix = write_shards(tmp_path, files)
    found = summarize(load(prefix))
    assert found.source.bytes == sum(map(len, files))
    named = {item.name: item.shard for item in found.variables}
    assert named == {name: f"m.ckpt-{n:05d}-of-00003" for n, name in enumerate(parts)}
    assert "3 variables, 4 parameters (16 B), in 3 shards" in inspect_text(found)


def test_a_single_file_is_found_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(tables_v1.checkpoint(some()))
    (tmp_path / "notes.txt").write_text("nothing here")
    assert len(load(tmp_path).variables) == len(some())
    (tmp_path / "other.bin").write_bytes(tables_v1.checkpoint(some()))
    with pytest.raises(FormatError, match=r"several checkpoints: 'other.bin', 'weights.bin'"):
        load(tmp_path)


def test_a_missing_shard_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    folder = shutil.copytree(SHARDED, tmp_path / "run")
    (folder / "model.ckpt-10-00001-of-00003").unlink()
    model = load(folder / "model.ckpt-10")
    assert any("1 of 3 shards missing: model.ckpt-10-00001-of-00003" in w for w in model.warnings)
    assert model.variables["second"].numpy().shape == (3, 2)
    checkpoint = open_checkpoint(folder / "model.ckpt-10")
    with pytest.raises(MigratorError, match="shards missing"):
        checkpoint.check()
    with pytest.raises(FormatError, match="slices are missing"):
        checkpoint.tensors["cut/table"].numpy()


def test_a_damaged_shard_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    folder = shutil.copytree(SHARDED, tmp_path / "run")
    shard = folder / "model.ckpt-10-00001-of-00003"
    shard.write_bytes(shard.read_bytes()[:-3])
    model = load(folder / "model.ckpt-10")
    (warning,) = model.warnings
    assert "model.ckpt-10-00001-of-00003" in warning and "truncated" in warning
    assert model.variables["second"].numpy().shape == (3, 2)


def test_shards_of_two_checkpoints_of_one_name_are_told_apart(tmp_path: Path) -> None:
    prefix = write_shards(tmp_path, partitioned(2)[1])
    write_shards(tmp_path, partitioned(3)[1])
    with pytest.raises(FormatError, match="is the name of 2 checkpoints"):
        load(prefix)
    assert load(tmp_path / "m.ckpt-?????-of-00002").variables["cut"].numpy().shape == (9, 4)


def test_every_flipped_byte_is_noticed_or_harmless() -> None:
    """What TensorFlow would read as another value is an error here."""
    tensors = some()
    data = tables_v1.checkpoint(tensors, in_block=4)
    for at in range(len(data)):
        broken = bytearray(data)
        broken[at] ^= 0x41
        try:
            checkpoint = of_bytes(bytes(broken))
            checkpoint.verify()
            same(checkpoint, tensors)
        except MigratorError as error:
            assert error.where, at


def test_a_wrong_byte_in_a_large_block_is_noticed_when_its_value_is_read() -> None:
    array = np.ones(800_000, np.float32)
    data = bytearray(tables_v1.checkpoint({"w": array}, in_block=1))
    data[2_000_000] ^= 1
    checkpoint = of_bytes(bytes(data))
    for read in (lambda: checkpoint.tensors["w"].numpy(), checkpoint.verify):
        with pytest.raises(FormatError, match="its checksum is") as caught:
            read()
        assert "checkpoint's block at byte" in caught.value.where


@pytest.mark.parametrize("item", FIXTURES, ids=str)
def test_every_truncation_is_a_checkpoint_or_a_clear_error(item: Sample) -> None:
    for path in sorted(item.path.parent.glob("model.ckpt-10*")):
        if path.suffix == ".meta":
            continue
        data = path.read_bytes()
        for length in range(len(data)):
            with pytest.raises(MigratorError):
                of_bytes(data[:length]).verify()


FULL: list[tables.Extent] = [None]
W = np.ones(2, np.float32)


def with_meta(meta: bytes, *records: tuple[bytes, bytes]) -> bytes:
    return tables.table([(b"", meta), *records])


def one(shape: tuple[int, ...] = (2,), slices: Any = (FULL,), dtype: int = 1) -> bytes:
    return tables_v1.meta([(b"w", dtype, shape, slices)])


RECORD = tables_v1.record(b"w", FULL, W)
DAMAGED = {
    "of the future": (
        with_meta(tables_v1.meta([], version=b"\x08\x09\x10\x09")),
        UnsupportedFormat,
        "version 9",
    ),
    "noise": (with_meta(b"\x0a\x05\xff\xff"), FormatError, "header is not well-formed"),
    "unknown rank": (with_meta(one((-1,))), FormatError, "no full shape"),
    "endless shape": (with_meta(one((1 << 62, 1 << 62))), FormatError, "no tensor has the shape"),
    "without a value": (with_meta(one()), FormatError, "its value is not there"),
    "too few values": (with_meta(one((3,)), RECORD), FormatError, "holds 8 bytes of values"),
    "too few integers": (with_meta(one((3,), dtype=3), RECORD), FormatError, "holds 0 values"),
    "a slice that passes": (
        with_meta(one((2,), ([(1, 4)],)), RECORD),
        FormatError,
        "a dimension of 2",
    ),
    "slices that overlap": (
        with_meta(
            one((3,), ([(0, 2)], [(1, 2)])),
            tables_v1.record(b"w", [(0, 2)], W),
            tables_v1.record(b"w", [(1, 2)], W),
        ),
        FormatError,
        "missing, or overlap",
    ),
    "a slice twice": (with_meta(one((2,), (FULL, FULL)), RECORD), FormatError, "listed twice"),
    "no slice": (with_meta(one((2,), ())), FormatError, "without a slice"),
    "a type that has no values": (
        with_meta(one(dtype=20), RECORD),
        MigratorError,
        "resource",
    ),
    "noise as value": (
        with_meta(one(dtype=3), tables_v1.record(b"w", FULL, W, proto=b"\x3a\xff")),
        FormatError,
        "not well-formed",
    ),
    "another table": (tables.table([(b"a", b"b")]), FormatError, "no header"),
}


@pytest.mark.parametrize(("data", "kind", "words"), DAMAGED.values(), ids=list(DAMAGED))
def test_damage_is_one_clear_error(data: bytes, kind: type[MigratorError], words: str) -> None:
    with pytest.raises(kind) as caught:
        checkpoint = of_bytes(data)
        checkpoint.check()
        checkpoint.verify(["w"])
    assert words in str(caught.value) and caught.value.where


def test_values_written_one_by_one_are_read_too() -> None:
    """An unpacked list: no run of bytes, the same values."""
    proto = b"".join(wire.single(5, value) for value in (1.5, -2.0))
    checkpoint = of_bytes(with_meta(one(), tables_v1.record(b"w", FULL, W, proto=proto)))
    assert checkpoint.tensors["w"].numpy().tolist() == [1.5, -2.0]


def test_checksums_are_those_that_version_2_would_state() -> None:
    tensors = {key: value for key, value in some().items() if key in ("float32", "int32", "words")}
    checkpoint = of_bytes(tables_v1.checkpoint(tensors))
    for key, array in tensors.items():
        assert checkpoint.checksums(key) == (tables.array_bytes(array)[2],)
