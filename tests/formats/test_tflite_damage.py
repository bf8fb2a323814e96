"""TFLite files that were damaged, or made to waste time and memory."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.errors import FormatError, LimitError, MigratorError
from migrator.formats.tflite import model as tflite_model
from migrator.graph.build import to_networkx
from migrator.inspection.summary import summarize
from migrator.limits import DEFAULT_LIMITS, Limits
from migrator.model.model import Model
from migrator.places.source import ByteSource
from migrator.report import json_v1
from migrator.report.text import inspect_text
from tests import flat
from tests.corpus import FIXTURES
from tests.growth import assert_linear

FILES = {
    path.stem: path.read_bytes() for path in sorted((FIXTURES / "tflite_files").glob("*.tflite"))
}
TENSORS = flat.tables([flat.tensor("a"), flat.tensor("b")])
NAME = "m.tflite"


def read(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Model:
    return tflite_model.read(ByteSource.of_bytes(data, name=NAME), limits)


def outcome(data: bytes) -> str:
    """``model`` or the error's class; all that inspect does is done, and every attribute read."""
    try:
        model = read(data)
    except MigratorError as error:
        assert error.what and error.where.startswith(NAME)
        return type(error).__name__
    summary = summarize(model)
    to_networkx(model)
    text = inspect_text(summary)
    assert not {char for char in text if char != "\n" and not char.isprintable()}
    json.loads(json_v1.dumps(json_v1.inspect_result([summary])))
    for node in model.graph.all_nodes():
        dict(node.attrs)
    for tensor in model.variables.values():
        if tensor.nbytes < 1 << 20:
            try:
                tensor.numpy()
            except MigratorError as error:
                assert error.where.startswith(NAME)
    return "model"


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_truncation_is_a_model_or_a_clear_error(name: str) -> None:
    data = FILES[name]
    step = 3 if len(data) < 2000 else 7
    outcomes = {outcome(data[:length]) for length in range(8, len(data), step)}
    assert outcomes <= {"model", "FormatError"}
    assert "FormatError" in outcomes


WORDS = st.one_of(
    st.sampled_from([0, 1, 4, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFC]),
    st.integers(0, 1 << 12),
)


@given(
    name=st.sampled_from(sorted(FILES)),
    changes=st.lists(st.tuples(st.integers(2, 1 << 10), WORDS), min_size=1, max_size=8),
)
def test_any_words_that_are_overwritten_give_a_model_or_an_error_soon(
    name: str, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(FILES[name])
    for place, word in changes:
        at = place % (len(data) // 4) * 4
        if at >= 8:
            data[at : at + 4] = word.to_bytes(4, "little")
    start = time.process_time()
    outcome(bytes(data))
    assert time.process_time() - start < 5


def graph(operators: flat.Part, **more: flat.Part) -> bytes:
    tensors = more.pop("tensors", TENSORS)
    return flat.tflite(tensors=tensors, operators=operators, inputs=[0], outputs=[1], **more)


def words(at: int, data: bytes, word: int) -> bytes:
    return data[:at] + word.to_bytes(4, "little") + data[at + 4 :]


def test_an_honest_file_of_our_own_writer_has_no_warnings() -> None:
    model = read(graph(flat.tables([flat.operator([0, 0], [1])])))
    assert (model.warnings, model.graph.by_name["b"].inputs) == ((), ("a", "a"))


def test_a_length_outside_of_the_file_names_its_part_and_its_byte() -> None:
    """The other operator is still read."""
    data = graph(flat.tables([flat.operator([0, 0x7777], [1]), flat.operator([0], [1])]))
    at = data.index((2).to_bytes(4, "little") + bytes(4) + b"\x77\x77\0\0")
    model = read(words(at, data, 0x7FFFFFFF))
    assert len(model.graph.nodes) == 2
    assert model.warnings == (
        f"subgraphs[0].operators[0].inputs: 2,147,483,647 elements of 4 bytes at byte {at:,} pass "
        f"the end of the file ({len(data):,} bytes); is the file truncated or damaged?",
    )


@pytest.mark.parametrize("word", [0, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000])
def test_an_offset_outside_of_the_file_is_an_error_of_the_part(word: int) -> None:
    data = graph(flat.tables([flat.operator([0], [1])]))
    root = int.from_bytes(data[:4], "little")
    at = root + 12  # the third field of the model: its subgraphs
    with pytest.raises(FormatError) as caught:
        read(words(at, data, word))
    assert caught.value.where == f"{NAME}: TFLite root.subgraphs"
    assert f"byte {at:,}" in caught.value.what


@pytest.mark.parametrize("distance", [-(1 << 31), -(1 << 20), 1 << 20, (1 << 31) - 1])
def test_a_vtable_outside_of_the_file_is_an_error(distance: int) -> None:
    data = bytearray(graph(flat.tables([flat.operator([0], [1])])))
    root = int.from_bytes(data[:4], "little")
    data[root : root + 4] = distance.to_bytes(4, "little", signed=True)
    with pytest.raises(FormatError, match="outside of the file") as caught:
        read(bytes(data))
    assert caught.value.where == f"{NAME}: TFLite root.vtable"


@pytest.mark.parametrize("wrong", [2, -2, 1 << 30, -(1 << 31)])
def test_a_tensor_that_is_not_there_is_told_and_left_out(wrong: int) -> None:
    model = read(graph(flat.tables([flat.operator([0, wrong], [1])])))
    assert model.graph.by_name["b"].inputs == ("a",)
    assert model.warnings == (f"subgraphs[0].operators[0].inputs: names tensor {wrong:,} of 2",)


def test_an_operator_code_that_is_not_there_is_told() -> None:
    operator = flat.table({0: ("I", 7), 2: ("@", flat.numbers("i", [1]))})
    good = flat.operator([0], [1])
    model = read(graph(flat.tables([operator, good])))
    assert model.warnings == (
        "subgraphs[0].operators[0].opcode_index: is 7, and there are 1 operator codes",
    )


def test_operators_and_types_of_the_future_are_told_by_number() -> None:
    codes = flat.tables([flat.table({0: ("b", 127), 2: ("i", 1), 3: ("i", 9999)})])
    tensors = flat.tables([flat.tensor("a", kind=99), flat.tensor("b")])
    model = read(graph(flat.tables([flat.operator([0], [1])]), codes=codes, tensors=tensors))
    assert model.graph.by_name["b"].op == "OPERATOR_9999"
    assert len(model.warnings) == 2
    assert all("newer than this version knows" in line for line in model.warnings)


def test_a_buffer_outside_of_the_file_leaves_a_constant_without_values() -> None:
    buffers = flat.tables([flat.table({}), flat.table({1: ("Q", 1 << 63), 2: ("Q", 1 << 63)})])
    tensors = flat.tables([flat.tensor("a", buffer=1), flat.tensor("b")])
    data = flat.tflite(
        tensors=tensors, operators=flat.tables([flat.operator([0], [1])]), buffers=buffers
    )
    model = read(data)
    assert "subgraphs[0].tensors[0].buffers[1]" in model.warnings[0]
    with pytest.raises(FormatError, match="outside of the file"):
        model.variables["a"].numpy()


def test_a_million_operators_in_one_table_count_as_a_million_nodes() -> None:
    data = graph(flat.repeated(flat.operator([0], [1]), 1_000_000))
    with pytest.raises(LimitError, match="1,000,000 nodes"):
        read(data, Limits(nodes=999_999))


@pytest.mark.parametrize("part", ["inputs", "name", "shape"])
def test_a_large_part_that_many_share_does_not_multiply_the_work(part: str) -> None:
    many = 50_000
    if part == "inputs":
        data = graph(flat.repeated(flat.operator([0] * many, [1]), many))
    else:
        shape = [1] * many if part == "shape" else [1]
        shared = flat.tensor("a" * (many if part == "name" else 1), shape)
        data = graph(flat.tables([flat.operator([0], [1])]), tensors=flat.repeated(shared, many))
    start = time.process_time()
    with pytest.raises(LimitError, match="many parts share one"):
        read(data)
    assert time.process_time() - start < 2


@pytest.mark.parametrize("part", ["subgraph", "tensor", "operator"])
def test_a_small_table_that_many_offsets_name_does_not_multiply_the_work(part: str) -> None:
    """Whether one subgraph of a thousand parts is listed, or one part, again and again."""
    many = {"subgraph": 1_000}.get(part, 200_000)
    rows = flat.tables([flat.table({1: ("b", 0)})] * (1_000 if part == "subgraph" else 1))
    again = flat.repeated(flat.table({1: ("b", 0)}), many)
    operator = flat.table({})
    data = flat.tflite(
        tensors=again if part == "tensor" else rows,
        operators=flat.repeated(operator, many) if part == "operator" else flat.tables([operator]),
        subgraphs=many if part == "subgraph" else 1,
    )
    start = time.process_time()
    with pytest.raises(LimitError, match="many parts share one"):
        read(data)
    assert time.process_time() - start < 2


def test_the_smallest_parts_are_read_however_many_they_are() -> None:
    many = 20_000
    operators = flat.tables([flat.operator([0], [0])] * many)
    data = flat.tflite(tensors=flat.tables([flat.tensor("")] * many), operators=operators)
    assert len(read(data).graph.nodes) >= many


def test_a_loop_among_operators_is_told() -> None:
    model = read(graph(flat.tables([flat.operator([1], [0]), flat.operator([0], [1])])))
    assert any("cycle" in line for line in model.warnings)


class Counting(ByteSource):
    """Counts the bytes that are asked for."""

    __slots__ = ("asked",)

    def read(self, offset: int, length: int) -> bytes:
        self.asked = getattr(self, "asked", 0) + length
        return super().read(offset, length)


def test_weights_stay_in_the_file() -> None:
    import io

    def source(size: int) -> Counting:
        buffers = flat.tables([flat.table({}), flat.table({0: ("@", flat.raw(bytes(size)))})])
        tensors = flat.tables([flat.tensor("a", [size // 4], buffer=1), flat.tensor("b")])
        data = flat.tflite(
            tensors=tensors, operators=flat.tables([flat.operator([0], [1])]), buffers=buffers
        )
        return Counting(io.BytesIO(data), name=NAME, size=len(data))

    asked = []
    for size in (1 << 20, 1 << 24):
        counted = source(size)
        model = tflite_model.read(counted, DEFAULT_LIMITS)
        summarize(model)
        assert model.variables["a"].nbytes == size
        asked.append(counted.asked)
    assert asked[0] == asked[1] < 1 << 18


def test_work_grows_with_the_operators() -> None:
    def reading(count: int) -> Callable[[], object]:
        data = flat.chain(count)
        return lambda: read(data)

    assert len(read(flat.chain(50)).graph.nodes) == 51
    assert_linear(reading, 500, 8_000)
