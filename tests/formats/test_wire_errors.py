"""Damaged encodings: each error says which message, which byte, and what is wrong."""

from __future__ import annotations

import pytest

from migrator.errors import FormatError, LimitError, MigratorError
from tests import wire
from tests.handmade import read_graph, read_saved_model

GOOD = wire.node("first", "NoOp")


def broken(data: bytes) -> MigratorError:
    with pytest.raises(MigratorError) as caught:
        read_graph(data)
    return caught.value


def test_truncated_varint_reports_byte_offset() -> None:
    data = wire.block(1, GOOD) + b"\x20\xff\xff"
    error = broken(data)
    assert isinstance(error, FormatError)
    assert "ends inside a number" in error.what
    assert f"byte {len(data) - 2}" in error.what
    assert "truncated" in error.hint


def test_truncated_tag_reports_byte_offset() -> None:
    data = wire.block(1, GOOD)
    error = broken(data + b"\x80")
    assert f"(byte {len(data)})" in error.what


def test_length_past_the_end_reports_path_byte_and_length() -> None:
    data = wire.block(1, GOOD) + wire.claimed(1, 4096, b"short")
    error = broken(data)
    assert error.where == "graph.pb: node[1]"
    assert error.what == (
        f"length 4,096 passes the end of its message at byte {len(data):,} "
        f"(byte {len(wire.block(1, GOOD))})"
    )


def test_an_inner_length_past_its_message_reports_the_inner_path() -> None:
    node = wire.node("n", "Op", ["x" * 5000]) + wire.claimed(3, 100, b"x")
    data = wire.block(1, GOOD) + wire.block(1, node)
    assert broken(data).where == "graph.pb: node[1].input[1]"


def test_damage_inside_a_small_message_is_placed_too() -> None:
    """protobuf says only that parsing failed; we look again."""
    node = wire.node("n", "Op") + wire.claimed(3, 100, b"x")
    error = broken(wire.block(1, GOOD) + wire.block(1, node))
    assert error.where == "graph.pb: node[1].input[0]"
    assert "passes the end" in error.what


@pytest.mark.parametrize("count", [11, 200_000])
def test_a_number_that_never_ends_is_refused_at_once(count: int) -> None:
    error = broken(wire.block(1, GOOD) + b"\x18" + b"\xff" * count + b"\x01")
    assert "runs past 10 bytes" in error.what


def test_a_tag_that_never_ends_is_refused_at_once() -> None:
    assert "runs past 10 bytes" in broken(b"\xff" * 200_000).what


def test_the_largest_length_there_is_does_not_wrap_around() -> None:
    for length in (2**63 - 1, 2**63, 2**64 - 1, 2**64 - 8):
        error = broken(wire.block(1, GOOD) + wire.claimed(1, length, b"abc"))
        assert "passes the end" in error.what


@pytest.mark.parametrize("kind", [4, 6, 7])
def test_wire_types_that_protobuf_does_not_write_are_refused(kind: int) -> None:
    error = broken(wire.block(1, GOOD) + wire.tag(9, kind))
    assert f"wire type {kind} is not used" in error.what


def test_a_group_without_an_end_is_refused() -> None:
    assert "group without an end" in broken(wire.block(1, GOOD) + wire.tag(9, 3)).what
    deep = b"".join(wire.tag(9, 3) for _ in range(100_000))
    assert "nested deeper" in broken(wire.block(1, GOOD) + deep).what


def test_groups_are_skipped_as_protobuf_does() -> None:
    group = wire.tag(9, 3) + wire.tag(7, 3) + wire.number(1, 5) + wire.tag(7, 4) + wire.tag(9, 4)
    for data in (group + wire.block(1, GOOD), wire.block(1, GOOD) + group):
        assert len(read_graph(data).graph.nodes) == 1


@pytest.mark.parametrize(
    "field", [wire.number(0, 1), wire.block(0, b""), wire.block(0, b"x" * 5000), wire.single(0, 1)]
)
def test_field_number_zero_is_refused(field: bytes) -> None:
    assert isinstance(broken(wire.block(1, GOOD) + field), FormatError)


@pytest.mark.parametrize("field", [wire.tag(9, 5) + b"abc", wire.tag(9, 1) + b"abcdefg"])
def test_a_fixed_number_past_the_end_is_refused(field: bytes) -> None:
    assert "passes the end" in broken(wire.block(1, GOOD) + field).what


@pytest.mark.parametrize(
    "node",
    [
        wire.number(1, 5) + wire.block(2, "NoOp"),
        wire.block(1, "n") + wire.single(2, 1.0),
        wire.node("n", "NoOp") + wire.number(3, 9),
        wire.node("n", "NoOp") + wire.number(5, 9),
    ],
)
def test_wrong_wire_types_of_known_fields_are_an_error_or_unknown_fields(node: bytes) -> None:
    """protobuf keeps such a field as an unknown one: then the node lacks it."""
    try:
        graph = read_graph(wire.graph([GOOD, node])).graph
    except FormatError:
        return
    assert graph.nodes[1].inputs == ()
    assert dict(graph.nodes[1].attrs) == {}


def test_text_that_is_not_utf8_is_refused_with_a_reason() -> None:
    error = broken(wire.graph([GOOD, wire.node(b"caf\xe9", "NoOp")]))
    assert isinstance(error, FormatError)
    assert "UTF-8" in error.what


def test_attribute_keys_that_are_not_utf8_are_refused() -> None:
    entry = wire.block(5, wire.block(1, b"\xff\xfe") + wire.block(2, wire.attr(1)))
    assert isinstance(broken(wire.graph([GOOD + entry])), FormatError)


def test_bytes_attributes_need_not_be_utf8() -> None:
    graph = read_graph(wire.graph([wire.node("n", "Op", [], {"s": b"\xff\xfe"})])).graph
    assert graph.nodes[0].attrs["s"] == b"\xff\xfe"


def test_an_attribute_entry_without_a_value_is_an_unset_attribute() -> None:
    entry = wire.block(5, wire.block(1, "key"))
    attrs = read_graph(wire.graph([GOOD + entry])).graph.nodes[0].attrs
    assert list(attrs) == ["key"]
    assert attrs["key"] is None


def test_an_attribute_entry_without_a_key_has_the_empty_one() -> None:
    entry = wire.block(5, wire.block(2, wire.attr(7)))
    assert dict(read_graph(wire.graph([GOOD + entry])).graph.nodes[0].attrs) == {"": 7}


def test_the_last_of_two_attribute_entries_counts() -> None:
    entries = b"".join(
        wire.block(5, wire.block(1, "k") + wire.block(2, wire.attr(value))) for value in (1, 2)
    )
    assert dict(read_graph(wire.graph([GOOD + entries])).graph.nodes[0].attrs) == {"k": 2}


def test_asking_for_a_missing_attribute_does_not_make_it() -> None:
    attrs = read_graph(wire.graph([wire.node("n", "Op", [], {"a": 1})])).graph.nodes[0].attrs
    assert attrs.get("b") is None
    assert "b" not in attrs
    with pytest.raises(KeyError):
        attrs["b"]
    assert list(attrs) == ["a"]


@pytest.mark.parametrize(
    ("node", "missing"),
    [(wire.block(2, "NoOp"), "a name"), (wire.block(1, "n"), "an op"), (b"", "a name")],
)
def test_a_node_without_name_or_op_is_refused(node: bytes, missing: str) -> None:
    error = broken(wire.graph([GOOD, node]))
    assert missing in error.what
    assert error.where == "graph.pb: node[1]"


def test_nesting_is_bounded_with_a_path() -> None:
    value = wire.attr(1)
    for _ in range(70):
        value = wire.block(10, wire.block(2, wire.block(2, value + b"")))
    with pytest.raises((LimitError, FormatError)):
        read_graph(wire.graph([wire.node("n", "Op", [], {"f": wire.Raw(value)})]))


def test_nesting_of_a_real_depth_is_read() -> None:
    value = wire.attr(1)
    for _ in range(10):
        value = wire.block(10, wire.block(2, wire.block(1, "k") + wire.block(2, value)))
    graph = read_graph(wire.graph([wire.node("n", "Op", [], {"f": wire.Raw(value)})])).graph
    found = graph.nodes[0].attrs["f"]
    for _ in range(10):
        found = found.attrs["k"] if hasattr(found, "attrs") else found
    assert found == 1


def test_saved_model_paths_start_at_the_meta_graph() -> None:
    graph = wire.block(1, GOOD) + wire.block(1, wire.block(1, "name alone"))
    with pytest.raises(FormatError) as caught:
        read_saved_model(wire.saved_model(wire.meta_graph(graph)))
    assert caught.value.where == "saved_model.pb: meta_graphs[0].graph_def.node[1]"


def test_a_saved_model_without_meta_graphs_is_refused() -> None:
    with pytest.raises(FormatError, match="without meta graphs"):
        read_saved_model(wire.number(1, 1))


def test_a_field_split_in_two_is_merged() -> None:
    """Two versions fields are one message to protobuf."""
    data = (
        wire.block(1, GOOD) + wire.block(4, wire.number(1, 21)) + wire.block(4, wire.number(2, 12))
    )
    versions = read_graph(data).graph.versions
    assert (versions.producer, versions.min_consumer) == (21, 12)


def test_the_old_version_field_is_the_producer() -> None:
    data = wire.block(1, GOOD) + wire.number(3, 5)
    assert read_graph(data).graph.versions.producer == 5


def test_large_parts_of_one_field_are_merged_like_small_ones() -> None:
    """A library of functions in two large pieces."""
    bodies = [wire.function(f"f{n}", {"x" * 5000: 1}, {}) for n in range(2)]
    data = wire.block(1, GOOD) + b"".join(wire.block(2, wire.block(1, body)) for body in bodies)
    assert list(read_graph(data).graph.functions) == ["f0", "f1"]
