"""Graphs in strings: which are found, which are not, and what is told of the rest."""

from __future__ import annotations

import random
from time import perf_counter

import pytest

from migrator.auditing.contents.nested import Budget, find_nested, parse_graph
from migrator.auditing.subject import Subject
from tests import corpus, handmade, wire

_INNER = wire.graph(
    [handmade.text_const("p", b"/etc/passwd"), handmade.op("r", "ReadFile", "p")],
    [wire.function("f", {}, {}, [handmade.op("w", "WriteFile", "p", "p")])],
)
_CUSTOM = wire.graph([handmade.op("a", "SomebodysOp"), handmade.op("b", "AnotherOp")])


def labels(*nodes: bytes, functions: tuple[bytes, ...] = ()) -> list[str]:
    subject = Subject("model", model=handmade.model(*nodes, functions=functions))
    return [body.label for body in subject.bodies]


def test_constant_of_a_dataset_is_a_body_with_its_functions() -> None:
    subject = Subject(
        "model",
        model=handmade.model(
            handmade.text_const("g", _INNER),
            handmade.op("i", "Identity", "g"),
            handmade.op("d", "DatasetFromGraph", "i"),
        ),
    )
    assert [body.label for body in subject.bodies] == ["", "g!", "g!f"]
    assert [place.node.name for place in subject.places(["ReadFile", "WriteFile"])] == ["r", "w"]
    assert not subject.unread


@pytest.mark.parametrize(
    "nodes",
    [
        [handmade.text_const("g", b"one", b"two", _INNER)],
        [handmade.op("g", "TRTEngineOp", serialized_segment=_INNER)],
        [handmade.op("g", "Placeholder", anything=[b"x", _INNER])],
        [
            handmade.op(
                "g",
                "RemoteFusedGraphExecute",
                serialized_remote_fused_graph_execute_info=wire.block(1, _INNER)
                + wire.block(2, "input"),
            )
        ],
        [handmade.text_const("g", wire.meta_graph(_INNER))],
        [handmade.text_const("g", wire.saved_model(wire.meta_graph(_INNER)))],
    ],
    ids=["element", "attribute", "list", "remote", "meta graph", "saved model"],
)
def test_graph_is_found_wherever_a_string_lies(nodes: list[bytes]) -> None:
    assert labels(*nodes)[1:] == ["g!", "g!f"]


def test_graph_in_a_function_body_is_found() -> None:
    body = wire.function("f", {}, {}, [handmade.text_const("g", _INNER)])
    assert labels(functions=(body,)) == ["", "f", "f/g!", "f/g!f"]


def test_large_graph_that_stays_in_its_file_is_found() -> None:
    large = wire.graph([handmade.text_const("p", b"x" * 90_000), handmade.op("r", "ReadFile", "p")])
    assert labels(handmade.text_const("g", large)) == ["", "g!"]
    assert labels(handmade.op("g", "TRTEngineOp", serialized_segment=large)) == ["", "g!"]


def test_unknown_ops_count_only_where_the_graph_would_be_run() -> None:
    constant = handmade.text_const("g", _CUSTOM)
    assert labels(constant) == [""]
    assert labels(constant, handmade.op("d", "DatasetFromGraph", "g")) == ["", "g!"]


_OTHER_STRINGS = [
    b"",
    b"\n",
    b"\nhello\nworld, this is a text of some lines\n",
    b"\n\x05hello",
    b"\x0a\x03abc\x12\x03def",
    "Größe".encode(),
    bytes(range(256)),
    b"\x0a\x04\x0a\x02ab",  # a node with a name and no op
    b"\x22\x03\x08\x86\x01",  # versions alone
    # Serialised Example: features { feature { key: "x" value { float_list } } }
    wire.block(1, wire.block(1, wire.block(1, "x") + wire.block(2, wire.block(2, b"\0\0\0\0")))),
    # A label map: item { name: "cat" display_name: "Cat" }
    wire.block(1, wire.block(1, "cat") + wire.block(2, "Cat")) * 3,
]


@pytest.mark.parametrize("text", _OTHER_STRINGS, ids=range(len(_OTHER_STRINGS)))
def test_ordinary_strings_are_no_graphs(text: bytes) -> None:
    assert labels(handmade.text_const("g", text), handmade.op("h", "NoOp", a=text)) == [""]


@pytest.mark.parametrize("sample", corpus.PROTOBUF + corpus.META + corpus.HUB, ids=str)
def test_no_fixture_holds_a_graph_in_a_string(sample: corpus.Sample) -> None:
    subject = Subject("model", model=sample.model())
    assert all(body.holder is None for body in subject.bodies)
    assert not subject.unread


def test_damaged_graphs_raise_nothing() -> None:
    pick = random.Random(7)
    for _ in range(2000):
        data = bytearray(_INNER)
        for _ in range(pick.randrange(1, 4)):
            data[pick.randrange(len(data))] = pick.randrange(256)
        del data[pick.choice([len(data), pick.randrange(len(data))]) :]
        parse_graph(bytes(data), certain=True)


def test_what_feeds_a_dataset_and_is_no_graph_is_told() -> None:
    model = handmade.model(
        handmade.text_const("g", b"not a graph"), handmade.op("d", "DatasetFromGraph", "g")
    )
    (unread,) = Subject("model", model=model).unread
    assert unread.certain
    assert unread.reason == "does not read as a graph"
    assert unread.place.node.name == "g"


def test_strings_past_the_budget_are_told_and_not_read() -> None:
    model = handmade.model(handmade.text_const("a", b"y" * 600), handmade.text_const("g", _INNER))
    found = list(find_nested(model.graph.nodes, Budget(bytes=500)))
    assert [(item.node.name, item.graph is None) for item in found] == [("a", True), ("g", False)]
    assert "more than is looked into" in found[0].reason


def test_graphs_in_graphs_end_at_a_depth_that_is_told() -> None:
    data = _INNER
    for _ in range(7):
        data = wire.graph(
            [handmade.text_const("g", data), handmade.op("d", "DatasetFromGraph", "g")]
        )
    subject = Subject("model", model=handmade.read_graph(data))
    assert max(body.depth for body in subject.bodies) == 4
    (unread,) = subject.unread
    assert "constants of each other" in unread.reason


def test_many_strings_cost_little() -> None:
    words = [f"\nword{number}".encode() for number in range(100_000)]
    model = handmade.model(handmade.text_const("g", *words))
    start = perf_counter()
    assert not list(find_nested(model.graph.nodes))
    assert perf_counter() - start < 5
