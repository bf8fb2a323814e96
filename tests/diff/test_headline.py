"""The headline: which story is told of which pair."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import migrator
from migrator.diffing.result import Diff
from migrator.formats.load import load
from migrator.model.model import Model
from tests import handmade as h
from tests import wire
from tests.corpus import SAMPLES, sample
from tests.diff.models import network

TWINS = sorted(
    item.folder.name
    for item in SAMPLES
    if item.made_by == "1.4.1"
    and any(other.name == f"tf1.15.5/{item.folder.name}" for other in SAMPLES)
)


def told(left: Any, right: Any, **options: Any) -> str:
    return "\n".join(migrator.diff(left, right, **options).headline)


def norm(name: str, source: str, *, fused: bool = True) -> list[bytes]:
    """A batch norm for inference."""
    values = [h.const(f"{name}/{word}", np.ones(3)) for word in ("scale", "offset", "mean", "var")]
    inputs = [f"{name}/{word}" for word in ("scale", "offset", "mean", "var")]
    return [
        *values,
        h.op(name, "FusedBatchNorm", source, *inputs, T=wire.F, is_training=False, epsilon=1e-3),
    ]


def tower(*, norms: bool, dropout: bool = False) -> Model:
    nodes = [h.placeholder("x")]
    last = "x"
    for layer in range(4):
        nodes += h.dense(f"layer{layer}/MatMul", last, 4 if last == "x" else 3, 3)
        last = f"layer{layer}/MatMul"
        if norms:
            nodes += norm(f"layer{layer}/bn", last)
            last = f"layer{layer}/bn"
        if dropout and layer == 2:
            scope = f"layer{layer}/dropout"
            nodes += [
                h.op(f"{scope}/Shape", "Shape", last, T=wire.F),
                h.op(
                    f"{scope}/random", "RandomUniform", f"{scope}/Shape", T=wire.I32, dtype=wire.F
                ),
                h.op(f"{scope}/mul", "Mul", last, f"{scope}/random", T=wire.F),
            ]
            last = f"{scope}/mul"
        nodes.append(h.unary(f"layer{layer}/act", ("Relu", "Tanh", "Elu", "Selu")[layer], last))
        last = f"layer{layer}/act"
    return h.model(*nodes, h.op("probabilities", "Softmax", last, T=wire.F))


def test_batch_norms_that_are_gone_are_counted() -> None:
    text = told(tower(norms=True), tower(norms=False))
    assert "4 batch norms removed" in text
    assert "4 batch norms added" in told(tower(norms=False), tower(norms=True))


def test_dropout_that_is_gone_is_told() -> None:
    left, right = tower(norms=False, dropout=True), tower(norms=False)
    assert "1 dropout removed" in told(left, right)
    assert "1 dropout added" in told(right, left)


def test_training_parts_that_are_cut_are_told() -> None:
    grads = [
        h.op("gradients/act_grad", "ReluGrad", "conv/act", "conv/BiasAdd", T=wire.F),
        h.op("gradients/mm", "MatMul", "gradients/act_grad", "dense/weights", T=wire.F),
        h.op("Adam/update", "ApplyGradientDescent", "gradients/mm", T=wire.F),
        h.op("train", "NoOp", "^Adam/update"),
    ]
    signature = wire.block(
        5,
        wire.block(1, "serving_default")
        + wire.block(
            2,
            wire.block(
                2,
                wire.block(1, "p")
                + wire.block(2, wire.block(1, "probabilities:0") + wire.number(2, 1)),
            )
            + wire.block(3, "tensorflow/serving/predict"),
        ),
    )

    def saved(*more: bytes) -> Model:
        nodes = [h.placeholder("conv/BiasAdd"), h.unary("conv/act", "Relu", "conv/BiasAdd")]
        nodes += h.dense("probabilities", "conv/act")
        nodes.append(h.const("dense/weights", [[1.0, 2.0]]))
        graph = wire.graph([*nodes, *more])
        return h.read_saved_model(wire.saved_model(wire.meta_graph(graph, more=signature)))

    found = migrator.diff(saved(*grads), saved())
    assert "training parts cut (4 nodes)" in found.headline
    assert found.same_computation


def test_renamed_output_is_told_by_both_names() -> None:
    text = told(network(), network(output="scores"))
    assert "output renamed: probabilities is scores now" in text
    assert text.startswith("same network; only names differ; weights equal")


def test_another_network_is_called_one() -> None:
    left, right = sample("tf1.15.5/rnn_while").model(), sample("tf1.15.5/conv_bn").model()
    found = migrator.diff(left, right)
    assert not found.same_computation
    assert found.headline[0].startswith("another network")


def test_layers_that_were_added_are_told_by_their_ops() -> None:
    more = h.dense("extra/MatMul", "probabilities", 3, 5)
    text = told(network(), network(extra=(*more, h.unary("extra/act", "Relu", "extra/MatMul"))))
    assert "1 layer added (MatMul 1)" in text


@pytest.mark.parametrize("name", TWINS)
def test_twins_of_two_releases_are_related_and_have_equal_weights(name: str) -> None:
    found = migrator.diff(sample(f"tf1.4.1/{name}").path, sample(f"tf1.15.5/{name}").path)
    assert not found.headline[0].startswith("another network")
    matched, total = found.counts["matched"], found.counts["left_nodes"]
    assert matched >= 0.7 * total


@pytest.mark.parametrize("name", ("mlp", "cond", "conv_bn", "embedding", "two_endpoints"))
def test_twins_that_differ_in_versions_of_ops_only_compute_the_same(name: str) -> None:
    found = migrator.diff(sample(f"tf1.4.1/{name}").path, sample(f"tf1.15.5/{name}").path)
    assert found.same_computation
    assert "weights equal" in found.headline[0] or found.identical


def record(folder: Path, source: Path, steps: list[str], **more: Any) -> None:
    import hashlib

    data = {
        "schema": "migrator.migrate/1",
        "source": {
            "bytes": source.stat().st_size,
            "sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        },
        "feeds": [],
        "steps": [{"code": code, "text": code, "count": 1} for code in steps],
        "verification": {"verdict": "bitwise"},
        **more,
    }
    (folder / "assets.extra").mkdir(exist_ok=True)
    (folder / "assets.extra" / "migrator.json").write_text(json.dumps(data))


def migrated(tmp_path: Path, kind: str = "Identity") -> tuple[Path, Path]:
    """A graph, and a SavedModel of it without one of its nodes."""
    source = tmp_path / "model.pb"
    nodes = [h.placeholder("x"), h.op("pass", kind, "x", T=wire.F), h.unary("y", "Relu", "pass")]
    source.write_bytes(wire.graph(nodes))
    folder = tmp_path / "saved"
    folder.mkdir()
    graph = wire.graph([h.placeholder("x"), h.unary("y", "Relu", "x")])
    (folder / "saved_model.pb").write_bytes(wire.saved_model(wire.meta_graph(graph)))
    return source, folder


def test_migration_record_explains_what_came_and_went(tmp_path: Path) -> None:
    source, folder = migrated(tmp_path)
    record(folder, source, ["remove_identities"])
    found = migrator.diff(source, folder)
    assert (
        "right was migrated from the other: nothing added or removed but what its migration "
        "record says"
    ) in found.headline
    assert "left was migrated from the other" in told(folder, source)


def test_record_of_another_file_proves_nothing(tmp_path: Path) -> None:
    source, folder = migrated(tmp_path, "Square")
    record(folder, source, [])
    data = json.loads((folder / "assets.extra" / "migrator.json").read_text())
    data["source"]["sha256"] = "0" * 64
    (folder / "assets.extra" / "migrator.json").write_text(json.dumps(data))
    found = migrator.diff(source, folder)
    assert not found.same_computation
    text = "\n".join(found.headline)
    assert "of other content" in text and "nothing added or removed but" not in text


def test_record_does_not_cover_what_it_does_not_name(tmp_path: Path) -> None:
    source, folder = migrated(tmp_path, "Square")
    record(folder, source, [])
    found = migrator.diff(source, folder)
    assert not found.same_computation
    assert "does not say why 1 node came or went" in "\n".join(found.headline)


def test_record_does_not_cover_a_node_that_was_changed_later(tmp_path: Path) -> None:
    source, folder = migrated(tmp_path)
    graph = wire.graph([h.placeholder("x"), h.unary("y", "Tanh", "x")])
    (folder / "saved_model.pb").write_bytes(wire.saved_model(wire.meta_graph(graph)))
    record(folder, source, ["remove_identities"])
    assert not migrator.diff(source, folder).same_computation


def test_layer_that_is_called_after_dropout_is_no_dropout() -> None:
    layer = (*h.dense("dropout_net/MatMul", "probabilities", 3, 2),)
    text = told(network(), network(extra=layer))
    assert "1 layer added (MatMul 1)" in text
    assert "dropout added" not in text


@pytest.mark.parametrize("data", ("[]", "{", "{}", '{"schema": "migrator.migrate/1", "steps": 7}'))
def test_broken_record_is_no_record(tmp_path: Path, data: str) -> None:
    source, folder = migrated(tmp_path)
    record(folder, source, [])
    (folder / "assets.extra" / "migrator.json").write_text(data)
    assert "migrated" not in told(source, folder)


def test_every_fixture_is_identical_to_itself() -> None:
    for item in SAMPLES:
        if item.kind.startswith("keras"):
            continue
        found: Diff = migrator.diff(load(item.path), load(item.path))
        assert found.identical, item.name
        assert found.same_computation, item.name
        assert found.headline[0] in ("identical", "no difference found"), item.name


def stack(layers: int, scope: str, kind: str) -> Model:
    nodes, last = [h.placeholder("x")], "x"
    for number in range(layers):
        nodes += h.dense(f"{scope}{number}/MatMul", last, 4 if last == "x" else 3, 3)
        nodes.append(h.unary(f"{scope}{number}/act", kind, f"{scope}{number}/MatMul"))
        last = f"{scope}{number}/act"
    return h.model(*nodes)


def test_networks_that_share_less_than_most_of_their_layers_are_related() -> None:
    assert told(stack(4, "a", "Relu"), stack(10, "a", "Relu")).startswith("related networks: ")
    assert "same network" in told(stack(9, "a", "Relu"), stack(10, "a", "Relu"))


def test_same_computation_says_so_where_no_weight_could_be_compared() -> None:
    frozen = h.model(h.placeholder("x"), *h.dense("y", "x", 2, 2))
    loose = h.model(
        h.placeholder("x"),
        h.op("y/kernel", "VariableV2", dtype=wire.F, shape=[2, 2]),
        h.op("y/kernel/read", "Identity", "y/kernel", T=wire.F),
        h.op("y", "MatMul", "x", "y/kernel/read", T=wire.F),
    )
    first = told(frozen, loose).splitlines()[0]
    assert first == "same computation, if the weights are equal; weights not compared"


def test_conditions_that_nothing_needs_did_not_become_other_control_flow() -> None:
    left = sample("tf2.21.0/sm2_tables").model()
    right = sample("tf1.15.5/conv_bn").model()
    assert "became TensorFlow 1 control flow" not in told(left, right)
