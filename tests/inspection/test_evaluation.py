"""What an evaluation counts in is told from the weights, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

import migrator
from migrator.formats.tensors import constant_tensor
from migrator.inspection.evaluation import metric_thresholds, metric_variables, stored_by_metrics
from migrator.inspection.summary import summarize
from migrator.inspection.weight_list import list_weights
from migrator.model.dtypes import dtype_named
from migrator.model.model import Model, Source
from migrator.report import json_v1
from migrator.report.text import inspect_text
from tests import handmade, wire
from tests.growth import assert_linear
from tests.schemas import validate

SUMS = ("tp", "fp")


def variable(name: str, start: object = (0, 0, 0, 0)) -> list[bytes]:
    return [
        handmade.op(name, "VariableV2", dtype=wire.F, shape=wire.Dims((4,))),
        handmade.const(f"{name}/Initializer/start", start),
        handmade.op(f"{name}/Assign", "Assign", name, f"{name}/Initializer/start", T=wire.F),
        handmade.op(f"{name}/read", "Identity", name, T=wire.F),
    ]


def saver(*names: str) -> list[bytes]:
    """Ops that save and restore these variables."""
    found = [
        handmade.text_const("save/file", b"model"),
        handmade.text_const("save/names", *(name.encode() for name in names), b"~"),
        handmade.text_const("save/slices", *(b"" for _ in names), b""),
        handmade.op("save/save", "SaveV2", "save/file", "save/names", "save/slices", *names),
        handmade.op("save/restore", "RestoreV2", "save/file", "save/names", "save/slices"),
    ]
    for number, name in enumerate(names):
        found.append(
            handmade.op(f"save/{name}", "Assign", name, f"save/restore:{number}", T=wire.F)
        )
    return found


def evaluation() -> list[bytes]:
    """A model of one weight; what tf.metrics.auc makes of its scores, in short."""
    nodes = [*variable("w", (1, 2, 3, 4)), handmade.placeholder("x", dims=(4,))]
    nodes += [
        handmade.op("scores", "Mul", "x", "w/read", T=wire.F),
        handmade.const("thresholds", [0.1, 0.3, 0.6, 0.9]),
        handmade.op("compared", "Greater", "scores", "thresholds", T=wire.F),
        handmade.op("counted", "Cast", "compared", SrcT=wire.Type(10), DstT=wire.F),
    ]
    for name in SUMS:
        nodes += variable(name)
        nodes.append(handmade.op(f"{name}/add", "AssignAdd", name, "counted", T=wire.F))
    return nodes


def with_collections(nodes: Sequence[bytes], **listed: Sequence[str]) -> Model:
    more = b""
    for key, names in listed.items():
        items = b"".join(wire.block(1, wire.block(1, f"{name}:0")) for name in names)
        more += wire.block(4, wire.block(1, key) + wire.block(2, wire.block(2, items)))
    meta = wire.meta_graph(wire.graph(nodes), more=more)
    return handmade.read_saved_model(wire.saved_model(meta))


def found_in(model: Model) -> frozenset[str]:
    return metric_variables(model.meta_graphs[0])


def test_sums_that_the_saver_leaves_out_are_told_apart_with_their_thresholds() -> None:
    model = handmade.model(*evaluation(), *saver("w"))
    summary = summarize(model)
    graph = summary.meta_graphs[0].graph
    assert [weight.name for weight in graph.weights] == ["w"]
    assert "4 parameters (16 B), 2 metric variables (32 B)" in inspect_text(summary)
    result = json_v1.inspect_result([summary])
    validate(result)
    told = result["meta_graphs"][0]["graph"]
    assert told["metric_variables"] == {"tensors": 2, "elements": 8, "bytes": 32}
    assert told["parameters"] == 4
    assert [item.weight.name for item in list_weights(model)] == ["w"]
    assert not migrator.weights(model)


def test_without_a_saver_or_a_list_nothing_is_known() -> None:
    model = handmade.model(*evaluation())
    assert not found_in(model)
    assert summarize(model).meta_graphs[0].graph.metric_variables is None


def test_lists_of_variables_tell_without_a_saver() -> None:
    model = with_collections(evaluation(), variables=["w"], local_variables=SUMS)
    assert found_in(model) == set(SUMS)


def test_what_is_listed_as_a_metrics_need_be_no_sum() -> None:
    nodes = [*variable("w", (1, 2, 3, 4)), *variable("window")]
    nodes.append(handmade.op("set", "Assign", "window", "w/read", T=wire.F))
    local = with_collections(nodes, variables=["w"], local_variables=["window"])
    metric = with_collections(nodes, metric_variables=["window"], local_variables=["window"])
    assert not found_in(local)  # may well be weights that are loaded by hand
    assert found_in(metric) == {"window"}


def test_what_is_saved_is_a_weight_whatever_lists_say() -> None:
    nodes = [*evaluation(), *saver("w", "tp")]
    assert found_in(with_collections(nodes, local_variables=SUMS)) == {"fp"}
    nodes = [*evaluation(), *saver("w")]
    assert found_in(with_collections(nodes, variables=["w", "tp"])) == {"fp"}


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(
            [
                handmade.op("less", "Sub", "counted", "average/read", T=wire.F),
                handmade.op("step", "Mul", "less", "rate", T=wire.F),
                handmade.op("move", "AssignAdd", "average", "step", T=wire.F),
            ],
            id="moving-average",
        ),
        pytest.param(
            [handmade.op("move", "AssignSub", "average", "counted", T=wire.F)], id="subtracted"
        ),
        pytest.param([], id="bias-that-nothing-changes"),
        pytest.param(
            [
                handmade.op("move", "AssignAdd", "average", "counted", T=wire.F),
                handmade.op("step", "ApplyGradientDescent", "average", "rate", "g", T=wire.F),
            ],
            id="trained",
        ),
        pytest.param(
            [
                handmade.op("move", "AssignAdd", "average", "counted", T=wire.F),
                handmade.op("load", "Assign", "average", "x", T=wire.F),
            ],
            id="loaded-from-outside",
        ),
    ],
)
def test_what_a_saver_leaves_out_is_no_sum_for_that_alone(more: list[bytes]) -> None:
    """As where one restores the layers below from another's checkpoint."""
    nodes = [*evaluation(), *variable("average"), *saver("w"), *more]
    assert found_in(handmade.model(*nodes)) == set(SUMS)


def test_a_sum_that_does_not_begin_at_zero_counts_as_a_weight() -> None:
    nodes = [*evaluation(), *variable("seen", (0, 0, 1, 0)), *saver("w")]
    nodes.append(handmade.op("add", "AssignAdd", "seen", "counted", T=wire.F))
    assert found_in(handmade.model(*nodes)) == set(SUMS)


def test_a_constant_that_something_else_takes_is_no_threshold() -> None:
    used = handmade.op("y", "Mul", "x", "thresholds", T=wire.F)
    graph = summarize(handmade.model(*evaluation(), used, *saver("w"))).meta_graphs[0].graph
    assert {weight.name for weight in graph.weights} == {"w", "thresholds"}


def test_metrics_of_keras_are_known_by_their_keys() -> None:
    mark = "/.ATTRIBUTES/VARIABLE_VALUE"
    keys = {"w": f"layer/kernel{mark}", "tp": f"keras_api/metrics/1/true_positives{mark}"}
    nodes = [
        handmade.op(name, "VarHandleOp", dtype=wire.F, shape=wire.Dims((4,)), shared_name=b"")
        for name in keys
    ]
    nodes += [
        handmade.text_const("file", b"model"),
        handmade.text_const("names", *(key.encode() for key in keys.values())),
        handmade.text_const("slices", b"", b""),
        handmade.op("restore", "RestoreV2", "file", "names", "slices"),
        handmade.op("set_w", "AssignVariableOp", "w", "restore", dtype=wire.F),
        handmade.op("set_tp", "AssignVariableOp", "tp", "restore:1", dtype=wire.F),
    ]
    objects = b"".join(
        wire.block(1, wire.block(7, wire.number(1, wire.FLOAT) + wire.block(6, name)))
        for name in keys
    )
    metric = wire.block(1, wire.block(4, wire.block(1, "_tf_keras_metric")))
    for more, expected in ((b"", set()), (metric, {"tp"})):
        meta = wire.meta_graph(wire.graph(nodes), more=wire.block(7, objects + more))
        model = handmade.read_saved_model(wire.saved_model(meta))
        assert found_in(model) == expected
    tensor = constant_tensor(np.zeros(4, np.float32), dtype_named("float32"))
    source = Source(path="made", bytes=1, format="checkpoint")
    alone = Model(source=source, meta_graphs=(), variables=dict.fromkeys(keys.values(), tensor))
    assert stored_by_metrics(alone) == {keys["tp"]}
    summary = summarize(alone)
    assert (summary.parameters, summary.weight_bytes) == (4, 16)
    assert summary.metric_variables is not None
    assert "4 parameters (16 B), 1 metric variable (16 B)" in inspect_text(summary)
    validate(json_v1.inspect_result([summary]))


def test_constants_that_lead_to_the_same_nodes_are_no_square_of_work() -> None:
    def looking(count: int) -> Callable[[], object]:
        names = [f"t{number}" for number in range(count)]
        nodes = [handmade.const(name, [0.5]) for name in names]
        nodes.append(handmade.op("all", "Pack", *names, T=wire.F))
        nodes += [handmade.op(f"g{n}", "Greater", "all", "x", T=wire.F) for n in range(count)]
        meta = handmade.model(*evaluation(), *nodes).meta_graphs[0]
        assert len(meta.graph.nodes) > 2 * count
        return lambda: metric_thresholds(meta, SUMS)

    assert_linear(looking, 600, 9_600)
