"""Changed fixtures and random bytes: a model or one clear error, never anything else.

``MIGRATOR_FUZZ=50`` tries fifty times as many.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests import strategies, wire
from tests.corpus import DTYPE_SETS, FUZZED, Sample
from tests.fuzz.survive import outcome_of_bytes

MORE = int(os.environ.get("MIGRATOR_FUZZ", "1"))
_IN_ONE = 12
Mutation = tuple[str, float, float, bytes]


@pytest.mark.parametrize("sample", FUZZED, ids=str)
@settings(max_examples=25 * MORE)
@given(changes=strategies.raw_mutations(_IN_ONE))
def test_mutations_of_fixtures(sample: Sample, changes: list[Mutation]) -> None:
    """Each change alone, then all of them one upon the other."""
    original = sample.file.read_bytes()
    together = original
    for change in changes:
        outcome_of_bytes(strategies.mutated(original, *change))
        together = strategies.mutated(together, *change) or b"\0"
    outcome_of_bytes(together)


@pytest.mark.parametrize("path", DTYPE_SETS, ids=lambda path: path.stem)
@settings(max_examples=25 * MORE)
@given(changes=strategies.raw_mutations(4))
def test_mutated_constants_decode_or_fail_clearly(
    path: os.PathLike[str], changes: list[Mutation]
) -> None:
    from migrator.errors import MigratorError
    from migrator.model.tensors import LazyTensor
    from tests.handmade import read_graph

    with open(path, "rb") as file:
        data = file.read()
    for change in changes:
        data = strategies.mutated(data, *change) or b"\0"
    try:
        nodes = read_graph(data).graph.nodes
    except MigratorError:
        return
    for node in nodes:
        value = node.attrs.get("value")
        if isinstance(value, LazyTensor) and value.nbytes < 1 << 20:
            try:
                value.numpy()
            except MigratorError:
                continue


@settings(max_examples=300 * MORE)
@given(st.binary(max_size=300))
@example(b"\x0a\x00")
@example(b"\x08\x01\x12\x00")
@example(b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")
def test_random_bytes(data: bytes) -> None:
    outcome_of_bytes(data)


def _messages() -> st.SearchStrategy[bytes]:
    """Well-formed encodings of messages that nobody defined."""
    field = st.integers(1, 12)
    leaf = st.one_of(
        st.builds(wire.number, field, st.integers(0, 300)),
        st.builds(wire.block, field, st.binary(max_size=8)),
        st.builds(wire.block, field, st.text(max_size=4)),
        st.builds(wire.single, field, st.just(1.0)),
        st.builds(wire.double, field, st.just(1.0)),
    )
    return st.recursive(
        st.lists(leaf, max_size=3).map(b"".join),
        lambda inner: st.lists(
            st.one_of(leaf, st.builds(wire.block, field, inner)), max_size=3
        ).map(b"".join),
        max_leaves=8,
    )


@settings(max_examples=300 * MORE)
@given(_messages())
def test_random_messages(data: bytes) -> None:
    outcome_of_bytes(data)


@settings(max_examples=150 * MORE)
@given(_messages(), _messages())
def test_random_messages_inside_of_models(inner: bytes, other: bytes) -> None:
    node = wire.node("n", "Const") + inner
    outcome_of_bytes(wire.graph([node, wire.node("m", "Add", ["n", "n:1"])]) + other)
    meta = wire.meta_graph(wire.graph([node]), more=other)
    outcome_of_bytes(wire.saved_model(meta, meta))


@settings(max_examples=150 * MORE)
@given(_messages())
def test_random_attributes_of_ops_that_the_rules_look_at(value: bytes) -> None:
    kinds = (
        "Placeholder",
        "Const",
        "VariableV2",
        "QueueDequeueManyV2",
        "IteratorGetNext",
        "Switch",
    )
    nodes = [
        wire.node(
            kind,
            kind,
            ["Placeholder"] if kind != "Placeholder" else [],
            {
                key: wire.Raw(value)
                for key in (
                    "dtype",
                    "shape",
                    "value",
                    "T",
                    "component_types",
                    "output_types",
                    "output_shapes",
                    "shapes",
                    "_output_shapes",
                    "shared_name",
                    "f",
                )
            },
        )
        for kind in kinds
    ]
    outcome_of_bytes(wire.graph(nodes))


@pytest.mark.parametrize("sample", FUZZED, ids=str)
def test_a_fixture_written_twice_into_one_file(sample: Sample) -> None:
    data = sample.file.read_bytes()
    assert outcome_of_bytes(data + data) == "model"


@pytest.mark.parametrize("sample", FUZZED[::5], ids=str)
def test_two_models_in_one_file(sample: Sample) -> None:
    for other in FUZZED[::7]:
        outcome_of_bytes(sample.file.read_bytes() + other.file.read_bytes())
