"""Nesting, chains and counts that are made to exhaust a reader: bounded time, bounded memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from migrator.errors import LimitError, MigratorError
from migrator.graph.build import to_networkx
from migrator.inspection.summary import summarize
from migrator.limits import Limits
from migrator.migration.planning import plan
from tests import wire
from tests.fuzz.survive import outcome_of_bytes, use
from tests.handmade import model, op, placeholder, read_graph

SECONDS = 10.0


@contextmanager
def bounded(seconds: float = SECONDS) -> Iterator[None]:
    """Processor time, so that a busy machine does not fail the test."""
    start = time.process_time()
    yield
    assert time.process_time() - start < seconds


def lists_in_lists(levels: int, padding: int = 0) -> bytes:
    """A function attribute whose attribute is a function attribute, and so on.

    Each level is AttrValue{func: NameAttrList{attr: {key, value: AttrValue}}}, with its lengths
    as numbers of five bytes, so that a million levels are an array and not a million calls.
    """
    pad = np.frombuffer(wire.block(1, "x" * padding) if padding else b"", dtype=np.uint8)
    inner = np.frombuffer(wire.attr(1), dtype=np.uint8)
    size = 18 + len(pad)
    rows = np.zeros((levels, size), dtype=np.uint8)
    left = len(inner) + size * np.arange(levels - 1, -1, -1, dtype=np.int64)
    starts = (0, 6, 12 + len(pad))
    for start, tag, rest in zip(starts, (10, 2, 2), (12 + len(pad), 6 + len(pad), 0), strict=True):
        rows[:, start] = tag * 8 + 2
        for byte in range(5):
            more = 128 if byte < 4 else 0
            rows[:, start + 1 + byte] = (left + rest) >> 7 * byte & 127 | more
    rows[:, 12 : 12 + len(pad)] = pad
    return rows.tobytes() + inner.tobytes()


def test_the_attack_is_what_it_says() -> None:
    value = (
        read_graph(wire.graph([wire.node("n", "Op", [], {"f": wire.Raw(lists_in_lists(5, 3))})]))
        .graph.nodes[0]
        .attrs["f"]
    )
    for _ in range(5):
        (value,) = value.attrs.values()
    assert value == 1


@pytest.mark.parametrize(
    ("levels", "padding"),
    [(99, 0), (1000, 0), (1_000_000, 0), (70, 5000), (3000, 5000)],
    ids=["99-tiny", "1000-tiny", "million-tiny", "70-large", "3000-large"],
)
def test_nested_function_attributes_are_refused_or_read(levels: int, padding: int) -> None:
    data = wire.graph([wire.node("n", "Op", [], {"f": wire.Raw(lists_in_lists(levels, padding))})])
    with bounded():
        assert outcome_of_bytes(data) in ("LimitError", "FormatError")


def test_a_million_levels_that_claim_more_than_there_is() -> None:
    """Each level says that it is longer than the file: the first one is refused."""
    data = wire.block(1, wire.node("n", "Op")) + wire.claimed(1, 1 << 40) * 100_000
    with bounded(2):
        assert outcome_of_bytes(data) == "FormatError"


def test_a_library_past_the_limit_of_functions_is_refused() -> None:
    body = [wire.block(1, wire.block(1, wire.block(1, f"f{index}"))) for index in range(200_001)]
    data = wire.block(1, wire.node("n", "f0")) + wire.block(2, b"".join(body))
    with bounded(), pytest.raises(LimitError, match="functions"):
        read_graph(data)


def chain(count: int) -> bytes:
    """``count`` functions, each calling the next, and a node that calls the first."""
    functions = [
        wire.function(
            f"f{index}",
            {"x": wire.FLOAT},
            {"y": wire.FLOAT},
            [wire.node("c", f"f{index + 1}" if index + 1 < count else "Identity", ["x"])],
            {"y": "c:y:0"},
        )
        for index in range(count)
    ]
    nodes = [placeholder("x"), op("y", "f0", "x", f=wire.Call("f0"))]
    return wire.graph(nodes, functions)


def test_a_long_chain_of_functions_is_summarised_drawn_and_planned() -> None:
    """Deeper than Python's stack."""
    data = chain(8_000)
    with bounded():
        found = read_graph(data)
        assert summarize(found).meta_graphs[0].graph.functions == 8_000
        assert len(to_networkx(found).graph["functions"]) == 8_000
        planned = plan(found, outputs=["y"], inputs=["x"])
        assert len(planned.subgraph.functions) == 8_000


def test_a_million_functions_are_refused_in_bounded_time() -> None:
    """The chain scaled to the limit; a million would only be more of the same."""
    with bounded():
        data = chain(25_000)
        with pytest.raises(LimitError):
            read_graph(data, Limits(functions=20_000))


def test_functions_that_call_themselves_and_each_other_end() -> None:
    call = {"f": wire.Call("a", (("g", wire.Call("b")),))}
    functions = [
        wire.function(
            name, {"x": 1}, {"y": 1}, [wire.node("c", other, ["x"], call)], {"y": "c:y:0"}
        )
        for name, other in (("a", "a"), ("b", "c"), ("c", "b"))
    ]
    found = model(placeholder("x"), op("y", "a", "x", T=wire.F), functions=functions)
    with bounded(5):
        use(found)
        planned = plan(found, outputs=["y"], inputs=["x"])
    assert {item.name for item in planned.subgraph.functions} == {"a", "b", "c"}


def test_a_gradient_that_is_its_own_gradient_ends() -> None:
    body = wire.function("f", {"x": 1}, {"y": 1}, [], {"y": "x"})
    data = wire.graph([placeholder("x"), op("y", "f", "x")], [body], gradients={"f": "f"})
    found = plan(read_graph(data), outputs=["y"], inputs=["x"])
    assert [item.name for item in found.subgraph.functions] == ["f"]


def test_a_long_chain_of_nodes_is_no_recursion() -> None:
    nodes = [placeholder("n0")]
    nodes += [op(f"n{index}", "Relu", f"n{index - 1}", T=wire.F) for index in range(1, 12_000)]
    with bounded():
        found = model(*nodes)
        use(found)
        planned = plan(found)
    assert [item.tensor for item in planned.outputs] == ["n11999:0"]


def test_many_loose_ends_take_linear_time() -> None:
    """Thousands of outputs, each behind its own weights."""
    nodes = [placeholder("x")]
    nodes += [op(f"end{index}", "Relu", "x", T=wire.F) for index in range(4000)]
    with bounded():
        use(model(*nodes))


def test_many_placeholders_and_defaults_take_bounded_time() -> None:
    """A chain of placeholders with defaults: each looks back for what computes it."""
    nodes = [op("c", "Const", dtype=wire.F, value=np.zeros(2, "float32"))]
    nodes += [
        op(
            f"p{index}",
            "PlaceholderWithDefault",
            f"p{index - 1}" if index else "c",
            dtype=wire.F,
            shape=wire.Dims((2,)),
        )
        for index in range(3000)
    ]
    with bounded():
        use(model(*nodes, op("y", "Relu", "p2999", T=wire.F)))


def test_many_named_identities_in_a_row_take_bounded_time() -> None:
    nodes = [placeholder("x")]
    for index in range(4000):
        source = f"output_{index - 1}" if index else "x"
        nodes.append(op(f"output_{index}", "Identity", source, T=wire.F))
    with bounded():
        use(model(*nodes))


def test_a_long_chain_of_predicates_folds_in_bounded_time() -> None:
    """LogicalNot upon LogicalNot, in the worst order."""
    count = 3000
    nots = [
        op(f"not{index}", "LogicalNot", f"not{index - 1}" if index else "flag")
        for index in range(count)
    ]
    nodes = [
        placeholder("x"),
        op("flag", "Placeholder", dtype=wire.B, shape=wire.Dims(())),
        *reversed(nots),
        op("s", "Switch", "x", f"not{count - 1}", T=wire.F),
        op("y", "Relu", "s:1", T=wire.F),
    ]
    with bounded():
        found = plan(model(*nodes), inputs=["x"], outputs=["y"], feeds=["flag=true"])
    assert [node.op for node in found.subgraph.nodes if node.name == "s"] == ["Identity"]


def test_a_node_with_very_many_inputs_and_attributes() -> None:
    inputs = ["x"] * 50_000
    attrs = {f"a{index}": index for index in range(20_000)}
    with bounded():
        use(model(placeholder("x"), wire.node("y", "AddN", inputs, attrs)))


def test_a_hostile_count_of_outputs_is_no_allocation() -> None:
    """``N`` says how many outputs there are."""
    node = op("y", "Split", "x", "x", num_split=2**62, T=wire.F)
    with bounded(2):
        use(model(placeholder("x"), node, op("z", "Relu", "y:5", T=wire.F)))


def test_bad_text_at_the_end_of_a_large_file_is_found_in_bounded_time() -> None:
    """protobuf refuses the whole; the second, slower walk that tells the place is bounded too."""
    good = [wire.node(f"n{index}", "Relu", ["x"], {"T": wire.F}) for index in range(20_000)]
    data = wire.graph([*good, wire.node(b"\xff", "NoOp")])
    with bounded():
        try:
            read_graph(data)
        except MigratorError:
            return
    raise AssertionError("was read")
