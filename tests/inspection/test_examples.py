"""The features of tf.Examples are read off the op that parses them."""

from __future__ import annotations

from typing import Any

import migrator
from migrator.inspection.examples import ExampleParser, Feature
from migrator.inspection.node import describe_node
from migrator.model.model import Model
from migrator.report.text import inspect_text
from tests import wire
from tests.corpus import sample
from tests.fuzz.survive import assert_harmless
from tests.handmade import const, model, op, placeholder, text_const

L = wire.Type(9)


def parsers(item: Model) -> tuple[ExampleParser, ...]:
    return migrator.summarize(item).meta_graphs[0].examples


def told(item: Feature) -> tuple[Any, ...]:
    dtype = item.dtype.name if item.dtype is not None else None
    value = None if item.default is None else item.default.numpy().tolist()
    return item.name, item.kind, item.part, dtype, str(item.shape), item.required, value


def test_an_estimator_export_tells_its_features() -> None:
    (found,) = parsers(migrator.load(sample("tf1.15.5/sm_estimator").path))
    assert found.tensor == "input_example_tensor:0"
    assert [told(item) for item in found.features] == [
        ("age", "dense", "", "float32", "[1]", False, [40.0]),
        ("size", "dense", "", "float32", "[2]", True, None),
        ("colour", "sparse", "", "string", "unknown rank", False, None),
        ("town", "sparse", "", "string", "unknown rank", False, None),
    ]


def test_the_second_version_has_its_keys_in_vectors_and_ragged_ones_too() -> None:
    graph = model(
        placeholder("examples", wire.S, (-1,)),
        const("names", [], "int32"),
        text_const("sparse", b"a", b"b"),
        text_const("dense", b"c", b"d"),
        text_const("ragged", b"e", b"f"),
        const("open", [7], "int64"),
        const("none", [], "float32"),
        op(
            "parse",
            "ParseExampleV2",
            *("examples", "names", "sparse", "dense", "ragged", "open", "none"),
            num_sparse=2,
            sparse_types=[L, wire.F],
            Tdense=[L, wire.F],
            dense_shapes=[wire.Dims((-1,)), wire.Dims((3,))],
            ragged_value_types=[wire.S, L],
            ragged_split_types=[L, L],
        ),
    )
    (found,) = parsers(graph)
    assert [told(item) for item in found.features] == [
        ("c", "dense", "", "int64", "[?]", False, [7]),
        ("d", "dense", "", "float32", "[3]", True, None),
        ("a", "sparse", "", "int64", "unknown rank", False, None),
        ("b", "sparse", "", "float32", "unknown rank", False, None),
        ("e", "ragged", "", "string", "unknown rank", False, None),
        ("f", "ragged", "", "int64", "unknown rank", False, None),
    ]
    assert describe_node(graph, "parse").examples is not None
    assert describe_node(graph, "dense").examples is None


def test_a_single_example_has_its_keys_in_attributes() -> None:
    graph = model(
        placeholder("example", wire.S, ()),
        const("zero", [0.5], "float32"),
        op(
            "parse",
            "ParseSingleExample",
            *("example", "zero"),
            num_sparse=1,
            sparse_keys=[b"s"],
            sparse_types=[L],
            dense_keys=[b"d"],
            Tdense=[wire.F],
            dense_shapes=[wire.Dims((1,))],
        ),
    )
    (found,) = parsers(graph)
    assert [told(item) for item in found.features] == [
        ("d", "dense", "", "float32", "[1]", False, [0.5]),
        ("s", "sparse", "", "int64", "unknown rank", False, None),
    ]


def test_a_sequence_example_has_a_context_and_steps() -> None:
    graph = model(
        placeholder("examples", wire.S, (-1,)),
        text_const("debug", b"a", b"b"),
        const("none", [], "int64"),
        op(
            "parse",
            "ParseSequenceExample",
            *("examples", "debug", "none"),
            feature_list_dense_missing_assumed_empty=[b"spared"],
            context_dense_keys=[b"length"],
            context_sparse_keys=[b"tags"],
            context_sparse_types=[wire.S],
            Ncontext_dense=1,
            Tcontext_dense=[L],
            context_dense_shapes=[wire.Dims(())],
            feature_list_dense_keys=[b"frames", b"spared"],
            feature_list_dense_types=[wire.F, wire.F],
            feature_list_dense_shapes=[wire.Dims((8,)), wire.Dims((2,))],
            Nfeature_list_dense=2,
        ),
    )
    (found,) = parsers(graph)
    assert [told(item) for item in found.features] == [
        ("length", "dense", "context", "int64", "[]", True, None),
        ("tags", "sparse", "context", "string", "unknown rank", False, None),
        ("frames", "dense", "steps", "float32", "[8]", True, None),
        ("spared", "dense", "steps", "float32", "[2]", False, None),
    ]


def test_keys_that_are_worked_out_have_no_name() -> None:
    graph = model(
        placeholder("examples", wire.S, (-1,)),
        placeholder("keys", wire.S, (2,)),
        op(
            "parse",
            "ParseExampleV2",
            *("examples", "keys", "keys", "keys", "keys"),
            num_sparse=1,
            sparse_types=[L],
        ),
    )
    (found,) = parsers(graph)
    assert [told(item)[:4] for item in found.features] == [("", "sparse", "", "int64")]


def test_a_graph_without_one_has_none() -> None:
    assert parsers(model(placeholder("x"))) == ()


def test_names_made_to_attack_a_terminal_are_harmless() -> None:
    name = "\x1b]0;owned\x07\r\n\u202e".encode()
    graph = model(
        placeholder("examples", wire.S, ()),
        op(
            "parse",
            "ParseSingleExample",
            "examples",
            num_sparse=1,
            sparse_keys=[name],
            sparse_types=[L],
        ),
    )
    text = inspect_text(migrator.summarize(graph))
    assert "\\x1b]0;owned" in text
    assert_harmless(text)


def test_many_features_and_many_parsers_are_bounded() -> None:
    keys = [b"k%d" % number for number in range(6000)]
    nodes = [
        op(
            f"parse{number}",
            "ParseSingleExample",
            "examples",
            num_sparse=len(keys),
            sparse_keys=keys,
            sparse_types=[L] * len(keys),
        )
        for number in range(4)
    ]
    found = parsers(model(placeholder("examples", wire.S, ()), *nodes))
    assert [len(item.features) for item in found] == [6000, 6000]
