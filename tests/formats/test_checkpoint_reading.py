"""Checkpoints written by another writer and read back: values, spans, slices, object graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrator.errors import FormatError, NoSuchTensor, UsageError
from migrator.formats.checkpoint import Checkpoint, open_checkpoint
from migrator.formats.tensors import decode_tensor
from migrator.limits import DEFAULT_LIMITS
from migrator.model.tensors import LazyTensor
from tests import tables, wire
from tests.corpus import FIXTURES

Array = np.ndarray[Any, Any]
PLAIN = [name for name in tables.NUMBERS if name not in ("bfloat16", "int4")]
INDEXES = sorted(FIXTURES.glob("*/*/saved_model/variables/variables.index"))


def same(left: Array, right: Array) -> bool:
    """Equal in type, shape and every bit."""
    if (left.dtype, left.shape) != (right.dtype, right.shape):
        return False
    if left.dtype == object:
        return bool((left == right).all())
    return left.tobytes() == right.tobytes()


def from_place(tensor: LazyTensor) -> Array:
    """The values read as a child process reads them: straight from the span."""
    span = tensor.place()
    assert span is not None
    raw = np.fromfile(span.path, np.uint8, count=span.length, offset=span.offset)
    return raw.view(tensor.dtype.numpy()).reshape(tuple(tensor.shape.as_list() or ()))


def strings(*values: bytes, shape: tuple[int, ...] | None = None) -> Array:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array.reshape(shape) if shape is not None else array


def ramp(*shape: int, dtype: str = "float32") -> Array:
    return np.arange(int(np.prod(shape)), dtype=dtype).reshape(shape)


@st.composite
def arrays(draw: st.DrawFn) -> Array:
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    count = int(np.prod(shape))
    if draw(st.integers(0, 4)) == 0:
        values = draw(st.lists(st.binary(max_size=200), min_size=count, max_size=count))
        return strings(*values, shape=shape)
    dtype = np.dtype(draw(st.sampled_from(PLAIN)))
    raw = draw(st.binary(min_size=count * dtype.itemsize, max_size=count * dtype.itemsize))
    if dtype.kind == "b":
        return np.frombuffer(raw, np.uint8).reshape(shape) % 2 == 1
    return np.frombuffer(raw, dtype).reshape(shape).copy()


KEY = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)


@given(
    content=st.dictionaries(KEY, arrays(), max_size=8),
    shards=st.integers(1, 3),
    compression=st.sampled_from([None, tables.snappy]),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_written_is_read(
    content: dict[str, Array], shards: int, compression: tables.Compression, tmp_path: Path
) -> None:
    writer = tables.Writer(shards=shards)
    for index, (key, array) in enumerate(content.items()):
        writer.add(key, array, index % shards)
    writer.write(tmp_path / "model", in_block=2, restart=2, compression=compression)
    checkpoint = open_checkpoint(tmp_path / "model")
    assert list(checkpoint.tensors) == sorted(content, key=str.encode)
    checkpoint.check()
    assert checkpoint.verify() == sum(len(data) for data in writer.data.values())
    for key, array in content.items():
        tensor = checkpoint.tensors[key]
        assert same(tensor.numpy(), array)
        assert tensor.shape.as_list() == list(array.shape)
        again = decode_tensor(tensor, DEFAULT_LIMITS, where="read again")
        assert same(again, array)
        if array.dtype == object:
            assert tensor.place() is None
        else:
            assert same(from_place(tensor), array)


def test_types_that_numpy_lacks_are_read(tmp_path: Path) -> None:
    writer = tables.Writer()
    arrays_ = {
        "b": np.array([1.5, -2.0, 3e38], ml_dtypes.bfloat16),
        "i": np.array([[-8, 7], [0, 1]], ml_dtypes.int4),
    }
    for key, array in arrays_.items():
        writer.add(key, array)
    checkpoint = open_checkpoint(writer.write(tmp_path / "m"))
    for key, array in arrays_.items():
        assert same(checkpoint.tensors[key].numpy(), array)


def test_resources_and_variants_are_left_out_and_named(tmp_path: Path) -> None:
    writer = tables.Writer()
    writer.add("w", ramp(2))
    writer.entries[b"handle"] = tables.entry(20, (), size=9)
    writer.entries[b"list"] = tables.entry(21, (), size=9)
    checkpoint = open_checkpoint(writer.write(tmp_path / "m"))
    assert list(checkpoint.tensors) == ["w"]
    assert checkpoint.skipped == ("handle", "list")
    (warning,) = checkpoint.warnings()
    assert "2 entries of type resource and variant" in warning
    with pytest.raises(NoSuchTensor, match="variant"):
        checkpoint.slice("list", "")


def test_a_type_of_the_future_is_listed_and_has_no_values(tmp_path: Path) -> None:
    writer = tables.Writer()
    writer.entries[b"w"] = tables.entry(99, (2,), size=2)
    checkpoint = open_checkpoint(writer.write(tmp_path / "m"))
    assert checkpoint.tensors["w"].dtype.name == "unknown_99"
    with pytest.raises(FormatError, match="unknown_99"):
        checkpoint.tensors["w"].numpy()


WHOLE = ramp(6, 4)
ROWS: list[list[tables.Extent]] = [[(0, 2), (0, 4)], [(2, 3), (0, 4)], [(5, 1), (0, 4)]]
OPEN_ROWS: list[list[tables.Extent]] = [[(0, 2), None], [(2, 4), None]]
COLUMNS: list[list[tables.Extent]] = [[None, (0, 1)], [None, (1, 3)]]
MOSAIC: list[list[tables.Extent]] = [
    [(0, 4), (0, 1)],
    [(0, 4), (1, 3)],
    [(4, 2), (0, 3)],
    [(4, 2), (3, 1)],
]
PARTS = {"rows": ROWS, "open rows": OPEN_ROWS, "columns": COLUMNS, "mosaic": MOSAIC}


def partitioned(
    path: Path, slices: list[list[tables.Extent]], whole: Array = WHOLE, **how: Any
) -> Checkpoint:
    writer = tables.Writer(shards=how.pop("shards", 1))
    writer.add("a", ramp(3))
    writer.add_slices("w", whole, slices, **how)
    return open_checkpoint(writer.write(path / "m", in_block=1))


@pytest.mark.parametrize("slices", PARTS.values(), ids=list(PARTS))
def test_partitioned_tensors_are_whole_again(
    slices: list[list[tables.Extent]], tmp_path: Path
) -> None:
    checkpoint = partitioned(tmp_path, slices)
    assert list(checkpoint.tensors) == ["a", "w"]
    tensor = checkpoint.tensors["w"]
    assert tensor.shape.as_list() == [6, 4]
    assert tensor.nbytes == tensor.stored_bytes == 96
    assert same(tensor.numpy(), WHOLE)
    checkpoint.check()
    assert checkpoint.verify() == 96 + 12
    named = strings(*(b"s%d" % n for n in range(24)), shape=(6, 4))
    assert same(partitioned(tmp_path, slices, named).tensors["w"].numpy(), named)


def test_rows_that_follow_each_other_in_a_shard_are_one_span(tmp_path: Path) -> None:
    for slices in (ROWS, OPEN_ROWS):
        assert same(from_place(partitioned(tmp_path, slices).tensors["w"]), WHOLE)
    assert partitioned(tmp_path, ROWS[::-1]).tensors["w"].place() is None  # in the other order
    assert partitioned(tmp_path, COLUMNS).tensors["w"].place() is None


def test_slices_in_several_shards_are_put_together(tmp_path: Path) -> None:
    writer = tables.Writer(shards=2)
    writer.add_slices("w", WHOLE, ROWS, shards=[1, 0, 1])
    checkpoint = open_checkpoint(writer.write(tmp_path / "m"))
    assert same(checkpoint.tensors["w"].numpy(), WHOLE)
    assert checkpoint.tensors["w"].place() is None
    spans = [checkpoint.slice("w", f"6 4 {spec}").place() for spec in ("0,2:0,4", "2,3:0,4")]
    assert [span and span.path[-19:] for span in spans] == [
        "data-00001-of-00002", "data-00000-of-00002"
    ]  # fmt: skip


@pytest.mark.parametrize("stored", [None, *PARTS], ids=str)
@given(data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_region_can_be_asked_for(
    stored: str | None, data: st.DataObject, tmp_path: Path
) -> None:
    if stored is None:
        writer = tables.Writer()
        writer.add("w", WHOLE)
        checkpoint = open_checkpoint(writer.write(tmp_path / "m"))
    else:
        checkpoint = partitioned(tmp_path, PARTS[stored])
    cut, spec = [], []
    for size in WHOLE.shape:
        start = data.draw(st.integers(0, size))
        length = data.draw(st.integers(0, size - start))
        everything = data.draw(st.integers(0, 3)) == 0
        cut.append(slice(None) if everything else slice(start, start + length))
        spec.append("-" if everything else f"{start},{length}")
    expected = np.array(WHOLE[tuple(cut)], order="C")
    tensor = checkpoint.slice("w", f"6 4 {':'.join(spec)}")
    assert same(tensor.numpy(), expected)
    assert tensor.shape.as_list() == list(expected.shape)
    if tensor.place() is not None:
        assert same(from_place(tensor), expected)


def test_a_stored_slice_and_the_rows_of_a_whole_tensor_have_a_place(tmp_path: Path) -> None:
    columns = partitioned(tmp_path, COLUMNS)
    assert same(from_place(columns.slice("w", "6 4 -:1,3")), WHOLE[:, 1:].copy())
    writer = tables.Writer()
    writer.add("w", WHOLE)
    whole = open_checkpoint(writer.write(tmp_path / "whole"))
    assert same(from_place(whole.slice("w", "6 4 1,2:-")), WHOLE[1:3])
    assert same(from_place(whole.slice("w", "6 4 1,1:1,2")), WHOLE[1:2, 1:3].copy())
    assert whole.slice("w", "6 4 1,2:0,3").place() is None


def test_an_empty_spec_is_the_whole(tmp_path: Path) -> None:
    checkpoint = partitioned(tmp_path, ROWS)
    assert same(checkpoint.slice("w", "").numpy(), WHOLE)


@pytest.mark.parametrize(
    "spec", ["6 4", "6 4 0,2", "6 4 0:1", "x 4 -:-", "6 4 -1,2:-", "6 4 a,b:-"]
)
def test_a_spec_that_is_none_is_a_usage_error(spec: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no shape and slice"):
        partitioned(tmp_path, ROWS).slice("w", spec)


@pytest.mark.parametrize(
    ("spec", "words"),
    [("6 5 -:-", r"has shape \[6, 4\] in the checkpoint"), ("6 4 5,2:-", "slice .5, 7. of")],
)
def test_a_spec_that_does_not_fit_says_so(spec: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=words) as caught:
        partitioned(tmp_path, ROWS).slice("w", spec)
    assert caught.value.where.endswith("m.index: 'w'")


def test_a_key_that_is_not_there_names_those_like_it(tmp_path: Path) -> None:
    writer = tables.Writer()
    for key in ("dense/kernel", "dense/bias", "out/kernel"):
        writer.add(key, ramp(2))
    checkpoint = open_checkpoint(writer.write(tmp_path / "m"))
    with pytest.raises(NoSuchTensor) as caught:
        checkpoint.slice("hidden/kernel", "")
    assert caught.value.hint == "it has 'dense/kernel', 'out/kernel'"
    with pytest.raises(KeyError):
        checkpoint.tensors["hidden/kernel"]


def attribute(full_name: str, key: str) -> bytes:
    found = wire.block(1, "VARIABLE_VALUE") + wire.block(2, full_name) + wire.block(3, key)
    return wire.block(2, found)


def test_the_object_graph_gives_keys_by_name(tmp_path: Path) -> None:
    slot = wire.number(1, 1) + wire.block(2, "momentum") + wire.number(3, 2)
    bad_slot = wire.number(1, 1) + wire.block(2, "gone") + wire.number(3, 77)
    nodes = [
        wire.block(3, slot) + wire.block(3, bad_slot),
        attribute("dense/kernel", "model/k"),
        attribute("dense/kernel/momentum", "model/k/m"),
        attribute("same", "model/x"),
        attribute("same", "model/y"),
    ]
    graph = b"".join(wire.block(1, node) for node in nodes)
    writer = tables.Writer()
    writer.add("_CHECKPOINTABLE_OBJECT_GRAPH", strings(graph, shape=()))
    for key in ("model/k", "model/k/m", "model/x", "model/y"):
        writer.add(key, ramp(2))
    checkpoint = open_checkpoint(writer.write(tmp_path / "m"))
    objects = checkpoint.object_graph
    assert objects is not None
    assert checkpoint.names == {
        "dense/kernel": "model/k", "dense/kernel/momentum": "model/k/m", "same": "model/x"
    }  # fmt: skip
    assert objects.ambiguous == {"same"}
    assert objects.slots == {("model/k", "momentum"): "model/k/m"}
    assert checkpoint.key_of("dense/kernel") == checkpoint.key_of("model/k") == "model/k"
    assert checkpoint.key_of("dense") is None
    assert "_CHECKPOINTABLE_OBJECT_GRAPH" not in checkpoint.variables
    assert len(checkpoint.variables) == 4


def test_names_of_a_name_based_checkpoint_are_its_keys(tmp_path: Path) -> None:
    checkpoint = partitioned(tmp_path, ROWS)
    assert checkpoint.object_graph is None
    assert checkpoint.names == {"a": "a", "w": "w"}


@pytest.mark.parametrize("index", INDEXES, ids=lambda path: "/".join(path.parts[-5:-3]))
def test_real_checkpoints_are_read_and_verified(index: Path) -> None:
    """Their values are compared with TensorFlow's under tests/with_tensorflow."""
    checkpoint = open_checkpoint(index)
    data = sum(path.stat().st_size for path in index.parent.glob("variables.data-*"))
    assert checkpoint.verify() == data
    for tensor in checkpoint.tensors.values():
        assert tensor.numpy().shape == tuple(tensor.shape.as_list() or ())
    assert set(checkpoint.names.values()) <= set(checkpoint.tensors)
    if (index.parent.parent / "saved_model.pb").exists() and "tf1" in str(index):
        assert checkpoint.object_graph is None
