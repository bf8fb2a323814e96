"""Endpoints whose shapes the graph does not declare."""

from __future__ import annotations

from migrator.inspection.summary import summarize
from tests.corpus import sample
from tests.handmade import dense, model, op, placeholder, unary
from tests.wire import F


def test_an_output_has_the_shape_that_its_op_gives_it() -> None:
    made = model(placeholder("x"), *dense("logits", "x"), unary("scores", "Softmax", "logits"))
    outputs = summarize(made).meta_graphs[0].graph.endpoints.outputs
    assert {item.tensor: str(item.shape) for item in outputs} == {
        "scores:0": "[?, 3]",
        "logits:0": "[?, 3]",
    }


def test_what_nobody_knows_stays_unknown() -> None:
    made = model(placeholder("x"), op("y", "SomebodysOwn", "x", T=F))
    (output,) = summarize(made).meta_graphs[0].graph.endpoints.outputs
    assert str(output.shape) == "unknown rank"


def test_a_real_frozen_graph_shows_the_shapes_of_its_outputs() -> None:
    found = summarize(sample("tf1.15.5/conv_bn").model()).meta_graphs[0].graph.endpoints
    assert [str(item.shape) for item in found.outputs] == ["[?, 5]"]
