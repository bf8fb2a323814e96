"""What a user meets in a notebook: short reprs, arrays, paths where models are wanted, errors."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import migrator
from migrator.errors import UsageError
from migrator.inspection.cost import estimate
from migrator.inspection.node import describe_node
from migrator.model.graph import FunctionRef, Graph, Node, Versions
from migrator.model.model import MetaGraph, Model, Signature, Source
from migrator.model.tensors import Shape, TensorSpec
from tests import handmade as h
from tests.commands import run

MLP = "fixtures/tf1.15.5/mlp/model.pb"
SERVED = "fixtures/tf2.21.0/sm_functions/saved_model"
MODELS = (
    MLP,
    SERVED,
    "fixtures/tf1.15.5/sm_variables/saved_model",
    "fixtures/tf1.15.5/sm_variables/saved_model/variables",
    "fixtures/tf1.15.5/keras2_conv/model.h5",
    "fixtures/tflite_files/signatures.tflite",
)
LONG = "\x1b[2J\u202e\n" + "x" * 1_000_000
LONGEST = 600


def parts_of(item: Any, seen: set[int]) -> Iterator[Any]:
    """The data classes within ``item``, itself first: some of each collection."""
    if id(item) in seen or isinstance(item, (str, bytes, int)):
        return
    seen.add(id(item))
    if dataclasses.is_dataclass(item):
        yield item
        for field in dataclasses.fields(item):
            yield from parts_of(getattr(item, field.name), seen)
    elif isinstance(item, Mapping):
        for key in list(item)[:20]:
            yield from parts_of(item[key], seen)
    elif isinstance(item, Sequence):
        for value in item[:20]:
            yield from parts_of(value, seen)


def is_short(text: str) -> bool:
    return len(text) <= LONGEST and text.isascii() and text.isprintable()


@pytest.mark.parametrize("path", MODELS)
def test_everything_within_a_model_and_its_summary_is_one_short_line(path: str) -> None:
    model = migrator.load(path)
    seen: set[int] = set()
    for whole in (model, migrator.summarize(model), migrator.audit(path)):
        for part in parts_of(whole, seen):
            assert is_short(repr(part)), type(part)
    assert len(seen) > 20


def test_what_comparing_and_planning_give_is_one_short_line() -> None:
    left, right = "fixtures/tf1.15.5/cond/model.pb", MLP
    for whole in (
        migrator.diff(left, right),
        migrator.plan(MLP),
        estimate(migrator.load(MLP).meta_graphs[0]),
        describe_node(migrator.load(MLP), "hidden/MatMul"),
    ):
        for part in parts_of(whole, set()):
            assert is_short(repr(part)), type(part)


def test_hostile_names_are_escaped_and_cut() -> None:
    spec = TensorSpec(tensor=LONG, dtype=migrator.load(MLP).graph.nodes[0].attrs["dtype"],
                      shape=Shape((None,) * 100_000))  # fmt: skip
    node = Node(LONG, LONG, (LONG,) * 3, LONG, {LONG: FunctionRef(name=LONG)})
    graph = Graph(nodes=(node,) * 3, functions={}, versions=Versions(), by_name={LONG: node})
    meta = MetaGraph(tags=(LONG, LONG), tensorflow_version=LONG, graph=graph)
    model = Model(
        source=Source(path=LONG, bytes=10**30, format=LONG), meta_graphs=(meta,), producer=LONG
    )
    signature = Signature(method_name=LONG, inputs={LONG: spec}, outputs={})
    for item in (spec, spec.shape, node, node.attrs[LONG], graph, meta, model, signature):
        assert is_short(repr(item)), type(item)
    assert "\\x1b" in repr(spec) and "\\u202e" in repr(node)


def test_attributes_that_stay_in_their_file_show_their_names() -> None:
    named = h.model(h.op("n", "Odd", **{f"a{number:03}": 1 for number in range(400)})).graph
    assert is_short(repr(named.nodes[0].attrs))
    assert repr(migrator.load(MLP).graph.by_name["x"].attrs).endswith("(['dtype', 'shape'])")


def test_a_line_says_what_is_there() -> None:
    model = migrator.load(SERVED)
    assert repr(model.graph).startswith("Graph(nodes=<14>, functions=<12>, versions=")
    assert "tags=('serve',)" in repr(model.meta_graphs[0])
    assert "identical=False" in repr(migrator.diff(MLP, "fixtures/tf1.15.5/cond/model.pb"))
    kernel = migrator.load(MLP).graph.by_name["hidden/kernel"].attrs["value"]
    assert repr(kernel) == "LazyTensor(dtype=float32, shape=Shape([8, 16]), stored_bytes=527)"


def test_every_class_of_a_public_result_has_such_a_line() -> None:
    """Those that hold text or collections, that is: what the fixtures do not show, too."""
    migrator.summarize(MLP), migrator.diff(MLP, MLP), migrator.plan(MLP), migrator.audit(MLP)
    rooms = ("model.model", "model.graph", "model.tensors", "model.tflite", "inspection.summary",
             "inspection.candidates", "diffing.result", "auditing.finding", "migration.plan",
             "migration.record", "verification.result", "verification.run_result",
             "batching.run.running", "actions.export", "report.explorer.files")  # fmt: skip
    for room in rooms:
        __import__(f"migrator.{room}")
        module = sys.modules[f"migrator.{room}"]
        for kind in vars(module).values():
            if not isinstance(kind, type) or not dataclasses.is_dataclass(kind):
                continue
            if kind.__module__ != module.__name__ or kind.__name__.startswith("_"):
                continue
            types = " ".join(str(field.type) for field in dataclasses.fields(kind) if field.repr)
            if re.search(r"\b(str|tuple|Sequence|Mapping|dict|list)\b", types):
                own = kind.__repr__.__module__
                assert own == "migrator.model.brief" or kind is Shape, kind


def test_an_array_of_a_tensor_holds_its_values() -> None:
    kernel = migrator.load(MLP).graph.by_name["hidden/kernel"].attrs["value"]
    found = np.asarray(kernel)
    assert found.shape == (8, 16) and found.dtype == np.float32
    np.testing.assert_array_equal(found, kernel.numpy())
    assert np.array(kernel, dtype="float64").dtype == np.float64
    assert np.array(kernel, copy=True).shape == (8, 16)
    assert (kernel.size, kernel.nbytes, kernel.ndim) == (128, 512, 2)
    assert float(np.abs(kernel).sum()) > 0
    with pytest.raises(ValueError, match="copy"):
        kernel.__array__(copy=False)


def test_an_array_of_texts_is_one_of_objects() -> None:
    value = h.model(h.text_const("words", b"a", b"\x00b")).graph.by_name["words"].attrs["value"]
    found = np.asarray(value)
    assert found.dtype == object and found.tolist() == [b"a", b"\x00b"]


def test_a_path_does_where_a_model_does() -> None:
    model = migrator.load(MLP)
    assert migrator.summarize(MLP) == migrator.summarize(Path(MLP))
    assert migrator.to_networkx(MLP).number_of_nodes() == len(model.graph)
    assert list(migrator.weights(MLP)) == list(migrator.weights(model))
    assert migrator.load(os.fsencode(MLP)).source == model.source


@pytest.mark.parametrize("call", [migrator.summarize, migrator.to_networkx, migrator.weights])
def test_a_path_is_read_within_limits_and_a_model_keeps_its_own(call: Callable[..., Any]) -> None:
    small = migrator.Limits(nodes=10)
    with pytest.raises(migrator.MigratorError, match="16 nodes, the limit is 10"):
        call(MLP, limits=small)
    call(migrator.load(MLP), limits=small)


def test_a_meta_graph_has_a_number_or_tags() -> None:
    model = migrator.load(SERVED)
    assert list(migrator.weights(model, meta_graph="serve")) == list(migrator.weights(model))
    for which in (0, -1, "serve", ["serve"], ("serve",)):
        assert migrator.to_networkx(model, meta_graph=which).graph["tags"] == ("serve",)
    assert migrator.diff(SERVED, SERVED, tag_set="serve").identical


@pytest.mark.parametrize("which", [1, -2, "train", "serve,train", 1.5, None, [1]])
def test_a_meta_graph_that_is_not_there_is_one_sentence(which: Any) -> None:
    model = migrator.load(SERVED)
    for call in (migrator.weights, migrator.to_networkx):
        with pytest.raises(UsageError) as found:
            call(model, meta_graph=which)
        assert "meta graph" in str(found.value)


@pytest.mark.parametrize("given", [None, 3, 1.5, [MLP], object()])
def test_what_is_no_path_is_one_sentence(given: Any) -> None:
    for call in (
        migrator.load,
        migrator.summarize,
        migrator.to_networkx,
        migrator.weights,
        migrator.plan,
        migrator.audit,
        lambda path: migrator.diff(path, MLP),
        lambda path: migrator.export(path, "never.dot"),
    ):
        with pytest.raises(UsageError) as found:
            call(given)
        assert "wanted" in str(found.value)


def test_an_open_file_is_named_by_its_path() -> None:
    with open(MLP, "rb") as file, pytest.raises(UsageError, match=r"\.name"):
        migrator.load(file)  # type: ignore[arg-type]


def test_the_text_of_inspect_is_at_hand(capsys: pytest.CaptureFixture[str]) -> None:
    text = migrator.inspect_text(migrator.summarize(MLP))
    assert text == run(capsys, "inspect", MLP, "-q").out
    with pytest.raises(UsageError, match="summarize"):
        migrator.inspect_text(migrator.load(MLP))  # type: ignore[arg-type]
