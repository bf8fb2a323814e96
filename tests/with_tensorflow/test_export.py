"""What export writes for TensorFlow's own readers: parts of graphs, and logs for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import migrator

from .conftest import FIXTURES

MLP = FIXTURES / "tf1.15.5" / "mlp" / "model.pb"
FUNCTIONS = FIXTURES / "tf2.21.0" / "sm_functions" / "saved_model"


def imported(path: Path) -> Any:
    import tensorflow as tf

    definition = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    graph = tf.Graph()
    with graph.as_default():
        tf.compat.v1.import_graph_def(definition, name="")
    return graph


def run(graph: Any, fetch: str, feeds: dict[str, Any]) -> Any:
    import tensorflow as tf

    with tf.compat.v1.Session(graph=graph) as session:
        return session.run(fetch, feeds)


def test_two_parts_of_a_graph_compute_what_the_whole_does(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    whole = run(imported(MLP), "probabilities:0", {"x:0": x})
    migrator.export(MLP, tmp_path / "first.pb", subgraph="x..hidden/Relu")
    migrator.export(MLP, tmp_path / "second.pb", subgraph="hidden/Relu..probabilities")
    middle = run(imported(tmp_path / "first.pb"), "hidden/Relu:0", {"x:0": x})
    second = imported(tmp_path / "second.pb")
    assert second.get_tensor_by_name("hidden/Relu:0").op.type == "Placeholder"
    assert np.array_equal(run(second, "probabilities:0", {"hidden/Relu:0": middle}), whole)


@pytest.mark.parametrize("name", ["cond", "rnn_while", "function_call", "devices", "conv_bn"])
def test_a_whole_graph_imports(name: str, tmp_path: Path) -> None:
    source = FIXTURES / "tf1.15.5" / name / "model.pb"
    migrator.export(source, tmp_path / "a.pb")
    assert len(imported(tmp_path / "a.pb").get_operations()) == len(migrator.load(source).graph)


def test_bodies_import_as_graphs(tmp_path: Path) -> None:
    model = migrator.load(FUNCTIONS)
    for number, name in enumerate(model.graph.functions):
        target = tmp_path / f"{number}.pb"
        done = migrator.export(model, target, function=name)
        assert len(imported(target).get_operations()) == len(migrator.load(target).graph)
        assert done.nodes == len(model.graph.functions[name].nodes)


def test_a_log_is_read_by_tensorflow(tmp_path: Path) -> None:
    import tensorflow as tf

    migrator.export(FUNCTIONS, tmp_path / "log", format="tensorboard")
    (file,) = (tmp_path / "log").iterdir()
    events = list(tf.compat.v1.train.summary_iterator(str(file)))
    assert [event.WhichOneof("what") for event in events] == ["file_version", "graph_def"]
    assert events[0].file_version == "brain.Event:2"
    shown = tf.compat.v1.GraphDef.FromString(events[1].graph_def)
    graph = migrator.load(FUNCTIONS).graph
    assert [node.name for node in shown.node] == [node.name for node in graph]
    found = {item.signature.name: item for item in shown.library.function}
    assert sorted(found) == sorted(graph.functions)
    for name, function in graph.functions.items():
        assert [node.name for node in found[name].node_def] == [n.name for n in function.nodes]
        assert [list(node.input) for node in found[name].node_def] == [
            list(node.inputs) for node in function.nodes
        ]
