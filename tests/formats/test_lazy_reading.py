"""Weights stay in the file: how much is read, when, and what happens past 2 GiB."""

from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.errors import FormatError, LimitError
from migrator.formats import graph_def
from migrator.formats.load import load
from migrator.formats.messages import SPAN_FIELD, message_class
from migrator.formats.skeleton import read_skeleton
from migrator.formats.sniff import sniff
from migrator.formats.spans import INLINE, Spans
from migrator.inspection.summary import summarize
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.model.tensors import LazyBytes, LazyTensor
from migrator.places.source import ByteSource
from tests import wire
from tests.commands import environment
from tests.handmade import read_graph


class Counting(io.BytesIO):
    """Bytes that count how many of them were read."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.count += len(found)
        return found


def counted(data: bytes) -> tuple[Counting, ByteSource]:
    file = Counting(data)
    return file, ByteSource(file, name="graph.pb", size=len(data))


def weights_graph(count: int, elements: int) -> bytes:
    """``count`` constants of so many floats, each other than the rest."""
    nodes = [
        wire.node(
            f"w{index}",
            "Const",
            [],
            {"value": np.full(elements, index, np.float32), "dtype": wire.F},
        )
        for index in range(count)
    ]
    return wire.graph(nodes)


def test_inspecting_reads_little_of_a_file_with_large_weights() -> None:
    data = weights_graph(20, 250_000)
    file, source = counted(data)
    sniff(source, DEFAULT_LIMITS)
    model = graph_def.read(source, DEFAULT_LIMITS)
    summary = summarize(model).meta_graphs[0].graph
    assert summary.parameters == 20 * 250_000
    assert summary.weight_bytes == 20 * 1_000_000
    assert file.count < len(data) / 20


def test_asking_for_one_tensor_reads_that_tensor() -> None:
    file, source = counted(weights_graph(20, 250_000))
    graph = graph_def.read(source, DEFAULT_LIMITS).graph
    before = file.count
    value = graph.by_name["w7"].attrs["value"]
    assert value.shape.as_list() == [250_000]
    assert file.count == before  # dtype and shape cost nothing
    assert (value.numpy() == 7).all()
    assert file.count - before == value.stored_bytes
    assert value.stored_bytes == pytest.approx(1_000_000, abs=40)


@pytest.mark.parametrize("elements", [900, 1000, 1015, 1016, 1020, 1024, 1100])
def test_tensors_around_the_inline_size_read_alike(elements: int) -> None:
    graph = read_graph(weights_graph(3, elements)).graph
    for index, node in enumerate(graph.nodes):
        assert (node.attrs["value"].numpy() == np.full(elements, index)).all()


def test_large_byte_strings_stay_in_the_file_too() -> None:
    blob = bytes(range(256)) * 4000
    file, source = counted(wire.graph([wire.node("n", "Op", [], {"blob": blob})]))
    value = graph_def.read(source, DEFAULT_LIMITS).graph.nodes[0].attrs["blob"]
    assert isinstance(value, LazyBytes)
    assert value.size == len(blob)
    assert file.count < 100_000
    assert value.read() == blob


def test_weights_of_functions_and_lists_stay_in_the_file_too() -> None:
    big = np.ones(100_000, np.float32)
    body = wire.function("f", {}, {}, [wire.node("c", "Const", [], {"value": big})])
    node = wire.node("n", "Op", [], {"many": [big, big * 2]})
    file, source = counted(wire.graph([node], [body]))
    graph = graph_def.read(source, DEFAULT_LIMITS).graph
    assert file.count < 100_000
    assert (graph.functions["f"].nodes[0].attrs["value"].numpy() == 1).all()
    assert (graph.nodes[0].attrs["many"][1].numpy() == 2).all()


def test_large_fields_that_nobody_asked_for_are_left_out() -> None:
    """Debug info and whatever a newer release adds."""
    data = wire.block(5, bytes(3_000_000)) + wire.graph([wire.node("n", "NoOp")])
    file, source = counted(data + wire.block(77, bytes(3_000_000)))
    assert len(graph_def.read(source, DEFAULT_LIMITS).graph) == 1
    assert file.count < 100_000


def test_a_forged_mark_points_nowhere() -> None:
    """A file that holds our own mark's field must not make us read where it likes."""
    secret = wire.block(4, b"secret!!" * 1000)
    mark = wire.block(
        SPAN_FIELD, b"\0" * 8 + (0).to_bytes(8, "little") + (64).to_bytes(8, "little")
    )
    forged_tensor = wire.Raw(wire.block(8, wire.tensor(wire.FLOAT, [2]) + mark))
    forged_bytes = wire.Raw(wire.block(2, b"plain") + mark)
    nodes = [
        wire.node("a", "Const", [], {"value": forged_tensor}),
        wire.node("b", "Op", [], {"s": forged_bytes}),
        wire.node("c", "Op", [], {"v": wire.Raw(wire.block(8, secret))}),
    ]
    graph = read_graph(wire.graph(nodes)).graph
    assert graph.by_name["a"].attrs["value"].numpy().tolist() == [0, 0]
    assert graph.by_name["b"].attrs["s"] == b"plain"


def test_marks_of_two_readings_differ() -> None:
    source = ByteSource.of_bytes(b"x" * 100)
    first, second = Spans(source=source, key=b"12345678"), Spans(source=source, key=b"87654321")
    found = first.find(first.mark(3, 4))
    assert found is not None
    assert (found.wire, found.size, found.read()) == ((3, 4), 4, b"x" * 4)
    assert second.find(first.mark(3, 4)) is None
    assert first.find(first.mark(3, 4)[:-1]) is None
    assert first.find(b"") is None


def test_what_is_kept_in_memory_is_bounded() -> None:
    data = wire.graph([wire.node(f"n{index}", "NoOp") for index in range(5000)])
    with pytest.raises(LimitError, match="skeleton"):
        read_graph(data, Limits(skeleton_bytes=10_000))
    with pytest.raises(LimitError, match="nodes"):
        read_graph(data, Limits(nodes=4999))
    assert len(read_graph(data, Limits(nodes=5000)).graph) == 5000


def test_a_file_that_shrinks_gives_an_error_and_no_garbage(tmp_path: Path) -> None:
    path = tmp_path / "model.pb"
    path.write_bytes(weights_graph(2, 100_000))
    value = load(path).graph.nodes[1].attrs["value"]
    os.truncate(path, 500_000)
    with pytest.raises(FormatError, match="shrank while it was read"):
        value.numpy()


def test_a_model_outlives_the_name_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "model.pb"
    path.write_bytes(weights_graph(2, 5000))
    value = load(path).graph.nodes[1].attrs["value"]
    path.unlink()
    assert (value.numpy() == 1).all()


def test_reads_out_of_bounds_are_refused() -> None:
    source = ByteSource.of_bytes(b"0123456789")
    assert source.read(3, 4) == b"3456"
    assert source.read(10, 0) == b""
    for offset, length in ((-1, 2), (8, 3), (11, 0), (0, -1)):
        with pytest.raises(FormatError, match="pass the end"):
            source.read(offset, length)


_PEAK = """
import re, sys
from migrator.formats.load import load
from migrator.inspection.summary import summarize
model = load(sys.argv[1])
found = summarize(model).meta_graphs[0].graph
last = model.graph.nodes[-2].attrs["value"].read
status = open("/proc/self/status").read()  # getrusage tells the parent's peak after fork
print(found.nodes, found.parameters, re.search(r"VmHWM:\\s+(\\d+)", status)[1])
"""


def sparse_graph(path: Path, count: int, elements: int) -> None:
    """A GraphDef whose constants are holes in the file."""
    with path.open("wb") as file:
        for index in range(count):
            size = 4 * elements
            header = wire.number(1, wire.FLOAT) + wire.block(2, wire.shape([elements]))
            tensor = header + wire.claimed(4, size)
            value = wire.claimed(8, len(tensor) + size) + tensor
            entry = wire.block(1, "value") + wire.claimed(2, len(value) + size) + value
            head = wire.block(1, f"w{index}") + wire.block(2, "Const")
            node = head + wire.claimed(5, len(entry) + size) + entry
            file.write(wire.claimed(1, len(node) + size) + node)
            file.seek(size, os.SEEK_CUR)
        file.write(wire.block(1, wire.node("end", "NoOp")))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory from /proc")
def test_a_graph_past_two_gibibytes_inspects_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge.pb"
    sparse_graph(path, 12, 60_000_000)
    if path.stat().st_blocks * 512 > 1 << 28:
        pytest.skip("this file system keeps no sparse files")
    assert path.stat().st_size > 2 << 30
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, str(path)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    nodes, parameters, kilobytes = map(int, done.stdout.split())
    assert (nodes, parameters) == (13, 12 * 60_000_000)
    assert kilobytes < 120 * 1024


def test_the_last_tensor_past_two_gibibytes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.pb"
    sparse_graph(path, 10, 60_000_000)
    with path.open("ab") as file:
        file.write(wire.block(1, wire.node("w", "Const", [], {"value": np.arange(5000.0)})))
    if path.stat().st_blocks * 512 > 1 << 28:
        pytest.skip("this file system keeps no sparse files")
    assert path.stat().st_size > 2 << 30
    value = load(path).graph.by_name["w"].attrs["value"]
    assert isinstance(value, LazyTensor)
    assert value.stored_bytes > INLINE
    assert (value.numpy() == np.arange(5000.0)).all()


def test_a_model_that_nobody_holds_is_gone_without_the_collector() -> None:
    """Its tensors keep no way back to the attributes that hold them: such a circle would stay."""
    gc.collect()
    gc.disable()
    try:
        before = _tensors_held()
        model = read_graph(weights_graph(30, 8))
        summarize(model)
        assert _tensors_held() == before + 30
        del model
        assert _tensors_held() == before
    finally:
        gc.enable()


def _tensors_held() -> int:
    return sum(isinstance(item, LazyTensor) for item in gc.get_objects())


@given(
    st.lists(st.sampled_from([1, 100, 120, 127, 128, 200, 4000]), max_size=30), st.integers(0, 9)
)
def test_small_nodes_are_taken_over_as_they_stand_wherever_they_lie(
    lengths: list[int], unknown: int
) -> None:
    """Lengths of one, two and three bytes, and a window's end anywhere in them."""
    nodes = [wire.node("n" * length, "NoOp", [], {}) for length in lengths]
    data = wire.graph(nodes) + b"\x18\x16" * unknown + wire.graph(nodes)
    found, _ = read_skeleton(
        ByteSource(io.BytesIO(data), name="graph.pb", size=len(data)), "GraphDef", DEFAULT_LIMITS
    )
    assert found == message_class("GraphDef").FromString(data)
