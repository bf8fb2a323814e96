"""A graph against one whose nodes lie in a body that is called: the same, seen through the call.

The matching is given here (by names), so that what is made of it stands alone.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import migrator
from migrator.diffing.result import Diff
from migrator.model.model import Model
from tests import handmade as h
from tests import wire
from tests.diff.by_name import match_by_name


@pytest.fixture(autouse=True)
def _by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("migrator.diffing.compare.match_models", match_by_name)


def signature(output: str) -> bytes:
    def entry(field: int, key: str, tensor: str) -> bytes:
        info = wire.block(1, tensor) + wire.number(2, wire.FLOAT)
        return wire.block(field, wire.block(1, key) + wire.block(2, info))

    item = (
        entry(1, "x", "serving_default_x:0")
        + entry(2, "y", output)
        + wire.block(3, "tensorflow/serving/predict")
    )
    return wire.block(5, wire.block(1, "serving_default") + wire.block(2, item))


def flat(activation: str = "Relu") -> Model:
    unused = h.unary("debug", "Neg", "x")
    nodes = [h.placeholder("x"), *h.dense("y/MatMul", "x"), h.unary("y", activation, "y/MatMul")]
    return h.model(*nodes, unused)


def called(*, returned: str = "y:activations:0", saver: bool = True) -> bytes:
    """The same behind a signature: placeholder, call of a wrapper, call of the body."""
    body = wire.function(
        "inner",
        {"x": wire.FLOAT},
        {"r": wire.FLOAT},
        [
            h.const("y/MatMul/weights", (h_weights())),
            h.op("y/MatMul", "MatMul", "x", "y/MatMul/weights:output:0", T=wire.F),
            h.unary("y", "Relu", "y/MatMul:product:0"),
        ],
        {"r": returned},
    )
    wrapper = wire.function(
        "wrapper",
        {"x": wire.FLOAT},
        {"r": wire.FLOAT},
        [
            h.op("call", "PartitionedCall", "x", f=wire.Call("inner"), Tin=[wire.F], Tout=[wire.F]),
            h.op("Identity", "Identity", "call:output:0", T=wire.F),
        ],
        {"r": "Identity:output:0"},
    )
    nodes = [
        h.placeholder("serving_default_x"),
        h.op(
            "PartitionedCall",
            "PartitionedCall",
            "serving_default_x",
            f=wire.Call("wrapper"),
            Tin=[wire.F],
            Tout=[wire.F],
        ),
    ]
    if saver:
        nodes += [
            h.op("saver_filename", "Placeholder", dtype=wire.S, shape=wire.Dims(())),
            h.op("RestoreV2", "RestoreV2", "saver_filename"),
        ]
    graph = wire.graph(nodes, [body, wrapper])
    return wire.saved_model(wire.meta_graph(graph, more=signature("PartitionedCall:0")))


def h_weights() -> object:
    import numpy as np

    return np.arange(12, dtype=np.float32).reshape(4, 3) / 7


def why(found: Diff) -> dict[str, str]:
    return {item.left or item.right: item.why for item in found.nodes}


def test_moving_into_a_body_changes_nothing_that_is_computed() -> None:
    found = migrator.diff(flat(), h.read_saved_model(called()))
    assert found.same_computation
    assert "weights equal" in found.headline[0]
    assert {item.kind for item in found.nodes} == {"added", "removed", "renamed"}


def test_what_came_and_went_has_its_reason() -> None:
    reasons = why(migrator.diff(flat(), h.read_saved_model(called())))
    assert reasons["debug"] == "unused"
    for name in ("PartitionedCall", "wrapper/call", "wrapper/Identity", "saver_filename"):
        assert reasons[name] == "packaging", name


def test_another_result_of_the_body_is_another_computation() -> None:
    right = h.read_saved_model(called(returned="y/MatMul:product:0"))
    assert not migrator.diff(flat(), right).same_computation


def test_another_op_in_the_body_is_told_under_its_whole_name() -> None:
    found = migrator.diff(flat("Tanh"), h.read_saved_model(called()))
    assert not found.same_computation
    change = next(item for item in found.nodes if item.kind == "changed")
    assert (change.left, change.right) == ("y", "inner/y")


def test_variable_in_the_place_of_a_constant_is_a_move() -> None:
    variable = [
        h.op(
            "w",
            "VarHandleOp",
            dtype=wire.F,
            shape=wire.Dims((4, 3)),
            shared_name=b"w",
        ),
        h.op("w/read", "ReadVariableOp", "w", dtype=wire.F),
    ]
    constant = [h.const("w", h_weights()), h.op("w/read", "Identity", "w", T=wire.F)]
    rest = [h.placeholder("x"), h.op("y", "MatMul", "x", "w/read", T=wire.F)]
    found = migrator.diff(h.model(*constant, *rest), h.model(*variable, *rest))
    assert [(item.kind, item.left, item.right) for item in found.weights] == [("home", "w", "w")]
    assert "1 weight moved from constants to variables" in found.headline
    assert not found.same_computation  # no checkpoint says what the variable holds
    assert found.headline[0].startswith("same computation, if the weights are equal")
    assert not migrator.diff(
        h.model(*constant, *rest), h.model(*variable, *rest), ignore=["homes"]
    ).weights


def test_record_and_call_together_leave_nothing_open(tmp_path: Path) -> None:
    import hashlib

    source = tmp_path / "model.pb"
    nodes = [h.placeholder("x"), *h.dense("y/MatMul", "x"), h.unary("y", "Relu", "y/MatMul")]
    source.write_bytes(wire.graph([*nodes, h.unary("debug", "Neg", "x")]))
    (tmp_path / "saved" / "assets.extra").mkdir(parents=True)
    (tmp_path / "saved" / "saved_model.pb").write_bytes(called())
    data = {
        "schema": "migrator.migrate/1",
        "source": {
            "bytes": source.stat().st_size,
            "sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        },
        "feeds": [],
        "steps": [{"code": "prune", "text": "left out", "count": 1}],
        "verification": {"verdict": "bitwise"},
    }
    (tmp_path / "saved" / "assets.extra" / "migrator.json").write_text(json.dumps(data))
    found = migrator.diff(source, tmp_path / "saved")
    assert found.same_computation
    assert found.headline[1].endswith("nothing added or removed but what its migration record says")
